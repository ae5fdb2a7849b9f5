"""How far each collection has been read, and the pass that is under way.

The rule that keeps it true: a cursor is the largest committed modified time, moves only in the transaction that commits the page it
came from, and a pass that did not finish proves nothing.
It must not know: vendors, or when to poll next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncd.core.record import Json, Micros, SystemName
from syncd.store.codec import pack, unpack
from syncd.store.database import Connection
from syncd.store.observations import Place


class PassMode(Enum):
    """Everything, or what changed since the cursor."""

    COMPLETE = "complete"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The reading state of one collection. `mode` is None when no pass is under way; `token` continues the one that is.

    `cursor` is on the vendor's clock; `polled_at` is when the last finished pass began, `complete_at` the last complete one that was
    believed, `complete_tried_at` the last complete one at all, `looked_at` the last one that would have shown every change; these are on ours.
    `doubted` is how many complete ones in a row were not believed.
    `calls` is how many calls the pass under way has made, `calls_left` about how many it has still to make where that can be told, and
    `complete_calls` what the last complete pass took.
    """

    cursor: Micros | None = None
    pass_id: int = 0
    mode: PassMode | None = None
    token: Json = None
    since: Micros | None = None
    started_at: Micros = 0
    listed: int = 0
    newest: Micros | None = None
    polled_at: Micros | None = None
    complete_at: Micros | None = None
    complete_tried_at: Micros | None = None
    looked_at: Micros | None = None
    calls: int = 0
    calls_left: int | None = None
    complete_calls: int | None = None
    doubted: int = 0


def load(tx: Connection, place: Place) -> Cursor:
    """The cursor of a collection; a new one where nothing was ever read."""
    row = tx.execute(
        "SELECT cursor, pass_id, pass_mode, pass_token, pass_since, pass_started_at, pass_listed, pass_newest, polled_at,"
        " complete_at, complete_tried_at, looked_at, pass_calls, pass_calls_left, complete_calls, doubted FROM cursors WHERE system = ? AND collection = ?",
        place,
    ).fetchone()
    if row is None:
        return Cursor()
    return Cursor(
        cursor=row[0],
        pass_id=row[1],
        mode=PassMode(row[2]) if row[2] else None,
        token=unpack(row[3]),
        since=row[4],
        started_at=row[5] or 0,
        listed=row[6],
        newest=row[7],
        polled_at=row[8],
        complete_at=row[9],
        complete_tried_at=row[10],
        looked_at=row[11],
        calls=row[12],
        calls_left=row[13],
        complete_calls=row[14],
        doubted=row[15],
    )


def save(tx: Connection, place: Place, cursor: Cursor) -> None:
    """Writes a cursor back."""
    tx.execute(
        "INSERT INTO cursors (system, collection, cursor, pass_id, pass_mode, pass_token, pass_since, pass_started_at,"
        " pass_listed, pass_newest, polled_at, complete_at, complete_tried_at, looked_at, pass_calls, pass_calls_left, complete_calls, doubted)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (system, collection) DO UPDATE SET cursor = excluded.cursor, pass_id = excluded.pass_id,"
        " pass_mode = excluded.pass_mode, pass_token = excluded.pass_token, pass_since = excluded.pass_since,"
        " pass_started_at = excluded.pass_started_at, pass_listed = excluded.pass_listed, pass_newest = excluded.pass_newest,"
        " polled_at = excluded.polled_at, complete_at = excluded.complete_at, complete_tried_at = excluded.complete_tried_at,"
        " looked_at = excluded.looked_at, pass_calls = excluded.pass_calls, pass_calls_left = excluded.pass_calls_left,"
        " complete_calls = excluded.complete_calls, doubted = excluded.doubted",
        (*place, cursor.cursor, cursor.pass_id, cursor.mode.value if cursor.mode else None, pack(cursor.token), cursor.since,
         cursor.started_at, cursor.listed, cursor.newest, cursor.polled_at, cursor.complete_at, cursor.complete_tried_at, cursor.looked_at,
         cursor.calls, cursor.calls_left, cursor.complete_calls, cursor.doubted),
    )


def forget_all(tx: Connection) -> None:
    """Has every collection read completely from its beginning, as if it had never been; numbers of passes go on."""
    tx.execute(
        "UPDATE cursors SET cursor = NULL, pass_mode = NULL, pass_token = NULL, pass_since = NULL, pass_listed = 0, pass_newest = NULL,"
        " polled_at = NULL, complete_at = NULL, complete_tried_at = NULL, looked_at = NULL, doubted = 0"
    )


def ask_complete(tx: Connection, place: Place, at: Micros) -> None:
    """Has a complete pass begin as soon as the one under way is over."""
    tx.execute(
        "INSERT INTO cursors (system, collection, requested_at) VALUES (?, ?, ?)"
        " ON CONFLICT (system, collection) DO UPDATE SET requested_at = excluded.requested_at",
        (*place, at),
    )


def calls_left(tx: Connection) -> dict[SystemName, int]:
    """About how many calls the listings under way have still to make, by system."""
    rows = tx.execute("SELECT system, sum(pass_calls_left) FROM cursors WHERE pass_calls_left IS NOT NULL GROUP BY system")
    return {SystemName(system): int(left) for system, left in rows}


def is_asked(tx: Connection, place: Place) -> bool:
    """Whether a complete pass was asked for and has not been tried since."""
    row = tx.execute(
        "SELECT requested_at > coalesce(complete_tried_at, 0) FROM cursors WHERE system = ? AND collection = ?", place
    ).fetchone()
    return row is not None and bool(row[0])
