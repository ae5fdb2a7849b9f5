"""`syncd reconcile`: looks at every record now and follows until everything is equal, or says what is in the way.

The rule that keeps it true: the exit code says what stopped it, whoever did the work.
It must not know: how anything is decided or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import anyio
import typer
from rich.status import Status

from syncd.cli import asking, screen, standing_in
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.passes import reading_now
from syncd.cli.quotas import calls_owed, eta_s
from syncd.cli.text import counted, duration, safe
from syncd.config import Settings
from syncd.core.outcome import HoldKind
from syncd.core.record import Json
from syncd.flow.home import database_path
from syncd.store import holds
from syncd.store.control import Request
from syncd.store.visiting import reading

app = typer.Typer()

STOPPING = (HoldKind.FIRST_RUN.value, HoldKind.GUARD.value, HoldKind.LISTING.value)
_ETA_EVERY = 10

SyncArgument = Annotated[str | None, typer.Argument(metavar="SYNC", help="One sync; all of them without.", show_default=False)]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", min=1, help="Give up waiting after so long.")]


@app.command(epilog="Example: syncd reconcile contacts --timeout 600")
def reconcile(
    sync: SyncArgument = None, timeout: TimeoutOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Look at every record now, and make everything equal.

    A running daemon does it; without one it is done here. Ends with 0 when all is equal, 6 when writes failed, 7 when something
    waits for your approval, 5 when it took too long or a system cannot be used.
    """
    settings = read_settings(config, secrets=False)
    alone = not asking.daemon_runs(settings)
    settings = read_settings(config, secrets=True) if alone else settings
    arguments = {} if sync is None else {"sync": sync}
    with _following(settings) as follow:
        result = anyio.run(partial(_ask, settings, arguments, alone=alone, timeout_s=timeout, follow=follow))
    with reading(database_path(settings)) as read:
        result["held"] = read(holds.counts)
    screen.show_json(result) if as_json else _show(result)
    raise typer.Exit(_code(result))


async def _ask(
    settings: Settings, arguments: Mapping[str, Json], *, alone: bool, timeout_s: float | None, follow: asking.Follow
) -> dict[str, Json]:
    if not alone:
        return dict(await asking.ask_daemon(settings, "reconcile", arguments, timeout_s=timeout_s, follow=follow))
    log = quiet_log(settings)
    return dict(await standing_in.ask_here(settings, "reconcile", arguments, timeout_s=timeout_s, log=log, follow=follow))


@contextmanager
def _following(settings: Settings) -> Iterator[asking.Follow]:
    """Shows what is left while it is done; nothing off a terminal."""
    if not screen.on_terminal():
        yield lambda _request: None
        return
    turns, left_s = 0, 0.0
    with Status("starting", console=screen.console(messages=True)) as status:

        def follow(request: Request) -> None:
            nonlocal turns, left_s
            if turns % _ETA_EVERY == 0 and database_path(settings).exists():
                left_s = _left_s(settings)
            turns += 1
            status.update(safe(_progress(request.progress or {}, left_s)))

        yield follow


def _left_s(settings: Settings) -> float:
    with reading(database_path(settings)) as read:
        owed = read(calls_owed)
        return max((read(partial(eta_s, settings=settings, system=system, calls=calls)) for system, calls in owed.items()), default=0)


def _progress(left: Mapping[str, Json], left_s: float) -> str:
    passes = left.get("passes") or {}
    parts = [f"reading {name} ({reading_now(each)})" for name, each in passes.items()]
    parts += [counted(int(left[name]), one) for name, one in (("plans", "plan"), ("writes", "write")) if left.get(name)]
    parts += [f"about {duration(left_s)} by the quota"] if (passes or left.get("writes")) and left_s >= 1 else []
    return " · ".join(parts) or "looking"


def _show(result: Mapping[str, Json]) -> None:
    rows = [[each["sync"], each["outcome"], f"{each['count']:,}", each["reason"]] for each in result["outcomes"]]
    if rows:
        screen.show_rows(rows, head=["sync", "outcome", "count", "reason"], indent=0)
    else:
        screen.show("nothing had changed")
    for system, reason in result["paused"].items():
        screen.say(f"{system} is not used: {reason}", style="red")
    if result["failures"]:
        screen.say(f"{counted(result['failures'], 'write')} failed: `syncd failures` shows them", style="red")
    if result["parked"]:
        screen.say(f"{counted(result['parked'], 'write')} wait for your approval: `syncd plan`, then `syncd holds`", style="yellow")
    waiting = {kind: count for kind, count in result["held"].items() if kind not in STOPPING}
    if waiting:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(waiting.items()))
        screen.say(f"{counted(sum(waiting.values()), 'record or field', 'records or fields')} wait for you ({told}): `syncd holds`")


def _code(result: Mapping[str, Json]) -> Code:
    if result["paused"]:
        return Code.TEMPORARY
    if any(kind in STOPPING for kind in result["held"]):
        return Code.STOPPED
    return Code.FAILURES if result["failures"] else Code.OK
