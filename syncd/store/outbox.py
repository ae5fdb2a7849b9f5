"""The outbox: writes owed, and what became of them.

`pending → sent → done | unknown | dead`, with `parked` for a closed gate, `cancelled` for a write the plan no longer owes and
`skipped` for one that a person does not want.
The rule that keeps it true: *sent* is committed before the call; at most one write per (link, member) is open; a key that was ever
used with other content is a broken invariant; a fence keeps a worker that lost its lease from recording anything.
It must not know: what is written, or how a call is made. How writes stand is told by `writes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from syncd.core.guard import Direction
from syncd.core.outcome import Operation, Write
from syncd.core.record import DAY, FieldName, Json, LinkId, MemberName, Micros, RecordId, Ref, SyncName, SystemName
from syncd.store.codec import DamagedError, blind, fingerprint, pack, seal, seal_text, told_text, unpack, unseal
from syncd.store.control import NOT_PAUSED
from syncd.store.database import Connection


class State(Enum):
    """Where a write is."""

    PENDING = "pending"
    PARKED = "parked"
    SENT = "sent"
    UNKNOWN = "unknown"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One write as the outbox keeps it. `ref.id` is empty for a create."""

    id: int
    key: str
    sync: SyncName
    link: LinkId
    member: MemberName
    ref: Ref
    operation: Operation
    stream: Direction
    values: Mapping[FieldName, Json]
    expected: Mapping[FieldName, Json]
    revision: int
    state: State
    attempts: int
    fence: int
    gate: str | None
    error: str | None
    priority: int
    run_id: int | None
    created_at: Micros
    due_at: Micros
    evidence: tuple[str, ...] = ()
    """What a deletion or archiving rests on."""

    @property
    def write(self) -> Write:
        """The write as it was planned."""
        return Write(
            member=self.member, operation=self.operation, values=self.values, expected=self.expected, evidence=self.evidence
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write that is to be owed: for which revision of its link, to which record, behind which gate. `target.id` is empty for a create."""

    link: LinkId
    sync: SyncName
    revision: int
    write: Write
    target: Ref
    stream: Direction
    gate: str | None
    priority: int
    run_id: int | None


COLUMNS = (
    "id, key, sync, link_id, member, system, collection, record_id, operation, stream, payload, revision, state, attempts,"
    " fence, gate, error, priority, run_id, created_at, due_at, evidence,"
    " (SELECT l.sync FROM links AS l WHERE l.id = link_id)"
)


SEALED = "key, link_id, member, system, collection, record_id, operation"
"""The columns that say what a write is for: its payload is sealed with them."""

STATES = tuple(sorted(state.value for state in State))
_STREAMS = tuple(stream.value for stream in Direction)
WAIT_MAX: Micros = 2 * DAY
"""No write is ever put off for longer than this."""

NOT_SUSPECT = (
    "(o.state = 'unknown' OR NOT EXISTS (SELECT 1 FROM suspects AS s WHERE s.system = o.system AND s.collection = o.collection AND s.record_id = o.record_id))"
)
"""A write waits while it is being found out whether its target is still there; what became of one already sent is looked into all the same."""


_BUSY = "(o.state = 'sent' OR o.operation IN ('delete', 'archive'))"
"""Of a write that is in the air or of unknown outcome: its link waits for it. Who cannot be reached leaves others' writes in doubt for
hours, and the other members do not wait for that; but a call on its way soon ends, and an end that is in doubt is everybody's."""


@dataclass(slots=True, kw_only=True)
class InFlight:
    """Links with a write in the air or of unknown outcome: `busy` ones wait; of the others, these members are in doubt."""

    busy: set[LinkId] = field(default_factory=set)
    doubtful: dict[LinkId, set[MemberName]] = field(default_factory=dict)


def key_of(tx: Connection, link: LinkId, revision: int, write: Write) -> str:
    """The idempotency key: the same plan over the same link always gives the same one."""
    content = [link, revision, write.member, write.operation.value, dict(write.values)]
    return blind(tx, fingerprint(content).hex())


def owe(tx: Connection, intents: Sequence[Intent], at: Micros) -> list[Intent]:
    """Puts writes in the outbox, each in place of what was pending for its target; answers those that were not there (or given up) already."""
    keyed = {key_of(tx, each.link, each.revision, each.write): each for each in intents}
    there, taken_back = set(), []
    for *row, payload, state in tx.execute(
        f"SELECT {SEALED}, payload, state FROM outbox WHERE key IN (SELECT value FROM json_each(?))",  # noqa: S608
        (pack(list(keyed)).decode(),),
    ):
        key = row[0]
        if state not in STATES:
            raise DamagedError("outbox", tuple(row))
        if state == State.CANCELLED.value:
            taken_back.append((key,))
            continue
        known = unseal(tx, payload, "outbox", *row)
        assert known[0] == unpack(pack(dict(keyed[key].write.values))), f"idempotency key {key} was used with other content"
        there.add(key)
    new = _of_the_backlog(tx, {key: each for key, each in keyed.items() if key not in there})
    cancel(tx, [(each.link, each.write.member) for each in new.values()], at)
    tx.executemany("DELETE FROM outbox WHERE key = ?", taken_back)
    tx.executemany(
        "INSERT INTO outbox (key, sync, link_id, member, system, collection, record_id, operation, stream, payload, revision,"
        " priority, state, gate, due_at, run_id, created_at, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(tx, key, each, at) for key, each in new.items()],
    )
    return list(new.values())


def _of_the_backlog(tx: Connection, new: dict[str, Intent]) -> dict[str, Intent]:
    """The same writes; one that takes the place of a less urgent one, and brings nothing more, is as little urgent: nobody has just made that change."""
    waiting = {}
    for priority, payload, *row in tx.execute(
        f"SELECT priority, payload, {SEALED} FROM (SELECT value FROM json_each(?)) AS wanted CROSS JOIN outbox AS o"  # noqa: S608
        " ON o.link_id = wanted.value AND o.state IN ('pending', 'parked') WHERE priority > ?",
        (pack(sorted({each.link for each in new.values()})).decode(), min((each.priority for each in new.values()), default=0)),
    ).fetchall():
        waiting[LinkId(row[1]), MemberName(row[2])] = (priority, unseal(tx, payload, "outbox", *row)[0])
    if not waiting:
        return new
    out = {}
    for key, each in new.items():
        priority, values = waiting.get((each.link, each.write.member), (each.priority, None))
        nothing_more = values is not None and unpack(pack(dict(each.write.values))).items() <= values.items()
        out[key] = replace(each, priority=priority) if priority > each.priority and nothing_more else each
    return out


def _row(tx: Connection, key: str, each: Intent, at: Micros) -> tuple[Json, ...]:
    write, target = each.write, each.target
    sealed = (key, each.link, write.member, target.system, target.collection, target.id or None, write.operation.value)
    return (
        key, each.sync, *sealed[1:], each.stream.value, seal(tx, [dict(write.values), dict(write.expected)], "outbox", *sealed), each.revision,
        each.priority, (State.PARKED if each.gate else State.PENDING).value, each.gate, at, each.run_id, at,
        seal(tx, list(write.evidence), "outbox", *sealed) if write.evidence else None,
    )  # fmt: skip


def cancel(tx: Connection, targets: Iterable[tuple[LinkId, MemberName]], at: Micros) -> None:
    """Takes back what was pending for these targets; a write in the air is not touched."""
    tx.executemany(
        "UPDATE outbox SET state = 'cancelled', done_at = ? WHERE link_id = ? AND member = ? AND state IN ('pending', 'parked')",
        [(at, link, member) for link, member in targets],
    )


def lease(tx: Connection, system: SystemName, now: Micros, *, until: Micros, limit: int, only: Iterable[int] | None = None) -> list[Owed]:
    """Takes due writes of a system (`only` among these where they are given), most urgent first, never two for one record; the lease ends at `until`.

    A write in the air whose lease ran out was lost by its worker: its outcome is unknown.
    """
    tx.execute(
        "UPDATE outbox SET state = 'unknown', due_at = ?2 WHERE system = ?1 AND state = 'sent' AND lease_until <= ?2", (system, now)
    )
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM outbox AS o WHERE system = ?1 AND state IN ('pending', 'unknown') AND due_at <= ?2"  # noqa: S608
        " AND coalesce(lease_until, 0) <= ?2 AND NOT EXISTS (SELECT 1 FROM outbox AS other WHERE other.system = o.system"
        " AND other.collection = o.collection AND other.record_id = o.record_id AND other.id <> o.id"
        " AND other.state IN ('pending', 'sent', 'unknown') AND (other.state = 'sent' OR coalesce(other.lease_until, 0) > ?2"
        " OR (other.state = 'unknown' AND (o.state <> 'unknown' OR other.id < o.id))))"
        f" AND {NOT_PAUSED} AND {NOT_SUSPECT} AND (?4 IS NULL OR o.id IN (SELECT value FROM json_each(?4)))"
        " ORDER BY priority, due_at, id LIMIT ?3",
        (system, now, limit, None if only is None else pack(sorted(only)).decode()),
    ).fetchall()
    taken: dict[str, Owed] = {}
    for owed in (owed_of(tx, row) for row in rows):
        taken.setdefault(f"{owed.ref}" if owed.ref.id else owed.key, owed)
    tx.executemany(
        "UPDATE outbox SET lease_until = ?, fence = fence + 1 WHERE id = ?", [(until, owed.id) for owed in taken.values()]
    )
    return [replace(owed, fence=owed.fence + 1) for owed in taken.values()]


