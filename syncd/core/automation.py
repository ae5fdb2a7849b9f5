"""Automations as rules: what sets one off, whether it may, and what it then does.

`judge` says what one automation makes of one happening; its steps are read by `core.steps`.
The rule that keeps it true: rules are frozen; the same happening always gets the same answer; what is not fired upon has a reason in words.
It must not know: TOML, vendors, how steps are carried out, or what was done before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NewType, TypeAlias

from syncd.core.fields import FieldType
from syncd.core.happening import Happening, Origin, What, same
from syncd.core.record import MINUTE, CollectionName, FieldName, Json, Micros, SyncName, SystemName
from syncd.core.schedule import Schedule
from syncd.core.steps import Rules
from syncd.core.templates import NOTHING, look_up

AutomationName = NewType("AutomationName", str)
DEPTH_MAX = 3
RUNS_AN_HOUR_MAX = 20
"""More runs of one automation about one record within an hour than this are no person editing: something sets it off again and again."""
USUAL_ORIGINS = frozenset({Origin.PERSON, Origin.SYNC})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTrigger:
    """A record of a collection was created, updated or deleted. `fields` are vendor paths with their types; none: any change counts."""

    system: SystemName
    collection: CollectionName
    what: What
    fields: Mapping[str, FieldType | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubTrigger:
    """A link of a sync came to be, ended, or changed: any field, or one `field`, to any value or to `to`."""

    sync: SyncName
    what: What
    field: FieldName | None = None
    type: FieldType = FieldType.TEXT
    to: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTrigger:
    """A webhook of this kind came in, whatever it is about."""

    system: SystemName
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollTrigger:
    """A read operation of a catalogue is called `every` so often; each item that is new or changed in its answer is a happening."""

    system: SystemName
    operation: str
    values: Mapping[str, Json]
    every: Micros = 5 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTrigger:
    """A moment comes round."""

    schedule: Schedule


Trigger: TypeAlias = RecordTrigger | HubTrigger | WebhookTrigger | PollTrigger | ScheduleTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """One automation. `written` is what its runs go by as plain JSON, from which it can be made again; `edition` changes when that does.

    `sync` is whose hub, links and members its conditions and templates speak of. Where its condition reads what only a link tells, which may not be
    there yet when a record is new, it is asked when the run begins (`rules.late`).
    """

    name: AutomationName
    trigger: Trigger
    rules: Rules
    written: Json
    edition: str
    origins: frozenset[Origin] = USUAL_ORIGINS
    sync: SyncName | None = None
    depth_max: int = DEPTH_MAX


class Verdict(Enum):
    """What an automation makes of a happening. All but ELSEWHERE are counted."""

    FIRES = "fired"
    ELSEWHERE = "not meant"
    ORIGIN = "of an origin that is not meant"
    DEPTH = "too many automations led to it"
    CONDITION = "its condition was not met"


def judge(automation: Automation, happening: Happening) -> Verdict:
    """What it makes of a happening.

    | the happening                                                  | verdict   |
    |----------------------------------------------------------------|-----------|
    | is not what the trigger names                                  | ELSEWHERE |
    | was caused by something outside `origins`                      | ORIGIN    |
    | was caused by an automation, with more than `depth_max` before | DEPTH     |
    | does not meet `when`, as far as the happening itself tells     | CONDITION |
    | otherwise                                                      | FIRES     |
    """
    if not meant(automation, happening):
        return Verdict.ELSEWHERE
    if isinstance(automation.trigger, ScheduleTrigger):
        return Verdict.FIRES if _admits(automation, happening) else Verdict.CONDITION
    if happening.cause.origin not in automation.origins:
        return Verdict.ORIGIN
    if happening.cause.origin is Origin.AUTOMATION and happening.cause.depth > automation.depth_max:
        return Verdict.DEPTH
    return Verdict.FIRES if _admits(automation, happening) else Verdict.CONDITION


def _admits(automation: Automation, happening: Happening) -> bool:
    return automation.rules.late or automation.rules.when.admits(Facts({"event": event_of(happening)}))


def meant(automation: Automation, happening: Happening) -> bool:
    """Whether the trigger names this happening, whoever caused it."""
    match automation.trigger:
        case RecordTrigger(system=system, collection=collection, what=what, fields=fields):
            if happening.link is not None or (happening.system, happening.collection, happening.what) != (system, collection, what):
                return False
            return what is not What.UPDATED or not fields or any(_moved(happening, path, kind) for path, kind in fields.items())
        case HubTrigger(sync=sync, what=what) as trigger:
            return happening.sync == sync and happening.link is not None and happening.what is what and _reached(trigger, happening)
        case WebhookTrigger(system=system, word=word):
            return happening.what is What.WEBHOOK and (happening.system, happening.word) == (system, word)
        case PollTrigger() | ScheduleTrigger():
            return happening.automation == automation.name


def concerns(automation: Automation, happening: Happening) -> bool:
    """Whether it is what the trigger names but for the fields and values that it waits for."""
    match automation.trigger:
        case RecordTrigger() as trigger:
            return meant(replace(automation, trigger=replace(trigger, fields={})), happening)
        case HubTrigger() as trigger:
            return meant(replace(automation, trigger=replace(trigger, field=None, to=None)), happening)
        case _:
            return meant(automation, happening)


def _moved(happening: Happening, path: str, kind: FieldType | None) -> bool:
    """Whether a watched field came to another value, whatever the spelling its type allows."""
    before, after = happening.before or {}, happening.after or {}
    return path in happening.changed and not same(before.get(path), after.get(path), kind)


def _reached(trigger: HubTrigger, happening: Happening) -> bool:
    if trigger.field is None:
        return True
    if trigger.field not in happening.changed:
        return False
    return trigger.to is None or same((happening.after or {}).get(trigger.field), trigger.to, trigger.type)


def event_of(happening: Happening) -> dict[str, Json]:
    """The happening as templates and conditions see it: what the record (or hub, item, webhook) now shows, and facts about the event itself."""
    now = happening.after if happening.after is not None else happening.before or {}
    facts: dict[str, Json] = {
        "key": happening.key,
        "what": happening.what.value,
        "origin": happening.cause.origin.value,
        "depth": happening.cause.depth,
        "at": happening.at,
        "changed": sorted(happening.changed),
        "before": dict(happening.before or {}),
        "after": dict(happening.after or {}),
    }
    if happening.record_id is not None:
        facts["id"] = happening.record_id
    named = {"system": happening.system, "collection": happening.collection, "sync": happening.sync, "link": happening.link}
    facts |= {name: value for name, value in named.items() if value is not None}
    if happening.word:
        facts["word"] = happening.word
    return {**now, **facts}


EVENT_FACTS = ("key", "what", "origin", "depth", "at", "changed", "before", "after", "id", "system", "collection", "sync", "link", "word")


class Facts(Mapping[str, Json]):
    """What a condition reads, by its name: ``event.…``, ``hub.…`` and whatever else is known; a bare name is a field of the event, or of the hub."""

    def __init__(self, known: Mapping[str, Json]) -> None:
        self._known = known
        event = known.get("event") or {}
        self._bare: Json = event.get("after") or event.get("before") or {}
        if "hub" not in known and "sync" in event:
            self._known = {**known, "hub": self._bare}

    def __getitem__(self, name: str) -> Json:
        if name in self._bare:
            return self._bare[name]
        for at in (name, f"hub.{name}"):
            if (found := look_up(self._known, at)) is not NOTHING:
                return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
