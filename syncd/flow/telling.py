"""Telling automations what the sync itself did: a hub that moved, a write that settled.

The rule that keeps it true: it is told in the transaction that does it, with all that is needed to find out later who began it.
It must not know: automations, or what they make of it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from syncd.core.fields import Unreadable
from syncd.core.happening import Cause, Claim, Origin, What
from syncd.core.link import Link, LinkState
from syncd.core.outcome import Operation, Plan
from syncd.core.record import FieldName, Json, MemberName, Record, Ref
from syncd.core.rules import SyncRules
from syncd.core.translate import from_hub, to_hub
from syncd.flow.binding import bind_for
from syncd.flow.engine import LIVE, Engine
from syncd.flow.likeness import could_be_ours, made_of
from syncd.store import claims, continuity, notices, outbox
from syncd.store.database import Connection
from syncd.store.notices import Notice
from syncd.store.observations import Observation
from syncd.store.outbox import Owed, State

OURS = frozenset({"rules changed", "damaged row"})
"""Causes of a plan that are nobody's edit."""


def tell_ours(engine: Engine, tx: Connection, owed: Owed, ref: Ref, record: Record | None, *, beyond: Container[FieldName] = ()) -> None:
    """A write settled upon what a record now shows (None: it is gone), but for the fields that somebody edited since."""
    if not engine.automations:
        return
    fields = {path: name for path, name in paths_of(engine.syncs[owed.sync], owed).items() if name not in beyond}
    values = {path: record.fields.get(path) for path in fields if path in record.fields} if record is not None else {}
    made = record is None or owed.operation is Operation.CREATE
    notices.settled(tx, ref, _ours(owed, values, fields, made=made))
    _claim_webhook(engine, tx, owed, ref, values, made=made)


def tell_doubtful(engine: Engine, tx: Connection, owed: Owed, found: Ref | None = None) -> None:
    """A write that was in doubt ends without a look that shows just it: what the record came to meanwhile, and is of it, is ours.

    `found` is what a create made, where that is known; else it made whatever came to be with its match keys. Whatever goes beyond is somebody's.
    """
    if not engine.automations or owed.state is not State.UNKNOWN:
        return
    rules = engine.syncs[owed.sync]
    waiting = notices.about(tx, found or owed.ref)
    if found is None and owed.operation is Operation.CREATE:
        ours = {each.ref for each in waiting if each.what is What.CREATED and _could_be_ours(tx, rules, owed, each)}
        waiting = [each for each in waiting if each.ref in ours]
    notices.lay(tx, [(each, _share(tx, rules, owed, each)) for each in waiting])
    ref = found or owed.ref
    if ref.id:
        words = _share(tx, rules, owed, None)
        _claim_webhook(engine, tx, owed, ref, words.values, made=owed.operation in (Operation.CREATE, Operation.DELETE))


def made_in_doubt(engine: Engine, tx: Connection, notice: Notice) -> notices.Ours | None:
    """The part of a create in a new record, where a person is still asked what became of it and the record shows its match keys."""
    if notice.what is not What.CREATED or notice.ref is None:
        return None
    for sync, member in engine.routes.get((notice.ref.system, notice.ref.collection), ()):
        for owed in outbox.lost_creates(tx, sync, member, notice.at):
            if _could_be_ours(tx, engine.syncs[sync], owed, notice):
                return _share(tx, engine.syncs[sync], owed, notice)
    return None


def _could_be_ours(tx: Connection, rules: SyncRules, owed: Owed, notice: Notice) -> bool:
    assert notice.ref is not None
    shown = notice.after or {}
    return could_be_ours(bind_for(tx, rules, owed, shown), owed, Record(ref=notice.ref, fields=shown))


def _share(tx: Connection, rules: SyncRules, owed: Owed, notice: Notice | None) -> notices.Ours:
    """What of a notice a write may have done: its values, in the vendor's own spelling of them where the record shows that."""
    shown = (notice.after if notice is not None else None) or {}
    bound = bind_for(tx, rules, owed, shown)
    fields, values = paths_of(bound, owed), said(bound, owed)
    for name, back in to_hub(bound, rules.members[owed.member], shown).items():
        if name in owed.values and not isinstance(back, Unreadable) and made_of(rules.fields[name].type, back, owed.values[name]):
            values |= {path: shown[path] for path in fields if fields[path] == name}
    made = notice is not None and notice.what is {Operation.CREATE: What.CREATED, Operation.DELETE: What.DELETED}.get(owed.operation)
    return _ours(owed, values, fields, made=made)


