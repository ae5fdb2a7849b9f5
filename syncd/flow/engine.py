"""What all stages work with: the store, the connectors, the rules, the clock, the bells.

Everything that makes one run differ from another comes in from outside: clock, chance, connectors, database.
The rule that keeps it true: stages get nothing from anywhere else, so a simulation can run this very code.
It must not know: where the parts come from, or which stages there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

import anyio

from syncd.config.secrets import Secrets
from syncd.connectors.base import Capabilities, Connector
from syncd.connectors.operating import Operations
from syncd.core.automation import Automation, AutomationName, HubTrigger, RecordTrigger, WebhookTrigger
from syncd.core.happening import Origin, What
from syncd.core.record import MINUTE, SECOND, MemberName, Micros, Ref, SyncName, SystemName
from syncd.core.rules import Guards, MemberRule, SyncRules
from syncd.flow.bus import Bus
from syncd.flow.tally import Tally
from syncd.store.database import Database
from syncd.store.observations import Place, Routes
from syncd.store.retention import Keep

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger  # the library itself is the business of whoever logs

LIVE, OLD, FIRST = 10, 20, 30
"""Outbox priorities: up to LIVE are changes somebody just made; OLD is what other rules, or a mended row, make of values that were there; FIRST is
the backlog of a first sync. A change somebody just made goes before both."""


class Clock(Protocol):
    """The wall clock in microseconds, and a clock that only goes forward, in seconds."""

    def now(self) -> Micros: ...

    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often and how long.

    A look at a record is good enough to write upon it for `fresh`; for `fresh_many` where many are written together; and for
    `fresh_first` in a first sync, which has just listed everything. Word of a change ends any of these at once. After a turn that found
    something to do, a stage waits `gather_s` for more: a turn for one record costs nearly as much as one for twenty.
    """

    poll_min: Micros = MINUTE
    poll_max: Micros = 15 * MINUTE
    full_pass: Micros = 24 * 60 * MINUTE
    quiet: Micros = 2 * SECOND
    quiet_max: Micros = 10 * SECOND
    fresh: Micros = 2 * SECOND
    fresh_many: Micros = 30 * SECOND
    fresh_first: Micros = 10 * MINUTE
    lease: Micros = 5 * MINUTE
    tick_s: float = 1.0
    gather_s: float = 0.02
    keep: Keep = field(default_factory=Keep)


def usual_pass_every(facts: Capabilities, full_pass: Micros) -> Micros:
    """How often a collection is listed completely where no member says so."""
    if facts.pass_every is not None:
        return facts.pass_every
    return full_pass if facts.incremental else 0


def relisted_after(doubted: int, shortest: Micros, every: Micros) -> Micros:
    """How long after a first complete pass that was not believed the next one is due: twice as long each time, but no longer than is usual.

    `doubted` were not believed in a row, `shortest` is the pause after the first, `every` the usual one.
    """
    return min(every, shortest << min(doubted - 1, 32)) if doubted else 0


@dataclass(slots=True, kw_only=True)
class Progress:
    """Signs of life: when each stage last completed a turn (monotonic seconds), and what could not be committed."""

    turns: dict[str, float] = field(default_factory=dict)

    def turned(self, stage: str, at: float) -> None:
        """A stage has come round once more."""
        self.turns[stage] = at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    """Who reads which collections, by syncs and automations that it was made for."""

    syncs: Mapping[SyncName, SyncRules]
    automations: Mapping[AutomationName, Automation]
    watched: frozenset[Place]
    routes: Routes


