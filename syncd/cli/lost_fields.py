"""Fields that automations name and an account does not have, for `check --online`.

A watched field may be named by its label; what a condition or a template reads goes by the record's own path.
The rule that keeps it true: only paths that the account alone can tell of are looked at here, each told at its place; all others were checked offline.
It must not know: how a schema is asked for, or any vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncd.config import Settings
from syncd.config.findings import Findings
from syncd.connectors.base import Schema
from syncd.connectors.registry import KINDS
from syncd.core.automation import Automation, RecordTrigger
from syncd.core.conditions import compile_condition
from syncd.core.record import Json, MemberName, SystemName
from syncd.core.templates import tokens
from syncd.store.observations import Place

Where = tuple[str | int, ...]
_NESTED = ("then", "else", "do")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A path of a record that an automation reads at one place of the configuration."""

    where: Where
    place: Place
    path: str


def watched_places(settings: Settings) -> set[Place]:
    """The collections whose records automations watch, or whose fields their calls name."""
    triggers = [automation.trigger for automation in settings.automations.values()]
    called = {each.place for automation in settings.automations.values() for each in _written(settings, automation)}
    return called | {(each.system, each.collection) for each in triggers if isinstance(each, RecordTrigger)}


def report_lost(settings: Settings, schemas: Mapping[Place, Schema], findings: Findings) -> None:
    """Reports every field of an automation that its account does not have."""
    for automation in settings.automations.values():
        _report_watched(settings, automation, schemas, findings)
        _report_written(settings, automation, schemas, findings)
        for each in dict.fromkeys(_named(settings, automation)):
            schema = schemas.get(each.place)
            kind = KINDS[settings.systems[each.place[0]].kind]
            if schema is None or not each.path.startswith(kind.open_prefixes) or _is_there(each.path, schema):
                continue
            label = kind.resolve(schema, each.path)
            mend = f"here it goes by its key: write `{label}`" if label is not None else ""
            findings.problem(each.where, f"{each.place[0]} has no field `{each.path}`", near="" if mend else each.path, known=schema.fields, mend=mend)


def _report_watched(settings: Settings, automation: Automation, schemas: Mapping[Place, Schema], findings: Findings) -> None:
    trigger = automation.trigger
    if not isinstance(trigger, RecordTrigger) or (schema := schemas.get((trigger.system, trigger.collection))) is None:
        return
    resolve = KINDS[settings.systems[trigger.system].kind].resolve
    for number, path in enumerate(trigger.fields):
        if resolve(schema, path) is None:
            what = f"{trigger.system} has no field `{path}`, so nobody sees it change"
            findings.problem(("automations", automation.name, "fields", number), what, near=path, known=schema.fields)


def _report_written(settings: Settings, automation: Automation, schemas: Mapping[Place, Schema], findings: Findings) -> None:
    """What a call would write under no field at all, and the vendor say nothing of it."""
    for each in _written(settings, automation):
        schema, prefixes = schemas.get(each.place), KINDS[settings.systems[each.place[0]].kind].open_prefixes
        if schema is None:
            continue
        by_path = each.path.startswith(prefixes)
        known = [path for path in schema.fields if path.startswith(prefixes)] if by_path else [spec.id for spec in schema.fields.values() if spec.id]
        if each.path not in known:
            what = f"{each.place[0]} has no field `{each.path}`, so nothing would be kept of it"
            findings.problem(each.where, what, near=each.path, known=known)


def _written(settings: Settings, automation: Automation) -> Iterator[_Named]:
    """The fields that the automation's calls name, by path or by the vendor's id."""
    for where, step in _calls(("automations", automation.name, "do"), automation.written["steps"]):
        system, _, operation = str(step["call"]).partition(".")
        if (held := settings.systems.get(SystemName(system))) is None:
            continue
        for each in KINDS[held.kind].named_fields(operation, step.get("with") or {}):
            yield _Named(where=(*where, "with", *each.where), place=(SystemName(system), each.collection), path=each.path or each.id)


def _calls(at: Where, steps: Sequence[Mapping[str, Json]]) -> Iterator[tuple[Where, Mapping[str, Json]]]:
    for number, step in enumerate(steps):
        if "call" in step:
            yield (*at, number), step
        for key in _NESTED:
            yield from _calls((*at, number, key), step.get(key) or ())


def _is_there(path: str, schema: Schema) -> bool:
    """Whether a path is a field, or leads into one."""
    parts = path.split(".")
    return any(".".join(parts[:count]) in schema.fields for count in range(1, len(parts) + 1))


def _named(settings: Settings, automation: Automation) -> Iterator[_Named]:
    at: Where = ("automations", automation.name)
    read = [((*at, "when"), name) for name in _condition_names(automation.written.get("when"))]
    for where, path in [*read, *_step_paths((*at, "do"), automation.written["steps"])]:
        found = _place_of(settings, automation, path)
        if found is not None:
            yield _Named(where=where, place=found[0], path=found[1])


def _condition_names(written: Json) -> list[str]:
    return [] if written is None else sorted(compile_condition(written).fields)


def _step_paths(at: Where, steps: Sequence[Mapping[str, Json]]) -> Iterator[tuple[Where, str]]:
    """Every path that the steps read, with its place."""
    for number, step in enumerate(steps):
        for key, value in step.items():
            where = (*at, number, key)
            if key in _NESTED:
                yield from _step_paths(where, value)
            elif key == "if":
                yield from ((where, name) for name in _condition_names(value))
            elif isinstance(value, Mapping):
                yield from (((*where, name), each.path) for name, inner in value.items() for each in tokens(inner))
            else:
                yield from ((where, each.path) for each in tokens(value))


def _place_of(settings: Settings, automation: Automation, path: str) -> tuple[Place, str] | None:
    """Whose record a path is read of, and the path there; None where it is no record's."""
    root, _, rest = path.partition(".")
    if root == "members" and automation.sync is not None:
        name, _, inner = rest.partition(".")
        member = settings.syncs[automation.sync].members.get(MemberName(name))
        return None if member is None else ((member.system, member.collection), inner)
    if not isinstance(automation.trigger, RecordTrigger):
        return None
    place = (automation.trigger.system, automation.trigger.collection)
    if root != "event":
        return place, path
    first, _, inner = rest.partition(".")
    return place, inner if first in ("before", "after") else rest
