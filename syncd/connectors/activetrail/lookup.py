"""Finding one ActiveTrail contact: by its id, by its address, by its mobile number.

The rule that keeps it true: what an answer shows is checked against what was asked for, so that no other contact is ever taken for it.
It must not know: what a contact belongs to, or what is done with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.contacts import is_alive, is_contact
from syncd.connectors.activetrail.pages import EVER, Pages
from syncd.connectors.base import Exists
from syncd.connectors.http import Answer, Session
from syncd.core.record import Json, RecordId

_SEARCH_PAGES_MAX = 5
# An address of these characters alone stands in a path unharmed; web servers refuse some of the others there, however they are written.
_PLAIN_EMAIL = re.compile(r"[a-z0-9._@-]{3,100}")
# ActiveTrail: others' programs: numbers are kept as they came, 05… and 9725… alike, with or without strokes; the end is the same.
_NUMBER_END, _SEARCHED_END = 8, 4

Row = Mapping[str, Json]


class Lookup:
    """The contacts of one account, looked for one at a time."""

    def __init__(self, session: Session, pages: Pages) -> None:
        self._session, self._pages = session, pages

    async def by_id(self, contact_id: str) -> Row | None:
        """The contact as it is now, deleted ones that are kept included; None where there is none."""
        answer = await self._session.call(operations.GET, ids={"contact_id": contact_id}, accept=(404,))
        row = self._row(answer)
        if row is not None and str(row["id"]) != contact_id:
            raise self._session.unexpected(operations.GET, "another contact")
        return row

    async def by_email(self, email: str) -> list[Row]:
        """The contact with this address, if any; addresses are compared without regard to capitals."""
        wanted = email.strip().lower()
        if not wanted:
            return []
        if _PLAIN_EMAIL.fullmatch(wanted) is None:
            return await self._search(wanted, lambda row: str(row.get("email") or "").lower() == wanted)
        operation = operations.get_by_email(wanted)
        row = self._row(await self._session.call(operation, accept=(404,)))
        return [row] if row is not None and str(row.get("email") or "").lower() == wanted else []

    async def by_number(self, number: str) -> list[Row]:
        """Every contact whose mobile number ends alike."""
        end = _digits(number)[-_NUMBER_END:]
        if len(end) < _NUMBER_END:
            return []
        return await self._search(end[-_SEARCHED_END:], lambda row: _digits(str(row.get("sms") or "")).endswith(end))

    async def existing(self, body: Mapping[str, Json]) -> Exists | None:
        """The contact that a create with this body would change instead."""
        for path, find in (("email", self.by_email), ("sms", self.by_number)):
            if body.get(path):
                alive = [row for row in await find(str(body[path])) if is_alive(row)]
                if alive:
                    return Exists(id=RecordId(str(alive[0]["id"])), key=path)
        return None

    async def _search(self, term: str, fits: Callable[[Row], bool]) -> list[Row]:
        query = {"CustomerStates": "ALL", "FromDate": EVER, "SearchTerm": term}
        rows, _ = await self._pages.some(operations.LIST, most=_SEARCH_PAGES_MAX, query=query)
        return list({row["id"]: row for row in rows if is_contact(row) and fits(row)}.values())

    def _row(self, answer: Answer) -> Row | None:
        if answer.status == 404 or not answer.body:
            return None
        if not is_contact(answer.body):
            raise self._session.unexpected(answer.operation, "no contact")
        row: Row = answer.body
        return row


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isdigit())
