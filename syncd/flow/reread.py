"""Reread: looks at records that something was said about, and at records that look deleted.

A hint is only a reason to look: the record is read once after its events have been quiet, and the reading is the observation. An event
that repeats what is known brings no news and costs no call. A full and newest event is an observation by itself.
The rule that keeps it true: an event leaves the inbox together with what came of it; a deletion is stored only after the vendor denied
the record by id twice, a grace period apart.
It must not know: links, who wins, or why somebody wants to know.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Unauthorized, Unavailable
from syncd.core.record import SECOND, Micros, Record, Ref, SystemName
from syncd.core.retry import delay
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.pause import pause_system, wait_while_paused
from syncd.store import inbox, observations, suspects
from syncd.store.database import Connection
from syncd.store.inbox import Arrival, Waiting
from syncd.store.observations import Look, Observation
from syncd.store.suspects import Suspect

BATCH = 200
READERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One look at one record: the record, or None where the vendor denies it, or the error that kept us from looking."""

    ref: Ref
    seen_at: Micros
    read_at: Micros
    record: Record | None = None
    error: ConnectorError | None = None


async def reread_forever(engine: Engine, system: SystemName) -> None:
    """Looks after one system's hints and suspects until cancelled."""
    failures = 0
    while True:
        await wait_while_paused(engine, system)
        try:
            worked = await reread_once(engine, system)
            failures = 0
        except Unauthorized as error:
            await pause_system(engine, system, error, None if error.ref is None else error.ref.collection)
            continue
        except Unavailable as error:
            failures += 1
            wait = delay(failures, spread=engine.random.random(), wish_s=error.retry_after_s)
            engine.log.warning("reread.failed", system=system, error=error.message, retry_s=round(wait / SECOND, 1))
            await anyio.sleep(wait / SECOND)
            continue
        engine.progress.turned(f"reread {system}", engine.clock.monotonic())
        if not worked:
            await _rest(engine, system)
        else:
            await engine.gather()


async def _rest(engine: Engine, system: SystemName) -> None:
    """Returns when an event or a suspect may be due."""
    rested = False
    while (left_s := await _due_in_s(engine, system)) > 0 or not rested:
        await engine.bus.wait(Bell.INBOX, min(engine.timing.tick_s, max(0.02, left_s)))
        engine.progress.turned(f"reread {system}", engine.clock.monotonic())
        rested = True


async def _due_in_s(engine: Engine, system: SystemName) -> float:
    """How long nothing can fall due, unless something new is heard of."""
    now = engine.clock.now()
    due = await engine.database.read(
        lambda tx: [
            inbox.next_due(tx, system, quiet=engine.timing.quiet, quiet_max=engine.timing.quiet_max),
            suspects.next_due(tx, system),
        ]
    )
    known = [each - now for each in due if each is not None]
    return min(known) / SECOND if known else engine.timing.tick_s


async def reread_once(engine: Engine, system: SystemName) -> bool:
    """One turn; whether there was anything to do. Raises Unavailable or Unauthorized when the vendor cannot be asked."""
    now = engine.clock.now()
    timing = engine.timing

    def due(tx: Connection) -> tuple[list[Waiting], list[Suspect], dict[Ref, Observation]]:
        hints = inbox.due(tx, system, now, quiet=timing.quiet, quiet_max=timing.quiet_max, limit=BATCH)
        doubts = suspects.due(tx, system, now, BATCH)
        return hints, doubts, observations.load(tx, [hint.ref for hint in hints])

    hints, doubts, known = await engine.database.read(due)
    if not hints and not doubts:
        return False
    stale: list[Waiting] = []
    whole: list[Waiting] = []
    unclear: list[Waiting] = []
    for hint in hints:
        seen = known.get(hint.ref)
        (stale if _brings_nothing(engine, hint, seen) else whole if _is_observation(engine, hint, seen) else unclear).append(hint)
    if stale or whole:
        await engine.database.write(lambda tx: _take(engine, tx, stale, whole))
        engine.bus.ring(Bell.PLAN)
    refs = list(dict.fromkeys([hint.ref for hint in unclear] + [each.ref for each in doubts]))
    readings = await _read_all(engine, refs)
    if readings:
        await engine.database.write(lambda tx: _record(engine, tx, readings, unclear, doubts))
        engine.bus.ring(Bell.PLAN)
    for each in readings:
        if isinstance(each.error, Unavailable | Unauthorized):
            raise each.error
        if each.error is not None:
            engine.log.warning("record.unreadable", ref=str(each.ref), error=each.error.message)
    return True


def _brings_nothing(engine: Engine, hint: Waiting, known: Observation | None) -> bool:
    """Every event repeats, for every path that any sync reads, what the record is known to hold: an echo, or old news."""
    if known is None or known.fields is None:
        return False
    place = (hint.ref.system, hint.ref.collection)
    paths = engine.mapped_paths(place) | (known.fields.keys() if engine.watches_all(place) else set())
    return all(
        not each.deleted
        and each.fields is not None
        and paths <= each.fields.keys()
        and all(each.fields[path] == known.fields.get(path) for path in paths)
        for each in hint.arrivals
    )


