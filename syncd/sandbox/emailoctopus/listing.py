"""Listings: filters, keyset cursors and the paging block.

Rows come in the order (last update, id); the cursor is opaque to callers and holds the place of the last row seen.

Rule: a page costs a bisection and its own rows, and rows that are updated while somebody pages move to the end and
are seen again, as the vendor's keyset makes them.

It must not know how contacts are written.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson

from syncd.sandbox.calls import Call
from syncd.sandbox.emailoctopus.contact import STATUSES, Contact
from syncd.sandbox.emailoctopus.mailing_list import MailingList, Place
from syncd.sandbox.emailoctopus.problems import bad_parameter
from syncd.sandbox.faults import FaultKind
from syncd.sandbox.moments import epoch_from_iso, iso_from_seconds
from syncd.sandbox.truth import Json

T = TypeVar("T")
LIMIT_MAX = 100


def contacts_page(call: Call, mailing_list: MailingList) -> tuple[list[Contact], Json]:
    """The contacts a request asks for, and its paging block."""
    query = call.query
    status = query.get("status", "subscribed")
    if status not in STATUSES:
        raise bad_parameter("status", "The value you selected is not a valid choice.")
    limit = limit_of(query)
    places = mailing_list.places(status)
    low, high = _bounds(query, "last_updated_at")
    start, end = bisect_left(places, (low,)), bisect_right(places, high, key=lambda place: float(place[0]))
    if "starting_after" in query:
        start = max(start, bisect_right(places, _place(query["starting_after"])))
    if call.shaping is FaultKind.PAGE_SKIP:
        start += limit
    found = [mailing_list.by_id(contact_id) for _, contact_id in _candidates(places, start, end, query, limit)]
    matching = [contact for contact in found if _matches(contact, query)]
    rows, more = matching[:limit], len(matching) > limit
    if call.shaping is FaultKind.EMPTY_LISTING:
        rows, more = [], False
    if call.shaping is FaultKind.TRUNCATED_LISTING:
        rows, more = ([] if "starting_after" in query else rows), False
    cursor = _encoded([iso_from_seconds(rows[-1].updated_s), rows[-1].id]) if more else None
    return rows, paging(call, cursor, mailing_list.options.last_page_next)


def names_page(call: Call, names: list[str], last_page_next: str) -> tuple[list[str], Json]:
    """A page of names in the order given, by the same kind of cursor."""
    limit, start = limit_of(call.query), 0
    if "starting_after" in call.query:
        after = _decoded(call.query["starting_after"])
        if len(after) != 1 or after[0] not in names:
            raise bad_parameter("starting_after", "This value is not valid.")
        start = names.index(after[0]) + 1
    start += limit if call.shaping is FaultKind.PAGE_SKIP else 0
    rows, more = names[start : start + limit], start + limit < len(names)
    if call.shaping is FaultKind.EMPTY_LISTING:
        rows, more = [], False
    if call.shaping is FaultKind.TRUNCATED_LISTING:
        rows, more = ([] if "starting_after" in call.query else rows), False
    return rows, paging(call, _encoded([rows[-1]]) if more and rows else None, last_page_next)


def limit_of(query: Mapping[str, str]) -> int:
    """The page size, 1 to 100."""
    text = query.get("limit", str(LIMIT_MAX))
    if not text.isdecimal() or not 1 <= int(text) <= LIMIT_MAX:
        raise bad_parameter("limit", f"This value should be between 1 and {LIMIT_MAX}.")
    return int(text)


def paging(call: Call, cursor: str | None, last_page_next: str) -> Json:
    """The paging block; how the last page says so is undocumented, hence the option."""
    if cursor is None:
        ends: dict[str, Json] = {
            "null": {"next": None},
            "null_members": {"next": {"url": None, "starting_after": None}},
        }
        return ends.get(last_page_next, {})
    query = {name: value for name, value in call.query.items() if name != "starting_after"}
    url = f"{call.base_url}{call.path}?{urlencode({**query, 'starting_after': cursor})}"
    return {"next": {"url": url, "starting_after": cursor}}


def _candidates(places: list[Place], start: int, end: int, query: Mapping[str, str], limit: int) -> list[Place]:
    """Enough places for a page and one more; a filter that the order cannot serve has to look at all of them."""
    filtered = any(name in query for name in ("tag", "created_at.gte", "created_at.lte"))
    return places[start:end] if filtered else places[start : min(end, start + limit + 1)]


def _matches(contact: Contact, query: Mapping[str, str]) -> bool:
    if "tag" in query and query["tag"] not in contact.tags:
        return False
    low, high = _bounds(query, "created_at")
    return low <= contact.created_s <= high


def _bounds(query: Mapping[str, str], name: str) -> tuple[float, float]:
    return _moment(query, f"{name}.gte", float("-inf")), _moment(query, f"{name}.lte", float("inf"))


def _moment(query: Mapping[str, str], parameter: str, absent: float) -> float:
    if parameter not in query:
        return absent
    try:
        # An unescaped plus arrives as a space; the vendor's own examples end in Z, so only the space is forgiven.
        return epoch_from_iso(query[parameter].replace(" ", "+"))
    except ValueError:
        raise bad_parameter(parameter, "This value is not a valid ISO 8601 date.") from None


def _place(cursor: str) -> Place:
    held = _decoded(cursor)
    try:
        return int(epoch_from_iso(held[0])), str(held[1])
    except (IndexError, TypeError, ValueError):
        raise bad_parameter("starting_after", "This value is not valid.") from None


def _encoded(values: list[Any]) -> str:
    return urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def _decoded(cursor: str) -> list[Any]:
    try:
        held = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        held = None
    if not isinstance(held, list):
        raise bad_parameter("starting_after", "This value is not valid.")
    return held
