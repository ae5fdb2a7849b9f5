"""Suspects: the records that look deleted, until it is known whether they are.

The rule that keeps it true: a suspect is let go only for what was seen of it, and every denial adds to its evidence.
It must not know: what proves a deletion, or what follows from one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from syncd.core.record import Micros, Ref, SystemName
from syncd.store.codec import pack, unpack
from syncd.store.control import NOT_PAUSED
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A record that looks deleted. `missing_at` is when the vendor first denied it by id."""

    ref: Ref
    evidence: tuple[str, ...]
    missing_at: Micros | None


def add(tx: Connection, refs: Sequence[Ref], evidence: str, due_at: Micros) -> None:
    """Notes that records look deleted; more evidence is added to what there is."""
    known = _evidence(tx, refs)
    tx.executemany(
        "INSERT INTO suspects (system, collection, record_id, evidence, due_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (system, collection, record_id) DO UPDATE SET evidence = excluded.evidence",
        [(*_key(ref), pack(_with(known.get(ref, []), evidence)), due_at) for ref in refs],
    )


def _with(known: list[str], evidence: str) -> list[str]:
    return known if evidence in known else [*known, evidence]


def due(tx: Connection, system: SystemName, now: Micros, limit: int) -> list[Suspect]:
    """A system's suspects to look at now."""
    rows = tx.execute(
        "SELECT system, collection, record_id, evidence, missing_at FROM suspects WHERE system = ? AND due_at <= ?"  # noqa: S608
        f" AND {NOT_PAUSED} ORDER BY due_at LIMIT ?",
        (system, now, limit),
    ).fetchall()
    return [Suspect(ref=Ref(*row[:3]), evidence=tuple(unpack(row[3])), missing_at=row[4]) for row in rows]


def among(tx: Connection, refs: Iterable[Ref]) -> list[Suspect]:
    """Those of these records that are suspects already."""
    wanted = list(refs)
    evidence = _evidence(tx, wanted)
    return [
        Suspect(ref=ref, evidence=tuple(evidence[ref]), missing_at=missing_at)
        for ref, missing_at in missing_since(tx, wanted).items()
    ]


def next_due(tx: Connection, system: SystemName) -> Micros | None:
    """When the next suspect of a system is to be looked at."""
    (due_at,) = tx.execute(f"SELECT min(due_at) FROM suspects WHERE system = ? AND {NOT_PAUSED}", (system,)).fetchone()  # noqa: S608 (a constant)
    return None if due_at is None else int(due_at)


def keep(tx: Connection, found: Suspect, evidence: str, *, missing_at: Micros, due_at: Micros) -> None:
    """A suspect was denied by id once more; it is looked at again at `due_at`."""
    tx.execute(
        "UPDATE suspects SET evidence = ?, missing_at = ?, due_at = ? WHERE system = ? AND collection = ? AND record_id = ?",
        (pack([*found.evidence, evidence]), missing_at, due_at, *_key(found.ref)),
    )


def postpone(tx: Connection, refs: Iterable[Ref], due_at: Micros) -> None:
    """Suspects that could not be looked at now."""
    tx.executemany(
        "UPDATE suspects SET due_at = ? WHERE system = ? AND collection = ? AND record_id = ?",
        [(due_at, *_key(ref)) for ref in refs],
    )


def clear(tx: Connection, refs: Iterable[Ref]) -> None:
    """These records are there, or are known to be gone."""
    tx.executemany(
        "DELETE FROM suspects WHERE system = ? AND collection = ? AND record_id = ?", [_key(ref) for ref in refs]
    )


def missing_since(tx: Connection, refs: Iterable[Ref]) -> dict[Ref, Micros | None]:
    """Since when those of these records that are suspects have been denied by id; None where they were not yet."""
    rows = tx.execute(
        "SELECT s.system, s.collection, s.record_id, s.missing_at FROM json_each(?) AS wanted CROSS JOIN suspects AS s"
        " ON s.system = wanted.value ->> 0 AND s.collection = wanted.value ->> 1 AND s.record_id = wanted.value ->> 2",
        (pack([_key(ref) for ref in refs]).decode(),),
    )
    return {Ref(*row[:3]): row[3] for row in rows}


def _evidence(tx: Connection, refs: Iterable[Ref]) -> dict[Ref, list[str]]:
    rows = tx.execute(
        "SELECT s.system, s.collection, s.record_id, s.evidence FROM json_each(?) AS wanted CROSS JOIN suspects AS s"
        " ON s.system = wanted.value ->> 0 AND s.collection = wanted.value ->> 1 AND s.record_id = wanted.value ->> 2",
        (pack([_key(ref) for ref in refs]).decode(),),
    )
    return {Ref(*row[:3]): unpack(row[3]) for row in rows}


def _key(ref: Ref) -> tuple[str, str, str]:
    return (ref.system, ref.collection, ref.id)
