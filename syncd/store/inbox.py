"""The inbox: what webhooks announced, each event once.

The rule that keeps it true: an event is committed before its delivery is acknowledged, and leaves the inbox only together with what
came of it. It must not know: signatures, HTTP, or what an event means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.core.record import Json, Micros, Ref, SystemName
from syncd.store import forgotten
from syncd.store.codec import blind, seal, unseal
from syncd.store.control import NOT_PAUSED
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One event as it came in. `deleted` says a deletion was announced; `fields` is what it carried, if anything."""

    ref: Ref
    dedupe_key: str
    deleted: bool
    fields: Mapping[str, Json] | None
    full: bool
    occurred_at: Micros | None
    received_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """All events that wait for one record, oldest first."""

    ref: Ref
    ids: tuple[int, ...]
    arrivals: tuple[Arrival, ...]


def accept(tx: Connection, arrivals: Sequence[Arrival]) -> int:
    """Stores events; those known by their key are dropped. Answers how many were new."""
    arrivals = _kept_out(tx, arrivals)
    before = tx.total_changes
    tx.executemany(
        "INSERT INTO events (system, collection, record_id, dedupe_key, change, payload, is_full, occurred_at, received_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (system, dedupe_key) DO NOTHING",
        [
            (each.ref.system, each.ref.collection, each.ref.id, key, "deleted" if each.deleted else "changed",
             None if each.fields is None else seal(tx, each.fields, "events", key), int(each.full), each.occurred_at, each.received_at)
            for each in arrivals
            for key in [blind(tx, each.dedupe_key)]
        ],
    )
    return tx.total_changes - before


def _kept_out(tx: Connection, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The events without those of records that were to be forgotten."""
    if not forgotten.is_anybody(tx):
        return arrivals
    marks = {each.ref: forgotten.mark_of_ref(tx, each.ref) for each in arrivals}
    out = forgotten.among(tx, marks.values())
    return [each for each in arrivals if marks[each.ref] not in out]


def put_aside(tx: Connection, arrival: Arrival, outcome: str) -> bool:
    """Keeps an event, as it was seen, that nobody will look after; whether it was new. It is forgotten when all others are."""
    new = accept(tx, [arrival]) > 0
    if new:
        tx.execute(
            "UPDATE events SET done_at = received_at, outcome = ? WHERE system = ? AND dedupe_key = ?",
            (outcome, arrival.ref.system, blind(tx, arrival.dedupe_key)),
        )
    return new


def announced(tx: Connection, system: SystemName, since: Micros) -> set[Ref]:
    """The records of a system of which an event waits, or was dealt with at or after an instant."""
    rows = tx.execute(
        "SELECT collection, record_id FROM events WHERE done_at IS NULL AND system = ?1"
        " UNION SELECT collection, record_id FROM events WHERE done_at >= ?2 AND system = ?1",
        (system, since),
    )
    return {Ref(system, collection, record_id) for collection, record_id in rows}


def due(tx: Connection, system: SystemName, now: Micros, *, quiet: Micros, quiet_max: Micros, limit: int) -> list[Waiting]:
    """Records whose events have been quiet for `quiet`, or have waited `quiet_max`."""
    rows = tx.execute(
        "SELECT e.collection, e.record_id, e.id, e.dedupe_key, e.change, e.payload, e.is_full, e.occurred_at, e.received_at"  # noqa: S608 (a constant)
        " FROM (SELECT collection, record_id FROM events WHERE done_at IS NULL AND system = ?1"
        f" AND {NOT_PAUSED} GROUP BY collection, record_id"
        " HAVING max(received_at) <= ?2 OR min(received_at) <= ?3 ORDER BY min(received_at) LIMIT ?4) AS ripe"
        " JOIN events AS e ON e.system = ?1 AND e.collection = ripe.collection AND e.record_id = ripe.record_id"
        " WHERE e.done_at IS NULL ORDER BY e.id",
        (system, now - quiet, now - quiet_max, limit),
    )
    found: dict[Ref, list[tuple[int, Arrival]]] = {}
    for collection, record_id, number, key, change, payload, full, occurred_at, received_at in rows:
        ref = Ref(system, collection, record_id)
        arrival = Arrival(
            ref=ref,
            dedupe_key=key,
            deleted=change == "deleted",
            fields=unseal(tx, payload, "events", key),
            full=bool(full),
            occurred_at=occurred_at,
            received_at=received_at,
        )
        found.setdefault(ref, []).append((number, arrival))
    return [
        Waiting(ref=ref, ids=tuple(number for number, _ in each), arrivals=tuple(arrival for _, arrival in each))
        for ref, each in found.items()
    ]


def next_due(tx: Connection, system: SystemName, *, quiet: Micros, quiet_max: Micros) -> Micros | None:
    """When `due` will answer something, if nothing more is announced until then."""
    (at,) = tx.execute(
        "SELECT min(min(newest + ?2, oldest + ?3)) FROM (SELECT max(received_at) AS newest, min(received_at) AS oldest FROM events"  # noqa: S608
        f" WHERE done_at IS NULL AND system = ?1 AND {NOT_PAUSED} GROUP BY collection, record_id)",
        (system, quiet, quiet_max),
    ).fetchone()
    return None if at is None else int(at)


def finish(tx: Connection, ids: Iterable[int], outcome: str, at: Micros) -> None:
    """These events are dealt with; their payloads are no longer needed."""
    tx.executemany(
        "UPDATE events SET done_at = ?, outcome = ?, payload = NULL WHERE id = ?", [(at, outcome, each) for each in ids]
    )


def is_waiting(tx: Connection, ref: Ref) -> bool:
    """Whether something was announced of a record that nobody has looked at."""
    return tx.execute(
        "SELECT 1 FROM events WHERE done_at IS NULL AND system = ? AND collection = ? AND record_id = ? LIMIT 1",
        (ref.system, ref.collection, ref.id),
    ).fetchone() is not None


def count_waiting(tx: Connection) -> int:
    """How many events wait."""
    (count,) = tx.execute("SELECT count(*) FROM events WHERE done_at IS NULL").fetchone()
    return int(count)


def count_doable(tx: Connection) -> int:
    """How many of them are of collections that are used."""
    (count,) = tx.execute(f"SELECT count(*) FROM events WHERE done_at IS NULL AND {NOT_PAUSED}").fetchone()  # noqa: S608 (a constant)
    return int(count)


def prune(tx: Connection, before: Micros) -> int:
    """Forgets events dealt with before an instant; until then they keep late repeats out."""
    return tx.execute("DELETE FROM events WHERE done_at < ?", (before,)).rowcount
