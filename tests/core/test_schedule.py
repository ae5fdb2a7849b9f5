"""Schedules: once for each local day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from syncd.core.record import DAY, HOUR, MINUTE, SECOND
from syncd.core.schedule import Rhythm, Schedule, following, latest

LONDON, NEW_YORK, KATHMANDU, SYDNEY = (ZoneInfo(name) for name in ("Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Sydney"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def spelt(moment: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(microseconds=moment)).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "after", "comes"),
    [
        (LONDON, 7, 0, "2027-01-10T06:59", "2027-01-10T07:00"),
        (LONDON, 7, 0, "2027-01-10T07:00", "2027-01-11T07:00"),
        (LONDON, 7, 0, "2027-07-10T05:59", "2027-07-10T06:00"),
        # 01:30 does not exist that night: it comes an hour later by the new clock.
        (LONDON, 1, 30, "2027-03-28T00:00", "2027-03-28T01:30"),
        (LONDON, 1, 30, "2027-03-28T01:30", "2027-03-29T00:30"),
        # 01:30 comes twice that night: the first is meant.
        (LONDON, 1, 30, "2027-10-30T12:00", "2027-10-31T00:30"),
        (LONDON, 1, 30, "2027-10-31T00:30", "2027-11-01T01:30"),
        (NEW_YORK, 23, 30, "2027-01-10T04:29", "2027-01-10T04:30"),
        (SYDNEY, 0, 0, "2027-01-09T13:00", "2027-01-10T13:00"),
        (KATHMANDU, 9, 0, "2027-01-10T00:00", "2027-01-10T03:15"),
    ],
)
def test_daily(zone, hour, minute, after, comes):
    """The first after an instant."""
    assert comes == spelt(following(Schedule(rhythm=Rhythm.DAILY, zone=zone, hour=hour, minute=minute), at(after)).at)


@pytest.mark.parametrize("zone", [LONDON, NEW_YORK, KATHMANDU, SYDNEY, UTC])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 12, 23])
def test_a_year_of_days_has_each_day_once(zone, hour):
    """In order, each under its own name."""
    schedule = Schedule(rhythm=Rhythm.DAILY, zone=zone, hour=hour, minute=30)
    found = [following(schedule, at("2027-01-01T00:00"))]
    while len(found) < 366:
        found.append(following(schedule, found[-1].at))
    days = [datetime.fromisoformat(each.key).date() for each in found]

    assert [days[0] + timedelta(days=number) for number in range(366)] == days
    assert all(22 * HOUR <= later.at - sooner.at <= 26 * HOUR for sooner, later in pairwise(found))


def test_weekly():
    """On its weekday, by the local calendar."""
    schedule = Schedule(rhythm=Rhythm.WEEKLY, zone=SYDNEY, weekday=0, hour=8)
    first = following(schedule, at("2027-01-01T00:00"))

    assert ("2027-01-04", "2027-01-03T21:00") == (first.key, spelt(first.at))
    assert "2027-01-11" == following(schedule, first.at).key


@pytest.mark.parametrize(("zone", "comes"), [(UTC, "2027-01-10T10:15"), (LONDON, "2027-01-10T10:15"), (KATHMANDU, "2027-01-10T10:30")])
def test_hourly(zone, comes):
    """At its minute past the local hour, which is not everybody's."""
    schedule = Schedule(rhythm=Rhythm.HOURLY, minute=15, zone=zone)

    assert comes == spelt(following(schedule, at("2027-01-10T10:00")).at)
    assert HOUR == following(schedule, at(comes)).at - at(comes)


def test_every():
    """At the same moments, whenever one looks."""
    schedule = Schedule(rhythm=Rhythm.EVERY, every=10 * MINUTE)

    assert "2027-01-10T10:20" == spelt(following(schedule, at("2027-01-10T10:10")).at)
    assert "2027-01-10T10:20" == spelt(latest(schedule, 0, at("2027-01-10T10:29")).at)


def test_what_was_missed_comes_once():
    """The last of those that passed while nobody was there; none where none passed."""
    schedule = Schedule(rhythm=Rhythm.DAILY, zone=LONDON, hour=7)
    since = at("2027-01-10T07:00")

    assert None is latest(schedule, since, since + DAY - 1)
    assert "2027-01-11" == latest(schedule, since, since + DAY).key
    assert "2027-01-15" == latest(schedule, since, since + 5 * DAY).key
    assert "2027-06-10" == latest(schedule, since, at("2027-06-10T12:00")).key
