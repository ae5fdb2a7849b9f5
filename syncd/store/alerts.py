"""What each channel was told of what an operator should know.

The rule that keeps it true: a notice is one row, replaced whole; one that was not told yet survives any crash.
It must not know: what a condition is, or when a notice is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple

from syncd.core.alert import About, Notice
from syncd.store.database import Connection

_COLUMNS = "channel, kind, subject, sentence, mend, opened_at, over_at, said, said_sentence, said_at, held_back, attempts, retry_at"


def load(tx: Connection) -> dict[About, Notice]:
    """Every notice."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM alerts ORDER BY opened_at, channel, kind, subject").fetchall()  # noqa: S608
    return {About(*row[:3]): _notice(row) for row in rows}


def save(tx: Connection, notices: Iterable[Notice]) -> None:
    """Keeps notices as they are now."""
    tx.executemany(
        f"INSERT OR REPLACE INTO alerts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [(*each.about, *astuple(each)[1:]) for each in notices],
    )


def forget(tx: Connection, abouts: Iterable[About]) -> None:
    """Removes notices."""
    tx.executemany("DELETE FROM alerts WHERE channel = ? AND kind = ? AND subject = ?", list(abouts))


def _notice(row: tuple[object, ...]) -> Notice:
    sentence, mend, opened_at, over_at, said, said_sentence, said_at, held_back, attempts, retry_at = row[3:]
    return Notice(
        about=About(*map(str, row[:3])),
        sentence=str(sentence),
        mend=str(mend),
        opened_at=opened_at,  # type: ignore[arg-type]
        over_at=over_at,  # type: ignore[arg-type]
        said=str(said),
        said_sentence=str(said_sentence),
        said_at=said_at,  # type: ignore[arg-type]
        held_back=held_back,  # type: ignore[arg-type]
        attempts=attempts,  # type: ignore[arg-type]
        retry_at=retry_at,  # type: ignore[arg-type]
    )
