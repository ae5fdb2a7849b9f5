"""How long what is over is kept.

The rule that keeps it true: what may still be needed is never old: an open event, hold or request stays, and a write stays for as long as the
link it was made for has not moved on, since it keeps the same write from being made again; so many rows go at a time.
It must not know: who asks, or when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncd.core.record import DAY, Micros
from syncd.store import chain
from syncd.store.database import Connection

BATCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long each kind is kept after it is over: events dealt with, writes done or taken back, and the story with what was decided."""

    events: Micros = 14 * DAY
    writes: Micros = 90 * DAY
    story: Micros = 365 * DAY
    requests: Micros = 30 * DAY


_OVER: Final = {
    "events": ("events", "done_at < ?"),
    "writes": (
        "outbox",
        "done_at < ? AND state IN ('done', 'cancelled')"
        " AND NOT EXISTS (SELECT 1 FROM links AS l WHERE l.id = outbox.link_id AND l.state = 'live' AND l.revision <= outbox.revision)",
    ),
    "decisions": ("holds", "updated_at < ? AND state = 'closed'"),
    "requests": ("requests", "done_at < ? AND state IN ('done', 'failed') AND id < (SELECT max(id) FROM requests)"),
}


def prune_some(tx: Connection, keep: Keep, now: Micros) -> dict[str, int]:
    """Drops what is older than it is kept, at most `BATCH` rows of a kind; how many of each."""
    kept = {"events": keep.events, "writes": keep.writes, "decisions": keep.story, "requests": keep.requests}
    return {
        # The journal goes by whole links of its chain, and the newest stays: its number must not be given again.
        "story": chain.prune(tx, now - keep.story) if chain.is_begun(tx) else _prune_unchained(tx, now - keep.story),
    } | {
        kind: tx.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {where} LIMIT {BATCH})",  # noqa: S608 (constants)
            (now - kept[kind],),
        ).rowcount
        for kind, (table, where) in _OVER.items()
    }


def _prune_unchained(tx: Connection, before: Micros) -> int:
    return tx.execute(
        f"DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE at < ? AND id < (SELECT max(id) FROM journal) LIMIT {BATCH})",  # noqa: S608 (a constant)
        (before,),
    ).rowcount