@dataclass(slots=True, kw_only=True)
class Engine:
    """The parts of one running syncd."""

    database: Database
    connectors: Mapping[SystemName, Connector]
    syncs: Mapping[SyncName, SyncRules]
    clock: Clock
    random: Random
    log: FilteringBoundLogger
    timing: Timing = field(default_factory=Timing)
    bus: Bus = field(default_factory=Bus)
    progress: Progress = field(default_factory=Progress)
    tally: Tally = field(default_factory=Tally)
    run_id: int = 0
    paused: dict[SystemName, str] = field(default_factory=dict)
    closed: dict[Place, str] = field(default_factory=dict)
    shields: set[anyio.CancelScope] = field(default_factory=set)
    only: frozenset[int] | None = None
    """The only writes that may be carried out, by their numbers in the outbox; None: all of them."""
    stop_by: float | None = None
    started_at: Micros = field(init=False)
    automations: Mapping[AutomationName, Automation] = field(default_factory=dict)
    operations: Mapping[SystemName, Operations] = field(default_factory=dict)
    """What automations can call, by system."""
    secrets: Secrets | None = field(default=None, repr=False)
    """Reads a secret at the moment it is needed."""
    _mapped: _Map | None = field(default=None, init=False, repr=False)
    listings_from: Micros = 0
    """No listing begins earlier: it would not show all that was done in a life which the database has forgotten."""

    def __post_init__(self) -> None:
        """Notes when this life began: what was read before may be from a copy that somebody put back."""
        self.started_at = self.clock.now()

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Shields a call to a vendor and the recording of its outcome from cancellation, for as long as a stop allows."""
        with anyio.CancelScope(shield=True) as scope:
            if self.stop_by is not None:
                scope.deadline = self.stop_by
            self.shields.add(scope)
            try:
                yield
            finally:
                self.shields.discard(scope)

    async def gather(self) -> None:
        """Waits a moment for more to do, after a turn that found something."""
        if self.timing.gather_s:
            await anyio.sleep(self.timing.gather_s)

    def stop_within(self, grace_s: float) -> None:
        """Gives what is being finished so much longer. What is cut off is of unknown outcome, and is looked for at the next start."""
        self.stop_by = anyio.current_time() + grace_s
        for scope in self.shields:
            scope.deadline = self.stop_by

    @property
    def routes(self) -> Routes:
        """Which syncs read each collection, as which member; or, for a derived field, as what its children stand beside the members."""
        return self._map.routes

    @property
    def watched(self) -> frozenset[Place]:
        """The collections whose changes automations are told: those they name, and all of the syncs that these, or a hub they name, are part of.

        All of a sync's, because what an automation does on one side comes out on the others by the sync, and is its doing there as well.
        """
        return self._map.watched

    @property
    def _map(self) -> _Map:
        """Asked for with every record: made once for these syncs and automations."""
        known = self._mapped
        if known is None or known.syncs is not self.syncs or known.automations is not self.automations:
            watched, nobody = self._find_watched(), tuple[tuple[SyncName, MemberName], ...]()
            routes = dict.fromkeys(watched, nobody) | dict(routes_of(self.syncs))
            known = self._mapped = _Map(syncs=self.syncs, automations=self.automations, watched=watched, routes=routes)
        return known

    def _find_watched(self) -> frozenset[Place]:
        triggers = [automation.trigger for automation in self.automations.values()]
        found: set[Place] = {(each.system, each.collection) for each in triggers if isinstance(each, RecordTrigger)}
        hubs = {each.sync for each in triggers if isinstance(each, HubTrigger)}
        while True:
            told = [sync for sync in self.syncs.values() if sync.name in hubs or found & _places(sync)]
            more = found.union(*(_places(sync) for sync in told))
            if more == found:
                return frozenset(found)
            found = more

    def is_told(self, sync: SyncName) -> bool:
        """Whether automations are told of this sync's hubs."""
        return bool(self.automations) and bool(self.watched & _places(self.syncs[sync]))

    @property
    def wants_backlog(self) -> bool:
        """Whether an automation is meant for what was there before, too."""
        return any(Origin.BACKFILL in each.origins for each in self.automations.values())

    def awaits(self, system: SystemName, word: str | None = None) -> bool:
        """Whether an automation waits for this kind of webhook of a system, or for any."""
        waiting = [each.trigger for each in self.automations.values() if isinstance(each.trigger, WebhookTrigger)]
        return any(each.system == system and word in (None, each.word) for each in waiting)

    @property
    def places(self) -> list[Place]:
        """Every collection that is read."""
        return sorted(self.routes)

    def rule(self, sync: SyncName, member: MemberName) -> MemberRule:
        """One member's rule."""
        return self.syncs[sync].members[member]

    def mapped_paths(self, place: Place) -> frozenset[str]:
        """The vendor paths of a collection that any sync reads, or any automation watches by name."""
        found = set(self.watched_paths(place))
        for sync, member in self.routes.get(place, ()):
            for rule in self.syncs[sync].fields.values():
                if rule.derived is not None and rule.derived.children == member:
                    found |= rule.derived.paths
                elif member in rule.members and (rule.derived is None or rule.derived.member != member):
                    found.update(rule.members[member].paths)
        return frozenset(found)

    def watched_paths(self, place: Place) -> frozenset[str]:
        """The vendor paths of a collection that any automation watches by name."""
        triggers = [each.trigger for each in self.automations.values() if isinstance(each.trigger, RecordTrigger)]
        return frozenset(path for each in triggers if (each.system, each.collection) == place for path in each.fields)

    def watches_all(self, place: Place) -> bool:
        """Whether an automation watches whatever changes in a collection."""
        triggers = [each.trigger for each in self.automations.values() if isinstance(each.trigger, RecordTrigger)]
        return any((each.system, each.collection) == place and each.what is What.UPDATED and not each.fields for each in triggers)

    def grace(self, place: Place) -> Micros:
        """How long a record of this collection must stay away before it counts as deleted: the most careful sync decides."""
        return max((self.syncs[sync].guards.delete_grace for sync, _ in self.routes[place]), default=Guards().delete_grace)

    def pass_every(self, place: Place) -> Micros:
        """How long after one complete pass began the next one is due: the most eager sync decides, else what is usual for the collection.

        Where nothing else shows changes and nothing is said, every poll is a complete pass.
        """
        facts = self.connectors[place[0]].capabilities(place[1])
        members = (self.syncs[sync].members.get(member) for sync, member in self.routes.get(place, ()))
        said = [each.pass_every for each in members if each is not None and each.pass_every is not None]
        return min(said, default=usual_pass_every(facts, self.timing.full_pass))

    def modified_error(self, ref: Ref) -> Micros:
        """How far a modified time of this record's system may be off, its grain included."""
        connector = self.connectors[ref.system]
        return connector.skew().error + connector.capabilities(ref.collection).modified_resolution


def _places(sync: SyncRules) -> set[Place]:
    return {(member.system, member.collection) for member in sync.members.values()}


def routes_of(syncs: Mapping[SyncName, SyncRules]) -> Routes:
    """Which syncs read each collection, as which member; or, for a derived field, as what its children stand beside the members."""
    routes: dict[Place, list[tuple[SyncName, MemberName]]] = {}
    for sync in syncs.values():
        for member in sync.members.values():
            routes.setdefault((member.system, member.collection), []).append((sync.name, member.name))
        for name, place in sync.children.items():
            routes.setdefault(place, []).append((sync.name, name))
    return routes
