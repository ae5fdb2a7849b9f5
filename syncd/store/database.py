"""The database: one writing connection, one reading connection, and group commit.

A job is a plain function over a `sqlite3.Connection`. Writing jobs that wait at the same moment share one transaction, each in its own
savepoint, so that a hundred webhooks cost one fsync; each job's caller continues only after the commit.
The rule that keeps it true: only the writing connection writes and checkpoints (SQLite before 3.51.3 can corrupt a WAL otherwise), a
lock file keeps a second daemon out, and every connection is closed on every path.
It must not know: what the jobs do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from pathlib import Path
from traceback import clear_frames
from typing import Any, Protocol, TypeVar

import aiosqlite
import anyio

from syncd.core.errors import StoreError, UserError
from syncd.store import forgotten, legacy
from syncd.store.chain import Chain, make_key
from syncd.store.chain_head import HeadFile
from syncd.store.connection import Connection as Connection  # noqa: PLC0414 (whoever has a job names it from here)
from syncd.store.master import source_of
from syncd.store.vault import Vault

T = TypeVar("T")
BATCH_MAX = 512
STATEMENTS = 512
"""So many prepared statements a connection keeps: more than there are in syncd, so that each is prepared once."""
LOCK_TRIES = 25
PROBE_S = 1.0
"""How often it is tried whether commits work again, while they do not."""


class BrokenRuleError(StoreError):
    """One job was about to break a rule of the schema, and was undone; the others were committed."""


class Engine(Protocol):
    """Something that runs a function over one connection: a thread in the daemon, the loop itself in a simulation."""

    async def call(self, job: Callable[[Connection], T]) -> T: ...


class ThreadEngine:
    """One aiosqlite connection and its thread."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def call(self, job: Callable[[Connection], T]) -> T:
        """Runs `job` on the connection's thread: one hop, however many statements it has."""
        # aiosqlite offers statements one hop each; a whole transaction a hop needs its inner call.
        raw = self._connection._conn  # noqa: SLF001
        assert isinstance(raw, Connection), "the connection was opened without a vault"
        result: T = await self._connection._execute(job, raw)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result


class _Job:
    """One waiting write: its function, and then its result or error."""

    __slots__ = ("done", "error", "function", "result")

    def __init__(self, function: Callable[[Connection], Any]) -> None:
        self.function = function
        self.done = anyio.Event()
        self.result: Any = None
        self.error: Exception | None = None


class Database:
    """The store's door. Made by `open_database` (a file) or over given engines (a simulation)."""

    def __init__(self, writer: Engine, reader: Engine, path: Path | None = None, chain: Chain | None = None) -> None:
        self.path = path
        self._chain = chain
        self._writer = writer
        self._reader = reader
        self._waiting: list[_Job] = []
        self._bell = anyio.Event()
        self._closed = False
        self.commits = 0
        self.changes = 0
        """How many rows this connection has changed so far."""
        self.trouble: str | None = None
        """Why the last commit failed; None while commits succeed."""
        self.commit_began_s: float | None = None
        """When the commit that is under way began, on the event loop's clock."""
        self.is_shrinking = False
        """Whether the file is written anew, which takes its time, and everything waits for it."""

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Runs `job` in a transaction and returns its result once that is committed.

        If `job` raises, its own changes are undone and the error is raised here. Raises StoreError when nothing can be committed.
        A caller that is cancelled while waiting does not stop its job.
        """
        if self._closed:
            raise StoreError("the database is closed", hint="nothing was written; this is a fault in syncd")
        waiting = _Job(job)
        self._waiting.append(waiting)
        self._bell.set()
        await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        result: T = waiting.result
        return result

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Runs `job` over one committed snapshot."""
        return await self._reader.call(lambda connection: _snapshot(connection, job))

    async def shrink(self) -> None:
        """Overwrites what was erased, where that was asked for. Raises StoreError where it could not be done now."""
        self.is_shrinking = True
        try:
            await self._writer.call(lambda connection: shrink(connection) if must_shrink(connection) else None)
        finally:
            self.is_shrinking = False

    async def version(self) -> int:
        """A number that changes whenever another process commits."""
        return await self._reader.call(lambda connection: int(connection.execute("PRAGMA data_version").fetchone()[0]))

    async def commit_forever(self) -> None:
        """The committing task: takes whatever waits, commits it at once, wakes the callers; in trouble, tries whether it is over."""
        try:
            while True:
                with anyio.move_on_after(None if self.trouble is None else PROBE_S) as patience:
                    await self._bell.wait()
                if patience.cancelled_caught:
                    self._waiting.append(_Job(_probe))
                self._bell = anyio.Event()
                while self._waiting:
                    await self._commit_some()
        finally:
            self._closed = True
            _fail(self._waiting, "the database was closed before this was written")

    async def _commit_some(self) -> None:
        jobs, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
        self.commit_began_s = anyio.current_time()
        try:
            failure, self.changes = await self._writer.call(lambda connection: (_commit(connection, jobs, self._chain), connection.total_changes))
        except BaseException:
            # Nobody may take a commit that we did not see for one that happened.
            _fail(jobs, "whether this was written is not known")
            raise
        finally:
            self.commit_began_s = None
        self.trouble = None if failure is None else failure.message
        self.commits += 1
        for job in jobs:
            job.done.set()


