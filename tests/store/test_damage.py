"""Damaged rows: seen before they are used, put out of use, and made good from what the systems show."""

from __future__ import annotations

import pytest

from syncd.core.link import HubField, LinkMember, LinkState
from syncd.core.outcome import HoldKind, Operation
from syncd.core.record import Ref
from syncd.store import control, damage, holds, inbox, journal, links, observations, outbox, planning, writes
from syncd.store.codec import DamagedError, blind, seal, unseal
from syncd.store.database import connect, migrations, prepare
from syncd.store.holds import HoldState, Question
from syncd.store.journal import Entry
from tests.store.build import NAME, ROUTES, A, B, S, arrival, item, linked, look, observe, only, owe, planned, ref, write

COLUMNS = {
    "observations": ("system", "collection", "record_id", "fields", "changed"),
    "links": ("id", "sync", "revision", "state", "hub"),
    "link_members": ("link_id", "sync", "member", "system", "collection", "record_id", "gone", "base", "agreed"),
    "outbox": ("key", "sync", "link_id", "member", "system", "collection", "record_id", "operation", "stream", "payload", "state"),
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
    for error in writes.misplaced(tx):
        raise error
    outbox.lease(tx, ref("1", "b").system, 10**6, until=10**7, limit=9)
    writes.select(tx, list(outbox.State))
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
    tx.execute("UPDATE observations SET fields = x'00'")
    done = damage.mend(tx, DamagedError("observations", ("a", "contacts", "1")), ROUTES, 9)

    assert "the record is read again" == done
    assert {} == observations.load(tx, [ref()])
    assert ["1"] == [each.ref.id for each in inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=9)]
    assert item() in planned(tx)


def test_two_who_meet_a_damaged_row_make_it_good_once(tx):
    """What was read meanwhile is not thrown away by the second, who has nothing to tell."""
    observe(tx, look(at=1))
    tx.execute("UPDATE observations SET fields = x'00'")
    met = DamagedError("observations", ("a", "contacts", "1"))
    damage.mend(tx, met, ROUTES, 9)
    observe(tx, look(at=10))

    assert "" == damage.mend(tx, met, ROUTES, 11)
    assert [ref()] == list(observations.load(tx, [ref()]))


def test_a_damaged_event_is_a_hint(tx):
    """What it said is lost, that it spoke is not."""
    inbox.accept(tx, [arrival("e1", full=True)])
    damage.mend(tx, DamagedError("events", (blind(tx, "e1"),)), ROUTES, 9)
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
    assert "" == damage.mend(tx, caught.value, ROUTES, 9)

    assert (LinkState.UNLINKED, {}, {}) == (after.state, dict(after.members), dict(after.hub))
    assert {item("1"), item("2", B)} <= set(planned(tx))
    assert ["cancelled"] == [each.state.value for each in writes.select(tx, list(outbox.State))]


@pytest.mark.parametrize(("state", "was_sent", "is_linked", "asked"), [
    ("pdnding", False, False, False), ("unknovn", True, False, True), ("sdnt", True, False, True), ("dond", True, True, False),
])  # fmt: skip
def test_a_write_in_no_state_there_is(tx, state, was_sent, is_linked, asked):
    """Nobody would come upon it: it is planned anew, and held where a record may have been made that nobody knows."""
    link = linked(tx, "1", "2")
    owe(tx, link, what=write(B, Operation.CREATE))
    tx.execute("UPDATE outbox SET state = ?, sent_at = ?", (state, 5 if was_sent else None))
    if not is_linked:
        tx.execute("DELETE FROM link_members WHERE member = 'b'")
    (error,) = writes.misplaced(tx)
    damage.mend(tx, error, ROUTES, 9)

    assert [] == writes.misplaced(tx)
    assert "cancelled" == only(tx).state.value
    assert item("1") in planned(tx)
    assert (["unknown_create"] if asked else []) == [each.kind.value for each in holds.select(tx, [HoldState.OPEN])]


def test_a_write_put_off_for_ever_is_due(tx):
    """A flipped bit in its due time must not put a write off for a thousand years."""
    link = linked(tx, "1", "2")
    owe(tx, link)
    tx.execute("UPDATE outbox SET due_at = due_at + (1 << 55)")
    assert [] == outbox.lease(tx, ref("1", "b").system, 5, until=9, limit=9)
    outbox.recover(tx, ref("1", "b").system, 5)

    assert 1 == len(outbox.lease(tx, ref("1", "b").system, 5, until=9, limit=9))


@pytest.mark.parametrize("column", ["seen_at", "read_at"])
def test_a_look_of_later_than_now(tx, column):
    """One flipped time does not set the clock, and does not make every later look old."""
    observe(tx, look(at=10), look("2", at=11))
    tx.execute(f"UPDATE observations SET {column} = {column} + (1 << 52) WHERE record_id = '1'")
    newest = observations.newest(tx)
    doubted = observations.distrust(tx, 12)
    observe(tx, look(at=13, fields={"name": "Grace"}))

    assert (11, [ref()]) == (newest, doubted)
    assert {"name": "Grace"} == observations.load(tx, [ref()])[ref()].fields


