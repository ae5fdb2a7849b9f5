"""Short ways to write down records, looks, links and writes of a small sync.

The rule that keeps it true: every function gives a value of the store's own types; nothing here reads or writes a database.
It must not know: any test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.core.guard import Direction
from syncd.core.outcome import HoldKind, Operation, Write
from syncd.core.record import (
    CollectionName,
    FieldName,
    Json,
    LinkId,
    MemberName,
    Micros,
    Record,
    RecordId,
    Ref,
    SyncName,
    SystemName,
)
from syncd.store import links, observations, outbox, planning, writes
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.inbox import Arrival
from syncd.store.observations import Look
from syncd.store.planning import PlanItem

S, OTHER = SyncName("s"), SyncName("other")
A, B = MemberName("a"), MemberName("b")
CONTACTS = CollectionName("contacts")
PLACE_A, PLACE_B = (SystemName("a"), CONTACTS), (SystemName("b"), CONTACTS)
ROUTES = {PLACE_A: [(S, A)], PLACE_B: [(S, B)]}
EMAIL, NAME = FieldName("email"), FieldName("name")


def ref(number: str = "1", system: str = "a") -> Ref:
    return Ref(SystemName(system), CONTACTS, RecordId(number))


def arrival(key: str, number: str = "1", *, at: Micros = 0, system: str = "a", **other: Any) -> Arrival:
    given = {"deleted": False, "fields": {"name": "Ada"}, "full": False, "occurred_at": None}
    return Arrival(ref=ref(number, system), dedupe_key=key, received_at=at, **(given | other))


def look(number: str = "1", *, at: Micros, modified: Micros | None = None, system: str = "a", **other: Any) -> Look:
    fields = other.pop("fields", {"name": "Ada"})
    return Look(record=Record(ref=ref(number, system), fields=fields, modified_at=modified), seen_at=at, **({"read_at": at} | other))


def item(number: str = "1", member: MemberName = A, sync: SyncName = S) -> PlanItem:
    return PlanItem(sync, member, RecordId(number))


def write(member: MemberName = B, operation: Operation = Operation.UPDATE, **values: Json) -> Write:
    given = {FieldName(name): value for name, value in (values or {"name": "Ada"}).items()}
    return Write(member=member, operation=operation, values=given, expected={} if operation is Operation.CREATE else dict.fromkeys(given))


def question(kind: HoldKind = HoldKind.CONFLICT, link: int | None = 1, sides: Mapping[str, Json] | None = None, **other: Any) -> Question:
    given = {"sync": S, "reason": "why", "field": NAME}
    return Question(kind=kind, link=None if link is None else LinkId(link), sides=sides or {"a": 1, "b": 2}, **(given | other))


def linked(tx: Connection, *numbers: str, sync: SyncName = S) -> LinkId:
    """A link of one record of a, and of one of b with the same number."""
    return links.create(tx, sync, {A: ref(numbers[0]), B: ref(numbers[-1], "b")}, 1).id


def owe(tx: Connection, link: LinkId, *, number: str = "1", at: Micros = 0, revision: int = 1, what: Write | None = None, **other: Any) -> bool:
    """Puts a write to member b's record in the outbox."""
    planned = what or write()
    target = ref("" if planned.operation is Operation.CREATE else number, "b")
    given = {"sync": S, "stream": Direction.UPDATES, "gate": None, "priority": 10, "run_id": None}
    intent = outbox.Intent(link=link, revision=revision, write=planned, target=target, **(given | other))
    return outbox.owe(tx, [intent], at) == [intent]


def only(tx: Connection) -> outbox.Owed:
    """The one write there is."""
    (owed,) = writes.select(tx, outbox.State)
    return owed


def lease(tx: Connection, now: Micros, *, until: Micros | None = None, limit: int = 10) -> list[outbox.Owed]:
    return outbox.lease(tx, SystemName("b"), now, until=now + 100 if until is None else until, limit=limit)


def observe(tx: Connection, *looks: Look) -> set[Ref]:
    return observations.observe(tx, looks, ROUTES, "test")


def planned(tx: Connection, limit: int = 10) -> list[PlanItem]:
    return [each.item for each in planning.due(tx, S, limit)]
