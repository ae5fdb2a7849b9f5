"""The outbox: one open write a target, sent before it is called, recorded only by who holds the lease."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.guard import Direction
from syncd.core.outcome import Operation, Write
from syncd.core.record import FieldName, LinkId, SystemName
from syncd.store import observations, outbox, writes
from syncd.store.codec import seal
from syncd.store.outbox import State
from tests.store.build import OTHER, A, B, S, lease, linked, only, owe, write

SYSTEM = SystemName("b")
CREATE = write(operation=Operation.CREATE)


def states(tx):
    return writes.counts(tx)


# ---- the key


@given(st.dictionaries(st.sampled_from(["name", "email", "tags"]).map(FieldName), st.none() | st.text() | st.lists(st.text()), min_size=1))
def test_the_key_can_be_made_again(vault_only, values):
    """The same plan over the same link gives the same key whatever the order of its fields, and does not depend on what was expected."""
    one = Write(member=B, operation=Operation.UPDATE, values=values, expected={})
    same = Write(member=B, operation=Operation.UPDATE, values=dict(reversed(values.items())), expected={FieldName("name"): 1})

    assert outbox.key_of(vault_only, LinkId(1), 2, one) == outbox.key_of(vault_only, LinkId(1), 2, same)


def test_the_key_tells_different_writes_apart(tx):
    """Another link, revision, member, operation or value is another write."""
    keys = {
        outbox.key_of(tx, LinkId(link), revision, write(member, operation, name=value))
        for link in (1, 2)
        for revision in (1, 2)
        for member in (A, B)
        for operation in (Operation.UPDATE, Operation.CREATE)
        for value in ("x", None)
    }

    assert 32 == len(keys)


def test_a_rebuilt_outbox_owes_the_same_key(tx):
    """Planned again after everything was lost, a write has the key it had."""
    link = linked(tx, "1")
    owe(tx, link)
    before = only(tx).key
    tx.execute("DELETE FROM outbox")
    owe(tx, link, at=99)

    assert before == only(tx).key


def test_a_key_with_other_content_is_a_broken_invariant(tx):
    """The same key never stands for two contents."""
    link = linked(tx, "1")
    owe(tx, link)
    row = tx.execute("SELECT key, link_id, member, system, collection, record_id, operation FROM outbox").fetchone()
    tx.execute("UPDATE outbox SET payload = ?", (seal(tx, [{"name": "other"}, {}], "outbox", *row),))

    with pytest.raises(AssertionError, match="other content"):
        owe(tx, link)


# ---- owing


def test_the_same_plan_owes_nothing_new(tx):
    """Planned twice, a write is owed once, also when it was carried out or given up meanwhile."""
    link = linked(tx, "1")

    assert [True, False] == [owe(tx, link), owe(tx, link)]
    (owed,) = lease(tx, 0)
    outbox.settle(tx, owed, State.DEAD, 1, error="no")
    assert not owe(tx, link)
    assert {"dead": 1} == states(tx)


def test_a_newer_plan_takes_the_place_of_what_waits(tx):
    """At most one write of a link to a member is open."""
    link = linked(tx, "1")
    owe(tx, link)
    owe(tx, link, revision=2, what=write(name="Ben"))

    assert {"cancelled": 1, "pending": 1} == states(tx)
    assert ["Ben"] == [each.values["name"] for each in lease(tx, 0)]


@pytest.mark.parametrize(("name", "priority"), [("Ada", 30), ("Ben", 10)])
def test_what_takes_the_place_of_the_backlog_is_of_it(tx, name, priority):
    """Planned again with nothing more in it, a write stays as little urgent as it was; one that brings somebody's change does not."""
    link = linked(tx, "1")
    owe(tx, link, priority=30)
    owe(tx, link, revision=2, what=write(name=name), priority=10)

    assert [priority] == [each.priority for each in lease(tx, 0)]


def test_a_write_that_was_taken_back_can_be_owed_again(tx):
    """A plan that comes back to what it owed before owes it, afresh."""
    link = linked(tx, "1")
    owe(tx, link)
    outbox.cancel(tx, [(link, B)], 1)

    assert owe(tx, link, at=2)
    assert {"pending": 1} == states(tx)


def test_two_open_writes_to_one_target_are_refused_by_the_schema(tx):
    """Even a mistake in the code cannot put them there while one is in the air."""
    link = linked(tx, "1")
    owe(tx, link)
    outbox.mark_sent(tx, lease(tx, 0), 1)

    with pytest.raises(sqlite3.IntegrityError):
        owe(tx, link, revision=2, what=write(name="Ben"))


def test_a_write_in_the_air_is_not_taken_back(tx):
    """Nothing can call back a call."""
    link = linked(tx, "1")
    owe(tx, link)
    outbox.mark_sent(tx, lease(tx, 0), 1)
    outbox.cancel(tx, [(link, B)], 2)

    assert {"sent": 1} == states(tx)


