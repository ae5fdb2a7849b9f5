"""What sets an automation off: a record, a hub, a webhook, a poll or a schedule.

The rule that keeps it true: a trigger is taken only where the connector can see what it names; one that never could come true is a problem here,
not a silence later.
It must not know: what follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from syncd.config.durations import parse_duration, spell_duration
from syncd.config.kinds import CollectionFacts
from syncd.config.models import validate
from syncd.config.reach import Reach, check_template
from syncd.config.section import Section, describe
from syncd.config.steps import check_parameters, find_operation
from syncd.config.systems import System
from syncd.core.automation import HubTrigger, PollTrigger, RecordTrigger, ScheduleTrigger, Trigger, WebhookTrigger
from syncd.core.fields import FieldType, Unreadable, read
from syncd.core.happening import What
from syncd.core.record import MINUTE, SECOND, CollectionName, FieldName, Json, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.core.schedule import Rhythm, Schedule
from syncd.core.templates import TemplateError, tokens

_RECORD = re.compile(r"(\S+)/(\S+) (created|updated|deleted)")
_HUB = re.compile(r"syncs/(\S+) (created|updated|deleted)")
_FIELD = re.compile(r"syncs/(\S+) (\S+) changed(?: to (.+))?")
_WEBHOOK = re.compile(r"(\S+) webhook (\S+)")
_FORMS = (
    'write on = "SYSTEM/COLLECTION created" (or updated, deleted), "syncs/NAME created", "syncs/NAME FIELD changed", "syncs/NAME FIELD changed to'
    ' VALUE" or "SYSTEM webhook KIND"'
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SCHEDULE = re.compile(
    r"(?:every (?P<every>\S+)|hourly(?: :(?P<past>[0-5]\d))?|(?:daily|weekly (?P<day>[a-z]+)) (?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d))"
    r"(?: (?P<zone>[A-Za-z][A-Za-z0-9_+/-]*))?"
)
_SCHEDULES = 'write "daily 07:00 Europe/London", "weekly monday 07:00 Europe/London", "hourly :15" or "every 10m"'
_SOONEST = 10 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A trigger as it was read; of a record's, what is known of its collection."""

    trigger: Trigger
    facts: CollectionFacts | None = None


def read_trigger(section: Section, systems: Mapping[SystemName, System], syncs: Mapping[SyncName, SyncRules]) -> Read | None:
    """The trigger, or None after reporting why there is none."""
    given = [key for key in ("on", "poll", "schedule") if key in section]
    if len(given) != 1:
        what = f"is set off by {' and '.join(given)} at once" if given else "nothing sets it off"
        section.problem(what, mend="write one of `on`, `poll` and `schedule`")
        for key in ("on", "poll", "schedule", "fields", "in", "every", "with"):
            section.take(key)
        return None
    found = _READERS[given[0]](section, systems, syncs)
    for key, owner in (("fields", "on"), ("in", "on"), ("every", "poll"), ("with", "poll")):
        if key in section and owner not in section:
            section.take(key)
            section.problem(f"belongs to `{owner}`", key, mend="take it out")
    return found


def _read_on(section: Section, systems: Mapping[SystemName, System], syncs: Mapping[SyncName, SyncRules]) -> Read | None:
    written = " ".join((section.text("on") or "").split())
    fields = section.texts("fields")
    found: Trigger | None
    if (match := _HUB.fullmatch(written)) or (match := _FIELD.fullmatch(written)):
        found = _read_hub(section, match, syncs)
        _refuse(section, "fields", 'a hub has one field in `on`: "syncs/NAME FIELD changed"')
    elif match := _RECORD.fullmatch(written):
        return _read_record(section, match, fields, systems, syncs)
    elif match := _WEBHOOK.fullmatch(written):
        found = _read_webhook(section, match, systems)
        _refuse(section, "fields", "a webhook is told whole")
    else:
        if "on" in section and isinstance(section.table["on"], str):
            section.problem(f"{describe(written)} is nothing that happens", "on", mend=_FORMS)
        section.take("in")
        return None
    _refuse(section, "in", "only a collection is in something")
    return Read(trigger=found) if found is not None else None


