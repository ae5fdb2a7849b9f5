"""Derived fields: what the records that belong to one record come to, as a single value of that record.

A contact's tasks, notes and appointments cannot be kept in a system that has none of these. A derived field says them in one value: how many
there are, the last of them, the next of them. The member whose system has them then says that value as it says any other field, and nobody
else may.
The rule that keeps it true: the value follows from the children that are known and the moment alone, whatever the order they came in; it is
nobody's edit, so no record is made, brought back or deleted because of it.
It must not know: where children are kept, how they are read, or who is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from syncd.core.conditions import ALWAYS, Condition
from syncd.core.fields import FieldType, Unreadable, read
from syncd.core.record import CollectionName, FieldName, Json, MemberName, Micros, RecordId, SystemName


class Take(Enum):
    """What the children come to: how many, the one with the latest moment, or the one with the next moment to come."""

    COUNT = "count"
    LAST = "last"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """Where a derived field comes from.

    The children are records of `collection` in `system`, where `member` has the record they belong to; their path `by` holds its id. `where`
    reads the children's own paths. `path` is what is taken of the one child (LAST, NEXT); `order` the path of the moment that tells
    which is the last.
    """

    member: MemberName
    system: SystemName
    collection: CollectionName
    by: str
    take: Take
    path: str | None = None
    order: str | None = None
    where: Condition = ALWAYS

    @property
    def children(self) -> MemberName:
        """Under which name the children stand beside a sync's members; no member is called so, for a name has no slash."""
        return MemberName(f"{self.system}/{self.collection}")

    @property
    def text(self) -> str:
        """The derivation as the rule that won."""
        of = f"{self.path} of {self.children}" if self.path is not None else self.children
        return f"derived: {self.take.value} {of}"

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the children that it reads."""
        return frozenset(path for path in (self.by, self.path, self.order) if path is not None) | self.where.fields


def derived_path(name: FieldName) -> str:
    """The path under which a derived field stands in what its member shows. No vendor has it, so nothing is ever written there."""
    return f"=/{name}"


def derive(
    rule: Derivation, kind: FieldType, children: Mapping[RecordId, Mapping[str, Json]], now: Micros
) -> tuple[Json, Micros | None]:
    """What these children come to as a field of `kind`, and the moment from which that may be something else (None: only an edit changes it).

    A child whose moment cannot be read is neither the last nor the next.
    """
    counted = {number: fields for number, fields in children.items() if rule.where.admits(fields)}
    if rule.take is Take.COUNT:
        return len(counted), None
    moments = _moments(counted, rule.order or rule.path)
    if rule.take is Take.NEXT:
        moments = [each for each in moments if each[0] > now]
        at, number = min(moments, default=(None, None))
    else:
        at, number = max(moments, default=(None, None))
    value = counted[number].get(rule.path) if number is not None and rule.path is not None else None
    return _as(kind, value), at if rule.take is Take.NEXT else None


def _moments(children: Mapping[RecordId, Mapping[str, Json]], path: str | None) -> list[tuple[Micros, RecordId]]:
    found = ((_moment(fields.get(path or "")), number) for number, fields in children.items())
    return [(at, number) for at, number in found if at is not None]


def _moment(raw: Json) -> Micros | None:
    """An instant as it was written, or the beginning (UTC) of a date."""
    for kind in (FieldType.INSTANT, FieldType.DATE):
        value = read(kind, raw)
        if value is not None and not isinstance(value, Unreadable):
            text = value if kind is FieldType.INSTANT else f"{value}T00:00:00Z"
            return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
    return None


def _as(kind: FieldType, raw: Json) -> Json:
    """An instant taken as a date is the day it was written with, in the time zone it was written in."""
    is_instant = kind is FieldType.DATE and isinstance(raw, str) and not isinstance(read(FieldType.INSTANT, raw), Unreadable)
    return raw.strip()[:10] if is_instant else raw

