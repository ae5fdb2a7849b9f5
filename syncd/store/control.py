"""Requests from the command line, and what is known of systems and syncs as wholes.

The rule that keeps it true: a request row is the only control channel, and a system that is paused stays so until a person says
otherwise. It must not know: what a request asks for, or why a system was paused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.core.record import CollectionName, Json, Micros, SyncName, SystemName
from syncd.store.codec import pack, seal, unpack, unseal
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing a person asked for. `state` is new, running, done or failed."""

    id: int
    kind: str
    arguments: Mapping[str, Json]
    state: str
    progress: Json
    result: Json
    by: str = ""
    """The account that asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRow:
    """What is known of a system as a whole. `identity` says which account it is; `paused` why it is not used, if it is not."""

    identity: str
    paused: str | None
    quota: Json
    detail: Json
    updated_at: Micros


def ask(tx: Connection, kind: str, arguments: Mapping[str, Json], at: Micros, by: str = "") -> int:
    """Adds a request of an account; answers its number."""
    (number,) = tx.execute("SELECT coalesce(max(id), 0) + 1 FROM requests").fetchone()
    tx.execute(
        "INSERT INTO requests (id, kind, arguments, state, created_at, asked_by) VALUES (?, ?, ?, 'new', ?, ?)",
        (number, kind, seal(tx, arguments, "requests", number), at, by),
    )
    return int(number)


def open_requests(tx: Connection) -> list[Request]:
    """Requests not dealt with, oldest first."""
    rows = tx.execute(
        "SELECT id, kind, arguments, state, progress, result, asked_by FROM requests WHERE state IN ('new', 'running') ORDER BY id"
    )
    return [_request(tx, row) for row in rows]


def get_request(tx: Connection, number: int) -> Request | None:
    """One request."""
    row = tx.execute("SELECT id, kind, arguments, state, progress, result, asked_by FROM requests WHERE id = ?", (number,)).fetchone()
    return None if row is None else _request(tx, row)


def newest_request(tx: Connection, kind: str) -> Request | None:
    """The newest request of a kind."""
    row = tx.execute(
        "SELECT id, kind, arguments, state, progress, result, asked_by FROM requests WHERE kind = ? ORDER BY id DESC LIMIT 1", (kind,)
    ).fetchone()
    return None if row is None else _request(tx, row)


def report(
    tx: Connection, number: int, state: str, *, progress: Json = None, result: Json = None, at: Micros | None = None
) -> None:
    """Says how far a request is."""
    tx.execute(
        "UPDATE requests SET state = ?, progress = coalesce(?, progress), result = ?, done_at = ? WHERE id = ?",
        (state, None if progress is None else seal(tx, progress, "requests", number), seal(tx, result, "requests", number), at, number),
    )


def forget_arguments(tx: Connection, number: int) -> None:
    """Drops what a request was given, once it is not needed any more: it may hold what records contain."""
    tx.execute("UPDATE requests SET arguments = ? WHERE id = ?", (seal(tx, {}, "requests", number), number))


def systems(tx: Connection) -> dict[SystemName, SystemRow]:
    """All systems ever used."""
    rows = tx.execute("SELECT system, identity, paused, quota, detail, updated_at FROM systems")
    return {
        SystemName(name): SystemRow(
            identity=identity, paused=paused, quota=unpack(quota), detail=unpack(detail), updated_at=updated_at
        )
        for name, identity, paused, quota, detail, updated_at in rows
    }


def meet_system(tx: Connection, system: SystemName, identity: str, at: Micros) -> str | None:
    """Notes which account a system is; answers the other account it used to be, if it changed."""
    row = tx.execute("SELECT identity FROM systems WHERE system = ?", (system,)).fetchone()
    if row is not None and row[0] != identity:
        return str(row[0])
    tx.execute(
        "INSERT INTO systems (system, identity, updated_at) VALUES (?, ?, ?)"
        " ON CONFLICT (system) DO UPDATE SET updated_at = excluded.updated_at",
        (system, identity, at),
    )
    return None


NOT_PAUSED = "(system, collection) NOT IN (SELECT system, collection FROM pauses)"
"""Of rows with a system and a collection: those of collections that are used."""


def pause(tx: Connection, system: SystemName, reason: str | None, at: Micros) -> None:
    """Pauses a system for a reason, or lets it go on (None), with all of its collections."""
    tx.execute("UPDATE systems SET paused = ?, updated_at = ? WHERE system = ?", (reason, at, system))
    if reason is None:
        tx.execute("DELETE FROM pauses WHERE system = ?", (system,))


def pause_collection(tx: Connection, system: SystemName, collection: CollectionName, reason: str, at: Micros) -> None:
    """Pauses one collection of a system; the others go on."""
    tx.execute(
        "INSERT INTO pauses (system, collection, reason, since) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (system, collection) DO UPDATE SET reason = excluded.reason",
        (system, collection, reason, at),
    )


def paused_collections(tx: Connection) -> dict[tuple[SystemName, CollectionName], str]:
    """The collections that are paused by themselves, and why."""
    rows = tx.execute("SELECT system, collection, reason FROM pauses ORDER BY system, collection")
    return {(SystemName(system), CollectionName(collection)): reason for system, collection, reason in rows}


def note_system(tx: Connection, system: SystemName, *, quota: Json, detail: Json, at: Micros) -> None:
    """Keeps a system's quota and measurements, so that a restart knows them."""
    tx.execute(
        "UPDATE systems SET quota = ?, detail = ?, updated_at = ? WHERE system = ?", (pack(quota), pack(detail), at, system)
    )


