"""Retention: what is over and old goes, so many at a time; what may still be needed stays."""

from __future__ import annotations

from syncd.core.outcome import HoldKind
from syncd.core.record import DAY
from syncd.store import control, holds, inbox, journal, outbox, retention
from syncd.store.holds import Question
from syncd.store.journal import Entry
from syncd.store.outbox import State
from syncd.store.retention import Keep, prune_some
from tests.store.build import arrival, lease, linked, only, owe

NOW = 1000 * DAY


def test_only_what_is_over_and_old_goes(tx):
    """Of each kind: an old one that is over goes; a young one, and one that is still open, stay."""
    inbox.accept(tx, [arrival("old"), arrival("open"), arrival("young")])
    inbox.finish(tx, [1], "read", NOW - 15 * DAY)
    inbox.finish(tx, [3], "read", NOW - 13 * DAY)
    journal.append(tx, [Entry(at=NOW - 366 * DAY, run_id=None, sync="s", kind="k", detail={}), Entry(at=NOW, run_id=None, sync="s", kind="k", detail={})])
    holds.ask(tx, [Question(sync="s", kind=HoldKind.CONFLICT, reason="", sides={}, scope=scope) for scope in ("shut", "open")], NOW - 366 * DAY)
    tx.execute("UPDATE holds SET state = 'closed' WHERE id = 1")
    for _ in range(2):
        control.ask(tx, "reconcile", {}, NOW - 40 * DAY)
    control.report(tx, 1, "done", at=NOW - 31 * DAY)

    assert {"events": 1, "writes": 0, "story": 1, "decisions": 1, "requests": 1} == prune_some(tx, Keep(), NOW)
    assert {0} == set(prune_some(tx, Keep(), NOW).values())
    assert [2, 3] == [number for (number,) in tx.execute("SELECT id FROM events ORDER BY id")]
    assert [2] == [number for (number,) in tx.execute("SELECT id FROM holds")]


def test_a_write_stays_until_its_link_has_moved_on(tx):
    """It keeps the same write from being made again; what was given up or is still owed stays anyway."""
    link = linked(tx, "1")
    owe(tx, link, revision=1)
    (leased,) = lease(tx, 5)
    outbox.mark_sent(tx, [leased], 5)
    outbox.settle(tx, leased, State.DONE, 6)
    tx.execute("UPDATE links SET revision = 1")

    assert 0 == prune_some(tx, Keep(), NOW)["writes"]
    assert State.DONE is only(tx).state
    tx.execute("UPDATE links SET revision = 2")
    assert 1 == prune_some(tx, Keep(), NOW)["writes"]


def test_so_many_at_a_time(tx):
    """A long story goes in pieces; its newest row stays, so that no number is given twice."""
    journal.append(tx, [Entry(at=1, run_id=None, sync="s", kind="k", detail={}) for _ in range(retention.BATCH + 10)])

    assert [retention.BATCH, 9, 0] == [prune_some(tx, Keep(), NOW)["story"] for _ in range(3)]