def _refuse(section: Section, key: str, why: str) -> None:
    if key in section:
        section.take(key)
        section.problem(why, key, mend="take it out")


def _read_hub(section: Section, match: re.Match[str], syncs: Mapping[SyncName, SyncRules]) -> HubTrigger | None:
    name = SyncName(match[1])
    if name not in syncs:
        section.problem(f"there is no sync {describe(name)}", "on", near=name, known=syncs)
        return None
    if match.re is _HUB:
        return HubTrigger(sync=name, what=What(match[2]))
    row = syncs[name].fields.get(FieldName(match[2]))
    if row is None:
        section.problem(f"{name} has no field {describe(match[2])}", "on", near=match[2], known=syncs[name].fields)
        return None
    if match[3] is None:
        return HubTrigger(sync=name, what=What.UPDATED, field=row.name, type=row.type)
    to = read(row.type, match[3])
    if isinstance(to, Unreadable) or (row.choices is not None and row.type is FieldType.CHOICE and to not in row.choices):
        section.problem(f"{row.name} never is {describe(match[3])}", "on", near=match[3], known=row.choices or ())
        return None
    return HubTrigger(sync=name, what=What.UPDATED, field=row.name, type=row.type, to=to)


def _read_record(
    section: Section,
    match: re.Match[str],
    fields: tuple[str, ...],
    systems: Mapping[SystemName, System],
    syncs: Mapping[SyncName, SyncRules],
) -> Read | None:
    system, name, what = systems.get(SystemName(match[1])), match[2], What(match[3])
    if system is None:
        section.problem(f'there is no system "{match[1]}"', "on", near=match[1], known={*systems, "syncs"})
        section.take("in")
        return None
    if system.kind is None:
        section.take("in")
        return None
    if name not in system.kind.collections:
        section.problem(f"{system.kind.name} has no collection {describe(name)}", "on", near=name, known=system.kind.collections)
        section.take("in")
        return None
    facts = CollectionFacts(kind=system.kind, collection=name)
    if what is What.DELETED and facts.abilities.deletes_visible.value == "never":
        section.problem(f"{match[1]} never shows that one of its {name} was deleted", "on")
    if not facts.abilities.can_list and what is not What.DELETED:
        section.problem(f"{match[1]} cannot list its {name}, so what is new or changed there cannot be seen", "on")
    collection = _read_scope(section, system, facts, syncs)
    watched = _read_fields(section, fields, facts, what)
    if collection is None:
        return None
    return Read(trigger=RecordTrigger(system=system.name, collection=collection, what=what, fields=watched), facts=facts)


def _read_scope(
    section: Section, system: System, facts: CollectionFacts, syncs: Mapping[SyncName, SyncRules]
) -> CollectionName | None:
    """The collection's full name: by `in`, or where that is needed and not given, as the only one that a sync has."""
    kind = facts.kind
    if "in" in section:
        table = section.section("in")
        options = validate(kind.member, table.rest(), table)
        return None if options is None else kind.collection_name(facts.collection, options)
    try:
        return kind.collection_name(facts.collection, kind.member.model_validate({}))
    except ValidationError as error:
        needed = sorted({str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False)})
    used = {
        member.collection
        for rules in syncs.values()
        for member in rules.members.values()
        if member.system == system.name and member.collection.partition("@")[0] == facts.collection
    }
    if len(used) == 1:
        return used.pop()
    what = f"{system.name} has more than one collection of {facts.collection}" if used else f"it is not said which {facts.collection} are meant"
    section.problem(what, "on", mend=f"write in = {{ {', '.join(f'{each} = …' for each in needed)} }}")
    return None


