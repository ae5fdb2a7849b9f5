"""Reconcile: when planning may begin, what follows from a deletion, and that the outcomes balance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.conditions import compile_condition
from syncd.core.record import MINUTE
from syncd.core.rules import Cap, DeleteRule
from syncd.flow.reconcile import reconcile_once
from syncd.store import control, links, outbox, planning
from syncd.store.cursors import PassMode
from syncd.store.outbox import State
from tests.flow.world import ADA, CRM, MAIL, OPEN_GUARDS, S, Watch, opened, row, rules, systems

BEN = {"email": "ben@example.com", "name": "Ben"}
THIRD = "third"


async def test_nothing_is_planned_before_everybody_was_listed(tmp_path):
    """A record that only one member shows is not missing elsewhere until elsewhere was listed completely."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user(ADA)
        await world.poll(CRM)
        await world.work()
        assert ([], {}) == (await world.links(), await world.counts())
        await world.poll(MAIL)
        await world.work()

        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()
        assert ([], []) == (world.crm.log[1:], world.mail.log[1:])


async def test_a_webhook_before_the_first_listing_makes_nothing(tmp_path):
    """News that comes early waits for the listings, and is then known for what it is."""
    async with opened(tmp_path) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user(ADA)
        await world.hear()
        world.later(3)
        await world.reread()
        await world.work()
        assert 2 == await world.waiting()
        await world.sync()

        assert (1, 1) == (len(world.crm.records()), len(world.mail.records()))


# ---- deletions


async def gone(world, *ids):
    """People delete records in the crm, and the proof is collected."""
    for each in ids:
        world.crm.delete_as_user(each)
    await world.hear(CRM)
    for seconds in (3, 601):
        world.later(seconds)
        await world.reread(CRM)
    await world.work()


@pytest.mark.parametrize(
    ("rule", "left", "state"),
    [(DeleteRule.PROPAGATE, 0, "deleted"), (DeleteRule.UNLINK, 1, "unlinked"), (DeleteRule.ARCHIVE, 1, "archived"), (DeleteRule.REVIEW, 1, "live")],
)
async def test_a_deletion_follows_its_rule(tmp_path, rule, left, state):
    """Deleted here and untouched there: as the rule says, and the record never comes back by itself."""
    archive = {MAIL: {"archive": {"name": "archived"}}}
    async with opened(tmp_path, rules(delete=rule, members=archive)) as world:
        crm, _ = await world.linked()
        await gone(world, crm)
        await world.sync()

        assert (0, left) == (len(world.crm.records()), len(world.mail.records()))
        assert [(state,)] == await world.read(lambda tx: tx.execute("SELECT state FROM links").fetchall())
        assert (["delete"] if rule is DeleteRule.REVIEW else []) == await world.asked()
        if rule is DeleteRule.ARCHIVE:
            assert "archived" == next(iter(world.mail.records().values()))["name"]


async def test_an_edit_wins_over_a_deletion(tmp_path):
    """Deleted here, edited there: it is made again, with the edit."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.mail.edit_as_user(mail, {"name": "Ada L"})
        await world.poll(MAIL)
        await gone(world, crm)

        assert [{**ADA, "name": "Ada L"}] == list(world.crm.records().values())
        assert [{**ADA, "name": "Ada L"}] == list(world.mail.records().values())


async def test_too_many_deletions_wait(tmp_path):
    """The guard of deletions holds in the first run too, and names what it would take away."""
    few = replace(OPEN_GUARDS, deletes=Cap(number=1, share=0.0))
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE, guards=few)) as world:
        ids = [world.crm.create_as_user({"email": f"p{n}@example.com"}) for n in range(5)]
        await world.sync()
        await gone(world, *ids[:3])

        assert (4, ["guard"]) == (len(world.mail.records()), await world.asked())


async def test_a_merge_is_proposed_as_a_relink(tmp_path):
    """A record that vanished while its keys live on in another was merged: nothing is deleted, a person approves the relink."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        crm, mail = await world.linked()
        world.crm.delete_as_user(crm)
        survivor = world.crm.create_as_user({**ADA, "phone": "+12125550123"})
        await world.hear(CRM)
        for seconds in (3, 601):
            world.later(seconds)
            await world.reread(CRM)
        await world.work()
        assert ({mail}, True) == (set(world.mail.records()), "merge" in await world.asked())
        for each in await world.holds():
            if each.kind.value == "merge":
                await world.answer("approve", each.id)
        await world.work()

        assert [{"crm": survivor, "mail": mail}] == await world.links()
        assert ("+12125550123", []) == (world.mail.records()[mail]["phone"], await world.asked())


# ---- balance