def test_a_write_comes_back_whole(tx):
    """What was planned is what is leased."""
    what = write(name=None, tags=["é"])
    owe(tx, linked(tx, "1"), what=what, revision=3, priority=7, run_id=5)
    (owed,) = lease(tx, 0)

    assert (what, 3, 7, 5, State.PENDING, 0) == (owed.write, owed.revision, owed.priority, owed.run_id, owed.state, owed.attempts)


# ---- leasing


def test_the_most_urgent_comes_first(tx):
    """By priority, then by when it fell due; what is not due yet does not come."""
    for number, priority, at in (("1", 30, 1), ("2", 10, 5), ("3", 10, 2), ("4", 0, 99)):
        owe(tx, linked(tx, number), number=number, priority=priority, at=at)

    assert ["3", "2", "1"] == [owed.ref.id for owed in lease(tx, 10)]
    assert 99 == outbox.next_due(tx, SYSTEM)


def test_a_write_in_the_air_is_due_when_its_lease_ends(tx):
    """Whoever made the call is then lost, and what became of it is looked into, though its target be a suspect."""
    owe(tx, linked(tx, "1"))
    outbox.mark_sent(tx, lease(tx, 0, until=50), 1)
    observations.suspect(tx, [only(tx).ref], "why", 0)

    assert 50 == outbox.next_due(tx, SYSTEM)
    assert [State.UNKNOWN] == [each.state for each in lease(tx, 50)]


def test_a_leased_write_is_not_leased_again(tx):
    """Until the lease ends; then its first holder may record nothing any more."""
    owe(tx, linked(tx, "1"))
    (first,) = lease(tx, 0, until=50)
    assert [] == lease(tx, 49)
    (second,) = lease(tx, 50, until=100)

    assert [] == outbox.mark_sent(tx, [first], 51)
    assert not outbox.settle(tx, first, State.DONE, 51)
    assert [second] == outbox.mark_sent(tx, [second], 52)
    assert outbox.settle(tx, second, State.DONE, 53)
    assert {"done": 1} == states(tx)


def test_a_sent_write_whose_lease_ran_out_is_unknown(tx):
    """Its worker is lost, so nobody knows: it is not sent again but looked into, and the lost worker records nothing."""
    owe(tx, linked(tx, "1"))
    (first,) = lease(tx, 0, until=50)
    outbox.mark_sent(tx, [first], 1)
    assert [] == lease(tx, 49)
    (second,) = lease(tx, 50)

    assert State.UNKNOWN is second.state
    assert not outbox.settle(tx, first, State.DONE, 51)


def test_a_settled_write_cannot_be_settled_again(tx):
    """An outcome is recorded once."""
    owe(tx, linked(tx, "1"))
    (owed,) = lease(tx, 0)
    outbox.mark_sent(tx, [owed], 1)

    assert [True, False] == [outbox.settle(tx, owed, State.DONE, 2), outbox.settle(tx, owed, State.PENDING, 3, due_at=3)]
    assert {"done": 1} == states(tx)


def test_a_cancelled_write_is_not_sent(tx):
    """A write that was taken back between lease and call is not made."""
    link = linked(tx, "1")
    owe(tx, link)
    leased = lease(tx, 0)
    outbox.cancel(tx, [(link, B)], 1)

    assert [] == outbox.mark_sent(tx, leased, 2)
    assert not outbox.settle(tx, leased[0], State.DONE, 3)


def test_writes_to_one_record_go_one_after_the_other(tx):
    """Two syncs that write to the same record do not do so at once, nor within one lease; other records do not wait."""
    owe(tx, linked(tx, "1"), at=1)
    owe(tx, linked(tx, "1", sync=OTHER), sync=OTHER, at=2)
    owe(tx, linked(tx, "2"), number="2", at=3)
    first = lease(tx, 10)
    assert ["s", "s"] == [owed.sync for owed in first]
    assert [] == lease(tx, 11)
    outbox.mark_sent(tx, first, 12)
    assert [] == lease(tx, 13)
    outbox.settle(tx, first[0], State.DONE, 14)

    assert ["other"] == [owed.sync for owed in lease(tx, 15)]


def test_creates_of_different_links_go_side_by_side(tx):
    """A create has no record yet, so it waits for no other."""
    for number in "123":
        owe(tx, linked(tx, number), number=number, what=CREATE)

    assert 3 == len(lease(tx, 0))
    assert [] == lease(tx, 1)


def test_an_unknown_write_holds_its_record(tx):
    """While nobody knows what became of a write, the next one to that record waits for it."""
    owe(tx, linked(tx, "1"), at=1)
    (first,) = lease(tx, 2)
    outbox.mark_sent(tx, [first], 2)
    outbox.settle(tx, first, State.UNKNOWN, 3, due_at=1000)
    owe(tx, linked(tx, "1", sync=OTHER), sync=OTHER, at=4)

    assert [] == [owed.sync for owed in lease(tx, 5)]