def _read_fields(section: Section, fields: tuple[str, ...], facts: CollectionFacts, what: What) -> dict[str, FieldType | None]:
    if fields and what is not What.UPDATED:
        section.problem(f"a record that is {what.value} is so as a whole", "fields", mend='watch fields with "… updated" only')
    watched: dict[str, FieldType | None] = {}
    for place, path in enumerate(fields):
        found = facts.path(path)
        if found is None:
            section.problem(f"{facts.collection} have no field {describe(path)}", "fields", place, near=path, known=facts.paths)
        elif not found.readable:
            section.problem(f"{describe(path)} is never shown, so nobody sees it change", "fields", place)
        else:
            watched[path] = found.type
    if not fields and what is What.UPDATED and "fields" not in section:
        section.note("any change of a record sets it off, also those that machines make", "on", mend='write fields = ["…"] to name those meant')
    return watched


def _read_webhook(section: Section, match: re.Match[str], systems: Mapping[SystemName, System]) -> WebhookTrigger | None:
    system, word = systems.get(SystemName(match[1])), match[2]
    if system is None:
        section.problem(f'there is no system "{match[1]}"', "on", near=match[1], known=systems)
        return None
    if system.kind is not None and system.kind.webhook_words is None:
        section.problem(f"{system.kind.name} sends no webhooks of different kinds", "on")
        return None
    if system.kind is not None and system.kind.webhook_words is not None and word not in system.kind.webhook_words:
        section.note(f"{system.kind.name} does not document a webhook {describe(word)}: it is waited for as it is written", "on")
    return WebhookTrigger(system=system.name, word=word)


def _read_poll(section: Section, systems: Mapping[SystemName, System], _syncs: Mapping[SyncName, SyncRules]) -> Read | None:
    written = section.text("poll")
    every = section.duration("every", 5 * MINUTE, least=_SOONEST)
    values = section.section("with")
    given = dict(values.table)
    values.rest()
    for name, value in given.items():
        if check_template(values, value, Reach(fields=frozenset()), name):
            _refuse_all_but_now(values, name, value)
    found = find_operation(section, "poll", written, systems)
    if found is None:
        return None
    system, row = found
    if row.operation.writes:
        section.problem(f"{row.name} changes something; only what reads can be polled", "poll")
        return None
    check_parameters(values, given, system, row)
    return Read(trigger=PollTrigger(system=system.name, operation=row.name, values=given, every=every))


def _refuse_all_but_now(section: Section, name: str, value: Json) -> None:
    try:
        others = [each.path for each in tokens(value) if not each.path.startswith("now")]
    except TemplateError:
        return
    if others:
        section.problem(f"`{{{others[0]}}}`: a poll knows nothing but `{{now}}`", name)


def _read_schedule(section: Section, _systems: Mapping[SystemName, System], _syncs: Mapping[SyncName, SyncRules]) -> Read | None:
    written = section.text("schedule")
    if written is None:
        return None
    match = _SCHEDULE.fullmatch(" ".join(written.split()))
    if match is None or (match["day"] is not None and match["day"] not in _DAYS):
        near = match["day"] if match is not None else ""
        section.problem(f"{describe(written)} is no schedule", "schedule", near=near or "", known=_DAYS if near else (), mend="" if near else _SCHEDULES)
        return None
    zone = _read_zone(section, match["zone"])
    if match["every"] is not None:
        every = parse_duration(match["every"])
        if every is None or every < _SOONEST:
            section.problem(f"`every` takes a duration of at least {spell_duration(_SOONEST)}", "schedule", mend=_SCHEDULES)
            return None
        return Read(trigger=ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.EVERY, every=every)))
    if match["hour"] is None:
        return Read(trigger=ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.HOURLY, minute=int(match["past"] or 0), zone=zone)))
    rhythm = Rhythm.DAILY if match["day"] is None else Rhythm.WEEKLY
    weekday = 0 if match["day"] is None else _DAYS.index(match["day"])
    schedule = Schedule(rhythm=rhythm, zone=zone, hour=int(match["hour"]), minute=int(match["minute"]), weekday=weekday)
    return Read(trigger=ScheduleTrigger(schedule=schedule))


def _read_zone(section: Section, written: str | None) -> tzinfo:
    if written is None:
        return UTC
    try:
        return ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        section.problem(f"there is no time zone {describe(written)} on this machine", "schedule", mend="write one such as Europe/London or UTC")
        return UTC


_READERS = {"on": _read_on, "poll": _read_poll, "schedule": _read_schedule}
