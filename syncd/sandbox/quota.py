"""Quotas: how many requests a vendor lets through.

Sliding and fixed windows, a budget per UTC day, and a token bucket, all behind one `take`.

Rule: a refused request costs nothing, so a caller that waits as long as it is told is let in.

It must not know headers, statuses or vendors; a vendor turns a `Taken` into its own headers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import monotonic, time
from typing import Protocol

from syncd.sandbox.moments import Clock

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of asking: let in or not, how many are left, and how long until one more is."""

    allowed: bool
    remaining: int
    wait_s: float = 0.0


class Quota(Protocol):
    """Anything that lets requests through, one at a time."""

    def take(self) -> Taken:
        """Ask for one request."""
        ...


class SlidingWindow:
    """At most `limit` requests in any `window_s` seconds."""

    def __init__(self, limit: int, window_s: float, clock: Clock = monotonic) -> None:
        self._limit, self._window_s, self._clock = limit, window_s, clock
        self._taken: deque[float] = deque()

    def take(self) -> Taken:
        """Ask for one request."""
        now = self._clock()
        while self._taken and self._taken[0] <= now - self._window_s:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            wait_s = self._taken[0] + self._window_s - now if self._taken else self._window_s
            return Taken(allowed=False, remaining=0, wait_s=wait_s)
        self._taken.append(now)
        return Taken(allowed=True, remaining=self._limit - len(self._taken))


class FixedWindow:
    """At most `limit` requests between one multiple of `window_s` and the next."""

    def __init__(self, limit: int, window_s: float, clock: Clock = time) -> None:
        self._limit, self._window_s, self._clock = limit, window_s, clock
        self._window = 0
        self._taken = 0

    def take(self) -> Taken:
        """Ask for one request."""
        now = self._clock()
        window = int(now // self._window_s)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self._limit:
            return Taken(allowed=False, remaining=0, wait_s=(window + 1) * self._window_s - now)
        self._taken += 1
        return Taken(allowed=True, remaining=self._limit - self._taken)


def daily(limit: int, clock: Clock = time) -> FixedWindow:
    """A budget per UTC day: a fixed window that happens to be a day long."""
    return FixedWindow(limit, DAY_S, clock)


class TokenBucket:
    """`burst` tokens, refilled at `per_second`."""

    def __init__(self, burst: int, per_second: float, clock: Clock = monotonic) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> Taken:
        """Ask for one request."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1:
            return Taken(allowed=False, remaining=0, wait_s=(1 - self._tokens) / self._per_second)
        self._tokens -= 1
        return Taken(allowed=True, remaining=int(self._tokens))
