"""What a check-up asks of the database: when it last heard from a system by itself, and how long it has been kept.

The rule that keeps it true: it only counts; nothing here shows a record.
It must not know: what is concluded from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.record import Micros, SystemName
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Webhook events of one system that are still kept: how many, and when the last one came."""

    events: int
    last_at: Micros | None


def heard_from(tx: Connection, system: SystemName) -> Heard:
    """The webhooks of a system."""
    count, last_at = tx.execute("SELECT count(*), max(received_at) FROM events WHERE system = ?", (system,)).fetchone()
    return Heard(events=count, last_at=last_at)


def kept_since(tx: Connection) -> Micros | None:
    """When the first run began."""
    at: Micros | None = tx.execute("SELECT min(started_at) FROM runs").fetchone()[0]
    return at
