"""Drifts: differences that an audit could not explain, since when they are known; and when the last audit was.

The rule that keeps it true: a difference that is found again keeps its first moment, one that is not found again is gone; no value is kept.
It must not know: what explains a difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from syncd.core.record import FieldName, LinkId, MemberName, Micros, SyncName
from syncd.store.database import Connection

_AUDITED = "audited_at"


class Spot(NamedTuple):
    """Where a difference is: one field of one member of a link; an empty field is the whole record."""

    sync: SyncName
    link: LinkId
    member: MemberName
    field: FieldName


def keep(tx: Connection, found: Iterable[tuple[Spot, str]], at: Micros) -> None:
    """Keeps what an audit found, in the place of what the one before it found; the audit was made at `at`."""
    rows = [(*spot, why, at) for spot, why in found]
    tx.execute("CREATE TEMP TABLE IF NOT EXISTS found_drifts (sync, link_id, member, field, PRIMARY KEY (sync, link_id, member, field))")
    tx.execute("DELETE FROM found_drifts")
    tx.executemany("INSERT INTO found_drifts VALUES (?, ?, ?, ?)", [row[:4] for row in rows])
    tx.execute("DELETE FROM drifts WHERE (sync, link_id, member, field) NOT IN (SELECT sync, link_id, member, field FROM found_drifts)")
    tx.executemany(
        "INSERT INTO drifts (sync, link_id, member, field, why, since) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (sync, link_id, member, field) DO UPDATE SET why = excluded.why",
        rows,
    )
    tx.execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (_AUDITED, str(at)))


def audited_at(tx: Connection) -> Micros | None:
    """When the last audit was made."""
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (_AUDITED,)).fetchone()
    return None if row is None else int(row[0])


def since(tx: Connection) -> dict[Spot, Micros]:
    """Every difference that is known, and since when."""
    rows = tx.execute("SELECT sync, link_id, member, field, since FROM drifts ORDER BY sync, link_id, member, field")
    return {Spot(*row[:4]): row[4] for row in rows}


def count_older(tx: Connection, before: Micros) -> dict[SyncName, int]:
    """How many differences are known since before an instant, by sync."""
    return dict(tx.execute("SELECT sync, count(*) FROM drifts WHERE since <= ? GROUP BY sync", (before,)).fetchall())
