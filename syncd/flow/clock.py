"""A clock that never goes back.

What was seen when decides which look is newer, so a wall clock that is set back would make everything read afterwards look old. This one
follows the wall clock forward and goes on by itself where the wall clock jumps back, until that has caught up.
The rule that keeps it true: no instant is ever earlier than one that was given before, in this process or, by `floor`, in an earlier one.
It must not know: what the time is used for.
"""

from __future__ import annotations

from syncd.core.record import SECOND, Micros
from syncd.flow.engine import Clock


class SteadyClock:
    """The wall clock, but for jumps back. `floor` is the newest instant that anything is remembered from."""

    def __init__(self, clock: Clock, *, floor: Micros = 0) -> None:
        self._clock = clock
        self._anchor = max(clock.now(), floor)
        self._anchored_at = clock.monotonic()

    def now(self) -> Micros:
        """Microseconds UTC, as far as they do not contradict what was said before."""
        gone_by = self._anchor + int((self._clock.monotonic() - self._anchored_at) * SECOND)
        wall = self._clock.now()
        if wall > gone_by:
            self._anchor, self._anchored_at = wall, self._clock.monotonic()
            return wall
        return gone_by

    def monotonic(self) -> float:
        """Seconds, as the clock beneath says."""
        return self._clock.monotonic()
