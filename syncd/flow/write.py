"""Write: carries owed writes out, exactly once in effect, within each vendor's quota.

Leased from the outbox, most urgent first, never two for one record. A target that was not looked at recently is read first; when it has
moved, the link is planned again instead of being overwritten. *Sent* is committed before the call, the outcome with the read-back after it.
The rule that keeps it true: a create whose outcome is unknown is looked for before it is tried again, and what cannot be looked for is
held for a person; between a call and its recorded outcome nothing interrupts.
It must not know: who won, or a vendor's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from syncd.connectors.base import Created, Exists, Update
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.fields import Unreadable
from syncd.core.outcome import Operation
from syncd.core.record import Json, Micros, Record, Ref, SystemName
from syncd.core.retry import delay, exhausted
from syncd.core.translate import from_hub
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.pause import pause_system, wait_while_paused
from syncd.flow.probe import is_there_already, probe_create
from syncd.flow.settle import (
    already_holds,
    differs_from_expected,
    look_at,
    settle_adopted,
    settle_dead,
    settle_done,
    settle_moved,
)
from syncd.store import cursors, inbox, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.observations import Observation
from syncd.store.outbox import Owed, State

WORKERS = 8
MANY = 10
"""More than this in one call are written upon one listing rather than upon a look at each."""
LIVE = 10
"""Outbox priorities up to this are changes somebody just made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A leased write with what its target was last seen to hold, in the vendor's words."""

    owed: Owed
    changes: dict[str, Json]
    before: dict[str, Json]


async def write_forever(engine: Engine, system: SystemName) -> None:
    """Carries out one system's writes until cancelled."""
    while True:
        await wait_while_paused(engine, system)
        worked = await write_once(engine, system)
        engine.progress.turned(f"write {system}", engine.clock.monotonic())
        if not worked:
            await engine.bus.wait(Bell.OUTBOX, await _patience_s(engine, system))


async def _patience_s(engine: Engine, system: SystemName) -> float:
    due_at = await engine.database.read(lambda tx: outbox.next_due(tx, system))
    if due_at is None:
        return engine.timing.tick_s
    return min(engine.timing.tick_s, max(0.02, (due_at - engine.clock.now()) / 1_000_000))


async def write_once(engine: Engine, system: SystemName) -> bool:
    """One turn: leases what is due and carries it out; whether there was anything."""
    now = engine.clock.now()
    until = now + engine.timing.lease
    limit = max(WORKERS * 4, *(engine.connectors[s].capabilities(c).batch_update_max for s, c in engine.places if s == system))
    leased = await engine.database.write(lambda tx: outbox.lease(tx, system, now, until=until, limit=limit))
    if not leased:
        return False
    alone, batches = _grouped(engine, system, leased)
    work: list[list[Owed]] = [*batches, *([each] for each in alone)]
    queue = iter(work)

    async def worker() -> None:
        for group in queue:
            if system in engine.paused:
                await _give_back(engine, group)
            else:
                await _carry_out(engine, system, group)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(WORKERS, len(work))):
            tasks.start_soon(worker)
    engine.bus.ring(Bell.PLAN)
    return True


def _grouped(engine: Engine, system: SystemName, leased: Sequence[Owed]) -> tuple[list[Owed], list[list[Owed]]]:
    """Updates of one collection that can travel in one call, and the rest one by one."""
    alone: list[Owed] = []
    together: dict[Ref, list[Owed]] = {}
    for owed in leased:
        most = engine.connectors[system].capabilities(owed.ref.collection).batch_update_max
        if owed.state is State.PENDING and owed.operation is Operation.UPDATE and most > 1 and owed.attempts == 0:
            together.setdefault(Ref(system, owed.ref.collection, type(owed.ref.id)("")), []).append(owed)
        else:
            alone.append(owed)
    batches: list[list[Owed]] = []
    for ref, group in together.items():
        most = engine.connectors[system].capabilities(ref.collection).batch_update_max
        batches.extend(group[start : start + most] for start in range(0, len(group), most))
    return alone, batches


