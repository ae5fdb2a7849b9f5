"""What listing each collection costs, how far a listing is, and what polling cannot see: in figures and in sentences.

The rule that keeps it true: what a pass took was counted; where none has ended yet it is reckoned from what is known, and said to be.
It must not know: any vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.cli.quotas import quota_of
from syncd.cli.text import counted, duration
from syncd.config import Settings
from syncd.connectors.base import Capabilities
from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS
from syncd.core.record import DAY, SECOND, CollectionName, Json, Micros
from syncd.flow.engine import usual_pass_every
from syncd.store import cursors, observations
from syncd.store.database import Connection
from syncd.store.observations import Place

_EXAMPLE = 10_000
_HALF = 0.5
"""A pass that may take more of a day than this leaves too little to whatever comes up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """How often a collection is listed completely and what that costs.

    `calls` of one pass, `of` which many records where it is reckoned, and whence that number is; a day takes from `least` to `most` of `daily`.
    """

    every_s: float
    calls: int | None
    counted: bool
    of: str
    least: int | None
    most: int | None
    daily: int | None

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {
            "every_s": self.every_s,
            "calls": self.calls,
            "counted": self.counted,
            "of": self.of,
            "calls_a_day": self.least,
            "calls_a_day_at_most": self.most,
            "daily_limit": self.daily,
        }

    def sentence(self) -> str:
        """For people."""
        often = f"all are listed every {duration(self.every_s)}" if self.every_s else "every poll lists all"
        if self.calls is None or self.least is None or self.most is None:
            return often
        about = "" if self.counted else "about "
        day = counted(self.most, "call") if self.least == self.most else f"{self.least:,} to {self.most:,} calls"
        share = f" of {self.daily:,} ({self.most / self.daily:.1%}{'' if self.least == self.most else ' at most'})" if self.daily else ""
        dear = "; `pass_every` on its member says how often" if self.daily and self.most > _HALF * self.daily else ""
        return f"{often}: {about}{counted(self.calls, 'call')}{self.of}, {day} a day{share}{dear}"


def places_of(settings: Settings) -> list[Place]:
    """Every collection that a sync reads."""
    return sorted({place for sync in settings.syncs.values() for place in sync.places})


def facts_of(settings: Settings, place: Place) -> Capabilities:
    """What is known of a collection without asking its account."""
    return KINDS[settings.systems[place[0]].kind].capabilities(place[1])


def pass_every(settings: Settings, place: Place) -> Micros:
    """How often a collection is listed completely: as its most eager member says, else as is usual for it."""
    members = [each for sync in settings.syncs.values() for each in sync.members.values() if (each.system, each.collection) == place]
    said = [each.pass_every for each in members if each.pass_every is not None]
    return min(said, default=usual_pass_every(facts_of(settings, place), settings.daemon.full_pass))


def passes_of(settings: Settings, place: Place, tx: Connection | None = None, listed: Mapping[Place, int] | None = None) -> Passes:
    """What listing a collection costs: by the database, else by how many records were `listed` just now, else for an example."""
    facts = facts_of(settings, place)
    every = pass_every(settings, place)
    calls, is_counted, of = _calls(facts, place, tx, listed or {})
    seldom, often = max(every, settings.daemon.poll_max), max(every, settings.daemon.poll_min)
    if every >= settings.daemon.poll_max or facts.incremental:
        seldom = often = every
    return Passes(
        every_s=every / SECOND,
        calls=calls,
        counted=is_counted,
        of=of,
        least=None if calls is None else calls * DAY // seldom,
        most=None if calls is None else calls * DAY // often,
        daily=_daily(settings, place, tx),
    )


def _calls(facts: Capabilities, place: Place, tx: Connection | None, listed: Mapping[Place, int]) -> tuple[int | None, bool, str]:
    """The calls of one pass, whether they were counted, and if not, for how many records they were reckoned and who says so."""
    done = cursors.load(tx, place).complete_calls if tx is not None else None
    if done is not None:
        return done, True, ""
    if facts.pass_cost is None:
        return None, False, ""
    of = facts.pass_cost.of or "records"
    whose = (place[0], CollectionName(facts.pass_cost.of or place[1]))
    if now := listed.get(whose):
        return facts.pass_cost.of_many(now), False, f" for {now:,} {of}, as listed just now"
    if known := observations.count_alive(tx, whose) if tx is not None else 0:
        return facts.pass_cost.of_many(known), False, f" for {known:,} {of}, as last seen"
    example = min(_EXAMPLE, _EXAMPLE * facts.pass_cost.per // facts.pass_cost.calls)
    return facts.pass_cost.of_many(example), False, f" for {example:,} {of}, say"


def _daily(settings: Settings, place: Place, tx: Connection | None) -> int | None:
    if tx is not None:
        return quota_of(tx, settings, place[0]).snapshot().daily_limit
    system = settings.systems[place[0]]
    return KINDS[system.kind].quota(place[0], system.options, SystemClock()).snapshot().daily_limit


def blind_spots(settings: Settings) -> dict[str, str]:
    """What polling cannot see, by collection."""
    spots = {f"{place[0]}/{place[1]}": facts_of(settings, place).misses for place in places_of(settings)}
    return {name: misses for name, misses in spots.items() if misses}


def reading_now(reading: Mapping[str, Json]) -> str:
    """How far a listing is, in a few words."""
    told = f"{reading['listed']:,} so far"
    if reading.get("calls_left") is None:
        return told
    return f"{told}, about {counted(int(reading['calls_left']), 'call')} to go" if reading["calls_left"] else told
