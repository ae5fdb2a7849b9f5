"""When an alert is due: once a window, with what was held back, and always its end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.alert import About, Condition, Notice, due_at, meet, told
from syncd.core.record import MINUTE

EVERY = 15 * MINUTE
T0 = 1_000 * MINUTE
PAUSED = Condition(kind="paused", subject="ghl", sentence="ghl is not used", mend="syncd resume ghl")
ABOUT = About("log", "paused", "ghl")


def begun(at: int = T0) -> Notice:
    return meet({}, ["log"], [PAUSED], at, EVERY)[ABOUT]


def test_the_first_time_is_told_at_once() -> None:
    """What begins is due now, and once told it is not due again while it stays as it is."""
    notice = begun()

    assert 0 == due_at(notice, EVERY)
    assert None is due_at(told(notice, T0), EVERY)
    assert {} == meet({ABOUT: told(notice, T0)}, ["log"], [PAUSED], T0 + 1, EVERY)


def test_its_end_is_told_at_once() -> None:
    """What was told to be so is told to be over, and then there is nothing to tell."""
    over = meet({ABOUT: told(begun(), T0)}, ["log"], [], T0 + MINUTE, EVERY)[ABOUT]

    assert ("over", 0) == (over.state, due_at(over, EVERY))
    assert None is due_at(told(over, T0 + MINUTE), EVERY)


def test_what_comes_and_goes_is_held_back_and_counted() -> None:
    """Within a window only the first time is told; the next message says how often it was so since."""
    notice = told(begun(), T0)
    for minute in (1, 3, 5):
        at = T0 + minute * MINUTE
        notice = meet({ABOUT: notice}, ["log"], [], at, EVERY)[ABOUT]
        due = due_at(notice, EVERY)
        if due is not None and due <= at:
            notice = told(notice, at)
        notice = meet({ABOUT: notice}, ["log"], [PAUSED], T0 + (minute + 1) * MINUTE, EVERY)[ABOUT]

    assert (3, T0 + EVERY) == (notice.held_back, due_at(notice, EVERY))
    assert 0 == told(notice, T0 + EVERY).held_back


def test_what_changed_is_told_when_the_window_is_over() -> None:
    """More failures are news, but not every minute."""
    more = replace(PAUSED, sentence="worse")
    notice = meet({ABOUT: told(begun(), T0)}, ["log"], [more], T0 + MINUTE, EVERY)[ABOUT]

    assert T0 + EVERY == due_at(notice, EVERY)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_happens(flips: list[bool]) -> None:
    """Once told, never twice within a window; and what was told to be so is in the end told to be over."""
    known: dict[About, Notice] = {}
    at, said = T0, list[tuple[str, int]]()
    for is_so in [*flips, *([False] * 40)]:
        at += MINUTE
        known |= meet(known, ["log"], [PAUSED] if is_so else [], at, EVERY)
        for about, notice in list(known.items()):
            due = due_at(notice, EVERY)
            if due is not None and due <= at:
                said.append((notice.state, at))
                known[about] = told(notice, at)
    begins = [when for state, when in said if state == "open"]

    assert all(later - earlier >= EVERY for earlier, later in pairwise(begins))
    assert any(flips) == bool(begins)
    assert not said or said[-1][0] == "over"
