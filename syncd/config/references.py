"""References between syncs: rows of type ``ref``, once all syncs have been read.

The rule that keeps it true: a reference names a sync in which each of its members' systems has exactly one member, so that every side's
ids can be told; anything else is reported.
It must not know: what a parent is, or any vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.config.section import Section
from syncd.core.fields import FieldType
from syncd.core.record import FieldName, MemberName, SyncName
from syncd.core.rules import FieldRule, MemberField, SyncRules


def with_references(section: Section, syncs: Mapping[SyncName, SyncRules]) -> dict[SyncName, SyncRules]:
    """The syncs with the parents of their references, after reporting what is wrong with them."""
    return {name: replace(rules, fields=_rows(section, rules, syncs)) for name, rules in syncs.items()}


def _rows(section: Section, rules: SyncRules, syncs: Mapping[SyncName, SyncRules]) -> dict[FieldName, FieldRule]:
    return {name: _row(section, rules, row, syncs) if row.type is FieldType.REF else row for name, row in rules.fields.items()}


def _row(section: Section, rules: SyncRules, row: FieldRule, syncs: Mapping[SyncName, SyncRules]) -> FieldRule:
    at = (rules.name, "fields", row.name)
    if row.to is None:
        return row
    parent = syncs.get(row.to)
    if parent is None or parent.name == rules.name:
        others = [each for each in syncs if each != rules.name]
        section.problem(f"there is no other sync named `{row.to}`", *at, "to", near=row.to, known=others)
        return row
    members: dict[MemberName, MemberField] = {}
    for name, held in row.members.items():
        system = rules.members[name].system
        found = [each.name for each in parent.members.values() if each.system == system]
        if len(found) != 1:
            what = f"`{row.to}` has {'no' if not found else 'more than one'} member in {system}, so nobody can tell whose {name} is"
            section.problem(what, *at, name)
        members[name] = replace(held, parent=found[0]) if len(found) == 1 else held
    return replace(row, members=members)