async def _carry_out(engine: Engine, system: SystemName, group: list[Owed]) -> None:
    """One group to its recorded outcome, whatever happens on the way."""
    first = group[0]
    urgency = Priority.RETRY if first.attempts else Priority.LIVE if first.priority <= LIVE else Priority.BACKFILL
    try:
        with priority(urgency):
            if group[0].state is State.UNKNOWN:
                await _clear_up(engine, group[0])
            elif group[0].operation is Operation.CREATE:
                await _create(engine, group[0])
            else:
                await _change(engine, group)
    except Unauthorized as error:
        await pause_system(engine, system, error)
        await _give_back(engine, group)
    except ConnectorError as error:
        for owed in group:
            await _failed(engine, owed, error, sent=False)


async def _give_back(engine: Engine, group: Sequence[Owed]) -> None:
    """The system cannot be used now: the writes stay owed."""
    now = engine.clock.now()

    def commit(tx: Connection) -> None:
        for owed in group:
            outbox.settle(tx, owed, State.UNKNOWN if owed.state is State.UNKNOWN else State.PENDING, now, due_at=now)

    await engine.database.write(commit)


async def _create(engine: Engine, owed: Owed) -> None:
    there = await is_there_already(engine, owed)
    if there is not None:
        record, seen_at = there
        await engine.database.write(lambda tx: settle_adopted(engine, tx, owed, record, seen_at, "found by its keys"))
        return
    fields = _native(engine, owed, {})
    if not await _mark_sent(engine, [owed]):
        return
    with engine.finishing():
        seen_at = engine.clock.now()
        try:
            answer = await engine.connectors[owed.ref.system].create(owed.ref.collection, fields)
        except ConnectorError as error:
            await _failed(engine, owed, error, sent=True)
            return
        match answer:
            case Created(record=made):
                await engine.database.write(lambda tx: settle_done(engine, tx, owed, made, seen_at, "created"))
            case Exists():
                await _adopt(engine, owed, answer)


async def _adopt(engine: Engine, owed: Owed, answer: Exists) -> None:
    """The vendor refused to make a second record and named the first: it is read, and joins the link."""
    seen_at = engine.clock.now()
    try:
        record = await engine.connectors[owed.ref.system].get(Ref(owed.ref.system, owed.ref.collection, answer.id))
    except ConnectorError as error:
        await _failed(engine, owed, error, sent=True)
        return
    if record is None:
        trouble = Unavailable(f"{owed.ref.system} names {answer.id} as existing and does not show it", system=owed.ref.system)
        await _failed(engine, owed, trouble, sent=True)
        return
    await engine.database.write(
        lambda tx: settle_adopted(engine, tx, owed, record, seen_at, f"the vendor had it, by {answer.key}")
    )


async def _change(engine: Engine, group: list[Owed]) -> None:
    """Updates, archivings and deletions: look, compare, write, record."""
    ready = await _prepare_all(engine, group)
    sent_ids = {each.id for each in await _mark_sent(engine, [each.owed for each in ready])}
    ready = [each for each in ready if each.owed.id in sent_ids]
    if not ready:
        return
    with engine.finishing():
        if ready[0].owed.operation is Operation.DELETE:
            await _delete(engine, ready[0].owed)
        else:
            await _update(engine, ready)


async def _prepare_all(engine: Engine, group: list[Owed]) -> list[_Ready]:
    """Looks at all targets side by side; those that cannot be looked at now are put back, the others go on."""
    ready: list[_Ready] = []
    queue = iter(group)
    timing = engine.timing
    good_for = timing.fresh_first if group[0].priority > LIVE else timing.fresh_many if len(group) > MANY else timing.fresh

    async def prepare() -> None:
        for owed in queue:
            try:
                prepared = await _prepared(engine, owed, good_for)
            except ConnectorError as error:
                await _failed(engine, owed, error, sent=False, alone=len(group) == 1)
            else:
                ready.extend([prepared] if prepared is not None else [])

    async with anyio.create_task_group() as tasks:
        for _ in range(min(WORKERS, len(group))):
            tasks.start_soon(prepare)
    return ready


