"""Schemas as they were last discovered, and the rules as they meet them.

A custom field is written in the configuration by its key or label; records have it under the vendor's own path, which only discovery knows.
The rule that keeps it true: a field the vendor does not have rests, and is told; it is never guessed and never blanked.
It must not know: how a vendor is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.config import Settings
from syncd.connectors.base import FieldSpec, Schema
from syncd.connectors.registry import KINDS
from syncd.core.automation import Automation, RecordTrigger
from syncd.core.fields import FieldType
from syncd.core.outcome import HoldKind
from syncd.core.record import Json, MemberName, Micros, SyncName, SystemName
from syncd.core.rules import MemberField, SyncRules
from syncd.store import control
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.observations import Place


def keep(tx: Connection, system: SystemName, schema: Schema, at: Micros) -> None:
    """Keeps what a system said of its fields, for a start at which it does not answer."""
    row = control.systems(tx)[system]
    fields = {path: _spec_in(spec) for path, spec in schema.fields.items()}
    detail = {**(row.detail or {}), schema.collection: {"fields": fields, "region": schema.region}}
    control.note_system(tx, system, quota=row.quota, detail=detail, at=at)


def kept(tx: Connection) -> dict[Place, Schema]:
    """The schemas that were discovered last."""
    return {
        (system, collection): Schema(
            collection=collection,
            fields={path: _spec_out(path, spec) for path, spec in each["fields"].items()},
            region=each["region"],
        )
        for system, row in control.systems(tx).items()
        for collection, each in (row.detail or {}).items()
        if isinstance(each, dict) and "fields" in each
    }


def known_rules(tx: Connection, settings: Settings) -> dict[SyncName, SyncRules]:
    """The syncs with the paths that were discovered last."""
    schemas = kept(tx)
    return {name: resolve(rules, settings, schemas)[0] for name, rules in settings.syncs.items()}


def resolve(
    rules: SyncRules, settings: Settings, schemas: Mapping[Place, Schema]
) -> tuple[SyncRules, list[tuple[Question, bool]]]:
    """A sync with the paths its members' records really have, and the question of each open field with whether it must be asked.

    A member without a schema keeps the paths that were written.
    """
    asked: list[tuple[Question, bool]] = []
    fields = {}
    for name, row in rules.fields.items():
        members: dict[MemberName, MemberField] = {}
        for member, held in row.members.items():
            rule = rules.members[member]
            is_ours = row.derived is not None and row.derived.member == member
            schema = None if is_ours else schemas.get((rule.system, rule.collection))
            found = held if schema is None else _with_paths(held, schema, settings.systems[rule.system].kind)
            if found is not None:
                members[member] = found
            if schema is not None:
                question = Question(
                    sync=rules.name,
                    kind=HoldKind.UNMAPPABLE,
                    member=member,
                    field=name,
                    reason=f"{member} has no field {', '.join(held.paths)} now; this field rests there until it has",
                    sides={},
                    scope="schema",
                )
                asked.append((question, found is None))
        fields[name] = replace(row, members=members)
    return replace(rules, fields=fields), asked


def resolve_automation(automation: Automation, settings: Settings, schemas: Mapping[Place, Schema]) -> Automation:
    """An automation with the paths that the records it watches really have; one that the vendor does not have now stays as it was written."""
    trigger = automation.trigger
    if not isinstance(trigger, RecordTrigger) or (schema := schemas.get((trigger.system, trigger.collection))) is None:
        return automation
    resolve = KINDS[settings.systems[trigger.system].kind].resolve
    fields = {
        found: schema.fields[found].type if found in schema.fields else kind
        for path, kind in trigger.fields.items()
        if (found := resolve(schema, path) or path)
    }
    return replace(automation, trigger=replace(trigger, fields=fields))


def _with_paths(held: MemberField, schema: Schema, kind: str) -> MemberField | None:
    """The field with the paths that records really have, and with what the vendor allows; None where it has no such field."""
    paths = [KINDS[kind].resolve(schema, path) for path in held.paths]
    found = [path for path in paths if path is not None]
    if len(found) < len(paths):
        return None
    specs = [schema.fields[path] for path in found if path in schema.fields]
    return replace(
        held,
        paths=tuple(found),
        readable=held.readable and all(spec.readable for spec in specs),
        writable=held.writable and all(spec.writable for spec in specs),
        creatable=held.creatable and all(spec.creatable for spec in specs),
    )


def _spec_in(spec: FieldSpec) -> Json:
    return [spec.type.value, spec.label, spec.readable, spec.writable, spec.creatable, list(spec.options)]


def _spec_out(path: str, kept_spec: Json) -> FieldSpec:
    kind, label, readable, writable, creatable, options = kept_spec
    return FieldSpec(
        path=path,
        type=FieldType(kind),
        label=label,
        readable=readable,
        writable=writable,
        creatable=creatable,
        options=tuple(options),
    )
