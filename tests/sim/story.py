"""Short scripts over plain vendors, written by hand: what a test of the simulator is told in.

The rule that keeps it true: whatever a story does not say is plain, so it fails for the reason that it names.
It must not know: which finding it retells.
"""

from __future__ import annotations

from typing import Any

from tests.sim.script import Act, Script, Strike
from tests.sim.shrink import PLAIN_HABITS, PLAIN_OPTIONS
from tests.sim.world import run

EVER = 100_000.0


def story(*items: Act | Strike, habits: tuple[dict[str, Any], ...] = ({}, {}), minutes: float = 8.0, seed: int = 1, **options: Any) -> Script:
    """A script of one person, known everywhere, whose `name` is kept equal. The seed says who he is, and how fast things travel."""
    return Script(
        seed=seed,
        minutes=minutes,
        options={**PLAIN_OPTIONS, "systems": len(habits), "delete": "propagate", "skew_error": 1.0, "backlog": False, **options},
        habits=[{**PLAIN_HABITS, **each} for each in habits],
        acts=tuple(each for each in items if isinstance(each, Act)),
        strikes=tuple(each for each in items if isinstance(each, Strike)),
    )


def holds(script: Script) -> None:
    report = run(script)

    assert report.failure is None, report.failure
