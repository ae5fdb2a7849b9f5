"""The inbox: each event once, ripe when quiet or old enough, gone only with what came of it."""

from __future__ import annotations

from dataclasses import replace

from syncd.core.record import SystemName
from syncd.store import inbox
from syncd.store.codec import blind
from tests.store.build import arrival, ref

A = SystemName("a")


def ripe(tx, now, *, quiet=10, quiet_max=100, limit=50):
    known = {blind(tx, key): key for key in ("1", "2", "x", "y")}
    due = inbox.due(tx, A, now, quiet=quiet, quiet_max=quiet_max, limit=limit)
    return [(each.ref.id, [known.get(one.dedupe_key) for one in each.arrivals]) for each in due]


def test_a_repeated_delivery_is_dropped(tx):
    """The same key twice, in one delivery or in two, is one event; the same key of another system is another event."""
    new = [inbox.accept(tx, [arrival("k"), arrival("k"), arrival("l")]), inbox.accept(tx, [arrival("k")]), inbox.accept(tx, [arrival("k", system="b")])]

    assert [2, 0, 1] == new
    assert 3 == inbox.count_waiting(tx)


def test_a_late_repeat_of_a_finished_event_is_dropped(tx):
    """An event that was dealt with is remembered by its key until it is pruned."""
    inbox.accept(tx, [arrival("k")])
    (waiting,) = inbox.due(tx, A, 10, quiet=10, quiet_max=100, limit=1)
    inbox.finish(tx, waiting.ids, "read", 20)

    assert 0 == inbox.accept(tx, [arrival("k", at=30)])
    assert [0, 1] == [inbox.prune(tx, 20), inbox.prune(tx, 21)]
    assert 1 == inbox.accept(tx, [arrival("k", at=40)])


def test_events_ripen_when_quiet(tx):
    """A record's events wait until the last of them is `quiet` old, and then come together, oldest first."""
    inbox.accept(tx, [arrival("1", at=0), arrival("2", at=8), arrival("x", "2", at=9)])

    assert [] == ripe(tx, 17)
    assert [("1", ["1", "2"])] == ripe(tx, 18)
    assert [("1", ["1", "2"]), ("2", ["x"])] == ripe(tx, 19)


def test_a_record_that_never_rests_ripens_at_last(tx):
    """A stream of events is looked at after `quiet_max` all the same."""
    inbox.accept(tx, [arrival(f"{n:02}", at=n * 5) for n in range(21)])

    assert [] == ripe(tx, 101, quiet=50, quiet_max=102)
    assert ["1"] == [name for name, _ in ripe(tx, 102, quiet=50, quiet_max=102)]


def test_the_oldest_record_comes_first(tx):
    """With more than fits, whoever waited longest is taken."""
    inbox.accept(tx, [arrival("x", "2", at=1), arrival("y", "1", at=2)])

    assert [("2", ["x"])] == ripe(tx, 100, limit=1)


def test_finishing_takes_only_what_was_seen(tx):
    """An event that came in meanwhile still waits; the payload of a finished one is forgotten."""
    inbox.accept(tx, [arrival("1", at=0)])
    (waiting,) = inbox.due(tx, A, 10, quiet=10, quiet_max=100, limit=1)
    inbox.accept(tx, [arrival("2", at=5)])
    inbox.finish(tx, waiting.ids, "read", 10)

    assert [("1", ["2"])] == ripe(tx, 15)
    assert [("read", None)] == tx.execute("SELECT outcome, payload FROM events WHERE done_at IS NOT NULL").fetchall()


def test_an_arrival_comes_back_whole(tx):
    """What was stored is what is read: deletions, fields or none, times or none; but for the key, which is blinded."""
    stored = [arrival("1", deleted=True, fields=None, occurred_at=7, at=3), arrival("2", fields={"tags": ["é"], "name": None}, full=True, at=4)]
    inbox.accept(tx, stored)

    expected = tuple(replace(each, dedupe_key=blind(tx, each.dedupe_key)) for each in stored)
    assert [(ref(), expected)] == [(each.ref, each.arrivals) for each in inbox.due(tx, A, 99, quiet=1, quiet_max=1, limit=1)]


def test_the_next_event_falls_due(tx):
    """Whoever waits knows when to look at the latest."""
    assert None is inbox.next_due(tx, A, quiet=10, quiet_max=30)
    inbox.accept(tx, [arrival("1", at=5), arrival("2", "2", at=3)])

    assert 13 == inbox.next_due(tx, A, quiet=10, quiet_max=30)
    inbox.accept(tx, [arrival("3", "2", at=12), arrival("4", at=40)])

    assert 22 == inbox.next_due(tx, A, quiet=10, quiet_max=30)
    assert ["2"] == [each.ref.id for each in inbox.due(tx, A, 22, quiet=10, quiet_max=30, limit=9)]
