"""The journal's chain: every row of the journal is proved by a keyed hash, and each commit's rows are chained to those before.

The key lies in a file beside the database (0600): who edits the database alone cannot make the chain fit again.
The rule that keeps it true: a row is chained in the transaction that wrote it; what was put in by anybody else is chained as such, so an
edited, a removed and an inserted row are all found and named. Rows cut off at the end together with their links are missed by the file of
`chain_head`.
It must not know: what a row tells.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncd.core.errors import StoreError
from syncd.core.record import Json, Micros
from syncd.store.chain_head import Cut, HeadFile, Mark
from syncd.store.codec import pack
from syncd.store.connection import Connection as OurConnection
from syncd.store.master import sync_directory

Connection = sqlite3.Connection
SUM_BYTES = 8
HASH_BYTES = 16
KEY_BYTES = 32
SUFFIX = ".journal-key"
BACKLOG = 5_000
"""Rows of before there was a chain are chained so many a commit."""
OURS, BEFORE, FOREIGN = "ours", "before", "foreign"
_ROW = "id, at, run_id, sync, link_id, kind, member, record_id, detail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not as it was written: the row it is about, and what is wrong with it."""

    row: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verification found. `rows` fit, `amended` were changed by syncd itself, `open` are not chained yet, `from_row` is where it begins."""

    rows: int
    amended: int
    open: int
    from_row: int
    faults: tuple[Fault, ...]


def key_beside(path: Path) -> bytes:
    """The key of the chain of this database. Raises StoreError where there is none."""
    file = path.with_suffix(SUFFIX)
    try:
        key = file.read_bytes()
    except OSError as error:
        raise StoreError(f"the key of the journal cannot be read: {file}: {error.strerror}", hint="put it back from where it is kept") from error
    if len(key) != KEY_BYTES:
        raise StoreError(f"the key of the journal is damaged: {file}", hint="put it back; or remove it, and a new chain begins: what was chained before cannot be verified then")
    return key


def make_key(path: Path) -> bytes:
    """The key of the chain of this database; made, whole or not at all, where there is none."""
    file = path.with_suffix(SUFFIX)
    if file.exists():
        return key_beside(path)
    fresh = path.with_suffix(f"{SUFFIX}-new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as made:
        made.write(os.urandom(KEY_BYTES))
        made.flush()
        os.fsync(made.fileno())
    fresh.replace(file)
    sync_directory(file.parent)
    return key_beside(path)


@dataclass(frozen=True, slots=True)
class _Head:
    """The end of the chain: the last row, and the hash over all up to it."""

    last_id: int
    hash: bytes


class Chain:
    """Chains what each commit of one writer brings."""

    def __init__(self, key: bytes, file: HeadFile | None = None) -> None:
        self._key = key
        self._key_id = key_id(key)
        self._file = file
        self._head: _Head | None = None
        self._next: _Head | None = None
        self._is_marked = False

    def begin(self, connection: Connection) -> None:
        """At the start of a transaction: what is there and not chained was put in by somebody else, or is of before; what is not there was cut off."""
        if self._head is None:
            self._head = _head(connection)
            self._miss(connection, self._head)
        self._next = head = self._head
        if _newest(connection) > head.last_id:
            is_old = head.last_id == 0 or _has(connection, BEFORE, head.last_id)
            self._next = self._add(connection, head, BEFORE if is_old else FOREIGN, BACKLOG)

    def end(self, connection: Connection) -> None:
        """At its end: what it wrote is chained."""
        assert self._next is not None
        if not _has_backlog(connection, self._next):
            self._next = self._add(connection, self._next, OURS, -1)

    def committed(self) -> None:
        """The transaction was committed."""
        assert self._next is not None
        if self._file is not None and (self._next != self._head or not self._is_marked):
            self._file.write(self._next.last_id, self._next.hash)
            self._is_marked = True
        self._head = self._next

    def forget(self) -> None:
        """The transaction was undone: where the chain ends is looked up anew."""
        self._head = None

    def close(self) -> None:
        """Lets go of the file beside the database."""
        if self._file is not None:
            self._file.close()

    def _miss(self, connection: Connection, head: _Head) -> None:
        """Keeps, before its trace is overwritten, that the chain once went further than it does now."""
        mark = self._file.read() if self._file is not None else None
        cut = None if mark is None else _cut(connection, head, mark)
        if self._file is not None and cut is not None:
            self._file.note(cut)

    def _add(self, connection: Connection, head: _Head, origin: str, limit: int) -> _Head:
        rows = connection.execute(f"SELECT {_ROW} FROM journal WHERE id > ? ORDER BY id LIMIT ?", (head.last_id, limit)).fetchall()  # noqa: S608
        if not rows:
            return head
        sums = b"".join(row_sum(self._key, row) for row in rows)
        first, last = rows[0][0], rows[-1][0]
        made = _Head(last, link_hash(self._key, head.hash, first, last, origin, sums))
        connection.execute(
            "INSERT INTO journal_chain (last_id, first_id, key_id, origin, rows, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (last, first, self._key_id, origin, sums, made.hash),
        )
        return made


def _head(connection: Connection) -> _Head:
    row = connection.execute("SELECT last_id, hash FROM journal_chain ORDER BY last_id DESC LIMIT 1").fetchone()
    return _Head(0, b"") if row is None else _Head(row[0], row[1])


def _cut(connection: Connection, head: _Head, mark: Mark) -> Cut | None:
    """What is missing at the end, by what was marked; None where nothing is, or where the mark tells nothing."""
    if mark.hash is None:
        return None
    if mark.last_id > head.last_id:
        return Cut(first=head.last_id + 1, last=mark.last_id)
    row = connection.execute("SELECT hash FROM journal_chain WHERE last_id = ?", (mark.last_id,)).fetchone()
    if row is not None and row[0] == mark.hash:
        return None
    (begins,) = connection.execute("SELECT coalesce(min(last_id), 0) FROM journal_chain").fetchone()
    (before,) = connection.execute("SELECT coalesce(max(last_id), 0) FROM journal_chain WHERE last_id < ?", (mark.last_id,)).fetchone()
    return Cut(first=before + 1, last=mark.last_id) if mark.last_id > begins else None


def _newest(connection: Connection) -> int:
    (number,) = connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
    return int(number)


def _has(connection: Connection, origin: str, last_id: int) -> bool:
    return connection.execute("SELECT 1 FROM journal_chain WHERE last_id = ? AND origin = ?", (last_id, origin)).fetchone() is not None


def _has_backlog(connection: Connection, head: _Head) -> bool:
    """Whether old rows are left that come before those of this transaction."""
    if not _has(connection, BEFORE, head.last_id):
        return False
    (count,) = connection.execute("SELECT count(*) FROM journal_chain WHERE last_id = ? AND length(rows) = ?", (head.last_id, BACKLOG * SUM_BYTES)).fetchone()
    return bool(count)


def key_id(key: bytes) -> str:
    """Which key it is, without telling it."""
    return hashlib.blake2b(b"id", key=key, digest_size=6).hexdigest()


def row_sum(key: bytes, row: Sequence[Json]) -> bytes:
    """The proof of one row of the journal, over all it says."""
    return hashlib.blake2b(pack(list(row[:8])) + b"\0" + bytes(row[8]), key=key, digest_size=SUM_BYTES).digest()


def link_hash(key: bytes, before: bytes, first: int, last: int, origin: str, sums: bytes) -> bytes:
    """The proof of one link of the chain, over its rows and the link before."""
    return hashlib.blake2b(b"%b|%d|%d|%b|%b" % (before, first, last, origin.encode(), sums), key=key, digest_size=HASH_BYTES).digest()


def verify(tx: Connection, key: bytes, mark: Mark | None = None) -> Verified:
    """Recomputes the whole chain and names what does not fit; by a `mark` of before this snapshot, also what is missing at the end."""
    amended = dict(tx.execute("SELECT id, sum FROM journal_amends").fetchall())
    faults: list[Fault] = []
    before, expected, counted, mended, from_row = b"", 1, 0, 0, 0
    for last, first, made_with, origin, sums, known in tx.execute(
        "SELECT last_id, first_id, key_id, origin, rows, hash FROM journal_chain ORDER BY last_id"
    ).fetchall():
        if not sums:
            # Everything up to here was let go; the hash of what there was is where the chain goes on.
            before, expected, from_row = known, last + 1, last + 1
            continue
        from_row = from_row or first
        if made_with != key_id(key):
            faults.append(Fault(row=first, what=f"rows {first} to {last} cannot be verified: they were chained with another key"))
        else:
            if first != expected or not hmac.compare_digest(known, link_hash(key, before, first, last, origin, sums)):
                faults.append(Fault(row=first, what=f"the chain is broken before row {first}: links were removed, put in or changed"))
            if origin == FOREIGN:
                faults += [Fault(row=each, what="it was put in by somebody else than syncd") for each in range(first, last + 1)]
            good, fixed, wrong = _compare(tx, key, first, last, sums, amended)
            counted, mended, faults = counted + good, mended + fixed, faults + wrong
        before, expected = known, last + 1
    (left,) = tx.execute("SELECT count(*) FROM journal WHERE id >= ?", (expected,)).fetchone()
    (early,) = tx.execute("SELECT count(*) FROM journal WHERE id < ?", (from_row,)).fetchone()
    if early:
        faults.append(Fault(row=0, what=f"{early} rows were put in before the journal's beginning"))
    faults += _missing(tx, mark, from_row) if mark is not None else []
    return Verified(rows=counted, amended=mended, open=int(left), from_row=from_row, faults=tuple(faults))


def _missing(tx: Connection, mark: Mark, from_row: int) -> list[Fault]:
    """The faults that the file beside the database tells of."""
    if mark.hash is None:
        return [Fault(row=0, what="the file that tells where the journal ends is not what was written: rows cut off there cannot be missed")]
    now = _cut(tx, _head(tx), mark)
    cuts = dict.fromkeys([*(each for each in mark.cuts if each.last >= from_row), *([now] if now is not None else [])])
    return [
        Fault(row=each.first, what=f"rows {each.first} to {each.last} were cut off at the end, or an older copy of the database was put back")
        for each in cuts
    ]


def _compare(tx: Connection, key: bytes, first: int, last: int, sums: bytes, amended: dict[int, bytes]) -> tuple[int, int, list[Fault]]:
    """The rows of one link: how many fit, how many were amended, and the faults."""
    rows = {row[0]: row for row in tx.execute(f"SELECT {_ROW} FROM journal WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))}  # noqa: S608
    good, mended, faults = 0, 0, list[Fault]()
    numbers = range(first, last + 1)
    if len(sums) != len(numbers) * SUM_BYTES:
        return 0, 0, [Fault(row=first, what=f"rows {first} to {last} cannot be told apart: their link is damaged")]
    for place, number in enumerate(numbers):
        wanted, row = sums[place * SUM_BYTES : (place + 1) * SUM_BYTES], rows.get(number)
        if row is not None and hmac.compare_digest(row_sum(key, row), wanted):
            good += 1
        elif number in amended and hmac.compare_digest(amended[number], _amended_sum(key, number, row)):
            mended += 1
        else:
            faults.append(Fault(row=number, what="it was removed" if row is None else "it is not what was written"))
    return good, mended, faults


def amend_ours(tx: OurConnection, numbers: Iterable[int], at: Micros) -> None:
    """As `amend`, with the key beside the database; nothing where the journal is not chained."""
    if tx.path is not None and tx.path.with_suffix(SUFFIX).exists():
        amend(tx, key_beside(tx.path), numbers, at)


def amend(tx: Connection, key: bytes, numbers: Iterable[int], at: Micros) -> None:
    """Says that these rows, as they are now or gone, were changed by syncd itself: because a person is to be forgotten, or keys were replaced."""
    for number in numbers:
        row = tx.execute(f"SELECT {_ROW} FROM journal WHERE id = ?", (number,)).fetchone()  # noqa: S608
        tx.execute("INSERT OR REPLACE INTO journal_amends (id, sum, at) VALUES (?, ?, ?)", (number, _amended_sum(key, number, row), at))


def _amended_sum(key: bytes, number: int, row: Sequence[Json] | None) -> bytes:
    content = b"removed" if row is None else row_sum(key, row)
    return hashlib.blake2b(b"amended|%d|%b" % (number, content), key=key, digest_size=SUM_BYTES).digest()


def is_begun(tx: Connection) -> bool:
    """Whether there is a chain."""
    return tx.execute("SELECT 1 FROM journal_chain LIMIT 1").fetchone() is not None


def prune(tx: Connection, before: Micros) -> int:
    """Lets the journal go up to an instant, by whole links; the chain goes on from the last of them. Answers how many rows went."""
    (newest,) = tx.execute("SELECT coalesce(max(id), 0) FROM journal WHERE at < ?", (before,)).fetchone()
    (oldest_kept,) = tx.execute("SELECT coalesce(min(id), ?) FROM journal WHERE at >= ?", (newest + 1, before)).fetchone()
    (last,) = tx.execute("SELECT coalesce(max(last_id), 0) FROM journal_chain WHERE last_id < ?", (min(oldest_kept, newest + 1),)).fetchone()
    if not last:
        return 0
    gone = tx.execute("DELETE FROM journal WHERE id <= ?", (last,)).rowcount
    tx.execute("DELETE FROM journal_chain WHERE last_id < ?", (last,))
    tx.execute("UPDATE journal_chain SET rows = x'' WHERE last_id = ?", (last,))
    tx.execute("DELETE FROM journal_amends WHERE id <= ?", (last,))
    return int(gone)
