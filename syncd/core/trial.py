"""Trying an automation out: an event made again from what it was written down as, and why a trigger takes it or not.

The rule that keeps it true: an event that was written down and made again is judged as it was the first time; the reasons say no more than `judge` does.
It must not know: steps, or where the event was kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from syncd.core.automation import (
    Automation,
    HubTrigger,
    PollTrigger,
    RecordTrigger,
    ScheduleTrigger,
    Trigger,
    WebhookTrigger,
    meant,
)
from syncd.core.happening import PERSON, Cause, Happening, Origin, What
from syncd.core.record import Json, LinkId, Micros, RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that a trigger asks for, and what the event has."""

    asks: str
    found: Json
    met: bool


def happening_of(event: Mapping[str, Json], automation: Automation) -> Happening:
    """The happening behind an event as `event_of` wrote it down. Raises ValueError or TypeError where it is none."""
    what = What(event["what"])
    own = what in (What.NEW, What.CHANGED, What.DUE)
    before, after = event.get("before"), event.get("after")
    return Happening(
        key=str(event.get("key", "tried out")),
        what=what,
        cause=Cause(Origin(event.get("origin", PERSON.origin.value)), int(event.get("depth", 0))),
        at=int(event.get("at", 0)),
        system=_text(event, "system"),  # type: ignore[arg-type]
        collection=_text(event, "collection"),  # type: ignore[arg-type]
        record_id=_text(event, "id"),  # type: ignore[arg-type]
        sync=_text(event, "sync"),  # type: ignore[arg-type]
        link=LinkId(int(event["link"])) if event.get("link") is not None else None,
        automation=automation.name if own else None,
        word=_text(event, "word") or "",
        changed=frozenset(event.get("changed", ())),
        before=dict(before or {}) if before or what is What.DELETED else None,
        after=dict(after or {}) if what is not What.DELETED else None,
    )


def _text(event: Mapping[str, Json], name: str) -> str | None:
    return None if event.get(name) is None else str(event[name])


def happening_from(record: Mapping[str, Json], automation: Automation, at: Micros) -> Happening:
    """What the trigger waits for, happening now to a record (or a hub, an item, a webhook) with these values: a person's doing."""
    whole = Happening(key="tried out", what=What.CREATED, cause=PERSON, at=at, after=record)
    own = str(record["id"]) if record.get("id") is not None else None
    match automation.trigger:
        case RecordTrigger(system=system, collection=collection, what=what):
            found = replace(whole, what=what, system=system, collection=collection, record_id=RecordId(own or ""))
        case HubTrigger(sync=sync, what=what):
            found = replace(whole, what=what, sync=sync, link=LinkId(0))
        case WebhookTrigger(system=system, word=word):
            found = replace(whole, what=What.WEBHOOK, system=system, word=word, record_id=None if own is None else RecordId(own))
        case PollTrigger(system=system):
            found = replace(whole, what=What.NEW, system=system, record_id=RecordId(own or ""), automation=automation.name)
        case ScheduleTrigger():
            found = replace(whole, what=What.DUE, automation=automation.name)
    if found.what is What.DELETED:
        return replace(found, before=record, after=None)
    return replace(found, changed=frozenset(record), before={}) if found.what is What.UPDATED else found


def reasons(automation: Automation, happening: Happening) -> Iterator[Reason]:
    """What the trigger and the limits around it ask for, one by one."""
    trigger = automation.trigger
    match trigger:
        case RecordTrigger(system=system, collection=collection, what=what, fields=fields):
            place = f"{happening.system}/{happening.collection}" if happening.link is None else f"syncs/{happening.sync}"
            yield Reason(asks=f"{system}/{collection}", found=place, met=place == f"{system}/{collection}")
            yield from _what(what, happening)
            if fields and what is What.UPDATED:
                moved = [path for path, kind in fields.items() if _alone(automation, replace(trigger, fields={path: kind}), happening)]
                yield Reason(asks=f"one of {', '.join(fields)} changed", found=moved or sorted(happening.changed), met=bool(moved))
        case HubTrigger(sync=sync, what=what, field=field, to=to):
            yield Reason(asks=f"syncs/{sync}", found=happening.sync, met=happening.sync == sync and happening.link is not None)
            yield from _what(what, happening)
            if field is not None:
                yield Reason(asks=f"{field} changed", found=sorted(happening.changed), met=field in happening.changed)
            if field is not None and to is not None:
                met = _alone(automation, replace(trigger, what=happening.what), happening)
                yield Reason(asks=f"{field} is {to}", found=(happening.after or {}).get(field), met=met)
        case WebhookTrigger(system=system, word=word):
            yield Reason(asks=f"a webhook of {system}", found=happening.system, met=happening.what is What.WEBHOOK and happening.system == system)
            yield Reason(asks=word, found=happening.word, met=happening.word == word)
        case PollTrigger() | ScheduleTrigger():
            yield Reason(asks="its own poll" if isinstance(trigger, PollTrigger) else "its own schedule", found=happening.what.value, met=meant(automation, happening))
    if not isinstance(trigger, ScheduleTrigger):
        origins, cause = automation.origins, happening.cause
        yield Reason(asks=f"caused by {' or '.join(sorted(each.value for each in origins))}", found=cause.origin.value, met=cause.origin in origins)
        if cause.origin is Origin.AUTOMATION:
            yield Reason(asks=f"at most {automation.depth_max} automations before it", found=cause.depth, met=cause.depth <= automation.depth_max)


def _what(what: What, happening: Happening) -> Iterator[Reason]:
    yield Reason(asks=what.value, found=happening.what.value, met=happening.what is what)


def _alone(automation: Automation, trigger: Trigger, happening: Happening) -> bool:
    return meant(replace(automation, trigger=trigger), happening)
