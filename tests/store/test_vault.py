"""The vault: what is sealed opens for its row only, with the right key only; and another key takes the place of one at any moment."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from syncd.core.errors import UserError
from syncd.core.record import LinkId
from syncd.store import holds, inbox, journal, links, master, observations, rotating, tokens
from syncd.store.codec import DamagedError, blind, mark_of, seal, unseal
from syncd.store.database import connect, prepare
from syncd.store.holds import HoldState
from syncd.store.master import MasterKey, Source, make_text, source_of
from syncd.store.persons import _KEPT, NOBODY
from syncd.store.sealed import SEALED
from syncd.store.vault import number_of
from tests.store.build import PLACE_A, arrival, linked, look, owe, ref

PLAIN = {
    ("cursors", "pass_token"), ("holds", "sides_mark"), ("observations", "fingerprint"), ("bridge_handoffs", "fingerprint"),
    ("polled_items", "fingerprint"), ("journal_chain", "rows"), ("journal_chain", "hash"), ("journal_amends", "sum"),
    ("suspects", "evidence"), ("systems", "quota"), ("systems", "detail"), ("vault_keys", "locked"),
}  # fmt: skip
"""Columns of bytes that tell nothing of a person, or are sealed by themselves."""


class KilledError(Exception):
    """The process ends here."""


def filled(tx):
    """Something sealed in most tables; the link's number."""
    link = linked(tx, "1")
    owe(tx, link)
    observations.observe(tx, [look(at=5)], {PLACE_A: []}, "a test")
    inbox.accept(tx, [arrival("e1")])
    journal.append(tx, [journal.Entry(at=1, run_id=None, sync="s", kind="k", detail={"name": "Ada"}, link=link)])
    tokens.save(tx, ref().system, {"refresh": "Ada"}, 1)
    holds.ask(tx, [holds.Question(sync="s", kind=holds.HoldKind.CONFLICT, reason="Ada or Eve", sides={"a": "Ada"}, link=link)], 3)
    return link


def seen(tx, link):
    """What can be read of all that."""
    return (
        links.load(tx, [link])[link], observations.load(tx, [ref()])[ref()], journal.of_link(tx, link), holds.select(tx, [HoldState.OPEN]),
        tokens.load(tx, ref().system), [each.arrivals for each in inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)],
    )  # fmt: skip


def numbers(tx):
    """Which data keys anything is sealed with."""
    found = set()
    for each in SEALED:
        for (held,) in tx.execute(f"SELECT {each.column} FROM {each.table} WHERE {each.column} IS NOT NULL"):
            found |= {each.key_of(held)} - {None}
    return found


