"""The truth log: every write that was really applied, in the order it was applied.

Tests and rehearsals compare what an engine believes with what is written here, so this is the sandbox's referee.

Rule: append-only, one sequence per vendor, and an entry is made in the same synchronous step that changes the state;
a refused or lost request leaves no entry, a write whose answer was lost does.

It must not know HTTP, nor what the fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from syncd.sandbox.moments import Clock, iso_from_milliseconds

Json = dict[str, Any]


class Actor(StrEnum):
    """Who made a write: a person in the vendor's own screens, or a caller of its API."""

    USER = "user"
    API = "api"


class Operation(StrEnum):
    """What was done to the record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One applied write; `fields` maps each changed field to its value before and after."""

    seq: int
    at: str
    actor: Actor
    operation: Operation
    collection: str
    id: str
    fields: Mapping[str, Json]
    request_id: str | None

    def as_json(self) -> Json:
        """The entry as the control path shows it."""
        return {
            "seq": self.seq,
            "at": self.at,
            "actor": self.actor.value,
            "operation": self.operation.value,
            "collection": self.collection,
            "id": self.id,
            "fields": dict(self.fields),
            "request_id": self.request_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who is writing and under which request, carried from the door to the log."""

    actor: Actor
    request_id: str | None = None


class TruthLog:
    """An append-only list of applied writes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Applied] = []

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, author: Author, collection: str, record_id: str, before: Json | None, after: Json | None) -> Applied:
        """Append one write; the operation follows from which side is absent."""
        entry = Applied(
            seq=len(self._entries) + 1,
            at=iso_from_milliseconds(int(self._clock() * 1000)),
            actor=author.actor,
            operation=_operation(before, after),
            collection=collection,
            id=record_id,
            fields=_changed(before or {}, after or {}),
            request_id=author.request_id,
        )
        self._entries.append(entry)
        return entry

    def since(self, seq: int = 0) -> list[Applied]:
        """Entries after `seq`, oldest first; sequence numbers start at 1."""
        return self._entries[max(seq, 0) :]


def _operation(before: Json | None, after: Json | None) -> Operation:
    if before is None:
        return Operation.CREATE
    return Operation.DELETE if after is None else Operation.UPDATE


def _changed(before: Json, after: Json) -> Json:
    names = list(before) + [name for name in after if name not in before]
    return {name: {"before": before.get(name), "after": after.get(name)} for name in names if before.get(name) != after.get(name)}
