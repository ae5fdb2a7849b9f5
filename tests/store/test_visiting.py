"""Visiting the database beside its owner."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

import pytest

from syncd.core.errors import StoreError, UserError
from syncd.store import control, visiting
from syncd.store.database import open_database
from tests.store.build import S


def ask(tx):
    return control.ask(tx, "reconcile", {}, 1)


async def test_a_visitor_leaves_a_request_for_the_owner(tmp_path):
    """It is committed, and the owner notices."""
    path = tmp_path / "x.db"
    async with open_database(path) as database:
        before = await database.version()
        number = visiting.leave(path, ask)

        assert [number] == [each.id for each in await database.read(control.open_requests)]
        assert before != await database.version()


async def test_a_visitor_reads_and_writes_nothing(tmp_path):
    """A reading visitor sees what is committed; a write is stopped."""
    path = tmp_path / "x.db"
    async with open_database(path) as database:
        await database.write(ask)
        with visiting.reading(path) as read:
            assert 1 == len(read(control.open_requests))
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                read(ask)
            assert 1 == len(read(control.open_requests))


async def test_who_looks_before_there_is_a_database_sees_what_he_expects_then(tmp_path):
    """Nothing is made by looking; where there is a database, it is what is there."""
    path = tmp_path / "x.db"

    assert ("nothing", []) == (visiting.look(path, control.open_requests, "nothing"), list(tmp_path.iterdir()))
    async with open_database(path) as database:
        await database.write(ask)

        assert 1 == len(visiting.look(path, control.open_requests, []))


async def test_a_failed_visit_leaves_nothing(tmp_path):
    """What raises is undone."""
    path = tmp_path / "x.db"

    def bad(tx):
        ask(tx)
        raise UserError("no")

    async with open_database(path) as database:
        with pytest.raises(UserError):
            visiting.leave(path, bad)

        assert [] == await database.read(control.open_requests)


def test_no_database_is_said_in_words(tmp_path):
    """A visitor never makes a database."""
    with pytest.raises(StoreError), visiting.reading(tmp_path / "none.db"):
        pass

    assert not (tmp_path / "none.db").exists()


def test_another_schema_is_refused(tmp_path):
    """A visitor neither migrates nor reads what it does not know."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as tx:
        tx.execute("PRAGMA user_version=99")

    with pytest.raises(UserError, match="schema 99"), visiting.reading(tmp_path / "x.db"):
        pass
    with pytest.raises(UserError, match="schema 99"):
        visiting.leave(tmp_path / "x.db", ask)


async def test_a_copy_is_whole_and_private(tmp_path):
    """Taken while the owner goes on, with what was committed until then."""
    path, target = tmp_path / "x.db", tmp_path / "copy.db"
    async with open_database(path) as database:
        await database.write(lambda tx: control.meet_sync(tx, S, "one"))
        visiting.copy(path, target)
    with closing(sqlite3.connect(target)) as tx:
        found = tx.execute("SELECT digest FROM syncs").fetchall()

    assert ([("one",)], 0o600) == (found, stat.S_IMODE(target.stat().st_mode))
