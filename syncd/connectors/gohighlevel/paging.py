"""Listing a collection page by page: as its operation pages, by calendar, by contact, or by channel.

`Lister.page` reads one page and says where the next begins; a token is JSON, so that a pass goes on after a restart where it stopped.
The rule that keeps it true: a listing that cannot be continued, or that shows the same page again, is an error and never an end; and what
costs a call a contact is asked for as backfill, behind everything else.
It must not know: records, fields, or what a listing is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from syncd.connectors import payload
from syncd.connectors.calling import rows_of
from syncd.connectors.catalogue import Prepared
from syncd.connectors.gohighlevel.identity import says_gone
from syncd.connectors.gohighlevel.search import Search
from syncd.connectors.gohighlevel.table import CONTACT, CONTACTS_A_PAGE, Collection, Listing
from syncd.connectors.http import Answer, Session
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError
from syncd.core.record import DAY, MINUTE, Json, Micros

Row = Mapping[str, Json]
Ask = Callable[[str, Mapping[str, Json]], Awaitable[tuple[Prepared, Answer]]]
"""Calls an operation with values; a parent that is gone is an answer of 400 or 404."""

ABREAST = 8
NEAR_PAST, NEAR_FUTURE = 31 * DAY, 366 * DAY
# From when on the vendor has had calendars; to five years ahead year by year, and from there on to a time that nobody books in one window.
DIARY_FROM: Micros = 1_420_070_400_000_000
DIARY_AHEAD = 5 * 366 * DAY
DIARY_TO: Micros = 7_258_118_400_000_000
SLICE = 366 * DAY
_HELD_BY = {"calendarId": "calendarId", "assignedUserId": "userId"}
# E-mails are not among the messages unless they are asked for.
_CHANNELS: tuple[Mapping[str, Json], ...] = ({}, {"channel": "Email"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One page of rows as the vendor shows them, each with its parent's id where it has a parent. `next` continues.

    `calls` is what the page took, and `calls_left` about what the rest takes, where that can be told.
    """

    rows: Sequence[tuple[Row, str | None]]
    next: Json | None
    total: int | None = None
    calls: int = 1
    calls_left: int | None = None


