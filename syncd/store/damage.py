"""What follows from a stored row whose bytes changed by themselves.

A record that was read is read again; a link is taken apart, and its records find each other anew by their keys, as after the loss of the
whole database: nothing is deleted, and what differs is decided by the rules; a write that was not sent is planned anew.
The rule that keeps it true: nothing of a damaged row is used, not even to guess what it said; what may have been made is held.
It must not know: how the damage was noticed, or who is told.
"""

from __future__ import annotations

from collections.abc import Callable

from syncd.core.outcome import HoldKind, Operation
from syncd.core.record import LinkId, MemberName, Micros, RecordId, Ref, SyncName
from syncd.store import automation_damage, bridge, holds, links, notices, observations, planning
from syncd.store.codec import DamagedError, seal
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.observations import Routes


def mend(tx: Connection, damaged: DamagedError, routes: Routes, at: Micros) -> str | None:
    """Puts a damaged row out of use; what was done, in words, "" where somebody else who met it has done it, or None while a call is under way
    because of it.

    Raises DamagedError where nothing safe can be done.
    """
    match damaged.table:
        case "observations":
            return _read_again(tx, Ref(*damaged.row), routes, at)
        case "events":
            return _hint_only(tx, str(damaged.row[0]))
        case "links" | "link_members":
            return _take_apart(tx, LinkId(int(damaged.row[0])), at)
        case "outbox":
            return _plan_anew(tx, str(damaged.row[0]), at)
        case "to_notice" | "claims" | "automation_runs" | "automation_steps" | "automation_rules":
            return automation_damage.mend(tx, damaged.table, damaged.row, at)
        case "bridge_records" | "bridge_handoffs":
            return bridge.mend(tx, damaged.table, damaged.row)
        case "holds":
            return _ask_anew(tx, str(damaged.row[0]), at)
        case "journal":
            tx.execute("DELETE FROM journal WHERE id = ?", (damaged.row[0],))
            return "one row of the story is lost"
        case "requests":
            tx.execute("DELETE FROM requests WHERE id = ?", (damaged.row[0],))
            return "the request is lost; ask again"
        case _:
            raise damaged


def _read_again(tx: Connection, ref: Ref, routes: Routes, at: Micros) -> str:
    if _is_sound(lambda: observations.load(tx, [ref])):
        return ""
    tx.execute("DELETE FROM observations WHERE system = ? AND collection = ? AND record_id = ?", (ref.system, ref.collection, ref.id))
    notices.lose_sight(tx, ref)
    observations.read_again(tx, ref, f"damaged {at}", at)
    planning.enqueue(tx, observations.routed([ref], routes), at, "damaged row")
    return "the record is read again"


def _is_sound(load: Callable[[], object]) -> bool:
    try:
        load()
    except DamagedError:
        return False
    return True


def _hint_only(tx: Connection, key: str) -> str:
    """The event still says that something happened; what it said is lost."""
    tx.execute("UPDATE events SET payload = NULL, is_full = 0 WHERE dedupe_key = ?", (key,))
    return "the record is read"


def _take_apart(tx: Connection, link: LinkId, at: Micros) -> str | None:
    if tx.execute("SELECT 1 FROM outbox WHERE link_id = ? AND state = 'sent'", (link,)).fetchone():
        return None
    if _is_sound(lambda: links.load(tx, [link])):
        return ""
    rows = _records(tx, link)
    unsure = tx.execute(
        "SELECT sync, member FROM outbox WHERE link_id = ? AND operation = ? AND state = 'unknown'",
        (link, Operation.CREATE.value),
    ).fetchall()
    tx.execute("DELETE FROM link_members WHERE link_id = ?", (link,))
    for sync, revision in tx.execute("SELECT sync, revision FROM links WHERE id = ?", (link,)).fetchall():
        hub = seal(tx, {}, "links", link, sync, revision, "unlinked", "")
        tx.execute("UPDATE links SET state = 'unlinked', hub = ? WHERE id = ?", (hub, link))
    tx.execute(
        "UPDATE outbox SET state = 'cancelled', error = 'its link was damaged', done_at = ?, lease_until = NULL, fence = fence + 1"
        " WHERE link_id = ? AND state IN ('pending', 'parked', 'unknown')",
        (at, link),
    )
    holds.ask(tx, [_unsure(sync, link, member) for sync, member in unsure], at)
    planning.enqueue(tx, [planning.PlanItem(*row) for row in rows], at, "damaged row")
    return "the link is taken apart and its records are linked anew"


def _ask_anew(tx: Connection, key: str, at: Micros) -> str:
    """What is still in question is asked again when its records are planned; an answer that was not carried out is lost with it."""
    for sync, link, member, record_id in tx.execute("SELECT sync, link_id, member, record_id FROM holds WHERE key = ?", (key,)).fetchall():
        alone = [(sync, member, record_id)] if member is not None and record_id is not None else []
        planning.enqueue(tx, [planning.PlanItem(*item) for item in (_records(tx, link) if link is not None else alone)], at, "damaged row")
    tx.execute("DELETE FROM holds WHERE key = ?", (key,))
    return "it is asked again"


def _plan_anew(tx: Connection, key: str, at: Micros) -> str | None:
    rows = tx.execute(
        "SELECT o.link_id, l.sync, o.member, o.operation, o.state, o.sent_at IS NOT NULL"
        " FROM outbox AS o JOIN links AS l ON l.id = o.link_id WHERE o.key = ?",
        (key,),
    ).fetchall()
    for link, sync, member, operation, state, was_sent in rows:
        if state == "sent":
            return None
        if state in ("done", "dead", "cancelled", "skipped"):
            continue
        in_doubt = state == "unknown" or (state not in ("pending", "parked") and was_sent and not _has_record(tx, link, member))
        tx.execute(
            "UPDATE outbox SET state = 'cancelled', error = 'its row was damaged', done_at = ?, lease_until = NULL, fence = fence + 1"
            " WHERE key = ?",
            (at, key),
        )
        if operation == Operation.CREATE.value and in_doubt:
            holds.ask(tx, [_unsure(sync, link, member)], at)
        planning.enqueue(tx, [planning.PlanItem(*item) for item in _records(tx, link)[:1]], at, "damaged row")
    return "the write is planned anew"


def _records(tx: Connection, link: int) -> list[tuple[SyncName, MemberName, RecordId]]:
    """A link's records; the sync is the link's own, which is sealed with it."""
    return tx.execute(
        "SELECT l.sync, m.member, m.record_id FROM link_members AS m JOIN links AS l ON l.id = m.link_id WHERE m.link_id = ?", (link,)
    ).fetchall()


def _has_record(tx: Connection, link: int, member: str) -> bool:
    return tx.execute("SELECT 1 FROM link_members WHERE link_id = ? AND member = ?", (link, member)).fetchone() is not None


def _unsure(sync: str, link: int, member: str) -> Question:
    return Question(
        sync=sync,  # type: ignore[arg-type]
        kind=HoldKind.UNKNOWN_CREATE,
        reason="a record was being made when the row that tells about it was damaged: look whether it is there",
        sides={"candidates": [], "values": {}},
        link=LinkId(link),
        member=member,  # type: ignore[arg-type]
    )