def mark_sent(tx: Connection, owed: Sequence[Owed], at: Micros) -> list[Owed]:
    """Commits that these calls are about to be made; answers those whose lease still holds."""
    return [
        each
        for each in owed
        if tx.execute(
            "UPDATE outbox SET state = 'sent', sent_at = ?, attempts = attempts + 1"
            " WHERE id = ? AND fence = ? AND state IN ('pending', 'unknown')",
            (at, each.id, each.fence),
        ).rowcount
    ]


def settle(
    tx: Connection,
    owed: Owed,
    state: State,
    at: Micros,
    *,
    error: str | None = None,
    due_at: Micros | None = None,
    attempted: bool = False,
) -> bool:
    """Records what became of a write; False when the lease was lost and nothing may be recorded.

    `attempted` counts an attempt that failed before anything was sent (one that was sent is counted then).
    """
    final = state in (State.DONE, State.DEAD, State.CANCELLED)
    return bool(tx.execute(
        "UPDATE outbox SET state = ?, error = ?, due_at = coalesce(?, due_at), lease_until = NULL, done_at = ?,"
        " attempts = attempts + ?"
        " WHERE id = ? AND fence = ? AND state IN ('pending', 'sent', 'unknown')",
        (state.value, seal_text(tx, error, "outbox", owed.key), due_at, at if final else None, int(attempted), owed.id, owed.fence),
    ).rowcount)


