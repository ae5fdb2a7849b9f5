"""A flood of forged deliveries, and an honest sender beside it; and how soon good ones are acknowledged under load."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from ipaddress import ip_network
from pathlib import Path

import pytest

from syncd.flow.server import Limits
from tests.flow.doors import JSON, door, from_ghl
from tests.fuzz.bodies import GHL, request
from tests.fuzz.flooding import Forging, flood, honest
from tests.fuzz.throwing import Lane, watching

FLOODED_S_MIN = 3.0
FORGED_PER_S, FORGERS = 10_000, 2
HONEST_PER_S = 20
CPU_MAX = 0.9
P99_S_MAX = 5.0
GROWN_MIB_MAX = 96
MANY = tuple(f"127.0.{number >> 7}.{9 + (number & 127)}" for number in range(200))
FLOODS = {
    "a connection each": {},
    "a connection each, from 200 addresses": {"sources": MANY},
    "a connection each, through a proxy": {},
    "on kept connections, 50 together": {"together": 50},
}
PROXY = (ip_network("127.0.0.9/32"),)
LET_IN_PER_S, LET_IN_AT_ONCE = Limits().unknown_per_s, Limits().unknown_burst
LET_IN_OF_ONE_PER_S, LET_IN_OF_ONE_AT_ONCE = Limits().wrong_per_s, Limits().wrong_burst


@pytest.fixture
def lasts_s(request: pytest.FixtureRequest) -> float:
    """How long the flood lasts: a few seconds, longer by the size flag."""
    return max(FLOODED_S_MIN, (request.config.getoption("minutes") - 1) * 60)


@pytest.mark.parametrize("kind", FLOODS)
async def test_the_honest_one_is_served_in_a_flood(tmp_path, lasts_s, capsys, kind):
    """However many forged deliveries are offered, few are looked at and none is accepted; every honest one is, and soon; memory stays. Told: how
    much of a core the listener took, and how often the system had no room for a caller.
    """
    proxies = PROXY if "proxy" in kind else ()
    forged = request(GHL, {**JSON, "X-GHL-Signature": "A" * 86 + "==", "X-Forwarded-For": "203.0.113.7"}, from_ghl(1)[1])
    good = [request(GHL, *from_ghl(number)) for number in range(int(lasts_s * HONEST_PER_S))]
    async with door(tmp_path, limits=Limits(spared=proxies), proxies=proxies) as here, watching() as watch, asyncio.timeout(2 * lasts_s + 60):
        began, spent, full = time.monotonic(), time.process_time(), overflows()
        how = Forging(host=here.host, port=here.port, lasts_s=lasts_s, per_s=FORGED_PER_S, **FLOODS[kind])
        offered, (answers, times) = await asyncio.gather(flood(how, forged, processes=FORGERS), honest(tmp_path, here.host, here.port, good, HONEST_PER_S))
        took_s, used_s, full = time.monotonic() - began, time.process_time() - spent, overflows() - full
        stored, looked_at = await here.stored(), len(here.world.log("webhook.refused"))
    p50_s, p99_s = times[len(times) // 2], times[len(times) * 99 // 100]
    with capsys.disabled():
        print(
            f"\nflood of {offered / took_s:,.0f} forged a second, {kind}, for {took_s:.0f} s, {looked_at} looked at, beside {len(good)} honest: "
            f"p50 {p50_s * 1e3:.0f} ms, p99 {p99_s * 1e3:.0f} ms; {used_s / took_s:.0%} of a core, memory +{watch.grown_mib:.1f} MiB, {full} calls not answered"
        )
    most = LET_IN_AT_ONCE + LET_IN_PER_S * took_s if "sources" in FLOODS[kind] else LET_IN_OF_ONE_AT_ONCE + LET_IN_OF_ONE_PER_S * took_s

    assert offered > most
    assert looked_at <= most
    assert ({"200": len(good)}, len(good)) == (dict(answers), stored)
    assert used_s < CPU_MAX * took_s
    assert p99_s < P99_S_MAX
    assert watch.grown_mib < GROWN_MIB_MAX


def overflows() -> int:
    """How often the system had no room for a caller in the queue, any queue, so far."""
    names, values = (line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:"))
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])


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
