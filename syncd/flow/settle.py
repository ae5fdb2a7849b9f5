"""Settling: records what became of a write, in one transaction with what the vendor now shows.

The read-back becomes the member's base, and the value that was written is what the member agreed to: where the two differ in form, that
is the vendor's normalisation and never an edit.
The rule that keeps it true: a worker that lost its lease records nothing; a field that did not stick is held, not retried.
It must not know: how the call was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.fields import FieldType, Unreadable, alike, as_set, elements, equal, is_blank
from syncd.core.link import Link, LinkMember, LinkState
from syncd.core.outcome import HoldKind, Operation
from syncd.core.record import FieldName, Json, Micros, Record, RecordId, Ref
from syncd.core.rules import SyncRules
from syncd.core.translate import to_hub
from syncd.flow.binding import bind_for
from syncd.flow.engine import Engine
from syncd.flow.likeness import arrived, made_of
from syncd.flow.telling import tell_doubtful, tell_ours
from syncd.store import holds, journal, links, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.journal import Entry
from syncd.store.observations import Look
from syncd.store.outbox import Owed, State


def look_at(engine: Engine, record: Record, seen_at: Micros, *, settles: bool = False) -> Look:
    """A record that was just read alone, or shown in answer to a write; the call began at `seen_at`.

    A reading by id that may run behind shows what was so that much earlier; what is shown in answer to a write does not.
    """
    behind = 0 if settles else engine.connectors[record.ref.system].capabilities(record.ref.collection).read_lag
    return Look(
        record=record,
        seen_at=seen_at - behind,
        read_at=engine.clock.now(),
        skew=engine.connectors[record.ref.system].skew().offset,
        error=engine.modified_error(record.ref),
        settles=settles,
    )


def settle_done(engine: Engine, tx: Connection, owed: Owed, record: Record | None, seen_at: Micros, how: str) -> None:
    """The write took effect. `record` is the read-back (None after a delete), by a call begun at `seen_at`; `how` says how we know."""
    now = engine.clock.now()
    if not outbox.settle(tx, owed, State.DONE, now):
        return
    outbox.overtake(tx, owed, now)
    link = links.load(tx, [owed.link])[owed.link]
    detail: dict[str, Json] = {"key": owed.key, "operation": owed.operation.value, "values": dict(owed.values), "how": how}
    if owed.expected and owed.operation is not Operation.DELETE:
        detail["before"] = {name: owed.expected[name] for name in owed.values if name in owed.expected}
    if owed.evidence:
        detail["evidence"] = list(owed.evidence)
    if record is not None:
        # Asked before it is noted that the record is there.
        taken = owed.operation is Operation.CREATE and _held_elsewhere(tx, owed, record.ref, now)
        others = {
            place: [route for route in routes if route != (owed.sync, owed.member)]
            for place, routes in engine.routes.items()
        }
        observations.observe(tx, [look_at(engine, record, seen_at, settles=True)], others, "write")
        rules = bind_for(tx, engine.syncs[owed.sync], owed, record.fields)
        shown = to_hub(rules, engine.rule(owed.sync, owed.member), record.fields)
        tell_ours(engine, tx, owed, record.ref, record, beyond=_edited_since(engine.syncs[owed.sync], owed, shown))
        detail["shown"] = {
            name: "unreadable" if isinstance(value, Unreadable) else value
            for name, value in shown.items()
            if name in owed.values
        }
        if taken:
            reason = f"{owed.member} answered the create with {record.ref}, which another link holds"
            _ask_which(tx, owed, reason, [record.ref], now)
            return
        link = _rebased(engine, tx, owed, link, record.ref, shown, now)
        links.save(tx, [link], now)
    elif owed.operation is Operation.DELETE:
        evidence = [f"deleted by syncd, write {owed.key}"]
        observations.bury(tx, owed.ref, evidence, seen_at=seen_at, read_at=now, routes={})
        tell_ours(engine, tx, owed, owed.ref, None)
        gone = replace(link.members.get(owed.member, LinkMember(ref=owed.ref)), gone=True)
        links.save(tx, [link.with_member(owed.member, gone)], now)
    _note(engine, tx, owed, "write.done", detail, record.ref.id if record is not None else owed.ref.id, now)
    # What moved meanwhile, here or in the hub, is planned now that nothing is in the air; and its match keys may be new.
    written = planning.PlanItem(owed.sync, owed.member, record.ref.id if record is not None else owed.ref.id)
    planning.enqueue(tx, [written], now, "write")


def _held_elsewhere(tx: Connection, owed: Owed, ref: Ref, now: Micros) -> bool:
    """Whether another link has this record. One that has ended lets go of it if it was gone: the vendor brought an old record back for us.

    While it is there, it stays with whom it was linked: whether somebody new is the same is a question to a person, as it is when records are linked.
    """
    item = planning.PlanItem(owed.sync, owed.member, ref.id)
    holder = links.links_of(tx, [item]).get(item, owed.link)
    if holder == owed.link:
        return False
    ended = links.load(tx, [holder])[holder]
    last = observations.load(tx, [ref]).get(ref)
    was_gone = ended.members[owed.member].gone or last is None or last.fields is None
    if ended.state is LinkState.LIVE or not was_gone:
        return True
    members = {name: member for name, member in ended.members.items() if name != owed.member}
    links.save(tx, [replace(ended, members=members, revision=ended.revision + 1)], now)
    return False


def _rebased(
    engine: Engine,
    tx: Connection,
    owed: Owed,
    link: Link,
    ref: Ref,
    shown: dict[FieldName, Json | Unreadable],
    now: Micros,
) -> Link:
    if link.state is not LinkState.LIVE and owed.member not in link.members:
        # It was taken apart while the call travelled: whatever is there now is linked anew by its keys.
        return link
    member = link.members.get(owed.member, LinkMember())
    if member.ref is not None and member.ref.id != ref.id:
        reason = f"{owed.member} has two records for this link: {member.ref} was linked while {ref} was being made"
        _ask_which(tx, owed, reason, [member.ref, ref], now)
        return link
    rules = engine.syncs[owed.sync]
    found_later = owed.operation is Operation.CREATE and owed.state is State.UNKNOWN
    base, agreed = dict(member.base), dict(member.agreed)
    edited = _edited_since(rules, owed, shown)
    for name, value in owed.values.items():
        back = shown.get(name)
        if name not in shown or isinstance(back, Unreadable) or name not in rules.fields or name in edited:
            continue
        kind = rules.fields[name].type
        base[name] = _set_base(owed.expected.get(name), value, back) if kind is FieldType.SET else back
        agreed[name] = value
        question = _not_stored(owed, name, back, value, _why_not_stored(kind, back, value, owed.expected.get(name)))
        if question.reason:
            holds.ask(tx, [question], now)
        else:
            holds.close(tx, question.key, now)
    if owed.operation is Operation.CREATE and not found_later:
        _first_sight(shown, base, agreed, link)
    return replace(
        link.with_member(owed.member, LinkMember(ref=ref, base=base, agreed=agreed)), revision=link.revision + 1
    )


def _set_base(expected: Json, value: Json, back: Json) -> Json:
    """What the set would be had only our additions and removals happened: whatever else the vendor shows is somebody's edit."""
    before, wanted, shown = elements(expected), elements(value), elements(back)
    stuck = {key: each for key, each in wanted.items() if key in before or key in shown}
    stayed = {key: each for key, each in before.items() if key not in wanted and key in shown}
    return as_set({**stuck, **stayed}.values())


