"""Which records belong to which: the children that derived fields are made from, and the links that want planning when a moment has passed.

A child is indexed beside the match keys, under the name of its collection, by the path that names its parent. It is never linked and never
planned itself: what it shows has its parent planned.
The rule that keeps it true: a child leaves the list to plan only in the transaction that puts its parents on it, those it had and those it
has now.
It must not know: what the children come to, or what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.core.record import MemberName, Micros, RecordId, SyncName
from syncd.store import planning
from syncd.store.codec import pack
from syncd.store.database import Connection
from syncd.store.links import links_of
from syncd.store.planning import BELONGS, DuePlan, PlanItem

PASSED = "a moment has passed"


def index(tx: Connection, items: Sequence[tuple[DuePlan, Mapping[str, RecordId]]], parent: Mapping[MemberName, MemberName], at: Micros) -> None:
    """Says anew whose these children are, each by the paths that name its parent, and has those parents planned that are linked.

    `parent` says which member has the parents of the children of each collection; children of another are forgotten.
    """
    new = {
        (each.item.sync, each.item.member, each.item.record_id, f"{BELONGS}{by}", number)
        for each, named in items
        for by, number in named.items()
        if each.item.member in parent
    }
    rows = tx.execute(
        "SELECT k.sync, k.member, k.record_id, k.key, k.value FROM json_each(?) AS wanted CROSS JOIN match_keys AS k"
        " ON k.sync = wanted.value ->> 0 AND k.member = wanted.value ->> 1 AND k.record_id = wanted.value ->> 2",
        (pack([[each.item.sync, each.item.member, each.item.record_id] for each, _ in items]).decode(),),
    )
    old = {tuple(row) for row in rows}
    tx.executemany("DELETE FROM match_keys WHERE sync = ? AND member = ? AND record_id = ? AND key = ? AND value = ?", old - new)
    tx.executemany("INSERT INTO match_keys (sync, member, record_id, key, value) VALUES (?, ?, ?, ?, ?)", new - old)
    parents = {PlanItem(sync, parent[member], RecordId(number)) for sync, member, _, _, number in old | new if member in parent}
    planning.enqueue(tx, links_of(tx, parents), at, "what belongs to it changed")
    planning.done(tx, [each for each, _ in items])


def of(tx: Connection, sync: SyncName, children: MemberName, by: str, parents: Iterable[RecordId]) -> dict[RecordId, list[RecordId]]:
    """The children of each of these records, by the path that names it; those without any are left out."""
    found: dict[RecordId, list[RecordId]] = {}
    for number, record_id in tx.execute(
        "SELECT k.value, k.record_id FROM json_each(?4) AS wanted CROSS JOIN match_keys AS k"
        " ON k.sync = ?1 AND k.key = ?3 AND k.value = wanted.value AND k.member = ?2",
        (sync, children, f"{BELONGS}{by}", pack(sorted(set(parents))).decode()),
    ):
        found.setdefault(number, []).append(record_id)
    return found


def plan_later(tx: Connection, due: Mapping[PlanItem, Micros | None]) -> None:
    """Has each of these planned at its time, whatever was said before; not at all where there is None."""
    tx.executemany(
        "DELETE FROM to_plan_later WHERE sync = ? AND member = ? AND record_id = ?",
        [(item.sync, item.member, item.record_id) for item in due],
    )
    tx.executemany(
        "INSERT INTO to_plan_later (sync, member, record_id, due_at) VALUES (?, ?, ?, ?)",
        [(item.sync, item.member, item.record_id, at) for item, at in due.items() if at is not None],
    )


def any_passed(tx: Connection, sync: SyncName, now: Micros) -> bool:
    """Whether anything is to be planned because its time has come."""
    return tx.execute("SELECT 1 FROM to_plan_later WHERE sync = ? AND due_at <= ? LIMIT 1", (sync, now)).fetchone() is not None


def wake_passed(tx: Connection, sync: SyncName, now: Micros) -> None:
    """Puts on the list what is to be planned because its time has come."""
    rows = tx.execute("SELECT sync, member, record_id FROM to_plan_later WHERE sync = ? AND due_at <= ?", (sync, now)).fetchall()
    planning.enqueue(tx, [PlanItem(*row) for row in rows], now, PASSED)
    tx.execute("DELETE FROM to_plan_later WHERE sync = ? AND due_at <= ?", (sync, now))
