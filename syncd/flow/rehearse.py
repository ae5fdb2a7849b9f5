"""Rehearsing: everything but the writing, over a copy of the database.

Each collection is listed completely, what was only hinted at is read, and all of it is planned until nothing is left to plan; what then
stands in the outbox is what would be written.
The rule that keeps it true: the stages run are the daemon's own, so the preview is what would happen; the write stage is not among them,
so nothing does.
It must not know: that the database is a copy, or how the preview is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from syncd.connectors.quota import Priority, priority
from syncd.flow.engine import Engine
from syncd.flow.poll import run_pass
from syncd.flow.reconcile import reconcile_once
from syncd.flow.reread import reread_once
from syncd.store import observations
from syncd.store.cursors import PassMode
from syncd.store.observations import Place

Report = Callable[[str], None]


async def rehearse(engine: Engine, report: Report) -> None:
    """Lists, reads and plans until nothing is left. Raises the ConnectorError of a vendor that cannot be asked."""
    async with anyio.create_task_group() as tasks:
        for place in engine.places:
            tasks.start_soon(_list, engine, place, report)
    while True:
        read = [await reread_once(engine, system) for system in sorted({system for system, _ in engine.places})]
        planned = [await reconcile_once(engine, sync) for sync in engine.syncs]
        if not any(read) and not any(planned):
            return
        report("planning")


async def _list(engine: Engine, place: Place, report: Report) -> None:
    report(f"listing {place[0]}/{place[1]}")
    with priority(Priority.BACKFILL):
        await run_pass(engine, place, PassMode.COMPLETE)
    known = await engine.database.read(lambda tx: observations.count_alive(tx, place))
    report(f"listed {place[0]}/{place[1]}: {known:,} records")
