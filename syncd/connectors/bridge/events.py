"""The events of a calendar as records: their fields, the window they are taken within, and when one has gone.

The rule that keeps it true: an event is gone only where the calendar was read whole, does not have it, and its time lies within the window; one
that cannot be read is not gone.
It must not know: how a calendar is written, or where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.connectors.base import FieldSpec
from syncd.connectors.bridge.shapes import Shape
from syncd.connectors.left_out import LeftOut
from syncd.connectors.payload import moment
from syncd.core.fields import FieldType
from syncd.core.handoff import Said, Shown
from syncd.core.record import CollectionName, Json, Micros

EVENTS: Final = CollectionName("events")
_FIELDS = (
    ("title", FieldType.TEXT), ("start", FieldType.INSTANT), ("end", FieldType.INSTANT), ("all_day", FieldType.BOOL),
    ("description", FieldType.TEXT), ("location", FieldType.TEXT), ("status", FieldType.TEXT), ("url", FieldType.TEXT),
    ("repeats", FieldType.BOOL), ("sequence", FieldType.NUMBER), ("modified", FieldType.INSTANT),
)  # fmt: skip
SHAPE: Final = Shape(
    fields={path: FieldSpec(path=path, type=kind, label=path, writable=False, creatable=False) for path, kind in _FIELDS}
)


class CalendarError(ValueError):
    """The file is no calendar that can be read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time within which events are taken, and within which what is not there is gone."""

    since: Micros
    until: Micros

    def holds(self, fields: Mapping[str, Json]) -> bool:
        """Whether an event lies within, in part at least."""
        start, end = moment(fields.get("start")), moment(fields.get("end"))
        return start is not None and start <= self.until and max(start, end or start) >= self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds: events by name, those beyond the window too where they do not repeat, and what could not be taken, or not whole.

    `unsure` are the UIDs of these: that one of their events is not there says nothing.
    """

    events: Mapping[str, Mapping[str, Json]]
    left_out: Sequence[LeftOut] = ()
    unsure: frozenset[str] = frozenset()


def words_about(contents: Contents, known: Iterable[Shown], window: Window, now: Micros) -> Sequence[Said]:
    """What the file says of records: those within the window or known before, and those that are gone from it."""
    held = {each.vendor_id: each.fields or {} for each in known if each.vendor_id is not None}
    said = [
        Said(collection=EVENTS, vendor_id=name, fields=fields, keys=(), said_at=now)
        for name, fields in contents.events.items()
        if window.holds(fields) or name in held
    ]
    gone = [
        name
        for name, fields in held.items()
        if name not in contents.events and window.holds(fields) and not {name, name.rpartition("/")[0]} & contents.unsure
    ]
    return [*said, *(Said(collection=EVENTS, vendor_id=name, fields={}, keys=(), said_at=now, gone=True) for name in gone)]
