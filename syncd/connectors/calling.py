"""Calling an operation of a catalogue by name: with its retries, and page after page.

`call` sends one prepared request; `pages` goes through a whole listing.
The rule that keeps it true: a call is made again only where its failure certainly had no effect, or where a second one does no harm; and a
listing that does not get on is an error, never an end.
It must not know: any vendor, or who is calling.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from random import SystemRandom

import anyio

from syncd.connectors.catalogue import Catalogue, Prepared, Row, prepare
from syncd.connectors.http import Answer, Session
from syncd.core import retry
from syncd.core.errors import ConnectorError, Effect, Rejected, Unavailable
from syncd.core.record import SECOND, Json

ATTEMPTS_MAX = 4
WAIT_MAX_S = 60.0
_random = SystemRandom()


async def call(session: Session, prepared: Prepared) -> Answer:
    """Makes the call. Raises ConnectorError; its hint says so where an earlier attempt may have had an effect."""
    doubtful = False
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await session.call(prepared.operation, query=prepared.query, body=prepared.body)
        except Unavailable as error:
            doubtful = doubtful or error.effect is Effect.MAYBE
            wait_s = retry.delay(attempt, spread=_random.random(), wish_s=error.retry_after_s) / SECOND
            may_repeat = prepared.row.replay_safe or error.effect is Effect.NONE
            if not may_repeat or attempt == ATTEMPTS_MAX or wait_s > WAIT_MAX_S:
                raise _explained(error, doubtful=doubtful) from error
            await anyio.sleep(wait_s)
        except ConnectorError as error:
            raise _explained(error, doubtful=doubtful) from error
    raise AssertionError("the last attempt returns or raises")


async def pages(
    session: Session, catalogue: Catalogue, row: Row, given: Mapping[str, Json], known: Mapping[str, Json]
) -> AsyncGenerator[Answer, None]:
    """The listing, an answer a page. Raises ConnectorError: Rejected where a page repeats the one before, or where the vendor says that
    there is more and nothing in its answer leads there.
    """
    values, seen, before = dict(given), 0, None
    from_the_start = row.paging is None or not given.keys() & row.paging.sources.keys()
    while True:
        prepared = prepare(catalogue, row, values, known)
        answer = await call(session, prepared)
        rows = rows_of(prepared.row, answer.body)
        if rows and rows == before:
            raise Rejected(
                f"{row.name}: the vendor answers with the same page again and again",
                system=session.system,
                hint="its paging does not take the values that its documents name; ask page by page",
            )
        yield answer
        seen, before = seen + len(rows), rows
        total = _total(answer.body) if from_the_start else None
        if total is not None and seen >= total:
            return
        following = _following(prepared, answer.body, rows)
        if following is None:
            if total is not None and rows:
                raise Rejected(
                    f"{row.name}: {seen} of {total} rows, and nothing in the answer to go on from",
                    system=session.system,
                    hint="narrow it down, or ask for larger pages",
                )
            return
        values = {**values, **following}
        for name in prepared.row.paging.drops if prepared.row.paging else ():
            values.pop(name, None)


def rows_of(row: Row, body: Json) -> list[Json]:
    """The rows of a listing's answer; a bare array is them, whatever they stand under elsewhere."""
    found = body if row.collection == "[]" or isinstance(body, list) else body.get(row.collection) if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def _following(prepared: Prepared, body: Json, rows: list[Json]) -> dict[str, Json] | None:
    """The values that ask for the page after this one; None where the answer leads no further."""
    paging = prepared.row.paging
    if paging is None or not rows or (paging.more is not None and not _at(body, paging.more)):
        return None
    given = {**(prepared.body if isinstance(prepared.body, dict) else {}), **prepared.query}
    found: dict[str, Json] = {}
    for name, source in paging.sources.items():
        value = _start(given, name) + len(rows) if source == "rows" else _first(source, body, rows[-1])
        if value in (None, ""):
            return None
        # A number that travels in an address is text, as it is where the caller wrote it.
        found[name] = str(value) if isinstance(given.get(name), str) else value
    return found


def _total(body: Json) -> int | None:
    """How many rows the whole listing has. `count` is not believed: it counts a page here and a listing there."""
    return next((value for name in ("total", "meta.total") if isinstance(value := _at(body, name), int)), None)


def _start(given: Mapping[str, Json], name: str) -> int:
    try:
        return int(given.get(name, 0))
    except (TypeError, ValueError):
        return 0


def _first(source: str, body: Json, last: Json) -> Json:
    for place in source.split("|"):
        value = _at(last, place.removeprefix("last.")) if place.startswith("last.") else _at(body, place)
        if value is not None:
            return value
    return None


def _at(value: Json, path: str) -> Json:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _explained(error: ConnectorError, *, doubtful: bool) -> ConnectorError:
    if doubtful and not error.hint:
        error.hint = "an attempt was lost on the way and may have taken effect: look before you call it again"
    return error
