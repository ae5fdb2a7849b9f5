"""Preparing a write: a recent look at its target, and the write in the vendor's words.

The rule that keeps it true: a target that is not what the write was decided upon is never written; the link is planned again.
It must not know: how the call is made, or what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from syncd.core.errors import ConnectorError
from syncd.core.fields import Unreadable
from syncd.core.link import LinkState
from syncd.core.outcome import Operation
from syncd.core.record import SECOND, Json, Micros, Record
from syncd.core.rules import SyncRules
from syncd.core.translate import from_hub
from syncd.flow.binding import bind_for
from syncd.flow.bus import Bell
from syncd.flow.engine import FIRST, Engine
from syncd.flow.failing import record_failure
from syncd.flow.likeness import already_holds, differs_from_expected
from syncd.flow.settle import look_at, settle_done, settle_moved
from syncd.flow.telling import tell_doubtful
from syncd.store import cursors, inbox, links, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.observations import Look, Observation
from syncd.store.outbox import Owed, State

LOOKERS = 8
BEHIND: Micros = 5 * SECOND
"""How long a write rests whose target was shown as it was before what is known of it."""
MANY = 10
"""More than this in one call are written upon one listing rather than upon a look at each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A leased write with what its target holds: as a look showed it, and with what was known before. `look` is one made just now."""

    owed: Owed
    record: Record
    shown: dict[str, Json]
    look: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A write that is marked as sent, with what its target was last seen to hold, in the vendor's words."""

    owed: Owed
    changes: dict[str, Json]
    before: dict[str, Json]


async def look_at_targets(engine: Engine, group: list[Owed]) -> list[Looked]:
    """What the targets hold, read anew where the last look is not recent enough; those that cannot be looked at now are put back."""
    timing = engine.timing
    first_sync = group[0].priority >= FIRST and not any(each.gate for each in group)
    # What waited behind a gate waited for a person, and others may have edited meanwhile.
    good_for = timing.fresh_first if first_sync else timing.fresh_many if len(group) > MANY else timing.fresh

    def standing(tx: Connection) -> tuple[list[tuple[Owed, Observation | None, bool]], list[Owed]]:
        wanted, unwanted = _sorted_out(tx, group)
        return [(each, *_last_look(engine, tx, each, good_for)) for each in wanted], unwanted

    known, unwanted = await engine.database.read(standing)
    if unwanted:
        await engine.database.write(lambda tx: _take_back(engine, tx, unwanted))
    looked: list[Looked] = []
    queue = iter(known)

    async def look() -> None:
        for owed, last, fresh in queue:
            try:
                found = _remembered(owed, last) if last is not None and fresh else await _read_anew(engine, owed, last)
            except ConnectorError as error:
                await record_failure(engine, owed, error, sent=False, alone=len(group) == 1)
            else:
                looked.extend([found] if found is not None else [])

    async with anyio.create_task_group() as tasks:
        for _ in range(min(LOOKERS, len(known))):
            tasks.start_soon(look)
    return looked


def begin(engine: Engine, tx: Connection, looked: list[Looked]) -> list[Ready]:
    """What may be sent now: its intent is recorded, together with the looks it rests on. What needs no call any more is settled."""
    observations.observe(tx, [each.look for each in looked if each.look is not None], engine.routes, "look before writing")
    known = observations.load(tx, [each.owed.ref for each in looked if each.look is not None])
    ready = [each for each in [_made_ready(engine, tx, each, known.get(each.owed.ref)) for each in looked] if each is not None]
    sent = {each.id for each in outbox.mark_sent(tx, [each.owed for each in ready], engine.clock.now())}
    return [each for each in ready if each.owed.id in sent]


def _sorted_out(tx: Connection, group: list[Owed]) -> tuple[list[Owed], list[Owed]]:
    """The writes whose links are still alive, and the rest. (Deletions are what an ended link still owes, upon evidence.)"""
    loaded = links.load(tx, [each.link for each in group])
    wanted: list[Owed] = []
    unwanted: list[Owed] = []
    for owed in group:
        ends = owed.operation in (Operation.DELETE, Operation.ARCHIVE)
        holds_good = bool(owed.evidence) if ends else loaded[owed.link].state is LinkState.LIVE
        (wanted if holds_good else unwanted).append(owed)
    return wanted, unwanted


def _take_back(engine: Engine, tx: Connection, unwanted: list[Owed]) -> None:
    for owed in unwanted:
        if owed.operation in (Operation.DELETE, Operation.ARCHIVE):
            # It was owed before evidence was kept: it is decided anew.
            settle_moved(engine, tx, owed)
        else:
            outbox.settle(tx, owed, State.CANCELLED, engine.clock.now(), error="its link has ended")


def _remembered(owed: Owed, known: Observation) -> Looked:
    return Looked(owed=owed, record=Record(ref=owed.ref, fields=known.fields or {}), shown=dict(known.fields or {}))


