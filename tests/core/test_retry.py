"""When to try again, and when to stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.record import DAY, HOUR, SECOND
from syncd.core.retry import ATTEMPTS_MAX, FIRST_DELAY, LONGEST_DELAY, delay, exhausted

SPREAD = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempt", "expected"), [(1, SECOND // 2), (2, SECOND), (3, 2 * SECOND), (13, HOUR // 2), (10**6, HOUR // 2)])
def test_the_shortest_delay_doubles_up_to_its_bound(attempt: int, expected: int) -> None:
    """With no spread, half of the grown delay; it never outgrows its bound, whatever the attempt."""
    assert expected == delay(attempt, spread=0)


@given(st.integers(1, 200), SPREAD)
def test_a_delay_is_in_the_upper_half(attempt: int, spread: float) -> None:
    """A delay lies between half of its size and all of it."""
    full = min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY)

    assert full // 2 <= delay(attempt, spread=spread) <= full


@given(st.integers(1, 200), SPREAD, st.floats(0, 10**6))
def test_the_vendors_wish_is_never_undercut(attempt: int, spread: float, wish: float) -> None:
    """What the vendor asks for is waited, even where we would wait less; but never more than a day at once."""
    assert delay(attempt, spread=spread, wish_s=wish) >= min(int(wish * SECOND), DAY)
    assert delay(attempt, spread=spread, wish_s=wish) <= max(DAY, LONGEST_DELAY)


@pytest.mark.parametrize("wish", [float("inf"), float("nan"), -1.0])
def test_an_absurd_wish_is_passed_over(wish: float) -> None:
    """A wish that is no length of time changes nothing."""
    assert delay(3, spread=0.5) == delay(3, spread=0.5, wish_s=wish)


def test_a_write_is_given_up_after_about_three_days() -> None:
    """The last attempt is the last, and it comes two to four days after the first."""
    total = sum(delay(each, spread=0.5) for each in range(1, ATTEMPTS_MAX))

    assert (False, True) == (exhausted(ATTEMPTS_MAX - 1), exhausted(ATTEMPTS_MAX))
    assert 2 * DAY < total < 4 * DAY
