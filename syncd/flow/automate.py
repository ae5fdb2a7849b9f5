"""Automate: carries the runs of automations out.

`advance_forever` brings runs on to their next calls; `automate_forever` makes the calls of one lane (a system, or the alerts), within the
system's quota and after whatever the syncs need. Calls that the vendor takes together travel together.
The rule that keeps it true: *sent* is committed after the quota has granted a call and before it is made, the outcome after it; a call that may
have had an effect and must not be made twice is held for a person; between a call and its recorded outcome nothing interrupts.
It must not know: what set a run off, or a vendor's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from syncd.connectors.operating import dealt_with, together
from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable, UserError
from syncd.core.happening import Cause, Claim, Origin, done_values
from syncd.core.outcome import HoldKind
from syncd.core.record import Json, Micros, SystemName
from syncd.core.retry import delay, exhausted
from syncd.core.steps import Alert, Call, Ended, reach
from syncd.flow.alerting import AlertFailed, send_alert
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.holding import park
from syncd.flow.pause import pause_system, wait_while_paused
from syncd.flow.stepping import ALERTS, Owed, bring_on, note, rules_of
from syncd.store import claims, runs
from syncd.store.codec import pack
from syncd.store.database import Connection
from syncd.store.runs import FINISHED, Run, RunState, StepRow, StepState

BATCH = 200
WORKERS = 8
RESULT_BYTES_MAX = 256 * 1024
"""What a vendor answered is kept up to this size; of more, only that it was more."""
BY_ITSELF = "by itself: "
"""How the error of a step begins that travelled with others and is to be tried alone."""
STALE_MAX = 5
ALERT_ATTEMPTS_MAX = 10


async def advance_forever(engine: Engine) -> None:
    """Brings on whatever waits for no call, until cancelled."""
    while True:
        worked = await advance_once(engine)
        engine.progress.turned("advance", engine.clock.monotonic())
        if not worked:
            await engine.bus.wait(Bell.RUNS, await _patience_s(engine, None))


async def advance_once(engine: Engine) -> bool:
    """One turn; whether there was anything."""
    now = engine.clock.now()
    if not await engine.database.read(lambda tx: bool(runs.due(tx, now, 1))):
        return False

    def commit(tx: Connection) -> int:
        due = runs.due(tx, now, BATCH)
        known = runs.steps_of(tx, [run.id for run in due])
        for run in due:
            bring_on(engine, tx, run, {row.path: row for row in known.get(run.id, ())})
        return len(due)

    moved = await engine.database.write(commit)
    engine.bus.ring(Bell.RUNS, Bell.PLAN)
    return moved > 0


async def automate_forever(engine: Engine, lane: str) -> None:
    """Makes the calls of one lane until cancelled."""
    in_the_air = await engine.database.write(lambda tx: recover(engine, tx, lane))
    if in_the_air:
        engine.log.warning("automations.recovered", system=lane or "alerts", unknown=in_the_air)
    calls, limiter = set[int](), anyio.CapacityLimiter(WORKERS)

    async def work(group: list[Owed]) -> None:
        async with limiter:
            await _carry_out(engine, lane, group)
        calls.discard(id(group))
        engine.bus.ring(Bell.RUNS)

    async with anyio.create_task_group() as tasks:
        while True:
            if lane != ALERTS:
                await wait_while_paused(engine, SystemName(lane))
            # A call that hangs keeps its own place alone: as long as there is another, more is taken.
            groups = await _take_due(engine, lane) if len(calls) < WORKERS else []
            for group in groups:
                calls.add(id(group))
                tasks.start_soon(work, group)
            engine.progress.turned(f"automate {lane}".strip(), engine.clock.monotonic())
            if not groups:
                await engine.bus.wait(Bell.RUNS, await _patience_s(engine, lane) if len(calls) < WORKERS else engine.timing.tick_s)
            else:
                await engine.gather()


async def _patience_s(engine: Engine, lane: str | None) -> float:
    due_at = await engine.database.read(lambda tx: runs.next_due(tx, lane))
    if due_at is None:
        return engine.timing.tick_s
    return min(engine.timing.tick_s, max(0.02, (due_at - engine.clock.now()) / 1_000_000))


def recover(engine: Engine, tx: Connection, lane: str) -> int:
    """What a life before this one left in the air: made again where that does no harm, else held."""
    now = engine.clock.now()
    steps = runs.recover(tx, lane)
    known = {run.id: run for run in runs.load(tx, {step.run for step in steps})}
    rows = runs.steps_of(tx, known)
    for step in steps:
        _claim_lost(engine, tx, known[step.run], {row.path: row for row in rows.get(step.run, ())}, step)
        if step.replay:
            runs.put(tx, replace(step, state=StepState.PENDING), now)
        else:
            _park_unknown(engine, tx, known[step.run], step, "it was being made when syncd ended")
    return len(steps)


async def automate_once(engine: Engine, lane: str) -> bool:
    """One turn: leases what is due and makes the calls, all to their ends; whether there was anything."""
    groups = await _take_due(engine, lane)
    async with anyio.create_task_group() as tasks:
        for group in groups:
            tasks.start_soon(_carry_out, engine, lane, group)
    return bool(groups)


async def _take_due(engine: Engine, lane: str) -> list[list[Owed]]:
    """Leases what is due; the calls to be made, alike ones together."""
    now = engine.clock.now()
    due_at = await engine.database.read(lambda tx: runs.next_due(tx, lane))
    if due_at is None or due_at > now:
        return []
    return _grouped(await engine.database.write(lambda tx: _take(engine, tx, lane, now, now + engine.timing.lease)))


def _take(engine: Engine, tx: Connection, lane: str, now: Micros, until: Micros) -> list[Owed]:
    """The calls that are owed; a run that is at no call any more (a person's word, another version) is brought on anew."""
    leased = runs.lease(tx, lane, now, until=until, limit=BATCH)
    known = runs.steps_of(tx, [run.id for run in leased])
    owed = []
    for run in leased:
        rows = {row.path: row for row in known.get(run.id, ())}
        lost = next((row for row in rows.values() if row.state in (StepState.SENT, StepState.UNKNOWN)), None)
        if lost is not None:
            _claim_lost(engine, tx, run, rows, lost)
        if lost is not None and not lost.replay:
            # Whoever was making the call lost the lease over it.
            _park_unknown(engine, tx, run, lost, "nobody recorded what became of it")
            continue
        if lost is not None:
            rows[lost.path] = replace(lost, state=StepState.PENDING)
        found = _owed(engine, tx, run, rows)
        if found is None:
            bring_on(engine, tx, run, rows)
        else:
            owed.append(found)
    return owed


def _claim_lost(engine: Engine, tx: Connection, run: Run, rows: Mapping[str, StepRow], lost: StepRow) -> None:
    """Nobody heard what became of a call: should what it was to write show, that is its doing."""
    owed = _owed(engine, tx, run, {**rows, lost.path: replace(lost, state=StepState.PENDING)})
    if owed is not None:
        claim(engine, tx, owed, None)


def _owed(engine: Engine, tx: Connection, run: Run, rows: Mapping[str, StepRow]) -> Owed | None:
    """The call that a run is at, as it was rendered; None where it is at none."""
    rules = rules_of(engine, tx, run)
    reached = reach(rules.steps, {path: row.result for path, row in rows.items() if row.state in FINISHED}) if rules is not None else None
    if reached is None or isinstance(reached, Ended):
        return None
    row = rows.get(reached.path)
    if row is None or row.state is not StepState.PENDING or row.payload is None or not isinstance(reached.step, Call | Alert):
        return None
    if isinstance(reached.step, Alert):
        return Owed(run=run, step=row, does=reached.step)
    operations = engine.operations.get(reached.step.system)
    try:
        prepared = operations.prepare(reached.step.operation, row.payload) if operations is not None else None
    except UserError:
        prepared = None
    return Owed(run=run, step=row, does=reached.step, prepared=prepared) if prepared is not None else None


def _grouped(owed: Sequence[Owed]) -> list[list[Owed]]:
    """Calls that can travel together, of one automation and alike in all but one value; the rest one by one."""
    groups: list[list[Owed]] = []
    open_ones: dict[bytes, list[Owed]] = {}
    for each in owed:
        bulk = each.row.bulk if each.prepared is not None else None
        if bulk is None or (each.step.error or "").startswith(BY_ITSELF) or bulk.collect not in each.step.payload:
            groups.append([each])
            continue
        alike = pack([each.run.automation, each.step.kind, {name: v for name, v in each.step.payload.items() if name != bulk.collect}])
        if alike not in open_ones or len(open_ones[alike]) >= bulk.most:
            open_ones[alike] = []
            groups.append(open_ones[alike])
        open_ones[alike].append(each)
    return groups


class _LostError(Exception):
    """The lease of a run was lost: its call is not to be made."""


async def _carry_out(engine: Engine, lane: str, group: list[Owed]) -> None:
    """One call to its recorded outcome, whatever happens on the way."""
    if lane in engine.paused:
        await _give_back(engine, group)
        return
    sent = False

    async def leaving() -> None:
        nonlocal sent
        if not await engine.database.write(lambda tx: _mark_sent(engine, tx, group)):
            raise _LostError
        sent = True

    with engine.finishing(), priority(Priority.AUTOMATION):
        try:
            answer = await _call(engine, group, leaving)
        except _LostError:
            await _give_back(engine, group)
        except (ConnectorError, AlertFailed) as error:
            await _record_failure(engine, group, error, sent=sent)
        else:
            await engine.database.write(lambda tx: _settle(engine, tx, group, answer))


async def _call(engine: Engine, group: list[Owed], leaving: object) -> Json:
    first = group[0]
    if isinstance(first.does, Alert):
        return await send_alert(first.step.payload, first.run, leaving, engine.secrets)  # type: ignore[arg-type]
    assert first.prepared is not None
    operations = engine.operations[first.does.system]
    prepared = first.prepared
    if len(group) > 1 and first.row.bulk is not None:
        prepared = operations.prepare(first.row.bulk.use, together(first.row.bulk, [each.step.payload for each in group]))
    return await operations.call(prepared, leaving)  # type: ignore[arg-type]


def _mark_sent(engine: Engine, tx: Connection, group: Sequence[Owed]) -> bool:
    """Commits that a call is about to be made; whether it may be: every lease of it still holds."""
    if not all(runs.holds_lease(tx, each.run) for each in group):
        return False
    now = engine.clock.now()
    for each in group:
        runs.put(tx, replace(each.step, state=StepState.SENT, attempts=each.step.attempts + 1), now)
    return True


async def _give_back(engine: Engine, group: Sequence[Owed]) -> None:
    """The call cannot be made now: it stays owed."""

    def commit(tx: Connection) -> None:
        now = engine.clock.now()
        for each in group:
            runs.release(tx, each.run, RunState.RUNNING, now, due_at=now, lane=each.run.lane)

    await engine.database.write(commit)


def _settle(engine: Engine, tx: Connection, group: Sequence[Owed], answer: Json) -> None:
    """The call was answered: each of its steps is done, or goes again by itself where the answer does not say so; and its run goes on."""
    bulk = group[0].row.bulk if len(group) > 1 else None
    done = dealt_with(bulk, answer) if bulk is not None else set()
    now = engine.clock.now()
    for each in group:
        if not runs.holds_lease(tx, each.run):
            continue
        claim(engine, tx, each, None if bulk is not None else answer)
        if bulk is not None and str(each.step.payload[bulk.collect]) not in done:
            error = f"{BY_ITSELF}the vendor did not say that it was done"
            runs.put(tx, replace(each.step, state=StepState.PENDING, attempts=each.step.attempts + 1, error=error), now)
            runs.release(tx, each.run, RunState.RUNNING, now, due_at=now, lane=each.run.lane, error=error)
            continue
        result = answer if bulk is None else {}
        step = replace(each.step, state=StepState.DONE, attempts=each.step.attempts + 1, result=_kept(result), error=None)
        runs.put(tx, step, now)
        note(engine, tx, each.run, "automation.step", {"step": step.path, "did": step.kind})
        rows = {row.path: row for row in runs.steps_of(tx, [each.run.id]).get(each.run.id, ())}
        bring_on(engine, tx, each.run, rows)


def _kept(answer: Json) -> Json:
    size = len(pack(answer))
    return answer if size <= RESULT_BYTES_MAX else {"too_long": size}


def claim(engine: Engine, tx: Connection, owed: Owed, answer: Json) -> None:
    """Whatever shows these values next at the records that the call was about is this automation's doing."""
    if not isinstance(owed.does, Call) or owed.prepared is None or not owed.prepared.operation.writes:
        return
    system, now = owed.does.system, engine.clock.now()
    values = done_values(owed.step.payload, answer)
    cause = Cause(Origin.AUTOMATION, owed.run.cause.depth + 1, str(owed.run.automation))
    for subject, made in engine.operations[system].subjects(owed.does.operation, owed.step.payload, answer).items():
        known = Claim(cause=cause, values=values, made=made)
        claims.add(tx, claims.of_record(system, subject), known, now)
        if engine.awaits(system):
            claims.add(tx, claims.of_webhook(system, subject), known, now)


async def _record_failure(engine: Engine, group: Sequence[Owed], error: ConnectorError | AlertFailed, *, sent: bool) -> None:
    """What follows from a failed call, by the kind of its error."""
    if isinstance(error, Unauthorized) and not error.narrow:
        await pause_system(engine, error.system, error, None)
    engine.log.warning(
        "automation.call_failed", automation=group[0].run.automation, runs=[each.run.id for each in group], call=group[0].step.kind, error=str(error)
    )

    def commit(tx: Connection) -> None:
        for each in group:
            if runs.holds_lease(tx, each.run):
                _fail_one(engine, tx, each, error, sent=sent, alone=len(group) == 1)

    await engine.database.write(commit)


def _fail_one(engine: Engine, tx: Connection, owed: Owed, error: ConnectorError | AlertFailed, *, sent: bool, alone: bool) -> None:
    """
    | the error                                             | then                                                      |
    |-------------------------------------------------------|-----------------------------------------------------------|
    | may have had an effect, and must not be made twice    | held for a person                                         |
    | refused, by itself                                    | the run is given up                                       |
    | refused, among others                                 | tried by itself                                           |
    | not what it was thought to be (stale)                 | its values are looked up anew, and it is tried a few times |
    | the door is closed to everything                      | it waits until the system is used again                   |
    | the door is closed to this call (a scope is missing)  | as refused                                                |
    | anything else                                         | tried again later, ever later, and at last given up       |
    """
    now = engine.clock.now()
    attempts = owed.step.attempts + 1
    wish_s = error.retry_after_s if isinstance(error, Unavailable) else None
    wait = delay(attempts, spread=engine.random.random(), wish_s=wish_s)
    step = replace(owed.step, attempts=attempts, error=str(error))
    refused = isinstance(error, (Rejected, Unauthorized))
    maybe = sent and isinstance(error, ConnectorError) and error.effect is Effect.MAYBE
    if maybe:
        claim(engine, tx, owed, None)
    if maybe and not step.replay:
        _park_unknown(engine, tx, owed.run, step, str(error))
    elif isinstance(error, Unauthorized) and not error.narrow:
        runs.put(tx, replace(owed.step, state=StepState.PENDING, error=str(error)), now)
        runs.release(tx, owed.run, RunState.RUNNING, now, due_at=now, lane=owed.run.lane, error=str(error))
    elif (refused and alone) or (isinstance(error, Stale) and attempts >= STALE_MAX) or _is_last(error, attempts):
        runs.put(tx, replace(step, state=StepState.DEAD), now)
        runs.release(tx, owed.run, RunState.FAILED, now, due_at=now, error=str(error))
        note(engine, tx, owed.run, "automation.failed", {"step": step.path, "did": step.kind, "error": str(error)})
    elif isinstance(error, Stale):
        runs.put(tx, replace(step, state=StepState.PENDING, payload=None), now)
        runs.release(tx, owed.run, RunState.RUNNING, now, due_at=now + wait, error=str(error))
    elif refused:
        runs.put(tx, replace(step, state=StepState.PENDING, error=f"{BY_ITSELF}{error}"), now)
        runs.release(tx, owed.run, RunState.RUNNING, now, due_at=now, lane=owed.run.lane, error=str(error))
    else:
        due_at = now + wait
        runs.put(tx, replace(step, state=StepState.PENDING), now)
        runs.release(tx, owed.run, RunState.RUNNING, now, due_at=due_at, lane=owed.run.lane, error=str(error))


def _is_last(error: ConnectorError | AlertFailed, attempts: int) -> bool:
    return attempts >= ALERT_ATTEMPTS_MAX if isinstance(error, AlertFailed) else exhausted(attempts)


def _park_unknown(engine: Engine, tx: Connection, run: Run, step: StepRow, error: str) -> None:
    now = engine.clock.now()
    reason = f"{step.kind} may or may not have happened, and doing it twice may do harm ({error}): approve to do it again, ignore to go on without"
    park(tx, run, replace(step, state=StepState.UNKNOWN, error=error), HoldKind.UNKNOWN_STEP, reason, now)
    note(engine, tx, run, "automation.held", {"step": step.path, "did": step.kind, "error": error})