class Lister:
    """Lists the collections of one location."""

    def __init__(self, session: Session, search: Search, ask: Ask) -> None:
        self._session, self._search, self._ask = session, search, ask

    async def page(self, collection: Collection, values: Mapping[str, Json], *, token: Json | None, since: Micros | None) -> Rows:
        """One page; `values` narrow it down."""
        match collection.listing:
            case Listing.PAGED:
                return await self._paged(collection, values, token)
            case Listing.CHANNELS:
                return await self._channels(collection, token, since)
            case Listing.DIARY:
                return await self._diary(collection, token, since)
            case Listing.PER_CONTACT:
                return await self._per_contact(collection, token)

    async def find_event(self, collection: Collection, event_id: str) -> Row | None:
        """An event without a read by id, by listing every calendar and person's."""
        for holder in await self._holders(collection):
            for row in await self._events(collection, holder, DIARY_FROM, DIARY_TO):
                if row.get("id") == event_id:
                    return row
        return None

    async def events_by(self, collection: Collection, path: str, value: Json) -> list[Row]:
        """The events of one calendar or person; or of them all, those that start within a minute of a time."""
        now, at = self._session.clock.now(), payload.moment(value) if path == "startTime" else None
        windows = _windows(now, near=False) if at is None else [(at - MINUTE, at + MINUTE)]
        holders = [[_HELD_BY[path], str(value)]] if path in _HELD_BY else await self._holders(collection)
        rows = [row for holder in holders for window in windows for row in await self._events(collection, holder, *window)]
        return list({row.get("id"): row for row in rows}.values())

    async def of_contact(self, collection: Collection, contact_id: str) -> list[Row]:
        """Those of one contact; none where the contact is gone."""
        prepared, answer = await self._ask(collection.of_contact, {CONTACT: contact_id})
        return [] if answer.status >= 400 and says_gone(answer) else self._rows(prepared, answer)

    async def all_of(self, operation: str) -> list[Row]:
        """The rows of a listing that has no pages."""
        return self._rows(*await self._ask(operation, {}))

    async def _paged(self, collection: Collection, values: Mapping[str, Json], token: Json | None) -> Rows:
        place: Mapping[str, Json] = token or {"values": {}, "seen": 0, "first": None}
        given = {**collection.with_list, **values, **place["values"]}
        prepared, answer = await self._ask(collection.list, given)
        rows = self._rows(prepared, answer)
        first = rows[0].get(prepared.row.id) if rows else None
        if first is not None and first == place["first"]:
            raise self._session.unexpected(prepared.operation, "the page before once more")
        seen, total = place["seen"] + len(rows), _total(answer.body)
        following = self._following(prepared, answer, rows, seen=seen, total=total)
        onward = None if following is None else {"values": following, "seen": seen, "first": first}
        left = None if total is None or onward is None else pages_left(total - seen, _size(prepared) or len(rows))
        return Rows(rows=[(row, None) for row in rows], next=onward, total=total, calls_left=left)

    def _following(self, prepared: Prepared, answer: Answer, rows: Sequence[Row], *, seen: int, total: int | None) -> dict[str, Json] | None:
        """The values that ask for the next page. A short page alone is not the end, nor is the total: a row that moves is counted twice."""
        paging = prepared.row.paging
        complete = total is not None and seen >= total
        if paging is None or not rows or (complete and len(rows) < _size(prepared)):
            return None
        found: dict[str, Json] = {}
        for name, source in paging.sources.items():
            value = str(seen) if source == "rows" else _first(source, answer.body, rows[-1])
            if value is None:
                if total is None or complete:
                    return None
                raise self._session.unexpected(prepared.operation, "a page that cannot be continued")
            found[name] = int(value) if name in _numbers(prepared) else value
        return found

    async def _channels(self, collection: Collection, token: Json | None, since: Micros | None) -> Rows:
        place: Mapping[str, Json] = token or {"channel": 0, "cursor": None, "since": since}
        given = {**collection.with_list, **_CHANNELS[place["channel"]]}
        if place["since"] is not None:
            given["startDate"] = payload.iso(place["since"])
        if place["cursor"] is not None:
            given["cursor"] = place["cursor"]
        prepared, answer = await self._ask(collection.list, given)
        rows = self._rows(prepared, answer)
        cursor = answer.body.get("nextCursor") if rows else None
        if cursor and cursor == place["cursor"]:
            raise self._session.unexpected(prepared.operation, "the page before once more")
        onward: Json = {**place, "cursor": cursor} if cursor else {**place, "cursor": None, "channel": place["channel"] + 1}
        return Rows(rows=[(row, None) for row in rows], next=onward if onward["channel"] < len(_CHANNELS) else None)

    async def _diary(self, collection: Collection, token: Json | None, since: Micros | None) -> Rows:
        """One calendar (or person) a page: all there is, or with `since` what starts soon and what has just been."""
        asked = token is None
        if token is None:
            token = {"left": await self._holders(collection), "since": since}
        if not token["left"]:
            return Rows(rows=[], next=None)
        holder, *left = token["left"]
        windows = _windows(self._session.clock.now(), near=token["since"] is not None)
        rows: list[Row] = []
        for first, last in windows:
            rows += await self._events(collection, holder, first, last)
        onward = {**token, "left": left} if left else None
        calls = len(windows) + asked * (1 if collection.get else 2)
        return Rows(rows=[(row, None) for row in rows], next=onward, calls=calls, calls_left=len(left) * len(windows))

    async def _holders(self, collection: Collection) -> list[list[str]]:
        """Whose events there are: every calendar's, and every person's where an event need not be in a calendar."""
        rows = self._rows(*await self._ask("list-calendars", {"showDrafted": True}))
        found = [["calendarId", str(row["id"])] for row in rows]
        if not collection.get:
            found += [["userId", str(row["id"])] for row in await self.all_of("list-users-by-location")]
        return found

    async def _events(self, collection: Collection, holder: Sequence[str], first: Micros, last: Micros) -> list[Row]:
        """The events of one holder that start within the window, in milliseconds."""
        window = {holder[0]: holder[1], "startTime": str(first // 1_000), "endTime": str(last // 1_000)}
        return self._rows(*await self._ask(collection.list, window))

    async def _per_contact(self, collection: Collection, token: Json | None) -> Rows:
        """The children of the next few contacts. A contact that has just gone has none."""
        with priority(Priority.BACKFILL):
            contacts = await self._search.page(token=token, since=None, limit=CONTACTS_A_PAGE)
            ids = [str(contact["id"]) for contact in contacts.contacts]
            found = await _abreast([lambda each=each: self.children(collection, each) for each in ids])  # type: ignore[misc]
        rows = [(row, parent) for parent, children in zip(ids, found, strict=True) for row in children]
        left = contacts.left
        more = None if left is None else left + pages_left(left, CONTACTS_A_PAGE)
        return Rows(rows=rows, next=contacts.next, calls=1 + len(ids), calls_left=more)

    async def children(self, collection: Collection, parent: str) -> list[Row]:
        """Those of one parent; none where the parent is gone."""
        prepared, answer = await self._ask(collection.children, {collection.parent: parent})
        return [] if answer.status >= 400 and says_gone(answer) else self._rows(prepared, answer)

    def _rows(self, prepared: Prepared, answer: Answer) -> list[Row]:
        """The rows of an answer; a row without an id cannot be one."""
        if answer.status >= 400:
            raise self._session.refusal(answer)
        body, key = answer.body, prepared.row.collection
        if not (isinstance(body, list) if key == "[]" else isinstance(body, dict) and isinstance(body.get(key), list)):
            raise self._session.unexpected(prepared.operation, "no list")
        return [row for row in rows_of(prepared.row, body) if isinstance(row, dict)]


async def _abreast(jobs: Sequence[Callable[[], Awaitable[list[Row]]]]) -> list[list[Row]]:
    """Every job's answer in order; the first error of any, when all that were begun have ended."""
    answers: dict[int, list[Row]] = {}
    errors: list[ConnectorError] = []
    queue = iter(enumerate(jobs))

    async def work() -> None:
        for number, job in queue:
            try:
                answers[number] = await job()
            except ConnectorError as error:
                errors.append(error)
            if errors:
                return

    async with anyio.create_task_group() as tasks:
        for _ in range(min(ABREAST, len(jobs))):
            tasks.start_soon(work)
    if errors:
        raise errors[0]
    return [answers[number] for number in range(len(jobs))]


def _windows(now: Micros, *, near: bool) -> list[tuple[Micros, Micros]]:
    """The windows that show all events; or, `near`, those that start soon or have just been."""
    if near:
        return [(now - NEAR_PAST, now + NEAR_FUTURE)]
    years = range(DIARY_FROM, now + DIARY_AHEAD, SLICE)
    return [(first, first + SLICE) for first in years] + [(years[-1] + SLICE, DIARY_TO)]


def pages_left(rows: int, size: int) -> int:
    """How many pages show the rows that are left; a listing that goes on has at least one."""
    return max(1, -(-rows // size))


def _size(prepared: Prepared) -> int:
    """How many rows were asked for."""
    given = {**(prepared.body if isinstance(prepared.body, dict) else {}), **prepared.query}
    return int(given.get("limit", 0))


def _numbers(prepared: Prepared) -> frozenset[str]:
    return frozenset(each.name for each in prepared.row.parameters if each.type == "number")


def _total(body: Json) -> int | None:
    """How many rows the whole listing has; `count` is not believed, which counts a page here and a listing there."""
    places = (body, body.get("meta")) if isinstance(body, dict) else ()
    return next((each["total"] for each in places if isinstance(each, dict) and isinstance(each.get("total"), int)), None)


def _first(source: str, body: Json, last: Row) -> str | None:
    """The first of the places in the answer, or in its last row, that holds something. A sort value may come in a list of one."""
    for place in source.split("|"):
        value: Json = last if place.startswith("last.") else body
        for name in place.removeprefix("last.").split("."):
            value = value.get(name) if isinstance(value, dict) else None
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, (str, int)) and value != "":
            return str(value)
    return None
