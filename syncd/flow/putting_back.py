"""Carrying out an undoing: the hub goes back, and what follows from that goes the way of every change.

The rule that keeps it true: nothing is written here; the planner owes what follows, guards and quotas hold, every write looks at its target
first, and what is done is in the journal like any decision, so that it can be undone in its turn.
It must not know: what may be undone.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core.guard import direction
from syncd.core.link import HubField, Interval, Link, LinkState
from syncd.core.outcome import Write
from syncd.core.record import Json, LinkId, Micros
from syncd.flow.engine import LIVE, Engine
from syncd.flow.gates import Gates, ask_all
from syncd.flow.undoing import PutBack, Removal, Undoing
from syncd.store import journal, links, outbox, planning
from syncd.store.database import Connection
from syncd.store.journal import Entry
from syncd.store.outbox import Intent

BY_HAND = "undone by a person"


def put_back(engine: Engine, tx: Connection, undoing: Undoing) -> None:
    """Does what an undoing says, in one transaction."""
    now = engine.clock.now()
    by_link: dict[LinkId, list[PutBack]] = {}
    for each in undoing.fields:
        by_link.setdefault(each.link, []).append(each)
    loaded = links.load(tx, by_link)
    after = [_with_values(loaded[number], fields, now) for number, fields in by_link.items()]
    links.save(tx, after, now)
    planning.enqueue(tx, [item for link in after for item in links.items_of(link)[:1]], now, "operator")
    journal.append(tx, [_decided(engine, each, loaded[each.link].revision + 1, now) for each in undoing.fields])
    for sync in engine.syncs:
        _remove(engine, tx, [each for each in undoing.removals if each.sync == sync], now)


def _with_values(link: Link, fields: list[PutBack], now: Micros) -> Link:
    back = {each.field: HubField(value=each.then, rule=BY_HAND, interval=Interval(None, now)) for each in fields}
    return replace(link, hub={**link.hub, **back}, revision=link.revision + 1)


def _decided(engine: Engine, each: PutBack, revision: int, now: Micros) -> Entry:
    detail: dict[str, Json] = {
        "field": each.field,
        "value": each.then,
        "before": each.now,
        "winner": None,
        "rule": BY_HAND,
        "losers": {},
        "cause": "operator",
        "between": None,
        "revision": revision,
    }
    return Entry(at=now, run_id=engine.run_id, sync=each.sync, link=each.link, kind="field.decided", detail=detail)


def _remove(engine: Engine, tx: Connection, removals: list[Removal], now: Micros) -> None:
    """The links end, and what was made is owed its deletion, past the guards like any other."""
    if not removals:
        return
    rules = engine.syncs[removals[0].sync]
    numbers = list(dict.fromkeys(each.link for each in removals))
    gates = Gates.open(tx, rules, now, numbers)
    ended = {number: replace(link, state=LinkState.UNLINKED, revision=link.revision + 1) for number, link in links.load(tx, numbers).items()}
    links.save(tx, list(ended.values()), now)
    outbox.cancel(tx, [(number, name) for number in numbers for name in rules.members], now)
    outbox.owe(tx, [_intent(engine, tx, gates, ended[each.link], each) for each in removals], now)
    ask_all(tx, gates.questions, now)
    journal.append(tx, [_ended(engine, each, now) for each in removals])


def _intent(engine: Engine, tx: Connection, gates: Gates, link: Link, each: Removal) -> Intent:
    evidence = (f"made by syncd, write {each.key}", "not edited since", BY_HAND)
    expected = dict(link.members[each.member].base)
    write = Write(member=each.member, operation=each.operation, values={}, expected=expected, evidence=evidence)
    gate = gates.gate(tx, link.id, write, f"{link.id}: {each.ref}")
    return Intent(
        link=link.id, sync=each.sync, revision=link.revision, write=replace(write, evidence=(*evidence, gates.standing(write))),
        target=each.ref, stream=direction(write), gate=gate, priority=LIVE, run_id=engine.run_id,
    )  # fmt: skip


def _ended(engine: Engine, each: Removal, now: Micros) -> Entry:
    detail: dict[str, Json] = {
        "state": LinkState.UNLINKED.value,
        "notes": [f"the record made in {each.member} was {BY_HAND}: {each.operation.value}"],
        "cause": "operator",
        "evidence": [],
    }
    return Entry(at=now, run_id=engine.run_id, sync=each.sync, link=each.link, kind="link.ended", detail=detail)
