"""Schedules: when a moment that an automation waits for comes round again.

The rule that keeps it true: a daily or weekly moment comes once for each local day, on days that have an hour too few or too many as well;
where the local time does not exist that day it comes as much later as the clocks were moved.
It must not know: the clock, or who waits. Time zones come in as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum

from syncd.core.record import DAY, HOUR, MINUTE, SECOND, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rhythm(Enum):
    """How often."""

    EVERY = "every"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A moment that comes round. `every` is the stretch of an EVERY; `weekday` counts from Monday, 0."""

    rhythm: Rhythm
    zone: tzinfo = UTC
    every: Micros = HOUR
    hour: int = 0
    minute: int = 0
    weekday: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Occurrence:
    """One coming of it: the instant, and the key that names this one for ever."""

    at: Micros
    key: str


def following(schedule: Schedule, after: Micros) -> Occurrence:
    """The first occurrence later than an instant."""
    match schedule.rhythm:
        case Rhythm.EVERY:
            at = (after // schedule.every + 1) * schedule.every
            return Occurrence(at, str(at))
        case Rhythm.HOURLY:
            start = after // HOUR * HOUR
            return next(found for step in range(4) if (found := _in_hour(schedule, start + (step - 1) * HOUR)).at > after)
        case Rhythm.DAILY | Rhythm.WEEKLY:
            first = _local(after, schedule.zone).date() - timedelta(days=1)
            return next(
                found
                for step in range(10)
                if _is_day(schedule, day := first + timedelta(days=step)) and (found := _on_day(schedule, day)).at > after
            )


def latest(schedule: Schedule, since: Micros, now: Micros) -> Occurrence | None:
    """The last occurrence after `since` and not after `now`; None where there was none. Those it overtook are not told any more."""
    last, look_from = None, max(since, now - 8 * DAY)
    if schedule.rhythm is Rhythm.EVERY:
        at = now // schedule.every * schedule.every
        return Occurrence(at, str(at)) if at > since else None
    while (found := following(schedule, look_from)).at <= now:
        last, look_from = found, found.at
    return last


def _in_hour(schedule: Schedule, start: Micros) -> Occurrence:
    offset = _local(start, schedule.zone).utcoffset() or timedelta()
    minute = (schedule.minute - int(offset.total_seconds() // 60)) % 60
    at = start + minute * MINUTE
    return Occurrence(at, str(at))


def _is_day(schedule: Schedule, day: date) -> bool:
    return schedule.rhythm is Rhythm.DAILY or day.weekday() == schedule.weekday


def _on_day(schedule: Schedule, day: date) -> Occurrence:
    moment = datetime.combine(day, time(schedule.hour, schedule.minute), tzinfo=schedule.zone)
    return Occurrence(int((moment - _EPOCH) / timedelta(seconds=1)) * SECOND, day.isoformat())


def _local(at: Micros, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(zone)
