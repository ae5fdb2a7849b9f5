"""Asking: has something done by the running daemon, or does it here where none runs.

With a daemon a request row is left and followed to its end. Without one, this process takes the database's lock and becomes the
daemon for as long as it takes.
The rule that keeps it true: a request is the only way in, and whoever carries it out runs the same code.
It must not know: how a command shows its progress.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import NoReturn

import anyio
from anyio.abc import TaskStatus
from structlog.typing import FilteringBoundLogger

from syncd.cli.exits import Interrupted, NotNow
from syncd.cli.logs import quiet_log
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.errors import PlanMoved, UserError
from syncd.core.record import Json
from syncd.flow.asked import note_asked
from syncd.flow.assemble import assemble
from syncd.flow.daemon import STOP_GRACE_S, stages
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
from syncd.flow.requests import answer_one
from syncd.store import control
from syncd.store.control import Request
from syncd.store.database import Connection, is_owned, open_database, owning
from syncd.store.visiting import leave, reading

FOLLOW_S = 0.15
ANSWER_S = 120.0
Follow = Callable[[Request], None]


def me() -> str:
    """The account that runs this process."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "nobody known"
    return f"{name} ({os.getuid()})"


def daemon_runs(settings: Settings) -> bool:
    """Whether a daemon serves this configuration's state now."""
    return is_owned(database_path(settings))


async def ask_daemon(
    settings: Settings, kind: str, arguments: Mapping[str, Json], *, timeout_s: float | None, follow: Follow | None = None
) -> Json:
    """Leaves a request with the running daemon; its result. Raises UserError in the daemon's words, NotNow after `timeout_s`."""
    clock = SystemClock()
    number = leave(database_path(settings), lambda tx: control.ask(tx, kind, arguments, clock.now(), me()))
    return await follow_daemon(settings, number, timeout_s=timeout_s, follow=follow)


async def follow_daemon(settings: Settings, number: int, *, timeout_s: float | None, follow: Follow | None = None) -> Json:
    """Follows a request that was left with the running daemon; its result. Raises as `ask_daemon` does."""
    path = database_path(settings)
    try:
        with anyio.fail_after(timeout_s):
            while True:
                request = _look(path, number)
                if request.state in ("done", "failed"):
                    return _result(request)
                if not is_owned(path):
                    raise UserError("the daemon stopped before this was done", hint="it is done when the daemon starts again")
                if follow is not None:
                    follow(request)
                await anyio.sleep(FOLLOW_S)
    except TimeoutError:
        raise NotNow(
            f"request {number} is not done after {timeout_s:.0f} s", hint="the daemon goes on with it; look at `syncd status`"
        ) from None


def _look(path: Path, number: int) -> Request:
    with reading(path) as read:
        request = read(lambda tx: control.get_request(tx, number))
    assert request is not None, "a request row was removed"
    return request


def _result(request: Request) -> Json:
    if request.state == "failed":
        kind = PlanMoved if request.result.get("moved") else UserError
        problems = [str(each) for each in request.result.get("problems") or ()]
        raise kind(str(request.result["error"]), problems=problems, hint=str(request.result.get("hint", "")))
    return request.result


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
    return _result(request)


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
    return _result(_look(path, number)) if is_over else _not_yet(number, timeout_s)


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


@asynccontextmanager
async def engine_without_network(settings: Settings, log: FilteringBoundLogger) -> AsyncIterator[Engine]:
    """An engine over the database alone, for answers that need no vendor. Takes the lock."""
    path = database_path(settings)
    with owning(path):
        async with open_database(path) as database:
            yield Engine(
                database=database,
                connectors={},
                syncs=settings.syncs,
                clock=SystemClock(),
                random=SystemRandom(),
                log=log,
            )


async def answer(
    settings: Settings,
    kind: str,
    arguments: Mapping[str, Json],
    offline: Callable[[Engine, Connection], str],
    *,
    log: FilteringBoundLogger,
) -> str:
    """Gives an answer to the daemon, or does what it would do where none runs; what followed, in words."""
    if daemon_runs(settings):
        result = await ask_daemon(settings, kind, arguments, timeout_s=ANSWER_S)
        return str(result["said"])
    def commit(tx: Connection) -> str:
        note_asked(engine, tx, me(), kind, arguments)
        return offline(engine, tx)

    async with engine_without_network(settings, log) as engine:
        return await engine.database.write(commit)


def note(settings: Settings, kind: str, arguments: Mapping[str, Json]) -> None:
    """Has the journal tell what this account is about to do by itself; beside a daemon by leaving it there, for the journal is the daemon's to write."""
    path = database_path(settings)
    if daemon_runs(settings):
        leave(path, lambda tx: control.ask(tx, kind, arguments, SystemClock().now(), me()))
        return

    async def alone() -> None:
        async with engine_without_network(settings, quiet_log(settings)) as engine:
            await engine.database.write(lambda tx: note_asked(engine, tx, me(), kind, arguments))

    anyio.run(alone)
