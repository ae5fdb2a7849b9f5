"""The journal and the sums of outcomes."""

from __future__ import annotations

import pytest

from syncd.core.record import LinkId, RecordId
from syncd.store import journal
from syncd.store.journal import Entry
from tests.store.build import OTHER, A, S


def entry(kind="write.done", **other):
    given = {"at": 5, "run_id": 1, "sync": S, "link": LinkId(1), "member": A, "record_id": RecordId("1"), "detail": {"é": [None, 1]}}
    return Entry(kind=kind, **(given | other))


def test_entries_come_back_whole_and_in_order(tx):
    """What was told is what is found, by link and by number."""
    told = [entry("one"), entry("two", link=None, member=None, record_id=None, run_id=None), entry("three")]
    journal.append(tx, told)

    assert [(1, "one"), (3, "three")] == [(each.id, each.kind) for each in journal.of_link(tx, LinkId(1))]
    assert ["two", "three"] == [each.kind for each in journal.after(tx, 1)]
    assert [entry("one", id=1)] == journal.after(tx, 0, limit=1)
    assert 3 == journal.last_number(tx)


def test_an_empty_journal_has_number_zero(tx):
    """So that a follower can start before anything happened."""
    assert (0, []) == (journal.last_number(tx), journal.after(tx, 0))


def test_outcomes_add_up(tx):
    """Every item counted is in exactly one sum, per run, sync, name and reason."""
    journal.tally(tx, 1, S, [("applied", ""), ("applied", ""), ("held", "conflict")])
    journal.tally(tx, 1, S, [("applied", "")])
    journal.tally(tx, 2, S, [("applied", "")])
    journal.tally(tx, 1, OTHER, [("no-op", "")])

    assert [(OTHER, "no-op", "", 1), (S, "applied", "", 3), (S, "held", "conflict", 1)] == journal.sums(tx, 1)
    assert 6 == sum(count for *_, count in journal.sums(tx))


@pytest.mark.parametrize(("counted", "expected"), [(3, []), (2, [1]), (4, [1])], ids=["all", "one missing", "one twice"])
def test_a_run_that_does_not_add_up_is_named(tx, counted, expected):
    """Each item that was looked at has exactly one outcome; failed writes are counted apart."""
    number = journal.start_run(tx, "live", "why", 1)
    journal.count_looked(tx, number, 2)
    journal.count_looked(tx, number, 1)
    journal.tally(tx, number, S, [("applied", "")] * counted)
    journal.tally(tx, number, S, [("failed", "update")])

    assert (3, counted) == journal.balance(tx, number)
    assert expected == journal.end_runs(tx, 9)
    assert [] == journal.end_runs(tx, 9)


def test_one_run_is_open_at_a_time(tx):
    """The run before is closed when another begins."""
    numbers = []
    for kind, at in (("live", 1), ("reconcile", 5)):
        journal.end_runs(tx, at)
        numbers.append(journal.start_run(tx, kind, "why", at))
    rows = tx.execute("SELECT id, kind, started_at, finished_at FROM runs ORDER BY id").fetchall()

    assert [(numbers[0], "live", 1, 5), (numbers[1], "reconcile", 5, None)] == rows
