"""Every planted bug is noticed: a simulator that misses one is broken.

`SEEDS` are where each is known to show, so that the gate is quick; the slow test looks for each from seed 0 on.
"""

from __future__ import annotations

import pytest

from tests.sim.planted import PLANTED, planted
from tests.sim.script import draw
from tests.sim.world import run

SEEDS: dict[str, tuple[int, ...]] = {
    "base_not_updated": (0, 8, 20),
    "crash_forgotten": (2, 8, 123),
    "create_retried_blind": (28, 64, 96),
    "cursor_before_commit": (17, 52, 61),
    "delete_beats_edit": (43, 75, 120),
    "echo_by_timer": (0, 52, 53),
    "empty_list_believed": (5, 11, 94),
    "events_dropped": (0, 1, 2),
    "hint_trusted": (1, 143, 225),
    "hold_nobody_sees": (24, 30, 33),
    "in_flight_planned": (8, 69, 588),
    "losers_forgotten": (7, 82, 95),
    "no_idempotency_check": (422,),
    "no_look_before_write": (64, 107, 234),
    "no_probe": (2, 8, 64),
    "not_shown_is_blank": (33, 65, 72),
    "review_decided": (52, 103, 130),
    "second_page_ignored": (1, 8, 11),
    "sent_not_committed": (0, 1, 2),
    "set_replaced": (5, 9, 12),
    "stale_look_accepted": (8, 203, 211),
    "suspect_believed_at_once": (15, 65, 134),
    "twin_taken": (116, 133, 143),
    "unknown_is_done": (2, 8, 92),
    "wrong_tie_break": (6, 14, 48),
}
BOUND = 3_000


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_planted_bug_is_caught(name):
    """With the bug in, one of a few seeds fails; without it, the same seed passes."""
    with planted(name):
        caught = next((seed for seed in SEEDS[name] if run(draw(seed)).failure is not None), None)

    assert caught is not None, f"{name} is not noticed any more; look for it again with -m slow"
    assert run(draw(caught)).failure is None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PLANTED))
def test_planted_bug_is_found_from_scratch(name):
    """Looking from seed 0 on, the bug shows within bounds."""
    with planted(name):
        caught = next((seed for seed in range(BOUND) if run(draw(seed)).failure is not None), None)

    assert caught is not None
