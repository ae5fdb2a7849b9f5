"""Backups: the database as it is at one moment, in one file, and back again.

A plain backup is the database, sealed as it is: without the master key it tells nothing of a person. One with a passphrase holds the master key
too, so that it is all that is needed on another machine.
The rule that keeps it true: a file is whole under its name or not there, and never open to others; nothing is put back that cannot be opened;
the database that is there is exchanged in one step.
It must not know: when backups are made, or where they are carried.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from syncd.core.errors import UserError
from syncd.store import chain_head, packing
from syncd.store.database import Connection, connect, migrations
from syncd.store.master import Source, hand_over, source_of, sync_directory, write_key
from syncd.store.vault import forget_masters
from syncd.store.visiting import copy

_PREFIX, _SUFFIX = "syncd-", ".backup"
_KEY_LINE = 64
"""The master key as text, filled up with blanks: what stands before the database in a packed backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back."""

    links: int
    records: int


def name_of(directory: Path, moment: str) -> Path:
    """The file of a backup among others; names sort by time."""
    return directory / f"{_PREFIX}{moment}{_SUFFIX}"


def back_up(path: Path, target: Path, passphrase: bytes | None) -> None:
    """Writes a backup of a database, whose owner goes on. Raises UserError, StoreError; nothing is left then."""
    if target.exists():
        raise UserError(f"{target} is there already", hint="choose another name, or a directory: backups in it are named by the moment")
    with _fresh(target) as made:
        copy(path, made)
        if passphrase is None:
            _keep(made, target)
            return
        with _fresh(target, "packing") as packed, made.open("rb") as database, packed.open("wb") as out:
            _pack(path, database, out, passphrase)
            _keep(packed, target)


def _pack(path: Path, database: BinaryIO, out: BinaryIO, passphrase: bytes) -> None:
    key = source_of(path).text().encode().ljust(_KEY_LINE)
    packing.pack(_Joined(key, database), out, passphrase)  # type: ignore[arg-type]
    out.flush()
    os.fsync(out.fileno())


class _Joined:
    """Bytes, and a file behind them, read as one."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        start, self._first = self._first[:size], self._first[size:]
        return start + self._rest.read(size - len(start))


def prune(directory: Path, keep: int) -> list[Path]:
    """Removes all but the newest backups that were named by their moment; those removed."""
    found = sorted(directory.glob(f"{_PREFIX}*{_SUFFIX}"))
    gone = found[: max(0, len(found) - keep)]
    for each in gone:
        each.unlink()
    return gone


def restore(source: Path, path: Path, passphrase: bytes | None, key: str | None = None) -> Restored:
    """Puts a backup in the place of the database, whose lock the caller holds.

    `key` is the master key it was sealed with, where that is not the present one any more. Raises UserError with nothing changed.
    """
    with _fresh(path, "restoring") as made:
        carried = _unpacked(source, made, passphrase)
        key = key if key is not None else carried
        if key is not None and not _has_key(path):
            write_key(source_of(path).file, key)
        restored = _taken_over(made, path, key)
        _set_aside(path)
        made.replace(path)
        sync_directory(path.parent)
        return restored


def _unpacked(source: Path, made: Path, passphrase: bytes | None) -> str | None:
    """Writes the database that a backup holds; the master key that it carries."""
    try:
        with source.open("rb") as file, made.open("r+b") as out:
            is_packed = packing.is_packed(file)
            if is_packed and passphrase is None:
                raise UserError(f"{source} is encrypted", hint="name its passphrase with --passphrase-file")
            if not is_packed:
                while piece := file.read(1 << 20):
                    out.write(piece)
                return None
            packing.unpack(file, out, passphrase or b"")
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}", hint="name a file that `syncd backup` made") from error
    return _take_key(made)


def _take_key(made: Path) -> str:
    """Takes the key from before a database, in place."""
    with made.open("r+b") as file:
        key = file.read(_KEY_LINE).decode("ascii", "replace").strip()
        at = 0
        while piece := file.read(1 << 20):
            file.seek(at)
            file.write(piece)
            at += len(piece)
            file.seek(at + _KEY_LINE)
        file.truncate(at)
    return key


def _has_key(path: Path) -> bool:
    source = source_of(path)
    return source.read is not None or source.file.exists()


def _taken_over(made: Path, path: Path, key: str | None) -> Restored:
    """Proves that a database can be opened, and has it open with the present master key."""
    present = source_of(path)
    hand_over(made, present.text if key is None else lambda: key)
    try:
        with closing(connect(made)) as tx:
            (state,) = tx.execute("PRAGMA quick_check").fetchone()
            (schema,) = tx.execute("PRAGMA user_version").fetchone()
            if state != "ok" or not schema:
                raise UserError("the backup is damaged, or is none", hint="nothing was put back; take another one")
            if schema > len(migrations()):
                raise UserError("the backup is of a newer syncd", hint="nothing was put back; run the syncd that made it")
            if not _is_sealed(tx):
                return _counted(tx)
            tx.vault.open(tx)
            _lock_anew(tx, present)
            return _counted(tx)
    except sqlite3.DatabaseError as error:
        raise UserError(f"the backup cannot be opened: {error}", hint="nothing was put back; take another one") from error


def _is_sealed(tx: Connection) -> bool:
    return tx.execute("SELECT 1 FROM sqlite_master WHERE name = 'vault_keys'").fetchone() is not None


def _lock_anew(tx: Connection, present: Source) -> None:
    master = present.get()
    if master.id != tx.vault.source.get().id:
        tx.execute("BEGIN IMMEDIATE")
        tx.vault.lock_with(tx, master)
        forget_masters(tx, keep=master.id)
        tx.execute("COMMIT")
    tx.execute("PRAGMA journal_mode=DELETE")


def _counted(tx: Connection) -> Restored:
    (links,) = tx.execute("SELECT count(*) FROM links WHERE state = 'live'").fetchone()
    (records,) = tx.execute("SELECT count(*) FROM observations WHERE fields IS NOT NULL").fetchone()
    return Restored(links=links, records=records)


def _set_aside(path: Path) -> None:
    """Leaves nothing beside the database that would be taken for a part of the one to come."""
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    chain_head.forget(path)


@contextmanager
def _fresh(target: Path, word: str = "making") -> Iterator[Path]:
    """An empty file beside the target, for its owner alone; what is left of it goes at the end."""
    made = target.with_name(f".{target.name}.{word}-{os.getpid()}")
    try:
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield made
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}", hint="look at the permissions and the free space there") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            made.with_name(made.name + suffix).unlink(missing_ok=True)


def _keep(made: Path, target: Path) -> None:
    """Gives a finished file its name, for good; never over another."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    os.link(made, target)
    sync_directory(target.parent)

