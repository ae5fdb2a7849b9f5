"""Continuity: a copy that is put back, or a new database in place of a lost one, is told from the one that was used last."""

from __future__ import annotations

import pytest

from syncd.store import continuity, cursors
from syncd.store.continuity import Standing
from syncd.store.cursors import Cursor, PassMode
from tests.store.build import PLACE_A


def test_counting(tx):
    """Each life counts one further, also past a mark that is ahead."""
    assert [1, 2, 10] == [continuity.advance(tx), continuity.advance(tx), continuity.advance(tx, 9)]


@pytest.mark.parametrize(
    ("lives", "marked", "expected"),
    [(0, 0, Standing.SAME), (3, 0, Standing.SAME), (3, 3, Standing.SAME), (3, 2, Standing.SAME), (3, 4, Standing.RESTORED), (0, 1, Standing.LOST)],
    ids=["new", "mark lost", "as marked", "not marked since", "older copy", "gone"],
)
def test_standing(tx, lives, marked, expected):
    """Only a mark ahead of the database says anything; a missing mark does not."""
    for _ in range(lives):
        continuity.advance(tx)

    assert expected is continuity.standing(tx, marked)


@pytest.mark.parametrize("found", [Standing.RESTORED, Standing.LOST])
def test_rebasing_ends_but_a_loss_is_remembered(tx, found):
    """What was agreed before a loss stays unknown after everything was read."""
    continuity.begin_rebasing(tx, found)
    during = continuity.rebasing(tx)
    continuity.end_rebasing(tx)

    assert (found, None) == (during, continuity.rebasing(tx))
    assert (found is Standing.LOST) is continuity.was_lost(tx)


def test_everything_is_read_from_the_beginning(tx):
    """No cursor, no pass under way, no listing that anything may be concluded from; the numbers of passes go on."""
    cursors.save(tx, PLACE_A, Cursor(cursor=5, pass_id=7, mode=PassMode.INCREMENTAL, token="t", since=1, started_at=2, listed=3, newest=4,
                                     polled_at=5, complete_at=6, complete_tried_at=6))
    cursors.forget_all(tx)

    assert Cursor(pass_id=7, started_at=2) == cursors.load(tx, PLACE_A)
