"""Going through ActiveTrail's numbered pages, whichever number the first one has.

`Pages.read` reads one page and `Pages.following` says which comes next; `Pages.all` goes through a whole listing.
The rule that keeps it true: while the first page's number is not known, 0 and 1 are both read. A whole listing ends at an empty page
only: a page may be short because the vendor leaves out of it what is deleted.
It must not know: what the rows are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from syncd.connectors.http import Operation, Session
from syncd.core.record import Json

LIMIT = 100
EVER = "2000-01-01T00:00:00"
"""ActiveTrail: without FromDate three months are listed; this one is before any contact."""


class Pages:
    """The listings of one account. `first` gives the first page's number, None while it is not known."""

    def __init__(self, session: Session, first: Callable[[], int | None]) -> None:
        self._session = session
        self._first = first

    @property
    def start(self) -> int:
        """Where a listing begins."""
        return self._first() or 0

    async def read(
        self, operation: Operation, number: int, *, ids: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Json]]:
        """The rows of one page; none where page 0 is refused and it is not known whether there is one."""
        doubtful = number == 0 and self._first() is None
        asked = {**(query or {}), "Page": str(number), "Limit": str(LIMIT)}
        answer = await self._session.call(operation, ids=ids, query=asked, accept=(400,) if doubtful else ())
        if answer.status == 400:
            return []
        return self.rows(operation, answer.body)

    def rows(self, operation: Operation, body: Json) -> list[Mapping[str, Json]]:
        """ActiveTrail: a listing is a bare array; that of a group's members may be in an object, under `contacts`."""
        found = body.get("contacts") if isinstance(body, dict) else body
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._session.unexpected(operation, "no list")
        return found

    def following(self, number: int, rows: Sequence[Json], *, whole: bool) -> int | None:
        """The number of the next page, None after the last; a listing that need not be whole ends at the first short page."""
        if number == 0 and self._first() is None:
            return 1
        if not rows or (not whole and len(rows) < LIMIT):
            return None
        return number + 1

    def is_repeated(self, number: int, mark: Json, before: Json) -> bool:
        """Whether a page is the one before it once more, which only page 1 may be; raises Unavailable where another is."""
        repeated = mark is not None and mark == before
        if repeated and number > 1:
            raise self._session.unexpected(Operation(name="listing", method="GET", path=""), "the page it was asked to continue")
        return bool(repeated)

    async def all(
        self, operation: Operation, *, ids: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, Json]]:
        """Every row of a listing, once each."""
        number: int | None = self.start
        before: Json = None
        while number is not None:
            rows = await self.read(operation, number, ids=ids, query=query)
            mark = mark_of(rows)
            if not self.is_repeated(number, mark, before):
                for row in rows:
                    yield row
            number, before = self.following(number, rows, whole=True), mark

    async def some(
        self, operation: Operation, *, most: int, query: Mapping[str, str]
    ) -> tuple[list[Mapping[str, Json]], bool]:
        """The rows of a listing's first `most` pages, and whether those are all there are."""
        found: list[Mapping[str, Json]] = []
        number = self.start
        for _ in range(most):
            rows = await self.read(operation, number, query=query)
            found += rows
            following = self.following(number, rows, whole=False)
            if following is None:
                return found, True
            number = following
        return found, False


def mark_of(rows: Sequence[Mapping[str, Json]]) -> Json:
    """By what a page is told from another; None for an empty one."""
    return [len(rows), rows[0].get("id"), rows[-1].get("id")] if rows else None
