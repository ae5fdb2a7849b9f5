"""The ledger of bridges: what systems that cannot be asked last showed, and what was handed to their flows.

Functions over a connection, and `BridgeLedger`, which runs them over the database for a connector.
The rule that keeps it true: what one delivery says is noted once, together with the id it came under; an acknowledgement ends its hand-off and
shows its record in one step; a word spoken earlier never overwrites a later one.
It must not know: signatures, hooks, or what a field means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.core.handoff import Handoff, HandoffState, Result, Said, Shown, Standing
from syncd.core.outcome import Operation
from syncd.core.record import DAY, SECOND, CollectionName, Json, Micros, RecordId, SystemName
from syncd.store.bridge_records import blind_key, get, is_older, show
from syncd.store.bridge_records import found as found_by
from syncd.store.bridge_records import listed as listed_since
from syncd.store.codec import mark_of, pack, seal, seal_text, told_text, unpack, unseal
from syncd.store.database import Connection
from syncd.store.tokens import Door

KEEP_ENDED: Micros = 30 * DAY
"""How long a hand-off that ended is kept, so that a late repetition is known for one."""
_COLUMNS = (
    "op_id, system, collection, operation, record_id, content, keys, state, attempts, handed_at, result, error, made_id"
)
_SHOWS = frozenset({Result.CREATED, Result.EXISTS, Result.UPDATED})


class BridgeLedger:
    """The ledger as connectors use it; each call is one transaction. `door` leads to the database, the daemon's own or beside it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, system: SystemName, collection: CollectionName, record_id: RecordId) -> Shown | None:
        return await self._door.read(lambda tx: get(tx, system, collection, record_id))

    async def listed(
        self, system: SystemName, collection: CollectionName, *, since: Micros | None, after: tuple[Micros, str] | None, limit: int
    ) -> Sequence[Shown]:
        return await self._door.read(lambda tx: listed_since(tx, system, collection, since=since, after=after, limit=limit))

    async def found(self, system: SystemName, collection: CollectionName, key: str) -> Sequence[Shown]:
        return await self._door.read(lambda tx: found_by(tx, system, collection, key))

    async def queue(self, wanted: Handoff, *, ack_timeout: Micros, now: Micros) -> Handoff:
        return await self._door.write(lambda tx: queue(tx, wanted, ack_timeout, now))

    async def sought(self, system: SystemName, collection: CollectionName, key: str) -> Sequence[Handoff]:
        return await self._door.read(lambda tx: sought(tx, system, collection, key))

    async def mark(self, op_id: str, state: HandoffState, *, now: Micros, error: str | None = None) -> None:
        await self._door.write(lambda tx: mark(tx, op_id, state, now, error))

    async def begin(self, op_id: str, *, now: Micros) -> bool:
        return await self._door.write(lambda tx: begin(tx, op_id, now))

    async def handoff(self, op_id: str) -> Handoff | None:
        return await self._door.read(lambda tx: load(tx, op_id))

    async def take(
        self, system: SystemName, said: Sequence[Said], *, post_id: str | None, now: Micros, forget_before: Micros
    ) -> Sequence[RecordId | None]:
        return await self._door.write(lambda tx: take(tx, system, said, post_id, now, forget_before))

    async def standing(self, system: SystemName, collection: CollectionName) -> Standing:
        return await self._door.read(lambda tx: standing(tx, system, collection))


def queue(tx: Connection, wanted: Handoff, ack_timeout: Micros, now: Micros) -> Handoff:
    """Notes a hand-off before it is made, or answers the one that must be gone by instead."""
    content = mark_of(tx, [wanted.operation.value, dict(wanted.fields)])
    known = _open(tx, wanted, content)
    for other, print_of in known:
        if print_of == content:
            return _timed_out(tx, other, ack_timeout, now)
    for other, _ in known:
        if other.is_in_the_air(now, ack_timeout):
            return other
    if wanted.record_id is not None:
        # What was never acknowledged is contained in this one, or was given up; it may still be acknowledged.
        tx.executemany(
            "UPDATE bridge_handoffs SET state = 'failed', error = 'overtaken by a later hand-off' WHERE op_id = ?",
            [(other.op_id,) for other, _ in known],
        )
    tx.execute(
        "INSERT INTO bridge_handoffs (op_id, system, collection, operation, record_id, content, keys, fingerprint, state, queued_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        (wanted.op_id, wanted.system, wanted.collection, wanted.operation.value, wanted.record_id,
         seal(tx, [dict(wanted.fields), list(wanted.keys)], "bridge_handoffs", wanted.op_id),
         pack([blind_key(tx, key) for key in wanted.keys]).decode(), content, now),
    )
    return wanted


