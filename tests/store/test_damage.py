"""Damaged rows: seen before they are used, put out of use, and made good from what the systems show."""

from __future__ import annotations

import sqlite3

import pytest

from syncd.core.link import HubField, LinkMember, LinkState
from syncd.core.outcome import Operation
from syncd.core.record import Ref
from syncd.store import damage, holds, inbox, links, observations, outbox
from syncd.store.codec import DamagedError, seal, unseal
from syncd.store.database import migrations, prepare
from syncd.store.holds import HoldState
from tests.store.build import NAME, ROUTES, A, B, arrival, item, linked, look, observe, only, owe, planned, ref, write

COLUMNS = {
    "observations": ("system", "collection", "record_id", "fields", "changed"),
    "links": ("id", "sync", "revision", "state", "hub"),
    "link_members": ("link_id", "member", "system", "collection", "record_id", "gone", "base", "agreed"),
    "outbox": ("key", "link_id", "member", "system", "collection", "record_id", "operation", "payload"),
    "events": ("dedupe_key", "payload"),
}


def whole(tx):
    """One row in every sealed table; the link's number."""
    observe(tx, look(at=1))
    link = links.load(tx, [linked(tx, "1", "2")])
    (only_link,) = link.values()
    hub = {NAME: HubField(value="Ada", winner=A, rule="only value", interval=None)}
    members = {name: LinkMember(ref=each.ref, base={NAME: "Ada"}, agreed={NAME: "Ada"}) for name, each in only_link.members.items()}
    links.save(tx, [type(only_link)(id=only_link.id, sync=only_link.sync, revision=3, hub=hub, members=members)], 5)
    owe(tx, only_link.id)
    inbox.accept(tx, [arrival("e1")])
    return only_link.id


def read_all(tx, link):
    """Everything that a write could come from."""
    observations.load(tx, [Ref(*row) for row in tx.execute("SELECT system, collection, record_id FROM observations")])
    links.load(tx, [link, *(row[0] for row in tx.execute("SELECT id FROM links"))])
    outbox.lease(tx, ref("1", "b").system, 10**6, until=10**7, limit=9)
    outbox.select(tx, list(outbox.State))
    inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)


def flipped(value):
    """The value with one bit turned."""
    if isinstance(value, int):
        return value ^ 1
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[len(data) // 2] ^= 1
    return data.decode(errors="replace") if isinstance(value, str) else bytes(data)


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in COLUMNS.items() for column in columns])
def test_one_bit_in_any_column_is_seen(tx, table, column):
    """Whatever of a row changed by itself, no value of it is handed out."""
    link = whole(tx)
    read_all(tx, link)
    tx.execute("UPDATE outbox SET lease_until = NULL")
    tx.execute("PRAGMA foreign_keys=OFF")
    (before,) = tx.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
    tx.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (flipped(before), before))

    with pytest.raises(DamagedError) as caught:
        read_all(tx, link)
    assert caught.value.table in (table, "links")


def test_a_damaged_observation_is_read_again(tx):
    """It is forgotten, and the record is looked at as if somebody had spoken of it."""
    observe(tx, look(at=1))
    done = damage.mend(tx, DamagedError("observations", ("a", "contacts", "1")), ROUTES, 9)

    assert "the record is read again" == done
    assert {} == observations.load(tx, [ref()])
    assert ["1"] == [each.ref.id for each in inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)]
    assert item() in planned(tx)


def test_a_damaged_event_is_a_hint(tx):
    """What it said is lost, that it spoke is not."""
    inbox.accept(tx, [arrival("e1", full=True)])
    damage.mend(tx, DamagedError("events", ("e1",)), ROUTES, 9)
    ((only_one,),) = [each.arrivals for each in inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)]

    assert (None, False) == (only_one.fields, only_one.full)


@pytest.mark.parametrize("table", ["links", "link_members"])
def test_a_damaged_link_is_taken_apart(tx, table):
    """Its records are free and planned, so that they find each other by their keys; what it owed is taken back."""
    link = whole(tx)
    tx.execute(f"UPDATE {table} SET {'hub' if table == 'links' else 'base'} = x'00'")
    with pytest.raises(DamagedError) as caught:
        links.load(tx, [link])
    damage.mend(tx, caught.value, ROUTES, 9)
    after = links.load(tx, [link])[link]

    assert (LinkState.UNLINKED, {}, {}) == (after.state, dict(after.members), dict(after.hub))
    assert {item("1"), item("2", B)} <= set(planned(tx))
    assert ["cancelled"] == [each.state.value for each in outbox.select(tx, list(outbox.State))]