def _edited_since(rules: SyncRules, owed: Owed, shown: Mapping[FieldName, Json | Unreadable]) -> set[FieldName]:
    """What somebody edited between our call and this look: it is that member's own word, and nothing is agreed."""
    found_later = owed.operation is Operation.CREATE and owed.state is State.UNKNOWN
    edited = set[FieldName]()
    for name, value in owed.values.items():
        back = shown.get(name)
        if name not in shown or isinstance(back, Unreadable) or name not in rules.fields:
            continue
        kind = rules.fields[name].type
        foreign = is_blank(value) and not is_blank(back) and not equal(kind, back, owed.expected.get(name))
        if foreign or (found_later and not arrived(kind, back, value)):
            edited.add(name)
    return edited


def _first_sight(
    shown: dict[FieldName, Json | Unreadable],
    base: dict[FieldName, Json],
    agreed: dict[FieldName, Json],
    link: Link,
) -> None:
    """A record we just made: what it shows beyond what we wrote is the vendor's own filling, and no news to anybody.

    Not so where it was found later: somebody may have filled it in.
    """
    for name, value in shown.items():
        if name in base or isinstance(value, Unreadable):
            continue
        base[name] = value
        if name not in link.hub or is_blank(link.hub[name].value):
            agreed[name] = None


