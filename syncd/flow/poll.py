"""Poll: reads listings, one task a collection, and commits each page with its cursor.

Incremental where the vendor can, looking back over the cursor by the vendor's index lag; from time to time a complete pass, which alone
can show that a record is missing. A missing record is only a suspect.
The rule that keeps it true: the cursor never passes what was not committed, nor the moment the pass began; a pass resumes where it
stopped; a listing that is not believable proves nothing and is held for a person.
It must not know: vendors' words, links, or what an observation leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio

from syncd.connectors.base import News, Page
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Unauthorized, Unavailable
from syncd.core.guard import believe_listing
from syncd.core.outcome import HoldKind
from syncd.core.record import SECOND, Micros, Ref
from syncd.core.retry import delay
from syncd.core.rules import Guards
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine, relisted_after
from syncd.flow.leaving import note_left_out
from syncd.flow.pause import pause_system, wait_while_paused
from syncd.store import cursors, holds, inbox, links, observations, planning
from syncd.store.arrivals import Hearing
from syncd.store.cursors import Cursor, PassMode
from syncd.store.database import Connection
from syncd.store.observations import Look, Place

_Found: TypeAlias = tuple[int, str | None]
"""What a pass that has ended came to: how many records it did not list, and why it is not believed, if it is not."""


@dataclass(slots=True)
class Pace:
    """How often one collection is polled: often while polls find what no webhook announced, ever less while they do not."""

    interval: Micros
    failures: int = 0

    def found(self, news: int, shortest: Micros, longest: Micros) -> None:
        """A pass ended and had so much news."""
        self.failures = 0
        self.interval = shortest if news else min(longest, max(shortest, self.interval * 3 // 2))


async def poll_forever(engine: Engine, place: Place) -> None:
    """Polls one collection until cancelled."""
    pace = Pace(interval=engine.timing.poll_min)
    await anyio.sleep(max(0, engine.listings_from - engine.clock.now()) / SECOND)
    while True:
        await wait_while_paused(engine, *place)
        if not await _is_due(engine, place):
            await _rest(engine, place, pace.interval)
            continue
        try:
            news = await run_pass(engine, place)
        except Unauthorized as error:
            await pause_system(engine, place[0], error, place[1])
            continue
        except ConnectorError as error:
            pace.failures += 1
            wish_s = error.retry_after_s if isinstance(error, Unavailable) else None
            wait = delay(pace.failures, spread=engine.random.random(), wish_s=wish_s)
            engine.log.warning(
                "poll.failed", system=place[0], collection=place[1], error=error.message, retry_s=round(wait / SECOND, 1)
            )
            await engine.bus.wait(Bell.POLL, wait / SECOND)
            continue
        pace.found(news, engine.timing.poll_min, engine.timing.poll_max)
        engine.progress.turned(f"poll {place[0]}", engine.clock.monotonic())
        await _rest(engine, place, pace.interval)


async def _rest(engine: Engine, place: Place, interval: Micros) -> None:
    """Waits for the next pass, unless a complete one is asked for."""
    until = engine.clock.monotonic() + interval / SECOND
    while (left_s := until - engine.clock.monotonic()) > 0:
        if await engine.database.read(lambda tx: cursors.is_asked(tx, place)):
            return
        await engine.bus.wait(Bell.POLL, min(left_s, engine.timing.tick_s))


async def run_pass(engine: Engine, place: Place, mode: PassMode | None = None) -> int:
    """Reads one pass to its end (resuming the one under way) and answers how many records showed something new."""
    cursor, asked = await engine.database.read(lambda tx: (cursors.load(tx, place), cursors.is_asked(tx, place)))
    if cursor.mode is None or (mode is PassMode.COMPLETE and cursor.mode is not PassMode.COMPLETE):
        due = PassMode.COMPLETE if asked else _due_mode(engine, place, cursor)
        cursor = _begin(engine, place, cursor, mode or due)
    news = 0
    while True:
        seen_at = engine.clock.now()
        urgency = Priority.SWEEP if cursor.complete_at is not None else Priority.BACKFILL
        with priority(urgency):
            page = await engine.connectors[place[0]].page(place[1], token=cursor.token, since=cursor.since)
        shown = _looks(engine, place, cursor, page, seen_at)
        cursor = _past(cursor, page)
        fresh, unannounced, found = await engine.database.write(_commit(engine, place, cursor, page, shown))
        engine.tally.add(place[0], Hearing.UNANNOUNCED, [place[1]] * unannounced, engine.clock.now())
        news += fresh
        if fresh:
            engine.bus.ring(Bell.PLAN)
        if found is not None:
            _tell(engine, place, cursor, found)
            await note_left_out(engine, place)
            return news


async def _is_due(engine: Engine, place: Place) -> bool:
    """Whether a poll is wanted now: where it can only be a complete pass it waits until one is due, also after a restart."""
    cursor = await engine.database.read(lambda tx: cursors.load(tx, place))
    if cursor.mode is not None or engine.connectors[place[0]].capabilities(place[1]).incremental:
        return True
    return _is_complete_due(engine, place, cursor) or await engine.database.read(lambda tx: cursors.is_asked(tx, place))


def _due_mode(engine: Engine, place: Place, cursor: Cursor) -> PassMode:
    incremental = engine.connectors[place[0]].capabilities(place[1]).incremental and cursor.cursor is not None
    return PassMode.COMPLETE if not incremental or _is_complete_due(engine, place, cursor) else PassMode.INCREMENTAL


def _is_complete_due(engine: Engine, place: Place, cursor: Cursor) -> bool:
    """Whether it is time for a complete pass. Until one is believed they come sooner than usual, and ever later."""
    tried, wait = cursor.complete_tried_at, engine.pass_every(place)
    if cursor.complete_at is None:
        wait = relisted_after(cursor.doubted, engine.timing.poll_min, wait)
    return tried is None or engine.clock.now() - tried >= wait


def _begin(engine: Engine, place: Place, cursor: Cursor, mode: PassMode) -> Cursor:
    facts = engine.connectors[place[0]].capabilities(place[1])
    since = None
    if mode is PassMode.INCREMENTAL and cursor.cursor is not None:
        since = cursor.cursor - facts.index_lag - facts.modified_resolution
    return replace(
        cursor,
        pass_id=cursor.pass_id + 1,
        mode=mode,
        token=None,
        since=since,
        started_at=engine.clock.now(),
        listed=0,
        newest=None,
        calls=0,
        calls_left=None,
    )


def _looks(engine: Engine, place: Place, cursor: Cursor, page: Page, seen_at: Micros) -> list[Look]:
    """The records of a page as they were just read."""
    connector = engine.connectors[place[0]]
    facts, skew = connector.capabilities(place[1]), connector.skew()
    read_at = engine.clock.now()
    return [
        Look(
            record=record,
            seen_at=seen_at,
            read_at=read_at,
            unchanged_at=None if cursor.looked_at is None else cursor.looked_at - facts.index_lag,
            skew=skew.offset,
            error=skew.error + facts.modified_resolution,
            pass_id=cursor.pass_id if cursor.mode is PassMode.COMPLETE else 0,
            lag=facts.index_lag,
        )
        for record in page.records
    ]


def _past(cursor: Cursor, page: Page) -> Cursor:
    """The cursor behind a page."""
    times = [record.modified_at for record in page.records if record.modified_at is not None]
    return replace(
        cursor,
        token=page.next,
        listed=cursor.listed + len(page.records),
        calls=cursor.calls + page.calls,
        calls_left=page.calls_left,
        newest=max([*times, cursor.newest or 0]) or None,
    )


def _commit(
    engine: Engine, place: Place, after: Cursor, page: Page, looks: list[Look]
) -> Callable[[Connection], tuple[int, int, _Found | None]]:
    """A page and the cursor behind it, in one transaction; with the last page, the end of the pass.

    Gives how many records showed something new, how many of them no webhook had announced, and what a pass that ended came to.
    """

    def commit(tx: Connection) -> tuple[int, int, _Found | None]:
        fresh = observations.observe(tx, looks, engine.routes, f"pass {after.pass_id}")
        unannounced = _unannounced(engine, tx, place, after, fresh)
        if page.next is None:
            return len(fresh), unannounced, _finish(engine, tx, place, after, page.total)
        cursors.save(tx, place, after)
        return len(fresh), unannounced, None

    return commit


def _unannounced(engine: Engine, tx: Connection, place: Place, cursor: Cursor, fresh: set[Ref]) -> int:
    """How many of these no webhook announced. In the first pass everything is news, and nothing of it an edit that one could have."""
    facts = engine.connectors[place[0]].capabilities(place[1])
    if not fresh or cursor.complete_at is None or cursor.polled_at is None or facts.webhooks is News.NONE:
        return 0
    return len(fresh - inbox.announced(tx, place[0], cursor.polled_at - facts.index_lag))


def _finish(engine: Engine, tx: Connection, place: Place, cursor: Cursor, total: int | None) -> _Found:
    """Ends a pass: the cursor moves, and a complete pass tells which records it did not list."""
    facts, skew = engine.connectors[place[0]].capabilities(place[1]), engine.connectors[place[0]].skew()
    began = cursor.started_at + skew.offset - skew.error
    complete = cursor.mode is PassMode.COMPLETE
    # Where records do not say when they changed, the next pass goes back to where this one began.
    newest = began if not facts.modified_time else None if cursor.newest is None else min(cursor.newest, began)
    ended = replace(
        cursor,
        mode=None,
        token=None,
        since=None,
        cursor=max(filter(None, (cursor.cursor, newest)), default=None),
        polled_at=cursor.started_at,
        # A window on part of the records is no look at all of them, however often it is opened.
        looked_at=cursor.started_at if complete or not facts.windowed else cursor.looked_at,
        complete_tried_at=cursor.started_at if complete else cursor.complete_tried_at,
        calls_left=None,
        complete_calls=cursor.calls if complete else cursor.complete_calls,
    )
    if not complete:
        cursors.save(tx, place, ended)
        return 0, None
    return _conclude(engine, tx, place, ended, total)


def _tell(engine: Engine, place: Place, cursor: Cursor, found: _Found) -> None:
    """Says what a pass that has ended came to."""
    missing, doubt = found
    if doubt is not None:
        engine.log.warning("listing.not_believed", system=place[0], collection=place[1], reason=doubt)
    elif missing:
        engine.log.info("records.missing", system=place[0], collection=place[1], count=missing)
    engine.log.debug("pass.finished", system=place[0], collection=place[1], listed=cursor.listed, mode=str(cursor.mode))
    if cursor.mode is PassMode.COMPLETE:
        engine.bus.ring(Bell.PLAN, Bell.INBOX)


def _conclude(
    engine: Engine, tx: Connection, place: Place, ended: Cursor, total: int | None
) -> _Found:
    """What a complete pass proves. An unbelievable one opens a hold on every sync that reads this collection."""
    gone, known = observations.missing(tx, place, ended.pass_id, ended.started_at)
    readers = [sync for sync, _ in engine.routes[place]]
    guards = [engine.syncs[sync].guards for sync in readers] or [Guards()]
    doubts = [
        believe_listing(
            each, known=known, missing=len(gone), total=total, listed=ended.listed, first=ended.complete_at is None
        )
        for each in guards
    ]
    doubt = next((each for each in doubts if each is not None), None)
    now = engine.clock.now()
    questions = [
        holds.Question(
            sync=sync,
            kind=HoldKind.LISTING,
            reason=f"{place[0]}/{place[1]}: {doubt}; no absence is believed until a complete listing is, or you approve",
            sides={"missing": len(gone), "known": known, "sample": [ref.id for ref in gone[:5]]},
            scope=f"{place[0]}/{place[1]}",
        )
        for sync in readers
    ]
    answered = [held for each in questions if (held := holds.find(tx, each.key)) and held.state is holds.HoldState.ANSWERED]
    if doubt is not None and not answered:
        holds.ask(tx, questions, now)
        cursors.save(tx, place, replace(ended, doubted=ended.doubted + 1))
        return len(gone), doubt
    for each in questions:
        held = holds.find(tx, each.key)
        if held is not None:
            holds.answer(tx, held.id, holds.HoldState.CLOSED, held.choice, now)
    evidence = f"complete pass {ended.pass_id} listed {ended.listed} records, not this one"
    observations.suspect(tx, gone, evidence, now)
    cursors.save(tx, place, replace(ended, complete_at=ended.started_at, doubted=0))
    if ended.complete_at is None:
        _children_known(engine, tx, place, now)
    return len(gone), None


def _children_known(engine: Engine, tx: Connection, place: Place, now: Micros) -> None:
    """From now on a record without children has none: fields that are derived from this collection can be told of every record."""
    for sync, member in engine.routes[place]:
        if member not in engine.syncs[sync].members:
            planning.enqueue(tx, links.every_item(tx, sync), now, "what belongs to it is known")
