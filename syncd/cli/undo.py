"""`syncd undo`: puts back what a run, or a stretch of time, did; shown first.

The rule that keeps it true: nothing is done that was not shown, and nothing without a yes.
It must not know: what can be undone, or how.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, redacting, screen, standing_in
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.online import progress
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.owed import label_of
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, value
from syncd.config import Settings
from syncd.config.durations import parse_duration
from syncd.core.errors import UserError
from syncd.core.record import Json, LinkId, Micros
from syncd.flow.home import database_path
from syncd.flow.schemas import known_rules
from syncd.flow.undoing import Undoing, draft
from syncd.store import history, journal, links
from syncd.store.control import Request
from syncd.store.database import Connection
from syncd.store.visiting import reading

app = typer.Typer()

_SHOWN_MAX = 100
_AGO = re.compile(r"\s*(\d{1,9})\s*(ms|s|sec|second|m|min|minute|h|hour|d|day)s?(?:\s+ago)?\s*", re.ASCII)
_UNITS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d"}

SinceOption = Annotated[str | None, typer.Option("--since", metavar="WHEN", help='What was done since: "2 hours ago", "90m", 2026-01-31T09:00Z.')]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="With --since: up to then, else up to now.")]
FromOption = Annotated[int | None, typer.Option("--from", metavar="NUMBER", min=1, help="What was done from this row of `syncd events` on.")]
ToOption = Annotated[int | None, typer.Option("--to", metavar="NUMBER", min=1, help="With --from: up to this row, else up to the newest.")]


@app.command(epilog='Example: syncd undo 12   or   syncd undo --since "2 hours ago"')
def undo(
    run: Annotated[int | None, typer.Argument(metavar="RUN", help="A run, as `syncd runs` numbers it.", show_default=False)] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    start: FromOption = None,
    end: ToOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _redact: RedactOption = False,
) -> None:
    """Put back what a run or a stretch of time did.

    Shows what would be put back, what is left alone because somebody edited it since, and what cannot be undone and why. Values go back
    everywhere, also where the edit was made. Records that syncd made go by the delete rule of their sync. It is a run of its own, which
    can be undone too.
    """
    if sum(each is not None for each in (run, since, start)) != 1:
        raise typer.BadParameter("name a run, or say --since WHEN, or --from NUMBER")
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("nothing has been done yet: there is no database", hint="`syncd run` or `syncd reconcile` makes it")
    with reading(path) as read:
        span = read(lambda tx: _span(tx, run, since, until, start, end))
        found = read(lambda tx: draft(tx, known_rules(tx, settings), *span))
        shown = read(lambda tx: _as_json(tx, settings, found))
    if not as_json:
        _show(shown)
    if not found.names or not _agreed(yes=yes, asked=not as_json):
        _end(shown, nothing=not found.names, as_json=as_json)
    result = _do(settings, found)
    if as_json:
        screen.show_json({**shown, "done": result})
    else:
        screen.show(f"run {result['run']}: {counted(result['fields'], 'field')} put back, {counted(result['records'], 'record')} removed")
        _show_trouble(result)
    raise typer.Exit(Code.STOPPED if result["parked"] else Code.FAILURES if result["failures"] else Code.OK)


def _agreed(*, yes: bool, asked: bool) -> bool:
    return yes or (asked and screen.on_terminal() and typer.confirm("put this back?", err=True))


def _end(shown: dict[str, Json], *, nothing: bool, as_json: bool) -> None:
    if as_json:
        screen.show_json({**shown, "done": None})
    else:
        screen.say("there is nothing to put back" if nothing else "nothing was done; --yes does it")
    raise typer.Exit(Code.OK)


def _span(tx: Connection, run: int | None, since: str | None, until: str | None, start: int | None, end: int | None) -> tuple[int, int]:
    if start is not None:
        # What comes while one reads what is shown is no part of it.
        return start, end if end is not None else journal.last_number(tx)
    span = history.span_of(tx, run) if run is not None else history.span_between(tx, _when(since or ""), _when(until) if until else 2**62)
    if span is None and run is not None and not history.newest(tx, 1, run):
        raise UserError(f"there is no run {run}", hint="`syncd runs` lists them")
    return span if span is not None else (0, -1)


def _when(written: str) -> Micros:
    """An instant, or a length of time before now."""
    if match := _AGO.fullmatch(written):
        length = parse_duration(f"{match[1]}{_UNITS.get(match[2], match[2])}")
        assert length is not None
        return time.time_ns() // 1_000 - length
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        raise typer.BadParameter(f'{written!r} is no time: write "2 hours ago", "90m" or 2026-01-31T09:00Z') from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _do(settings: Settings, found: Undoing) -> dict[str, Json]:
    arguments = {"first": found.first, "last": found.last, "names": found.names}
    with progress(shown=screen.on_terminal()) as report:

        def follow(_request: Request) -> None:
            report("listing, planning and writing")

        if asking.daemon_runs(settings):
            return dict(anyio.run(partial(asking.ask_daemon, settings, "undo", arguments, timeout_s=None, follow=follow)))
        whole = read_settings(settings.path, secrets=True)
        return dict(anyio.run(partial(standing_in.ask_here, whole, "undo", arguments, timeout_s=None, log=quiet_log(settings), follow=follow)))


def _as_json(tx: Connection, settings: Settings, found: Undoing) -> dict[str, Json]:
    numbers = {each.link for each in found.steps} | {each.link for each in found.kept if each.link is not None}
    labels = {number: label_of(settings.syncs.get(link.sync), link.values()) for number, link in links.load(tx, numbers).items()}

    def about(link: LinkId | None) -> str:
        if link is None:
            return ""
        return str(redacting.value(labels[link])) if labels.get(link) else f"link {link}"

    return {
        "from": found.first,
        "to": found.last,
        "fields": [{"sync": e.sync, "link": e.link, "about": about(e.link), "field": e.field, "now": e.now, "then": e.then} for e in found.fields],
        "records": [
            {"sync": e.sync, "link": e.link, "about": about(e.link), "member": e.member, "ref": str(e.ref), "operation": e.operation.value}
            for e in found.removals
        ],
        "left_alone": [{"link": e.link, "about": about(e.link), "what": e.about, "reason": e.reason} for e in found.kept if not e.cannot],
        "cannot": [{"link": e.link, "about": about(e.link), "what": e.about, "reason": e.reason} for e in found.kept if e.cannot],
    }


def _show(shown: dict[str, Json]) -> None:
    parts = [
        (f"{counted(len(shown['fields']), 'field')} would be put back", [f"{e['about']}: {e['field']} {value(e['now'])} → {value(e['then'])}" for e in shown["fields"]]),
        (f"{counted(len(shown['records']), 'record')} would go again", [f"{e['about']}: {e['operation']} {e['ref']}; its link ends" for e in shown["records"]]),
        ("left alone", [_told(e) for e in shown["left_alone"]]),
        ("cannot be undone", [_told(e) for e in shown["cannot"]]),
    ]
    for title, lines in parts:
        if lines:
            screen.show_heading(title)
        for each in lines[:_SHOWN_MAX]:
            screen.show(each, indent=2)
        if len(lines) > _SHOWN_MAX:
            screen.show(f"… and {len(lines) - _SHOWN_MAX:,} more (--json shows all)", indent=2)


def _told(each: dict[str, Json]) -> str:
    about = " · ".join(str(part) for part in (each["about"], each["what"]) if part)
    return f"{about}: {each['reason']}" if about else str(each["reason"])


def _show_trouble(result: dict[str, Json]) -> None:
    if result["left"]:
        screen.say(f"{counted(len(result['left']), 'item')} left alone after all: edited since", style="yellow")
    if result["parked"]:
        screen.say(f"{counted(result['parked'], 'write')} wait for your approval: `syncd plan`, then `syncd holds`", style="yellow")
    if result["failures"]:
        screen.say(f"{counted(result['failures'], 'write')} failed: `syncd failures`", style="red")