def _why_not_stored(kind: FieldType, back: Json, value: Json, before: Json) -> str:
    """What is wrong with what a vendor shows of the value it was just given; empty where it kept it, in its own spelling or not.

    What is neither the old value nor made of the new one may be the vendor's doing or an edit of the same moment: only a person can tell.
    """
    if equal(kind, back, value) or alike(back, value):
        return ""
    if equal(kind, back, before):
        return "accepted the write but did not keep"
    return "" if kind is FieldType.SET or made_of(kind, back, value) else "accepted the write and shows something else, or was edited meanwhile:"


def _not_stored(owed: Owed, name: FieldName, back: Json, value: Json, why: str) -> Question:
    return Question(
        sync=owed.sync,
        kind=HoldKind.NOT_STORED,
        reason=why and f"{owed.member} {why} {name}",
        sides={"sent": value, owed.member: back},
        link=owed.link,
        member=owed.member,
        field=name,
    )


def _ask_which(tx: Connection, owed: Owed, reason: str, refs: list[Ref], now: Micros) -> None:
    question = Question(
        sync=owed.sync,
        kind=HoldKind.AMBIGUOUS,
        reason=reason,
        sides={"candidates": [str(each) for each in refs]},
        link=owed.link,
        member=owed.member,
        record_id=refs[-1].id,
    )
    holds.ask(tx, [question], now)


def settle_adopted(engine: Engine, tx: Connection, owed: Owed, record: Record, seen_at: Micros, how: str) -> None:
    """The record we wanted to make is there already: it joins the link, with nothing agreed yet, and is planned."""
    now = engine.clock.now()
    link = links.load(tx, [owed.link])[owed.link]
    item = planning.PlanItem(owed.sync, owed.member, record.ref.id)
    taken = _held_elsewhere(tx, owed, record.ref, now)
    observations.observe(tx, [look_at(engine, record, seen_at)], engine.routes, "write")
    if taken:
        settle_held(engine, tx, owed, f"{owed.member} says it has it already as {record.ref}, which another link holds", record.ref)
        return
    if not outbox.settle(tx, owed, State.DONE, now):
        return
    tell_doubtful(engine, tx, owed, record.ref)
    outbox.overtake(tx, owed, now)
    known = link.members.get(owed.member)
    if known is None or known.ref is None or known.ref.id != record.ref.id:
        links.save(tx, [replace(link.with_member(owed.member, LinkMember(ref=record.ref)), revision=link.revision + 1)], now)
    _note(engine, tx, owed, "write.adopted", {"key": owed.key, "how": how, "ref": str(record.ref)}, record.ref.id, now)
    planning.enqueue(tx, [item], now, "write")


def settle_gone(engine: Engine, tx: Connection, owed: Owed, ref: Ref) -> None:
    """A record that was made, seen, and is not there any more: the create is done, and what became of the record is found out like any absence."""
    now = engine.clock.now()
    if outbox.settle(tx, owed, State.DONE, now):
        tell_doubtful(engine, tx, owed, ref)
        _note(engine, tx, owed, "write.done", {"key": owed.key, "how": "made, and gone since"}, ref.id, now)
        observations.suspect(tx, [ref], "not found after a doubtful create", now)


def settle_held(engine: Engine, tx: Connection, owed: Owed, reason: str, *candidates: Ref) -> None:
    """Nobody but a person can say what became of a create: it is given up, and held with what was found."""
    now = engine.clock.now()
    member = links.load(tx, [owed.link])[owed.link].members.get(owed.member)
    if owed.state is State.UNKNOWN and member is not None and member.ref is not None:
        # It has turned up while we were looking: it is settled upon that.
        outbox.settle(tx, owed, State.UNKNOWN, now, error=owed.error, due_at=now)
        return
    if not outbox.settle(tx, owed, State.DEAD, now, error=reason):
        return
    tell_doubtful(engine, tx, owed)
    question = Question(
        sync=owed.sync,
        kind=HoldKind.UNKNOWN_CREATE,
        reason=reason,
        sides={"candidates": [str(each) for each in candidates], "values": dict(owed.values)},
        link=owed.link,
        member=owed.member,
    )
    holds.ask(tx, [question], now)
    _note(engine, tx, owed, "write.held", {"key": owed.key, "reason": reason}, owed.ref.id, now)
    _plan_again(tx, owed, now)


