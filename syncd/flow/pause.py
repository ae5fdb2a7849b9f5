"""Pausing a system whose credential does not open the door, and going on.

The rule that keeps it true: a paused system is neither read nor written; the others go on; the reason is stored and said once.
It must not know: what the stages do.
"""

from __future__ import annotations

from syncd.core.errors import ConnectorError
from syncd.core.record import SystemName
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.store import control


async def pause_system(engine: Engine, system: SystemName, error: ConnectorError) -> None:
    """Stops using a system until a person has seen to it."""
    reason = str(error)
    engine.paused[system] = reason
    await engine.database.write(lambda tx: control.pause(tx, system, reason, engine.clock.now()))
    engine.log.error("system.paused", system=system, reason=reason)


async def resume_system(engine: Engine, system: SystemName) -> None:
    """Uses a system again."""
    engine.paused.pop(system, None)
    await engine.database.write(lambda tx: control.pause(tx, system, None, engine.clock.now()))
    engine.log.info("system.resumed", system=system)
    engine.bus.ring(*Bell)


async def wait_while_paused(engine: Engine, system: SystemName) -> None:
    """Returns when the system may be used."""
    while system in engine.paused:
        await engine.bus.wait(Bell.POLL, engine.timing.tick_s * 5)
