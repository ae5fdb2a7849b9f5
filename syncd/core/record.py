"""Records and the names of things.

Says what a record of any system looks like to the rest of syncd, and how it is addressed.
The rule that keeps it true: every value that crosses a room is JSON-able, and every time is integer microseconds UTC.
It must not know: any vendor's field names, or how a record is read or stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType, TypeAlias

SystemName = NewType("SystemName", str)
"""One configured account at a vendor, as the operator named it: ``ghl``, ``octopus``."""
CollectionName = NewType("CollectionName", str)
"""The records of one kind in one system: ``contacts``; a scoped one carries its scope: ``contacts@LIST``."""
RecordId = NewType("RecordId", str)
"""The vendor's own id of a record."""
MemberName = NewType("MemberName", str)
"""One side of a sync; the system's name unless the operator chose another."""
SyncName = NewType("SyncName", str)
FieldName = NewType("FieldName", str)
"""A field of a sync's hub record, as the operator named it: ``first_name``."""
LinkId = NewType("LinkId", int)

Json: TypeAlias = Any
"""None, bool, int, float, str, or lists and string-keyed dicts of these."""
Micros: TypeAlias = int
"""An instant: microseconds since 1970-01-01 UTC."""

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The address of one record: (system, collection, id)."""

    system: SystemName
    collection: CollectionName
    id: RecordId

    def __str__(self) -> str:
        return f"{self.system}/{self.collection}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one system showed of one record.

    `fields` maps the vendor's own field paths (``custom.plan``, ``fields.Phone``) to JSON values. A path that is present with
    None is blank there; a path that is absent was not shown, and nothing may be concluded about it.
    `modified_at` is the vendor's own last-modified time on the vendor's clock, or None where it has none.
    """

    ref: Ref
    fields: Mapping[str, Json]
    modified_at: Micros | None = None
