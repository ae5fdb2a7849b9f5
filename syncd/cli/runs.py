"""`syncd runs`: the numbered stretches of work, and what each of them did.

The rule that keeps it true: what is shown of a run is what the journal has of it.
It must not know: why anything was done.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from syncd.cli import screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.redacting import RedactOption
from syncd.cli.tell import entry_as_json, line
from syncd.cli.text import counted, duration, iso, moment
from syncd.config import Settings
from syncd.core.errors import UserError
from syncd.core.record import SECOND, Json
from syncd.flow.home import database_path
from syncd.store import history as kept
from syncd.store import journal
from syncd.store.history import Run
from syncd.store.visiting import look, reading

app = typer.Typer()

_SHOWN_MAX = 200


@app.command(epilog="Example: syncd runs   or   syncd runs 12")
def runs(
    number: Annotated[int | None, typer.Argument(metavar="RUN", help="Tell what this run did.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many runs, the newest first.")] = 20,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _redact: RedactOption = False,
) -> None:
    """List the runs: when, what came of them, what was written; or tell what one did.

    A daemon's run spans its life: `syncd undo --since` takes a stretch of it.
    """
    settings = read_settings(config, secrets=False)
    found: list[Run] = look(database_path(settings), lambda tx: kept.newest(tx, limit, number), [])
    if number is not None and not found:
        raise UserError(f"there is no run {number}", hint="`syncd runs` lists them")
    if number is None:
        _show_list(found, settings, as_json=as_json)
    else:
        _show_one(found[0], settings, as_json=as_json)


def _show_list(found: list[Run], settings: Settings, *, as_json: bool) -> None:
    if as_json:
        screen.show_json([_as_json(each, settings) for each in found])
        return
    rows = [
        [str(each.id), each.kind, moment(each.started_at), _lasted(each), _outcomes(each), _writes(each, settings), "yes" if each.undoable else "no"]
        for each in found
    ]
    if rows:
        screen.show_rows(rows, head=["run", "kind", "began", "lasted", "outcomes", "writes", "undoable"], indent=0)
    else:
        screen.say("there has been no run yet")


def _show_one(run: Run, settings: Settings, *, as_json: bool) -> None:
    with reading(database_path(settings)) as read:
        span = read(lambda tx: kept.span_of(tx, run.id))
        entries = read(lambda tx: [each for each in journal.between(tx, *span) if each.run_id == run.id]) if span else []
    if as_json:
        screen.show_json({**_as_json(run, settings), "entries": [entry_as_json(each) for each in entries]})
        return
    screen.show(f"run {run.id}  {run.kind}  {run.reason}", style="bold")
    screen.show(f"began {moment(run.started_at)}, lasted {_lasted(run)}", indent=4)
    screen.show(f"outcomes: {_outcomes(run)}; writes: {_writes(run, settings)}", indent=4)
    for each in entries[:_SHOWN_MAX]:
        screen.show(line(each))
    if len(entries) > _SHOWN_MAX:
        screen.say(f"… and {len(entries) - _SHOWN_MAX:,} more (--json shows all)")
    if run.undoable:
        screen.say(f"`syncd undo {run.id}` shows what can be put back")


def _lasted(run: Run) -> str:
    return "still going on" if run.finished_at is None else duration((run.finished_at - run.started_at) / SECOND)


def _outcomes(run: Run) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(run.outcomes.items())) or "nothing looked at"


def _by_system(run: Run, settings: Settings) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for (sync, member, operation), count in run.writes.items():
        rules = settings.syncs.get(sync)
        system = rules.members[member].system if rules is not None and member in rules.members else member
        sums[system, operation] += count
    return sums


def _writes(run: Run, settings: Settings) -> str:
    told = [f"{system}: {counted(count, operation)}" for (system, operation), count in sorted(_by_system(run, settings).items())]
    return "; ".join(told) or "none"


def _as_json(run: Run, settings: Settings) -> dict[str, Json]:
    writes: dict[str, dict[str, int]] = {}
    for (system, operation), count in sorted(_by_system(run, settings).items()):
        writes.setdefault(system, {})[operation] = count
    return {
        "run": run.id,
        "kind": run.kind,
        "reason": run.reason,
        "began": iso(run.started_at),
        "ended": iso(run.finished_at),
        "looked": run.looked,
        "outcomes": run.outcomes,
        "writes": writes,
        "undoable": run.undoable,
    }