async def test_every_item_has_one_outcome(tmp_path):
    """Whatever kinds of items there are, the sum of the outcomes is the number of items that left the list."""
    async with opened(tmp_path, rules(members={CRM: {"when": compile_condition({"field": "name", "op": "ne", "value": "Out"})}})) as world:
        for fields in (ADA, BEN, {"email": "o@example.com", "name": "Out"}, {"name": "No key"}, {"email": "t@example.com"}):
            world.crm.create_as_user(fields)
        for fields in ({**BEN, "name": "Benjamin"}, {"email": "t@example.com"}, {"email": "t@example.com"}):
            world.mail.create_as_user(fields)
        await world.poll()
        items = await world.waiting()
        left = 0
        while await reconcile_once(world.engine, S):
            left = await world.waiting()
        sums = await world.sums()

        assert (0, 8, 8) == (left, items, sum(sums.values()))
        assert {"applied": 3, "skipped": 2, "held": 3} == sums


async def test_a_link_in_the_air_is_not_planned(tmp_path):
    """While a call is under way its link waits, with everything that happened since, and is planned when the outcome is known."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "first"})
        await world.poll(CRM)
        await world.plan()
        leased = await world.engine.database.write(lambda tx: outbox.lease(tx, MAIL, world.clock.now(), until=world.clock.now() + MINUTE, limit=9))
        await world.engine.database.write(lambda tx: outbox.mark_sent(tx, leased, world.clock.now()))
        world.later(5)
        world.crm.edit_as_user(crm, {"name": "second"})
        await world.poll(CRM)
        await world.plan()
        assert (1, {"sent": 1}) == (await world.waiting(), await world.counts())
        await world.engine.database.write(lambda tx: outbox.recover(tx, MAIL, world.clock.now()))
        await world.work()

        assert ("second", 0) == (world.mail.records()[mail]["name"], await world.waiting())


async def test_a_second_turn_without_news_writes_nothing(tmp_path):
    """After everything agrees, listing and planning everything again owes nothing, whatever was normalised on the way."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: value.upper() if path == "name" and value else value})
    async with opened(tmp_path, far=far) as world:
        for n in range(20):
            world.crm.create_as_user({"email": f"P{n}@Example.com", "name": f"P{n} ", "phone": "(212) 555-0123", "tags": ["b", "A"]})
        for n in range(10, 30):
            world.mail.create_as_user({"email": f"p{n}@example.com", "phone": "+1 212 555 0123", "tags": ["a"]})
        await world.sync()
        before = len(world.crm.log), len(world.mail.log)
        for _ in range(2):
            world.later(60)
            await world.sync()
            await world.engine.database.write(lambda tx: planning.enqueue(tx, links.every_item(tx, S), world.clock.now(), "again"))
            await world.work()

        assert before == (len(world.crm.log), len(world.mail.log))
        assert (30, 30) == (len(world.crm.records()), len(world.mail.records()))


async def test_changes_on_both_sides_meet(tmp_path):
    """Different fields edited in different places both arrive; a set keeps every addition."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked({**ADA, "tags": ["one"]})
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "Ada L", "tags": ["one", "crm"]})
        world.mail.edit_as_user(mail, {"phone": "+12125550123", "tags": ["one", "mail"]})
        await world.poll()
        await world.work()
        shown = [each.records()[key] for each, key in ((world.crm, crm), (world.mail, mail))]

        assert [("Ada L", "+12125550123")] * 2 == [(each["name"], each["phone"]) for each in shown]
        assert [["crm", "mail", "one"]] * 2 == [sorted(each["tags"]) for each in shown]


async def test_an_unmapped_member_is_left_alone(tmp_path):
    """A field that only goes one way is not written the other."""
    one_way = row("name", sources=frozenset({CRM}), targets=frozenset({MAIL}))
    async with opened(tmp_path, rules(one_way)) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.mail.edit_as_user(mail, {"name": "Here"})
        await world.poll()
        await world.work()
        assert "Ada" == world.crm.records()[crm]["name"]
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "There"})
        await world.poll()
        await world.work()

        assert "There" == world.mail.records()[mail]["name"]


async def test_a_crash_between_plan_and_write_owes_once(tmp_path):
    """After a restart the owed write is the one that was owed, and it is carried out once."""
    far = systems(Watch())
    async with opened(tmp_path, far=far) as world:
        world.crm.create_as_user(ADA)
        await world.poll()
        await world.plan()
        (owed,) = await world.outbox()
    async with opened(tmp_path, far=far) as world:
        await world.sync()

        assert [(owed.key, State.DONE)] == [(each.key, each.state) for each in await world.outbox()]
        assert 1 == len(world.mail.records())
        assert await world.read(lambda tx: control.settled(tx, S))


async def test_an_incremental_pass_finds_what_no_webhook_said(tmp_path):
    """Without any webhook a change arrives with the next poll."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "Ada L"})
        world.crm.news.clear()
        await world.poll(CRM, mode=PassMode.INCREMENTAL)
        await world.work()

        assert "Ada L" == world.mail.records()[mail]["name"]
