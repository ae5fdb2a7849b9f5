"""What automations cost of a vendor's day: the calls of their runs and polls, in figures and in sentences.

The rule that keeps it true: polls and schedules are reckoned exactly; what events set off is as much as it was within the last day, times what one run
calls at least and at most; a call that is tried again, or whose answer has many pages, takes more.
It must not know: any vendor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from syncd.cli.quotas import quota_of
from syncd.cli.text import counted, duration
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.connectors.quota import Priority, daily_share
from syncd.connectors.registry import KINDS
from syncd.core.automation import Automation, PollTrigger, ScheduleTrigger
from syncd.core.record import DAY, HOUR, SECOND, Json, Micros, SystemName
from syncd.core.schedule import Rhythm
from syncd.core.steps import cost_of
from syncd.store import automations, runs
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one automation takes of a day. `runs` is None where no event has come in yet; `calls` are, by system, those at least and at most,

    and `each` those of one run.
    """

    name: str
    polled: str
    runs: float | None
    calls: dict[SystemName, tuple[float, float]]
    each: dict[SystemName, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What all automations take, beside the `daily` limits of the systems that have one."""

    costs: tuple[Cost, ...] = ()
    daily: dict[SystemName, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {
            "automations": {
                cost.name: {
                    "runs_a_day": cost.runs,
                    "calls_a_run": {system: {"least": least, "most": most} for system, (least, most) in cost.each.items()},
                    "calls_a_day": {
                        system: {"least": least, "most": most, "daily_limit": self.daily.get(system)} for system, (least, most) in cost.calls.items()
                    },
                }
                for cost in self.costs
            },
            "warnings": list(self.warnings()),
        }

    def sentences(self) -> Iterator[str]:
        """For people, a line for each automation."""
        for cost in self.costs:
            told = [] if not cost.polled else [cost.polled]
            if cost.runs is None:
                told += ["no events yet", *(f"{_span(*calls)} of {system} a run" for system, calls in cost.each.items())]
            else:
                told.append(f"about {_number(cost.runs)} {'run' if cost.runs == 1 else 'runs'} a day")
            told += [self._share(system, *calls) for system, calls in cost.calls.items() if cost.runs is not None or calls[1]]
            yield f"{cost.name}: {', '.join(told)}" + ("" if cost.calls else ", calls no vendor")

    def _share(self, system: SystemName, least: float, most: float) -> str:
        limit = self.daily.get(system)
        return f"{_span(least, most)} of {system} a day" + (f" of {limit:,} ({most / limit:.1%})" if limit else "")

    def warnings(self) -> Iterator[str]:
        """What takes more of a day than is left to automations: one by itself, or all together."""
        for system, limit in self.daily.items():
            free = limit * daily_share(Priority.AUTOMATION)
            alone = [cost for cost in self.costs if cost.calls.get(system, (0, 0))[1] > free]
            for cost in alone:
                yield _warning(f"{cost.name} {_takes(cost.calls[system], free)}", cost.calls[system][1], system, free, limit)
            sums = [sum(cost.calls.get(system, (0, 0))[side] for cost in self.costs) for side in (0, 1)]
            if sums[1] > free and not alone:
                yield _warning(f"all automations together {_takes((sums[0], sums[1]), free)}", sums[1], system, free, limit)


def _span(least: float, most: float) -> str:
    return f"{_number(least)} to {_number(most)} calls" if least != most else f"{_number(most)} call{'' if most == 1 else 's'}"


def _takes(calls: tuple[float, float], free: float) -> str:
    return "take" if calls[0] > free else "may take"


def _warning(who: str, most: float, system: SystemName, free: float, limit: int) -> str:
    return f"{who} {_number(most)} calls of {system} a day, and {_number(free)} of its {limit:,} are free for automations; what is over waits for the next day"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 1 or number == 0 else f"{number:.1g}"


def spending_of(settings: Settings, tx: Connection | None, now: Micros) -> Spending:
    """What the automations take of a day; without a database only what comes round by the clock is known."""
    begun = runs.begun_since(tx, now - DAY) if tx is not None else {}
    told = automations.outcomes(tx) if tx is not None else {}
    costs = tuple(_cost(automation, begun.get(name, 0) if name in told else None) for name, automation in settings.automations.items())
    daily = {system: limit for system in {name for cost in costs for name in cost.calls} if (limit := _daily(settings, system, tx)) is not None}
    return Spending(costs=costs, daily=dict(sorted(daily.items())))


def _cost(automation: Automation, begun: int | None) -> Cost:
    trigger, often, polled = automation.trigger, None if begun is None else float(begun), ""
    if isinstance(trigger, ScheduleTrigger):
        schedule = trigger.schedule
        often = DAY / {Rhythm.EVERY: schedule.every, Rhythm.HOURLY: HOUR, Rhythm.DAILY: DAY, Rhythm.WEEKLY: 7 * DAY}[schedule.rhythm]
    each = cost_of(automation.rules.steps)
    calls = {system: ((often or 0) * least, (often or 0) * most) for system, (least, most) in each.items()}
    if isinstance(trigger, PollTrigger):
        polls = DAY / trigger.every
        polled = f"polled every {duration(trigger.every / SECOND)}: {counted(round(polls), 'poll')} a day"
        least, most = calls.get(trigger.system, (0.0, 0.0))
        calls[trigger.system] = (least + polls, most + polls)
    return Cost(name=automation.name, polled=polled, runs=often, calls=calls, each=each)


def _daily(settings: Settings, system: SystemName, tx: Connection | None) -> int | None:
    if tx is not None:
        return quota_of(tx, settings, system).snapshot().daily_limit
    found = settings.systems[system]
    return KINDS[found.kind].quota(system, found.options, SystemClock()).snapshot().daily_limit