def _timed_out(tx: Connection, handoff: Handoff, ack_timeout: Micros, now: Micros) -> Handoff:
    """The hand-off; marked, where nobody has spoken of it for too long."""
    if handoff.state is not HandoffState.HANDED_OFF or handoff.is_in_the_air(now, ack_timeout):
        return handoff
    tx.execute("UPDATE bridge_handoffs SET state = 'ack_timeout' WHERE op_id = ?", (handoff.op_id,))
    return replace(handoff, state=HandoffState.ACK_TIMEOUT)


def _open(tx: Connection, wanted: Handoff, content: bytes) -> list[tuple[Handoff, bytes]]:
    """Hand-offs that are not acknowledged, for the same record or, of creates, the same one or one with a key in common; the newest first."""
    if wanted.record_id is not None:
        rows = tx.execute(
            f"SELECT {_COLUMNS}, fingerprint FROM bridge_handoffs WHERE system = ? AND collection = ? AND record_id = ?"  # noqa: S608
            " AND state <> 'acked' ORDER BY queued_at DESC",
            (wanted.system, wanted.collection, wanted.record_id),
        )
    else:
        rows = tx.execute(
            f"SELECT {_COLUMNS}, fingerprint FROM bridge_handoffs WHERE system = ? AND collection = ? AND record_id IS NULL"  # noqa: S608
            " AND state <> 'acked' AND (fingerprint = ? OR EXISTS (SELECT 1 FROM json_each(bridge_handoffs.keys) AS own"
            " JOIN json_each(?) AS theirs ON own.value = theirs.value)) ORDER BY queued_at DESC",
            (wanted.system, wanted.collection, content, pack([blind_key(tx, key) for key in wanted.keys]).decode()),
        )
    return [(_handoff(tx, row), row[-1]) for row in rows.fetchall()]


def sought(tx: Connection, system: SystemName, collection: CollectionName, key: str) -> list[Handoff]:
    """Creates with this key that are not acknowledged."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bridge_handoffs WHERE system = ? AND collection = ? AND record_id IS NULL AND state <> 'acked'"  # noqa: S608
        " AND EXISTS (SELECT 1 FROM json_each(bridge_handoffs.keys) AS own WHERE own.value = ?)",
        (system, collection, blind_key(tx, key)),
    )
    return [_handoff(tx, row) for row in rows.fetchall()]


def load(tx: Connection, op_id: str) -> Handoff | None:
    """One hand-off."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM bridge_handoffs WHERE op_id = ?", (op_id,)).fetchone()  # noqa: S608
    return None if row is None else _handoff(tx, row)


def mark(tx: Connection, op_id: str, state: HandoffState, now: Micros, error: str | None = None) -> None:
    """What became of an attempt to hand something off; what is acknowledged already stays so.

    One that was accepted before and is refused now may have happened all the same: it goes on being one that nobody has spoken of.
    """
    accepted = state is HandoffState.HANDED_OFF
    tx.execute(
        "UPDATE bridge_handoffs SET state = CASE WHEN ? = 'queued' AND attempts > 0 THEN 'ack_timeout' ELSE ? END, error = ?, result = NULL, attempts = attempts + ?,"
        " handed_at = CASE WHEN ? THEN ? ELSE handed_at END WHERE op_id = ? AND state <> 'acked'",
        (state.value, state.value, seal_text(tx, error, "bridge_handoffs", op_id), int(accepted), accepted, now, op_id),
    )


