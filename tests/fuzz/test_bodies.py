"""Many thousand deliveries, good and bad, against the real listener with the real keys."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from syncd.flow.sources import Buckets
from tests.flow.doors import door
from tests.fuzz.bodies import Thrower
from tests.fuzz.throwing import Lane, watching

LANES = 16
GROWN_MIB_MAX = 96
KEPT_S_MAX = 5.0
TELLING = (b"\r\nserver:", b"aiohttp", b"python", b"traceback", b"<html")


@pytest.fixture
def bodies(request) -> int:
    """How many are thrown."""
    return request.config.getoption("bodies")


async def test_only_what_is_genuine_is_taken(tmp_path, bodies, capsys):
    """Every good delivery is accepted and stored once, nothing else is stored, no answer says it is our fault or what we are; memory stays
    and the loop goes round.
    """
    thrower, seen, wrong = Thrower(seed=1), Counter(), []
    expected = 0

    async with door(tmp_path, wrong=Buckets(burst=1e12, per_s=1)) as here, watching() as watch:

        async def lane():
            nonlocal expected
            line = Lane(here.host, here.port)
            while thrower.number < bodies:
                throw = thrower.make()
                expected += throw.events
                status, said = await line.throw(throw.raw, may_be_silent=None in throw.statuses)
                seen[throw.kind, status] += 1
                if status not in throw.statuses or any(word in said.lower() for word in TELLING):
                    wrong.append((throw.kind, status, throw.raw[:400], said[:200]))
                here.world.logged.calls.clear()
            line.close()

        began = time.monotonic()
        await asyncio.gather(*(lane() for _ in range(LANES)))
        took_s = time.monotonic() - began
        stored = await here.stored()
        kept_alive = await here.get("/readyz")

    with capsys.disabled():
        statuses = Counter()
        for (_, status), count in seen.items():
            statuses[status] += count
        told = ", ".join(f"{count} of {status or 'no answer'}" for status, count in sorted(statuses.items(), key=str))
        print(f"\n{thrower.number} bodies in {took_s:.1f} s: {told}; memory +{watch.grown_mib:.1f} MiB, the loop kept {watch.kept_s * 1e3:.0f} ms at most")
    assert {} == {(kind, status): about for kind, status, *about in wrong}
    assert not [status for _, status in seen if status is not None and status >= 500]
    assert (expected, 200) == (stored, kept_alive)
    assert watch.grown_mib < GROWN_MIB_MAX
    assert watch.kept_s < KEPT_S_MAX
