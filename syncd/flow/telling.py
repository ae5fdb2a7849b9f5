"""Telling automations what the sync itself did: a hub that moved, a write that settled.

The rule that keeps it true: it is told in the transaction that does it, with all that is needed to find out later who began it.
It must not know: automations, or what they make of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.fields import Unreadable
from syncd.core.happening import Cause, Claim, Origin, What
from syncd.core.link import Link, LinkState
from syncd.core.outcome import Operation, Plan
from syncd.core.record import FieldName, Json, MemberName, Record, Ref
from syncd.core.rules import SyncRules
from syncd.core.translate import from_hub
from syncd.flow.engine import LIVE, Engine
from syncd.store import claims, continuity, notices
from syncd.store.database import Connection
from syncd.store.observations import Observation
from syncd.store.outbox import Owed

OURS = frozenset({"rules changed", "damaged row"})
"""Causes of a plan that are nobody's edit."""


def tell_ours(engine: Engine, tx: Connection, owed: Owed, ref: Ref, record: Record | None) -> None:
    """A write settled upon what a record now shows (None: it is gone)."""
    if not engine.automations:
        return
    fields = paths_of(engine.syncs[owed.sync], owed)
    backfill = owed.priority > LIVE
    values = {path: record.fields.get(path) for path in fields if path in record.fields} if record is not None else {}
    made = record is None or owed.operation is Operation.CREATE
    ours = notices.Ours(sync=owed.sync, link=owed.link, backfill=backfill, made=made, values=values, fields=fields)
    notices.settled(tx, ref, ours)
    if engine.awaits(ref.system):
        cause = Cause(Origin.BACKFILL if backfill else Origin.SYNC)
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