def cancel_unsent(tx: Connection, at: Micros) -> None:
    """Takes back everything that was not sent: it is owed anew, if it still is."""
    tx.execute("UPDATE outbox SET state = 'cancelled', done_at = ?, lease_until = NULL WHERE state IN ('pending', 'parked')", (at,))


def overtake(tx: Connection, done: Owed, at: Micros) -> None:
    """What was given up for this target before is contained in what was just done: each write brings all that is owed."""
    tx.execute(
        "UPDATE outbox SET state = 'cancelled', error = 'overtaken by a later write', done_at = ?"
        " WHERE link_id = ? AND member = ? AND state = 'dead' AND id < ?",
        (at, done.link, done.member, done.id),
    )


def doubtful_creates(tx: Connection, sync: SyncName, member: MemberName) -> list[Owed]:
    """The creates of a member that may have made a record nobody has seen yet: in the air, being looked for, or left to a person."""
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM outbox AS o WHERE o.state IN ('sent', 'unknown', 'dead') AND o.sync = ?"  # noqa: S608
        " AND o.member = ? AND o.operation = 'create' AND (o.state <> 'dead' OR (EXISTS (SELECT 1 FROM holds AS h WHERE h.link_id = o.link_id"
        " AND h.member = o.member AND h.kind = 'unknown_create' AND h.state <> 'closed'))) ORDER BY o.id",
        (sync, member),
    ).fetchall()
    return [owed_of(tx, row) for row in rows]


def lost_creates(tx: Connection, sync: SyncName, member: MemberName, before: Micros) -> list[Owed]:
    """The creates of a member, sent before an instant, of which a person is asked what became of them."""
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM outbox AS o WHERE o.state = 'dead' AND o.sync = ? AND o.member = ? AND o.operation = 'create'"  # noqa: S608
        " AND o.sent_at <= ? AND EXISTS (SELECT 1 FROM holds AS h WHERE h.link_id = o.link_id AND h.member = o.member"
        " AND h.kind = 'unknown_create' AND h.state <> 'closed') ORDER BY o.id",
        (sync, member, before),
    )
    return [owed_of(tx, row) for row in rows.fetchall()]


def doubt(tx: Connection, link: LinkId, member: MemberName, now: Micros) -> None:
    """A create that was given up as doubtful can be looked after now, since a record has turned up."""
    tx.execute(
        "UPDATE outbox SET state = 'unknown', due_at = ?, done_at = NULL WHERE id = (SELECT max(id) FROM outbox"
        " WHERE link_id = ? AND member = ? AND operation = 'create') AND state = 'dead' AND NOT EXISTS (SELECT 1 FROM outbox AS open"
        " WHERE open.link_id = ? AND open.member = ? AND open.state IN ('pending', 'parked', 'sent', 'unknown'))",
        (now, link, member, link, member),
    )


