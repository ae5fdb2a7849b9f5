"""Applying: carries out a plan that was kept, to the letter, or says what has moved since.

Everything is listed and planned anew first; what is then owed is compared with what was promised. Only when every promise stands are these
writes let go, past the gates a person has seen in the plan, and no others.
The rule that keeps it true: nothing is let go while a single promise is broken; each write still looks at its target like any other.
It must not know: who asked, or how a write is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import anyio

from syncd.core.errors import PlanMoved
from syncd.core.outcome import HoldKind
from syncd.core.promise import Identity, Promise, broken
from syncd.core.record import FieldName, Json, LinkId
from syncd.flow.engine import Engine
from syncd.flow.gates import first_run_question
from syncd.flow.planfile import PlanFile
from syncd.flow.rehearse import Report, rehearse
from syncd.flow.write import write_once
from syncd.store import control, holds, links, outbox, writes
from syncd.store.database import Connection
from syncd.store.holds import HoldState
from syncd.store.outbox import Owed, State

OPEN = (State.PENDING, State.PARKED, State.SENT, State.UNKNOWN)
REST_S = 0.05
_ALL = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of the writes of a plan: by their numbers, and those that the daemon had done before it was asked."""

    numbers: frozenset[int]
    before: int


def promises_of(tx: Connection, owed: Iterable[Owed], newest_known: int | None = None) -> dict[Identity, tuple[Promise, Owed]]:
    """Writes as promises. Links above `newest_known` are new, so that their numbers and revisions mean nothing elsewhere."""
    rows = list(owed)
    whole = links.load(tx, [each.link for each in rows])
    found: dict[Identity, tuple[Promise, Owed]] = {}
    for each in rows:
        link = whole[each.link]
        records = {name: str(member.ref) for name, member in sorted(link.members.items()) if member.ref is not None and name != each.member}
        promise = Promise(
            key=each.key,
            sync=each.sync,
            link=each.link,
            revision=None if newest_known is not None and each.link > newest_known else each.revision,
            member=each.member,
            system=each.ref.system,
            operation=each.operation,
            record_id=each.ref.id or None,
            records=records,
            values=dict(each.values),
            expected=dict(each.expected),
        )
        found[promise.identity] = (promise, each)
    return found


def let_go(engine: Engine, tx: Connection, plan: PlanFile) -> Applied:
    """Lets the writes of a plan go, if all of it still stands. Raises PlanMoved with everything that has moved."""
    meanings = control.digests(tx)
    moved = [f"{name}: its rules were {meant[:8]}, are {meanings.get(name, 'gone')[:8]}" for name, meant in plan.digests.items() if meanings.get(name) != meant]
    found = promises_of(tx, writes.select(tx, OPEN, limit=_ALL))
    done = _done_already(tx, plan, found)
    left = [each for each in plan.promises if each.identity not in done]
    there = {identity: promise for identity, (promise, _) in found.items()}
    moved += broken(left, there, _present(tx, [each for each in left if each.identity not in there]))
    if moved:
        raise PlanMoved("the plan does not stand any more: nothing was written", problems=moved, hint="make it anew: `syncd plan --out FILE`")
    now = engine.clock.now()
    owed = [found[each.identity][1] for each in left]
    outbox.release(tx, [each.id for each in owed], now)
    _close_gates(engine, tx, owed)
    return Applied(numbers=frozenset(each.id for each in owed), before=len(done))


def _done_already(tx: Connection, plan: PlanFile, found: Mapping[Identity, object]) -> set[Identity]:
    """What a running daemon has written since, just as it was promised: it has the same key."""
    wanted = [each for each in plan.promises if each.identity not in found]
    done = writes.done_among(tx, [each.key for each in wanted])
    return {each.identity for each in wanted if each.key in done}


def _present(tx: Connection, promises: Iterable[Promise]) -> dict[Identity, dict[FieldName, Json]]:
    """What the targets of these are known to show now, in the hub's terms."""
    wanted = list(promises)
    whole = links.load(tx, [each.link for each in wanted])
    return {
        each.identity: dict(link.members[each.member].base)
        for each in wanted
        if (link := whole.get(LinkId(each.link))) is not None and each.member in link.members
    }


def _close_gates(engine: Engine, tx: Connection, owed: Iterable[Owed]) -> None:
    """A gate behind which nothing waits any more has been answered by the plan."""
    now, left = engine.clock.now(), {each.gate for each in writes.select(tx, [State.PARKED], limit=_ALL)}
    gates = {each.gate: each.sync for each in owed if each.gate is not None}
    for key, held in holds.find_all(tx, gates).items():
        if key in left or held.state is not HoldState.OPEN:
            continue
        if held.kind is HoldKind.FIRST_RUN and key == first_run_question(held.sync).key:
            control.approve(tx, held.sync, now)
        holds.answer(tx, held.id, HoldState.CLOSED, "approve", now)


async def apply_alone(engine: Engine, plan: PlanFile, report: Report) -> dict[str, Json]:
    """Does it in this process, where no daemon runs: lists, plans, compares, writes these and nothing else."""
    engine.only = frozenset()
    await rehearse(engine, report)
    applied = await engine.database.write(lambda tx: let_go(engine, tx, plan))
    engine.only = applied.numbers
    while not (result := await result_of(engine, applied))["over"]:
        report(f"writing: {result['left']:,} left")
        worked = [await write_once(engine, system) for system in sorted(engine.connectors)]
        if not any(worked):
            await anyio.sleep(REST_S)
    return result


async def result_of(engine: Engine, applied: Applied) -> dict[str, Json]:
    """How far the writes of a plan are."""
    owed = await engine.database.read(lambda tx: writes.load(tx, applied.numbers))
    states = [each.state for each in owed]
    stuck = [each for each in owed if each.state in OPEN and each.ref.system in engine.paused]
    return {
        "done": states.count(State.DONE) + applied.before,
        "failed": states.count(State.DEAD),
        "moved": states.count(State.CANCELLED) + len(applied.numbers) - len(owed),
        "left": sum(state in OPEN for state in states),
        "in_doubt": states.count(State.UNKNOWN),
        "paused": sorted({each.ref.system for each in stuck}),
        "over": not any(each.state in OPEN for each in owed) or len(stuck) == sum(state in OPEN for state in states),
    }
