"""A flood of forged deliveries, and an honest sender beside it; and how soon good ones are acknowledged under load."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter

import pytest

from syncd.flow.server import Limits
from tests.flow.doors import JSON, door, from_ghl
from tests.fuzz.bodies import GHL, request
from tests.fuzz.throwing import Lane, watching

FLOODED_S_MIN = 3.0
HONEST_PER_S = 20
LINES = 64
P99_S_MAX = 5.0
GROWN_MIB_MAX = 96
FLOOD = """
import asyncio, sys, time
host, port, lasts_s, lines, raw = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), bytes.fromhex(sys.argv[5])
sent = 0
async def one(ends_at):
    global sent
    while time.monotonic() < ends_at:
        try:
            reader, writer = await asyncio.open_connection(host, port, local_addr=("127.0.0.9", 0))
            writer.write(raw); sent += 1
            await writer.drain()
            writer.close()
        except (OSError, asyncio.TimeoutError):
            await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(one(time.monotonic() + lasts_s) for _ in range(lines)))
    print(sent)
asyncio.run(main())
"""


@pytest.fixture
def lasts_s(request: pytest.FixtureRequest) -> float:
    """How long the flood lasts: a few seconds, longer by the size flag."""
    return max(FLOODED_S_MIN, (request.config.getoption("minutes") - 1) * 60)


async def test_the_honest_one_is_served_in_a_flood(tmp_path, lasts_s, capsys):
    """Forged deliveries as fast as they are taken: none is accepted, every honest one is, and soon; memory stays. Told: how much of the time the
    flood cost.
    """
    forged = request(GHL, {**JSON, "X-GHL-Signature": "A" * 86 + "=="}, from_ghl(1)[1])
    times: list[float] = []
    strangers = Limits(spared=())
    async with door(tmp_path, limits=strangers) as here, watching() as watch, asyncio.timeout(lasts_s + 60):
        arguments = [sys.executable, "-c", FLOOD, here.host, str(here.port), str(lasts_s), str(LINES), forged.hex()]
        flood = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        began, spent = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        number = 0
        while flood.returncode is None and time.monotonic() - began < lasts_s:
            number += 1
            lane, at = Lane(here.host, here.port), time.monotonic()
            status, _ = await lane.throw(request(GHL, *from_ghl(number)))
            times.append(time.monotonic() - at)
            lane.close()
            assert 200 == status
            await asyncio.sleep(1 / HONEST_PER_S)
        took_s, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
        out, _ = await flood.communicate()
        stored = await here.stored()
    times.sort()
    cpu = (used.ru_utime + used.ru_stime - spent.ru_utime - spent.ru_stime) / took_s
    with capsys.disabled():
        print(
            f"\nflood of {int(out) / took_s:,.0f} forged a second for {took_s:.0f} s beside {len(times)} honest: p50 {times[len(times) // 2] * 1e3:.0f} ms, "
            f"p99 {times[len(times) * 99 // 100] * 1e3:.0f} ms; {cpu:.0%} of a core, memory +{watch.grown_mib:.1f} MiB"
        )
    assert int(out) > 50
    assert number == stored
    assert times[len(times) * 99 // 100] < P99_S_MAX
    assert watch.grown_mib < GROWN_MIB_MAX


async def test_good_ones_are_acknowledged_soon_under_load(tmp_path, lasts_s, capsys):
    """A hundred a second, each committed before it is acknowledged, while everything else is as busy as it may be; told: the times."""
    times: list[float] = []
    answers: Counter[int | None] = Counter()
    per_s, many = 100, int(100 * lasts_s)
    raw = [request(GHL, *from_ghl(number)) for number in range(many)]

    async with door(tmp_path) as here, asyncio.timeout(lasts_s + 60):
        lanes: list[Lane] = []

        async def one(each: bytes) -> None:
            lane = lanes.pop() if lanes else Lane(here.host, here.port)
            at = time.monotonic()
            answers[(await lane.throw(each))[0]] += 1
            times.append(time.monotonic() - at)
            lanes.append(lane)

        async with asyncio.TaskGroup() as tasks:
            due = time.monotonic()
            for each in raw:
                tasks.create_task(one(each))
                due += 1 / per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        for lane in lanes:
            lane.close()
        stored = await here.stored()
        commits = here.world.engine.database.commits
    times.sort()
    with capsys.disabled():
        print(
            f"\n{many} deliveries at {per_s} a second: acknowledged p50 {times[many // 2] * 1e3:.1f} ms, p99 {times[many * 99 // 100] * 1e3:.1f} ms, "
            f"the slowest {times[-1] * 1e3:.0f} ms; {commits} commits"
        )
    assert ({200: many}, many) == (dict(answers), stored)
    assert times[many * 99 // 100] < P99_S_MAX
