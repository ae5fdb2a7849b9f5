"""The database's door: the schema, group commit, what happens when nothing can be committed, the lock, the modes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

import pytest

from syncd.core.errors import StoreError, UserError
from syncd.store import inbox
from syncd.store.database import (
    BrokenRuleError,
    Connection,
    Database,
    connect,
    is_owned,
    migrations,
    open_database,
    over_engines,
    owning,
    prepare,
)
from syncd.store.legacy import teach
from tests.store.build import arrival


def put(key: str):
    return lambda tx: inbox.accept(tx, [arrival(key, key)])


def keys(tx: Connection) -> list[str]:
    return [key for (key,) in tx.execute("SELECT record_id FROM events ORDER BY record_id")]


def schema(tx: Connection) -> list[tuple]:
    return tx.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def version(tx: Connection) -> int:
    return tx.execute("PRAGMA user_version").fetchone()[0]


# ---- the schema


def test_an_empty_file_gets_every_migration(tmp_path):
    """A new file ends at the newest schema, with its tables, and its number says so."""
    with closing(connect(tmp_path / "x.db")) as tx:
        prepare(tx)

        assert len(migrations()) == version(tx)
        assert {"events", "outbox", "links", "journal"} <= {name for kind, name, _ in schema(tx) if kind == "table"}


def test_migrating_twice_changes_nothing(tx):
    """A database at the newest schema is left as it is."""
    before = schema(tx)
    prepare(tx)

    assert before == schema(tx)


@pytest.mark.parametrize("done", range(len(migrations())))
def test_every_older_schema_is_brought_up(tmp_path, done):
    """A database that stopped after any migration gets the rest, and ends as a new one does."""
    with closing(connect(tmp_path / "x.db")) as tx, closing(connect(tmp_path / "new.db")) as new:
        tx.vault.make(tx)
        teach(tx)
        for number, script in enumerate(migrations()[:done], start=1):
            tx.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        prepare(tx)
        prepare(new)

        assert schema(new) == schema(tx)


@pytest.mark.parametrize("done", [0, 5])
def test_nobody_sees_a_schema_in_between(tmp_path, done):
    """Whoever looks while the tables are made sees what was there before, or all of it."""
    seen = set()
    with closing(connect(tmp_path / "x.db")) as tx, closing(sqlite3.connect(tmp_path / "x.db")) as visitor:
        tx.vault.make(tx)
        teach(tx)
        for number, script in enumerate(migrations()[:done], start=1):
            tx.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        tx.execute("PRAGMA journal_mode=WAL")
        tx.set_progress_handler(lambda: seen.add(version(visitor)), 50)
        prepare(tx)
        tx.set_progress_handler(None, 0)
        seen.add(version(visitor))

    assert {done, len(migrations())} == seen


def test_a_newer_schema_is_refused(tx):
    """An older syncd never touches a newer one's database, and says what to do."""
    tx.execute("PRAGMA user_version=99")

    with pytest.raises(UserError, match="schema 99") as refused:
        prepare(tx)
    assert "newer syncd" in refused.value.hint


# ---- group commit


async def test_writes_that_wait_together_share_commits(tmp_path):
    """A hundred jobs that arrive at once cost a handful of commits, and each gets its own result."""
    async with open_database(tmp_path / "x.db") as database:
        results = await asyncio.gather(*(database.write(lambda tx, n=n: (put(f"{n:03}")(tx), n)) for n in range(100)))

        assert [(1, n) for n in range(100)] == results
        assert database.commits <= 3
        assert 100 == len(await database.read(keys))


async def test_a_write_returns_after_its_commit(tmp_path):
    """What a caller was told is seen by another process at that moment."""
    async with open_database(tmp_path / "x.db") as database:
        await database.write(put("k"))
        with closing(sqlite3.connect(tmp_path / "x.db")) as other:
            assert ["k"] == keys(other)


async def test_a_failing_job_is_undone_alone(tmp_path):
    """A job that raises loses its own changes and nobody else's, and its own caller hears of it."""

    def bad(tx: Connection) -> None:
        put("bad")(tx)
        raise UserError("no")

    def twice(tx: Connection) -> None:
        tx.execute("INSERT INTO meta VALUES ('k', 'v')")
        tx.execute("INSERT INTO meta VALUES ('k', 'v')")

    async with open_database(tmp_path / "x.db") as database:
        jobs = [put("1"), bad, put("2"), twice, put("3")]
        results = await asyncio.gather(*(database.write(job) for job in jobs), return_exceptions=True)

        assert [int, UserError, int, BrokenRuleError, int] == [type(each) for each in results]
        assert ["1", "2", "3"] == await database.read(keys)
        assert [] == await database.read(lambda tx: tx.execute("SELECT * FROM meta").fetchall())
        assert 1 == database.commits


async def test_a_cancelled_callers_job_still_commits(tmp_path):
    """A caller that goes away while waiting does not take its job along."""
    async with open_database(tmp_path / "x.db") as database:
        caller = asyncio.create_task(database.write(put("k")))
        await asyncio.sleep(0)
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        await database.write(put("l"))

        assert ["k", "l"] == await database.read(keys)


