"""Durable webhook intake (verify, commit, 200) against a bare aiohttp handler that reads the body and says 200.

`pytest -m bench tests/bench/test_intake.py -s`, or `python -m tests.bench.test_intake`. Prints ratios, of the rate and of the processor's time that a
delivery takes, which depends less on what else the machine does; never fails on time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import structlog
from aiohttp import web
from structlog.testing import CapturingLogger

from syncd.store import inbox
from syncd.store.database import connect, prepare
from tests.bench.load import request, run
from tests.flow.doors import door, from_ghl, from_octopus
from tests.store.build import arrival

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE = int(os.environ.get("BENCH_SIZE", "4000"))


@asynccontextmanager
async def bare(handler) -> AsyncIterator[tuple[str, int]]:
    """A server of one handler."""
    app = web.Application()
    app.router.add_post("/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][0], runner.addresses[0][1]
    await runner.cleanup()


async def reads_only(incoming: web.Request) -> web.Response:
    await incoming.read()
    return web.Response(status=200)


async def measure(size: int, rounds: int = 3) -> dict[str, dict]:
    """The median of several rounds, in each of which everything is measured beside everything else."""
    found: dict[str, list[dict]] = {}
    for _ in range(rounds):
        for name, each in (await one_round(size)).items():
            found.setdefault(name, []).append(each)
    return {name: sorted(each, key=lambda one: one["rate"])[len(each) // 2] for name, each in found.items()}


async def one_round(size: int) -> dict[str, dict]:
    """The same requests to the bare handler, to one that commits each by itself, and to the real listener."""
    made = {"ghl": [from_ghl(n) for n in range(size)], "octopus": [from_octopus(n) for n in range(size)]}
    sent = {name: [request(f"/hooks/{name}", *each) for each in all_of] for name, all_of in made.items()}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        async with bare(reads_only) as (host, port):
            await run(sent["ghl"][:500], host, port)
            found["bare"] = await timed(sent["ghl"], host, port)
        found["a commit each, unverified"] = await committing_each(Path(folder), sent["ghl"])
        for name, requests in sent.items():
            home = Path(folder) / name
            home.mkdir()
            async with door(home) as here:
                here.world.engine.log = structlog.make_filtering_bound_logger(logging.INFO)(CapturingLogger(), [], {})
                found[f"syncd {name}"] = await timed(requests, here.host, here.port)
                found[f"syncd {name}"]["commits"] = here.world.engine.database.commits

                assert size == await here.stored()
                assert {"200": size} == found[f"syncd {name}"]["statuses"]
    return found


async def committing_each(folder: Path, requests: list[bytes]) -> dict:
    """What a handler that commits for itself reaches."""
    with closing(connect(folder / "naive.db")) as tx:
        prepare(tx)
        number = iter(range(10**9))

        async def commits_each(incoming: web.Request) -> web.Response:
            await incoming.read()
            inbox.accept(tx, [arrival(f"{next(number)}")])
            return web.Response(status=200)

        async with bare(commits_each) as (host, port):
            return await timed(requests, host, port)


async def timed(requests: list[bytes], host: str, port: int) -> dict:
    """As `run`, with the microseconds of a processor that each took on this side."""
    spent_s = time.process_time()
    found = await run(requests, host, port)
    return {**found, "cpu_us": (time.process_time() - spent_s) / len(requests) * 1e6}


def show(found: dict[str, dict]) -> None:
    floor, least = found["bare"]["rate"], found["bare"]["cpu_us"]
    for name, each in found.items():
        more = f", {each['commits']} commits" if "commits" in each else ""
        print(f"{name:28} {each['rate']:7.0f}/s  ratio {each['rate'] / floor:.2f}  {each['cpu_us']:4.0f} us of a core  ratio {least / each['cpu_us']:.2f}  p50 {each['p50_ms']:.1f} ms  p99 {each['p99_ms']:.1f} ms{more}")


async def test_intake(capsys):
    """Everything is stored and answered with 200; the ratio is printed (target 0.5, a commit each 0.25 at most)."""
    found = await measure(SIZE)
    with capsys.disabled():
        print(f"\nwebhook intake, {SIZE} deliveries of one event")
        show(found)


if __name__ == "__main__":
    show(asyncio.run(measure(SIZE)))
