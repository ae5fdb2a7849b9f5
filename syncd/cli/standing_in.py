"""Standing in: this process takes the database's lock and does a daemon's work for as long as a command takes.

The rule that keeps it true: what is done goes by a request, as with a daemon; a signal ends it in order, and what was in the air is recorded.
It must not know: how a command shows its progress.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import NoReturn

import anyio
from anyio.abc import TaskStatus
from structlog.typing import FilteringBoundLogger

from syncd.cli.asking import FOLLOW_S, Follow, look_at, me, result_of
from syncd.cli.exits import Interrupted, NotNow
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.record import Json
from syncd.flow.assemble import assemble
from syncd.flow.daemon import STOP_GRACE_S, stages
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
from syncd.flow.requests import answer_one
from syncd.store import control
from syncd.store.control import Request
from syncd.store.database import Connection, open_database, owning


async def ask_here(
    settings: Settings,
    kind: str,
    arguments: Mapping[str, Json],
    *,
    timeout_s: float | None,
    log: FilteringBoundLogger,
    follow: Follow,
) -> Json:
    """Does the work of a daemon in this process until a request is answered, then stops. Raises as `ask_daemon` does."""
    path, clock = database_path(settings), SystemClock()
    request: Request | None = None
    with owning(path):
        async with told_to_stop() as told, open_database(path) as database:
            with told.scope():
                async with assemble(settings, database, clock=clock, random=SystemRandom(), log=log, reason=kind) as assembled:
                    # Asked before anything runs, so that all that is done counts as done for it.
                    with anyio.CancelScope(shield=True):
                        number = await database.write(lambda tx: control.ask(tx, kind, arguments, clock.now(), me()))
                    try:
                        async with stages(assembled) as (tasks, _address):
                            request = await _followed(assembled.engine, number, told, timeout_s, follow)
                            tasks.cancel_scope.cancel()
                    finally:
                        await _give_up(assembled.engine, number)
        if request is None:
            raise Interrupted("stopped", hint="what was done is kept; run it again, or start the daemon")
    return result_of(request)


async def attend_here(settings: Settings, number: int, *, timeout_s: float | None, log: FilteringBoundLogger) -> Json:
    """Does what a request asks for in this process, and nothing else. One that is not done in time, or at a signal, stays to be gone on with."""
    path = database_path(settings)
    is_over = False
    with owning(path):
        async with told_to_stop() as told, open_database(path) as database:
            with told.scope(), anyio.move_on_after(timeout_s):
                async with assemble(settings, database, clock=SystemClock(), random=SystemRandom(), log=log, reason="request") as assembled:
                    await answer_one(assembled.engine, number)
                    is_over = True
    if told.stopped and not is_over:
        raise Interrupted("stopped", hint="what was done is kept; the daemon goes on with it, and so does the same command")
    return result_of(look_at(path, number)) if is_over else _not_yet(number, timeout_s)


def _not_yet(number: int, timeout_s: float | None) -> NoReturn:
    raise NotNow(f"request {number} is not done after {timeout_s:.0f} s", hint="the daemon goes on with it, and so does the same command")


async def _followed(engine: Engine, number: int, told: Told, timeout_s: float | None, follow: Follow) -> Request | None:
    """Follows a request to its answer; None where a signal came first. What is in the air has a while to end."""
    try:
        with told.scope(), anyio.fail_after(timeout_s):
            return await _until_answered(engine, number, follow)
    except TimeoutError:
        raise NotNow(
            f"not done after {timeout_s:.0f} s", hint="what was done is kept; run it again, or start the daemon"
        ) from None
    finally:
        engine.stop_within(STOP_GRACE_S)
    return None


async def _until_answered(engine: Engine, number: int, follow: Follow) -> Request:
    while True:
        request = await engine.database.read(lambda tx: control.get_request(tx, number))
        assert request is not None, "a request row was removed"
        if request.state in ("done", "failed"):
            return request
        follow(request)
        await anyio.sleep(FOLLOW_S)


async def _give_up(engine: Engine, number: int) -> None:
    """A request nobody follows any more must not start again with the next daemon."""

    def commit(tx: Connection) -> None:
        request = control.get_request(tx, number)
        if request is not None and request.state in ("new", "running"):
            failure = {"error": "the command gave up waiting", "hint": ""}
            control.report(tx, number, "failed", result=failure, at=engine.clock.now())

    with anyio.CancelScope(shield=True):
        await engine.database.write(commit)


class Told:
    """Whether a signal told us to stop, and what it cancels: the block that was entered last, and what is around it ends in order."""

    def __init__(self) -> None:
        self.stopped = False
        self._scope: anyio.CancelScope | None = None

    def scope(self) -> anyio.CancelScope:
        """A block that a signal ends; one that came before ends it at once."""
        self._scope = anyio.CancelScope()
        if self.stopped:
            self._scope.cancel()
        return self._scope

    def stop(self) -> None:
        """A signal came."""
        self.stopped = True
        if self._scope is not None:
            self._scope.cancel()


@asynccontextmanager
async def told_to_stop() -> AsyncIterator[Told]:
    """Takes SIGTERM and Ctrl-C for the length of the block, so that writes in the air are still recorded."""
    told = Told()

    async def watch(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                told.stop()

    async with anyio.create_task_group() as tasks:
        await tasks.start(watch)
        yield told
        tasks.cancel_scope.cancel()
