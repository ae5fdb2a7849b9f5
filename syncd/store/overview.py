"""Overviews: questions that only a person asks, about the whole or about one thing.

The rule that keeps it true: nothing here writes, and nothing the engine does depends on it.
It must not know: how an answer is shown.
"""

from __future__ import annotations

from syncd.core.record import FieldName, LinkId, MemberName, RecordId, Ref, SyncName, SystemName
from syncd.store.codec import blind, pack
from syncd.store.database import Connection
from syncd.store.planning import PlanItem


def links_by_state(tx: Connection, sync: SyncName) -> dict[str, int]:
    """How many links of a sync are in each state."""
    return dict(tx.execute("SELECT state, count(*) FROM links WHERE sync = ? GROUP BY state", (sync,)).fetchall())


def owed_by_system(tx: Connection) -> dict[SystemName, int]:
    """How many writes wait to be carried out, by the system they go to."""
    return dict(tx.execute(
        "SELECT system, count(*) FROM outbox WHERE state IN ('pending', 'sent', 'unknown') GROUP BY system"
    ).fetchall())


def dead_by_system(tx: Connection) -> dict[SystemName, int]:
    """How many writes were given up, by the system they were for."""
    return dict(tx.execute("SELECT system, count(*) FROM outbox WHERE state = 'dead' GROUP BY system").fetchall())


def count_suspects(tx: Connection) -> int:
    """How many records look deleted and are not yet known to be."""
    (count,) = tx.execute("SELECT count(*) FROM suspects").fetchone()
    return int(count)


def refs_with_id(tx: Connection, record_id: str) -> list[Ref]:
    """Every known record with this id, in whatever system."""
    rows = tx.execute("SELECT system, collection, record_id FROM observations WHERE record_id = ?", (record_id,))
    return [Ref(SystemName(system), collection, RecordId(found)) for system, collection, found in rows]


def ids_like(tx: Connection, system: str, limit: int = 5000) -> list[str]:
    """Ids of records of a system, for a suggestion."""
    rows = tx.execute("SELECT record_id FROM observations WHERE system = ? LIMIT ?", (system, limit))
    return [record_id for (record_id,) in rows]


def items_with_key(tx: Connection, sync: SyncName, key: FieldName, value: str) -> list[PlanItem]:
    """The records of a sync that show this match key."""
    rows = tx.execute(
        "SELECT member, record_id FROM match_keys WHERE sync = ? AND key = ? AND value = ? ORDER BY member, record_id",
        (sync, key, blind(tx, value)),
    )
    return [PlanItem(sync, MemberName(member), RecordId(record_id)) for member, record_id in rows]


def is_waiting(tx: Connection, item: PlanItem) -> bool:
    """Whether a record is on the list to plan."""
    return tx.execute(
        "SELECT 1 FROM to_plan WHERE sync = ? AND member = ? AND record_id = ?", (item.sync, item.member, item.record_id)
    ).fetchone() is not None


def holds_about(tx: Connection, link: LinkId | None, item: PlanItem | None) -> list[int]:
    """The numbers of the holds about a link, or about an unlinked record, that are not closed."""
    rows = tx.execute(
        "SELECT id FROM holds WHERE state <> 'closed' AND (link_id = ?1"
        " OR (link_id IS NULL AND sync = ?2 AND member = ?3 AND record_id = ?4)) ORDER BY id",
        (link, item.sync if item else None, item.member if item else None, item.record_id if item else None),
    )
    return [number for (number,) in rows]


def writes_of_link(tx: Connection, link: LinkId) -> list[int]:
    """The numbers of all writes ever owed for a link, oldest first."""
    return [number for (number,) in tx.execute("SELECT id FROM outbox WHERE link_id = ? ORDER BY id", (link,))]


def runs(tx: Connection, ids: list[int]) -> dict[int, str]:
    """What kind these runs are of."""
    rows = tx.execute("SELECT id, kind FROM runs WHERE id IN (SELECT value FROM json_each(?))", (pack(ids).decode(),))
    return dict(rows.fetchall())
