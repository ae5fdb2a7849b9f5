"""Moments as the two vendors write them.

One place turns clock readings into the vendors' timestamps and back: milliseconds with `Z` for GoHighLevel, whole
seconds with `+00:00` for EmailOctopus.

Rule: inside the sandbox a moment is a number counted from the epoch in UTC; text appears only at the edges, and a
text without an offset is refused rather than guessed.

It must not know who asks, nor which clock the numbers came from.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]


def iso_from_milliseconds(milliseconds: int) -> str:
    """GoHighLevel's form, `2021-07-02T05:18:26.704Z`."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def iso_from_seconds(seconds: int) -> str:
    """EmailOctopus's form, `2024-12-07T15:03:01+00:00`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def epoch_from_iso(text: str) -> float:
    """Seconds since the epoch; raises ValueError when the text is no moment or names no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC")
    return moment.timestamp()
