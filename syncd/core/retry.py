"""When to try again, and when to stop.

The rule that keeps it true: a delay grows with each attempt, never undercuts what the vendor asked for, and the spread comes from
outside so that the schedule can be replayed.
It must not know: what is being tried.
"""

from __future__ import annotations

from syncd.core.record import DAY, HOUR, SECOND, Micros

FIRST_DELAY: Micros = SECOND
LONGEST_DELAY: Micros = HOUR
LONGEST_WISH: Micros = DAY
"""A vendor that asks for more than a day is asked again after a day."""
ATTEMPTS_MAX = 90
"""About three days of hourly attempts; then a write is a dead letter."""


def delay(attempt: int, *, spread: float, wish_s: float | None = None) -> Micros:
    """How long to wait after the `attempt`-th failure (from 1). `spread` is in [0, 1): full jitter over the upper half."""
    grown = min(FIRST_DELAY * 2 ** min(attempt - 1, 20), LONGEST_DELAY)
    chosen = int(grown / 2 + grown / 2 * spread)
    if wish_s is None or not 0 <= wish_s < float("inf"):
        return chosen
    return max(chosen, min(int(wish_s * SECOND), LONGEST_WISH))


def exhausted(attempt: int) -> bool:
    """Whether the `attempt`-th failure was the last one."""
    return attempt >= ATTEMPTS_MAX
