"""Soundness: damage that nobody would come upon by using it is found before anything is decided upon it."""

from __future__ import annotations

import pytest

from syncd.core.conditions import compile_condition
from syncd.core.record import MemberName
from syncd.flow.soundness import look_over, look_over_times
from syncd.store import planning
from syncd.store.codec import DamagedError, blind
from syncd.store.outbox import State
from syncd.store.planning import PlanItem
from tests.flow.hands import by_us, edited
from tests.flow.world import ADA, CRM, EMAIL, NAME, PHONE, S, opened, row, rules

BEN = {"email": "ben@example.com", "name": "Ben", "phone": "+12025550143"}
ONLY_WITH_PHONE = rules(row(EMAIL), row(NAME), row(PHONE), members={CRM: {"when": compile_condition({"field": "phone", "op": "exists"})}})


async def alone(world):
    """Ada is in mail alone, linked and indexed: the crm takes nobody without a phone."""
    await look_over(world.engine, S)
    world.mail.create_as_user(ADA)
    await world.sync()
    assert [{"mail": "mail-1"}] == await world.links()


async def change(world, statement, *values):
    """A stored row changes by itself."""
    return await world.engine.database.write(lambda tx: tx.execute(statement, values).rowcount)


async def blinded(world, text):
    """A match key as it stands in the index."""
    return await world.read(lambda tx: blind(tx, text))


async def test_a_damaged_key_links_nobody_else(tmp_path):
    """The key of Ada's record turned into Ben's: Ben, who is new elsewhere, must not be joined to Ada."""
    async with opened(tmp_path, ONLY_WITH_PHONE) as world:
        await alone(world)
        assert 1 == await change(world, "UPDATE match_keys SET value = ? WHERE record_id = 'mail-1' AND key = 'email'", await blinded(world, BEN["email"]))
        world.crm.create_as_user(BEN)
        await world.sync()

        assert [{"mail": "mail-1"}, {"crm": "crm-1", "mail": "mail-2"}] == await world.links()
        assert (ADA["name"], BEN["name"]) == tuple(world.mail.records()[each]["name"] for each in ("mail-1", "mail-2"))
        assert [["match_keys", ["contacts", "mail", "mail-1"]]] == [[each["table"], each["row"]] for each in world.log("row.damaged")]
        assert await world.read(lambda tx: planning.index_is_sound(tx, S)) is False
        await look_over(world.engine, S)
        await world.sync()
        assert await world.read(lambda tx: planning.index_is_sound(tx, S))
        assert 2 == len(await world.links())


async def test_a_damaged_key_hides_nobody(tmp_path):
    """The key of Ada's record changed while the daemon was down: Ada, made elsewhere, must not be made a second time."""
    async with opened(tmp_path, ONLY_WITH_PHONE) as world:
        await alone(world)
        assert 1 == await change(world, "UPDATE match_keys SET value = ? WHERE record_id = 'mail-1' AND key = 'email'", "adb@example.com")
        await look_over(world.engine, S)
        world.crm.create_as_user({**ADA, "phone": BEN["phone"]})
        await world.sync()

        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()
        assert ["mail-1"] == list(world.mail.records())
        assert ["match_keys"] == [each["table"] for each in world.log("row.damaged")]


async def test_a_sound_index_is_left_alone(tmp_path):
    """Nothing is said and nothing is planned again."""
    async with opened(tmp_path) as world:
        await look_over(world.engine, S)
        await world.linked()
        await look_over(world.engine, S)

        assert (0, []) == (await world.waiting(), world.log("row.damaged"))


async def test_a_record_whose_link_is_hidden(tmp_path):
    """The link's row names another record now: it is found before the record passes for a new one."""
    async with opened(tmp_path) as world:
        await world.linked()
        await change(world, "UPDATE link_members SET record_id = 'mail-9' WHERE member = 'mail'")

        with pytest.raises(DamagedError, match="link_members"):
            await look_over(world.engine, S)


async def test_a_write_in_no_state_there_is(tmp_path):
    """An owed edit whose row nobody would come upon is owed anew, and arrives."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        await change(world, "UPDATE outbox SET state = 'pendinf' WHERE state = 'pending'")
        await world.work()
        assert [] == by_us(world.mail)
        await world.engine.database.write(lambda tx: look_over_times(world.engine, tx))
        await world.work()

        assert ("Ada L", 1) == (world.mail.records()[mail]["name"], len(by_us(world.mail)))
        assert ["outbox"] == [each["table"] for each in world.log("row.damaged")]
        assert [] == await world.outbox(State.PENDING)


@pytest.mark.parametrize("name", ["mbil", "crm"])
async def test_an_item_of_no_member(tmp_path, name):
    """It is dropped, and since nobody knows whose change it told of, everything is planned."""
    async with opened(tmp_path) as world:
        await world.linked()
        sync = S if name != "crm" else type(S)("dontacts")
        item = PlanItem(sync, MemberName(name), world.ref("crm-1").id)
        await world.engine.database.write(lambda tx: planning.enqueue(tx, [item], 1, "test"))
        await world.engine.database.write(lambda tx: look_over_times(world.engine, tx))

        assert 1 == await world.waiting()
        await world.work()
        assert 0 == await world.waiting()


