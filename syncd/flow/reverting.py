"""Putting back: what waits behind a guard is undone where it came from, instead of being let through or left different.

Updates: the hub takes the values that the frozen member still has, and the others are owed them. Deletions: the link lives on without the
records that are gone, so that they are made again. Records that were made are never deleted this way.
The rule that keeps it true: only what is still parked is put back; an edit made since goes on winning like any other.
It must not know: how an answer was given, or how the writes that follow are carried out.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core.errors import UserError
from syncd.core.link import HubField, Interval, Link, LinkState
from syncd.core.outcome import Operation
from syncd.core.record import Json, Micros
from syncd.flow.engine import Engine
from syncd.store import holds, journal, links, outbox, planning, writes
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState
from syncd.store.journal import Entry
from syncd.store.outbox import Owed, State

REVERT = "revert"
BY_HAND = "put back by a person"


def revert(engine: Engine, tx: Connection, held: Held) -> str:
    """Puts everything back that waits behind this hold; what follows, in words. Raises UserError for creates."""
    now = engine.clock.now()
    parked = writes.select(tx, [State.PARKED], gate=held.key, limit=1_000_000)
    if any(owed.operation is Operation.CREATE for owed in parked):
        raise UserError(
            "new records are not put back: that would delete them",
            hint="ignore the hold, and delete them yourself where they were made, if they are wrong",
        )
    loaded = links.load(tx, [owed.link for owed in parked])
    for owed in parked:
        link = loaded[owed.link]
        undone = _undeleted(link) if owed.operation in (Operation.DELETE, Operation.ARCHIVE) else _undone(link, owed, now)
        outbox.cancel(tx, [(owed.link, owed.member)], now)
        links.save(tx, [replace(undone, revision=link.revision + 1)], now)
        planning.enqueue(tx, links.items_of(undone)[:1], now, "operator")
        _note(engine, tx, owed, link, undone, now)
    holds.answer(tx, held.id, HoldState.CLOSED, REVERT, now)
    return f"{len(parked)} records are put back as they were where they were changed; if that is many, a guard asks once more"


def _undone(link: Link, owed: Owed, now: Micros) -> Link:
    """The link with the values that the target still has."""
    agreed = link.members[owed.member].agreed
    back = {
        name: HubField(value=agreed.get(name, owed.expected.get(name)), winner=owed.member, rule=BY_HAND, interval=Interval(None, now))
        for name in owed.values
    }
    return replace(link, hub={**link.hub, **back})


def _undeleted(link: Link) -> Link:
    """The link without the records that are gone."""
    members = {name: member for name, member in link.members.items() if not member.gone}
    return replace(link, state=LinkState.LIVE, members=members)


def _note(engine: Engine, tx: Connection, owed: Owed, before: Link, after: Link, now: Micros) -> None:
    details: list[dict[str, Json]] = [
        {
            "field": name,
            "value": after.hub[name].value,
            "before": before.hub[name].value if name in before.hub else None,
            "winner": owed.member,
            "rule": BY_HAND,
            "losers": {},
            "cause": "operator",
            "between": None,
            "revision": before.revision + 1,
        }
        for name in owed.values
        if name in after.hub
    ]
    entries = [Entry(at=now, run_id=engine.run_id, sync=owed.sync, link=owed.link, kind="field.decided", detail=each) for each in details]
    if not entries:
        told: dict[str, Json] = {"key": owed.key, "operation": owed.operation.value}
        entries = [Entry(at=now, run_id=engine.run_id, sync=owed.sync, link=owed.link, kind="link.restored", member=owed.member, detail=told)]
    journal.append(tx, entries)
