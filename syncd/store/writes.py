"""How the writes of the outbox stand: which there are, and how many.

The rule that keeps it true: nothing here changes a write.
It must not know: why anybody asks, or how a write comes to be owed or carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from syncd.core.guard import Direction
from syncd.core.record import LinkId, MemberName, Micros, SyncName
from syncd.store.codec import DamagedError, pack
from syncd.store.control import NOT_PAUSED
from syncd.store.database import Connection
from syncd.store.outbox import COLUMNS, NOT_SUSPECT, SEALED, STATES, Owed, State, owed_of


def load(tx: Connection, ids: Iterable[int]) -> list[Owed]:
    """These writes."""
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM outbox WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",  # noqa: S608
        (pack(list(ids)).decode(),),
    )
    return [owed_of(tx, row) for row in rows]


def select(tx: Connection, states: Iterable[State], *, gate: str | None = None, limit: int = 1000) -> list[Owed]:
    """Writes in these states, oldest first; of one gate if it is given."""
    rows = tx.execute(
        f"SELECT {COLUMNS} FROM outbox WHERE state IN (SELECT value FROM json_each(?1))"  # noqa: S608
        " AND (?2 IS NULL OR gate = ?2) ORDER BY id LIMIT ?3",
        (pack([state.value for state in states]).decode(), gate, limit),
    )
    return [owed_of(tx, row) for row in rows]


def open_among(tx: Connection, links: Iterable[LinkId]) -> dict[LinkId, dict[MemberName, str]]:
    """The writes of these links that are owed, given up or not wanted: their state, by link and target; the newest of each."""
    rows = tx.execute(
        "SELECT o.link_id, o.member, o.state FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.link_id = wanted.value"
        " WHERE o.state <> 'cancelled' ORDER BY o.id",
        (pack(sorted(set(links))).decode(),),
    )
    newest: dict[LinkId, dict[MemberName, str]] = {}
    for link, member, state in rows:
        newest.setdefault(LinkId(link), {})[MemberName(member)] = state
    return {link: {member: state for member, state in each.items() if state != State.DONE.value} for link, each in newest.items()}


def done_among(tx: Connection, keys: Iterable[str]) -> set[str]:
    """Those of these keys whose write was carried out."""
    rows = tx.execute("SELECT key FROM outbox WHERE state = 'done' AND key IN (SELECT value FROM json_each(?))", (pack(list(keys)).decode(),))
    return {key for (key,) in rows}


def counts(tx: Connection) -> dict[str, int]:
    """How many writes are in each state."""
    return dict(tx.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())


def count_recent(tx: Connection, sync: SyncName, since: Micros) -> dict[tuple[MemberName, Direction], int]:
    """Writes owed since an instant, by target and stream, the cancelled ones left out."""
    rows = tx.execute(
        "SELECT member, stream, count(*) FROM outbox WHERE sync = ? AND created_at >= ? AND state <> 'cancelled'"
        " AND (gate IS NULL OR state = 'parked') GROUP BY member, stream",
        (sync, since),
    )
    return {(MemberName(member), Direction(stream)): count for member, stream, count in rows}


def count_done(tx: Connection, links: Iterable[LinkId], since: Micros) -> dict[tuple[LinkId, MemberName], int]:
    """Writes carried out since an instant, by link and target."""
    rows = tx.execute(
        "SELECT o.link_id, o.member, count(*) FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.link_id = wanted.value"
        " AND o.state = 'done' AND o.done_at >= ? GROUP BY o.link_id, o.member",
        (pack(sorted(set(links))).decode(), since),
    )
    return {(LinkId(link), MemberName(member)): count for link, member, count in rows}


def count_doable(tx: Connection) -> int:
    """How many writes a machine can still do something about now."""
    (count,) = tx.execute(
        f"SELECT count(*) FROM outbox AS o WHERE o.state IN ('pending', 'sent', 'unknown') AND {NOT_PAUSED} AND {NOT_SUSPECT}"  # noqa: S608
    ).fetchone()
    return int(count)


def misplaced(tx: Connection) -> list[DamagedError]:
    """Writes in no state there is: nobody would ever come upon them. Looks between the states in their index, whatever the number of writes."""
    return [
        DamagedError("outbox", row)
        for low, high in pairwise(["", *STATES, "\U0010ffff"])
        for row in tx.execute(f"SELECT {SEALED} FROM outbox WHERE state > ? AND state < ?", (low, high)).fetchall()  # noqa: S608
    ]
