"""The first sync of two accounts that already know many of the same people."""

from __future__ import annotations

from pathlib import Path

from syncd.core.outcome import HoldKind
from syncd.sandbox import Operation
from syncd.sandbox.people import Part, populate
from tests.e2e.world import World


async def test_first_sync(tmp_path: Path) -> None:
    """Those on both sides are linked and not made again, missing ones are made, blanks are filled, and a person who is twice on
    one side is held as ambiguous and touched on neither side."""
    async with World.open(tmp_path) as world:
        people = populate(world.sandbox, seed=1, count=50)
        blank_here, blank_there = world.settle("ghl", first_name="", plan=None), world.settle("octopus", phone="")
        world.sandbox.octopus.seed({"email_address": blank_here.email.upper(), "fields": {"FirstName": "Ada", "Plan": "Free"}})
        world.sandbox.ghl.seed({"email": blank_there.email, "phone": "(212) 555-0143"})
        duplicated, unmappable = people.of(Part.DUPLICATED), people.of(Part.UNMAPPABLE)
        apart = [person.email for person in (*duplicated, *unmappable)]
        begin = world.mark()
        async with world.daemon():
            await world.converge(apart=apart)
            ambiguous = world.holds(HoldKind.AMBIGUOUS)
            created = [entry for entry in world.writes(begin) if entry.operation is Operation.CREATE]
            touched = {entry.id for entry in world.writes(begin)}

    missing = len(people.of(Part.GHL_ONLY)) + len(people.of(Part.OCTOPUS_ONLY))

    assert len(created) == missing
    assert {*duplicated[0].ghl_ids, *duplicated[0].octopus_ids} & touched == set()
    assert {held.record_id for held in ambiguous} <= {*duplicated[0].ghl_ids, *duplicated[0].octopus_ids}
    assert ambiguous
    assert world.ghl(blank_here.ghl)["firstName"] == "Ada"
    assert world.ghl(blank_here.ghl)["custom"] == {"plan": "free"}
    assert world.octopus(blank_there.octopus)["fields"]["Phone"] in ("+12125550143", "(212) 555-0143")


async def test_nothing_is_written_before_the_first_run_is_approved(tmp_path: Path) -> None:
    """With `first_run = "review"` no vendor is written to until a person approves; then all of it goes."""
    async with World.open(tmp_path, sync={"first_run": '"review"'}) as world:
        world.settle_many(4)
        world.settle("ghl")
        world.settle("octopus")
        begin = world.mark()
        async with world.daemon():
            [first_run] = await world.held(HoldKind.FIRST_RUN)
            await world.cycles(3)

            assert world.writes(begin) == []

            await world.answer(first_run, "approve")
            await world.converge()

            assert [entry.operation for entry in world.writes(begin)] == [Operation.CREATE] * 2