async def _read_anew(engine: Engine, owed: Owed, known: Observation | None) -> Looked | None:
    seen_at = engine.clock.now()
    record = await engine.connectors[owed.ref.system].get(owed.ref)
    if record is None:
        await vanished(engine, owed)
        return None
    shown = {**(known.fields or {} if known is not None else {}), **record.fields}
    return Looked(owed=owed, record=record, shown=shown, look=look_at(engine, record, seen_at))


def _is_behind(looked: Looked, known: Observation | None) -> bool:
    """Whether the look showed the target as it was before what is known already: a vendor's reads may run behind its writes for a while."""
    shown_at, known_at = looked.record.modified_at, known.modified_at if looked.look is not None and known is not None else None
    return shown_at is not None and known_at is not None and shown_at < known_at


def _made_ready(engine: Engine, tx: Connection, looked: Looked, known: Observation | None) -> Ready | None:
    """The write in the vendor's words, over what its target holds; None when it is settled already, or put off."""
    owed, record, shown = looked.owed, looked.record, looked.shown
    rules = bind_for(tx, engine.syncs[owed.sync], owed, shown)
    holds_already = owed.operation is Operation.UPDATE and already_holds(rules, owed, record)
    if (holds_already or differs_from_expected(rules, owed, record)) and _is_behind(looked, known):
        # Nothing follows from an old version; planned again, the write would be the same, and looked for again at once.
        now = engine.clock.now()
        state = State.UNKNOWN if owed.state is State.UNKNOWN else State.PENDING
        outbox.settle(tx, owed, state, now, error=owed.error, due_at=now + BEHIND)
        return None
    if holds_already:
        settle_done(engine, tx, owed, record, engine.clock.now(), "held already")
        return None
    if differs_from_expected(rules, owed, record):
        settle_moved(engine, tx, owed)
        return None
    changes = native(rules, owed, shown)
    return Ready(owed=owed, changes=changes, before={path: shown.get(path) for path in changes})


async def is_wanted(engine: Engine, owed: Owed) -> bool:
    """Whether the link of a write is still alive; else it is taken back."""
    _, unwanted = await engine.database.read(lambda tx: _sorted_out(tx, [owed]))
    if unwanted:
        await engine.database.write(lambda tx: _take_back(engine, tx, unwanted))
    return not unwanted


def _last_look(engine: Engine, tx: Connection, owed: Owed, good_for: Micros) -> tuple[Observation | None, bool]:
    """What the target last showed, and whether that is recent: seen by itself, or by a poll that would have shown a change.

    Not where there is word of a change that was not looked at yet.
    """
    known = observations.load(tx, [owed.ref]).get(owed.ref)
    if known is None or known.fields is None:
        return None, False
    looked_at = cursors.load(tx, (owed.ref.system, owed.ref.collection)).looked_at or 0
    lag = engine.connectors[owed.ref.system].capabilities(owed.ref.collection).index_lag
    newest = max(known.seen_at, looked_at - lag)
    rumoured = inbox.is_waiting(tx, owed.ref) or planning.is_waiting(tx, owed.sync, owed.member, owed.ref.id)
    in_this_life = newest >= engine.started_at
    # A look of later than now (the clock was set back, or the row is damaged) is of nobody knows when.
    return known, in_this_life and not rumoured and 0 <= engine.clock.now() - newest <= good_for


async def vanished(engine: Engine, owed: Owed) -> None:
    """The target of a write is not there: what follows depends on whether that is known already, and what it last showed."""
    now = engine.clock.now()

    def commit(tx: Connection) -> None:
        known = observations.load(tx, [owed.ref]).get(owed.ref)
        if owed.state is State.UNKNOWN and known is not None and known.fields is not None:
            seen = Record(ref=owed.ref, fields=known.fields, modified_at=known.modified_at)
            rules = bind_for(tx, engine.syncs[owed.sync], owed, seen.fields)
            if owed.operation is Operation.UPDATE and already_holds(rules, owed, seen):
                # It was seen with what was written before it went: whoever deleted it had received that.
                settle_done(engine, tx, owed, seen, known.seen_at, "seen written before it went")
                observations.suspect(tx, [owed.ref], "not found after a doubtful write", now)
                return
        if known is None or known.fields is not None:
            # It waits until it is found out whether the target is really gone.
            observations.suspect(tx, [owed.ref], "not found when it was to be written", now)
            outbox.settle(tx, owed, State.PENDING, now, due_at=now)
            tell_doubtful(engine, tx, owed)
        elif owed.operation is Operation.UPDATE:
            settle_moved(engine, tx, owed)
        else:
            settle_done(engine, tx, owed, None, now, "found deleted")

    await engine.database.write(commit)
    engine.bus.ring(Bell.INBOX)


def native(rules: SyncRules, owed: Owed, shown: dict[str, Json]) -> dict[str, Json]:
    """The write in the vendor's paths."""
    member = rules.members[owed.member]
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
