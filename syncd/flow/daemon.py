"""The daemon: all stages in one task group, started, watched, reloaded and stopped.

The rule that keeps it true: whatever happens, the database already knows, so stopping is always safe; a bad new configuration leaves
the old one running; the watchdog is fed by the engine's progress, never by a timer of its own.
It must not know: what any stage does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from random import Random

import anyio
from anyio.abc import TaskGroup
from structlog.typing import FilteringBoundLogger

from syncd.config import Settings
from syncd.core.errors import StoreError, UserError
from syncd.core.record import DAY
from syncd.flow import notify
from syncd.flow.assemble import Assembled, assemble, keep_quotas
from syncd.flow.engine import Clock, Engine
from syncd.flow.listen import listening
from syncd.flow.poll import poll_forever
from syncd.flow.reconcile import reconcile_forever
from syncd.flow.requests import answer_forever
from syncd.flow.reread import reread_forever
from syncd.flow.write import write_forever
from syncd.store import inbox
from syncd.store.database import Database, open_database, owning

STOP_GRACE_S = 3.5
KEEP_EVENTS = 14 * DAY
STALLED_S = 15.0
"""The reconcile stage comes round at least every second; this long without it, and the engine is stuck."""


class Outcome(Enum):
    """Why a turn of the daemon ended."""

    STOP = "stop"
    RELOAD = "reload"


def database_path(settings: Settings) -> Path:
    """Where the state of this configuration is kept."""
    return settings.daemon.state / "syncd.db"


async def run(
    settings: Settings,
    read_settings: Callable[[], Settings],
    *,
    clock: Clock,
    random: Random,
    log: FilteringBoundLogger,
) -> None:
    """Runs until SIGTERM or SIGINT. On SIGHUP `read_settings` is called, and its settings are used unless it raises UserError."""
    path = database_path(settings)
    with owning(path):
        async with open_database(path) as database:
            outcome = Outcome.RELOAD
            proven: Settings | None = None
            while outcome is Outcome.RELOAD:
                trying = settings
                try:
                    outcome, settings = await _serve(trying, read_settings, database, clock=clock, random=random, log=log)
                    proven = trying
                except UserError as error:
                    if proven is None or proven is trying:
                        raise
                    log.error("reload.refused", error=error.message, problems=list(error.problems))  # noqa: TRY400
                    settings = proven
    log.info("daemon.stopped")


async def _serve(
    settings: Settings,
    read_settings: Callable[[], Settings],
    database: Database,
    *,
    clock: Clock,
    random: Random,
    log: FilteringBoundLogger,
) -> tuple[Outcome, Settings]:
    async with assemble(settings, database, clock=clock, random=random, log=log, reason="live") as assembled:
        engine = assembled.engine
        async with stages(assembled, settings) as (tasks, address):
            log.info("daemon.ready", pid=os.getpid(), config=str(settings.path), syncs=sorted(settings.syncs), listen=address)
            notify.ready(f"keeping {len(settings.syncs)} syncs over {len(settings.systems)} systems equal")
            outcome, settings = await _until_told(settings, read_settings, log)
            notify.stopping() if outcome is Outcome.STOP else None
            engine.stop_within(STOP_GRACE_S)
            tasks.cancel_scope.cancel()
    return outcome, settings


async def _until_told(
    settings: Settings, read_settings: Callable[[], Settings], log: FilteringBoundLogger
) -> tuple[Outcome, Settings]:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number != signal.SIGHUP:
                log.info("daemon.stopping", signal=signal.Signals(number).name)
                return Outcome.STOP, settings
            notify.reloading()
            try:
                fresh = read_settings()
                _check_same_home(settings, fresh)
            except UserError as error:
                log.error("reload.refused", error=error.message, problems=list(error.problems))  # noqa: TRY400 (said in words)
                notify.ready("the new configuration is not usable; the old one goes on")
                continue
            log.info("reload.accepted")
            return Outcome.RELOAD, fresh
    return Outcome.STOP, settings


def _check_same_home(old: Settings, new: Settings) -> None:
    if database_path(old) != database_path(new):
        raise UserError("the state directory cannot change while running", hint="stop, move it, and start again")


@asynccontextmanager
async def stages(assembled: Assembled, settings: Settings | None = None) -> AsyncIterator[tuple[TaskGroup, str]]:
    """All stages, running for the length of the block; without settings, or with `listen` off, no webhooks are taken.

    Gives the task group and the address it listens on.
    """
    engine = assembled.engine
    listen = settings.daemon.listen if settings is not None else None
    async with anyio.create_task_group() as tasks:
        for place in engine.places:
            tasks.start_soon(_keep_going, engine, poll_forever, engine, place)
        for system in sorted({system for system, _ in engine.places}):
            tasks.start_soon(_keep_going, engine, reread_forever, engine, system)
            tasks.start_soon(_keep_going, engine, write_forever, engine, system)
        tasks.start_soon(_keep_going, engine, reconcile_forever, engine)
        tasks.start_soon(_keep_going, engine, answer_forever, engine)
        tasks.start_soon(_keep_going, engine, _keep_house, assembled)
        tasks.start_soon(_feed_watchdog, engine)
        if listen is None:
            yield tasks, "off"
        else:
            async with listening(engine, listen.host, listen.port) as (host, port):
                yield tasks, f"{host}:{port}"


async def _keep_going(engine: Engine, stage: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Runs a stage; while nothing can be committed (a full disk, say) it rests, and goes on by itself when it can be again."""
    rest_s = 1.0
    while True:
        try:
            await stage(*arguments)
        except* StoreError as group:
            engine.log.error("store.failed", stage=stage.__name__, error=str(group.exceptions[0]), retry_s=rest_s)  # noqa: TRY400
        await anyio.sleep(rest_s)
        rest_s = min(15.0, rest_s * 2)


async def _keep_house(assembled: Assembled) -> None:
    """Now and then: forget old events, keep the quotas."""
    engine = assembled.engine
    while True:
        await anyio.sleep(60)
        before = engine.clock.now() - KEEP_EVENTS
        await engine.database.write(lambda tx: inbox.prune(tx, before))  # noqa: B023 (awaited before the next turn)
        await keep_quotas(engine, assembled.quotas)


async def _feed_watchdog(engine: Engine) -> None:
    """Tells systemd we are alive as long as plans come round and commits succeed."""
    every_s = notify.watchdog_interval_s()
    while every_s is not None:
        await anyio.sleep(every_s)
        turned = engine.progress.turns.get("reconcile")
        stalled = turned is not None and engine.clock.monotonic() - turned > STALLED_S
        if stalled:
            engine.log.error("engine.stalled", stage="reconcile")
        else:
            notify.watchdog()
