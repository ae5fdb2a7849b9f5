"""Binding: a sync's rules with its references spelt out for the records at hand.

The rule that keeps it true: without references nothing is asked; with them, all that a batch needs is asked at once.
It must not know: what is done with the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncd.core.parents import bound, named_parents, references
from syncd.core.record import FieldName, Json, LinkId, MemberName
from syncd.core.rules import SyncRules
from syncd.flow.engine import Engine
from syncd.store import parents
from syncd.store.database import Connection
from syncd.store.outbox import Owed

Shown = tuple[MemberName, Mapping[str, Json]]
"""A member, and a record as it shows it."""


def bind(tx: Connection, rules: SyncRules, shown: Iterable[Shown], values: Iterable[Mapping[FieldName, Json]] = ()) -> SyncRules:
    """The rules for these records and these hub values."""
    rows = references(rules)
    if not rows:
        return rules
    wanted = {parent for member, record in shown for parent in named_parents(rules, member, record).values()}
    numbers = {LinkId(int(number)) for each in values for row in rows if (number := each.get(row.name)) is not None}
    return bound(rules, parents.find(tx, wanted, numbers))


async def bound_for(engine: Engine, owed: Owed, *records: Mapping[str, Json]) -> SyncRules:
    """The rules for one owed write and what its target shows."""
    rules = engine.syncs[owed.sync]
    if not references(rules):
        return rules
    return await engine.database.read(lambda tx: bind_for(tx, rules, owed, *records))


def bind_for(tx: Connection, rules: SyncRules, owed: Owed, *records: Mapping[str, Json]) -> SyncRules:
    """The same, within a transaction."""
    return bind(tx, rules, [(owed.member, each) for each in records], [owed.values, owed.expected])
