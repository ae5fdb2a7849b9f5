"""Runs: numbered stretches of the journal, what came of each, and where in the journal a stretch of time lies.

The rule that keeps it true: it only reads. It must not know: what a run is for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from syncd.core.record import Json, MemberName, Micros, SyncName
from syncd.store.codec import unseal
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `writes` counts what was carried out, by sync, member and operation; `decided` the fields that were decided."""

    id: int
    kind: str
    reason: str
    started_at: Micros
    finished_at: Micros | None
    looked: int
    outcomes: dict[str, int]
    writes: dict[tuple[SyncName, MemberName, str], int]
    decided: int

    @property
    def undoable(self) -> bool:
        """Whether it did anything that could be undone."""
        return bool(self.decided or self.writes)


def newest(tx: Connection, limit: int, only: int | None = None) -> list[Run]:
    """The newest runs, newest first; or one."""
    rows = tx.execute(
        "SELECT id, kind, reason, started_at, finished_at, looked FROM runs WHERE ?1 IS NULL OR id = ?1 ORDER BY id DESC LIMIT ?2", (only, limit)
    ).fetchall()
    return [_run(tx, row) for row in rows]


def _run(tx: Connection, row: tuple[Json, ...]) -> Run:
    number = row[0]
    outcomes = dict(tx.execute("SELECT outcome, sum(count) FROM outcomes WHERE run_id = ? GROUP BY outcome", (number,)).fetchall())
    writes = Counter(
        (sync, member, str((unseal(tx, detail, "journal", row_id, link) or {}).get("operation")))
        for row_id, sync, member, link, detail in tx.execute(
            "SELECT id, sync, member, link_id, detail FROM journal WHERE run_id = ? AND kind = 'write.done'", (number,)
        )
    )
    (decided,) = tx.execute("SELECT count(*) FROM journal WHERE run_id = ? AND kind = 'field.decided'", (number,)).fetchone()
    return Run(
        id=number,
        kind=row[1],
        reason=row[2],
        started_at=row[3],
        finished_at=row[4],
        looked=row[5],
        outcomes=outcomes,
        writes=dict(writes),
        decided=decided,
    )


def span_of(tx: Connection, number: int) -> tuple[int, int] | None:
    """The first and the last row of the journal that a run wrote; None where it wrote none."""
    first, last = tx.execute("SELECT min(id), max(id) FROM journal WHERE run_id = ?", (number,)).fetchone()
    return None if first is None else (int(first), int(last))


def span_between(tx: Connection, since: Micros, until: Micros) -> tuple[int, int] | None:
    """The first and the last row written in a stretch of time; None where there is none."""
    first, last = tx.execute("SELECT min(id), max(id) FROM journal WHERE at >= ? AND at <= ?", (since, until)).fetchone()
    return None if first is None else (int(first), int(last))
