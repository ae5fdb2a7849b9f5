"""Linking: how a record finds its counterpart, and when a person is asked instead."""

from __future__ import annotations

import pytest

from syncd.core.conditions import compile_condition
from syncd.flow.reconcile import reconcile_once
from tests.flow.world import ADA, CRM, EMAIL, MAIL, PHONE, S, Watch, opened, rules, systems

BEN = {"email": "ben@example.com", "name": "Ben"}
THIRD = "third"

async def test_a_record_without_a_counterpart_is_made_elsewhere(tmp_path):
    """Nobody has it: a link of its own, and a create."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        await world.sync()

        assert [ADA] == list(world.mail.records().values())
        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()


async def test_equal_keys_link(tmp_path):
    """One counterpart: linked, whatever the spelling of the key; equal values cost no call."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user({**ADA, "email": " ADA@Example.com"})
        await world.sync()

        assert 1 == len(await world.links())
        assert ("page", "page") == (*world.calls(CRM), *world.calls(MAIL))


@pytest.mark.parametrize("moment", range(3))
async def test_a_turn_sees_everything_in_one_transaction(tmp_path, monkeypatch, moment):
    """What is read between two steps of a turn would be known to neither: both records would be taken for nobody's and made twice."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user(ADA)
        genuine, moments = world.engine.database.read, iter(range(99))

        async def read(job):
            if next(moments) == moment:
                with monkeypatch.context() as calm:
                    calm.setattr(world.engine.database, "read", genuine)
                    await world.poll()
            return await genuine(job)

        monkeypatch.setattr(world.engine.database, "read", read)
        for _ in range(8):
            await reconcile_once(world.engine, S)
        monkeypatch.undo()

        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()


async def test_twins_are_held_with_all_candidates(tmp_path):
    """Two records of one member with the same key: nobody is linked to "the first", nothing is made, a person is asked."""
    async with opened(tmp_path) as world:
        twins = [world.mail.create_as_user(ADA) for _ in range(2)]
        crm = world.crm.create_as_user(ADA)
        await world.sync()
        (asked,) = [each for each in await world.holds() if each.record_id == crm]

        assert ([], 1, 2) == (await world.links(), len(world.crm.records()), len(world.mail.records()))
        assert {"ambiguous"} == set(await world.asked())
        assert [f"mail/contacts/{each}" for each in twins] == asked.sides["candidates"]


async def test_an_ambiguity_is_resolved_when_keys_change(tmp_path):
    """One twin gets another address: the others find each other, and every question closes by itself."""
    async with opened(tmp_path) as world:
        twins = [world.mail.create_as_user(ADA) for _ in range(2)]
        crm = world.crm.create_as_user(ADA)
        await world.sync()
        world.later(60)
        world.mail.edit_as_user(twins[1], {"email": "other@example.com"})
        await world.poll()
        await world.work()

        assert {"crm": crm, "mail": twins[0]} in await world.links()
        assert [] == await world.asked()
        assert (2, 2) == (len(world.crm.records()), len(world.mail.records()))


async def test_an_ambiguity_is_resolved_when_a_twin_goes(tmp_path):
    """The same, where a person deleted one of them."""
    async with opened(tmp_path) as world:
        twins = [world.mail.create_as_user(ADA) for _ in range(2)]
        crm = world.crm.create_as_user(ADA)
        await world.sync()
        world.mail.delete_as_user(twins[0])
        await world.hear(MAIL)
        for seconds in (3, 601):
            world.later(seconds)
            await world.reread(MAIL)
        await world.work()

        assert [{"crm": crm, "mail": twins[1]}] == await world.links()
        assert [] == await world.asked()


async def test_an_e_mail_change_is_an_edit(tmp_path):
    """Identity is the link: the new address travels, and a stranger with the old one is a new person."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"email": "ada@new.example"})
        await world.poll()
        await world.work()
        world.crm.create_as_user({**ADA, "name": "Other"})
        await world.poll()
        await world.work()

        assert {"email": "ada@new.example", "name": "Ada"} == world.mail.records()[mail]
        assert 2 == len(await world.links()) == len(world.mail.records())


async def test_a_later_key_links_where_the_earlier_is_missing(tmp_path):
    """Without an address on one side the phone number links; with two that differ it is a person's question."""
    async with opened(tmp_path, rules(match=(EMAIL, PHONE))) as world:
        world.crm.create_as_user({"name": "Ada", "phone": "(212) 555-0123"})
        world.mail.create_as_user({**ADA, "phone": "+12125550123"})
        world.crm.create_as_user({"email": "x@example.com", "phone": "+12125550199"})
        world.mail.create_as_user({"email": "y@example.com", "phone": "+12125550199"})
        await world.sync()

        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()
        assert ["ambiguous", "ambiguous"] == await world.asked()


async def test_a_record_outside_takes_no_part(tmp_path):
    """What a member's condition does not admit is neither linked nor made elsewhere, and is counted as skipped."""
    only = {"when": compile_condition({"field": "name", "op": "eq", "value": "Ada"})}
    async with opened(tmp_path, rules(members={CRM: only})) as world:
        world.crm.create_as_user(ADA)
        world.crm.create_as_user(BEN)
        await world.sync()

        assert [ADA] == list(world.mail.records().values())
        assert 1 == (await world.sums())["skipped"]


async def test_three_members_make_one_link(tmp_path):
    """A hub has as many members as there are systems; what one says reaches all, and nothing goes in circles."""
    clock = Watch()
    far = systems(clock)
    far[THIRD] = type(far[CRM])(clock, id_prefix="third-")
    three = (CRM, MAIL, THIRD)
    async with opened(tmp_path, rules(among=three), far=far) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user(ADA)
        await world.sync()
        world.later(60)
        world.far[THIRD].edit_as_user("third-1", {"phone": "+12125550123"})
        for _ in range(3):
            await world.poll()
            await world.work()

        assert [{"crm": "crm-1", "mail": "mail-1", "third": "third-1"}] == await world.links()
        assert [{**ADA, "phone": "+12125550123"}] * 3 == [next(iter(each.records().values())) for each in far.values()]
        assert [2, 2, 2] == [len(each.log) for each in far.values()]
