"""SIGTERM at any moment of a life: it ends well and soon, and what it left behind is whole."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from tests.durability.editing import editing
from tests.durability.interposer import Orders, Watched
from tests.durability.killing import Moment
from tests.durability.place import opened
from tests.durability.suffering import integrity
from tests.e2e.test_crashes import GUARDS, SETTLED_S, assert_nobody_is_doubled
from tests.e2e.world import World

STOP_S = 5.0
# The last of each that a life with work going on reaches within a second or two, its start included.
LAST = {"before_change": 300, "before_commit": 40, "after_commit": 40, "before_send": 4, "after_send": 4}


def any_moment(random: Random) -> Moment:
    """A moment of a life, from the first change of a file on."""
    kind = random.choice(list(LAST))
    return Moment(kind=kind, number=random.randint(1, LAST[kind]))


async def stop_at(world: World, library: Path, orders: Orders, moment: Moment) -> tuple[int, float]:
    """A life that is told to stop at a moment; its exit code, and the seconds it took."""
    daemon = Watched(world, library, orders)
    orders.end_at(moment.kind, moment.number, signal.SIGTERM)
    try:
        await daemon.start(wait=False)
        await world.until(lambda: orders[moment.kind] == 0, f"the life comes to {moment}")
        told = monotonic()
        await world.until(lambda: not daemon.running, f"it ends, told to at {moment}")
        took_s = monotonic() - told
        code, _ = await daemon.stop()
    finally:
        await daemon.kill()
    return code, took_s


async def stop_often(world: World, library: Path, orders: Orders, random: Random, times: int) -> None:
    """Ends so many lives at moments of chance: each well, and soon, and leaving a sound database."""
    seen: list[tuple[Moment, int, float]] = []
    for _ in range(times):
        moment = any_moment(random)
        seen.append((moment, *await stop_at(world, library, orders, moment)))
        assert integrity(world.configuration.state / "syncd.db") == "ok", moment
    print(f"{len(seen)} stops, the longest took {max(took_s for _, _, took_s in seen):.2f} s")

    assert [] == [f"{moment}: exit code {code} after {took_s:.1f} s" for moment, code, took_s in seen if code != 0 or took_s > STOP_S]


async def converge(world: World) -> None:
    """A last life comes to rest, and nothing is left over from the others."""
    async with world.daemon():
        await world.converge(within_s=SETTLED_S)
        left_over = (world.holds(), world.failures())

    assert ([], []) == left_over
    assert_nobody_is_doubled(world)


async def test_told_to_stop_at_any_moment(tmp_path: Path, library: Path, orders: Orders) -> None:
    """Ten lives with work going on, each told to stop at a moment of chance: exit code 0 within five seconds, and the last converges."""
    random = Random(31)
    async with opened(tmp_path, sync=GUARDS) as world:
        people = world.settle_many(40)
        async with editing(world, people, random):
            await stop_often(world, library, orders, random, 10)
        await converge(world)


async def test_told_to_stop_while_it_starts(tmp_path: Path, library: Path, orders: Orders) -> None:
    """The same in the first moments of a life, before and while the database is made and opened."""
    async with opened(tmp_path) as world:
        seen = [await stop_at(world, library, orders, Moment(kind="before_change", number=number)) for number in (60, 1, 2, 4)]

    assert [0, 0, 0, 0] == [code for code, _ in seen]


@pytest.mark.slow
async def test_told_to_stop_at_very_many_moments(tmp_path: Path, library: Path, orders: Orders, request: pytest.FixtureRequest) -> None:
    """The same for ten times as many lives as `--worlds` says (two hundred by default), while people come and go too."""
    random, times = Random(32), 10 * request.config.getoption("worlds")
    async with opened(tmp_path, sync=GUARDS) as world:
        people = world.settle_many(20 + 2 * times)
        async with editing(world, people, random, arriving=True):
            await stop_often(world, library, orders, random, times)
        await converge(world)
