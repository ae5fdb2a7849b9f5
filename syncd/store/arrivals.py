"""What a check-up asks of the database: what was heard from a system by itself, and how long the database has been kept.

`note` adds to the counts of what became of webhooks; `heard_from` tells them.
The rule that keeps it true: it only counts; nothing here shows a record.
It must not know: what is concluded from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from syncd.core.record import Micros, SystemName
from syncd.store.database import Connection


class Hearing(Enum):
    """What became of a webhook's event; or, of a change that a poll found, that none had announced it.

    Counted by collection, but for what is REFUSED (by reason), UNKNOWN or UNPLACED (by the event's word).
    """

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    UNWANTED = "unwanted"
    UNKNOWN = "unknown"
    UNPLACED = "unplaced"
    REFUSED = "refused"
    UNANNOUNCED = "unannounced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One count: how often, and when last."""

    system: SystemName
    what: Hearing
    word: str
    count: int
    last_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearsay:
    """All that was heard of one system."""

    each: tuple[Heard, ...] = ()

    def by_word(self, what: Hearing) -> dict[str, int]:
        """The counts of one kind."""
        return {each.word: each.count for each in self.each if each.what is what}

    def count(self, what: Hearing) -> int:
        """How often in all."""
        return sum(self.by_word(what).values())

    def last(self, what: Hearing) -> Heard | None:
        """The latest of one kind."""
        return max((each for each in self.each if each.what is what), key=lambda each: each.last_at, default=None)

    def last_at(self, what: Hearing) -> Micros | None:
        """When that was."""
        last = self.last(what)
        return None if last is None else last.last_at


def note(tx: Connection, heard: Iterable[Heard]) -> None:
    """Adds to the counts."""
    tx.executemany(
        "INSERT INTO heard (system, what, word, count, last_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (system, what, word)"
        " DO UPDATE SET count = heard.count + excluded.count, last_at = max(heard.last_at, excluded.last_at)",
        [(each.system, each.what.value, each.word, each.count, each.last_at) for each in heard],
    )


def heard_from(tx: Connection, system: SystemName) -> Hearsay:
    """What was heard of a system, the most frequent first."""
    rows = tx.execute("SELECT what, word, count, last_at FROM heard WHERE system = ? ORDER BY count DESC, word", (system,))
    return Hearsay(
        each=tuple(Heard(system=system, what=Hearing(what), word=word, count=count, last_at=at) for what, word, count, at in rows)
    )


def kept_since(tx: Connection) -> Micros | None:
    """When the first run began."""
    at: Micros | None = tx.execute("SELECT min(started_at) FROM runs").fetchone()[0]
    return at
