"""Write: carries owed writes out, exactly once in effect, within each vendor's quota.

Leased from the outbox, most urgent first, never two for one record. A target that was not looked at recently is read first; when it has
moved, the link is planned again instead of being overwritten. *Sent* is committed before the call, the outcome with the read-back after it.
The rule that keeps it true: a create whose outcome is unknown is looked for before it is tried again, and what cannot be looked for is
held for a person; between a call and its recorded outcome nothing interrupts.
It must not know: who won, or a vendor's words.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from syncd.connectors.base import Created, Exists, Update
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Unauthorized
from syncd.core.outcome import Operation
from syncd.core.record import SECOND, CollectionName, Record, SystemName
from syncd.flow.binding import bind_for, bound_for
from syncd.flow.bus import Bell
from syncd.flow.engine import LIVE, Engine
from syncd.flow.failing import record_failure
from syncd.flow.likeness import could_be_ours
from syncd.flow.making import adopt, create_many
from syncd.flow.pause import is_paused, pause_system, wait_while_paused
from syncd.flow.prepare import Ready, begin, is_wanted, look_at_targets, native, vanished
from syncd.flow.probe import is_there_already, probe_create
from syncd.flow.settle import (
    look_at,
    settle_adopted,
    settle_dead,
    settle_done,
    settle_edited,
)
from syncd.store import observations, outbox
from syncd.store.database import BrokenRuleError, Connection
from syncd.store.outbox import Owed, State

WORKERS = 16


async def write_forever(engine: Engine, system: SystemName) -> None:
    """Carries out one system's writes until cancelled."""
    # A turn before this one, here or in a life that was cut short, may not have been able to record what became of its calls.
    in_the_air = await engine.database.write(lambda tx: outbox.recover(tx, system, engine.clock.now()))
    if in_the_air:
        engine.log.warning("writes.recovered", system=system, unknown=in_the_air)
    while True:
        await wait_while_paused(engine, system)
        worked = await write_once(engine, system)
        engine.progress.turned(f"write {system}", engine.clock.monotonic())
        if not worked:
            await _rest(engine, system)
        else:
            await engine.gather()


async def _rest(engine: Engine, system: SystemName) -> None:
    """Returns when a write may be due. Nothing is leased until then: whether anything is due is asked without a transaction that writes."""
    rested = False
    while (left_s := await _due_in_s(engine, system)) > 0 or not rested:
        await engine.bus.wait(Bell.OUTBOX, min(engine.timing.tick_s, max(0.02, left_s)))
        engine.progress.turned(f"write {system}", engine.clock.monotonic())
        rested = True


async def _due_in_s(engine: Engine, system: SystemName) -> float:
    due_at = await engine.database.read(lambda tx: outbox.next_due(tx, system))
    return engine.timing.tick_s if due_at is None else (due_at - engine.clock.now()) / SECOND


async def write_once(engine: Engine, system: SystemName) -> bool:
    """One turn: leases what is due and carries it out; whether there was anything."""
    now = engine.clock.now()
    until = now + engine.timing.lease
    facts = [engine.connectors[system].capabilities(collection) for name, collection in engine.places if name == system]
    limit = max(WORKERS * 4, *(max(each.batch_update_max, each.batch_create_max) for each in facts))
    leased = await engine.database.write(lambda tx: outbox.lease(tx, system, now, until=until, limit=limit, only=engine.only))
    if not leased:
        return False
    alone, batches = _grouped(engine, leased)
    work: list[list[Owed]] = [*batches, *([each] for each in alone)]
    queue = iter(work)

    async def worker() -> None:
        for group in queue:
            if is_paused(engine, system, group[0].ref.collection):
                await _give_back(engine, group)
            else:
                await _carry_out(engine, system, group)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(WORKERS, len(work))):
            tasks.start_soon(worker)
    engine.bus.ring(Bell.PLAN)
    return True


def _grouped(engine: Engine, leased: Sequence[Owed]) -> tuple[list[Owed], list[list[Owed]]]:
    """What can travel in one call, updates or creates of one collection, and the rest one by one."""
    alone: list[Owed] = []
    together: dict[tuple[CollectionName, Operation], list[Owed]] = {}
    for owed in leased:
        if owed.state is State.PENDING and owed.attempts == 0 and _most(engine, owed) > 1:
            together.setdefault((owed.ref.collection, owed.operation), []).append(owed)
        else:
            alone.append(owed)
    batches: list[list[Owed]] = []
    for group in together.values():
        most = _most(engine, group[0])
        batches.extend(group[start : start + most] for start in range(0, len(group), most))
    return alone, batches


