"""Stretches of time as operators write them: ``500ms``, ``30s``, ``5m``, ``2h``, ``1d``.

The rule that keeps it true: a duration always names its unit, and becomes whole microseconds.
It must not know: which setting it is for.
"""

from __future__ import annotations

import re
from decimal import Decimal

from syncd.core.record import DAY, HOUR, MINUTE, SECOND, Micros

MILLISECOND: Micros = 1_000

_UNITS: dict[str, Micros] = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)\s*", re.ASCII)


def parse_duration(written: str) -> Micros | None:
    """The duration in microseconds, or None where the text is none."""
    match = _DURATION.fullmatch(written)
    return int(Decimal(match[1]) * _UNITS[match[2]]) if match else None


def spell_duration(duration: Micros) -> str:
    """The duration in its largest whole unit, as it could be written in the file."""
    unit = next((unit for unit in ("d", "h", "m", "s") if duration and duration % _UNITS[unit] == 0), "ms")
    return f"{duration / _UNITS[unit]:g}{unit}"
