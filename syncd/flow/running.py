"""What a person decides about automations and their runs.

The rule that keeps it true: an answer that does not fit changes nothing and says what would fit; what it sets free is carried out by the stages.
It must not know: how the answer was given.
"""

from __future__ import annotations

from syncd.core.automation import AutomationName
from syncd.core.errors import UserError
from syncd.flow.engine import Engine
from syncd.flow.holding import give_up, retry, skip_step
from syncd.store import runs, timers
from syncd.store.database import Connection
from syncd.store.runs import RunState

PAUSE, RESUME = "pause", "resume"
RETRY, SKIP, GIVE_UP = "retry", "skip", "give-up"


def answer_run(engine: Engine, tx: Connection, number: int, choice: str) -> str:
    """Retries, or goes on without, the step that a run stopped at, or gives the run up; what follows, in words. Raises UserError."""
    now = engine.clock.now()
    found = runs.load(tx, [number])
    if not found:
        raise UserError(f"there is no run {number}", hint="`syncd automations runs NAME` lists them")
    state = found[0].state
    if choice == GIVE_UP and state in (RunState.RUNNING, RunState.PARKED, RunState.FAILED):
        return give_up(tx, number, now)
    if state not in (RunState.PARKED, RunState.FAILED):
        raise UserError(f"run {number} did not stop: it is {state.value}", hint=f"`syncd automations show {number}` shows its steps")
    if choice == RETRY:
        return retry(tx, number, now)
    if choice == SKIP:
        return skip_step(tx, number, now)
    raise UserError(f"{choice!r} is no answer", hint=f"{RETRY}, {SKIP} or {GIVE_UP}")


def answer_timer(engine: Engine, tx: Connection, name: str, choice: str) -> str:
    """Pauses an automation or lets it go on; what follows, in words. Raises UserError."""
    now = engine.clock.now()
    if choice == PAUSE:
        timers.meet_by_name(tx, AutomationName(name), now)
        timers.pause(tx, AutomationName(name), "paused by an operator")
        return f"{name} is paused; what sets it off is kept"
    if choice == RESUME:
        timers.pause(tx, AutomationName(name), None)
        return f"{name} goes on"
    raise UserError(f"{choice!r} is no answer", hint=f"{PAUSE} or {RESUME}")