async def _update(engine: Engine, ready: list[_Ready]) -> None:
    connector = engine.connectors[ready[0].owed.ref.system]
    updates = [Update(ref=each.owed.ref, changes=each.changes, before=each.before) for each in ready]
    seen_at = engine.clock.now()
    answers: Sequence[Record | ConnectorError]
    try:
        answers = await connector.update(updates)
    except ConnectorError as error:
        answers = [error] * len(ready)
    done = [(each.owed, answer) for each, answer in zip(ready, answers, strict=True) if isinstance(answer, Record)]

    def commit(tx: Connection) -> None:
        for owed, record in done:
            settle_done(engine, tx, owed, record, seen_at, "updated")

    if done:
        await engine.database.write(commit)
    for each, answer in zip(ready, answers, strict=True):
        if isinstance(answer, ConnectorError):
            await _failed(engine, each.owed, answer, sent=True, alone=len(ready) == 1)


async def _delete(engine: Engine, owed: Owed) -> None:
    seen_at = engine.clock.now()
    try:
        await engine.connectors[owed.ref.system].delete(owed.ref)
    except ConnectorError as error:
        await _failed(engine, owed, error, sent=True)
        return
    await engine.database.write(lambda tx: settle_done(engine, tx, owed, None, seen_at, "deleted"))


async def _mark_sent(engine: Engine, owed: Sequence[Owed]) -> list[Owed]:
    """Only what this answers may be sent: its intent is on disk."""
    if not owed:
        return []
    return await engine.database.write(lambda tx: outbox.mark_sent(tx, owed, engine.clock.now()))


async def _prepared(engine: Engine, owed: Owed, good_for: Micros) -> _Ready | None:
    """The write in the vendor's words, over a target that was looked at recently; None when it is settled already."""
    known, fresh = await engine.database.read(lambda tx: _last_look(engine, tx, owed, good_for))
    if known is None or not fresh:
        seen_at = engine.clock.now()
        record = await engine.connectors[owed.ref.system].get(owed.ref)
        if record is None:
            await _vanished(engine, owed)
            return None
        look = look_at(engine, record, seen_at)
        await engine.database.write(lambda tx: observations.observe(tx, [look], engine.routes, "look before writing"))
        shown = dict(record.fields)
    else:
        record, shown = Record(ref=owed.ref, fields=known.fields or {}), dict(known.fields or {})
    if owed.operation is Operation.UPDATE and already_holds(engine, owed, record):
        await engine.database.write(lambda tx: settle_done(engine, tx, owed, record, engine.clock.now(), "held already"))
        return None
    if differs_from_expected(engine, owed, record):
        await engine.database.write(lambda tx: settle_moved(engine, tx, owed))
        return None
    changes = _native(engine, owed, shown)
    return _Ready(owed=owed, changes=changes, before={path: shown.get(path) for path in changes})


def _last_look(engine: Engine, tx: Connection, owed: Owed, good_for: Micros) -> tuple[Observation | None, bool]:
    """What the target last showed, and whether that is recent: seen by itself, or by a poll that would have shown a change.

    Not where there is word of a change that was not looked at yet.
    """
    known = observations.load(tx, [owed.ref]).get(owed.ref)
    if known is None or known.fields is None:
        return None, False
    polled_at = cursors.load(tx, (owed.ref.system, owed.ref.collection)).polled_at or 0
    lag = engine.connectors[owed.ref.system].capabilities(owed.ref.collection).index_lag
    newest = max(known.seen_at, polled_at - lag)
    rumoured = inbox.is_waiting(tx, owed.ref) or planning.is_waiting(tx, owed.sync, owed.member, owed.ref.id)
    return known, not rumoured and engine.clock.now() - newest <= good_for