async def test_a_reader_sees_one_snapshot_and_cannot_write(tmp_path):
    """Reading is over committed data only; a job that writes while reading is stopped by SQLite itself."""
    async with open_database(tmp_path / "x.db") as database:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(put("k"))

        assert 1 == await database.read(lambda tx: tx.execute("PRAGMA query_only").fetchone()[0])
        assert 0 == await database.read(lambda tx: tx.execute("PRAGMA wal_autocheckpoint").fetchone()[0])


async def test_the_writing_connection_is_durable(tmp_path):
    """WAL with synchronous=FULL (2): a commit is on the disk when it returns."""
    async with open_database(tmp_path / "x.db") as database:
        found = await database.write(lambda tx: [tx.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")])

        assert ["wal", 2, 1] == found


async def test_the_version_moves_when_another_process_commits(tmp_path):
    """That is how a daemon notices a request somebody left."""
    async with open_database(tmp_path / "x.db") as database:
        before = await database.version()
        assert before == await database.version()
        with closing(connect(tmp_path / "x.db")) as other, other:
            put("k")(other)

        assert before != await database.version()


# ---- when nothing can be committed


async def test_a_full_disk_is_a_store_error_and_passes(tmp_path):
    """While nothing can be written every caller hears StoreError and nothing is kept; afterwards writing goes on by itself."""
    async with open_database(tmp_path / "x.db") as database:
        pages = await database.write(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0])
        await database.write(put("before"))
        await database._writer.call(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone())
        big = lambda tx: tx.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * 100_000,))  # noqa: E731
        failed = await asyncio.gather(database.write(put("a")), database.write(big), database.write(put("b")), return_exceptions=True)

        assert [StoreError] * 3 == [type(each) for each in failed]
        assert ["before"] == await database.read(keys)
        await database._writer.call(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchone())
        await database.write(put("after"))

        assert ["after", "before"] == await database.read(keys)


class Broken:
    """An engine whose thread is gone."""

    async def call(self, job):
        raise ValueError("no active connection")


async def test_what_was_not_committed_is_never_reported_as_committed():
    """Whatever breaks the committing task, a caller of another task is not told that all is well."""
    told: list[object] = []

    async def stranger(database: Database) -> None:
        try:
            told.append(await database.write(put("k")))
        except (StoreError, asyncio.CancelledError) as error:
            told.append(type(error))

    with suppress(ExceptionGroup, asyncio.CancelledError):
        async with over_engines(Broken(), Broken()) as database:
            task = asyncio.create_task(stranger(database))
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])

    assert [StoreError] == told or [asyncio.CancelledError] == told


class Slow:
    """An engine that is still at work on the disk, and would fail."""

    async def call(self, job):
        await asyncio.sleep(30)


async def test_a_close_during_a_commit_reports_nothing(tmp_path):
    """A caller that is not stopped with the database is not told that its job was committed when nobody knows."""
    told: list[object] = []

    async def stranger(database: Database) -> None:
        try:
            told.append(await database.write(put("k")))
        except (StoreError, asyncio.CancelledError) as error:
            told.append(type(error))

    async with over_engines(Slow(), Slow()) as database:
        task = asyncio.create_task(stranger(database))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])

    assert [StoreError] == told or [asyncio.CancelledError] == told


# ---- the lock and the files


def test_a_second_owner_is_refused_by_name(tmp_path):
    """The lock names the process that holds it, and is free again when that one ends."""
    path = tmp_path / "state" / "x.db"
    with owning(path):
        assert is_owned(path)
        with pytest.raises(UserError, match=f"process {os.getpid()}"), owning(path):
            pass

    assert not is_owned(path)
    with owning(path):
        pass


def test_a_lock_left_by_a_dead_process_is_no_lock(tmp_path):
    """What counts is the lock, not the file."""
    (tmp_path / "x.lock").write_text("1")
    with owning(tmp_path / "x.db"):
        assert str(os.getpid()) == (tmp_path / "x.lock").read_text()


async def test_files_are_private(tmp_path):
    """Everything the store makes is for its owner alone, whatever the umask."""
    before = os.umask(0)
    try:
        path = tmp_path / "state" / "x.db"
        with owning(path):
            async with open_database(path) as database:
                await database.write(put("k"))
                modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in Path(path.parent).iterdir()}
    finally:
        os.umask(before)

    made = ("x.key", "x.db", "x.db-wal", "x.db-shm", "x.lock", "x.journal-key", "x.journal-head")
    assert dict.fromkeys(made, 0o600) == modes
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


async def test_a_failed_look_keeps_no_old_state(tmp_path):
    """A job that fails half-way through a listing does not keep its reader in the past for as long as its error is kept."""
    async with open_database(tmp_path / "syncd.db") as database:
        await database.write(lambda tx: tx.executemany("INSERT INTO meta (key, value) VALUES (?, 'old')", [("a",), ("b",)]))

        def half_read(tx):
            rows = tx.execute("SELECT value FROM meta")
            for _ in rows:
                raise ValueError

        with pytest.raises(ValueError) as kept:
            await database.read(half_read)
        await database.write(lambda tx: tx.execute("UPDATE meta SET value = 'new'"))
        seen = await database.read(lambda tx: [value for (value,) in tx.execute("SELECT value FROM meta")])

        assert ["new", "new"] == seen
        assert kept.value is not None
