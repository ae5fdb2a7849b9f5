"""References: whom a record belongs to, in the hub's words.

A task names its contact by the contact's id in the same system. In the hub a reference is the number of the parent's link, in the sync that
keeps the parents equal, so that each member finds its own id for it.
The rule that keeps it true: a reference to what is not linked yet waits; it is never dropped, never blank and never guessed.
It must not know: where links are kept, or what a parent is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from syncd.core.fields import FieldType, Unreadable, read
from syncd.core.record import FieldName, Json, LinkId, MemberName, RecordId, SyncName
from syncd.core.rules import FieldRule, MemberField, SyncRules


class Parent(NamedTuple):
    """A record of another sync, as one of its members has it."""

    sync: SyncName
    member: MemberName
    record_id: RecordId


@dataclass(frozen=True, slots=True)
class Parents:
    """What is known of the parents that some records name: their links, and the records those links have."""

    links: Mapping[Parent, LinkId] = field(default_factory=dict)
    records: Mapping[tuple[SyncName, MemberName, LinkId], RecordId] = field(default_factory=dict)


def references(rules: SyncRules) -> list[FieldRule]:
    """The rows of a sync that refer to another sync's records."""
    return [rule for rule in rules.fields.values() if rule.type is FieldType.REF]


def named_parents(rules: SyncRules, member: MemberName, record: Mapping[str, Json]) -> dict[FieldName, Parent]:
    """The parents that a vendor record names, by the row that names them."""
    found: dict[FieldName, Parent] = {}
    for rule in references(rules):
        held = rule.members.get(member)
        if held is None or held.parent is None or rule.to is None:
            continue
        shown = read(FieldType.REF, record.get(held.paths[0]))
        if shown is not None and not isinstance(shown, Unreadable):
            found[rule.name] = Parent(rule.to, held.parent, RecordId(str(shown)))
    return found


def bound(rules: SyncRules, known: Parents) -> SyncRules:
    """The rules with every reference spelt out for each member, as far as its parents are known."""
    rows = references(rules)
    if not rows:
        return rules
    fields = {rule.name: replace(rule, members={name: _spelt(rule, held, known) for name, held in rule.members.items()}) for rule in rows}
    return replace(rules, fields={**rules.fields, **fields})


def _spelt(rule: FieldRule, held: MemberField, known: Parents) -> MemberField:
    words = _words(rule, held, known.links.items())
    own = {
        str(link): str(record_id)
        for (sync, member, link), record_id in known.records.items()
        if (sync, member) == (rule.to, held.parent)
    }
    return replace(held, links=words, values=own)


def _words(rule: FieldRule, held: MemberField, links: Iterable[tuple[Parent, LinkId]]) -> dict[str, str]:
    return {
        str(parent.record_id): str(link) for parent, link in links if (parent.sync, parent.member) == (rule.to, held.parent)
    }
