"""The journal: what was decided and what came of it, append-only; and the sums of all outcomes.

The rule that keeps it true: a row is written in the transaction of what it tells, and every item that was looked at is counted under
exactly one outcome. It must not know: how to tell a story; that is `explain`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from syncd.core.guard import Turn
from syncd.core.record import FieldName, Json, LinkId, MemberName, Micros, RecordId, SyncName
from syncd.store.codec import pack, seal, unseal
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal. `kind` is a dotted name: ``field.decided``, ``write.done``, ``link.created``."""

    at: Micros
    run_id: int | None
    sync: SyncName
    kind: str
    detail: Mapping[str, Json]
    link: LinkId | None = None
    member: MemberName | None = None
    record_id: RecordId | None = None
    id: int = 0


def append(tx: Connection, entries: Iterable[Entry]) -> None:
    """Adds rows."""
    number = last_number(tx)
    tx.executemany(
        "INSERT INTO journal (id, at, run_id, sync, link_id, kind, member, record_id, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (row, each.at, each.run_id, each.sync, each.link, each.kind, each.member, each.record_id, seal(tx, each.detail, "journal", row, each.link))
            for row, each in enumerate(entries, start=number + 1)
        ],
    )


def of_link(tx: Connection, link: LinkId) -> list[Entry]:
    """All that happened to a link, oldest first."""
    return _entries(tx, tx.execute(
        "SELECT id, at, run_id, sync, link_id, kind, member, record_id, detail FROM journal WHERE link_id = ? ORDER BY id", (link,)
    ))


def turns_of(tx: Connection, links: Iterable[LinkId], since: Micros) -> dict[tuple[LinkId, FieldName], list[tuple[Micros, Turn]]]:
    """What was decided about the fields of these links since an instant, oldest first, with the moments."""
    rows = tx.execute(
        "SELECT j.id, j.link_id, j.at, j.detail FROM json_each(?) AS wanted CROSS JOIN journal AS j ON j.link_id = wanted.value"
        " WHERE j.at >= ? AND j.kind = 'field.decided' ORDER BY j.id",
        (pack(sorted(set(links))).decode(), since),
    )
    found: dict[tuple[LinkId, FieldName], list[tuple[Micros, Turn]]] = {}
    for number, link, at, detail in rows:
        told = unseal(tx, detail, "journal", number, link)
        turn = Turn(told["before"], told["value"], told["winner"])
        found.setdefault((LinkId(link), FieldName(told["field"])), []).append((at, turn))
    return found


def between(tx: Connection, first: int, last: int) -> Iterator[Entry]:
    """Rows from one number to another, both included, oldest first."""
    while rows := after(tx, first - 1, 500):
        for each in rows:
            if each.id > last:
                return
            yield each
        first = rows[-1].id + 1


def decided_after(tx: Connection, links: Iterable[LinkId], number: int) -> dict[LinkId, list[Entry]]:
    """What was decided about the fields of these links after a row, by link, oldest first."""
    rows = tx.execute(
        "SELECT j.id, j.at, j.run_id, j.sync, j.link_id, j.kind, j.member, j.record_id, j.detail FROM json_each(?) AS wanted"
        " CROSS JOIN journal AS j ON j.link_id = wanted.value WHERE j.id > ? AND j.kind = 'field.decided' ORDER BY j.id",
        (pack(sorted(set(links))).decode(), number),
    )
    found: dict[LinkId, list[Entry]] = {}
    for each in _entries(tx, rows):
        if each.link is not None:
            found.setdefault(each.link, []).append(each)
    return found


def after(tx: Connection, number: int, limit: int = 500) -> list[Entry]:
    """Rows after a number, oldest first."""
    return _entries(tx, tx.execute(
        "SELECT id, at, run_id, sync, link_id, kind, member, record_id, detail FROM journal WHERE id > ? ORDER BY id LIMIT ?",
        (number, limit),
    ))


def last_number(tx: Connection) -> int:
    """The newest row's number, also where that row was let go since: no number is given twice. 0 when there was none."""
    (number,) = tx.execute(
        "SELECT max(coalesce((SELECT max(id) FROM journal), 0), coalesce((SELECT max(last_id) FROM journal_chain), 0))"
    ).fetchone()
    return int(number)


def count_looked(tx: Connection, run_id: int, count: int) -> None:
    """Notes that a run looked at so many items; each is then to be counted under one outcome."""
    tx.execute("UPDATE runs SET looked = looked + ? WHERE id = ?", (count, run_id))


def looked(tx: Connection) -> int:
    """How many items all runs together looked at."""
    (count,) = tx.execute("SELECT coalesce(sum(looked), 0) FROM runs").fetchone()
    return int(count)


def balance(tx: Connection, run_id: int) -> tuple[int, int]:
    """How many items a run looked at, and how many outcomes it counted (failed writes are counted apart)."""
    (looked,) = tx.execute("SELECT coalesce(sum(looked), 0) FROM runs WHERE id = ?", (run_id,)).fetchone()
    (counted,) = tx.execute(
        "SELECT coalesce(sum(count), 0) FROM outcomes WHERE run_id = ? AND outcome <> 'failed'", (run_id,)
    ).fetchone()
    return int(looked), int(counted)


def tally(tx: Connection, run_id: int, sync: SyncName, outcomes: Iterable[tuple[str, str]]) -> None:
    """Counts outcomes: (name, reason) pairs."""
    tx.executemany(
        "INSERT INTO outcomes (run_id, sync, outcome, reason, count) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (run_id, sync, outcome, reason) DO UPDATE SET count = outcomes.count + excluded.count",
        [(run_id, sync, outcome, reason, count) for (outcome, reason), count in Counter(outcomes).items()],
    )


def sums(tx: Connection, run_id: int | None = None) -> list[tuple[SyncName, str, str, int]]:
    """All outcomes as (sync, outcome, reason, count), of one run or of all."""
    return tx.execute(
        "SELECT sync, outcome, reason, sum(count) FROM outcomes WHERE ?1 IS NULL OR run_id = ?1"
        " GROUP BY sync, outcome, reason ORDER BY sync, outcome, reason",
        (run_id,),
    ).fetchall()


def end_runs(tx: Connection, at: Micros) -> list[int]:
    """Closes what runs are open; answers those of which not every item has its outcome, which no run may come to."""
    open_runs = [int(number) for (number,) in tx.execute("SELECT id FROM runs WHERE finished_at IS NULL")]
    tx.execute("UPDATE runs SET finished_at = ? WHERE finished_at IS NULL", (at,))
    return [number for number in open_runs if len(set(balance(tx, number))) > 1]


def start_run(tx: Connection, kind: str, reason: str, at: Micros) -> int:
    """Opens a numbered run."""
    number = tx.execute("INSERT INTO runs (kind, reason, started_at) VALUES (?, ?, ?)", (kind, reason, at)).lastrowid
    assert number is not None
    return number


def _entries(tx: Connection, rows: Iterable[tuple[Json, ...]]) -> list[Entry]:
    return [
        Entry(
            id=row[0],
            at=row[1],
            run_id=row[2],
            sync=row[3],
            link=row[4],
            kind=row[5],
            member=row[6],
            record_id=row[7],
            detail=unseal(tx, row[8], "journal", row[0], row[4]),
        )
        for row in rows
    ]