def _ours(owed: Owed, values: Mapping[str, Json], fields: Mapping[str, FieldName], *, made: bool) -> notices.Ours:
    return notices.Ours(sync=owed.sync, link=owed.link, backfill=owed.priority > LIVE, made=made, values=values, fields=fields)


def _claim_webhook(engine: Engine, tx: Connection, owed: Owed, ref: Ref, values: Mapping[str, Json], *, made: bool) -> None:
    if engine.awaits(ref.system):
        cause = Cause(Origin.BACKFILL if owed.priority > LIVE else Origin.SYNC)
        claim = Claim(cause=cause, values={path: [value] for path, value in values.items()}, made=made)
        claims.add(tx, claims.of_webhook(ref.system, ref.id), claim, engine.clock.now())


def paths_of(rules: SyncRules, owed: Owed) -> dict[str, FieldName]:
    """The vendor paths that a write wrote, with the hub fields they are of."""
    member = rules.members[owed.member]
    if owed.operation is Operation.ARCHIVE:
        return {path: FieldName("") for path in member.archive or {}}
    fields: dict[str, FieldName] = {}
    for name in owed.values:
        if name in rules.fields and owed.member in rules.fields[name].members:
            words = from_hub(rules.fields[name], member, owed.values[name], {})
            written = rules.fields[name].members[owed.member].paths if isinstance(words, Unreadable) else tuple(words)
            fields |= dict.fromkeys(written, name)
    return fields


def said(rules: SyncRules, owed: Owed) -> dict[str, Json]:
    """The words of a write, as far as they are known whatever its target showed before."""
    member = rules.members[owed.member]
    if owed.operation is Operation.ARCHIVE:
        return dict(member.archive or {})
    words = [from_hub(rules.fields[name], member, value, {}) for name, value in owed.values.items() if name in rules.fields and owed.member in rules.fields[name].members]
    return {path: word for each in words if not isinstance(each, Unreadable) for path, word in each.items()}


def tell_hub(
    engine: Engine,
    tx: Connection,
    rules: SyncRules,
    before: Link,
    decided: Plan,
    seen: Mapping[Ref, Observation],
    cause: str,
    *,
    settled: bool,
) -> None:
    """A plan gave a link its first values, other ones, or an end."""
    after = decided.link
    moved = [each for each in decided.decisions if each.value != each.before]
    if after.state is not LinkState.LIVE:
        what = What.DELETED if before.state is LinkState.LIVE else None
    elif not before.hub or before.state is not LinkState.LIVE:
        what = What.CREATED if after.hub else None
    else:
        what = What.UPDATED if moved else None
    if what is None:
        return
    backlog = not settled or cause in OURS or continuity.rebasing(tx) is not None
    if backlog and not engine.wants_backlog:
        return
    sources = {each.field: _sources(rules, after, each.field, each.winner, seen) for each in moved}
    notices.hub_moved(
        tx,
        rules.name,
        after.id,
        what,
        before=before.values(),
        after=after.values(),
        sources=sources,
        origin=(Origin.BACKFILL.value, 0, "") if backlog else None,
        at=engine.clock.now(),
    )


def _sources(
    rules: SyncRules, link: Link, name: FieldName, winner: MemberName | None, seen: Mapping[Ref, Observation]
) -> dict[MemberName, tuple[Ref, Mapping[str, Json]]]:
    """What the members that may have given a value show of it, by vendor path; the winner alone where there is one."""
    found: dict[MemberName, tuple[Ref, Mapping[str, Json]]] = {}
    for member, held in rules.fields[name].members.items():
        known = link.members.get(member)
        look = seen.get(known.ref) if known is not None and known.ref is not None else None
        if (winner is None or member == winner) and look is not None and look.fields is not None:
            found[member] = (look.ref, {path: look.fields.get(path) for path in held.paths})
    return found
