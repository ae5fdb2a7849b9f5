"""Doubtful creates: calls that took effect though their answer was lost, or was a lie.

It takes half a minute, nearly all of it waiting, so `conftest` runs it beside the other tests; the test judges its `Outcome`.
The rule that keeps it true: webhooks and listings are too slow to help, so that the answer has to be found by looking for the record.
It must not know: what must be true in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.sandbox import FaultKind, Operation
from tests.e2e.world import Someone, World

# What the vendor does after it has done what it was asked.
LOST: tuple[tuple[FaultKind, dict[str, Any]], ...] = (
    (FaultKind.ERROR_AFTER, {"status": 500}),
    (FaultKind.ERROR_AFTER, {"status": 503}),
    (FaultKind.HANG_AFTER, {"seconds": 30.0}),
    (FaultKind.RESET_AFTER, {}),
    (FaultKind.BAD_JSON, {}),
)
# Reported by GoHighLevel's users: the contact is there all the same.
LIED: tuple[tuple[FaultKind, dict[str, Any]], ...] = (
    (FaultKind.ERROR_AFTER, {"status": 422, "message": "this phone number is not valid"}),
)
PROBED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it: faults met, creates made, contacts on each side, and how many there must be."""

    faults: int
    creates: int
    ghl: int
    octopus: int
    wanted: int


async def create_doubtfully(directory: Path) -> Outcome:
    """Has missing people made on both sides while every create's answer is lost or a lie."""
    async with World.open(directory, daemon={"poll_min": '"60s"', "poll_max": '"60s"'}, webhooks=False) as world:
        linked = world.settle_many(3)
        to_ghl = [world.settle("octopus") for _ in (*LOST, *LIED)]
        to_octopus = [world.settle("ghl") for _ in LOST]
        for kind, details in (*LOST, *LIED):
            world.sandbox.ghl.faults.add("create-contact", kind, **details)
        for kind, details in LOST:
            world.sandbox.octopus.faults.add("create-contact", kind, **details)
        begin = world.mark()
        async with world.daemon():
            await world.agree()
            # GoHighLevel's search is given half a minute to show what was made; then it is asked.
            asked = world.sandbox.ghl.stats.requests
            await world.until(
                lambda: asked["get-duplicate-contact"] >= len(to_ghl), "the doubtful are looked for", within_s=PROBED_S
            )
            await world.quiet_for(2.0)
            await _edit_originals(world, to_ghl, to_octopus)
        vendors = (world.sandbox.ghl, world.sandbox.octopus)
        return Outcome(
            faults=sum(sum(vendor.stats.faults_served.values()) for vendor in vendors),
            creates=len([entry for entry in world.writes(begin) if entry.operation is Operation.CREATE]),
            ghl=len(world.sandbox.ghl.contacts()),
            octopus=len(world.sandbox.octopus.contacts()),
            wanted=len(linked) + len(to_ghl) + len(to_octopus),
        )


async def _edit_originals(world: World, to_ghl: list[Someone], to_octopus: list[Someone]) -> None:
    """Edits of the originals must reach the records that were found: they are linked."""
    world.announce_to_daemon(on=True)
    for each in to_ghl:
        world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": "Linked"})
    for each in to_octopus:
        world.sandbox.ghl.edit_as_user(each.ghl, {"lastName": "Linked"})
    await world.agree()
    await world.quiet_for(1.0)
