"""Stepping: brings a run on, from where it is to the next call that it has to make, or to its end.

What needs no call is done here, in the caller's transaction: choices, loops, waits, values for the hub.
The rule that keeps it true: whatever was found out on the way is kept as the result of a step, so a run never takes another way the second
time; what cannot be filled in is held, and never called with something missing.
It must not know: how calls are made, or what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from syncd.connectors.catalogue import Prepared, Row
from syncd.core.automation import Facts
from syncd.core.errors import UserError
from syncd.core.outcome import HoldKind
from syncd.core.record import MINUTE, SECOND, Json, Micros, SystemName
from syncd.core.steps import (
    Alert,
    Call,
    Choose,
    Ended,
    ForEach,
    Reached,
    Rules,
    SetFields,
    Step,
    Stop,
    Wait,
    compile_rules,
    reach,
)
from syncd.core.templates import Missing, render
from syncd.flow.engine import Engine
from syncd.flow.holding import park
from syncd.flow.knowing import Knowing
from syncd.flow.setting import Unfit, set_fields
from syncd.store import automations, runs
from syncd.store.database import Connection
from syncd.store.journal import Entry, append
from syncd.store.runs import FINISHED, Run, RunState, StepRow, StepState

LINK_PATIENCE: Micros = 10 * MINUTE
"""How long a run waits for its record to be linked, or made in another system, before a person is asked."""
STEPS_AT_ONCE = 2_000
WHEN = "when"
"""The path under which it is kept whether a late condition was met."""
ALERTS = ""
"""The lane of alerts, which are no system's calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A run at a call: its step as it is kept, and what is to be sent."""

    run: Run
    step: StepRow
    does: Call | Alert
    prepared: Prepared | None = None

    @property
    def row(self) -> Row:
        """The operation's row."""
        assert self.prepared is not None
        return self.prepared.row


def rules_of(engine: Engine, tx: Connection, run: Run) -> Rules | None:
    """What a run goes by: what it began with, even where the configuration says something else by now."""
    now = engine.automations.get(run.automation)
    if now is not None and now.edition == run.edition:
        return now.rules
    written = automations.rules(tx, run.edition)
    try:
        return None if written is None else compile_rules(written)
    except (ValueError, KeyError):
        return None


def bring_on(engine: Engine, tx: Connection, run: Run, rows: Mapping[str, StepRow]) -> None:
    """Brings a run on until it owes a call, waits, stops for a person or ends; it is given back so. `rows` are its steps by path."""
    rules = rules_of(engine, tx, run)
    if rules is None:
        step = StepRow(run=run.id, path=WHEN, kind="rules", state=StepState.PARKED)
        park(tx, run, step, HoldKind.MISSING_VALUE, "the steps that it began with are not kept, or not understood by this version", engine.clock.now())
        return
    stepper = _Stepper(engine, tx, run, rules, dict(rows))
    for _ in range(STEPS_AT_ONCE):
        if not stepper.once():
            return
    stepper.fail(StepRow(run=run.id, path="end", kind="end", state=StepState.DEAD), "it does not come to an end")