async def _vanished(engine: Engine, owed: Owed) -> None:
    now = engine.clock.now()

    def commit(tx: Connection) -> None:
        observations.suspect(tx, [owed.ref], "not found when it was to be written", now)
        settle_moved(engine, tx, owed)

    await engine.database.write(commit)
    engine.bus.ring(Bell.INBOX)


def _native(engine: Engine, owed: Owed, shown: dict[str, Json]) -> dict[str, Json]:
    """The write in the vendor's paths."""
    rules, member = engine.syncs[owed.sync], engine.rule(owed.sync, owed.member)
    if owed.operation is Operation.ARCHIVE:
        return dict(member.archive or {})
    out: dict[str, Json] = {}
    for name, value in owed.values.items():
        if name not in rules.fields:
            continue
        words = from_hub(rules.fields[name], member, value, shown)
        assert not isinstance(words, Unreadable), "the planner owed a value this member has no words for"
        out.update(words)
    if owed.operation is Operation.CREATE:
        return {**member.create, **{path: value for path, value in out.items() if value is not None}}
    return out


async def _clear_up(engine: Engine, owed: Owed) -> None:
    """A call whose outcome is unknown: look what is there."""
    if owed.operation is Operation.CREATE:
        await probe_create(engine, owed)
        return
    seen_at = engine.clock.now()
    record = await engine.connectors[owed.ref.system].get(owed.ref)
    if record is None:
        if owed.operation is Operation.DELETE:
            await engine.database.write(lambda tx: settle_done(engine, tx, owed, None, seen_at, "found deleted"))
        else:
            await _vanished(engine, owed)
        return

    def commit(tx: Connection) -> None:
        if owed.operation is Operation.UPDATE and already_holds(engine, owed, record):
            settle_done(engine, tx, owed, record, seen_at, "found written")
            return
        observations.observe(tx, [look_at(engine, record, seen_at)], engine.routes, "look after a doubtful write")
        outbox.settle(tx, owed, State.PENDING, engine.clock.now(), due_at=engine.clock.now())

    await engine.database.write(commit)


async def _failed(engine: Engine, owed: Owed, error: ConnectorError, *, sent: bool, alone: bool = True) -> None:
    """What follows from a failed call, by the kind of its error. `alone`: it travelled by itself, so the refusal is its own."""
    now = engine.clock.now()
    attempts = owed.attempts + 1
    wish_s = error.retry_after_s if isinstance(error, Unavailable) else None
    wait = delay(attempts, spread=engine.random.random(), wish_s=wish_s)
    doubtful = sent and error.effect is Effect.MAYBE
    facts = engine.connectors[owed.ref.system].capabilities(owed.ref.collection)
    if isinstance(error, Unauthorized):
        await pause_system(engine, owed.ref.system, error)
    engine.log.warning(
        "write.failed",
        system=owed.ref.system,
        link=owed.link,
        operation=owed.operation.value,
        error=error.message,
        attempt=attempts,
        doubtful=doubtful,
    )

    def commit(tx: Connection) -> None:
        if doubtful:
            lag = facts.index_lag if owed.operation is Operation.CREATE else 0
            outbox.settle(tx, owed, State.UNKNOWN, now, error=_worded(error), due_at=now + max(lag, wait))
        elif isinstance(error, Stale):
            observations.suspect(tx, [owed.ref] if owed.ref.id else [], f"the vendor said: {error.message}", now)
            settle_moved(engine, tx, owed)
        elif (isinstance(error, Rejected) and alone) or exhausted(attempts):
            settle_dead(engine, tx, owed, str(error))
        else:
            outbox.settle(tx, owed, State.PENDING, now, error=_worded(error), due_at=now + wait)

    await engine.database.write(commit)


def _worded(error: ConnectorError) -> str:
    """The error as it is kept beside the write; a refusal is marked, so that the probe after it knows not to try again."""
    return f"rejected: {error}" if isinstance(error, Rejected) else str(error)
