"""Poll: reads listings, one task a collection, and commits each page with its cursor.

Incremental where the vendor can, looking back over the cursor by the vendor's index lag; from time to time a complete pass, which alone
can show that a record is missing. A missing record is only a suspect.
The rule that keeps it true: the cursor never passes what was not committed, nor the moment the pass began; a pass resumes where it
stopped; a listing that is not believable proves nothing and is held for a person.
It must not know: vendors' words, links, or what an observation leads to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import anyio

from syncd.connectors.base import Page
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Unauthorized, Unavailable
from syncd.core.guard import believe_listing
from syncd.core.outcome import HoldKind
from syncd.core.record import SECOND, Micros
from syncd.core.retry import delay
from syncd.core.rules import Guards
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.pause import pause_system, wait_while_paused
from syncd.store import cursors, holds, links, observations, planning
from syncd.store.cursors import Cursor, PassMode
from syncd.store.database import Connection
from syncd.store.observations import Look, Place


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
        await wait_while_paused(engine, place[0])
        try:
            news = await run_pass(engine, place)
        except Unauthorized as error:
            await pause_system(engine, place[0], error)
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
    cursor = await engine.database.read(lambda tx: cursors.load(tx, place))
    if cursor.mode is None or (mode is PassMode.COMPLETE and cursor.mode is not PassMode.COMPLETE):
        asked = await engine.database.read(lambda tx: cursors.is_asked(tx, place))
        due = PassMode.COMPLETE if asked else _due_mode(engine, place, cursor)
        cursor = _begin(engine, place, cursor, mode or due)
    news = 0
    while True:
        seen_at = engine.clock.now()
        urgency = Priority.SWEEP if cursor.complete_at is not None else Priority.BACKFILL
        with priority(urgency):
            page = await engine.connectors[place[0]].page(place[1], token=cursor.token, since=cursor.since)
        fresh, cursor = await _commit_page(engine, place, cursor, page, seen_at)
        news += fresh
        if fresh:
            engine.bus.ring(Bell.PLAN)
        if page.next is None:
            await _finish(engine, place, cursor, page.total)
            return news


def _due_mode(engine: Engine, place: Place, cursor: Cursor) -> PassMode:
    tried = cursor.complete_tried_at
    incremental = engine.connectors[place[0]].capabilities(place[1]).incremental and cursor.cursor is not None
    if not incremental or tried is None or cursor.complete_at is None or engine.clock.now() - tried >= engine.timing.full_pass:
        return PassMode.COMPLETE
    return PassMode.INCREMENTAL


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
    )


async def _commit_page(engine: Engine, place: Place, cursor: Cursor, page: Page, seen_at: Micros) -> tuple[int, Cursor]:
    connector = engine.connectors[place[0]]
    facts, skew = connector.capabilities(place[1]), connector.skew()
    complete = cursor.mode is PassMode.COMPLETE
    read_at = engine.clock.now()
    looks = [
        Look(
            record=record,
            seen_at=seen_at,
            read_at=read_at,
            unchanged_at=None if cursor.polled_at is None else cursor.polled_at - facts.index_lag,
            skew=skew.offset,
            error=skew.error + facts.modified_resolution,
            pass_id=cursor.pass_id if complete else 0,
            lag=facts.index_lag,
        )
        for record in page.records
    ]
    times = [record.modified_at for record in page.records if record.modified_at is not None]
    after = replace(
        cursor,
        token=page.next,
        listed=cursor.listed + len(page.records),
        newest=max([*times, cursor.newest or 0]) or None,
    )

    def commit(tx: Connection) -> int:
        fresh = observations.observe(tx, looks, engine.routes, f"pass {cursor.pass_id}")
        cursors.save(tx, place, after)
        return len(fresh)

    return await engine.database.write(commit), after


async def _finish(engine: Engine, place: Place, cursor: Cursor, total: int | None) -> None:
    """Ends a pass: the cursor moves, and a complete pass tells which records it did not list."""
    skew = engine.connectors[place[0]].skew()
    began = cursor.started_at + skew.offset - skew.error
    if engine.connectors[place[0]].capabilities(place[1]).modified_time:
        newest = min(cursor.newest, began) if cursor.newest is not None else None
    else:
        # Its records do not say when they changed: the next pass goes back to where this one began.
        newest = began
    ended = replace(
        cursor,
        mode=None,
        token=None,
        since=None,
        cursor=max(filter(None, (cursor.cursor, newest)), default=None),
        polled_at=cursor.started_at,
        complete_tried_at=cursor.started_at if cursor.mode is PassMode.COMPLETE else cursor.complete_tried_at,
    )

    def commit(tx: Connection) -> tuple[int, str | None]:
        if cursor.mode is PassMode.INCREMENTAL:
            cursors.save(tx, place, ended)
            return 0, None
        return _conclude(engine, tx, place, ended, total)

    missing, doubt = await engine.database.write(commit)
    if doubt is not None:
        engine.log.warning("listing.not_believed", system=place[0], collection=place[1], reason=doubt)
    elif missing:
        engine.log.info("records.missing", system=place[0], collection=place[1], count=missing)
    engine.log.debug("pass.finished", system=place[0], collection=place[1], listed=cursor.listed, mode=str(cursor.mode))
    if cursor.mode is PassMode.COMPLETE:
        engine.bus.ring(Bell.PLAN, Bell.INBOX)


def _conclude(
    engine: Engine, tx: Connection, place: Place, ended: Cursor, total: int | None
) -> tuple[int, str | None]:
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
        cursors.save(tx, place, ended)
        return len(gone), doubt
    for each in questions:
        held = holds.find(tx, each.key)
        if held is not None:
            holds.answer(tx, held.id, holds.HoldState.CLOSED, held.choice, now)
    evidence = f"complete pass {ended.pass_id} listed {ended.listed} records, not this one"
    observations.suspect(tx, gone, evidence, now)
    cursors.save(tx, place, replace(ended, complete_at=ended.started_at))
    if ended.complete_at is None:
        _children_known(engine, tx, place, now)
    return len(gone), None


def _children_known(engine: Engine, tx: Connection, place: Place, now: Micros) -> None:
    """From now on a record without children has none: fields that are derived from this collection can be told of every record."""
    for sync, member in engine.routes[place]:
        if member not in engine.syncs[sync].members:
            planning.enqueue(tx, links.every_item(tx, sync), now, "what belongs to it is known")
