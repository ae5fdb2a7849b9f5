"""Forgetting: whoever was forgotten is not taken in again, and nobody else is kept out."""

from __future__ import annotations

from syncd.connectors.memory import FaultKind
from syncd.core.record import LinkId
from syncd.flow import forgetting
from syncd.flow.requests import answer_one
from syncd.store import control, forgotten
from syncd.store.cursors import PassMode
from syncd.store.outbox import State
from tests.flow.world import MAIL, opened

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


async def ask_for_all(world, refs, left=()):
    """Asks for Ada to be forgotten everywhere, as the command does, and has it answered."""
    arguments = {"at_vendors": True, "refs": [[each.system, each.collection, each.id] for each in refs], "links": [1], "left": list(left)}
    number = await world.engine.database.write(lambda tx: control.ask(tx, "forget", arguments, world.clock.now()))
    await answer_one(world.engine, number)
    return await world.read(lambda tx: control.get_request(tx, number))


async def test_what_the_systems_cannot_delete_is_listed(tmp_path):
    """What the connector cannot delete, only puts away, or the configuration does not allow is left alone and told of; the rest goes."""
    for given, why in (({"can_delete": False}, "cannot be deleted"), ({"can_erase": False}, "put away")):
        folder = tmp_path / next(iter(given))
        folder.mkdir()
        async with opened(folder, capabilities={MAIL: given}) as world:
            ids = await world.linked(ADA)
            request = await ask_for_all(world, [world.ref(ids[0]), world.ref(ids[1], MAIL)])

            assert ("done", 1) == (request.state, request.result["deleted"])
            assert [(f"mail/contacts/{ids[1]}", True)] == [(each["ref"], why in each["why"]) for each in request.result["left"]]
            assert ([], [ids[1]]) == (list(world.crm.records()), list(world.mail.records()))
            assert [(0,)] == await world.read(lambda tx: tx.execute("SELECT count(*) FROM removals").fetchall())
            assert {} == dict(request.arguments)


async def test_more_than_was_shown_is_not_deleted(tmp_path):
    """A record that has come to belong to them since: nothing is done, neither here nor there."""
    async with opened(tmp_path) as world:
        ids = await world.linked(ADA)
        request = await ask_for_all(world, [world.ref(ids[0])])

        assert "failed" == request.state
        assert f"mail/contacts/{ids[1]}" in request.result["error"]
        assert (1, 1, 1) == (len(world.crm.records()), len(world.mail.records()), len(await world.links()))


async def test_a_record_that_may_have_been_made_is_waited_for(tmp_path):
    """While a create is in doubt, what it made could not be deleted: nothing is done until it is found out."""
    async with opened(tmp_path) as world:
        number = world.crm.create_as_user(ADA)
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "create")
        await world.poll(mode=PassMode.COMPLETE)
        await world.plan()
        await world.write()
        assert [State.UNKNOWN] == [each.state for each in await world.outbox()]
        request = await ask_for_all(world, [world.ref(number)])

        assert "failed" == request.state
        assert "not known yet" in request.result["error"]
        assert (1, 1) == (len(world.crm.records()), len(world.mail.records()))
