"""An iCalendar file (RFC 5545), read: `events_of` makes events of it.

What repeats is spelt out within the window, in the time of its own zone, so that nine o'clock stays nine o'clock when the clocks change.
The rule that keeps it true: a file that cannot be read whole says nothing; an event that cannot be taken is named, and holds no other up.
It must not know: where the file comes from, or what follows from what it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, TypeAlias

from dateutil.rrule import rruleset, rrulestr  # type: ignore[import-untyped]
from icalendar import Calendar

from syncd.connectors.bridge.events import CalendarError, Contents, Window
from syncd.connectors.left_out import LeftOut
from syncd.connectors.payload import iso
from syncd.core.record import SECOND, Json, Micros

Event: TypeAlias = Any
"""A VEVENT: the library says of a property only that it is one of thirty kinds, and a wrong one is caught where events are read."""
_EVENTS_MAX = 20_000
_OCCURRENCES_MAX = 1_000
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_TEXT_MAX = 10_000
_OPEN = "open it in the calendar, put its time right and save it"
_SHORTER = "let it end earlier, or shorten calendar_ahead_days"


def events_of(data: bytes, window: Window, zone: tzinfo) -> Contents:
    """The events of a file. `zone` is what times without one are in. Raises CalendarError."""
    if not (data.lstrip().startswith(b"BEGIN:VCALENDAR") and data.rstrip().endswith(b"END:VCALENDAR")):
        raise CalendarError("this is no calendar, or only the beginning of one")
    try:
        calendar = Calendar.from_ical(data)
        components = list(islice(calendar.walk("VEVENT"), _EVENTS_MAX + 1))
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise CalendarError(f"the calendar cannot be read: {type(error).__name__}") from error
    if len(components) > _EVENTS_MAX:
        raise CalendarError(f"the calendar has more than {_EVENTS_MAX} events")
    own = {(uid, at): event for event in components if (uid := _uid(event)) and (at := _recurrence(event, zone)) is not None}
    events: dict[str, Mapping[str, Json]] = {}
    left_out: list[LeftOut] = []
    unsure: set[str] = set()
    for place, event in enumerate(components, start=1):
        try:
            # One that breaks off has its first times taken.
            events.update(_spelt_out(event, own, window, zone))
        except UnfitError as error:
            left_out.append(LeftOut(name=_called(event, place), why=error.why, mend=error.mend))
            unsure.add(_uid(event))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            left_out.append(LeftOut(name=_called(event, place), why=_why_unread(event, error), mend=_OPEN))
            unsure.add(_uid(event))
    return Contents(events=events, left_out=left_out, unsure=frozenset(unsure) - {""})


class UnfitError(ValueError):
    """An event that cannot be taken: why, and what to do about it."""

    def __init__(self, why: str, mend: str) -> None:
        super().__init__(why)
        self.why, self.mend = why, mend


def _check_times(event: Event) -> None:
    """Raises UnfitError where an event has no time of its own, or one that nobody can place."""
    if "DTSTART" not in event:
        raise UnfitError("it does not say when it begins", _OPEN)
    for name in ("DTSTART", "DTEND"):
        given = event.get(name)
        zone = None if given is None else given.params.get("TZID")
        if zone is not None and isinstance(given.dt, datetime) and given.dt.tzinfo is None:
            raise UnfitError(f"its time is in the zone {zone!r}, which nobody knows", "give it a zone such as America/New_York")


def _why_unread(event: Event, error: Exception) -> str:
    """What cannot be read of it, without its contents."""
    broken = sorted({str(name) for name, _ in event.errors if name})
    return f"its {', '.join(broken)} cannot be read" if broken else f"it cannot be read: {type(error).__name__}"


def _called(event: Event, place: int) -> str:
    return _uid(event) or f"the event in place {place} of the file"


def _spelt_out(
    event: Event, own: Mapping[tuple[str, Micros], Event], window: Window, zone: tzinfo
) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """One event, or each time it takes place; one that is called off is not there. An occurrence with an entry of its own is that entry."""
    uid = _uid(event)
    if not uid:
        raise UnfitError("it has no UID, by which it is told from others", "make it anew in the calendar")
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    _check_times(event)
    at = _recurrence(event, zone)
    start, all_day = _start(event, zone)
    if _length(event, start, zone) < timedelta():
        raise UnfitError("it ends before it begins", "put its times right in the calendar")
    if at is not None:
        yield _named(uid, at), _fields(event, start, _length(event, start, zone), all_day=all_day, repeats=True)
    elif "RRULE" not in event and "RDATE" not in event:
        yield uid, _fields(event, start, _length(event, start, zone), all_day=all_day, repeats=False)
    else:
        for each in _occurrences(event, start, window, zone):
            if (uid, _micros(each)) not in own:
                yield _named(uid, _micros(each)), _fields(event, each, _length(event, start, zone), all_day=all_day, repeats=True)


def _occurrences(event: Event, start: datetime, window: Window, zone: tzinfo) -> Iterator[datetime]:
    """When a repeated event takes place within the window, by the clock of its own zone."""
    rules, here = rruleset(), start.tzinfo
    clock = start.replace(tzinfo=None)
    for rule in _listed(event, "RRULE"):
        if rule.get("FREQ", [""])[0] not in _FREQUENCIES:
            raise UnfitError(f"it repeats {rule.get('FREQ', ['by nothing'])[0]}, which is no appointment", "let it repeat by the day or more rarely")
        # A day as the limit is that whole day.
        parts = {**rule, "UNTIL": [_in(each, here, zone) + _day(each) for each in rule["UNTIL"]]} if "UNTIL" in rule else rule
        text = ";".join(f"{name}={','.join(map(_part, values))}" for name, values in parts.items())
        rules.rrule(rrulestr(text, dtstart=clock))
    if "RRULE" not in event:
        rules.rdate(clock)
    for name, add in (("RDATE", rules.rdate), ("EXDATE", rules.exdate)):
        for dates in _listed(event, name):
            for each in dates.dts:
                add(_in(each.dt[0] if isinstance(each.dt, tuple) else each.dt, here, zone))
    length = _length(event, start, zone)
    since = _when(window.since, here) - length
    for count, naive in enumerate(rules.xafter(since, inc=True)):
        found = naive.replace(tzinfo=here)
        if _micros(found) > window.until:
            return
        if count == _OCCURRENCES_MAX:
            raise UnfitError(f"it takes place more than {_OCCURRENCES_MAX:,} times within the window; only the first are taken", _SHORTER)
        yield found


def _fields(event: Event, start: datetime, length: timedelta, *, all_day: bool, repeats: bool) -> dict[str, Json]:
    # The end is as long after the start by the clock on the wall.
    end = (start.replace(tzinfo=None) + length).replace(tzinfo=start.tzinfo) if all_day else start.astimezone(UTC) + length
    modified = event.get("LAST-MODIFIED")
    return {
        "title": _text(event, "SUMMARY"),
        "start": iso(_micros(start)),
        "end": iso(_micros(end)),
        "all_day": all_day,
        "description": _text(event, "DESCRIPTION"),
        "location": _text(event, "LOCATION"),
        "status": _text(event, "STATUS"),
        "url": _text(event, "URL"),
        "repeats": repeats,
        "sequence": int(event["SEQUENCE"]) if "SEQUENCE" in event else None,
        "modified": None if modified is None else iso(_micros(_aware(modified.dt, UTC))),
    }


def _start(event: Event, zone: tzinfo) -> tuple[datetime, bool]:
    """When an event begins, and whether it takes whole days."""
    at = event["DTSTART"].dt
    return _aware(at, zone), not isinstance(at, datetime)


def _length(event: Event, start: datetime, zone: tzinfo) -> timedelta:
    if "DTEND" in event:
        end = event["DTEND"].dt
        if not isinstance(end, datetime):
            return _aware(end, zone).replace(tzinfo=None) - start.replace(tzinfo=None)
        return _aware(end, zone).astimezone(UTC) - start.astimezone(UTC)
    if "DURATION" in event:
        length: timedelta = event["DURATION"].dt
        return length
    return timedelta() if isinstance(event["DTSTART"].dt, datetime) else timedelta(days=1)


def _recurrence(event: Event, zone: tzinfo) -> Micros | None:
    """Which occurrence an entry of its own stands for."""
    given = event.get("RECURRENCE-ID")
    return None if given is None else _micros(_aware(given.dt, zone))


def _aware(at: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(at, datetime):
        return datetime(at.year, at.month, at.day, tzinfo=zone)
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def _in(at: date | datetime, here: tzinfo | None, zone: tzinfo) -> datetime:
    """A moment by the clock of an event's own zone."""
    aware = _aware(at, zone) if isinstance(at, datetime) else _aware(at, here or zone)
    return aware.astimezone(here).replace(tzinfo=None)


def _day(at: date | datetime) -> timedelta:
    return timedelta() if isinstance(at, datetime) else timedelta(days=1, seconds=-1)


def _when(at: Micros, here: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(at / SECOND, tz=UTC).astimezone(here).replace(tzinfo=None)


def _micros(at: datetime) -> Micros:
    return round(at.timestamp()) * SECOND


def _part(value: Any) -> str:
    return f"{value:%Y%m%dT%H%M%S}" if isinstance(value, datetime) else str(value)


def _listed(event: Event, name: str) -> list[Any]:
    found = event.get(name, [])
    return found if isinstance(found, list) else [found]


def _named(uid: str, at: Micros) -> str:
    return f"{uid}/{at // SECOND}"


def _uid(event: Event) -> str:
    return str(event.get("UID", "")).strip()


def _text(event: Event, name: str) -> str | None:
    return str(event.get(name, "")).strip()[:_TEXT_MAX] or None
