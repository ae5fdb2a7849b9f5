"""Finding out what ActiveTrail's documentation leaves open.

`Probing.probe` asks what can be asked by reading; the meaning of FromDate and the fate of a deleted contact are learnt from an update and a
deletion that had to be made anyway.
The rule that keeps it true: nothing is written for the sake of asking, no answer is overwritten, and a question that cannot be asked now
stays open: it is never the reason that anything else fails.
It must not know: what an answer is good for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.contacts import is_alive
from syncd.connectors.activetrail.pages import EVER, LIMIT, Pages
from syncd.connectors.activetrail.unknowns import Answers, Deletion, judge_first_page, judge_from_date
from syncd.connectors.http import Session
from syncd.core.errors import ConnectorError, Rejected, Unauthorized
from syncd.core.record import DAY, SECOND, Json, Micros

_LESSONS_MAX = 3
_LESSON_PAGES_MAX = 3
_LESSON_WINDOW: Micros = 2 * DAY
# In which zone the vendor reads FromDate is not stated, so a listing since some moment begins a day before it.
_OVERLAP: Micros = DAY


class Probing:
    """What is known of one account."""

    def __init__(self, session: Session, answers: Answers) -> None:
        self._session = session
        self.answers = answers
        self._lessons = 0

    async def probe(self, pages: Pages) -> None:
        """Asks what is still open."""
        if self.answers.first_page is None:
            await self._ask_first_page(pages)
        if self.answers.events is None:
            await self._ask_events(pages)

    def saw(self, rows: Iterable[Mapping[str, Json]]) -> None:
        """Contacts came by: one that is marked as deleted was kept."""
        if self.answers.deletion is None and not all(is_alive(row) for row in rows):
            self.answers = replace(self.answers, deletion=Deletion.SOFT)

    async def learn_from_deletion(self, contact_id: str) -> None:
        """What became of a contact that was just deleted."""
        if self.answers.deletion is not None:
            return
        try:
            answer = await self._session.call(operations.GET, ids={"contact_id": contact_id}, accept=(404,))
        except ConnectorError:
            return
        if answer.status == 404:
            self.answers = replace(self.answers, deletion=Deletion.HARD)
        elif isinstance(answer.body, dict):
            self.saw([answer.body])

    @asynccontextmanager
    async def learning_from_update(self, contact_id: str, pages: Pages) -> AsyncIterator[None]:
        """Looks what FromDate lists before and after a contact is updated in the block, until that has told what it compares."""
        before = None
        if self.answers.from_date is None and self._lessons < _LESSONS_MAX:
            self._lessons += 1
            before = await self._listed_lately(pages)
        yield
        if before is None or int(contact_id) in before:
            return
        after = await self._listed_lately(pages)
        if after is not None:
            self.answers = replace(self.answers, from_date=judge_from_date(int(contact_id), before, after))

    def lately(self) -> str:
        """A FromDate of two days ago: whatever it compares, and in whatever zone, whoever was made within the last hours is listed since."""
        return _written(self._session.clock.now() - _LESSON_WINDOW)

    async def _listed_lately(self, pages: Pages) -> set[int] | None:
        """The ids that a listing of the last days shows; None where that cannot be said in a few pages."""
        query = {"CustomerStates": "ALL", "FromDate": self.lately()}
        try:
            rows, complete = await pages.some(operations.LIST, most=_LESSON_PAGES_MAX, query=query)
        except ConnectorError:
            return None
        return {row["id"] for row in rows if isinstance(row.get("id"), int)} if complete else None

    async def _ask_first_page(self, pages: Pages) -> None:
        query = {"CustomerStates": "ALL", "FromDate": EVER, "Limit": str(LIMIT)}
        shown: list[list[int] | None] = []
        # An empty page 0 decides only when it is empty again after page 1 was not.
        for number in ("0", "1", "0"):
            answer = await self._session.call(operations.LIST, query={**query, "Page": number}, accept=(400,) if number == "0" else ())
            if answer.status == 400:
                shown.append(None)
                continue
            rows = pages.rows(operations.LIST, answer.body)
            self.saw(rows)
            shown.append([row["id"] for row in rows])
            if len(shown) == 2 and shown[0] != []:
                break
        zero, one = shown[-1] if len(shown) == 3 else shown[0], shown[1] or []
        self.answers = replace(self.answers, first_page=judge_first_page(zero, one))

    async def _ask_events(self, pages: Pages) -> None:
        try:
            answer = await self._session.call(operations.WEBHOOKS)
        except (Rejected, Unauthorized):
            return
        rows = pages.rows(operations.WEBHOOKS, answer.body)
        events = {str(row["event_type"]) for row in rows if row.get("is_active") and row.get("event_type")}
        self.answers = replace(self.answers, events=frozenset(events))


def listing_since(since: Micros | None) -> str:
    """What FromDate says: ever, or a day before the moment that is meant."""
    return EVER if since is None else _written(since - _OVERLAP)


def _written(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
