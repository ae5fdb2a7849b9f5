"""Asked: tells the journal who wanted what, before it is done.

The rule that keeps it true: every request of a person has its row, in the journal's chain before what follows from it; a row names the account
that asked, never whom the request is about.
It must not know: how a request is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.record import Json, SyncName
from syncd.flow.engine import Engine
from syncd.store import journal
from syncd.store.database import Connection
from syncd.store.journal import Entry

ASKED = "person.asked"
BY_HAND = frozenset({"call", "import", "key rotate", "restore"})
"""What commands do themselves, beside the daemon: it is told of first, and the telling is all that is asked for."""
_TOLD = ("hold", "choice", "ids", "run", "automation", "system", "collection", "operation", "sync", "first", "last", "at_vendors")


def note_asked(engine: Engine, tx: Connection, by: str, kind: str, arguments: Mapping[str, Json]) -> None:
    """One row: who, and what."""
    detail: dict[str, Json] = {"by": by or "nobody known", "asked": kind, **{name: arguments[name] for name in _TOLD if name in arguments}}
    journal.append(tx, [Entry(at=engine.clock.now(), run_id=engine.run_id, sync=SyncName(""), kind=ASKED, detail=detail)])
