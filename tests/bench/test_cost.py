"""API calls of a first sync and of changes on both sides, against the least that the vendors' page and batch sizes allow.

`pytest -m bench tests/bench/test_cost.py`, or `BENCH_SIZE=10000 python -m tests.bench.test_cost`. Prints ratios; never fails on time.
"""

from __future__ import annotations

import asyncio
import os
from math import ceil

import pytest

from tests.bench.rig import idle, running
from tests.bench.vendors import started

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE = int(os.environ.get("BENCH_SIZE", "1000"))
PAGES = {"ghl": 500, "octopus": 100}
BATCH = 100
STATUSES = 3
"""EmailOctopus lists one status at a time, so an account has at least so many pages."""
DISCOVERY = 3
"""Custom fields and location there, the list here."""


def least(spent: dict, *, listed: dict[str, int] | None = None, hinted: int = 0) -> int:
    """The fewest calls for what was truly made and changed: each record counts once, whatever it cost."""
    ghl, octopus = spent["ghl"]["made"], spent["octopus"]["made"]
    writes = sum(ghl.values()) + octopus.get("create", 0) + ceil(octopus.get("update", 0) / BATCH)
    pages = 0 if listed is None else sum(ceil(listed[each] / PAGES[each]) for each in listed) + STATUSES - 1 + DISCOVERY
    return writes + pages + hinted


def line(what: str, spent: dict, floor: int, seconds: float) -> str:
    calls = sum(each["calls"] for each in spent.values())
    parts = "; ".join(f"{name}: {each['requests']}" for name, each in spent.items())
    return f"{what}: {calls} calls, at least {floor}, ratio {calls / floor:.3f}, {seconds:.1f} s\n    {parts}\n    made: " + str({name: each["made"] for name, each in spent.items()})


async def measure(size: int) -> list[str]:
    """A first sync of people of whom four in five are on both sides, a full listing without news, and a tenth edited on each side."""
    lines = []
    async with started() as vendors:
        listed = await vendors.tell("populate", count=size)
        async with running(vendors) as (engine, _):
            ended = await idle(engine)
            spent = await vendors.tell("spent")
            lines.append(line(f"first sync of {size}", spent, least(spent, listed=listed), ended["took_s"]) + f"\n    {ended}")
            assert ended["idle"]
            changes = size // 10
            await vendors.tell("reset")
            await vendors.tell("edit", name="ghl", count=changes, value="left")
            await vendors.tell("edit", name="octopus", count=changes, value="right", skip=size // 2)
            for name in ("octopus", "ghl"):
                await vendors.tell("arrived", name=name, count=changes, within_s=120)
            ended = await idle(engine)
            spent = await vendors.tell("spent")
            lines.append(line(f"{changes} changes a side", spent, least(spent, hinted=changes), ended["took_s"]))
            assert {"ghl": {"update": changes}, "octopus": {"update": changes}} == {name: each["made"] for name, each in spent.items()}
    return lines


async def test_calls(capsys):
    """Everything arrives everywhere; the ratios are printed (targets 1.05 and 1.1)."""
    lines = await measure(SIZE)
    with capsys.disabled():
        print("", *lines, sep="\n")


if __name__ == "__main__":
    print(*asyncio.run(measure(SIZE)), sep="\n")
