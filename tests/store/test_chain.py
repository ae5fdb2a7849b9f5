"""The journal's chain: an edited, a removed and an inserted row are found and named; what syncd does itself is not."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncd.core.errors import StoreError
from syncd.core.record import LinkId, SyncName
from syncd.store import chain, journal, persons, rotating
from syncd.store.chain import Verified, key_beside
from syncd.store.chain_head import HeadFile
from syncd.store.database import Database, connect, open_database
from syncd.store.journal import Entry
from syncd.store.persons import Person


def entry(number: int, at: int = 1) -> Entry:
    return Entry(at=at, run_id=1, sync=SyncName("contacts"), kind="field.decided", detail={"field": "name", "value": number}, link=LinkId(number))


async def wrote(database: Database, *numbers: int, at: int = 1) -> None:
    """One commit with these rows."""
    await database.write(lambda tx: journal.append(tx, [entry(each, at) for each in numbers]))


async def verified(path: Path) -> Verified:
    async with open_database(path) as database:
        return await database.read(lambda tx: chain.verify(tx, key_beside(path)))


def tampered(path: Path, statement: str, *values: Any) -> None:
    """What somebody does with the file and no key."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


async def made(path: Path) -> None:
    async with open_database(path) as database:
        for numbers in ((1, 2, 3), (4,), (5, 6)):
            await wrote(database, *numbers)


async def test_what_was_written_fits(tmp_path: Path) -> None:
    """Across commits and lives; the key is its owner's alone."""
    path = tmp_path / "syncd.db"
    await made(path)
    async with open_database(path) as database:
        await wrote(database, 7)
    found = await verified(path)

    assert Verified(rows=7, amended=0, open=0, from_row=1, faults=()) == found
    assert 0o600 == stat.S_IMODE((tmp_path / "syncd.journal-key").stat().st_mode)


@pytest.mark.parametrize(
    ("statement", "row", "what"),
    [
        ("UPDATE journal SET detail = CAST('{\"field\":\"name\",\"value\":9}' AS BLOB) WHERE id = 4", 4, "not what was written"),
        ("UPDATE journal SET at = 2 WHERE id = 2", 2, "not what was written"),
        ("UPDATE journal SET member = 'x' WHERE id = 6", 6, "not what was written"),
        ("DELETE FROM journal WHERE id = 3", 3, "it was removed"),
        ("DELETE FROM journal WHERE id = 6", 6, "it was removed"),
        ("INSERT INTO journal (at, sync, kind, detail) VALUES (1, 'contacts', 'x', x'7b7d')", 7, "put in by somebody else"),
        ("DELETE FROM journal_chain WHERE last_id = 4", 5, "the chain is broken before row 5"),
        ("UPDATE journal_chain SET rows = zeroblob(8) WHERE last_id = 4", 4, "the chain is broken before row 4"),
        ("UPDATE journal_chain SET origin = 'before' WHERE last_id = 4", 4, "the chain is broken before row 4"),
    ],
)
async def test_what_somebody_did_is_named(tmp_path: Path, statement: str, row: int, what: str) -> None:
    """Also after syncd has gone on writing."""
    path = tmp_path / "syncd.db"
    await made(path)
    tampered(path, statement)
    async with open_database(path) as database:
        await wrote(database, 8)
    faults = (await verified(path)).faults

    assert any(each.row == row and what in each.what for each in faults), faults


async def test_an_undone_job_leaves_the_chain_whole(tmp_path: Path) -> None:
    """A job that fails, and a commit that fails, chain nothing."""
    path = tmp_path / "syncd.db"

    def fails(tx: Any) -> None:
        journal.append(tx, [entry(99)])
        raise ValueError("no")

    async with open_database(path) as database:
        await wrote(database, 1)
        with pytest.raises(ValueError, match="no"):
            await database.write(fails)
        await wrote(database, 2)

    assert (2, ()) == ((found := await verified(path)).rows, found.faults)


async def test_a_journal_of_before_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows a commit, in their order, and never taken for somebody else's."""
    monkeypatch.setattr(chain, "BACKLOG", 3)
    path = tmp_path / "syncd.db"
    async with open_database(path) as database:
        await database.write(lambda tx: journal.append(tx, [entry(each) for each in range(8)]))
        await database.write(lambda tx: tx.execute("DELETE FROM journal_chain"))
    async with open_database(path) as database:
        for number in range(4):
            await wrote(database, number)

    assert (12, ()) == ((found := await verified(path)).rows, found.faults)


async def test_pruning_keeps_it_verifiable(tmp_path: Path) -> None:
    """By whole links, from the last of which the chain goes on; that anchor cannot be changed either."""
    path = tmp_path / "syncd.db"
    async with open_database(path) as database:
        for at, numbers in ((1, (1, 2)), (2, (3, 4)), (3, (5,)), (9, (6, 7))):
            await wrote(database, *numbers, at=at)
        gone = await database.write(lambda tx: chain.prune(tx, 3))
        await wrote(database, 8, at=10)
    found = await verified(path)
    tampered(path, "UPDATE journal_chain SET hash = zeroblob(16) WHERE rows = x''")
    after = await verified(path)

    assert (4, 4, 5, ()) == (gone, found.rows, found.from_row, found.faults)
    assert 1 == len(after.faults)


async def test_what_syncd_forgets_is_no_fault(tmp_path: Path) -> None:
    """It says so with the key; a second change of the same row by somebody else is one."""
    path = tmp_path / "syncd.db"
    await made(path)
    key = key_beside(path)
    async with open_database(path) as database:

        def forget(tx: Any) -> None:
            tx.execute("UPDATE journal SET detail = x'7b7d' WHERE id = 2")
            tx.execute("DELETE FROM journal WHERE id = 5")
            chain.amend(tx, key, [2, 5], 7)

        await database.write(forget)
    found = await verified(path)
    tampered(path, "UPDATE journal SET detail = x'7b2020207d' WHERE id = 2")
    after = await verified(path)

    assert (4, 2, ()) == (found.rows, found.amended, found.faults)
    assert [2] == [each.row for each in after.faults]


