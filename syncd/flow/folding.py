"""Folding: what child records come to, laid over what their parents show.

A derived field has no path at any vendor; its member's records show it all the same, under a path of ours, once all children are known.
The rule that keeps it true: nothing is said of a record's children before their collection was listed completely once; then a record
without any has none.
It must not know: how children are read, or what is decided upon the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.core.derive import Derivation, derive, derived_path
from syncd.core.record import Json, MemberName, Micros, RecordId, Ref
from syncd.core.rules import FieldRule, SyncRules
from syncd.store import children, cursors, observations
from syncd.store.database import Connection
from syncd.store.planning import DuePlan, PlanItem

Folded = Mapping[Ref, Mapping[str, Json]]
"""The derived values by record and path."""


def index_children(tx: Connection, rules: SyncRules, items: Sequence[DuePlan], at: Micros) -> None:
    """Brings up to date whose these children are."""
    places = rules.children
    refs = {each.item: Ref(*places[each.item.member], each.item.record_id) for each in items if each.item.member in places}
    seen = observations.load(tx, refs.values())
    derivations = _derivations(rules)
    parent = {derived.children: derived.member for _, derived in derivations}
    named = []
    for each in items:
        look = seen.get(refs[each.item]) if each.item in refs else None
        fields = look.fields if look is not None and look.fields is not None else {}
        paths = {derived.by for _, derived in derivations if derived.children == each.item.member}
        named.append((each, {by: RecordId(str(fields[by])) for by in sorted(paths) if fields.get(by)}))
    children.index(tx, named, parent, at)


def fold(tx: Connection, rules: SyncRules, records: Iterable[tuple[MemberName, Ref]], now: Micros) -> tuple[Folded, dict[PlanItem, Micros | None]]:
    """The derived values of these records, and when each record's may change by the passing of time (None: never)."""
    known = [(row, derived) for row, derived in _derivations(rules) if _is_known(tx, derived)]
    if not known:
        return {}, {}
    wanted = [(member, ref) for member, ref in records if any(derived.member == member for _, derived in known)]
    folded: dict[Ref, dict[str, Json]] = {ref: {} for _, ref in wanted}
    later: dict[PlanItem, Micros | None] = {PlanItem(rules.name, member, ref.id): None for member, ref in wanted}
    for row, derived in known:
        mine = [ref for member, ref in wanted if member == derived.member]
        for ref, shown in _children_of(tx, rules, derived, mine).items():
            value, changes_at = derive(derived, row.type, shown, now)
            folded[ref][derived_path(row.name)] = value
            item = PlanItem(rules.name, derived.member, ref.id)
            later[item] = min((at for at in (later[item], changes_at) if at is not None), default=None)
    return folded, later


def _children_of(
    tx: Connection, rules: SyncRules, derived: Derivation, records: Sequence[Ref]
) -> dict[Ref, dict[RecordId, Mapping[str, Json]]]:
    """What the children of each of these records show, those that are there."""
    found = children.of(tx, rules.name, derived.children, derived.by, [ref.id for ref in records])
    refs = {number: Ref(derived.system, derived.collection, number) for numbers in found.values() for number in numbers}
    shown = {ref.id: look.fields for ref, look in observations.load(tx, refs.values()).items() if look.fields is not None}
    return {ref: {number: shown[number] for number in found.get(ref.id, ()) if number in shown} for ref in records}


def _derivations(rules: SyncRules) -> list[tuple[FieldRule, Derivation]]:
    return [(row, row.derived) for row in rules.fields.values() if row.derived is not None]


def _is_known(tx: Connection, derived: Derivation) -> bool:
    return cursors.load(tx, (derived.system, derived.collection)).complete_at is not None
