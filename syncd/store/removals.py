"""Removals: records of a person who is to be forgotten, still to be deleted at the systems themselves.

The rule that keeps it true: what is to be deleted is noted in the transaction that erases the person here, so a stop in between loses none
of it; a row stays until the request it belongs to is answered, and goes with that answer.
It must not know: how a record is deleted, or who asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.core.record import CollectionName, Json, Micros, RecordId, Ref, SystemName
from syncd.store.codec import seal_text, told_text
from syncd.store.connection import Connection

_OF = "request_id = ? AND system = ? AND collection = ? AND record_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One record that is to be deleted; `attempts` failed, and the next is due at `due_at`."""

    ref: Ref
    attempts: int
    due_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What became of all records of one request: how many are gone, and those that are left, with why."""

    done: int
    left: Mapping[Ref, str]


def note(tx: Connection, request: int, refs: Iterable[Ref], left: Mapping[Ref, str], at: Micros) -> None:
    """Notes what is to be deleted, and what is not, with why."""
    rows: list[tuple[Json, ...]] = [(request, *_key(ref), "owed", None, at) for ref in refs]
    rows += [(request, *_key(ref), "left", seal_text(tx, why, "removals", request, *_key(ref)), at) for ref, why in left.items()]
    tx.executemany(
        "INSERT INTO removals (request_id, system, collection, record_id, state, why, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
    )


def owed(tx: Connection, request: int) -> list[Removal]:
    """What is still to be deleted for a request, the soonest first."""
    rows = tx.execute(
        "SELECT system, collection, record_id, attempts, due_at FROM removals WHERE request_id = ? AND state = 'owed'"
        " ORDER BY due_at, system, collection, record_id",
        (request,),
    )
    return [Removal(ref=_ref(*row[:3]), attempts=row[3], due_at=row[4]) for row in rows]


def settle(tx: Connection, request: int, ref: Ref, why: str | None = None) -> None:
    """A record is gone; or, with `why`, it is left."""
    tx.execute(
        f"UPDATE removals SET state = ?, why = ? WHERE {_OF}",  # noqa: S608 (constants)
        ("done" if why is None else "left", seal_text(tx, why, "removals", request, *_key(ref)), request, *_key(ref)),
    )


def put_off(tx: Connection, request: int, ref: Ref, due_at: Micros) -> None:
    """An attempt failed; the next is due then."""
    tx.execute(f"UPDATE removals SET attempts = attempts + 1, due_at = ? WHERE {_OF}", (due_at, request, *_key(ref)))  # noqa: S608 (constants)


def of_request(tx: Connection, request: int) -> Removed:
    """What became of the records of a request so far."""
    rows = tx.execute(
        "SELECT system, collection, record_id, state, why FROM removals WHERE request_id = ? ORDER BY 1, 2, 3", (request,)
    ).fetchall()
    left = {_ref(*row[:3]): told_text(tx, row[4], "removals", request, *row[:3]) or "" for row in rows if row[3] == "left"}
    return Removed(done=sum(row[3] == "done" for row in rows), left=left)


def is_begun(tx: Connection, request: int) -> bool:
    """Whether a request has anything noted."""
    return tx.execute("SELECT 1 FROM removals WHERE request_id = ? LIMIT 1", (request,)).fetchone() is not None


def close(tx: Connection, request: int) -> list[Ref]:
    """The request is answered: nothing of it is kept any more. Answers all its records."""
    rows = tx.execute("DELETE FROM removals WHERE request_id = ? RETURNING system, collection, record_id", (request,)).fetchall()
    return [_ref(*row) for row in rows]


def _key(ref: Ref) -> tuple[str, str, str]:
    return ref.system, ref.collection, ref.id


def _ref(system: str, collection: str, record_id: str) -> Ref:
    return Ref(SystemName(system), CollectionName(collection), RecordId(record_id))
