"""GoHighLevel's collections kept equal with a system in memory, engine and all: made, edited and deleted on both sides."""

from __future__ import annotations

import pytest

from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, FieldName
from syncd.core.rules import Guards
from syncd.flow.poll import run_pass
from syncd.store.cursors import PassMode
from tests.connectors.story import PERSON, THINGS, TITLE, X, agreements, like, row, rules, titled, told
from tests.flow.world import CRM, S

TWO_WAY = ["opportunities", "tasks", "notes", "appointments", "businesses", "calendars", "users", "blocked_slots", "invoices"]
WITH_CHILDREN = ["opportunities", "tasks", "notes", "appointments"]


@pytest.mark.parametrize("collection", TWO_WAY)
async def test_a_collection_is_kept_equal_both_ways(collection, tmp_path, open_bench):
    """Made, edited and deleted on either side, and then nothing more is written."""
    async with told(tmp_path, open_bench, collection) as story:
        bench, crm = story.bench, story.crm
        one, two, three = (titled(number, collection) for number in (1, 2, 3))
        first, second = bench.plan_values
        bench.create_as_user(email=one, name="text", plan=first)
        crm.create_as_user(like(2, bench), THINGS)
        await story.sync()
        made = sorted([(one, "text", first), (two, "text", first)])

        assert [] == await story.world.asked()
        assert made == story.here() == story.there()

        bench.edit_as_user(story.record(two), name="from there")
        crm.edit_as_user(story.thing(one), {"text": "from here", "chosen": second}, THINGS)
        await story.sync()
        edited = sorted([(one, "from here", second), (two, "from there", first)])

        assert edited == story.there() == story.here()

        crm.create_as_user(like(3, bench), THINGS)
        await story.sync()
        bench.delete_as_user(story.record(one))
        crm.delete_as_user(story.thing(two), THINGS)
        await story.sync()

        assert [three] == [each[0] for each in story.here()] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()

        before = story.by_us()
        await story.sync()

        assert before == story.by_us()


@pytest.mark.parametrize("collection", WITH_CHILDREN)
async def test_a_child_waits_for_its_contact(collection, tmp_path, open_bench):
    """The contact is made last: what belongs to it is held back without a question, and then made under it."""
    async with told(tmp_path, open_bench, collection) as story:
        story.crm.create_as_user({**like(1, story.bench), "person": "crm-3"}, THINGS)
        await story.sync(1)

        assert ([], []) == (story.there(), await story.world.asked())

        assert "crm-3" == story.crm.create_as_user({"email": "late@example.com"})
        await story.sync()
        (late,) = [each["id"] for each in story.bench.vendor.contacts() if each["email"] == "late@example.com"]
        (made,) = story.bench.vendor.records.rows(collection)

        assert late == made["contactId"]
        assert [] == await story.world.asked()


@pytest.mark.parametrize("collection", ["opportunities", "notes", "appointments", "invoices"])
async def test_webhooks_alone_carry_creates_edits_and_deletions(collection, tmp_path, open_bench):
    """No poll is needed where the vendor announces everything; several events of one change end in one reading."""
    async with told(tmp_path, open_bench, collection) as story:
        bench, title = story.bench, titled(1, collection)
        await story.sync(1)
        await bench.deliveries()
        record_id = bench.create_as_user(email=title, name="text", plan=bench.plan_values[0])
        await story.hear()

        assert [title] == [each[0] for each in story.here()]

        bench.edit_as_user(record_id, name="other", plan=bench.plan_values[1])
        before = bench.calls()
        events = await story.hear()

        assert ("other",) == tuple(each[1] for each in story.here())
        assert 1 == bench.calls() - before
        assert events == (3 if collection == "opportunities" else 1)

        bench.delete_as_user(record_id)
        await story.hear()
        story.world.later(Guards().delete_grace / 1_000_000 + 1)
        await story.settle()

        assert [] == story.here()


@pytest.mark.parametrize("collection", ["opportunities", "notes", "appointments"])
async def test_the_echo_of_our_own_write_brings_nothing_about(collection, tmp_path, open_bench):
    """It is announced like any change, and found to be no news."""
    async with told(tmp_path, open_bench, collection) as story:
        story.crm.create_as_user(like(1, story.bench), THINGS)
        await story.sync(2)
        before = story.by_us()
        assert await story.hear() > 0

        assert before == story.by_us()
        assert 1 == len(story.here()) == len(story.there())


async def test_a_lost_answer_to_a_message_is_held_for_a_person(tmp_path, open_bench):
    """It may have gone out, so it is not sent a second time, whatever time passes."""
    async with told(tmp_path, open_bench, "notes") as story:
        contacts, _ = agreements(story.bench)
        rows = [row(TITLE, "title", "body"), row(PERSON, "person", "contactId", FieldType.REF, parent=True)]
        messages = rules(X, (THINGS, CollectionName("messages")), rows, (FieldName("person+title"),), {"type": "SMS"})
        story.world.engine.syncs = {S: contacts, X: messages}
        await story.sync(1)
        story.crm.create_as_user({"title": "Hello", "person": "crm-1"}, THINGS)
        story.bench.vendor.faults.add("send-message", "error_after")
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        for _ in range(6):
            await story.settle()
            story.world.later(600)

        assert ["Hello"] == [each["body"] for each in story.bench.vendor.records.rows("messages")]
        assert ["unknown_create"] == await story.world.asked()
