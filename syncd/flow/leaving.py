"""Leaving out: records that a listing has and a connector cannot take are kept by name for people, and told of once.

The rule that keeps it true: it is told when it begins to be so, and not again while it goes on, also after a restart.
It must not know: why anything cannot be taken.
"""

from __future__ import annotations

from syncd.connectors.left_out import LeavesOut
from syncd.flow.engine import Engine
from syncd.store import control
from syncd.store.observations import Place

TOLD_MAX = 20
"""So many are told of one by one."""


async def note_left_out(engine: Engine, place: Place) -> None:
    """Keeps what the listing that has just ended could not take, and logs what is new of it."""
    connector = engine.connectors[place[0]]
    if not isinstance(connector, LeavesOut):
        return
    records = [{"name": each.name, "why": each.why, "mend": each.mend} for each in connector.left_out(place[1])]
    known = await engine.database.read(lambda tx: control.left_out(tx, *place))
    if not records and not known["count"]:
        return
    now = engine.clock.now()
    fresh = await engine.database.write(lambda tx: control.note_left_out(tx, *place, records, now))
    for each in fresh[:TOLD_MAX]:
        engine.log.warning("record.left_out", system=place[0], collection=place[1], ref=f"{place[0]}/{place[1]}/{each['name']}", reason=each["why"], hint=each["mend"])
    if len(fresh) > TOLD_MAX:
        engine.log.warning("records.left_out", system=place[0], collection=place[1], count=len(fresh) - TOLD_MAX, hint="syncd status")