def _most(engine: Engine, owed: Owed) -> int:
    """How many writes like this one travel in one call."""
    facts = engine.connectors[owed.ref.system].capabilities(owed.ref.collection)
    most = {Operation.UPDATE: facts.batch_update_max, Operation.CREATE: facts.batch_create_max}
    return most.get(owed.operation, 1)


async def _carry_out(engine: Engine, system: SystemName, group: list[Owed]) -> None:
    """One group to its recorded outcome, whatever happens on the way."""
    first = group[0]
    urgency = Priority.RETRY if first.attempts else Priority.LIVE if first.priority <= LIVE else Priority.BACKFILL
    try:
        with priority(urgency):
            if group[0].state is State.UNKNOWN:
                await _clear_up(engine, group[0])
            elif group[0].operation is Operation.CREATE:
                await (_create(engine, group[0]) if len(group) == 1 else create_many(engine, group))
            else:
                await _change(engine, group)
    except BrokenRuleError as error:
        await _give_up(engine, group, str(error))
    except Unauthorized as error:
        await pause_system(engine, system, error, first.ref.collection)
        await _give_back(engine, group)
    except ConnectorError as error:
        for owed in group:
            await record_failure(engine, owed, error, sent=False)


async def _give_up(engine: Engine, group: Sequence[Owed], error: str) -> None:
    """What became of these cannot be recorded: that is a fault in syncd, and no reason to write nothing else."""
    engine.log.error("write.not_settled", writes=[owed.id for owed in group], error=error)

    def commit(tx: Connection) -> None:
        for owed in group:
            settle_dead(engine, tx, owed, error)

    await engine.database.write(commit)


async def _give_back(engine: Engine, group: Sequence[Owed]) -> None:
    """The system cannot be used now: the writes stay owed."""
    now = engine.clock.now()

    def commit(tx: Connection) -> None:
        for owed in group:
            outbox.settle(tx, owed, State.UNKNOWN if owed.state is State.UNKNOWN else State.PENDING, now, due_at=now)

    await engine.database.write(commit)


async def _create(engine: Engine, owed: Owed) -> None:
    if not await is_wanted(engine, owed):
        return
    there = await is_there_already(engine, owed)
    if there is not None:
        record, seen_at = there
        await engine.database.write(lambda tx: settle_adopted(engine, tx, owed, record, seen_at, "found by its keys"))
        return
    fields = native(await bound_for(engine, owed), owed, {})
    with engine.finishing():
        if not await engine.database.write(lambda tx: outbox.mark_sent(tx, [owed], engine.clock.now())):
            return
        seen_at = engine.clock.now()
        try:
            answer = await engine.connectors[owed.ref.system].create(owed.ref.collection, fields)
        except ConnectorError as error:
            await record_failure(engine, owed, error, sent=True)
            return
        match answer:
            case Created(record=made):
                await engine.database.write(lambda tx: settle_done(engine, tx, owed, made, seen_at, "created"))
            case Exists():
                await adopt(engine, owed, answer)


async def _change(engine: Engine, group: list[Owed]) -> None:
    """Updates, archivings and deletions: look, compare, write, record."""
    looked = await look_at_targets(engine, group)
    if not looked:
        return
    with engine.finishing():
        ready = await engine.database.write(lambda tx: begin(engine, tx, looked))
        if not ready:
            return
        if ready[0].owed.operation is Operation.DELETE:
            await _delete(engine, ready[0].owed)
        else:
            await _update(engine, ready)


async def _update(engine: Engine, ready: list[Ready]) -> None:
    connector = engine.connectors[ready[0].owed.ref.system]
    updates = [Update(ref=each.owed.ref, changes=each.changes, before=each.before) for each in ready]
    answers: Sequence[Record | ConnectorError]
    seen_at = engine.clock.now()
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
            await record_failure(engine, each.owed, answer, sent=True, alone=len(ready) == 1)


async def _delete(engine: Engine, owed: Owed) -> None:
    seen_at = engine.clock.now()
    try:
        await engine.connectors[owed.ref.system].delete(owed.ref)
    except ConnectorError as error:
        await record_failure(engine, owed, error, sent=True)
        return
    await engine.database.write(lambda tx: settle_done(engine, tx, owed, None, seen_at, "deleted"))


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
            await vanished(engine, owed)
        return

    def commit(tx: Connection) -> None:
        rules = bind_for(tx, engine.syncs[owed.sync], owed, record.fields)
        if owed.operation is Operation.UPDATE and could_be_ours(rules, owed, record):
            settle_done(engine, tx, owed, record, seen_at, "found written")
            return
        observations.observe(tx, [look_at(engine, record, seen_at)], engine.routes, "look after a doubtful write")
        settle_edited(engine, tx, owed, record)

    await engine.database.write(commit)
