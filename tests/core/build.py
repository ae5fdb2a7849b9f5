"""Short ways to write down a small sync of members a, b, c, and a link of theirs.

The rule that keeps it true: everything has the product's own defaults unless a test says otherwise.
It must not know: any test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.core.fields import FieldType
from syncd.core.link import Gone, HubField, Link, LinkMember, Seen
from syncd.core.record import CollectionName, FieldName, Json, LinkId, MemberName, RecordId, Ref, SyncName, SystemName
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules

A, B, C = MemberName("a"), MemberName("b"), MemberName("c")
F, G, TAGS = FieldName("f"), FieldName("g"), FieldName("tags")
GONE = Gone(evidence=("404",))


def ref(name: str, number: str = "1") -> Ref:
    return Ref(SystemName(name), CollectionName("contacts"), RecordId(number))


def row(name: FieldName = F, among: str = "ab", **other: Any) -> FieldRule:
    members = frozenset(MemberName(each) for each in among)
    given = {
        "type": FieldType.SET if name == TAGS else FieldType.TEXT, "sources": members, "targets": members,
        "members": {each: MemberField(paths=(name,)) for each in members},
    }  # fmt: skip
    return FieldRule(name=name, **(given | other))


def sync(*rows: FieldRule, among: str = "ab", members: Mapping[MemberName, Mapping[str, Any]] | None = None, **other: Any) -> SyncRules:
    fields = {each.name: each for each in rows or (row(among=among),)}
    sides = {
        MemberName(each): MemberRule(
            name=MemberName(each), system=SystemName(each), collection=CollectionName("contacts"),
            **(members or {}).get(MemberName(each), {}),
        )
        for each in among
    }  # fmt: skip
    given = {"source_of_truth": A, "match": ()}
    return SyncRules(name=SyncName("s"), members=sides, fields=fields, **(given | other))


def agreed(values: Mapping[FieldName, Json], among: str = "ab", winner: MemberName | None = A) -> Link:
    """A link whose members all hold the hub's values."""
    members = {MemberName(each): LinkMember(ref=ref(each), base=dict(values), agreed=dict(values)) for each in among}
    hub = {name: HubField(value=value, winner=winner) for name, value in values.items()}
    return Link(id=LinkId(1), sync=SyncName("s"), hub=hub, members=members)


def fresh(among: str = "ab") -> Link:
    """A link that was made just now: nothing is known but the refs."""
    return Link(id=LinkId(1), sync=SyncName("s"), members={MemberName(each): LinkMember(ref=ref(each)) for each in among})


def seen(**shown: Json | Mapping[FieldName, Json]) -> dict[MemberName, Seen | Gone]:
    """What members show: a mapping of fields, a plain value for field ``f``, or GONE."""
    return {
        MemberName(name): value if isinstance(value, Gone) else Seen(fields=value if isinstance(value, dict) else {F: value})
        for name, value in shown.items()
    }