def test_every_sealed_column_is_named(tx):
    """A column of bytes is sealed and named as such, or known to tell nothing; a table is of persons, or known not to be."""
    tables = [name for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
    columns = {(table, row[1]) for table in tables for row in tx.execute(f"PRAGMA table_info({table})") if row[2] == "BLOB"}

    assert columns == {(each.table, each.column) for each in SEALED if not each.is_text} | PLAIN
    assert set(tables) == set(_KEPT) | NOBODY


def test_what_is_sealed_opens_for_its_row_only(tx):
    """A turned bit anywhere, another row, another table: damaged."""
    sealed = seal(tx, {"name": "Ada"}, "links", 1)

    assert {"name": "Ada"} == unseal(tx, sealed, "links", 1)
    assert b"Ada" not in sealed
    for place in range(len(sealed)):
        turned = bytearray(sealed)
        turned[place] ^= 1
        with pytest.raises(DamagedError):
            unseal(tx, bytes(turned), "links", 1)
    for row in (("links", 2), ("outbox", 1)):
        with pytest.raises(DamagedError):
            unseal(tx, sealed, *row)
    with pytest.raises(DamagedError):
        unseal(tx, b"", "links", 1)


def test_no_nonce_is_used_twice(tx):
    """Over a million values, each has a nonce of its own."""
    drawn, draw = set(), tx.vault.random

    def random(count):
        drawn.add(nonce := draw(count))
        return nonce

    tx.vault.random = random
    for _ in range(1_000_000):
        tx.vault.seal(tx, b"", b"")

    assert 1_000_000 == len(drawn)


def test_what_is_blinded_is_the_same_for_the_same_and_differs_between_databases(tx, vault_only):
    """A mark can be looked up, and tells nothing to who has another key."""
    assert blind(tx, "ada@example.com") == blind(tx, "ada@example.com") != blind(tx, "eve@example.com")
    assert blind(tx, "ada@example.com") != blind(vault_only, "ada@example.com")
    assert mark_of(tx, {"a": 1, "b": 2}) == mark_of(tx, {"b": 2, "a": 1}) != mark_of(tx, {"a": 1})


def test_a_key_is_not_shown(tmp_path):
    """Neither as text nor pickled."""
    text = make_text()

    assert text not in repr(MasterKey(text)) + f"{MasterKey(text)}"
    with pytest.raises(TypeError):
        pickle.dumps(MasterKey(text))
    with pytest.raises(UserError, match="no key") as refused:
        MasterKey(text[:-8])
    assert text[:8] not in str(refused.value) + str(refused.value.hint)


def test_another_key_opens_nothing(tmp_path):
    """With a wrong master key nothing is read, written or made; with a missing one neither."""
    with closing(connect(tmp_path / "x.db")) as tx:
        prepare(tx)
        link = filled(tx)
    before = (tmp_path / "x.key").read_text()
    for text in (make_text(), None):
        (tmp_path / "x.key").unlink()
        if text is not None:
            master.write_key(tmp_path / "x.key", text)
        with closing(connect(tmp_path / "x.db")) as tx:
            with pytest.raises(UserError):
                prepare(tx)
            with pytest.raises(UserError):
                links.load(tx, [link])
        assert text is None or (tmp_path / "x.key").exists()
    assert not (tmp_path / "x.key").exists()
    master.write_key(tmp_path / "x.key", before.strip())
    with closing(connect(tmp_path / "x.db")) as tx:
        assert link in links.load(tx, [link])


def test_every_row_can_be_read_wherever_a_rotation_ends(tmp_path, monkeypatch):
    """KilledError after any of its transactions, everything reads as before; run again, nothing is sealed with the old key, which is gone."""
    monkeypatch.setattr(rotating, "BATCH", 1)
    with closing(connect(tmp_path / "x.db")) as tx:
        prepare(tx)
        link = filled(tx)
        expected = seen(tx, link)
    for after in count():
        done = iter(range(after))

        def write(job, done=done):
            if next(done, None) is None:
                raise KilledError
            with closing(connect(tmp_path / "x.db")) as tx:
                tx.execute("BEGIN IMMEDIATE")
                tx.vault.renew(tx)
                result = job(tx)
                tx.execute("COMMIT")
                return result

        try:
            rotating.rotate(write)
        except KilledError:
            with closing(connect(tmp_path / "x.db")) as tx:
                assert expected == seen(tx, link)
            continue
        break
    with closing(connect(tmp_path / "x.db")) as tx:
        assert expected == seen(tx, link)
        ((kept,),) = tx.execute("SELECT DISTINCT number FROM vault_keys WHERE number > 0")
        assert {kept} == numbers(tx)
    assert kept > 1


def test_who_is_connected_goes_on_through_a_rotation(tmp_path):
    """A connection that was open before seals with the new key from its next transaction on, and reads what others sealed."""
    with closing(connect(tmp_path / "x.db")) as tx, closing(connect(tmp_path / "x.db")) as other:
        prepare(tx)
        link = filled(tx)
        expected = seen(other, link)
        rotating.rotate(lambda job: job(tx))

        assert expected == seen(other, link)
        other.vault.renew(other)
        assert number_of(seal(other, 1, "links", 1)) == tx.vault.newest > 1


def test_another_master_key_takes_its_place(tmp_path):
    """While both are known each opens the database; then only the new one."""
    old, new = make_text(), make_text()

    def opened(text):
        tx = connect(tmp_path / "x.db")
        tx.vault.source = Source(tmp_path / "x.db", lambda: text)
        return closing(tx)

    with opened(old) as tx:
        prepare(tx)
        link = filled(tx)
        expected = seen(tx, link)
        rotating.welcome(tx, new)
    for text in (old, new):
        with opened(text) as tx:
            assert expected == seen(tx, link)
    with opened(new) as tx:
        assert [MasterKey(old).id] == rotating.part_with_others(tx)
        assert expected == seen(tx, link)
    with opened(old) as tx, pytest.raises(UserError, match=MasterKey(new).id):
        links.load(tx, [LinkId(link)])


def test_an_older_database_is_written_anew(tmp_path):
    """What was plain in it is on no page of the file or its log when it has been opened once."""
    from syncd.store.database import migrations
    from syncd.store.legacy import teach

    path: Path = tmp_path / "old.db"
    with closing(connect(path)) as old:
        old.execute("PRAGMA journal_mode=WAL")
        teach(old)
        for number, script in enumerate(migrations()[:7], start=1):
            old.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        old.executemany("INSERT INTO match_keys VALUES ('s', 'a', ?, 'email', ?)", [(str(n), f"canary-{n}@example.com") for n in range(300)])
        old.execute("""INSERT INTO journal (at, sync, kind, detail) VALUES (1, 's', 'k', CAST('{"name":"canary"}' AS BLOB))""")
        old.execute("""INSERT INTO holds (key, sync, kind, reason, sides, state, created_at, updated_at)
                    VALUES ('k', 's', 'conflict', 'canary', CAST('{"a":"canary"}' AS BLOB), 'ignored', 1, 1)""")
    assert b"canary" in b"".join(each.read_bytes() for each in tmp_path.glob("old.db*"))
    with closing(connect(path)) as tx:
        prepare(tx)
        held = b"".join(each.read_bytes() for each in tmp_path.glob("old.db*"))
        holds.ask(tx, [], 2)
        told, (asked,) = journal.after(tx, 0)[0].detail, holds.select(tx, [HoldState.IGNORED])

        assert b"canary" not in held
        assert ({"name": "canary"}, "canary", {"a": "canary"}) == (told, asked.reason, asked.sides)
        assert (blind(tx, "canary-7@example.com"),) == tx.execute("SELECT value FROM match_keys WHERE record_id = '7'").fetchone()


def test_a_connection_without_a_vault_opens_nothing(tmp_path):
    """Whoever forgets the vault is told at once."""
    with closing(connect(tmp_path / "x.db")) as tx:
        prepare(tx)
        link = filled(tx)
    with closing(sqlite3.connect(tmp_path / "x.db")) as plain, pytest.raises(AttributeError, match="vault"):
        links.load(plain, [link])
    assert source_of(tmp_path / "x.db").file.exists()