def _fail(jobs: list[_Job], message: str) -> None:
    for job in jobs:
        job.error = StoreError(message, hint="it is looked for at the next start")
        job.done.set()


def _snapshot(connection: Connection, job: Callable[[Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return job(connection)
    except Exception as error:
        _let_go(error)
        raise
    finally:
        connection.execute("ROLLBACK")


def _let_go(error: Exception) -> None:
    """Drops the cursors that a failed job left half read: while an error is kept, they would keep the snapshot, and nothing newer be seen."""
    clear_frames(error.__traceback__)


def _commit(connection: Connection, jobs: list[_Job], chain: Chain | None) -> StoreError | None:
    """One transaction for all jobs; a job that fails is undone alone, a commit that fails fails them all and is answered."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.vault.renew(connection)
        if chain is not None:
            chain.begin(connection)
        for job in jobs:
            connection.execute("SAVEPOINT job")
            try:
                job.result = job.function(connection)
            except sqlite3.OperationalError:
                raise
            except sqlite3.IntegrityError as error:
                job.error = BrokenRuleError(f"a rule of the store was about to be broken: {error}", hint="nothing was written; this is a fault in syncd")
                connection.execute("ROLLBACK TO job")
            except Exception as error:  # noqa: BLE001 (handed to the job's own caller)
                _let_go(error)
                job.error = error
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        if chain is not None:
            chain.end(connection)
        connection.execute("COMMIT")
        if chain is not None:
            chain.committed()
    except sqlite3.Error as error:
        if chain is not None:
            chain.forget()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for job in jobs:
            job.error = _store_error(error)
        return _store_error(error)
    return None


def _probe(connection: Connection) -> None:
    """A change of no meaning, to see whether one can be committed."""
    connection.execute("INSERT INTO meta (key, value) VALUES ('probe', '') ON CONFLICT (key) DO UPDATE SET value = excluded.value")


def _store_error(error: sqlite3.Error) -> StoreError:
    failure = StoreError(
        f"the database cannot be written: {error}",
        hint="look at free space and permissions of the state directory; nothing was acknowledged",
    )
    failure.__cause__ = error
    return failure


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Opens the database file (made if missing, mode 0600), brought to the newest schema, and commits until the block ends."""
    _make_private(path)
    async with aiosqlite.connect(path, isolation_level=None, cached_statements=STATEMENTS, factory=Connection) as writer:
        engine = ThreadEngine(writer)
        await engine.call(lambda connection: prepare(equip(connection, path)))
        async with aiosqlite.connect(path, isolation_level=None, cached_statements=STATEMENTS, factory=Connection) as reader:
            reading = ThreadEngine(reader)
            await reading.call(lambda connection: _prepare_reader(equip(connection, path)))
            chain = Chain(key := make_key(path), HeadFile(path, key))
            try:
                async with over_engines(engine, reading, path, chain) as database:
                    yield database
            finally:
                chain.close()


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


@asynccontextmanager
async def over_engines(writer: Engine, reader: Engine, path: Path | None = None, chain: Chain | None = None) -> AsyncIterator[Database]:
    """A database over given engines, already prepared; with a `chain`, the journal is chained."""
    database = Database(writer, reader, path, chain)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.commit_forever)
        try:
            yield database
        finally:
            tasks.cancel_scope.cancel()


def connect(path: Path) -> Connection:
    """A plain connection to a database file, with its vault; every statement commits by itself."""
    return equip(sqlite3.connect(path, isolation_level=None, cached_statements=STATEMENTS, factory=Connection), path)


def equip(connection: Connection, path: Path) -> Connection:
    """Gives a fresh connection the vault of the database it is to."""
    connection.vault, connection.path = Vault(source_of(path)), path
    return connection


def prepare(connection: Connection) -> None:
    """Sets the writing connection up and applies what migrations are missing, in one transaction, so that whoever looks meanwhile meets the schema
    of before or this one. Raises UserError for a newer schema.
    """
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    steps = migrations()
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    if done > len(steps):
        raise UserError(
            f"the database has schema {done}, this syncd knows {len(steps)}", hint="run the newer syncd that wrote it"
        )
    connection.vault.make(connection)
    legacy.teach(connection)
    if done < len(steps):
        scripts = "\n".join(steps[done:])
        connection.executescript(f"BEGIN IMMEDIATE;\n{scripts}\nPRAGMA user_version={len(steps)};\nCOMMIT;")
    forgotten.take_in(connection)
    if must_shrink(connection):
        shrink(connection)


def ask_to_shrink(tx: Connection) -> None:
    """Notes, with what makes it necessary, that pages of the file hold what must not be there any more."""
    tx.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('shrink', '1')")


def must_shrink(tx: Connection) -> bool:
    """Whether old pages are still to be overwritten."""
    return tx.execute("SELECT 1 FROM meta WHERE key = 'shrink'").fetchone() is not None


def shrink(connection: Connection) -> None:
    """Writes the whole file anew, without a free page, and empties the log beside it; by the connection that writes, outside a transaction.

    Raises StoreError where a reader keeps the log from being emptied; it is then tried again at the next start.
    """
    connection.execute("VACUUM")
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError("the log of the database could not be emptied: somebody reads it", hint="it is tried again at the next start")
    connection.execute("DELETE FROM meta WHERE key = 'shrink'")


def _prepare_reader(connection: Connection) -> None:
    for pragma in ("query_only=ON", "wal_autocheckpoint=0", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def migrations() -> list[str]:
    """The schema's steps, oldest first."""
    folder = resources.files("syncd.store.migrations")
    return [each.read_text() for each in sorted(folder.iterdir(), key=lambda each: each.name) if each.name.endswith(".sql")]


@contextmanager
def owning(path: Path) -> Iterator[None]:
    """Holds the lock file beside the database for the block. Raises UserError when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not _lock(handle):
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            raise UserError(
                f"another syncd (process {holder}) holds {path}",
                hint="stop it, or let it do the work: commands reach a running daemon by themselves",
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Takes the lock; somebody who only looks whether it is held holds it for a moment, so one refusal is not the last word."""
    for _ in range(LOCK_TRIES):
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def is_owned(path: Path) -> bool:
    """Whether a daemon holds the lock now."""
    lock = path.with_suffix(".lock")
    if not lock.exists():
        return False
    with lock.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
