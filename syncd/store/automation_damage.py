"""What follows from a damaged row of automations: nothing of it is carried out, and a person is told.

The rule that keeps it true: a run of which anything cannot be read goes no further; what was already sent is not sent again.
It must not know: how the damage was noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd.core.record import Json, Micros
from syncd.store import claims
from syncd.store.codec import seal
from syncd.store.database import Connection


def mend(tx: Connection, table: str, row: Sequence[Json], at: Micros) -> str:
    """Puts a damaged row out of use; what was done, in words."""
    match table:
        case "to_notice":
            tx.execute(
                "DELETE FROM to_notice WHERE kind IS ? AND system IS ? AND collection IS ? AND record_id IS ? AND sync IS ? AND link_id IS ?", tuple(row)
            )
            return "automations are not told of it"
        case "claims":
            claims.drop_damaged(tx, row)
            return "it is forgotten"
        case "automation_steps":
            tx.execute(
                "UPDATE automation_steps SET payload = NULL, result = NULL, state = 'dead', error = 'its row was damaged'"
                " WHERE run_id = ? AND path = ? AND kind = ?",
                tuple(row),
            )
            tx.execute(
                "UPDATE automation_runs SET state = 'failed', error = 'the row of a step was damaged', lease_until = NULL, fence = fence + 1,"
                " done_at = ? WHERE id = ? AND state IN ('running', 'parked')",
                (at, row[0]),
            )
        case "automation_rules":
            tx.execute("DELETE FROM automation_rules WHERE edition = ?", tuple(row))
            return "its runs wait for a person"
        case _:
            tx.execute(
                "UPDATE automation_runs SET event = ? WHERE automation = ? AND event_key = ?",
                (seal(tx, [{}, ""], "automation_runs", *row), *row[:2]),
            )
            tx.execute(
                "UPDATE automation_runs SET state = 'failed', error = 'its row was damaged', lease_until = NULL, fence = fence + 1, done_at = ?"
                " WHERE automation = ? AND event_key = ? AND state IN ('running', 'parked')",
                (at, *row[:2]),
            )
            return "the run is given up"
    return "its run is given up"

