"""Requests, systems and syncs as wholes, and the reading state of collections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.record import SystemName
from syncd.store import control, cursors, inbox, observations, outbox, suspects, writes
from syncd.store.cursors import Cursor, PassMode
from tests.store.build import CONTACTS, PLACE_A, PLACE_B, S, arrival, lease, linked, owe, ref

A, B = SystemName("a"), SystemName("b")


def test_a_request_is_followed_to_its_end(tx):
    """New, running with progress, done with a result; the last progress stays."""
    number = control.ask(tx, "reconcile", {"sync": "s"}, 1)
    control.report(tx, number, "running", progress={"left": 3})
    assert [(number, "running")] == [(each.id, each.state) for each in control.open_requests(tx)]
    control.report(tx, number, "done", result={"left": 0}, at=9)
    found = control.get_request(tx, number)

    assert [] == control.open_requests(tx)
    assert ("reconcile", {"sync": "s"}, "done", {"left": 3}, {"left": 0}) == (found.kind, found.arguments, found.state, found.progress, found.result)
    assert None is control.get_request(tx, 99)


def test_requests_are_answered_in_order(tx):
    """Whoever asked first is first."""
    numbers = [control.ask(tx, "resume", {}, at) for at in (5, 1)]

    assert numbers == [each.id for each in control.open_requests(tx)]


def test_a_system_that_became_another_account_is_noticed(tx):
    """The account it was is named, and is kept until a person decides."""
    assert None is control.meet_system(tx, A, "gohighlevel one", 1)
    assert None is control.meet_system(tx, A, "gohighlevel one", 2)

    assert "gohighlevel one" == control.meet_system(tx, A, "gohighlevel two", 3)
    assert "gohighlevel one" == control.systems(tx)[A].identity


def test_a_system_is_paused_and_goes_on(tx):
    """With its reason; quota and measurements are kept beside it."""
    control.meet_system(tx, A, "x", 1)
    control.pause(tx, A, "the key does not fit", 2)
    control.note_system(tx, A, quota={"used": 3}, detail={"contacts": 1}, at=3)
    row = control.systems(tx)[A]

    assert ("the key does not fit", {"used": 3}, {"contacts": 1}, 3) == (row.paused, row.quota, row.detail, row.updated_at)
    control.pause(tx, A, None, 4)
    assert None is control.systems(tx)[A].paused


def test_changed_rules_are_noticed_once(tx):
    """A new sync did not change; a changed one did, once."""
    assert [False, False, True, False] == [control.meet_sync(tx, S, digest) for digest in ("one", "one", "two", "two")]


def test_a_first_run_is_approved_and_settled_once(tx):
    """The first moment counts, and changed rules take neither back."""
    control.meet_sync(tx, S, "one")
    assert (None, False) == (control.approved_at(tx, S), control.settled(tx, S))
    for at in (5, 9):
        control.approve(tx, S, at)
        control.settle(tx, S, at)
    control.meet_sync(tx, S, "two")

    assert (5, True) == (control.approved_at(tx, S), control.settled(tx, S))


# ---- cursors


WHOLE = Cursor(
    cursor=1, pass_id=2, mode=PassMode.INCREMENTAL, token={"after": [1, "x"]}, since=3, started_at=4, listed=5, newest=6, polled_at=7,
    complete_at=8, complete_tried_at=9,
)  # fmt: skip


@pytest.mark.parametrize("cursor", [WHOLE, Cursor(), replace(WHOLE, mode=None, token=None, newest=None)])
def test_a_cursor_comes_back_whole(tx, cursor):
    """With a pass under way and without, each collection its own."""
    cursors.save(tx, PLACE_A, WHOLE)
    cursors.save(tx, PLACE_A, cursor)

    assert (cursor, Cursor()) == (cursors.load(tx, PLACE_A), cursors.load(tx, PLACE_B))


def test_a_complete_pass_can_be_asked_for(tx):
    """The wish stands until a complete pass has begun after it, and is not lost when the cursor is saved."""
    assert not cursors.is_asked(tx, PLACE_A)
    cursors.ask_complete(tx, PLACE_A, 5)
    assert cursors.is_asked(tx, PLACE_A)
    cursors.save(tx, PLACE_A, Cursor(complete_tried_at=4))
    assert cursors.is_asked(tx, PLACE_A)
    cursors.save(tx, PLACE_A, Cursor(complete_tried_at=6))

    assert not cursors.is_asked(tx, PLACE_A)


def test_what_belongs_to_a_paused_collection_waits(tx):
    """Its events, suspects and writes are kept and not handed out, and do not count as what can be done; afterwards all are there."""
    inbox.accept(tx, [arrival("k", system="b")])
    observations.suspect(tx, [ref("2", "b")], "was hinted at", 1)
    owe(tx, linked(tx, "1"))

    def there():
        return (
            len(inbox.due(tx, B, 100, quiet=10, quiet_max=100, limit=9)), inbox.next_due(tx, B, quiet=10, quiet_max=100) is not None,
            inbox.count_doable(tx), len(suspects.due(tx, B, 10**9, 9)), suspects.next_due(tx, B) is not None,
            writes.count_doable(tx), outbox.next_due(tx, B),
        )  # fmt: skip

    before = there()
    control.pause_collection(tx, B, CONTACTS, "a scope is missing", 2)
    paused, leased, waiting = there(), lease(tx, 100), inbox.count_waiting(tx)
    control.pause(tx, B, None, 3)

    assert (1, True, 1, 1, True, 1, 0) == before == there()
    assert (0, False, 0, 0, False, 0, None) == paused
    assert ([], 1, 1) == (leased, waiting, len(lease(tx, 100)))
