"""What ActiveTrail's documentation leaves open: under either answer to each question the same is done, and what is not known is said."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from itertools import product
from pathlib import Path

import pytest

from syncd.sandbox import ActiveTrailOptions
from tests.e2e.daemon import ROOT
from tests.e2e.trio import Trio

WORLDS = [
    pytest.param(*world, marks=[] if place in (0, 13) else [pytest.mark.slow])
    for place, world in enumerate(product((0, 1), ("changed", "registered"), ("contact_change", "by_hand"), ("hard", "soft")))
]
END = {
    "ada": ("Adele", "Lovelace", "gold", frozenset({"vip", "fresh"})),
    "bo": ("Bob", "", "", frozenset()),
    "new": ("New", "", "", frozenset({"vip"})),
}


async def status(trio: Trio) -> dict[str, dict]:
    """What `syncd status` says of ActiveTrail, by setting."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SYNCD_CONFIG": str(trio.folder / "syncd.toml")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncd", "status", "--json", env=environ, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return {each["setting"]: each for each in json.loads(out)["systems"]["trail"]["findings"]}


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
            before = await status(trio)
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
        after = await status(trio)

    assert trio.writes(rest) == []
    assert (before["first_page"]["answer"], before["from_date"]["answer"]) == (first_page, None)
    assert "compares the whole listing" in before["from_date"]["consequence"]
    assert (after["from_date"]["answer"], after["deletion"]["answer"]) == (from_date, deletes)