def recover(tx: Connection, system: SystemName, now: Micros) -> int:
    """When nobody carries out a system's writes: what was in the air has an unknown outcome, every lease is void. Answers how many were in the air.

    What is put off for longer than anything ever is, is due.
    """
    tx.execute(
        "UPDATE outbox SET due_at = ?2 WHERE system = ?1 AND state IN ('pending', 'unknown') AND due_at > ?3", (system, now, now + WAIT_MAX)
    )
    tx.execute("UPDATE outbox SET lease_until = NULL, fence = fence + 1 WHERE system = ? AND lease_until IS NOT NULL", (system,))
    return tx.execute("UPDATE outbox SET state = 'unknown', due_at = ? WHERE system = ? AND state = 'sent'", (now, system)).rowcount


def hurry(tx: Connection, link: LinkId, member: MemberName, now: Micros) -> None:
    """What became of a doubtful write can be found out now."""
    tx.execute("UPDATE outbox SET due_at = ? WHERE link_id = ? AND member = ? AND state = 'unknown'", (now, link, member))


def in_flight(tx: Connection, links: Iterable[LinkId]) -> InFlight:
    """Of these links, those that nothing can be decided about now, and the members of the others whose last write is in doubt."""
    rows = tx.execute(
        f"SELECT o.link_id, o.member, {_BUSY} FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.link_id = wanted.value"  # noqa: S608
        " AND o.state IN ('sent', 'unknown')",
        (pack(sorted(set(links))).decode(),),
    )
    found = InFlight()
    for link, member, busy in rows:
        if busy:
            found.busy.add(LinkId(link))
        else:
            found.doubtful.setdefault(LinkId(link), set()).add(MemberName(member))
    return found


def next_due(tx: Connection, system: SystemName) -> Micros | None:
    """When the next write of a system falls due, or the lease of one in the air ends."""
    (due_at,) = tx.execute(
        f"SELECT min(max(o.due_at, coalesce(o.lease_until, 0))) FROM outbox AS o WHERE o.system = ? AND {NOT_PAUSED}"  # noqa: S608
        f" AND (o.state = 'sent' OR {NOT_SUSPECT}) AND o.state IN ('pending', 'sent', 'unknown')",
        (system,),
    ).fetchone()
    return None if due_at is None else int(due_at)


def open_gate(tx: Connection, gate: str, now: Micros) -> int:
    """Lets everything through that waited behind a gate."""
    return tx.execute(
        "UPDATE outbox SET state = 'pending', due_at = ? WHERE gate = ? AND state = 'parked'", (now, gate)
    ).rowcount


def release(tx: Connection, ids: Iterable[int], now: Micros) -> None:
    """Lets these through the gates they wait behind."""
    tx.executemany("UPDATE outbox SET state = 'pending', due_at = ? WHERE id = ? AND state = 'parked'", [(now, each) for each in ids])


def skip(tx: Connection, ids: Iterable[int], now: Micros) -> None:
    """Gives writes up for good on a person's word: the same write is not owed again until the hub moves on."""
    tx.executemany(
        "UPDATE outbox SET state = 'skipped', done_at = ? WHERE id = ? AND state IN ('dead', 'parked', 'pending')",
        [(now, each) for each in ids],
    )


def revive(tx: Connection, owed: Owed, now: Micros) -> None:
    """Gives a dead letter another life, on a person's word."""
    tx.execute(
        "UPDATE outbox SET state = 'pending', attempts = 0, error = NULL, due_at = ?, done_at = NULL"
        " WHERE id = ? AND state = 'dead' AND NOT EXISTS (SELECT 1 FROM outbox AS open WHERE open.link_id = ? AND open.member = ?"
        " AND open.state IN ('pending', 'parked', 'sent', 'unknown'))",
        (now, owed.id, owed.link, owed.member),
    )


def owed_of(tx: Connection, row: tuple[Json, ...]) -> Owed:
    """The write in a row of `COLUMNS`."""
    values, expected = unseal(tx, row[10], "outbox", row[1], *row[3:9])
    if row[2] != row[22] or row[9] not in _STREAMS or row[12] not in STATES:
        raise DamagedError("outbox", (row[1], *row[3:9]))
    return Owed(
        id=row[0],
        key=row[1],
        sync=row[2],
        link=LinkId(row[3]),
        member=row[4],
        ref=Ref(row[5], row[6], RecordId(row[7] or "")),
        operation=Operation(row[8]),
        stream=Direction(row[9]),
        values=values,
        expected=expected,
        revision=row[11],
        state=State(row[12]),
        attempts=row[13],
        fence=row[14],
        gate=row[15],
        error=told_text(tx, row[16], "outbox", row[1]),
        priority=row[17],
        run_id=row[18],
        created_at=row[19],
        due_at=row[20],
        evidence=tuple(unseal(tx, row[21], "outbox", row[1], *row[3:9]) or ()),
    )
