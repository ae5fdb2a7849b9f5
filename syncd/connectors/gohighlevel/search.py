"""GoHighLevel's contact search: the only listing, and an index that runs behind.

`Search.page` reads one page in the order of change; `Search.ids_by_email` looks one address up.
The rule that keeps it true: a result has no documented schema, so a field counts as shown by search only once some result has shown it;
and the end of a listing is never taken from a short page alone.
It must not know: records, or what a listing is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.connectors import payload
from syncd.connectors.address import is_id
from syncd.connectors.gohighlevel import operations
from syncd.connectors.http import Answer, Session
from syncd.core.record import Json, Micros

# GHL: a mirror of the docs allows 500 a page and 75 characters a filter value. Should pages be shorter, paging goes on all the same.
PAGE_LIMIT = 500
_VALUE_MAX = 75
_FOUND_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One page of contacts as the vendor shows them. `next` continues; None after the last. `left` is how many are still to come."""

    contacts: Sequence[Mapping[str, Json]]
    next: Json | None
    total: int | None
    left: int | None


class Search:
    """Searches one location. `shows` are the names that search results have been seen to show."""

    def __init__(self, location_id: str, session: Session) -> None:
        self.shows: frozenset[str] = frozenset()
        self._location_id = location_id
        self._session = session

    async def page(self, *, token: Json | None, since: Micros | None, limit: int | None = None) -> Results:
        """One page, from the least recently changed on; `limit` asks for a smaller one than the vendor allows."""
        place: Mapping[str, Json] = token if token is not None else {"after": None, "seen": 0, "since": since}
        body = self._body()
        size = body["pageLimit"] = limit or PAGE_LIMIT
        if place["since"] is not None:
            body["filters"] = [{"field": "dateUpdated", "operator": "range", "value": {"gte": payload.iso(place["since"])}}]
        if place["after"] is not None:
            body["searchAfter"] = place["after"]
        contacts, answer = await self._run(body)
        self.shows = self.shows.union(*contacts)
        total = answer.body.get("total")
        seen = place["seen"] + len(contacts)
        # A contact changed meanwhile is met again at the end and counted twice, so the total alone does not end a listing either.
        ended = not contacts or (len(contacts) < size and isinstance(total, int) and seen >= total)
        return Results(
            contacts=contacts,
            next=None if ended else {**place, "after": self._after(answer, contacts[-1], place), "seen": seen},
            total=total if isinstance(total, int) else None,
            left=0 if ended else max(0, total - seen) if isinstance(total, int) else None,
        )

    async def ids_by_email(self, email: str) -> list[str]:
        """The ids the index has for an address."""
        if len(email) > _VALUE_MAX:
            return []
        body = {**self._body(), "pageLimit": _FOUND_MAX}
        body["filters"] = [{"field": "email", "operator": "eq", "value": email}]
        contacts, _ = await self._run(body)
        return [contact["id"] for contact in contacts]

    def _body(self) -> dict[str, Json]:
        return {
            "locationId": self._location_id,
            "pageLimit": PAGE_LIMIT,
            "sort": [{"field": "dateUpdated", "direction": "asc"}],
        }

    async def _run(self, body: Json) -> tuple[list[dict[str, Json]], Answer]:
        answer = await self._session.call(operations.SEARCH, body=body)
        contacts = answer.body.get("contacts") if isinstance(answer.body, dict) else None
        if not isinstance(contacts, list) or not all(is_contact(each) for each in contacts):
            raise self._session.unexpected(operations.SEARCH, "no list of contacts")
        return contacts, answer

    def _after(self, answer: Answer, last: Mapping[str, Json], place: Mapping[str, Json]) -> Json:
        """GHL: "returned in each response": whether with each contact or once for all is not shown, so both are read."""
        after = last.get("searchAfter") or answer.body.get("searchAfter")
        if not isinstance(after, list) or after == place["after"]:
            raise self._session.unexpected(operations.SEARCH, "a page that cannot be continued")
        return after


def is_contact(contact: Json) -> bool:
    """Whether this is something with an id that can stand in an address."""
    return isinstance(contact, dict) and isinstance(contact.get("id"), str) and is_id(contact["id"])
