"""`syncd automations test`: what an automation would do about an event, shown and not done.

The rule that keeps it true: nothing is called, nothing is written, and no secret is read.
It must not know: how an automation is judged or carried out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from syncd.cli import screen
from syncd.cli.text import counted, duration, masked, value
from syncd.cli.timeline import about_event
from syncd.config import Settings
from syncd.connectors.catalogue import Prepared, prepare
from syncd.connectors.registry import KINDS
from syncd.core.automation import Automation, Verdict
from syncd.core.conditions import Part
from syncd.core.errors import UserError
from syncd.core.happening import Happening
from syncd.core.record import Json, Micros, SystemName
from syncd.core.trial import happening_from, happening_of
from syncd.flow.home import database_path
from syncd.flow.trying import ITEMS_SHOWN, Trial, Tried, try_out
from syncd.store import automations
from syncd.store.database import Connection
from syncd.store.visiting import reading


def show(settings: Settings, automation: Automation, file: Path | None, *, as_json: bool) -> None:
    """Tries an automation out on the event in a file, or (None) on the newest that it was told of, and shows what would come of it."""
    path, now = database_path(settings), time.time_ns() // 1_000
    if path.exists():
        with reading(path) as read:
            trial: Trial = read(lambda tx: _try(settings, automation, file, tx, now))
    else:
        trial = _try(settings, automation, file, None, now)
    if as_json:
        screen.show_json(as_data(trial, automation))
    else:
        _show(trial, automation)


def _try(settings: Settings, automation: Automation, file: Path | None, tx: Connection | None, now: Micros) -> Trial:
    def prepared(system: SystemName, operation: str, values: Mapping[str, Json]) -> Prepared:
        configured = settings.systems[system]
        kind = KINDS[configured.kind]
        assert kind.operations is not None
        return prepare(kind.operations, kind.operations.named(operation), values, kind.known_values(configured.options))

    happening = _newest(automation, tx) if file is None else _read(file, automation, now)
    return try_out(automation, happening, settings.syncs, prepared, tx, now)


def _newest(automation: Automation, tx: Connection | None) -> Happening:
    event = automations.newest(tx, automation.name) if tx is not None else None
    if event is None:
        raise UserError(f"{automation.name} was told of no event yet", hint="give one: --event FILE, a record as JSON")
    return _happening(event, automation, "the event that was kept")


def _read(file: Path, automation: Automation, now: Micros) -> Happening:
    try:
        found = orjson.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise UserError(f"{file} is no JSON: {error}", hint="give one object: a record, or what `syncd automations show RUN --json` printed") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no object", hint="give one object: a record, or what `syncd automations show RUN --json` printed")
    event = found["event"] if isinstance(found.get("event"), dict) else found
    if {"what", "after", "before"} <= event.keys():
        return _happening(event, automation, str(file))
    return happening_from(event, automation, now)


def _happening(event: Mapping[str, Json], automation: Automation, where: str) -> Happening:
    try:
        return happening_of(event, automation)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where} holds no event: {error}", hint="give a plain record as JSON") from error


def as_data(trial: Trial, automation: Automation) -> dict[str, Json]:
    """A trial as data."""
    return {
        "automation": automation.name,
        "event": masked(trial.event),
        "would_run": trial.would_run,
        "verdict": trial.verdict.value,
        "trigger": [{"asks": each.asks, "found": each.found, "met": each.met} for each in trial.reasons],
        "condition": [_part(each) for each in trial.condition],
        "condition_unasked": trial.unasked,
        "steps": [
            {
                "path": each.path,
                "name": each.name,
                "does": each.does,
                "would": masked(each.would),
                "templates": masked(each.templates),
                "tests": [_part(part) for part in each.tests],
                "later": list(each.later),
                "missing": each.missing,
            }
            for each in trial.steps
        ],
    }


def _part(part: Part) -> dict[str, Json]:
    return {"depth": part.depth, "test": part.text, "met": part.met, "reads": part.reads or None, "found": part.found}


def _show(trial: Trial, automation: Automation) -> None:
    screen.show(f"{automation.name}: {'it would run' if trial.would_run else 'it would not run'}{_why(trial)}", style="bold green" if trial.would_run else "bold yellow")
    screen.show_heading("event")
    for line in about_event(trial.event):
        screen.show(line, indent=2)
    screen.show_heading("trigger")
    screen.show_rows([[_mark(met=each.met), each.asks, "" if each.met else f"it is {value(each.found)}"] for each in trial.reasons])
    if automation.written.get("when") is not None:
        screen.show_heading("condition")
        screen.show(f"cannot be asked: {trial.unasked}", indent=2, style="yellow") if trial.unasked else _show_parts(trial.condition, 2)
    screen.show_heading("steps" if trial.would_run else "steps, if it ran")
    for each in trial.steps:
        _show_step(each)
    screen.say("nothing was called, nothing was written")


def _why(trial: Trial) -> str:
    if trial.would_run:
        return ""
    if trial.verdict not in (Verdict.FIRES, Verdict.CONDITION):
        return f": the event is {trial.verdict.value}" if trial.verdict is Verdict.ELSEWHERE or trial.verdict is Verdict.ORIGIN else f": {trial.verdict.value}"
    return ": its condition cannot be asked yet" if trial.unasked else ": its condition is not met"


def _mark(*, met: bool) -> str:
    return "yes" if met else "no"


def _show_parts(found: tuple[Part, ...] | list[Part], indent: int) -> None:
    for each in found:
        read = f"   ({each.reads} is {value(each.found)})" if each.reads else ""
        screen.show(f"{_mark(met=each.met):<4}{'  ' * each.depth}{each.text}{read}", indent=indent)


def _show_step(tried: Tried) -> None:
    depth = 2 + 2 * tried.path.count(".")
    named = f" ({tried.name})" if tried.name else ""
    screen.show(f"{tried.path}  {tried.does}{named}  {_in_words(tried)}".rstrip(), indent=depth, style="bold")
    _show_parts(tried.tests, depth + 4)
    for name, held in _sent(tried):
        screen.show(f"{name}: {value(held)}", indent=depth + 4)
    for asked, held in masked(tried.templates).items():
        screen.show(f"{asked} is {value(held)}", indent=depth + 4, style="dim")
    for asked in tried.later:
        screen.show(f"{asked} is known once that step has run", indent=depth + 4, style="dim")
    for each in tried.missing:
        screen.show(f"missing: {each}", indent=depth + 4, style="yellow")


def _in_words(tried: Tried) -> str:
    would = tried.would
    match tried.does:
        case "wait":
            return duration(would["wait_s"])
        case "if" if would.get("takes") == "either":
            return f"either way, for {', '.join(would['depends_on']) or 'its condition'} is not known yet"
        case "if":
            return f"takes `{would['takes']}`"
        case "for_each" if would["items"] is None:
            return f"at most {counted(would['max'], 'item')}"
        case "for_each":
            few = f", {ITEMS_SHOWN} of them shown" if would["items"] > ITEMS_SHOWN else ""
            return f"{counted(would['items'], 'item')} of at most {would['max']:,}{few}"
        case "alert":
            ways = [*(["to its webhook"] if would["webhook"] else []), *(["by its command"] if would["command"] else [])]
            return " and ".join(ways) or "in the journal"
        case _ if "method" in would:
            again = "" if would["repeatable"] else ", not repeated where its answer is lost"
            return f"{would['method']} {would['path']}{again}"
    return ""


def _sent(tried: Tried) -> list[tuple[str, Json]]:
    would = masked(tried.would)
    if "method" in would:
        body = would["body"] if isinstance(would["body"], dict) else {} if would["body"] is None else {"body": would["body"]}
        return [*would["query"].items(), *body.items()]
    if tried.does == "alert":
        return [(name, would[name]) for name in ("text", "webhook", "command") if would[name]]
    return list((would.get("set") or would.get("values") or {}).items())
