"""Soundness: what is looked over before anything is decided upon it, because nobody would come upon the damage by using it.

A damaged row that is read gives itself away. One that is looked for and not found does not: a write in no state there is, a key that hides
the record it belongs to, a record that seems to have no link.
The rule that keeps it true: nothing is decided for a sync before its links and its index have been looked over in this life.
It must not know: what a damaged row said.
"""

from __future__ import annotations

from syncd.core.record import SyncName
from syncd.flow.answering import plan_everything
from syncd.flow.engine import Engine
from syncd.store import damage, links, observations, planning, writes
from syncd.store.database import Connection

SLICE = 1000


def look_over_times(engine: Engine, tx: Connection) -> None:
    """At a start: looks of later than now, writes in no state there is, and items that no sync of ours could have put on the list."""
    now = engine.clock.now()
    for ref in observations.distrust(tx, now):
        _tell(engine, "observations", [ref.system, ref.collection, ref.id], "the next look at it counts")
    for error in writes.misplaced(tx):
        done = damage.mend(tx, error, engine.routes, now)
        _tell(engine, error.table, list(error.row), done or "")
    members = {(rules.name, name) for rules in engine.syncs.values() for name in (*rules.members, *rules.children)}
    if planning.drop_strangers(tx, members):
        # Of a sync that was taken out, or damaged: whose change it told of is not known any more.
        for rules in engine.syncs.values():
            plan_everything(engine, tx, rules)


async def look_over(engine: Engine, sync: SyncName) -> None:
    """Before the first turn of a sync. Raises DamagedError where a link is damaged."""
    after = 0
    while (last := await engine.database.read(lambda tx: links.check(tx, sync, after, SLICE))) is not None:  # noqa: B023
        after = last
    if await engine.database.read(lambda tx: planning.index_is_sound(tx, sync)):
        return

    def renew(tx: Connection) -> None:
        if planning.begin_index(tx, sync):
            _tell(engine, "match_keys", [sync], "the index is made anew")
            refs = [ref for place in engine.places for ref in observations.all_refs(tx, place)]
            routes = {place: [route for route in each if route[0] == sync] for place, each in engine.routes.items()}
            planning.enqueue(tx, observations.routed(refs, routes), engine.clock.now(), "damaged row")

    await engine.database.write(renew)


def _tell(engine: Engine, table: str, row: list[str], done: str) -> None:
    engine.log.error("row.damaged", table=table, row=row, done=done)