async def test_a_key_that_is_no_key(tmp_path: Path) -> None:
    """It is said to be damaged or missing, and never made up for."""
    path = tmp_path / "syncd.db"
    await made(path)
    key = tmp_path / "syncd.journal-key"
    key.write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        key_beside(path)
    key.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        key_beside(path)

    assert not key.exists()


async def test_another_key(tmp_path: Path) -> None:
    """Where the key is gone, what was chained with it cannot be verified, and that is said; what follows can be."""
    path = tmp_path / "syncd.db"
    await made(path)
    (tmp_path / "syncd.journal-key").unlink()
    async with open_database(path) as database:
        await wrote(database, 7)
    found = await verified(path)

    assert 1 == found.rows
    assert all("another key" in each.what for each in found.faults)


async def test_what_syncd_changes_itself_is_no_fault(tmp_path: Path) -> None:
    """Rows that are sealed with another key, and rows of a person who was forgotten, fit as what they are now."""
    path = tmp_path / "syncd.db"
    await made(path)
    with closing(connect(path)) as tx:
        tx.vault.open(tx)
        rotating.rotate(lambda job: job(tx))
        turned = chain.verify(tx, key_beside(path))
        tx.execute("BEGIN")
        persons.erase(tx, Person(refs=frozenset(), links=frozenset({LinkId(2)})), {}, {}, 9)
        tx.execute("COMMIT")
        forgotten = chain.verify(tx, key_beside(path))

    assert (6, 6, ()) == (turned.rows + turned.amended, turned.amended, turned.faults)
    assert (6, ()) == (forgotten.amended, forgotten.faults)


async def test_a_journal_that_was_let_go_altogether_goes_on(tmp_path: Path) -> None:
    """No number is given a second time, and what is written then fits."""
    path = tmp_path / "syncd.db"
    await made(path)
    async with open_database(path) as database:
        await database.write(lambda tx: chain.prune(tx, 2))
        await wrote(database, 8, at=3)
        numbers = await database.read(lambda tx: tx.execute("SELECT id FROM journal").fetchall())

    assert [(7,)] == numbers
    assert Verified(rows=1, amended=0, open=0, from_row=7, faults=()) == await verified(path)


async def verified_at_its_end(path: Path) -> list[tuple[int, str]]:
    key = key_beside(path)
    mark = HeadFile(path, key).read()
    with closing(connect(path)) as tx:
        return [(each.row, each.what) for each in chain.verify(tx, key, mark).faults]


CUT = ("DELETE FROM journal WHERE id > 4", "DELETE FROM journal_chain WHERE last_id > 4")


async def test_rows_cut_off_at_the_end_are_missed(tmp_path: Path) -> None:
    """With their links; also once syncd has gone on writing under the same numbers, in this life and the next, until they would be gone anyway."""
    path = tmp_path / "syncd.db"
    await made(path)
    whole = await verified_at_its_end(path)
    for each in CUT:
        tampered(path, each)
    at_once = await verified_at_its_end(path)
    for numbers in ((7, 8, 9), (10,)):
        async with open_database(path) as database:
            await wrote(database, *numbers)
    later = await verified_at_its_end(path)
    async with open_database(path) as database:
        await database.write(lambda tx: chain.prune(tx, 2))
        await wrote(database, 11, at=3)

    assert [] == whole
    assert [5] == [row for row, what in at_once if "rows 5 to 6 were cut off" in what]
    assert [5] == [row for row, what in later if "rows 5 to 6 were cut off" in what]
    assert [] == await verified_at_its_end(path)
    assert 0o600 == stat.S_IMODE((tmp_path / "syncd.journal-head").stat().st_mode)


async def test_a_tail_that_was_written_anew_is_missed(tmp_path: Path) -> None:
    """A cut that is filled up by others' rows before anybody looks: the chain does not lead where it had been."""
    path = tmp_path / "syncd.db"
    await made(path)
    head = (tmp_path / "syncd.journal-head").read_bytes()
    for each in CUT:
        tampered(path, each)
    (tmp_path / "syncd.journal-head").unlink()
    async with open_database(path) as database:
        await wrote(database, 7, 8, 9)
    (tmp_path / "syncd.journal-head").write_bytes(head)

    assert [5] == [row for row, what in await verified_at_its_end(path) if "were cut off" in what]


async def test_the_file_of_the_end_is_proved(tmp_path: Path) -> None:
    """Another number in it is no word of ours; and without the file nothing is missed, as at the first start of this syncd."""
    path, file = tmp_path / "syncd.db", tmp_path / "syncd.journal-head"
    await made(path)
    for each in CUT:
        tampered(path, each)
    file.write_text(file.read_text().replace("6 ", "4 ", 1))
    forged = await verified_at_its_end(path)
    file.unlink()

    assert [(0, True)] == [(row, "not what was written" in what) for row, what in forged]
    assert [] == await verified_at_its_end(path)


async def test_a_commit_that_the_file_did_not_hear_of_is_no_fault(tmp_path: Path) -> None:
    """Killed between the commit and the line: the file lags, which tells nothing wrong."""
    path, file = tmp_path / "syncd.db", tmp_path / "syncd.journal-head"
    await made(path)
    before = file.read_bytes()
    async with open_database(path) as database:
        await wrote(database, 7)
    file.write_bytes(before)

    assert [] == await verified_at_its_end(path)
