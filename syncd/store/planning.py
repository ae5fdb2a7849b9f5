"""The list of links to plan, and the index of match keys.

The rule that keeps it true: an item leaves the list only in the transaction that commits its plan; an item put on it again meanwhile
stays. It must not know: what a plan is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.core.record import FieldName, MemberName, Micros, RecordId, SyncName
from syncd.store.codec import blind, pack
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, order=True)
class PlanItem:
    """A record of one member whose link wants planning."""

    sync: SyncName
    member: MemberName
    record_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePlan:
    """An item as it was taken, with the mark that tells whether it was put on the list again since."""

    item: PlanItem
    since: Micros
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """A record that shares a match key: its keys, blinded, and its link if it has one."""

    item: PlanItem
    keys: Mapping[FieldName, str]


_CHILD = "ref:"
BELONGS = "of:"
"""What begins the keys under which children stand beside the match keys; whoever hides loses its parent nothing but a derived value."""
_SUM = "match_keys "


def child_key(name: FieldName) -> FieldName:
    """Under which key it is indexed whom a record names as its parent."""
    return FieldName(f"{_CHILD}{name}")


def parent_value(sync: SyncName, member: MemberName, record_id: RecordId) -> str:
    """How a parent stands in the index."""
    return f"{sync}/{member}/{record_id}"


def wake_children(tx: Connection, parents: Iterable[PlanItem], at: Micros) -> None:
    """Puts the records on the list that name one of these as their parent."""
    rows = tx.execute(
        f"SELECT DISTINCT k.sync, k.member, k.record_id FROM json_each(?) AS wanted CROSS JOIN match_keys AS k"  # noqa: S608
        f" ON k.value = wanted.value AND substr(k.key, 1, 4) = '{_CHILD}'",
        (pack([parent_value(each.sync, each.member, each.record_id) for each in parents]).decode(),),
    ).fetchall()
    enqueue(tx, [PlanItem(*row) for row in rows], at, "what it refers to was linked")


def has_children(tx: Connection) -> bool:
    """Whether any record names a parent."""
    return tx.execute(f"SELECT 1 FROM match_keys WHERE substr(key, 1, 4) = '{_CHILD}' LIMIT 1").fetchone() is not None  # noqa: S608


def blinded(tx: Connection, keys: Mapping[FieldName, str]) -> dict[FieldName, str]:
    """Match keys as they stand in the index, where they name nobody; a parent is named by its id, and stays."""
    return {name: value if name.startswith(_CHILD) else blind(tx, value) for name, value in keys.items()}


def enqueue(tx: Connection, items: Iterable[PlanItem], at: Micros, cause: str) -> None:
    """Puts items on the list; one that is on it already is marked as changed since."""
    tx.executemany(
        "INSERT INTO to_plan (sync, member, record_id, since, cause) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (sync, member, record_id) DO UPDATE SET indexed = 0, cause = excluded.cause,"
        " since = max(to_plan.since + 1, excluded.since)",
        [(item.sync, item.member, item.record_id, at, cause) for item in items],
    )


def unindexed(tx: Connection, sync: SyncName, limit: int) -> list[DuePlan]:
    """Items whose match keys are not in the index yet."""
    return _due(tx.execute(
        "SELECT sync, member, record_id, since, cause FROM to_plan WHERE sync = ? AND indexed = 0 LIMIT ?", (sync, limit)
    ))


def due(tx: Connection, sync: SyncName, limit: int) -> list[DuePlan]:
    """The oldest items of a sync.

    An item waits while a call to one of its link's members is on its way, or an end is in doubt; and while a write to its own record is.
    """
    return _due(tx.execute(
        "SELECT t.sync, t.member, t.record_id, t.since, t.cause FROM to_plan AS t WHERE t.sync = ?1 AND NOT EXISTS ("
        " SELECT 1 FROM link_members AS m JOIN outbox AS o ON o.link_id = m.link_id AND o.state IN ('sent', 'unknown')"
        " AND (o.state = 'sent' OR o.member = t.member OR o.operation IN ('delete', 'archive'))"
        " WHERE m.sync = t.sync AND m.member = t.member AND m.record_id = t.record_id)"
        " ORDER BY t.since LIMIT ?2",
        (sync, limit),
    ))


def _due(rows: Iterable[tuple[str, str, str, int, str]]) -> list[DuePlan]:
    return [
        DuePlan(item=PlanItem(SyncName(sync), MemberName(member), RecordId(record_id)), since=since, cause=cause)
        for sync, member, record_id, since, cause in rows
    ]


def done(tx: Connection, items: Iterable[DuePlan]) -> None:
    """Takes planned items off the list, but for those that were put on it again."""
    tx.executemany(
        "DELETE FROM to_plan WHERE sync = ? AND member = ? AND record_id = ? AND since = ?",
        [(each.item.sync, each.item.member, each.item.record_id, each.since) for each in items],
    )


def waiting(tx: Connection, sync: SyncName) -> int:
    """How many items wait."""
    (count,) = tx.execute("SELECT count(*) FROM to_plan WHERE sync = ?", (sync,)).fetchone()
    return int(count)


def any_waiting(tx: Connection, sync: SyncName) -> bool:
    """Whether any item waits."""
    return tx.execute("SELECT 1 FROM to_plan WHERE sync = ? LIMIT 1", (sync,)).fetchone() is not None


def is_waiting(tx: Connection, sync: SyncName, member: MemberName, record_id: RecordId) -> bool:
    """Whether a record showed something new that was not planned yet."""
    return tx.execute(
        "SELECT 1 FROM to_plan WHERE sync = ? AND member = ? AND record_id = ?", (sync, member, record_id)
    ).fetchone() is not None


def index_keys(tx: Connection, items: Sequence[tuple[DuePlan, Mapping[FieldName, str]]]) -> list[PlanItem]:
    """Replaces the keys of items, blinded; answers the unlinked records elsewhere that share an old or a new key of those that changed."""
    known = _keys_of(tx, [each.item for each, _ in items])
    moved = [(each.item, known.get(each.item, {}), keys) for each, keys in items if known.get(each.item, {}) != keys]
    tx.executemany("DELETE FROM match_keys WHERE sync = ? AND member = ? AND record_id = ?", [_where(item) for item, _, _ in moved])
    tx.executemany(
        "INSERT INTO match_keys (sync, member, record_id, key, value) VALUES (?, ?, ?, ?, ?)",
        [(*_where(item), name, value) for item, _, keys in moved for name, value in keys.items()],
    )
    tx.executemany(
        "UPDATE to_plan SET indexed = 1 WHERE sync = ? AND member = ? AND record_id = ? AND since = ?",
        [(*_where(each.item), each.since) for each, _ in items],
    )
    turned: dict[SyncName, int] = {}
    for item, old, keys in moved:
        turned[item.sync] = turned.get(item.sync, 0) ^ _sum_of((*_where(item), *each) for each in (*old.items(), *keys.items()))
    for sync, changes in turned.items():
        _keep_sum(tx, sync, (_kept_sum(tx, sync) or 0) ^ changes)
    touched = {
        (item.sync, name, value)
        for item, old, keys in moved
        for name, value in (*old.items(), *keys.items())
        if not name.startswith(_CHILD)
    }
    return _unlinked_with(tx, touched)


def _where(item: PlanItem) -> tuple[str, str, str]:
    return (item.sync, item.member, item.record_id)


def _keys_of(tx: Connection, items: Iterable[PlanItem]) -> dict[PlanItem, dict[FieldName, str]]:
    """The keys by which these records stand in the index."""
    rows = tx.execute(
        "SELECT k.sync, k.member, k.record_id, k.key, k.value FROM json_each(?) AS wanted CROSS JOIN match_keys AS k"
        " ON k.sync = wanted.value ->> 0 AND k.member = wanted.value ->> 1 AND k.record_id = wanted.value ->> 2",
        (pack([_where(item) for item in items]).decode(),),
    )
    found: dict[PlanItem, dict[FieldName, str]] = {}
    for sync, member, record_id, key, value in rows:
        found.setdefault(PlanItem(sync, member, record_id), {})[key] = value
    return found


def _sum_of(rows: Iterable[tuple[str, ...]]) -> int:
    """A number that every row of the index turns, and turns back when it goes."""
    number = 0
    for row in rows:
        number ^= int.from_bytes(hashlib.blake2b("\x1f".join(row).encode(), digest_size=7).digest())
    return number


def _kept_sum(tx: Connection, sync: SyncName) -> int | None:
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (f"{_SUM}{sync}",)).fetchone()
    return None if row is None or not row[0].isdecimal() else int(row[0])


def _keep_sum(tx: Connection, sync: SyncName, number: int) -> None:
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (f"{_SUM}{sync}", str(number))
    )


def index_is_sound(tx: Connection, sync: SyncName) -> bool:
    """Whether the index holds just what was put into it: a key that changed by itself hides the record it belongs to."""
    return _kept_sum(tx, sync) == _sum_of(_index_rows(tx, sync))


def begin_index(tx: Connection, sync: SyncName) -> bool:
    """Empties an index that is not sound, for all records to be indexed anew. False where it is from before there was a sum: that is taken now."""
    if tx.execute("SELECT 1 FROM meta WHERE key = ?", (f"{_SUM}{sync}",)).fetchone() is None:
        _keep_sum(tx, sync, _sum_of(_index_rows(tx, sync)))
        return False
    tx.execute("DELETE FROM match_keys WHERE sync = ?", (sync,))
    _keep_sum(tx, sync, 0)
    return True


def _index_rows(tx: Connection, sync: SyncName) -> Iterable[tuple[str, ...]]:
    return tx.execute(
        "SELECT sync, member, record_id, key, value FROM match_keys WHERE sync = ? AND substr(key, 1, 3) <> ?", (sync, BELONGS)
    )


def drop_strangers(tx: Connection, members: Container[tuple[str, str]]) -> bool:
    """Takes items off the list that belong to no member there is; whether there were any."""
    named = tx.execute("SELECT DISTINCT sync, member FROM to_plan").fetchall()
    strangers = [each for each in named if tuple(each) not in members]
    tx.executemany("DELETE FROM to_plan WHERE sync = ? AND member = ?", strangers)
    return bool(strangers)


def _unlinked_with(tx: Connection, keys: set[tuple[SyncName, FieldName, str]]) -> list[PlanItem]:
    if not keys:
        return []
    rows = tx.execute(
        "SELECT DISTINCT k.sync, k.member, k.record_id FROM json_each(?) AS wanted CROSS JOIN match_keys AS k"
        " ON k.sync = wanted.value ->> 0 AND k.key = wanted.value ->> 1 AND k.value = wanted.value ->> 2"
        " WHERE NOT EXISTS (SELECT 1 FROM link_members AS m WHERE m.sync = k.sync AND m.member = k.member"
        " AND m.record_id = k.record_id)"
        " AND NOT EXISTS (SELECT 1 FROM to_plan AS t WHERE t.sync = k.sync AND t.member = k.member"
        " AND t.record_id = k.record_id)",
        (pack([list(each) for each in keys]).decode(),),
    )
    return [PlanItem(*row) for row in rows]


def kin(tx: Connection, sync: SyncName, keys: Iterable[tuple[FieldName, str]]) -> list[Kin]:
    """Every record that shares one of these keys, blinded as they are, with all its keys."""
    rows = tx.execute(
        "SELECT DISTINCT k.member, k.record_id, own.key, own.value FROM json_each(?2) AS wanted CROSS JOIN match_keys AS k"
        " ON k.sync = ?1 AND k.key = wanted.value ->> 0 AND k.value = wanted.value ->> 1"
        " CROSS JOIN match_keys AS own ON own.sync = k.sync AND own.member = k.member AND own.record_id = k.record_id",
        (sync, pack([list(each) for each in set(keys)]).decode()),
    )
    found: dict[PlanItem, dict[FieldName, str]] = {}
    for member, record_id, key, value in rows:
        found.setdefault(PlanItem(sync, member, record_id), {})[key] = value
    return [Kin(item=item, keys=shown) for item, shown in found.items()]
