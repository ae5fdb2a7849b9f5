"""What a decision was before and after, and who asked for it, is proved by the chain: any edit is found, also by who has the key that seals the
database; and who is forgotten leaves proofs behind and no values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncd.core.record import LinkId, SyncName
from syncd.store import chain, journal, persons
from syncd.store.chain import key_beside
from syncd.store.codec import seal, unseal
from syncd.store.database import Connection, connect, open_database
from syncd.store.journal import Entry
from syncd.store.persons import Person

ASKED, FIRST, SECOND, OTHERS = 1, 2, 3, 4
"""The rows: a person asks, two decisions about the first link, one about another."""


def decided(link: int, before: str, value: str) -> Entry:
    detail = {"field": "name", "before": before, "value": value, "winner": "a", "rule": "later edit", "losers": {"b": "Eve"}}
    return Entry(at=1, run_id=1, sync=SyncName("s"), kind="field.decided", detail=detail, link=LinkId(link))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with that story, in two commits."""
    path = tmp_path / "syncd.db"
    asked = Entry(at=1, run_id=1, sync=SyncName(""), kind="person.asked", detail={"by": "ada (1000)", "asked": "undo"})
    async with open_database(path) as database:
        await database.write(lambda tx: journal.append(tx, [asked, decided(1, "Ada", "Adah")]))
        await database.write(lambda tx: journal.append(tx, [decided(1, "Adah", "Adele"), decided(2, "Bob", "Rob")]))
    return path


def rewrite(tx: Connection, row: int, **detail: Any) -> None:
    """Edits a row's detail as whoever has the key of the database can: opened, changed, and sealed rightly for its row."""
    link, held = tx.execute("SELECT link_id, detail FROM journal WHERE id = ?", (row,)).fetchone()
    told = {**unseal(tx, held, "journal", row, link), **detail}
    tx.execute("UPDATE journal SET detail = ? WHERE id = ?", (seal(tx, told, "journal", row, link), row))


def swap(tx: Connection) -> None:
    """The second decision before the first, each sealed rightly for its new place."""
    told = {row: unseal(tx, tx.execute("SELECT detail FROM journal WHERE id = ?", (row,)).fetchone()[0], "journal", row, 1) for row in (FIRST, SECOND)}
    rewrite(tx, FIRST, **told[SECOND])
    rewrite(tx, SECOND, **told[FIRST])


def faults(path: Path) -> list[tuple[int, str]]:
    with closing(connect(path)) as tx:
        return [(each.row, each.what) for each in chain.verify(tx, key_beside(path)).faults]


def edited(path: Path, deed: Callable[[Connection], object]) -> list[tuple[int, str]]:
    with closing(connect(path)) as tx:
        deed(tx)
    return faults(path)


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        (lambda tx: rewrite(tx, FIRST, before="Anna"), {FIRST: "it is not what was written"}),
        (lambda tx: rewrite(tx, FIRST, value="Anna"), {FIRST: "it is not what was written"}),
        (lambda tx: rewrite(tx, SECOND, losers={}), {SECOND: "it is not what was written"}),
        (lambda tx: rewrite(tx, ASKED, by="eve (1001)"), {ASKED: "it is not what was written"}),
        (lambda tx: rewrite(tx, OTHERS), {OTHERS: "it is not what was written"}),
        (swap, {FIRST: "it is not what was written", SECOND: "it is not what was written"}),
        (lambda tx: tx.execute("UPDATE journal SET at = 2 WHERE id = 3"), {SECOND: "it is not what was written"}),
        (lambda tx: tx.execute("DELETE FROM journal WHERE id = 3"), {SECOND: "it was removed"}),
        (lambda tx: tx.execute("DELETE FROM journal_chain WHERE last_id = 2"),
         {SECOND: "the chain is broken before row 3: links were removed, put in or changed", 0: "2 rows were put in before the journal's beginning"}),
        (lambda tx: rewrite(tx, FIRST, before="Anna") or chain.amend(tx, b"x" * 32, [FIRST], 1), {FIRST: "it is not what was written"}),
    ],
    ids=["before", "after", "losers", "actor", "sealed anew", "order", "time", "row removed", "link removed", "amended with another key"],
)
async def test_any_edit_of_a_decision_is_found(path: Path, deed: Callable[[Connection], object], found: dict[int, str]) -> None:
    """Whatever it is in: the value before, the value after, who lost, who asked, the order, the moment; and a row or a link that is missing."""
    assert [] == faults(path)

    assert sorted(found.items()) == sorted(edited(path, deed))


async def test_who_is_forgotten_leaves_proofs_and_no_values(path: Path) -> None:
    """The rows go, the chain holds; and afterwards any other edit is found as before, also one that calls itself forgotten."""
    with closing(connect(path)) as tx:
        tx.execute("BEGIN")
        persons.erase(tx, Person(refs=frozenset(), links=frozenset({LinkId(1)})), {}, {}, 9)
        tx.execute("COMMIT")
        left = [row for (row,) in tx.execute("SELECT id FROM journal ORDER BY id")]
        held = chain.verify(tx, key_beside(path))
    async with open_database(path) as database:
        await database.write(lambda tx: journal.append(tx, [decided(2, "Rob", "Bob")]))

    def pretend(tx: Connection) -> None:
        tx.execute("DELETE FROM journal WHERE id = ?", (OTHERS,))
        tx.execute("INSERT INTO journal_amends SELECT ?, sum, at FROM journal_amends WHERE id = ?", (OTHERS, SECOND))

    assert [ASKED, OTHERS] == left
    assert (2, 2, ()) == (held.rows, held.amended, held.faults)
    assert [] == faults(path)
    assert [(OTHERS, "it was removed")] == edited(path, pretend)
    assert [(ASKED, "it is not what was written"), (OTHERS, "it was removed")] == edited(path, lambda tx: rewrite(tx, ASKED, by="eve (1001)"))
