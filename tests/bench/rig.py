"""The whole engine over HTTP, as the daemon assembles it, towards vendors in another process.

The rule that keeps it true: configuration, connectors, store and stages are the product's own; only waiting times are shortened.
It must not know: what is measured.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import structlog

from syncd.config import load
from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS
from syncd.flow.assemble import assemble
from syncd.flow.daemon import stages
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
from syncd.flow.work import backlog
from syncd.store.database import open_database
from tests.bench.vendors import Vendors
from tests.e2e.configuration import BOUNDLESS, Configuration

IDLE = {"poll_min": '"600s"', "poll_max": '"600s"', "quiet_max": '"1s"'}
UNGUARDED = {"guards": "{ updates = { number = 1000000, share = 1.0 }, creates = { number = 1000000, share = 1.0 } }"}
LIMITS = {**BOUNDLESS, "ghl": "calls_per_window = 10000\nwindow_s = 1.0\ncalls_per_day = 100000000"}


@asynccontextmanager
async def running(vendors: Vendors, *, quiet: str = "50ms", instead: str | None = None) -> AsyncIterator[tuple[Engine, str]]:
    """A running engine and where it listens; the vendors' webhooks come to it. `instead` stands in the place of the sync."""
    log = structlog.make_filtering_bound_logger(logging.CRITICAL)(structlog.PrintLogger(), [], {})
    described = await vendors.tell("describe")
    ghl, octopus = described["gohighlevel"], described["emailoctopus"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration = Configuration(
            directory=folder, port=0, daemon={**IDLE, "quiet": f'"{quiet}"'}, sync=UNGUARDED, systems=LIMITS, timeout_s=45.0
        )
        configuration.write_for(ghl, octopus)
        if instead is not None:
            written = configuration.path.read_text()
            configuration.path.write_text(written.partition("[syncs.contacts]")[0] + instead)
        settings = load(configuration.path, KINDS, environ={})
        async with (
            open_database(database_path(settings)) as database,
            assemble(settings, database, clock=SystemClock(), random=Random(1), log=log, reason="live") as assembled,
            stages(assembled, settings) as (tasks, address),
        ):
            await vendors.tell("listen", ghl=f"http://{address}/hooks/ghl", octopus=f"http://{address}/hooks/octopus")
            yield assembled.engine, f"http://{address}"
            await vendors.tell("listen", ghl=None, octopus=None)
            tasks.cancel_scope.cancel()


async def idle(engine: Engine, *, within_s: float = 600.0) -> dict[str, Any]:
    """Waits until nothing is left to do; how long that took, and what waits for a person."""
    began, quiet = time.perf_counter(), 0
    while quiet < 5 and time.perf_counter() - began < within_s:
        await anyio.sleep(0.1)
        left = await engine.database.read(lambda tx: backlog(engine, tx))
        quiet = quiet + 1 if left.idle else 0
    return {"took_s": time.perf_counter() - began - 0.5, "idle": left.idle, "holds": left.holds, "failures": left.failures}
