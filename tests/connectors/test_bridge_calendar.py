"""A calendar that is subscribed to: what its events are, within which window, and when one is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from syncd.connectors.bridge.calendar import events_of
from syncd.connectors.bridge.events import EVENTS, CalendarError, Window, words_about
from syncd.connectors.bridge.settings import BridgeSettings
from syncd.core.errors import ConnectorError, UserError
from syncd.core.handoff import Shown
from syncd.core.record import RecordId
from syncd.store.database import open_database
from tests.connectors.test_bridge import connected, elsewhere

NEW_YORK = ZoneInfo("America/New_York")


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


WINDOW = Window(since=micros("2026-01-01T00:00Z"), until=micros("2026-12-31T00:00Z"))


def calendar(*events: str) -> bytes:
    whole = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//EN\n{whole}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def starts(*events: str) -> list[str]:
    return sorted(str(each["start"])[:16] for each in events_of(calendar(*events), WINDOW, UTC).events.values())


def test_an_event_and_its_fields():
    """Texts with their signs, moments in UTC, and what tells one version from another."""
    data = calendar(
        "UID:a@17hats\nSUMMARY:Shoot\\, first\nDESCRIPTION:two\\nlines\nLOCATION:Here\nSTATUS:CONFIRMED\nSEQUENCE:3\n"
        "LAST-MODIFIED:20260102T030405Z\nDTSTART;TZID=America/New_York:20260701T090000\nDTEND;TZID=America/New_York:20260701T103000"
    )

    assert events_of(data, WINDOW, UTC).events == {
        "a@17hats": {
            "title": "Shoot, first", "description": "two\nlines", "location": "Here", "status": "CONFIRMED", "url": None, "sequence": 3,
            "start": "2026-07-01T13:00:00.000Z", "end": "2026-07-01T14:30:00.000Z", "all_day": False, "repeats": False,
            "modified": "2026-01-02T03:04:05.000Z",
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "zone", "start", "end"),
    [
        ("DTSTART:20260701T090000Z\nDURATION:PT45M", UTC, "2026-07-01T09:00", "2026-07-01T09:45"),
        ("DTSTART:20260701T090000", NEW_YORK, "2026-07-01T13:00", "2026-07-01T13:00"),
        ("DTSTART;VALUE=DATE:20260308", NEW_YORK, "2026-03-08T05:00", "2026-03-09T04:00"),
        ("DTSTART;VALUE=DATE:20260701\nDTEND;VALUE=DATE:20260703", UTC, "2026-07-01T00:00", "2026-07-03T00:00"),
        ("DTSTART;TZID=America/New_York:20261101T003000\nDTEND;TZID=America/New_York:20261101T033000", UTC, "2026-11-01T04:30", "2026-11-01T08:30"),
    ],
)
def test_times_of_every_kind(event, zone, start, end):
    """In UTC, without a zone, whole days (of which one has 23 hours), and over the night in which the clocks change."""
    (found,) = events_of(calendar(f"UID:a\n{event}"), WINDOW, zone).events.values()

    assert (start, end) == (str(found["start"])[:16], str(found["end"])[:16])


def test_what_repeats_keeps_its_time_of_day():
    """Nine o'clock stays nine o'clock when the clocks change, with exceptions, additions, and an occurrence that was moved."""
    weekly = (
        "UID:w\nSUMMARY:Weekly\nDTSTART;TZID=America/New_York:20260225T090000\nDTEND;TZID=America/New_York:20260225T100000\n"
        "RRULE:FREQ=WEEKLY;UNTIL=20260325T130000Z\nEXDATE;TZID=America/New_York:20260304T090000\nRDATE;TZID=America/New_York:20260326T090000"
    )
    moved = "UID:w\nSUMMARY:Moved\nRECURRENCE-ID;TZID=America/New_York:20260318T090000\nDTSTART;TZID=America/New_York:20260318T110000\nDURATION:PT1H"
    off = "UID:w\nSTATUS:CANCELLED\nRECURRENCE-ID;TZID=America/New_York:20260325T090000\nDTSTART;TZID=America/New_York:20260325T090000"

    assert ["2026-02-25T14:00", "2026-03-11T13:00", "2026-03-18T13:00", "2026-03-25T13:00", "2026-03-26T13:00"] == starts(weekly)
    assert ["2026-02-25T14:00", "2026-03-11T13:00", "2026-03-18T15:00", "2026-03-26T13:00"] == starts(weekly, moved, off)


def test_what_repeats_is_spelt_out_within_the_window_only():
    """Also where it began long ago and never ends; names stay the same when the window moves on."""
    daily = "UID:d\nDTSTART:20100101T120000Z\nRRULE:FREQ=DAILY"
    narrow = Window(since=micros("2026-05-01T00:00Z"), until=micros("2026-05-03T23:00Z"))
    later = Window(since=micros("2026-05-02T00:00Z"), until=micros("2026-05-04T23:00Z"))
    one, other = (set(events_of(calendar(daily), each, UTC).events) for each in (narrow, later))

    assert (3, 3, 2) == (len(one), len(other), len(one & other))


def test_what_cannot_be_taken_is_counted_and_the_rest_is_taken():
    """By the hour, without a name, without a time, with a rule that is none; and one that was called off is not there."""
    found = events_of(
        calendar(
            "UID:h\nDTSTART:20260101T000000Z\nRRULE:FREQ=HOURLY", "DTSTART:20260101T000000Z", "UID:x", "UID:r\nDTSTART:20260101T000000Z\nRRULE:FREQ=NEVER",
            "UID:ok\nDTSTART:20260101T000000Z", "UID:off\nSTATUS:CANCELLED\nDTSTART:20260101T000000Z",
        ),
        WINDOW, UTC,
    )  # fmt: skip

    assert ({"ok"}, 4) == (set(found.events), len(found.left_out))
    assert ["h", "the event in place 2 of the file", "x", "r"] == [each.name for each in found.left_out]


@pytest.mark.parametrize(
    ("event", "why", "mend"),
    [
        ("UID:a", "it does not say when it begins", "put its time right"),
        ("UID:a\nDTSTART:yesterday", "its DTSTART cannot be read", "put its time right"),
        ("UID:a\nDTSTART;TZID=Mars/Base:20260301T100000", "in the zone 'Mars/Base', which nobody knows", "America/New_York"),
        ("UID:a\nDTSTART:20260301T100000Z\nDTEND:20260301T090000Z", "it ends before it begins", "put its times right"),
        ("UID:a\nDTSTART:20260301T100000Z\nRRULE:FREQ=MINUTELY", "it repeats MINUTELY", "by the day"),
        ("UID:a\nDTSTART:20260301T100000Z\nRRULE:FREQ=DAILY;BYDAY=XX", "RRULE", "put its time right"),
        ("UID:a\nDTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=0,6,12,18", "more than 1,000 times", "calendar_ahead_days"),
        ("SUMMARY:Secret\nDTSTART:20260301T100000Z", "it has no UID", "make it anew"),
    ],
)
def test_what_cannot_be_taken_is_named_with_what_to_do(event, why, mend):
    """Why, and how it is mended; nothing of what it says; and the next event is taken all the same."""
    found = events_of(calendar(event, "UID:ok\nDTSTART:20260301T100000Z"), WINDOW, UTC)
    (left,) = found.left_out

    assert "ok" in found.events
    assert "a" not in found.events
    assert (why in left.why, mend in left.mend) == (True, True), left
    assert "Secret" not in f"{left}"


def test_what_is_too_often_is_taken_as_far_as_it_goes():
    """The first thousand times; what was known of the others is not taken for called off."""
    found = events_of(calendar("UID:a\nDTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;BYHOUR=0,6,12,18"), WINDOW, UTC)

    assert (1_000, {"a"}) == (len(found.events), found.unsure)


def test_what_cannot_be_read_any_more_is_not_gone():
    """Neither an event nor one of its times: it is there, and nobody knows how."""
    before = [
        Shown(id=RecordId(name), vendor_id=name, fields={"start": "2026-05-01T10:00:00.000Z"}, changed_at=1, shown_at=1, said_at=1)
        for name in ("once", "often/1777629600", "called-off")
    ]
    data = calendar("UID:once\nDTSTART:broken", "UID:often\nDTSTART:20260501T100000Z\nRRULE:FREQ=SECONDLY")
    words = words_about(events_of(data, WINDOW, UTC), before, WINDOW, 2)

    assert {"called-off": True} == {word.vendor_id: word.gone for word in words}


@pytest.mark.parametrize("data", [b"", b"<html>", calendar("UID:a\nDTSTART:20260101T000000Z")[:-12], b"BEGIN:VCALENDAR\r\n\xff\xfe\x00\r\nEND:VCALENDAR"])
def test_what_is_no_whole_calendar_says_nothing(data):
    """A page, or a file that broke off."""
    with pytest.raises(CalendarError):
        events_of(data, WINDOW, UTC)


def test_gone_is_what_the_window_holds_and_the_calendar_does_not():
    """The past that a calendar no longer shows was not called off; who was moved out of the window is known where it is now."""

    def known(name: str, start: str) -> Shown:
        fields = {"start": f"{start}T10:00:00.000Z", "end": f"{start}T11:00:00.000Z"}
        return Shown(id=RecordId(name), vendor_id=name, fields=fields, changed_at=1, shown_at=1, said_at=1)

    data = calendar("UID:moved\nDTSTART:20290101T000000Z", "UID:far\nDTSTART:20290101T000000Z", "UID:new\nDTSTART:20260401T000000Z")
    before = [known("moved", "2026-05-01"), known("past", "2025-05-01"), known("called-off", "2026-06-01")]
    words = words_about(events_of(data, WINDOW, UTC), before, WINDOW, 2)

    assert {"moved": False, "new": False, "called-off": True} == {word.vendor_id: word.gone for word in words}


async def test_a_calendar_is_fetched_once_until_it_changes(tmp_path):
    """By its ETag; a redirection, a page, or a file that is too large is an error that tells no address, and nothing is gone by it."""
    at = datetime.now(tz=UTC) + timedelta(days=3)
    asked, answer = [], {}

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append((request.query_string, request.headers.get("If-None-Match")))
        if answer.get("status") == 302:
            raise web.HTTPFound("https://elsewhere.example/secret")
        if request.headers.get("If-None-Match") == answer["etag"]:
            return web.Response(status=304)
        return web.Response(body=answer["body"], headers={"ETag": answer["etag"]})

    async with elsewhere(serve) as url, open_database(tmp_path / "syncd.db") as database:
        settings = BridgeSettings(calendar_url=f"{url}/calendar.ics?key=hidden")
        async with connected(settings, database) as connector:
            answer |= {"etag": '"1"', "body": calendar(f"UID:a\nSUMMARY:A\nDTSTART:{at:%Y%m%dT%H%M%SZ}")}
            first = [record.fields["title"] for record in (await connector.page(EVENTS)).records]
            again = [record.fields["title"] for record in (await connector.page(EVENTS)).records]
            for wrong in ({"etag": '"2"', "body": b"<html>"}, {"etag": '"3"', "body": b"x" * 5_000_000}, {"status": 302}):
                answer |= wrong
                with pytest.raises(ConnectorError) as caught:
                    await connector.page(EVENTS)
                assert "hidden" not in f"{caught.value}"
                assert "elsewhere.example" not in f"{caught.value}"
            answer |= {"status": 200, "etag": '"4"', "body": calendar()}
            last = (await connector.page(EVENTS)).records

    assert (["A"], ["A"], []) == (first, again, list(last))
    assert [("key=hidden", None), ("key=hidden", '"1"')] == asked[:2]


@pytest.mark.parametrize("url", ["http://calendar.example/a.ics", "https://user:word@calendar.example/a.ics", "file:///etc/passwd", "nowhere"])
async def test_an_address_that_may_not_be_called_is_refused_at_once(tmp_path, url):
    """And is not told."""
    async with open_database(tmp_path / "syncd.db") as database:
        with pytest.raises(UserError) as caught:
            async with connected(BridgeSettings(calendar_url=url), database):
                pass

    assert url not in str(caught.value)
