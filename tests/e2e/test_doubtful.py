"""Calls whose outcome is not known: the answer was lost, or was a lie. One record, not two."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path

from syncd.sandbox import FaultKind
from tests.e2e.doubtful import LIED, LOST, Outcome
from tests.e2e.world import World


async def test_a_create_that_took_effect_is_not_repeated(doubtful_creates: Future[Outcome]) -> None:
    """A create that timed out, broke off or was answered with an error (for GoHighLevel even a 422) after taking effect makes one
    record, on either vendor, and that record is linked."""
    outcome = await asyncio.wrap_future(doubtful_creates)
    doubtful = 2 * len(LOST) + len(LIED)

    assert (outcome.faults, outcome.creates) == (doubtful, doubtful)
    assert (outcome.ghl, outcome.octopus) == (outcome.wanted, outcome.wanted)


async def test_an_update_whose_answer_was_lost_is_not_repeated_over_a_newer_edit(tmp_path: Path) -> None:
    """An update that took effect though its answer was lost is done: what somebody edits afterwards is kept."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(4)
        async with world.daemon():
            await world.converge()
            for kind, details in LOST[:4]:
                world.sandbox.ghl.faults.add("update-contact", kind, **details)
            for each in people:
                world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "Written"})
            await world.until(lambda: all(world.ghl(each.ghl)["firstName"] == "Written" for each in people), "the updates take effect")
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Newer"})
            await world.converge()

    assert {world.octopus(each.octopus)["fields"]["FirstName"] for each in people} == {"Newer"}


async def test_reads_that_fail_only_delay(tmp_path: Path) -> None:
    """Listings and reads that fail, hang or answer nonsense delay a change and lose nothing."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(6)
        async with world.daemon():
            await world.converge()
            for vendor, listing in ((world.sandbox.ghl, "search-contacts"), (world.sandbox.octopus, "list-contacts")):
                for kind in (FaultKind.ERROR_BEFORE, FaultKind.HTML):
                    vendor.faults.add(listing, kind)
                for kind in (FaultKind.BAD_JSON, FaultKind.RESET_BEFORE):
                    vendor.faults.add("get-contact", kind)
            for number, each in enumerate(people):
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": f"Here{number}"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": f"There{number}"})
            await world.converge(within_s=40)

    for number, each in enumerate(people):
        assert world.octopus(each.octopus)["fields"]["FirstName"] == f"Here{number}"
        assert world.ghl(each.ghl)["lastName"] == f"There{number}"