# ---- after a crash


def test_recovery_makes_what_was_in_the_air_unknown(tx):
    """Pending writes are leased anew; those in the air are of unknown outcome and due at once; old leases are void."""
    for number in "123":
        owe(tx, linked(tx, number), number=number)
    leased = lease(tx, 0, until=10**9, limit=2)
    outbox.mark_sent(tx, leased[:1], 1)

    assert 0 == outbox.recover(tx, SystemName("a"), 5)
    assert 1 == outbox.recover(tx, SYSTEM, 5)
    assert {"pending": 2, "unknown": 1} == states(tx)
    assert not any(outbox.settle(tx, each, State.DONE, 6) for each in leased)
    assert {"1": State.UNKNOWN, "2": State.PENDING, "3": State.PENDING} == {owed.ref.id: owed.state for owed in lease(tx, 5)}


def test_links_with_something_in_the_air_are_known(tx):
    """A call on its way keeps its link busy, one of unknown outcome puts its member in doubt; pending, parked and done do neither."""
    first, second, third = (linked(tx, number) for number in "123")
    for link, number in ((first, "1"), (second, "2"), (third, "3")):
        owe(tx, link, number=number)
    leased = lease(tx, 0)
    outbox.mark_sent(tx, leased[:2], 1)
    outbox.settle(tx, leased[1], State.UNKNOWN, 2, due_at=3)

    found = outbox.in_flight(tx, [first, second, third])

    assert ({first}, {second: {B}}) == (found.busy, found.doubtful)


# ---- gates, failures


def test_a_gate_keeps_its_writes_until_it_opens(tx):
    """Parked writes are not leased; opening a gate lets through what waited behind it and nothing else."""
    owe(tx, linked(tx, "1"), gate="g")
    owe(tx, linked(tx, "2"), number="2", gate="h")
    assert [] == lease(tx, 0)

    assert [1, 0] == [outbox.open_gate(tx, "g", 5), outbox.open_gate(tx, "g", 6)]
    assert ["1"] == [owed.ref.id for owed in lease(tx, 5)]
    assert {"parked": 1, "pending": 1} == states(tx)


def test_recent_writes_are_counted_by_stream(tx):
    """Per target and stream, since an instant; taken back ones do not count."""
    first = linked(tx, "1")
    owe(tx, first, at=1)
    owe(tx, first, at=5, revision=2, what=write(name="Ben"))
    owe(tx, linked(tx, "2"), number="2", at=5, stream=Direction.DELETES, gate="g")

    assert {(B, Direction.UPDATES): 1, (B, Direction.DELETES): 1} == writes.count_recent(tx, S, 5)
    assert {(B, Direction.UPDATES): 1, (B, Direction.DELETES): 1} == writes.count_recent(tx, S, 0)
    assert {} == writes.count_recent(tx, OTHER, 0)


def test_a_dead_letter_gets_another_life(tx):
    """A person may have it tried again from the first attempt, unless a newer write took its place."""
    link = linked(tx, "1")
    owe(tx, link)
    (owed,) = lease(tx, 0)
    outbox.mark_sent(tx, [owed], 1)
    outbox.settle(tx, owed, State.DEAD, 2, error="no")
    outbox.revive(tx, only(tx), 3)
    assert (State.PENDING, 0, None) == (only(tx).state, only(tx).attempts, only(tx).error)
    (owed,) = lease(tx, 3)
    outbox.settle(tx, owed, State.DEAD, 4, error="no")
    owe(tx, link, revision=2, what=write(name="Ben"))
    (dead,) = writes.select(tx, [State.DEAD])
    outbox.revive(tx, dead, 5)

    assert {"dead": 1, "pending": 1} == states(tx)


def test_a_skipped_write_is_not_owed_again(tx):
    """On a person's word it is given up for good, until the hub moves on."""
    link = linked(tx, "1")
    owe(tx, link, gate="g")
    outbox.skip(tx, [only(tx).id], 1)

    assert not owe(tx, link)
    assert {"skipped": 1} == states(tx)
    assert owe(tx, link, revision=2)


def test_what_is_in_the_air_cannot_be_skipped(tx):
    """Nobody can unsay a call."""
    owe(tx, linked(tx, "1"))
    outbox.mark_sent(tx, lease(tx, 0), 1)
    outbox.skip(tx, [only(tx).id], 2)

    assert {"sent": 1} == states(tx)


def test_writes_wait_for_their_own_system(tx):
    """Another system's worker leases nothing of ours."""
    owe(tx, linked(tx, "1"))

    assert ([], None) == (outbox.lease(tx, SystemName("a"), 0, until=9, limit=9), outbox.next_due(tx, SystemName("a")))
