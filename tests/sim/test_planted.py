"""Every planted bug is noticed: a simulator that misses one is broken.

Some are given a short script in which they must show; for the others `SEEDS` are where each is known to, so that the gate is quick. The
slow test looks for those from seed 0 on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sim.planted import PLANTED, planted
from tests.sim.script import Act, Script, Strike, draw
from tests.sim.story import story
from tests.sim.world import run

HINT = {"webhooks": "hint"}
LOST_CREATE = story(Strike(kind="timeout_after", at=0, until=3, most=1, operation="create"), start="one")
STORIES: dict[str, Script] = {
    "create_retried_blind": LOST_CREATE,
    "crash_forgotten": story(Strike(kind="crash", at=0, until=3, most=1, operation="in_call", amount=2), start="one"),
    "empty_list_believed": story(Strike(kind="empty", at=60, until=300, most=20, operation="page", system=0), people=3),
    "hint_trusted": story(
        Strike(kind="hook_lies", at=0, until=300, system=0), Act(kind="edit", at=100, system=0), Act(kind="bump", at=110, system=0),
        habits=(HINT, HINT),
    ),
    "no_idempotency_check": story(
        Strike(kind="rejected", at=90, until=1200, operation="update"), Act(kind="edit", at=100, system=0),
        Strike(kind="garbled", at=110, until=1200, rate=0.5, operation="get", system=0, salt=2),
        *(Act(kind="bump", at=120 + 20 * number, system=0) for number in range(50)), habits=(HINT, HINT), minutes=20,
    ),
    "links_forgotten": story(
        Strike(kind="restore", at=200, until=210, most=1, amount=60), Act(kind="edit", at=300, system=0),
        habits=({"find": False}, {"find": False}), start="one",
    ),
    "list_cleared": story(people=5, habits=({}, {}, {}), start="differ"),
    "no_probe": LOST_CREATE,
    "newcomer_not_asked_for": story(
        Act(kind="create_both", at=270, system=0, person=1), habits=({"lag": 20_000_000, "finds_at_once": True}, {}), people=2, newcomers=1,
    ),
    "old_dates_refused": story(Act(kind="edit", at=100, system=0), shift=-86_400),
    "restore_unnoticed": story(
        Strike(kind="restore", at=62.62, until=157.314, rate=0.5, most=1, system=2, operation="delete", amount=300, salt=697009502),
        habits=({"page_size": 2}, {}, {"page_size": 1, "find": False}), people=4, delete="unlink", start="one", disk_s=0.02, latency=1.5,
        minutes=5.0, seed=81853,
    ),
    "suspect_believed_at_once": story(
        Strike(kind="denied", at=99, until=104, operation="get", system=0), Act(kind="edit", at=100, system=0), habits=(HINT, HINT),
    ),
}  # fmt: skip
SEEDS: dict[str, tuple[int, ...]] = {
    "base_not_updated": (7, 35, 51, 70),
    "cursor_before_commit": (130, 171, 201, 234),
    "damage_trusted": (33, 72, 79, 231),
    "delete_beats_edit": (70, 107, 127, 157),
    "echo_by_timer": (34, 54),
    "events_dropped": (0, 1),
    "hold_nobody_sees": (0, 10, 28, 42),
    "in_flight_planned": (115,),
    "look_not_marked": (0, 3, 4, 5),
    "losers_forgotten": (47, 51),
    "no_look_before_write": (7, 35, 80),
    "not_shown_is_blank": (63, 65, 68, 81),
    "review_decided": (10, 49),
    "second_page_ignored": (3, 5, 10, 26),
    "sent_not_committed": (0, 1),
    "set_replaced": (1, 2, 5, 7),
    "stale_look_accepted": (24, 55),
    "twin_taken": (4, 34, 50, 75),
    "unknown_is_done": (44, 71, 181, 212),
    "wrong_tie_break": (10, 31, 47, 49),
}
BOUND = 3_000


def scripts(name: str) -> Iterator[Script]:
    """Where the bug is known to show, and then a few more."""
    if name in STORIES:
        yield STORIES[name]
    yield from map(draw, SEEDS.get(name, ()))


@pytest.mark.parametrize("name", sorted(STORIES.keys() | SEEDS.keys()))
def test_planted_bug_is_caught(name):
    """With the bug in, one of a few scripts fails; without it, the same script passes."""
    with planted(name):
        caught = next((script for script in scripts(name) if run(script).failure is not None), None)

    assert caught is not None, f"{name} is not noticed any more; look for it again with -m slow"
    assert run(caught).failure is None


def test_every_planted_bug_has_its_place():
    """None is left out."""
    assert set(PLANTED) == STORIES.keys() | SEEDS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEEDS))
def test_planted_bug_is_found_from_scratch(name):
    """Looking from seed 0 on, a bug that needs no special script shows within bounds."""
    with planted(name):
        caught = next((seed for seed in range(BOUND) if run(draw(seed)).failure is not None), None)

    assert caught is not None
