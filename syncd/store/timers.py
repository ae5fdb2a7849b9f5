"""Automations as wholes: whether one is paused, when its poll or schedule comes round, which items its poll knows.

The rule that keeps it true: a poll's first answer is what was there before, and nothing new; an item is forgotten only after it was missing
several times in a row, for one answer may be short; a person's pause stays until a person ends it.
It must not know: what is polled, or when a schedule comes round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from syncd.core.automation import AutomationName
from syncd.core.record import Micros
from syncd.store.codec import pack
from syncd.store.database import Connection

MISSING_MAX = 3
"""An item that was missing from so many answers in a row is forgotten: should it come back, it is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """An automation's own clock: `clock` says what it goes by, `since` from when, `polled` how many answers a poll had."""

    name: AutomationName
    clock: str
    due_at: Micros | None
    since: Micros
    polled: int
    failures: int
    paused: str | None


class Novelty(Enum):
    """How an item of a poll's answer stands to the answers before."""

    NEW = "new"
    CHANGED = "changed"


def meet(tx: Connection, name: AutomationName, clock: str, due_at: Micros | None, at: Micros) -> None:
    """Notes an automation and what its clock goes by; where that changed, it starts anew."""
    row = tx.execute("SELECT clock FROM automations WHERE name = ?", (name,)).fetchone()
    if row is not None and row[0] == clock:
        return
    tx.execute("DELETE FROM polled_items WHERE automation = ?", (name,))
    tx.execute(
        "INSERT INTO automations (name, clock, due_at, since) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET clock = excluded.clock,"
        " due_at = excluded.due_at, since = excluded.since, polled = 0, failures = 0",
        (name, clock, due_at, at),
    )


def meet_by_name(tx: Connection, name: AutomationName, at: Micros) -> None:
    """Notes an automation that no engine has met yet."""
    tx.execute("INSERT INTO automations (name, since) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, at))


def load(tx: Connection) -> dict[AutomationName, Timer]:
    """All automations ever met."""
    rows = tx.execute("SELECT name, clock, due_at, since, polled, failures, paused FROM automations")
    return {
        AutomationName(name): Timer(
            name=AutomationName(name), clock=clock, due_at=due_at, since=since, polled=polled, failures=failures, paused=paused
        )
        for name, clock, due_at, since, polled, failures, paused in rows
    }


def due(tx: Connection, now: Micros) -> list[Timer]:
    """Those whose clocks have come round."""
    return [each for each in load(tx).values() if each.due_at is not None and each.due_at <= now]


def rest(tx: Connection, name: AutomationName, *, since: Micros, due_at: Micros, polled: bool = False, failures: int = 0) -> None:
    """The clock was seen to; it comes round again at `due_at`."""
    tx.execute(
        "UPDATE automations SET since = ?, due_at = ?, polled = polled + ?, failures = ? WHERE name = ?",
        (since, due_at, int(polled), failures, name),
    )


def pause(tx: Connection, name: AutomationName, reason: str | None) -> bool:
    """Pauses an automation for a reason, or lets it go on (None); whether there is one."""
    return bool(tx.execute("UPDATE automations SET paused = ? WHERE name = ?", (reason, name)).rowcount)


def find_news(tx: Connection, name: AutomationName, items: Mapping[str, bytes]) -> dict[str, Novelty]:
    """Which of the items of an answer (by their keys, with their fingerprints) are new or changed; from then on they are known."""
    known = dict(tx.execute("SELECT item, fingerprint FROM polled_items WHERE automation = ?", (name,)).fetchall())
    news = {
        key: Novelty.CHANGED if key in known else Novelty.NEW for key, fingerprint in items.items() if known.get(key) != fingerprint
    }
    tx.executemany(
        "INSERT INTO polled_items (automation, item, fingerprint) VALUES (?, ?, ?) ON CONFLICT (automation, item)"
        " DO UPDATE SET fingerprint = excluded.fingerprint",
        [(name, key, items[key]) for key in news],
    )
    _age(tx, name, items)
    return news


def _age(tx: Connection, name: AutomationName, there: Iterable[str]) -> None:
    shown = pack(sorted(there)).decode()
    tx.execute(
        "UPDATE polled_items SET missing = CASE WHEN item IN (SELECT value FROM json_each(?2)) THEN 0 ELSE missing + 1 END"
        " WHERE automation = ?1 AND (missing > 0 OR item NOT IN (SELECT value FROM json_each(?2)))",
        (name, shown),
    )
    tx.execute("DELETE FROM polled_items WHERE automation = ? AND missing >= ?", (name, MISSING_MAX))
