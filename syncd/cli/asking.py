"""Asking: has something done by the running daemon, or, where none runs, answers over the database alone.

With a daemon a request row is left and followed to its end. What takes vendors is done by `standing_in` where no daemon runs.
The rule that keeps it true: a request is the only way in, and whoever carries it out runs the same code.
It must not know: how a command shows its progress.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom

import anyio
from structlog.typing import FilteringBoundLogger

from syncd.cli.exits import NotNow
from syncd.cli.logs import quiet_log
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.errors import PlanMoved, UserError
from syncd.core.record import Json
from syncd.flow.asked import note_asked
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
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
                request = look_at(path, number)
                if request.state in ("done", "failed"):
                    return result_of(request)
                if not is_owned(path):
                    raise UserError("the daemon stopped before this was done", hint="it is done when the daemon starts again")
                if follow is not None:
                    follow(request)
                await anyio.sleep(FOLLOW_S)
    except TimeoutError:
        raise NotNow(
            f"request {number} is not done after {timeout_s:.0f} s", hint="the daemon goes on with it; look at `syncd status`"
        ) from None


def look_at(path: Path, number: int) -> Request:
    """A request as it stands."""
    with reading(path) as read:
        request = read(lambda tx: control.get_request(tx, number))
    assert request is not None, "a request row was removed"
    return request


def result_of(request: Request) -> Json:
    """What a request came to. Raises UserError in the words of whoever carried it out."""
    if request.state == "failed":
        kind = PlanMoved if request.result.get("moved") else UserError
        problems = [str(each) for each in request.result.get("problems") or ()]
        raise kind(str(request.result["error"]), problems=problems, hint=str(request.result.get("hint", "")))
    return request.result


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