LEFT_OUT_MAX = 200
"""So many records that cannot be taken are kept by name; of the rest the number."""


def left_out(tx: Connection, system: SystemName, collection: CollectionName) -> dict[str, Json]:
    """What a collection has and cannot be taken: how many they are (`count`), and the first of them with why and what to do (`records`)."""
    row = systems(tx).get(system)
    held: dict[str, Json] = (row.detail or {}).get("left_out", {}) if row is not None else {}
    found: dict[str, Json] = held.get(collection, {"count": 0, "records": []})
    return found


def note_left_out(
    tx: Connection, system: SystemName, collection: CollectionName, records: Sequence[Mapping[str, Json]], at: Micros
) -> list[Mapping[str, Json]]:
    """Keeps what cannot be taken now; those that were not known before, as far as they are kept."""
    before, row = left_out(tx, system, collection), systems(tx).get(system)
    kept = [dict(each) for each in records[:LEFT_OUT_MAX]]
    now_so: dict[str, Json] = {"count": len(records), "records": kept}
    if row is None or now_so == before:
        return []
    detail = dict(row.detail or {})
    detail["left_out"] = {**detail.get("left_out", {}), collection: now_so}
    note_system(tx, system, quota=row.quota, detail=detail, at=at)
    return [each for each in kept if each not in before["records"]]


def meet_sync(tx: Connection, sync: SyncName, digest: str) -> bool:
    """Notes a sync's present meaning; whether it changed since it was last seen (a new sync did not)."""
    row = tx.execute("SELECT digest FROM syncs WHERE sync = ?", (sync,)).fetchone()
    tx.execute(
        "INSERT INTO syncs (sync, digest) VALUES (?, ?) ON CONFLICT (sync) DO UPDATE SET digest = excluded.digest", (sync, digest)
    )
    return row is not None and row[0] != digest


def digests(tx: Connection) -> dict[SyncName, str]:
    """The present meaning of every sync, as it was last met."""
    return {SyncName(sync): str(digest) for sync, digest in tx.execute("SELECT sync, digest FROM syncs")}


def approved_at(tx: Connection, sync: SyncName) -> Micros | None:
    """When the first run of a sync was approved."""
    row = tx.execute("SELECT approved_at FROM syncs WHERE sync = ?", (sync,)).fetchone()
    return None if row is None else row[0]


def approve(tx: Connection, sync: SyncName, at: Micros) -> None:
    """A person (or the rule) let the first writes of a sync go."""
    tx.execute("UPDATE syncs SET approved_at = coalesce(approved_at, ?) WHERE sync = ?", (at, sync))


def settled(tx: Connection, sync: SyncName) -> bool:
    """Whether the first run of a sync is over: everything that was there at the start has been planned once."""
    row = tx.execute("SELECT settled_at FROM syncs WHERE sync = ?", (sync,)).fetchone()
    return row is not None and row[0] is not None


def settle(tx: Connection, sync: SyncName, at: Micros) -> None:
    """The first run of a sync is over; from now on its guards hold for creates too."""
    tx.execute("UPDATE syncs SET settled_at = coalesce(settled_at, ?) WHERE sync = ?", (at, sync))


def _request(tx: Connection, row: tuple[Json, ...]) -> Request:
    return Request(
        id=row[0],
        kind=row[1],
        arguments=unseal(tx, row[2], "requests", row[0]),
        state=row[3],
        progress=unseal(tx, row[4], "requests", row[0]),
        result=unseal(tx, row[5], "requests", row[0]),
        by=row[6],
    )