@pytest.mark.parametrize("column", ["sync", "member", "record_id", "key", "value"])
def test_a_match_key_that_changed_by_itself(tx, column):
    """The index as a whole knows what was put into it, and is made anew."""
    for number in "12":
        planning.enqueue(tx, [item(number)], 1, "test")
    found = planning.unindexed(tx, item().sync, 9)
    planning.index_keys(tx, [(each, {NAME: f"key {each.item.record_id}"}) for each in found])
    assert planning.index_is_sound(tx, item().sync)
    tx.execute(f"UPDATE match_keys SET {column} = ? WHERE record_id = '1'", (flipped(tx.execute(f"SELECT {column} FROM match_keys").fetchone()[0]),))

    assert not planning.index_is_sound(tx, item().sync)
    assert planning.begin_index(tx, item().sync)
    assert planning.index_is_sound(tx, item().sync)


def test_an_index_from_before_there_was_a_sum(tx):
    """It is believed once, and summed up then."""
    tx.execute("INSERT INTO match_keys VALUES (?, 'a', '1', 'name', 'Ada')", (item().sync,))
    assert not planning.index_is_sound(tx, item().sync)

    assert not planning.begin_index(tx, item().sync)
    assert planning.index_is_sound(tx, item().sync)


@pytest.mark.parametrize("column", ["sync", "member", "record_id"])
def test_a_record_that_seems_to_have_no_link(tx, column):
    """Its link is gone over without being looked for by it."""
    linked(tx, "1", "2")
    linked(tx, "3", "4")
    sync = item().sync
    assert (1, 2, None) == (links.check(tx, sync, 0, 1), links.check(tx, sync, 1, 1), links.check(tx, sync, 2, 1))
    tx.execute(f"UPDATE link_members SET {column} = ? WHERE record_id = '4'", (flipped(tx.execute(f"SELECT {column} FROM link_members").fetchone()[0]),))

    assert 1 == links.check(tx, sync, 0, 1)
    with pytest.raises(DamagedError, match="link_members"):
        links.check(tx, sync, 1, 1)


def test_items_of_nobody_leave_the_list(tx):
    """A member or sync that there is not could never be planned."""
    planning.enqueue(tx, [item("1"), item("2", "c"), item("3", sync="other")], 1, "test")

    assert planning.drop_strangers(tx, {(item().sync, A), (item().sync, B)})
    assert [item("1")] == planned(tx)
    assert not planning.drop_strangers(tx, {(item().sync, A)})


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
    tx.execute("UPDATE links SET hub = x'00'")
    row = DamagedError("links", (link,))
    first = damage.mend(tx, row, ROUTES, 9)
    tx.execute("UPDATE outbox SET state = 'unknown'")

    assert first is None
    assert "the link is taken apart and its records are linked anew" == damage.mend(tx, row, ROUTES, 9)


@pytest.mark.parametrize(("table", "column"), [("holds", "sides"), ("journal", "detail"), ("requests", "arguments")])
def test_what_only_tells_is_let_go(tx, table, column):
    """A damaged question is asked again, a row of the story and a request are lost; everything else goes on."""
    link = linked(tx, "1")
    holds.ask(tx, [Question(sync=S, kind=HoldKind.CONFLICT, reason="r", sides={"a": 1}, link=link)], 1)
    journal.append(tx, [Entry(at=1, run_id=None, sync=S, kind="k", detail={"a": 1}, link=link)])
    control.ask(tx, "reconcile", {"a": 1}, 1)
    tx.execute(f"UPDATE {table} SET {column} = CAST(substr({column}, 1, length({column}) - 1) || x'00' AS BLOB)")

    def read():
        return [*holds.select(tx, [HoldState.OPEN]), *journal.after(tx, 0), *control.open_requests(tx)]

    with pytest.raises(DamagedError) as caught:
        read()
    assert damage.mend(tx, caught.value, ROUTES, 9)
    assert 2 == len(read())
    assert (table == "holds") is (0 < planning.waiting(tx, S))


def test_nothing_is_guessed_of_other_tables(tx):
    """Where nothing safe can be done, it is said."""
    with pytest.raises(DamagedError, match="cursors"):
        damage.mend(tx, DamagedError("cursors", ("a", "contacts")), ROUTES, 9)


def test_a_seal_fits_its_row_only(tx):
    """The same bytes in another row or table are damage."""
    sealed = seal(tx, {"a": 1}, "links", 1)

    assert {"a": 1} == unseal(tx, sealed, "links", 1)
    for other in (("links", 2), ("outbox", 1)):
        with pytest.raises(DamagedError):
            unseal(tx, sealed, *other)
    assert unseal(tx, None, "links", 1) is None


def test_an_older_database_is_sealed_when_it_is_opened(tmp_path):
    """Rows from before there were seals read as they did."""
    old = connect(tmp_path / "old.db")
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