def settle_dead(engine: Engine, tx: Connection, owed: Owed, error: str) -> None:
    """Given up: shown under failures until a person retries or skips it, or until the hub moves on."""
    now = engine.clock.now()
    if outbox.settle(tx, owed, State.DEAD, now, error=error):
        tell_doubtful(engine, tx, owed)
        _note(engine, tx, owed, "write.failed", {"key": owed.key, "error": error, "values": dict(owed.values)}, owed.ref.id, now)
        journal.tally(tx, engine.run_id, owed.sync, [("failed", owed.operation.value)])
        _plan_again(tx, owed, now)


def settle_owed_still(engine: Engine, tx: Connection, owed: Owed, error: str | None = None) -> None:
    """It did not happen, and is owed as it was; or anew, where its link has gone on while it was in doubt."""
    now = engine.clock.now()
    if links.load(tx, [owed.link])[owed.link].revision > owed.revision:
        settle_moved(engine, tx, owed)
    elif outbox.settle(tx, owed, State.PENDING, now, error=error, due_at=now):
        tell_doubtful(engine, tx, owed)


def settle_edited(engine: Engine, tx: Connection, owed: Owed, record: Record) -> None:
    """A doubtful update whose target shows something beside it: what arrived of it is ours, in the vendor's own spelling; the rest is planned anew."""
    now = engine.clock.now()
    rules = bind_for(tx, engine.syncs[owed.sync], owed, record.fields)
    shown = to_hub(rules, engine.rule(owed.sync, owed.member), record.fields)
    came = _came(rules, owed, shown) if owed.operation is Operation.UPDATE else {}
    link = links.load(tx, [owed.link])[owed.link]
    member = link.members.get(owed.member)
    if not came or link.state is not LinkState.LIVE or member is None or member.ref != owed.ref:
        settle_owed_still(engine, tx, owed)
        return
    if not settle_moved(engine, tx, owed):
        return
    sent = {name: owed.values[name] for name in came}
    after = replace(member, base={**member.base, **came}, agreed={**member.agreed, **sent})
    links.save(tx, [replace(link.with_member(owed.member, after), revision=link.revision + 1)], now)
    before: dict[str, Json] = {name: owed.expected[name] for name in came}
    detail: dict[str, Json] = {"key": owed.key, "operation": owed.operation.value, "how": "found written, and edited since"}
    _note(engine, tx, owed, "write.done", {**detail, "values": dict(sent), "shown": dict(came), "before": before}, record.ref.id, now)


def _came(rules: SyncRules, owed: Owed, shown: Mapping[FieldName, Json | Unreadable]) -> dict[FieldName, Json]:
    """What the target shows that it did not show before and that its vendor may have made of what was sent. (Sets have no spelling of their own.)"""
    return {
        name: back
        for name, value in owed.values.items()
        if name in rules.fields and rules.fields[name].type is not FieldType.SET and name in owed.expected
        if name in shown and not isinstance(back := shown[name], Unreadable)
        if made_of(rules.fields[name].type, back, value) and not equal(rules.fields[name].type, back, owed.expected[name])
    }


def settle_moved(engine: Engine, tx: Connection, owed: Owed) -> bool:
    """The target is not what this write was decided upon: it is taken back and the link planned again. False when the lease was lost."""
    now = engine.clock.now()
    if not outbox.settle(tx, owed, State.CANCELLED, now, error="the target had moved; planned again"):
        return False
    tell_doubtful(engine, tx, owed)
    link = links.load(tx, [owed.link])[owed.link]
    if owed.operation in (Operation.DELETE, Operation.ARCHIVE):
        # It was edited after its deletion was decided: the link is as it was before, and the edit is weighed against it.
        members = {name: replace(member, gone=False) for name, member in link.members.items()}
        link = replace(link, state=LinkState.LIVE, members=members, revision=link.revision + 1)
        links.save(tx, [link], now)
    planning.enqueue(tx, links.items_of(link)[:1], now, "target moved")
    return True


def _plan_again(tx: Connection, owed: Owed, now: Micros) -> None:
    """What waited for this doubt to end is planned without it. The same write is not owed again."""
    if owed.state is State.UNKNOWN:
        planning.enqueue(tx, links.items_of(links.load(tx, [owed.link])[owed.link])[:1], now, "write")


def _note(
    engine: Engine, tx: Connection, owed: Owed, kind: str, detail: dict[str, Json], record_id: RecordId, now: Micros
) -> None:
    journal.append(tx, [
        Entry(
            at=now,
            run_id=engine.run_id,
            sync=owed.sync,
            link=owed.link,
            kind=kind,
            member=owed.member,
            record_id=record_id,
            detail={**detail, "attempt": owed.attempts + 1},
        )
    ])
