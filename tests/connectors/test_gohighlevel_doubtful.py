"""Creates in GoHighLevel of which nothing was heard: looked for where the vendor can be asked, as late as its listings run behind, else held."""

from __future__ import annotations

import pytest

from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.core.record import FieldName
from syncd.flow.poll import run_pass
from syncd.store.cursors import PassMode
from tests.connectors.story import THINGS, like, titled, told
from tests.flow.world import CRM

FINDABLE = {
    "opportunities at their contact": ("opportunities", ()),
    "tasks at their contact": ("tasks", ()),
    "notes at their contact": ("notes", ()),
    "appointments at their contact": ("appointments", ()),
    "appointments around a time": ("appointments", (FieldName("title+start"),)),
    "blocked slots around a time": ("blocked_slots", (FieldName("title+start"),)),
    "invoices among them all": ("invoices", ()),
}
TOGETHER = [name for name in FINDABLE if name != "invoices among them all"]
"""Those whose match key joins what is asked for with what is only compared."""
LOST = {"took effect": "error_after", "broke off": "reset_after", "had no effect": "error_before"}


async def doubtful(story, fault) -> None:
    """A thing is made in the memory system, and the answer to its create in GoHighLevel is lost; no listing or webhook is there to help."""
    await story.sync(1)
    story.crm.create_as_user(like(1, story.bench), THINGS)
    story.bench.vendor.faults.add(COLLECTIONS[story.bench.collection].create, fault, count=1)
    await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
    await story.settle()


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("found", FINDABLE)
async def test_a_create_in_doubt_is_looked_for(found, lost, tmp_path, open_bench):
    """One record in the end, linked, and nobody is asked; it is made again only where it was not there."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        await doubtful(story, LOST[lost])
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert [titled(1, collection)] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()

        story.crm.edit_as_user(story.thing(titled(1, collection)), {"text": "edited"}, THINGS)
        await story.sync()

        assert [(titled(1, collection), "edited")] == [each[:2] for each in story.there()] == [each[:2] for each in story.here()]


@pytest.mark.parametrize("lag_s", [25.0, 50.0])
@pytest.mark.parametrize("found", FINDABLE)
async def test_a_listing_that_runs_behind_is_waited_for(found, lag_s, tmp_path, open_bench):
    """As far behind as listings are taken to be, and nearly twice as far: it is looked for twice, so that it is never made twice."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match, record_lag_s=lag_s) as story:
        await doubtful(story, "error_after")
        for _ in range(30):
            story.world.later(5)
            await story.settle()

            assert [titled(1, collection)] == [each[0] for each in story.there()]

        assert [] == await story.world.asked()

        story.crm.edit_as_user(story.thing(titled(1, collection)), {"text": "edited"}, THINGS)
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        await story.settle()

        assert [(titled(1, collection), "edited")] == [each[:2] for each in story.there()]


@pytest.mark.parametrize("found", TOGETHER)
async def test_what_changed_before_it_was_found_is_not_made_again(found, tmp_path, open_bench):
    """What the create may have made is called otherwise by now: nobody has seen it before, so a person is asked."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        await doubtful(story, "error_after")
        (made,) = story.bench.truth()
        story.bench.edit_as_user(made, email="Renamed meanwhile")
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert [made] == list(story.bench.truth())
        assert ["unknown_create"] == await story.world.asked()


@pytest.mark.parametrize("found", FINDABLE)
async def test_siblings_that_were_there_before_are_not_taken_for_it(found, tmp_path, open_bench):
    """Others of the same contact or the same hour, seen in a listing, raise no doubt: the lost one is made again, once."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        story.bench.create_as_user(email="Sibling", name="text", plan=story.bench.plan_values[0])
        await doubtful(story, "error_before")
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert ["Sibling", titled(1, collection)] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()


async def test_what_cannot_be_looked_for_is_held_and_says_why(tmp_path, open_bench):
    """A blocked slot known by its title alone: one of it stays, and a person is told what a match key would have to hold."""
    async with told(tmp_path, open_bench, "blocked_slots") as story:
        await doubtful(story, "error_after")
        for _ in range(3):
            story.world.later(60)
            await story.settle()
        (held,) = await story.world.holds()

        assert [titled(1, "blocked_slots")] == [each[0] for each in story.there()]
        assert "unknown_create" == held.kind.value
        assert "bench/blocked_slots finds by assignedUserId, calendarId, startTime alone, which no match key holds" in held.reason


async def test_nothing_is_listed_before_a_create_that_is_in_no_doubt(tmp_path, open_bench):
    """A look-up that takes a listing is made after a lost answer, and not before every create."""
    async with told(tmp_path, open_bench, "invoices") as story:
        await story.sync(1)
        listed = story.bench.vendor.stats.requests["list-invoices"]
        story.crm.create_as_user(like(1, story.bench), THINGS)
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        await story.settle()

        assert [titled(1, "invoices")] == [each[0] for each in story.there()]
        assert listed == story.bench.vendor.stats.requests["list-invoices"]
