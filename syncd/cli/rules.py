"""The rules as they meet the vendors: custom fields by the paths that records really have.

The rule that keeps it true: a field the vendor does not have is left out, never guessed.
It must not know: where a schema came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.config import Settings
from syncd.connectors.base import FieldSpec, Schema
from syncd.connectors.registry import KINDS
from syncd.core.fields import FieldType
from syncd.core.record import Json, MemberName, SyncName
from syncd.core.rules import MemberField, SyncRules
from syncd.store import control
from syncd.store.database import Connection
from syncd.store.observations import Place


def known_rules(tx: Connection, settings: Settings) -> dict[SyncName, SyncRules]:
    """The syncs with the paths that were discovered last."""
    schemas = _known_schemas(tx)
    return {name: with_schemas(rules, settings, schemas) for name, rules in settings.syncs.items()}


def with_schemas(rules: SyncRules, settings: Settings, schemas: Mapping[Place, Schema]) -> SyncRules:
    """A sync with the paths its members' schemas have; a member without a schema keeps those that were written."""
    fields = {}
    for name, row in rules.fields.items():
        held: dict[MemberName, MemberField] = {}
        for member, each in row.members.items():
            rule = rules.members[member]
            schema = schemas.get((rule.system, rule.collection))
            resolve = KINDS[settings.systems[rule.system].kind].resolve
            paths = each.paths if schema is None else tuple(filter(None, (resolve(schema, path) for path in each.paths)))
            if len(paths) == len(each.paths):
                held[member] = replace(each, paths=paths)
        fields[name] = replace(row, members=held)
    return replace(rules, fields=fields)


def _known_schemas(tx: Connection) -> dict[Place, Schema]:
    return {
        (system, collection): Schema(
            collection=collection,
            fields={path: _spec(path, spec) for path, spec in kept["fields"].items()},
            region=kept["region"],
        )
        for system, row in control.systems(tx).items()
        for collection, kept in (row.detail or {}).items()
        if isinstance(kept, dict) and "fields" in kept
    }


def _spec(path: str, kept: Json) -> FieldSpec:
    return FieldSpec(path=path, type=FieldType(kept[0]), label=kept[1], options=tuple(kept[5]))
