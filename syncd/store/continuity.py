"""Whether this database is the one that was used last, or an older copy of it, or a new one in its place.

Every life of syncd, and every second of it that changed something, counts one further; the count is kept here and, after the commit, in a
mark outside. A mark that is ahead of the database tells that the database is not the newest there was.
The rule that keeps it true: the count only grows, and the mark never runs ahead of what was committed.
It must not know: where the mark is, or what follows.
"""

from __future__ import annotations

from enum import Enum

from syncd.store.database import Connection

_COUNT, _REBASING, _LOST = "lives", "rebasing", "lost"


class Standing(Enum):
    """What the count says about a database."""

    SAME = "same"
    RESTORED = "restored"
    LOST = "lost"


def standing(tx: Connection, marked: int) -> Standing:
    """How the database stands to the count that was `marked` beside it (0: none was)."""
    known = int(_get(tx, _COUNT) or 0)
    if marked <= known:
        return Standing.SAME
    return Standing.RESTORED if known else Standing.LOST


def advance(tx: Connection, marked: int = 0) -> int:
    """Counts one further, past what was `marked` too; the new count, to be marked once this is committed."""
    count = max(int(_get(tx, _COUNT) or 0), marked) + 1
    _put(tx, _COUNT, str(count))
    return count


def begin_rebasing(tx: Connection, found: Standing) -> None:
    """From now on, until everything has been listed completely again, the systems are believed rather than the database."""
    _put(tx, _REBASING, found.value)
    if found is Standing.LOST:
        _put(tx, _LOST, found.value)


def rebasing(tx: Connection) -> Standing | None:
    """Why the database is being re-based, while it is."""
    reason = _get(tx, _REBASING)
    return Standing(reason) if reason else None


def end_rebasing(tx: Connection) -> None:
    """Everything has been read anew."""
    tx.execute("DELETE FROM meta WHERE key = ?", (_REBASING,))


def was_lost(tx: Connection) -> bool:
    """Whether an earlier database is missing: what had been agreed is not known, and a person should look before anything is written."""
    return _get(tx, _LOST) is not None


def _get(tx: Connection, key: str) -> str | None:
    row = tx.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _put(tx: Connection, key: str, value: str) -> None:
    tx.execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))