def begin(tx: Connection, op_id: str, now: Micros) -> bool:
    """Whether a flow should go on with this: a run that was held back must not undo what was written since. It is in the air from now on."""
    return bool(tx.execute(
        "UPDATE bridge_handoffs SET state = 'handed_off', handed_at = ?, attempts = max(attempts, 1)"
        " WHERE op_id = ? AND state IN ('queued', 'handed_off', 'ack_timeout')",
        (now, op_id),
    ).rowcount)


def take(
    tx: Connection, system: SystemName, said: Sequence[Said], post_id: str | None, now: Micros, forget_before: Micros
) -> list[RecordId | None]:
    """Notes what one delivery said; the record that each word was about. A delivery that was noted before changes nothing."""
    if post_id is not None:
        row = tx.execute("SELECT records FROM bridge_posts WHERE system = ? AND post_id = ?", (system, post_id)).fetchone()
        if row is not None:
            return list(unpack(row[0].encode()))
    ids = [_note(tx, system, each, now) for each in said]
    if post_id is not None:
        tx.execute("DELETE FROM bridge_posts WHERE system = ? AND received_at < ?", (system, forget_before))
        _forget(tx, now)
        tx.execute(
            "INSERT INTO bridge_posts (system, post_id, received_at, records) VALUES (?, ?, ?, ?)",
            (system, post_id, now, pack(ids).decode()),
        )
    return ids


def _forget(tx: Connection, now: Micros) -> None:
    """Drops hand-offs that ended long ago: acknowledged, or overtaken by another."""
    before = now - KEEP_ENDED
    tx.execute("DELETE FROM bridge_handoffs WHERE state = 'acked' AND acked_at < ?", (before,))
    tx.execute("DELETE FROM bridge_handoffs WHERE state = 'failed' AND result IS NULL AND queued_at < ?", (before,))


def _note(tx: Connection, system: SystemName, said: Said, now: Micros) -> RecordId | None:
    handoff = None if said.op_id is None else load(tx, said.op_id)
    if handoff is not None and (handoff.system, handoff.collection) == (system, said.collection):
        return _acknowledge(tx, handoff, said, now)
    if said.op_id is not None and said.result not in _SHOWS:
        # It speaks of something this database does not know, and shows nothing.
        return None
    return show(tx, system, said, now)


def _acknowledge(tx: Connection, handoff: Handoff, said: Said, now: Micros) -> RecordId | None:
    """Ends a hand-off with what its flow says; what was acknowledged is not undone by a repetition."""
    if handoff.state is HandoffState.ACKED and _is_repetition(tx, handoff, said):
        return handoff.made
    if said.result is Result.FAILED:
        if handoff.state is not HandoffState.ACKED:
            _end(tx, handoff, HandoffState.FAILED, said, None, now)
        return None
    said = replace(said, said_at=_as_of(handoff, said))
    made: RecordId | None
    if said.result in (Result.DELETED, Result.GONE):
        made = handoff.record_id
        if made is not None:
            known = get(tx, handoff.system, handoff.collection, made)
            vendor_id = said.vendor_id if known is None else known.vendor_id
            show(tx, handoff.system, replace(said, vendor_id=vendor_id, gone=True), now, record_id=made)
    else:
        made = show(tx, handoff.system, _completed(handoff, said), now, record_id=handoff.record_id)
    if handoff.state is not HandoffState.ACKED:
        _end(tx, handoff, HandoffState.ACKED, said, made, now)
    return made


