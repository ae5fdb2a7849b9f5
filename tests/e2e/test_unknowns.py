"""What ActiveTrail's documentation leaves open: under either answer to each question the same is done, and what is not known is said."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from syncd.cli.state import state_of
from syncd.config import load
from syncd.connectors.registry import KINDS
from syncd.flow.home import database_path
from syncd.sandbox import ActiveTrailOptions
from syncd.store.visiting import reading
from tests.e2e.trio import Trio

# Every answer with every answer to any other question; the sixteen together are a long run.
PAIRWISE = (0, 7, 11, 13, 14)
WORLDS = [
    pytest.param(*world, marks=[] if place in PAIRWISE else [pytest.mark.slow])
    for place, world in enumerate(product((0, 1), ("changed", "registered"), ("contact_change", "by_hand"), ("hard", "soft")))
]
END = {
    "ada": ("Adele", "Lovelace", "gold", frozenset({"vip", "fresh"})),
    "bo": ("Bob", "", "", frozenset()),
    "new": ("New", "", "", frozenset({"vip"})),
}


def found_out(trio: Trio) -> dict[str, dict[str, Any]]:
    """What is known of ActiveTrail's open questions, by setting, as `syncd status` tells it."""
    settings = load(trio.folder / "syncd.toml", KINDS, environ={}, resolve_secrets=False)
    with reading(database_path(settings)) as read:
        return {each["setting"]: each for each in read(lambda tx: state_of(tx, settings))["systems"]["trail"]["findings"]}


def test_the_worlds_of_the_short_run_cover_every_pair() -> None:
    """Whatever two answers come together, they do so in a world that is always tried."""
    tried = [WORLDS[place].values for place in PAIRWISE]

    for one, other in combinations(range(4), 2):
        assert len({(world[one], world[other]) for world in tried}) == 4


@pytest.mark.parametrize(("first_page", "from_date", "manual_event", "deletes"), WORLDS)
async def test_the_end_is_the_same(tmp_path: Path, first_page: int, from_date: str, manual_event: str, deletes: str) -> None:
    """Everybody is listed, edits and deletions travel both ways, nobody is doubled; what an update and a deletion taught is kept."""
    options = ActiveTrailOptions(first_page=first_page, from_date=from_date, manual_event=manual_event, deletes=deletes)  # type: ignore[arg-type]
    async with Trio.open(tmp_path, trail=options) as trio:
        for name in ("Ada", "Bo", "Cy", "Di"):
            trio.settle(name)
        trio.announce(on=False)
        async with trio.daemon():
            await trio.converge()
            before = found_out(trio)
            trio.edit("trail", "Ada", plan="gold", tags=["vip"])
            trio.make("trail", "New", tags=["vip"])
            trio.edit("ghl", "Ada", first="Adele", tags=["fresh"])
            trio.edit("octopus", "Ada", last="Lovelace")
            trio.edit("ghl", "Bo", first="Bob")
            trio.delete("trail", "Cy")
            trio.delete("ghl", "Di")
            await trio.until(lambda: trio.together() == END, "the same end")
            await trio.converge()
            rest = trio.mark()
            await trio.cycles(4)
        after = found_out(trio)

    assert trio.writes(rest) == []
    assert (before["first_page"]["answer"], before["from_date"]["answer"]) == (first_page, None)
    assert "compares the whole listing" in before["from_date"]["consequence"]
    assert (after["from_date"]["answer"], after["deletion"]["answer"]) == (from_date, deletes)
