"""Time from outside, and how far a vendor's clock is from ours.

`Clock` is the only way this room learns the time; `SkewMeter` turns the vendor's Date headers into a `Skew`.
The rule that keeps it true: nothing here or beside it reads the machine's time but `SystemClock`, so a test can own time.
It must not know: any vendor, or what anybody does with the time.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Protocol

from syncd.connectors.base import Skew
from syncd.core.record import MINUTE, SECOND, Micros

_RECENT: Micros = 10 * MINUTE
_SAMPLES_MAX = 64


class Clock(Protocol):
    """The wall clock in microseconds UTC, and a clock in seconds that never goes back."""

    def now(self) -> Micros: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Micros:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()


class SkewMeter:
    """Keeps the tightest recent measurement of a vendor's clock.

    A Date header has whole seconds, so no measurement is better than a second and a slow one is worse by half its round trip.
    It is read by the database's thread while the loop's measures: the samples are replaced, never changed.
    """

    def __init__(self) -> None:
        self._samples: tuple[tuple[Micros, Skew], ...] = ()

    def measure(self, date_header: str | None, *, answered_at: Micros, round_trip_s: float) -> None:
        """Takes one response into account; a missing or unreadable header is passed over."""
        server = _parse(date_header)
        if server is None:
            return
        half = int(round_trip_s * SECOND) // 2
        skew = Skew(offset=server - (answered_at - half), error=half + SECOND)
        recent = (each for each in self._samples if abs(answered_at - each[0]) <= _RECENT)
        self._samples = (*recent, (answered_at, skew))[-_SAMPLES_MAX:]

    def skew(self) -> Skew:
        """The tightest of the recent measurements, the newest among equals; a guess of none before the first."""
        samples = self._samples
        return min(reversed(samples), key=lambda sample: sample[1].error)[1] if samples else Skew()


def _parse(date_header: str | None) -> Micros | None:
    if not date_header:
        return None
    try:
        moment = parsedate_to_datetime(date_header)
        return int(moment.timestamp()) * SECOND if moment.tzinfo is not None else None
    except (ValueError, OverflowError, TypeError):
        return None
