"""The holds that automations open, and what a person's answer to one leads to.

The rule that keeps it true: a call that may have had an effect is made again only on a person's word; a run that is let go goes on where it
stopped.
It must not know: how an answer was given, or what a step does.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.core.automation import Automation, AutomationName
from syncd.core.outcome import HoldKind
from syncd.core.record import Json, Micros, RecordId, SyncName
from syncd.flow.answers import APPROVE
from syncd.store import holds, runs
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState, Question
from syncd.store.runs import Run, RunState, StepRow, StepState

KINDS = frozenset({HoldKind.UNKNOWN_STEP, HoldKind.MISSING_VALUE, HoldKind.AUTOMATION_LOOP})


def owner(name: AutomationName) -> SyncName:
    """Whose hold it is, where others have the name of a sync."""
    return SyncName(f"automation {name}")


def loop_question(automation: Automation, subject: str, run: int | None, reason: str) -> Question:
    """The hold that tells of an automation which sets itself, or others, off; the run waits behind it where there is one."""
    return Question(
        sync=owner(automation.name), kind=HoldKind.AUTOMATION_LOOP, record_id=RecordId(subject), reason=reason,
        sides={"run": run} if run is not None else {}, scope=str(run or ""),
    )  # fmt: skip


def step_question(run: Run, step: StepRow, kind: HoldKind, reason: str) -> Question:
    """The hold that a run waits behind at one of its steps."""
    sides: dict[str, Json] = {"run": run.id, "step": step.path}
    if step.payload is not None:
        sides["values"] = step.payload
    return Question(
        sync=owner(run.automation), kind=kind, record_id=RecordId(run.subject), reason=reason, sides=sides, scope=f"run {run.id} step {step.path}"
    )


def park(tx: Connection, run: Run, step: StepRow, kind: HoldKind, reason: str, now: Micros) -> None:
    """A run stops at a step until a person decides."""
    runs.put(tx, step, now)
    if runs.release(tx, run, RunState.PARKED, now, due_at=now, error=reason):
        holds.ask(tx, [step_question(run, step, kind, reason)], now)


def answer(tx: Connection, held: Held, choice: str, now: Micros) -> str:
    """Carries out what a person said about one of these holds; what follows, in words."""
    number = held.sides.get("run")
    holds.answer(tx, held.id, HoldState.CLOSED, choice, now)
    if number is None:
        return "noted"
    if choice == APPROVE:
        return retry(tx, int(number), now)
    return skip_step(tx, int(number), now) if "step" in held.sides else give_up(tx, int(number), now)


def retry(tx: Connection, number: int, now: Micros) -> str:
    """A run that stopped goes on with the step that it stopped at."""
    _go_on(tx, number, StepState.PENDING, now)
    return f"run {number} goes on"


def skip_step(tx: Connection, number: int, now: Micros) -> str:
    """A run that stopped goes on behind the step that it stopped at."""
    _go_on(tx, number, StepState.SKIPPED, now)
    return f"run {number} goes on without that step"


def _go_on(tx: Connection, number: int, state: StepState, now: Micros) -> None:
    """The step that a run stopped at is from now on in this state: to be done anew, with values as they then are, or behind it."""
    for step in runs.steps_of(tx, [number]).get(number, ()):
        if step.state in (StepState.PARKED, StepState.UNKNOWN, StepState.DEAD):
            anew = replace(step, attempts=0, error=None, payload=None) if state is StepState.PENDING else step
            runs.put(tx, replace(anew, state=state), now)
    runs.reopen(tx, number, now)
    _close_holds(tx, number, now)


def give_up(tx: Connection, number: int, now: Micros) -> str:
    """A run is not gone on with."""
    runs.reopen(tx, number, now, RunState.SKIPPED)
    _close_holds(tx, number, now)
    return f"run {number} is given up"


def _close_holds(tx: Connection, number: int, now: Micros) -> None:
    for held in holds.select(tx, [HoldState.OPEN], limit=1_000_000):
        if held.kind in KINDS and held.sides.get("run") == number:
            holds.answer(tx, held.id, HoldState.CLOSED, held.choice, now)
