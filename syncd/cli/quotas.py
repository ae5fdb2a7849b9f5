"""Quotas as the store last knew them, for people to look at.

The rule that keeps it true: nothing is called and nothing is spent; a quota that was never kept is full.
It must not know: any vendor's limits.
"""

from __future__ import annotations

from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.connectors.quota import Quota
from syncd.connectors.registry import KINDS
from syncd.core.record import SystemName
from syncd.store import control, cursors, overview
from syncd.store.database import Connection


def quota_of(tx: Connection, settings: Settings, system: SystemName) -> Quota:
    """A system's quota as it stands by now."""
    known = control.systems(tx).get(system)
    options = settings.systems[system].options
    quota = KINDS[settings.systems[system].kind].quota(system, options, SystemClock())
    if known is not None and known.quota is not None:
        quota.restore(known.quota)
    return quota


def eta_s(tx: Connection, *, settings: Settings, system: SystemName, calls: int) -> float:
    """About how long so many calls take."""
    return quota_of(tx, settings, system).eta_s(calls) if system in settings.systems else 0.0


def calls_owed(tx: Connection) -> dict[SystemName, int]:
    """About how many calls each system has still to take: a call a write, and what is left of the listings under way."""
    owed = overview.owed_by_system(tx)
    for system, left in cursors.calls_left(tx).items():
        owed[system] = owed.get(system, 0) + left
    return owed
