"""Whom syncd was told to forget: marks that tell nothing of anybody, by which it knows not to take the same person in again.

The marks stand in the database and in a file beside it, so that an older backup that is put back does not bring anybody back.
The rule that keeps it true: a mark is a keyed hash, of a record or of a match key; what it was made of is kept nowhere.
It must not know: what is erased, or how.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from syncd.core.record import CollectionName, FieldName, Micros, RecordId, Ref, SyncName, SystemName
from syncd.store.codec import blind, pack
from syncd.store.connection import Connection
from syncd.store.master import sync_directory

_RETURNED = "returned"


def mark_of_ref(tx: Connection, ref: Ref) -> str:
    """What stands for a record."""
    return blind(tx, f"record\0{ref.system}\0{ref.collection}\0{ref.id}")


def mark_of_key(tx: Connection, sync: SyncName, name: FieldName, blinded: str) -> str:
    """What stands for a match key; its value as it stands in the index."""
    return blind(tx, f"key\0{sync}\0{name}\0{blinded}")


def mark_of_told(tx: Connection, system: SystemName, collection: CollectionName, blinded: str) -> str:
    """What stands for a natural key that a bridge tells; the key as it is looked up."""
    return blind(tx, f"told\0{system}\0{collection}\0{blinded}")


def is_anybody(tx: Connection) -> bool:
    """Whether anybody was forgotten at all."""
    return tx.execute("SELECT 1 FROM forgotten LIMIT 1").fetchone() is not None


def among(tx: Connection, marks: Iterable[str]) -> dict[str, int]:
    """Those of these marks that are known, with the number of whom they stand for."""
    return dict(tx.execute(
        "SELECT f.mark, f.number FROM json_each(?) AS wanted CROSS JOIN forgotten AS f ON f.mark = wanted.value", (pack(list(marks)).decode(),)
    ).fetchall())


def numbers_of(tx: Connection, refs: Iterable[Ref]) -> dict[Ref, int]:
    """Those of these records that belong to somebody who was forgotten, with the number of whom."""
    marks = {mark_of_ref(tx, ref): ref for ref in refs}
    return {marks[mark]: number for mark, number in among(tx, marks).items()}


def count_kept_out(tx: Connection, marks: Iterable[str]) -> None:
    """Counts that these would have been taken in."""
    tx.executemany("UPDATE forgotten SET kept_out = kept_out + 1 WHERE mark = ?", [(mark,) for mark in marks])


def counts(tx: Connection) -> tuple[int, int]:
    """How many were forgotten, and how often one of them was kept out."""
    people, kept_out = tx.execute("SELECT count(DISTINCT number), coalesce(sum(kept_out), 0) FROM forgotten").fetchone()
    return int(people), int(kept_out)


def next_number(tx: Connection) -> int:
    """The number for the next one."""
    return int(tx.execute("SELECT coalesce(max(number), 0) + 1 FROM forgotten").fetchone()[0])


def add(tx: Connection, marks: Iterable[str], number: int, at: Micros) -> None:
    """Keeps marks, in the file first."""
    fresh = sorted(set(marks))
    _append(file_of(tx.vault.source.path), [f"{mark} {number} {at}" for mark in fresh])
    tx.executemany("INSERT OR IGNORE INTO forgotten (mark, number, at) VALUES (?, ?, ?)", [(mark, number, at) for mark in fresh])


def file_of(database: Path) -> Path:
    """Where the marks are kept outside the database."""
    return database.with_suffix(".forgotten")


def take_in(tx: Connection) -> None:
    """Takes the marks of the file into the database: it may be an older one that was put back."""
    with suppress(OSError):
        rows = [each for line in file_of(tx.vault.source.path).read_text("ascii", "replace").splitlines() if len(each := line.split(" ")) == 3]
        sound = [row for row in rows if row[1].isdecimal() and row[2].isdecimal()]
        if tx.executemany("INSERT OR IGNORE INTO forgotten (mark, number, at) VALUES (?, ?, ?)", sound).rowcount > 0:
            tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, '1')", (_RETURNED,))


def returned(tx: Connection) -> dict[Ref, int]:
    """The records of persons who were forgotten and came back with an older database, with their numbers; asked for once, to be erased."""
    if tx.execute("DELETE FROM meta WHERE key = ?", (_RETURNED,)).rowcount == 0:
        return {}
    rows = tx.execute(
        "SELECT system, collection, record_id FROM observations UNION SELECT system, collection, record_id FROM link_members"
        " UNION SELECT system, collection, record_id FROM bridge_records"
    )
    found: dict[Ref, int] = {}
    while batch := [Ref(SystemName(system), CollectionName(collection), RecordId(number)) for system, collection, number in rows.fetchmany(1000)]:
        found |= numbers_of(tx, batch)
    return found


def _append(file: Path, lines: list[str]) -> None:
    if not file.parent.is_dir():
        # A database in memory has no file beside it.
        return
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as opened:
        opened.write("".join(f"{line}\n" for line in lines))
        opened.flush()
        os.fsync(handle)
    sync_directory(file.parent)
