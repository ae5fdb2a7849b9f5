"""Pausing a system whose credential does not open the door, and going on.

Where the credential is good for other collections, only the one that it does not open is paused.
The rule that keeps it true: what is paused is neither read nor written; all else goes on; the reason is stored and said once.
It must not know: what the stages do.
"""

from __future__ import annotations

from syncd.core.errors import Unauthorized
from syncd.core.record import CollectionName, SystemName
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.store import control


async def pause_system(engine: Engine, system: SystemName, error: Unauthorized, collection: CollectionName | None) -> None:
    """Stops using a system until a person has seen to it, or the one collection that is closed where others are open."""
    reason, others = str(error), [each for each in engine.places if each[0] == system and each[1] != collection and each not in engine.closed]
    if error.narrow and collection is not None and others:
        place = (system, collection)
        if place in engine.closed:
            return
        engine.closed[place] = reason
        await engine.database.write(lambda tx: control.pause_collection(tx, system, collection, reason, engine.clock.now()))
        engine.log.error("collection.paused", system=system, collection=collection, reason=reason)
        return
    engine.paused[system] = reason
    await engine.database.write(lambda tx: control.pause(tx, system, reason, engine.clock.now()))
    engine.log.error("system.paused", system=system, reason=reason)


async def resume_system(engine: Engine, system: SystemName) -> None:
    """Uses a system again, with all of its collections."""
    engine.paused.pop(system, None)
    for place in [each for each in engine.closed if each[0] == system]:
        del engine.closed[place]
    await engine.database.write(lambda tx: control.pause(tx, system, None, engine.clock.now()))
    engine.log.info("system.resumed", system=system)
    engine.bus.ring(*Bell)


def is_paused(engine: Engine, system: SystemName, collection: CollectionName | None = None) -> bool:
    """Whether the system is paused, or this collection of it."""
    return system in engine.paused or (collection is not None and (system, collection) in engine.closed)


async def wait_while_paused(engine: Engine, system: SystemName, collection: CollectionName | None = None) -> None:
    """Returns when the system may be used, and the collection if one is named."""
    while is_paused(engine, system, collection):
        await engine.bus.wait(Bell.POLL, engine.timing.tick_s * 5)
