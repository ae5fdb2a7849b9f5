"""Forgetting: whoever was forgotten is not taken in again, and nobody else is kept out."""

from __future__ import annotations

from syncd.core.record import LinkId
from syncd.flow import forgetting
from syncd.store import forgotten
from tests.flow.world import opened

ADA = {"email": "ada@example.com", "name": "Ada", "phone": "+12125550100", "tags": []}
BEN = {"email": "ben@example.com", "name": "Ben", "phone": "+12125550101", "tags": []}


async def forget_ada(world):
    """Forgets whoever has the first link."""
    return await world.engine.database.write(lambda tx: forgetting.forget(world.engine, tx, [], [LinkId(1)]))


async def test_the_same_address_under_a_new_id_is_kept_out(tmp_path):
    """Neither linked nor written anywhere; whoever has another address comes in as ever."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        assert 1 == len(world.mail.records())
        await forget_ada(world)
        world.crm.create_as_user({**ADA, "name": "Ada again"})
        world.crm.create_as_user(BEN)
        await world.sync()
        await world.sync()

        assert [["ben@example.com"]] == [[world.crm.records()[link["crm"]]["email"]] for link in await world.links()]
        assert sorted([ADA["name"], BEN["name"]]) == sorted(each["name"] for each in world.mail.records().values())
        people, kept_out = await world.read(forgotten.counts)
        assert (1, True) == (people, kept_out > 0)


async def test_an_edit_of_whom_was_forgotten_changes_nothing(tmp_path):
    """By webhook or by poll: it is not read in, and goes nowhere."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        await forget_ada(world)
        world.crm.edit_as_user("crm-1", {"name": "Ada L"})
        await world.sync()

        assert [] == await world.links()
        assert ["Ada"] == [each["name"] for each in world.mail.records().values()]
        assert [(0,)] == await world.read(lambda tx: tx.execute("SELECT count(*) FROM observations").fetchall())
        assert [(0,)] == await world.read(lambda tx: tx.execute("SELECT count(*) FROM to_plan").fetchall())


async def test_an_address_that_a_linked_record_has_keeps_nobody_out(tmp_path):
    """Ben, who is linked and takes Ada's address over, stays: a link is never ended by a key."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        world.crm.create_as_user(BEN)
        await world.sync()
        await forget_ada(world)
        world.crm.edit_as_user("crm-2", {"email": ADA["email"]})
        await world.sync()

        assert 1 == len(await world.links())
        assert [1] == [number for (number,) in await world.read(lambda tx: tx.execute("SELECT count(*) FROM links").fetchall())]
