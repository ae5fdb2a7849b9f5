"""Beginning: lets every automation judge what happened, and begins the runs that follow.

The rule that keeps it true: a happening has exactly one counted outcome for each automation that it was meant for; what is cut off, or set off
again and again, is told and held.
It must not know: where happenings come from, or how runs are carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from syncd.core.automation import RUNS_AN_HOUR_MAX, Automation, AutomationName, Verdict, concerns, event_of, judge
from syncd.core.happening import Happening
from syncd.core.record import HOUR, Json
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.holding import loop_question
from syncd.store import automations, holds, runs
from syncd.store.database import Connection
from syncd.store.journal import Entry, append
from syncd.store.runs import Begun, RunState


@dataclass(slots=True)
class Told:
    """What one turn came to."""

    rows: int = 0
    begun: int = 0
    looping: list[tuple[AutomationName, str]] = field(default_factory=list)
    deep: list[tuple[AutomationName, str]] = field(default_factory=list)
    newest: dict[AutomationName, Happening] = field(default_factory=dict)


def report(engine: Engine, told: Told) -> None:
    """Says what was told, once it is committed."""
    if told.begun:
        engine.bus.ring(Bell.RUNS)
        engine.log.debug("automations.begun", runs=told.begun)
    for name, subject in told.looping:
        engine.log.warning("automation.looping", automation=name, subject=subject)
    for name, subject in told.deep:
        engine.log.warning("automation.cut", automation=name, subject=subject)


def tell(engine: Engine, tx: Connection, happening: Happening, told: Told) -> None:
    """Lets every automation judge a happening."""
    outcomes = Counter[tuple[AutomationName, str]]()
    for automation in engine.automations.values():
        verdict = judge(automation, happening)
        if verdict is not Verdict.ELSEWHERE or concerns(automation, happening):
            told.newest[automation.name] = happening
        if verdict is Verdict.ELSEWHERE:
            continue
        reason = f"{verdict.value} ({happening.cause.origin.value})" if verdict is Verdict.ORIGIN else verdict.value
        if verdict is Verdict.FIRES and not _begin(engine, tx, automation, happening, told):
            reason = "told before"
        if verdict is Verdict.DEPTH:
            told.deep.append((automation.name, happening.subject))
            _note(engine, tx, automation, happening, "automation.cut", {"depth": happening.cause.depth, "by": happening.cause.by})
            question = loop_question(automation, happening.subject, None, f"{happening.cause.depth} automations, one after the other, led to it")
            holds.ask(tx, [question], engine.clock.now())
        outcomes[automation.name, reason] += 1
    automations.tally(tx, outcomes)


def keep_newest(engine: Engine, tx: Connection, told: Told) -> None:
    """Keeps the newest event of each automation, for a person who tries it out."""
    if told.newest:
        automations.keep_newest(tx, {name: event_of(happening) for name, happening in told.newest.items()}, engine.clock.now())


def _begin(engine: Engine, tx: Connection, automation: Automation, happening: Happening, told: Told) -> bool:
    """Begins a run, or holds it where the automation is set off by one record again and again; False where it was begun before."""
    now = engine.clock.now()
    often = runs.count_since(tx, automation.name, happening.subject, now - HOUR) >= RUNS_AN_HOUR_MAX and happening.automation is None
    sync, link = (happening.sync, happening.link) if happening.link is not None else (automation.sync, None)
    begun = Begun(
        automation=automation.name,
        event_key=happening.key,
        subject=happening.subject,
        edition=automation.edition,
        sync=sync,
        link=link,
        event=event_of(happening),
        cause=happening.cause,
        state=RunState.PARKED if often else RunState.RUNNING,
    )
    automations.keep_rules(tx, automation.edition, automation.written)
    numbers = runs.begin(tx, [begun], now)
    if not numbers:
        return False
    told.begun += 1
    _note(engine, tx, automation, happening, "automation.begun", {"run": numbers[0], "origin": happening.cause.origin.value})
    if often:
        told.looping.append((automation.name, happening.subject))
        reason = f"set off {RUNS_AN_HOUR_MAX} times within an hour: something may be setting it off again and again"
        holds.ask(tx, [loop_question(automation, happening.subject, numbers[0], reason)], now)
    return True


def _note(engine: Engine, tx: Connection, automation: Automation, happening: Happening, kind: str, detail: dict[str, Json]) -> None:
    told = {"automation": automation.name, "subject": happening.subject, "what": happening.what.value, **detail}
    entry = Entry(
        at=engine.clock.now(),
        run_id=engine.run_id,
        sync=happening.sync or automation.sync or "",  # type: ignore[arg-type]
        link=happening.link,
        kind=kind,
        record_id=happening.record_id,
        detail=told,
    )
    append(tx, [entry])


def begin_all(engine: Engine, tx: Connection, happenings: Iterable[Happening]) -> Told:
    """Tells what clocks brought: the items of a poll, a moment that came round."""
    told = Told()
    for happening in happenings:
        tell(engine, tx, happening, told)
    keep_newest(engine, tx, told)
    return told