class _Stepper:
    """One run being brought on."""

    def __init__(self, engine: Engine, tx: Connection, run: Run, rules: Rules, rows: dict[str, StepRow]) -> None:
        self.engine = engine
        self.tx = tx
        self.run = run
        self.rules = rules
        self.rows = rows
        self.now = engine.clock.now()
        self.knowing = Knowing(engine.syncs, tx, run, self.now)
        self.impatient = False

    def once(self) -> bool:
        """One step; whether there may be another."""
        asked = self.rows.get(WHEN)
        if self.rules.late and (asked is None or asked.state not in FINISHED) and not self._ask_when():
            return False
        reached = reach(self.rules.steps, {path: row.result for path, row in self.rows.items() if row.state in FINISHED})
        if isinstance(reached, Ended):
            self._give_back(RunState.DONE, self.now)
            return False
        row = self._row(reached.path, reached.step.name, _kind(reached.step))
        if row.state is not StepState.PENDING:
            # Only a call's own lane, or a person, may go on with a step that was begun.
            reason = f"{row.kind} was begun and not ended ({row.error or row.state.value}): approve to do it again, ignore to go on without"
            park(self.tx, self.run, replace(row, state=StepState.PARKED), HoldKind.UNKNOWN_STEP, reason, self.now)
            return False
        try:
            return self._take(reached, row)
        except Missing as error:
            self._wait_or_park(row, str(error))
        except (UserError, Unfit) as error:
            problems = "; ".join([str(error), *error.problems]) if isinstance(error, UserError) else str(error)
            self.fail(row, problems)
        return False

    def _row(self, path: str, name: str, kind: str) -> StepRow:
        """A step as it is kept, or a new one. One that has been waited for long enough is waited for no more."""
        held = self.rows.get(path)
        self.impatient = held is not None and self.now - held.created_at >= LINK_PATIENCE
        return held if held is not None else StepRow(
            run=self.run.id, path=path, name=name, kind=kind, state=StepState.PENDING, created_at=self.now
        )

    def _take(self, reached: Reached, row: StepRow) -> bool:
        """Does a step, or leaves it to be done; whether the run can go on at once."""
        known = reached.known
        match reached.step:
            case Choose(when=when):
                return self._done(row, when.admits(self._facts(when.fields, known)))
            case ForEach(over=over, most=most):
                return self._done(row, self._items(over, most, known))
            case Stop():
                return self._done(row, True)
            case Wait(duration=duration):
                return self._wait(row, duration)
            case SetFields(values=values):
                given = {name: self._rendered(value, known) for name, value in values.items()}
                later = set_fields(self.engine, self.tx, self.run, self.knowing.link(), given, self.now)
                return self._done(row, given) if later is None else self._give_back(RunState.RUNNING, self.now + later)
            case Alert(text=text) as alert if not alert.webhook and not alert.command:
                self._note("automation.alert", {"text": self._rendered(text, known)})
                return self._done(row, None)
            case Call(system=system) as call:
                return self._owe(row, system, self._rendered(call.values, known), call=call)
            case Alert() as alert:
                spoken = self._rendered({"text": alert.text, "command": list(alert.command)}, known)
                # An address that is a secret is kept by its name only.
                return self._owe(row, ALERTS, {**spoken, "webhook": alert.webhook}, call=None)
        raise AssertionError("every kind of step is dealt with above")

    def _facts(self, names: Iterable[str], known: Mapping[str, Json]) -> Facts:
        return self.knowing.facts(names, known, patient=not self.impatient)

    def _ask_when(self) -> bool:
        """Asks the condition that only a link can answer; whether the run goes on."""
        row = self._row(WHEN, "", WHEN)
        when = self.rules.when
        try:
            facts = self._facts(when.fields, {})
        except Missing as error:
            self._wait_or_park(row, str(error), give_up=True)
            return False
        self._done(row, met := when.admits(facts))
        if not met:
            self._give_back(RunState.SKIPPED, self.now, error="its condition was not met")
        return met

    def _rendered(self, written: Json, known: Mapping[str, Json]) -> Json:
        return render(written, self.knowing.for_template(written, known))

    def _items(self, over: Json, most: int, known: Mapping[str, Json]) -> list[Json]:
        items = self._rendered(over, known)
        if items is None:
            return []
        if not isinstance(items, list):
            raise Unfit(f"{over} is no list")
        if len(items) > most:
            raise Unfit(f"{over} has {len(items)} items, and `max` is {most}")
        return items

    def _wait(self, row: StepRow, duration: Micros) -> bool:
        until = row.payload["until"] if row.payload is not None else self.now + duration
        if self.now >= until:
            return self._done(row, None)
        if row.payload is None:
            self._keep(replace(row, payload={"until": until}))
        return self._give_back(RunState.RUNNING, until)

    def _owe(self, row: StepRow, lane: str, values: Json, *, call: Call | None) -> bool:
        """A call is to be made: what it sends is kept as it is now, and sent so however often it is tried."""
        payload = row.payload if row.payload is not None else values
        replay = True
        if call is not None:
            operations = self.engine.operations.get(call.system)
            if operations is None:
                raise Unfit(f"there is no system {call.system} any more whose operations could be called")
            prepared = operations.prepare(call.operation, payload)
            replay = prepared.row.replay_safe or not prepared.operation.writes
        self._keep(replace(row, state=StepState.PENDING, system=SystemName(lane), payload=payload, replay=replay))
        return self._give_back(RunState.RUNNING, self.now, lane=lane)

    def _done(self, row: StepRow, result: Json) -> bool:
        self._keep(replace(row, state=StepState.DONE, result=result))
        return True

    def _keep(self, row: StepRow) -> None:
        self.rows[row.path] = row
        runs.put(self.tx, row, self.now)

    def _give_back(self, state: RunState, due_at: Micros, *, lane: str | None = None, error: str | None = None) -> bool:
        runs.release(self.tx, self.run, state, self.now, due_at=due_at, lane=lane, error=error)
        if state in (RunState.DONE, RunState.SKIPPED):
            self._note(f"automation.{state.value}", {"error": error} if error else {})
        return False

    def _wait_or_park(self, row: StepRow, reason: str, *, give_up: bool = False) -> None:
        """A record may yet be linked or made; after a while a person is asked what to do without (or a condition is simply not met)."""
        if self.knowing.may_come and not self.impatient:
            age = self.now - row.created_at
            self._keep(row)
            self._give_back(RunState.RUNNING, self.now + max(SECOND, age // 4), error=reason)
        elif give_up:
            self._give_back(RunState.SKIPPED, self.now, error=f"its condition could not be asked: {reason}")
        else:
            park(self.tx, self.run, replace(row, state=StepState.PARKED, error=reason), HoldKind.MISSING_VALUE, reason, self.now)

    def fail(self, row: StepRow, reason: str) -> None:
        """The step can never work: the run is given up."""
        self._keep(replace(row, state=StepState.DEAD, error=reason))
        runs.release(self.tx, self.run, RunState.FAILED, self.now, due_at=self.now, error=reason)
        self._note("automation.failed", {"step": row.path, "error": reason})

    def _note(self, kind: str, detail: Mapping[str, Json]) -> None:
        note(self.engine, self.tx, self.run, kind, detail)


def note(engine: Engine, tx: Connection, run: Run, kind: str, detail: Mapping[str, Json]) -> None:
    """Tells of a run in the journal, beside the link that it is about."""
    entry = Entry(
        at=engine.clock.now(),
        run_id=engine.run_id,
        sync=run.sync or "",  # type: ignore[arg-type]
        link=run.link,
        kind=kind,
        detail={"automation": run.automation, "run": run.id, "subject": run.subject, **detail},
    )
    append(tx, [entry])


def _kind(step: Step) -> str:
    match step:
        case Call():
            return f"{step.system}.{step.operation}"
        case SetFields():
            return "set"
        case Wait():
            return "wait"
        case Choose():
            return "if"
        case ForEach():
            return "for_each"
        case Stop():
            return "stop"
        case Alert():
            return "alert"