def _is_observation(engine: Engine, hint: Waiting, known: Observation | None) -> bool:
    """One full event that surely happened after all we know of the record: it need not be read again."""
    last = hint.arrivals[-1]
    if len(hint.arrivals) != 1 or not last.full or last.deleted or last.occurred_at is None:
        return False
    if known is None:
        return True
    if known.fields is None or (known.modified_at is not None and last.occurred_at <= known.modified_at + SECOND):
        return False
    return _happened_at(engine, last) >= known.read_at


def _happened_at(engine: Engine, event: Arrival) -> Micros:
    """The earliest moment, on our clock, at which an event can have happened; without a time of its own, when it was received."""
    if event.occurred_at is None:
        return event.received_at
    skew = engine.connectors[event.ref.system].skew()
    return min(event.received_at, event.occurred_at - skew.offset - engine.modified_error(event.ref))


def _take(engine: Engine, tx: Connection, stale: list[Waiting], whole: list[Waiting]) -> None:
    now = engine.clock.now()
    inbox.finish(tx, [number for hint in stale for number in hint.ids], "no news", now)
    inbox.finish(tx, [number for hint in whole for number in hint.ids], "observed", now)
    looks = []
    for hint in whole:
        last = hint.arrivals[-1]
        assert last.fields is not None
        skew = engine.connectors[hint.ref.system].skew()
        # The event's time is not the record's own: an edit that does not move that one would look older ever after.
        looks.append(
            Look(
                record=Record(ref=hint.ref, fields=last.fields),
                seen_at=_happened_at(engine, last),
                read_at=last.received_at,
                happened_at=last.occurred_at,
                skew=skew.offset,
                error=engine.modified_error(hint.ref),
            )
        )
    observations.observe(tx, looks, engine.routes, "webhook")


async def _read_all(engine: Engine, refs: list[Ref]) -> list[_Reading]:
    """Reads records side by side; stops at the first sign that the vendor cannot be asked now."""
    readings: list[_Reading] = []
    queue = iter(refs)

    async def reader() -> None:
        for ref in queue:
            seen_at = engine.clock.now()
            try:
                with priority(Priority.LIVE):
                    record = await engine.connectors[ref.system].get(ref)
            except ConnectorError as error:
                error.ref = ref
                readings.append(_Reading(ref=ref, seen_at=seen_at, read_at=engine.clock.now(), error=error))
                if isinstance(error, Unavailable | Unauthorized):
                    return
            else:
                readings.append(_Reading(ref=ref, seen_at=seen_at, read_at=engine.clock.now(), record=record))

    async with anyio.create_task_group() as tasks:
        for _ in range(min(READERS, len(refs))):
            tasks.start_soon(reader)
    return readings


def _record(
    engine: Engine, tx: Connection, readings: list[_Reading], hints: list[Waiting], doubts: list[Suspect]
) -> None:
    now = engine.clock.now()
    by_ref = {each.ref: each for each in readings}
    shown = [each for each in readings if each.record is not None]
    observations.observe(
        tx,
        [
            Look(
                record=each.record,
                seen_at=each.seen_at - engine.connectors[each.ref.system].capabilities(each.ref.collection).read_lag,
                read_at=each.read_at,
                skew=engine.connectors[each.ref.system].skew().offset,
                error=engine.modified_error(each.ref),
            )
            for each in shown
            if each.record is not None
        ],
        engine.routes,
        "webhook",
    )
    doubted = {each.ref: each for each in [*suspects.among(tx, [hint.ref for hint in hints]), *doubts]}
    for hint in hints:
        reading = by_ref.get(hint.ref)
        if reading is None or isinstance(reading.error, Unavailable | Unauthorized):
            continue
        if reading.error is not None:
            inbox.finish(tx, hint.ids, f"refused: {reading.error.message}", now)
            continue
        inbox.finish(tx, hint.ids, "read", now)
        if reading.record is None and hint.ref not in doubted:
            said = "announced as deleted" if any(each.deleted for each in hint.arrivals) else "was hinted at"
            doubted[hint.ref] = Suspect(ref=hint.ref, evidence=(said,), missing_at=None)
            observations.suspect(tx, [hint.ref], said, now)
    for doubt in doubted.values():
        reading = by_ref.get(doubt.ref)
        if reading is not None and reading.error is None and reading.record is None:
            _denied(engine, tx, doubt, reading)
    troubled = [each.ref for each in readings if each.error is not None and each.ref in doubted]
    suspects.postpone(tx, troubled, now + engine.timing.quiet_max)


def _denied(engine: Engine, tx: Connection, doubt: Suspect, reading: _Reading) -> None:
    """The vendor says there is no such record: wait out the grace period, or believe it."""
    grace = engine.grace((doubt.ref.system, doubt.ref.collection))
    seen_at = reading.seen_at
    proof = f"not found by id at {seen_at}"
    if doubt.missing_at is None:
        suspects.keep(tx, doubt, proof, missing_at=seen_at, due_at=seen_at + grace)
    elif seen_at - doubt.missing_at >= grace:
        evidence = [*doubt.evidence, proof]
        observations.bury(tx, doubt.ref, evidence, seen_at=seen_at, read_at=reading.read_at, routes=engine.routes)
        engine.log.info("record.gone", ref=str(doubt.ref))
    else:
        suspects.keep(tx, doubt, proof, missing_at=doubt.missing_at, due_at=doubt.missing_at + grace)
