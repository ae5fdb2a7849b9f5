"""`POST /contacts/search`: body to query, query to page.

A page is found by `page`, up to 10,000 records, or by `searchAfter`, the sort values and id of the last row seen.

Rule: ordering by one of the two dates walks the kept index by bisection; any other order sorts what matched, once per
request.

It must not know tokens, quotas or the store: it sees only what the index shows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from syncd.sandbox.faults import FaultKind
from syncd.sandbox.gohighlevel.contact import Contact
from syncd.sandbox.gohighlevel.errors import BodyError, unprocessable
from syncd.sandbox.gohighlevel.filters import (
    DATES,
    VALUE_LENGTH_MAX,
    Matcher,
    check_field,
    compile_filters,
    date_range,
    field_value,
)
from syncd.sandbox.gohighlevel.index import Place, SearchIndex
from syncd.sandbox.truth import Json

T = TypeVar("T")
PAGE_LIMIT_MAX = 500
PAGED_RECORDS_MAX = 10_000
_KNOWN = frozenset({"locationId", "pageLimit", "page", "searchAfter", "filters", "sort", "query"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search body, understood."""

    page_limit: int
    page: int
    after: list[Any] | None
    sort: list[tuple[str, bool]]
    matchers: list[Matcher]
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one search answers: rows with their `searchAfter`, and how many matched in all."""

    rows: list[tuple[Contact, list[Any]]]
    total: int


def understand(body: Any) -> Query:
    """The query of a body; a 422 that names every problem otherwise."""
    if not isinstance(body, dict):
        raise unprocessable(["body must be an object"])
    problems = [f"property {name} should not exist" for name in body if name not in _KNOWN]
    if not isinstance(body.get("locationId"), str):
        problems.append("locationId must be a string")
    limit, page, after = body.get("pageLimit"), body.get("page", 1), body.get("searchAfter")
    if not _is_count(limit) or limit > PAGE_LIMIT_MAX:
        problems.append(f"pageLimit must be a number between 1 and {PAGE_LIMIT_MAX}")
    elif not _is_count(page) or page * limit > PAGED_RECORDS_MAX:
        problems.append(f"page reaches {PAGED_RECORDS_MAX} records at most; use searchAfter")
    if after is not None and ("page" in body or not isinstance(after, list) or not after):
        problems.append("searchAfter must be a non-empty array and comes without page")
    sort: list[tuple[str, bool]] = [("dateAdded", False)]
    matchers: list[Matcher] = []
    bounds = (float("-inf"), float("inf"))
    try:
        sort = _sort(body.get("sort")) or sort
        filters = body.get("filters", [])
        matchers = compile_filters(filters) + _query(body.get("query"))
        bounds = _narrowed(filters, sort[0][0])
    except BodyError as error:
        problems.append(str(error))
    if after is not None and isinstance(after, list) and len(after) != len(sort) + 1:
        problems.append("searchAfter does not fit the sort")
    if problems:
        raise unprocessable(problems)
    return Query(page_limit=int(limit or 0), page=page, after=after, sort=sort, matchers=matchers, low=bounds[0], high=bounds[1])


def run(query: Query, index: SearchIndex, shaping: FaultKind | None) -> Page:
    """The page a query asks for, or what is left of it when a fault shapes the listing."""
    if shaping is FaultKind.EMPTY_LISTING:
        return Page(rows=[], total=0)
    ordered_by_date = len(query.sort) == 1 and query.sort[0][0] in DATES
    rows, total = _by_date(query, index, shaping) if ordered_by_date else _by_values(query, index, shaping)
    page = Page(rows=[(contact, _cursor(contact, query)) for contact in rows], total=total)
    return _truncated(page, query) if shaping is FaultKind.TRUNCATED_LISTING else page


def _by_date(query: Query, index: SearchIndex, shaping: FaultKind | None) -> tuple[list[Contact], int]:
    field, ascending = query.sort[0]
    places = index.places("dateUpdated" if field == "dateUpdated" else "dateAdded")
    visible = index.visible()
    low = bisect_left(places, query.low, key=lambda place: place[0])
    high = bisect_right(places, query.high, key=lambda place: place[0])
    found = places[low:high]
    if query.matchers:
        found = [place for place in found if all(matches(visible[place[1]]) for matches in query.matchers)]
    total = len(found)
    if query.after is not None:
        found = _beyond(found, query.after, ascending=ascending)
    if not ascending:
        found.reverse()
    return [visible[place[1]] for place in _window(found, query, shaping)], total


def _beyond(places: list[Place], after: list[Any], *, ascending: bool) -> list[Place]:
    try:
        seen = (int(after[0]), str(after[1]))
    except (TypeError, ValueError):
        raise unprocessable(["searchAfter does not fit the sort"]) from None
    return places[bisect_right(places, seen) :] if ascending else places[: bisect_left(places, seen)]


def _by_values(query: Query, index: SearchIndex, shaping: FaultKind | None) -> tuple[list[Contact], int]:
    found = [contact for contact in index.visible().values() if all(matches(contact) for matches in query.matchers)]
    found.sort(key=lambda contact: contact.id)
    for field, ascending in reversed(query.sort):
        found.sort(key=lambda contact, field=field: _comparable(field_value(contact, field)), reverse=not ascending)  # type: ignore[misc]
    total = len(found)
    if query.after is not None:
        found = [contact for contact in found if _is_beyond(contact, query.after, query)]
    return _window(found, query, shaping), total


def _is_beyond(contact: Contact, after: list[Any], query: Query) -> bool:
    for (field, ascending), seen in zip(query.sort, after, strict=False):
        held, last = _comparable(field_value(contact, field)), _comparable(seen)
        if held != last:
            return (held > last) is ascending
    return contact.id > str(after[-1])


def _window(found: list[T], query: Query, shaping: FaultKind | None) -> list[T]:
    start = 0 if query.after is not None else (query.page - 1) * query.page_limit
    if shaping is FaultKind.PAGE_SKIP:
        start += query.page_limit
    return found[start : start + query.page_limit]


def _truncated(page: Page, query: Query) -> Page:
    """The first page only. A short page is how this vendor says "no more", so a full one loses its last row."""
    if query.after is not None or query.page > 1:
        return Page(rows=[], total=0)
    rows = page.rows[:-1] if len(page.rows) == query.page_limit and len(page.rows) > 1 else page.rows
    return Page(rows=rows, total=len(rows))


def _cursor(contact: Contact, query: Query) -> list[Any]:
    return [*(field_value(contact, field) for field, _ in query.sort), contact.id]


def _sort(sort: Any) -> list[tuple[str, bool]]:
    if sort is None:
        return []
    if not isinstance(sort, list):
        raise BodyError("sort must be an array")
    order = []
    for entry in sort:
        if not isinstance(entry, dict) or entry.get("direction", "asc") not in ("asc", "desc"):
            raise BodyError("each value in sort must be {field, direction: asc|desc}")
        order.append((check_field(entry.get("field")), entry.get("direction", "asc") == "asc"))
    return order


def _query(text: Any) -> list[Matcher]:
    if text is None or text == "":
        return []
    if not isinstance(text, str) or len(text) > VALUE_LENGTH_MAX:
        raise BodyError(f"query must be a string of at most {VALUE_LENGTH_MAX} characters")
    wanted = text.lower()
    return [lambda contact: wanted in _haystack(contact)]


def _haystack(contact: Contact) -> str:
    values = contact.values
    return " ".join((contact.full_name, values.get("email", ""), values.get("phone", ""))).lower()


def _narrowed(filters: Any, field: str) -> tuple[float, float]:
    """Bounds from top-level ranges on the sort date; the matchers still check them, so this only saves work."""
    ranges = [found for entry in filters if (found := date_range(entry, field)) is not None]
    return max((low for low, _ in ranges), default=float("-inf")), min((high for _, high in ranges), default=float("inf"))


def _comparable(value: Any) -> tuple[int, Any]:
    """Blank first, then numbers, then text: a total order over whatever a field holds."""
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, value)
    return (2, str(value).lower())


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def shown_rows(page: Page, rows: list[Json]) -> list[Json]:
    """Shown contacts, each with the `searchAfter` that continues behind it."""
    return [{**row, "searchAfter": cursor} for row, (_, cursor) in zip(rows, page.rows, strict=True)]
