"""Clocks: the polls and schedules that set automations off.

The rule that keeps it true: what a clock brought and when it comes round next are committed together, so a moment that passed while nobody ran is
told once, late; a poll's first answer is what was there before, and sets nothing off.
It must not know: what is set off, or a vendor's words.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.connectors.quota import Priority, priority
from syncd.core.automation import Automation, PollTrigger, ScheduleTrigger
from syncd.core.errors import ConnectorError, Unauthorized, Unavailable, UserError
from syncd.core.happening import PERSON, Cause, Claim, Happening, What, fits
from syncd.core.record import SECOND, Json, Micros, RecordId
from syncd.core.retry import delay
from syncd.core.schedule import following, latest
from syncd.core.templates import render
from syncd.flow.beginning import Told, begin_all, report
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.pause import pause_system
from syncd.store import claims, timers
from syncd.store.codec import mark_of, pack
from syncd.store.database import Connection
from syncd.store.timers import Novelty, Timer


async def watch_clocks_forever(engine: Engine) -> None:
    """Sees to whatever clock comes round, until cancelled."""
    while True:
        worked = await watch_clocks_once(engine)
        engine.progress.turned("clocks", engine.clock.monotonic())
        if not worked:
            await engine.bus.wait(Bell.RUNS, engine.timing.tick_s)


async def watch_clocks_once(engine: Engine) -> bool:
    """One turn; whether any clock had come round."""
    now = engine.clock.now()
    due = await engine.database.read(lambda tx: timers.due(tx, now))
    worked = False
    for timer in due:
        automation = engine.automations.get(timer.name)
        if automation is None or timer.paused is not None:
            continue
        match automation.trigger:
            case ScheduleTrigger():
                report(engine, await engine.database.write(lambda tx: _come_round(engine, tx, automation, timer)))  # noqa: B023 (awaited at once)
                worked = True
            case PollTrigger(system=system) if system not in engine.paused:
                await _poll(engine, automation, timer)
                worked = True
            case _:
                pass
    return worked


def start(engine: Engine, tx: Connection) -> None:
    """Notes the automations that go by a clock; a new one, or one whose clock was changed, begins now."""
    now = engine.clock.now()
    for automation in engine.automations.values():
        match automation.trigger:
            case ScheduleTrigger(schedule=schedule):
                timers.meet(tx, automation.name, f"schedule {schedule}", following(schedule, now).at, now)
            case PollTrigger() as poll:
                goes_by = pack([poll.system, poll.operation, dict(poll.values)]).decode()
                timers.meet(tx, automation.name, f"poll {goes_by}", now, now)
            case _:
                timers.meet(tx, automation.name, "", None, now)


def _come_round(engine: Engine, tx: Connection, automation: Automation, timer: Timer) -> Told:
    """A moment has come; those before it that nobody was there for are not told any more."""
    assert isinstance(automation.trigger, ScheduleTrigger)
    schedule, now = automation.trigger.schedule, engine.clock.now()
    found = latest(schedule, timer.since, now)
    timers.rest(tx, timer.name, since=max(now, timer.since), due_at=following(schedule, max(now, timer.since)).at)
    if found is None:
        return Told()
    happening = Happening(
        key=f"schedule {found.key}", what=What.DUE, cause=PERSON, at=found.at, automation=automation.name, after={"moment": found.key}
    )
    return begin_all(engine, tx, [happening])


async def _poll(engine: Engine, automation: Automation, timer: Timer) -> None:
    trigger = automation.trigger
    assert isinstance(trigger, PollTrigger)
    now = engine.clock.now()
    try:
        with priority(Priority.SWEEP):
            items = await engine.operations[trigger.system].items(trigger.operation, render(trigger.values, {"now": now}))
    except (ConnectorError, UserError) as error:
        if isinstance(error, Unauthorized) and not error.narrow:
            await pause_system(engine, trigger.system, error, None)
            return
        wish_s = error.retry_after_s if isinstance(error, Unavailable) else None
        wait = max(trigger.every, delay(timer.failures + 1, spread=engine.random.random(), wish_s=wish_s))
        engine.log.warning("automation.poll_failed", automation=timer.name, error=str(error), retry_s=round(wait / SECOND, 1))
        await engine.database.write(
            lambda tx: timers.rest(tx, timer.name, since=timer.since, due_at=now + wait, failures=timer.failures + 1)
        )
    else:
        report(engine, await engine.database.write(lambda tx: _take_items(engine, tx, automation, items, now)))


def _take_items(engine: Engine, tx: Connection, automation: Automation, items: Mapping[str, Json], asked_at: Micros) -> Told:
    """An answer: what is new or changed in it since the last one is told, but for the first."""
    trigger = automation.trigger
    assert isinstance(trigger, PollTrigger)
    timer = timers.load(tx)[automation.name]
    news = timers.find_news(tx, automation.name, {key: mark_of(tx, item) for key, item in items.items()})
    timers.rest(tx, automation.name, since=asked_at, due_at=asked_at + trigger.every, polled=True)
    if not timer.polled:
        return Told()
    found = claims.load(tx, [claims.of_record(trigger.system, key) for key in news])
    return begin_all(
        engine,
        tx,
        [
            Happening(
                key=f"poll {timer.polled} {key}",
                what=What.NEW if novelty is Novelty.NEW else What.CHANGED,
                cause=_whose(found.get(claims.of_record(trigger.system, key), []), novelty, items[key]),
                at=asked_at,
                system=trigger.system,
                record_id=RecordId(key),
                automation=automation.name,
                after=items[key] if isinstance(items[key], dict) else {"value": items[key]},
            )
            for key, novelty in news.items()
        ],
    )


def _whose(found: list[Claim], novelty: Novelty, item: Json) -> Cause:
    """Whose doing an item is: an automation's, where it made it, or where it holds a value that was written."""
    for claim in reversed(found):
        if claim.made if novelty is Novelty.NEW else any(fits(claim, name, None, value) for name, value in item.items() if value is not None):
            return claim.cause
    return PERSON
