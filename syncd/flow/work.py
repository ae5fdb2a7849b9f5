"""How much is left to do, and what became of what was done.

The rule that keeps it true: idle means that nothing will happen unless somebody edits, answers or waits; what waits for a person is
counted apart from what waits for a machine.
It must not know: who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from syncd.core.record import Json
from syncd.core.rules import SyncRules
from syncd.flow.engine import Engine
from syncd.store import control, cursors, holds, inbox, journal, notices, planning, runs, suspects, writes
from syncd.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far a listing is: the records and calls so far, and about how many calls are left, where that can be told."""

    listed: int
    calls: int
    calls_left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for a machine (events, looks, plans, writes, reading, notices, runs) and what waits for a person (parked, holds, failures)."""

    events: int
    suspects: int
    plans: int
    writes: int
    reading: Mapping[str, Reading]
    parked: int
    holds: int
    failures: int
    notices: int = 0
    runs: int = 0

    @property
    def idle(self) -> bool:
        """Nothing is left for a machine."""
        return not (self.events or self.suspects or self.plans or self.writes or self.reading or self.notices or self.runs)

    def stuck(self, engine: Engine) -> bool:
        """What is left cannot be done while a system is paused."""
        return bool(engine.paused) and not self.events

    def as_json(self, engine: Engine) -> dict[str, Json]:
        """For progress rows and results."""
        return {
            "events": self.events,
            "suspects": self.suspects,
            "plans": self.plans,
            "writes": self.writes,
            "reading": list(self.reading),
            "passes": {name: asdict(each) for name, each in self.reading.items()},
            "parked": self.parked,
            "holds": self.holds,
            "failures": self.failures,
            "runs": self.runs,
            "paused": {**engine.paused, **{f"{system}/{collection}": reason for (system, collection), reason in engine.closed.items()}},
        }


def backlog(engine: Engine, tx: Connection) -> Backlog:
    """What is left, now."""
    states = writes.counts(tx)
    # A suspect whose grace period runs is waiting for time, not for us.
    soon = engine.clock.now() + engine.timing.quiet_max
    return Backlog(
        events=inbox.count_doable(tx),
        suspects=sum(len(suspects.due(tx, system, soon, 1000)) for system in engine.connectors),
        plans=sum(planning.waiting(tx, name) for name, sync in engine.syncs.items() if not _is_closed(engine, sync)),
        writes=writes.count_doable(tx),
        reading=_readings(engine, tx),
        parked=states.get("parked", 0),
        holds=sum(holds.counts(tx).values()),
        failures=states.get("dead", 0) + sum(each.get("failed", 0) for each in runs.counts(tx).values()),
        notices=notices.count_waiting(tx),
        # A run that waits for its time is waiting for time, not for us.
        runs=runs.count_doable(tx, soon),
    )


def _is_closed(engine: Engine, sync: SyncRules) -> bool:
    """Whether a collection of this sync is not used now: its plans may have to wait for a listing that does not come."""
    return any((member.system, member.collection) in engine.closed for member in sync.members.values())


def _readings(engine: Engine, tx: Connection) -> dict[str, Reading]:
    """The listings that are under way; not of a collection that is not used now."""
    known = {f"{place[0]}/{place[1]}": cursors.load(tx, place) for place in engine.places if place not in engine.closed}
    return {
        name: Reading(listed=each.listed, calls=each.calls, calls_left=each.calls_left)
        for name, each in known.items()
        if each.mode is not None
    }


def begin_run(engine: Engine, tx: Connection, kind: str, reason: str) -> int:
    """Opens a numbered run, in the place of whatever was open; its number."""
    end_run(engine, tx)
    return journal.start_run(tx, kind, reason, engine.clock.now())


def end_run(engine: Engine, tx: Connection) -> None:
    """Closes the run that is open. Everything it looked at has exactly one outcome; that it has not would be a fault in syncd, and is said."""
    for number in journal.end_runs(tx, engine.clock.now()):
        looked, counted = journal.balance(tx, number)
        engine.log.error("run.unbalanced", run=number, looked=looked, counted=counted)


def is_ready(tx: Connection, rules: SyncRules) -> bool:
    """Whether every member was listed completely at least once, so that "nobody else has it" can be believed.

    A first sync waits for what its derived fields come from as well: every record would be written a second time for it.
    """
    members = {(member.system, member.collection) for member in rules.members.values()}
    places = members if control.settled(tx, rules.name) else rules.places
    return all(cursors.load(tx, place).complete_at is not None for place in places)


def outcome_sums(tx: Connection, run_id: int | None = None) -> list[dict[str, Json]]:
    """The named outcomes, summed."""
    return [
        {"sync": sync, "outcome": outcome, "reason": reason, "count": count}
        for sync, outcome, reason, count in journal.sums(tx, run_id)
    ]

