"""The daemon: all stages in one task group, started, watched, reloaded and stopped.

The rule that keeps it true: whatever happens, the database already knows, so stopping is always safe; a bad new configuration leaves
the old one running; the watchdog is fed by the engine's progress, never by a timer of its own.
It must not know: what any stage does.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import anyio
from anyio.abc import TaskGroup, TaskStatus
from structlog.typing import FilteringBoundLogger

from syncd.config import Settings
from syncd.core.errors import StoreError, UserError
from syncd.flow import notify
from syncd.flow.alarms import alert_forever
from syncd.flow.assemble import Assembled, assemble, keep_measurements
from syncd.flow.auditing import audit_forever
from syncd.flow.automate import advance_forever, automate_forever
from syncd.flow.clocks import watch_clocks_forever
from syncd.flow.engine import Clock, Engine
from syncd.flow.entrance import Queue
from syncd.flow.home import database_path
from syncd.flow.listen import listening
from syncd.flow.notice import notice_forever
from syncd.flow.poll import poll_forever
from syncd.flow.rebase import FileMark, mark_forever
from syncd.flow.reconcile import reconcile_forever
from syncd.flow.requests import answer_forever
from syncd.flow.reread import reread_forever
from syncd.flow.stepping import ALERTS
from syncd.flow.write import write_forever
from syncd.store.codec import DamagedError
from syncd.store.damage import mend
from syncd.store.database import Database, open_database, owning
from syncd.store.retention import BATCH, prune_some

STOP_GRACE_S = 2.5
REST_S, REST_MAX_S = 1.0, 15.0
"""How long a stage rests when nothing can be committed: first, and at most while it goes on."""
STALLED_S = 15.0
"""The reconcile stage comes round at least every second, and a commit takes less; this long without it, and the engine is stuck."""


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
    async with anyio.create_task_group() as tasks:
        told = _Told(log)
        await tasks.start(told.listen)
        with owning(path):
            async with open_database(path) as database:
                daemon = _Daemon(read_settings, database, told, clock=clock, random=random, log=log)
                await daemon.run(settings)
        tasks.cancel_scope.cancel()
    log.info("daemon.stopped")


class _Told:
    """What signals told us, from the first moment to the last: a signal never finds the daemon unprepared."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.stop = False
        self.reload = False
        self.starting: anyio.CancelScope | None = None
        self._log = log
        self._bell = anyio.Event()

    async def listen(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Takes signals until cancelled; a stop ends a start that is under way."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    self.reload = True
                else:
                    self._log.info("daemon.stopping", signal=signal.Signals(number).name)
                    self.stop = True
                    if self.starting is not None:
                        self.starting.cancel()
                self._bell.set()

    async def anything(self) -> None:
        """Returns when there is something to do about a signal."""
        while not self.stop and not self.reload:
            self._bell = anyio.Event()
            await self._bell.wait()


class _Daemon:
    """Serves one configuration after the other."""

    def __init__(
        self,
        read_settings: Callable[[], Settings],
        database: Database,
        told: _Told,
        *,
        clock: Clock,
        random: Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._read_settings = read_settings
        self._database = database
        self._told = told
        self._clock = clock
        self._random = random
        self._log = log
        self._queue = Queue()

    async def run(self, settings: Settings) -> None:
        """Until told to stop. Settings that turn out unusable at a reload give way to those that were proven before."""
        try:
            await self._serve_all(settings)
        finally:
            self._queue.close()

    async def _serve_all(self, settings: Settings) -> None:
        proven: Settings | None = None
        while not self._told.stop:
            try:
                trying, settings = settings, await self._serve(settings)
                proven = trying
            except UserError as error:
                if proven is None or proven is settings:
                    raise
                self._log.error("reload.refused", error=error.message, problems=list(error.problems))
                settings = proven

    async def _serve(self, settings: Settings) -> Settings:
        """Serves one configuration until told otherwise; the next one."""
        with anyio.CancelScope() as starting:
            self._told.starting = starting
            async with (
                assemble(
                    settings, self._database, clock=self._clock, random=self._random, log=self._log, reason="live"
                ) as assembled,
                stages(assembled, settings, self._queue) as (tasks, address),
            ):
                self._told.starting = None
                self._log.info(
                    "daemon.ready", pid=os.getpid(), config=str(settings.path), syncs=sorted(settings.syncs), listen=address
                )
                notify.ready(f"keeping {len(settings.syncs)} syncs over {len(settings.systems)} systems equal")
                settings = await self._next_settings(settings)
                if self._told.stop:
                    notify.stopping()
                assembled.engine.stop_within(STOP_GRACE_S)
                tasks.cancel_scope.cancel()
        return settings

    async def _next_settings(self, settings: Settings) -> Settings:
        """Waits for a stop (the settings stay) or for a configuration that can be used."""
        while True:
            await self._told.anything()
            if self._told.stop:
                return settings
            self._told.reload = False
            notify.reloading()
            try:
                fresh = self._read_settings()
                _check_same_home(settings, fresh)
            except UserError as error:
                self._log.error("reload.refused", error=error.message, problems=list(error.problems))
                notify.ready("the new configuration is not usable; the old one goes on")
                continue
            self._log.info("reload.accepted")
            return fresh


def _check_same_home(old: Settings, new: Settings) -> None:
    if database_path(old) != database_path(new):
        raise UserError("the state directory cannot change while running", hint="stop, move it, and start again")


@asynccontextmanager
async def stages(assembled: Assembled, settings: Settings | None = None, queue: Queue | None = None) -> AsyncIterator[tuple[TaskGroup, str]]:
    """All stages, running for the length of the block; without settings, or with `listen` off, no webhooks are taken. Callers queue in `queue`.

    Gives the task group and the address it listens on.
    """
    engine = assembled.engine
    listen = settings.daemon.listen if settings is not None else None
    proxies = settings.daemon.trusted_proxies if settings is not None else ()
    async with anyio.create_task_group() as tasks:
        for place in engine.places:
            tasks.start_soon(_keep_going, engine, poll_forever, engine, place)
        for system in sorted({system for system, _ in engine.places}):
            tasks.start_soon(_keep_going, engine, reread_forever, engine, system)
            tasks.start_soon(_keep_going, engine, write_forever, engine, system)
        tasks.start_soon(_keep_going, engine, reconcile_forever, engine)
        tasks.start_soon(_keep_going, engine, notice_forever, engine)
        tasks.start_soon(_keep_going, engine, watch_clocks_forever, engine)
        tasks.start_soon(_keep_going, engine, advance_forever, engine)
        for lane in (ALERTS, *sorted(engine.operations)):
            tasks.start_soon(_keep_going, engine, automate_forever, engine, lane)
        tasks.start_soon(_keep_going, engine, answer_forever, engine)
        tasks.start_soon(_keep_going, engine, _keep_house, assembled)
        tasks.start_soon(_keep_going, engine, _keep_tally, engine)
        tasks.start_soon(_keep_going, engine, mark_forever, engine, FileMark(engine.database.path))
        tasks.start_soon(_feed_watchdog, engine)
        if settings is not None:
            if settings.daemon.audit_every is not None:
                tasks.start_soon(_keep_going, engine, audit_forever, engine, settings.daemon.audit_every)
            tasks.start_soon(_keep_going, engine, alert_forever, engine, assembled.quotas, settings.alerts)
        if listen is None:
            if queue is not None:
                queue.close()
            yield tasks, "off"
        else:
            async with listening(engine, listen.host, listen.port, proxies=proxies, queue=queue) as (host, port):
                yield tasks, f"{host}:{port}"


async def _keep_going(engine: Engine, stage: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Runs a stage; while nothing can be committed (a full disk, say), or files or memory are wanting, it rests, and goes on by itself."""
    rest_s = REST_S
    while True:
        began = anyio.current_time()
        damaged: list[DamagedError] = []
        try:
            await stage(*arguments)
        except* DamagedError as group:
            damaged = [error for error in _leaves(group) if isinstance(error, DamagedError)]
        except* StoreError as group:
            engine.log.error("store.failed", stage=stage.__name__, error=str(_leaves(group)[0]), retry_s=rest_s)  # noqa: TRY400
        except* (OSError, MemoryError) as group:
            if not all(map(_is_want, _leaves(group))):
                raise
            engine.log.error("stage.starved", stage=stage.__name__, error=str(_leaves(group)[0]), retry_s=rest_s)  # noqa: TRY400
        if await _mend(engine, damaged):
            continue
        if anyio.current_time() - began > REST_MAX_S:
            rest_s = REST_S
        await anyio.sleep(rest_s)
        rest_s = min(REST_MAX_S, rest_s * 2)


def _is_want(error: BaseException) -> bool:
    """Whether something failed for want of files or memory, which others may give back."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors themselves, however deep the groups are nested."""
    return [leaf for each in group.exceptions for leaf in (_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])]


async def _mend(engine: Engine, damaged: list[DamagedError]) -> bool:
    """Puts damaged rows out of use and says so; whether all of them were."""
    for error in damaged:
        try:
            done = await engine.database.write(lambda tx: mend(tx, error, engine.routes, engine.clock.now()))  # noqa: B023
        except StoreError as failure:
            engine.log.error("row.damaged", table=error.table, row=list(error.row), error=failure.message, hint=failure.hint)  # noqa: TRY400
            return False
        if done is None:
            return False
        if done:
            engine.log.error("row.damaged", table=error.table, row=list(error.row), done=done)
    return bool(damaged)


async def _keep_house(assembled: Assembled) -> None:
    """Now and then: drop what is over and old, keep the quotas and what was found out."""
    engine = assembled.engine
    while True:
        await anyio.sleep(60)
        while BATCH in (await engine.database.write(lambda tx: prune_some(tx, engine.timing.keep, engine.clock.now()))).values():
            pass
        await keep_measurements(engine, assembled.quotas)


async def _keep_tally(engine: Engine) -> None:
    """Keeps the counts of what was heard, soon enough for whoever asks."""
    while True:
        await anyio.sleep(engine.timing.tick_s)
        await engine.tally.keep(engine.database)


async def _feed_watchdog(engine: Engine) -> None:
    """Tells systemd we are alive as long as plans come round and commits come to an end."""
    every_s = notify.watchdog_interval_s()
    while every_s is not None:
        await anyio.sleep(every_s)
        if (stage := _stalled(engine)) is None:
            notify.watchdog()
        else:
            engine.log.error("engine.stalled", stage=stage)


def _stalled(engine: Engine) -> str | None:
    """What has made no progress for too long; nothing while the file is written anew, which everything waits for."""
    turned, began_s = engine.progress.turns.get("reconcile"), engine.database.commit_began_s
    if engine.database.is_shrinking:
        return None
    if began_s is not None and anyio.current_time() - began_s > STALLED_S:
        return "commit"
    return "reconcile" if turned is not None and engine.clock.monotonic() - turned > STALLED_S else None
