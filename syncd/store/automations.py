"""What is kept of automations beside their runs: the steps of each edition, what became of happenings, and the newest one each was told of.

The rule that keeps it true: a run goes by the steps of the edition that it began with, so an edition that was kept is never changed.
It must not know: what steps do, or when a run begins.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.automation import AutomationName
from syncd.core.record import Json, Micros
from syncd.store.codec import DamagedError, seal, unseal
from syncd.store.database import Connection


def keep_rules(tx: Connection, edition: str, written: Json) -> None:
    """Keeps the steps that runs of this edition go by."""
    tx.execute(
        "INSERT INTO automation_rules (edition, written) VALUES (?, ?) ON CONFLICT (edition) DO NOTHING",
        (edition, seal(tx, written, "automation_rules", edition)),
    )


def rules(tx: Connection, edition: str) -> Json:
    """The steps of a edition, or None where they are not kept."""
    row = tx.execute("SELECT written FROM automation_rules WHERE edition = ?", (edition,)).fetchone()
    return None if row is None else unseal(tx, row[0], "automation_rules", edition)


def tally(tx: Connection, outcomes: Mapping[tuple[AutomationName, str], int]) -> None:
    """Counts what became of happenings, by automation and outcome."""
    tx.executemany(
        "INSERT INTO automation_outcomes (automation, outcome, count) VALUES (?, ?, ?) ON CONFLICT (automation, outcome)"
        " DO UPDATE SET count = automation_outcomes.count + excluded.count",
        [(automation, outcome, count) for (automation, outcome), count in outcomes.items()],
    )


def outcomes(tx: Connection) -> dict[str, dict[str, int]]:
    """What became of happenings, by automation."""
    found: dict[str, dict[str, int]] = {}
    for automation, outcome, count in tx.execute("SELECT automation, outcome, count FROM automation_outcomes ORDER BY automation, outcome"):
        found.setdefault(automation, {})[outcome] = count
    return found


def keep_newest(tx: Connection, events: Mapping[AutomationName, Mapping[str, Json]], at: Micros) -> None:
    """Keeps the newest event of each of these automations, in place of the one before."""
    tx.executemany(
        "INSERT INTO automation_newest (automation, at, event) VALUES (?, ?, ?) ON CONFLICT (automation) DO UPDATE SET at = excluded.at,"
        " event = excluded.event",
        [(automation, at, seal(tx, event, "automation_newest", automation)) for automation, event in events.items()],
    )


def newest(tx: Connection, automation: str) -> dict[str, Json] | None:
    """The newest event that an automation was told of, whether it set it off or not; None where there is none, or it was long ago."""
    row = tx.execute("SELECT event FROM automation_newest WHERE automation = ?", (automation,)).fetchone()
    try:
        return None if row is None else unseal(tx, row[0], "automation_newest", automation)
    except DamagedError:
        return None
