"""Visiting: looking at the database, and leaving a request in it, beside the daemon that owns it.

The rule that keeps it true: a visitor never checkpoints, never migrates, and writes one short transaction at most; it works whether the
daemon runs or not, and what it reads is one committed snapshot.
It must not know: what is looked at, or what a request asks for.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from syncd.core.errors import StoreError, UserError
from syncd.store.database import Connection, equip, migrations
from syncd.store.master import lend

T = TypeVar("T")
U = TypeVar("U")
MAKING_S = 10.0
"""How long a daemon that starts for the first time may take to make the tables; a busy disk takes seconds."""


@contextmanager
def reading(path: Path) -> Iterator[Callable[[Callable[[Connection], T]], T]]:
    """A way to run functions over an existing database, read-only, each over one snapshot.

    Raises UserError where the database has another schema than this code, StoreError where it cannot be read.
    """
    with _store_errors(path), closing(_connect(path, "ro")) as connection:
        connection.execute("PRAGMA query_only=ON")
        _check_schema(connection)

        def read(job: Callable[[Connection], T]) -> T:
            connection.execute("BEGIN")
            try:
                return job(connection)
            finally:
                connection.execute("ROLLBACK")

        yield read


def look(path: Path, job: Callable[[Connection], T], otherwise: U) -> T | U:
    """What `job` finds in a database, as `reading` runs it; `otherwise` where there is no database yet."""
    if not path.exists():
        return otherwise
    with reading(path) as read:
        return read(job)


def leave(path: Path, job: Callable[[Connection], T]) -> T:
    """Runs `job` in one transaction beside the daemon. Raises StoreError when nothing can be committed."""
    with _store_errors(path), closing(_connect(path, "rw")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA synchronous=FULL")
        _check_schema(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.vault.renew(connection)
            result = job(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return result


def copy(path: Path, target: Path) -> None:
    """Copies the database as it is at one moment into a new file, while its owner goes on."""
    target.touch(mode=0o600)
    with _store_errors(path), closing(_connect(path, "ro")) as source, closing(sqlite3.connect(target)) as made:
        source.backup(made)
    lend(path, target)


def _connect(path: Path, mode: str) -> Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, factory=Connection)
    connection.execute("PRAGMA busy_timeout=5000")
    return equip(connection, path)


def is_made(path: Path) -> bool:
    """Whether there is a database with its tables. Raises StoreError where it cannot be read."""
    if not path.exists():
        return False
    with _store_errors(path), closing(_connect(path, "ro")) as connection:
        return bool(_schema(connection))


def _schema(connection: Connection) -> int:
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    return int(done)


def _check_schema(connection: Connection) -> None:
    known = len(migrations())
    until = time.monotonic() + MAKING_S
    while not (done := _schema(connection)) and time.monotonic() < until:
        time.sleep(0.05)
    if done != known:
        raise UserError(
            f"the database has schema {done}, this syncd knows {known}",
            hint="use the syncd that the daemon runs; a newer one brings the database up when it starts",
        )


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the database {path} cannot be used: {error}", hint="look at the permissions of the state directory"
        ) from error