def _as_of(handoff: Handoff, said: Said) -> Micros:
    """The moment for which an acknowledgement speaks: it may have been long on its way, and what was told after the hand-off is newer.

    One of a hand-off that was overtaken only fills in what nobody has told.
    """
    if handoff.state is HandoffState.FAILED and handoff.result is None:
        return 0
    # Flows sign whole seconds: what was said within the same one is not taken for older.
    return said.said_at if handoff.handed_at is None else min(said.said_at, handoff.handed_at // SECOND * SECOND)


def _is_repetition(tx: Connection, handoff: Handoff, said: Said) -> bool:
    """Whether an acknowledgement says again what was said; one that names another record tells of a double."""
    if said.vendor_id is None or handoff.made is None or said.result not in _SHOWS:
        return True
    known = get(tx, handoff.system, handoff.collection, handoff.made)
    return known is None or known.vendor_id in (None, said.vendor_id) or is_older(said, known)


def _completed(handoff: Handoff, said: Said) -> Said:
    """An acknowledgement with what was handed off where it does not say more: a flow need not repeat what it was told."""
    if said.result is Result.EXISTS:
        # It was left as it was; without more being said only the keys it was found by are known.
        told = {path: handoff.fields[path] for path in {key.partition("=")[0] for key in handoff.keys} if path in handoff.fields}
    else:
        told = dict(handoff.fields)
    return replace(said, fields={**told, **said.fields}, keys=said.keys or handoff.keys)


def _end(tx: Connection, handoff: Handoff, state: HandoffState, said: Said, made: RecordId | None, now: Micros) -> None:
    assert said.result is not None
    tx.execute(
        "UPDATE bridge_handoffs SET state = ?, result = ?, error = ?, made_id = ?, acked_at = ? WHERE op_id = ?",
        (state.value, said.result.value, seal_text(tx, said.error, "bridge_handoffs", handoff.op_id), made, now, handoff.op_id),
    )


def standing(tx: Connection, system: SystemName, collection: CollectionName) -> Standing:
    """How well a collection is known."""
    records, oldest, newest = tx.execute(
        "SELECT count(fields), min(CASE WHEN fields IS NOT NULL THEN shown_at END), max(shown_at) FROM bridge_records"
        " WHERE system = ? AND collection = ?",
        (system, collection),
    ).fetchone()
    silent, silent_since, refused, failed = tx.execute(
        "SELECT count(CASE WHEN state IN ('handed_off', 'ack_timeout') THEN 1 END),"
        " min(CASE WHEN state IN ('handed_off', 'ack_timeout') THEN queued_at END),"
        " count(CASE WHEN state = 'queued' AND error IS NOT NULL THEN 1 END),"
        " count(CASE WHEN state = 'failed' AND result IS NOT NULL THEN 1 END) FROM bridge_handoffs"
        " WHERE system = ? AND collection = ? AND state <> 'acked'",
        (system, collection),
    ).fetchone()
    return Standing(
        records=records,
        unverified_since=oldest,
        heard_at=newest,
        silent=silent,
        silent_since=silent_since,
        refused=refused,
        failed=failed,
    )


def mend(tx: Connection, table: str, row: Sequence[Json]) -> str:
    """Puts a row out of use whose bytes changed by themselves; what was done, in words.

    A record then shows nothing until a flow tells of it, and is not taken for gone; a hand-off is made anew, and its flow finds what it made.
    """
    if table == "bridge_handoffs":
        tx.execute("DELETE FROM bridge_handoffs WHERE op_id = ?", (row[0],))
        return "the hand-off is made anew"
    if len(row) > 3:
        tx.execute("UPDATE bridge_records SET vendor_id = NULL, vendor_name = NULL WHERE system = ? AND collection = ? AND record_id = ?", row[:3])
        return "the record is without the system's own id until a flow tells it"
    tx.execute(
        "UPDATE bridge_records SET fields = ? WHERE system = ? AND collection = ? AND record_id = ?",
        (seal(tx, {}, "bridge_records", *row), *row),
    )
    return "nothing is known of what the record shows until a flow tells of it, or a file is imported"


def _handoff(tx: Connection, row: Sequence[Json]) -> Handoff:
    fields, keys = unseal(tx, row[5], "bridge_handoffs", row[0])
    return Handoff(
        op_id=row[0],
        system=row[1],
        collection=row[2],
        operation=Operation(row[3]),
        record_id=row[4],
        fields=fields,
        keys=tuple(keys),
        state=HandoffState(row[7]),
        attempts=row[8],
        handed_at=row[9],
        result=None if row[10] is None else Result(row[10]),
        error=told_text(tx, row[11], "bridge_handoffs", row[0]),
        made=row[12],
    )
