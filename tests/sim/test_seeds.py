"""Many seeds, the same seed twice, a script there and back, and shrinking."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sim.faults import Faults
from tests.sim.loop import DeadlockError, EndlessError, Loop, sealed
from tests.sim.planted import planted
from tests.sim.script import KINDS, NUMBERS, Script, draw
from tests.sim.shrink import fails_like, shrink
from tests.sim.world import World, run

LOTS, LOT = 20, 25
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("lot", range(LOTS))
def test_seeds(lot):
    """Whatever happens, everything that must hold holds; a failure names the seed to replay."""
    failed = {}
    for seed in range(10_000 + lot * LOT, 10_000 + (lot + 1) * LOT):
        failure = run(draw(seed)).failure
        if failure is not None:
            failed[seed] = failure

    assert {} == failed


@pytest.mark.slow
def test_many_seeds(request):
    """As above, as many as asked for."""
    failed = {}
    for seed in range(100_000, 100_000 + 50 * request.config.getoption("worlds")):
        failure = run(draw(seed)).failure
        if failure is not None:
            failed[seed] = failure

    assert {} == failed


@pytest.mark.parametrize("seed", [3, 14, 159, 265])
def test_same_seed_same_run(seed):
    """A seed is the same run to the byte: every call, every effect, every moment."""
    first, second = run(draw(seed)), run(draw(seed))

    assert (first.digest, first.end, first.edges) == (second.digest, second.end, second.edges)


@pytest.mark.parametrize("kind", ["crash", "restore"])
def test_a_run_is_forgotten(kind):
    """Nothing of a run is left when it is over: many thousands are made in one process."""
    world = World(next(each for each in map(draw, range(500)) if each.has(kind)))
    kept = weakref.ref(world)
    world.run()
    del world
    gc.collect()

    assert kept() is None


def test_script_survives_json():
    """A failing script can be kept in a file and run again."""
    script = draw(7)
    again = Script.from_json(script.as_json())

    assert run(script).digest == run(again).digest


def test_shrinking():
    """What is left of a failing script fails alike, with hardly anything in it."""
    with planted("second_page_ignored"):
        script = next(each for each in map(draw, range(100)) if len(each.acts) > 2 and run(each).failure is not None)
        code = run(script).failure.code
        small = shrink(script, fails_like(code), runs_max=80)
        again = run(Script.from_json(small.as_json()))

    assert code == again.failure.code
    assert len(small.acts) + len(small.strikes) <= 2 < len(script.acts) + len(script.strikes)
    assert run(small).failure is None


def test_a_strike_is_independent_of_others():
    """Taking one fault away does not change where the others hit."""
    script = next(each for each in map(draw, range(500)) if len({strike.kind for strike in each.strikes}) >= 3)
    hits = {}
    for strikes in (script.strikes, script.strikes[:1]):
        faults = Faults([replace(each, at=0, until=10) for each in strikes], lambda: 5.0, Counter())
        kind = strikes[0].kind
        hits[len(strikes)] = [faults.roll(kind, None, strikes[0].operation) is not None for _ in range(20)]

    assert hits[1] == hits[len(script.strikes)]


def test_every_fault_has_its_number():
    """The catalogue's number of each fault is known, so coverage can be told in its terms."""
    assert set(KINDS) == set(NUMBERS)


def test_time_chance_and_threads_are_refused():
    """Nothing in a run can see the machine."""
    import os
    import random
    import time

    for job in (lambda: time.time(), lambda: os.urandom(1), lambda: random.random()):  # noqa: PLW0108
        with sealed(), pytest.raises(AssertionError):
            job()
    loop = Loop(1)
    with pytest.raises(AssertionError):
        loop.run_in_executor(None, time.time)
    loop.close()


def test_deadlock_and_livelock_are_seen():
    """A loop in which nothing can happen any more, and one in which too much does, both end the run."""

    async def wait():
        await loop.create_future()

    async def spin():
        import asyncio

        while True:
            await asyncio.sleep(0)

    for job, expected in ((wait, DeadlockError), (spin, EndlessError)):
        loop = Loop(1)
        with pytest.raises(expected):
            loop.run_until_complete(job())
        loop.bury()


def test_the_trace_is_the_same_whatever_hashes_texts():
    """A set's order differs from one process to the next: nothing may be done in it."""
    command = [sys.executable, "-c", "from tests.sim.script import draw\nfrom tests.sim.world import run\nprint([run(draw(seed)).digest for seed in (3, 7)])"]
    traces = {
        subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout for seed in ("1", "2")
    }

    assert 1 == len(traces)