@pytest.mark.parametrize("state", ["pending", "sent", "unknown", "done", "dead"])
def test_a_damaged_write(tx, state):
    """One that was not sent is planned anew; a create that may have been made is held; what is over stays so."""
    link = linked(tx, "1")
    owe(tx, link, what=write(B, Operation.CREATE))
    key = only(tx).key
    tx.execute("UPDATE outbox SET state = ?", (state,))
    damage.mend(tx, DamagedError("outbox", (key, link)), ROUTES, 9)
    asked = [each.kind.value for each in holds.select(tx, [HoldState.OPEN])]

    assert (state if state in ("sent", "done", "dead") else "cancelled") == only(tx).state.value
    assert (["unknown_create"] if state == "unknown" else []) == asked


def test_a_link_with_a_call_under_way_is_left_alone(tx):
    """Its outcome has a row to be recorded in; the link is taken apart afterwards."""
    link = whole(tx)
    tx.execute("UPDATE outbox SET state = 'sent'")
    row = DamagedError("links", (link,))
    first = damage.mend(tx, row, ROUTES, 9)
    tx.execute("UPDATE outbox SET state = 'unknown'")

    assert first is None
    assert "the link is taken apart and its records are linked anew" == damage.mend(tx, row, ROUTES, 9)


def test_nothing_is_guessed_of_other_tables(tx):
    """Where nothing safe can be done, it is said."""
    with pytest.raises(DamagedError, match="cursors"):
        damage.mend(tx, DamagedError("cursors", ("a", "contacts")), ROUTES, 9)


def test_a_seal_fits_its_row_only():
    """The same bytes in another row or table are damage."""
    sealed = seal({"a": 1}, "links", 1)

    assert {"a": 1} == unseal(sealed, "links", 1)
    for other in (("links", 2), ("outbox", 1)):
        with pytest.raises(DamagedError):
            unseal(sealed, *other)
    assert unseal(None, "links", 1) is None


def test_an_older_database_is_sealed_when_it_is_opened(tmp_path):
    """Rows from before there were seals read as they did."""
    old = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    old.executescript(f"BEGIN;{migrations()[0]}PRAGMA user_version=1;COMMIT;")
    old.execute("INSERT INTO observations (system, collection, record_id, fields, fingerprint, changed, seen_at)"
                """ VALUES ('a', 'contacts', '1', CAST('{"name":"Ada"}' AS BLOB), x'', CAST('{}' AS BLOB), 7)""")
    old.execute("""INSERT INTO links (id, sync, revision, state, hub, created_at, updated_at) VALUES (1, 's', 2, 'live', CAST('{}' AS BLOB), 0, 0)""")
    for member in "ba":
        old.execute("INSERT INTO link_members (link_id, sync, member, system, collection, record_id, base, agreed, gone)"
                    """ VALUES (1, 's', ?, ?, 'contacts', '1', CAST('{"name":"Ada"}' AS BLOB), CAST('{}' AS BLOB), 0)""", (member, member))
    old.execute("INSERT INTO outbox (key, sync, link_id, member, system, collection, operation, stream, payload, revision, priority, state, due_at, created_at)"
                """ VALUES ('k', 's', 1, 'b', 'b', 'contacts', 'create', 'creates', CAST('[{"name":"Ada"},{}]' AS BLOB), 2, 10, 'done', 0, 0)""")
    old.execute("INSERT INTO events (system, collection, record_id, dedupe_key, change, payload, is_full, received_at)"
                """ VALUES ('a', 'contacts', '1', 'e', 'changed', CAST('{"name":"Ada"}' AS BLOB), 0, 3)""")
    prepare(old)
    seen = observations.load(old, [ref()])[ref()]
    link = links.load(old, [1])[1]
    old_write, old_event = only(old), inbox.due(old, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)[0].arrivals[0]
    old.close()

    assert ({"name": "Ada"}, 7, 7) == (seen.fields, seen.seen_at, seen.read_at)
    assert (2, {"a", "b"}, {"name": "Ada"}) == (link.revision, set(link.members), link.members[A].base)
    assert ({"name": "Ada"}, {"name": "Ada"}) == (old_write.values, old_event.fields)
