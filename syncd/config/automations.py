"""The ``[automations.NAME]`` sections: what sets each off, whether it may, and its steps.

The rule that keeps it true: an automation that could be read is complete, its trigger one that the connector truly sees; only the caller, who knows
whether there were problems, may use it.
It must not know: any vendor, or how runs are carried out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from syncd.config.kinds import CollectionFacts
from syncd.config.reach import Reach, is_late, read_condition
from syncd.config.secrets import Secrets
from syncd.config.section import Section, describe
from syncd.config.steps import read_steps
from syncd.config.systems import System
from syncd.config.triggers import Read, read_trigger
from syncd.core.automation import (
    DEPTH_MAX,
    USUAL_ORIGINS,
    Automation,
    AutomationName,
    HubTrigger,
    PollTrigger,
    RecordTrigger,
    ScheduleTrigger,
)
from syncd.core.happening import Origin
from syncd.core.record import Json, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.core.steps import compile_rules

_DEPTH_MOST = 20


def read_automations(
    section: Section, systems: Mapping[SystemName, System], syncs: Mapping[SyncName, SyncRules], secrets: Secrets
) -> dict[AutomationName, Automation]:
    """Every automation that could be read."""
    found: dict[AutomationName, Automation] = {}
    for name, table in section.sections('[automations.NAME] with on = "SYSTEM/COLLECTION created"'):
        automation = _read_automation(AutomationName(name), table, systems, syncs, secrets)
        if automation is not None:
            found[automation.name] = automation
    return found


def _read_automation(
    name: AutomationName, section: Section, systems: Mapping[SystemName, System], syncs: Mapping[SyncName, SyncRules], secrets: Secrets
) -> Automation | None:
    read = read_trigger(section, systems, syncs)
    sync, why = _read_sync(section, read, syncs)
    reach = replace(_reach(read, sync, why, systems), secrets=secrets)
    origins = _read_origins(section, read)
    depth = section.number("depth", DEPTH_MAX)
    if not 1 <= depth <= _DEPTH_MOST:
        section.problem(f"is between 1 and {_DEPTH_MOST}", "depth")
    if "depth" in section and Origin.AUTOMATION not in origins:
        section.note('does nothing: automations set this one off only where `origins` has "automation"', "depth")
    condition, when = read_condition(section, "when", reach)
    steps = read_steps(section, "do", systems, reach)
    section.finish(also=("on", "poll", "schedule", "origins", "fields", "in", "every", "with"))
    if read is None:
        return None
    written = {"when": when, "late": is_late(condition, reach, of_hub=isinstance(read.trigger, HubTrigger)), "steps": steps.written}
    return Automation(
        name=name,
        trigger=read.trigger,
        rules=compile_rules(written),
        written=written,
        edition=edition_of(written),
        origins=origins,
        sync=sync.name if sync is not None else None,
        depth_max=depth,
    )


def edition_of(written: Json) -> str:
    """What a run goes by as one short text: the same as long as it means the same."""
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:32]


def _read_origins(section: Section, read: Read | None) -> frozenset[Origin]:
    words = {each.value: each for each in Origin}
    if "origins" not in section:
        return USUAL_ORIGINS
    written = section.texts("origins")
    if read is not None and isinstance(read.trigger, ScheduleTrigger):
        section.problem("a schedule has no origin", "origins", mend="take it out")
    if not written:
        section.problem("names none, so nothing would set it off", "origins", mend='write origins = ["person", "sync"]')
    for place, word in enumerate(written):
        if word not in words:
            section.problem(f"{describe(word)} is no origin", "origins", place, near=word, known=words)
    return frozenset(words[word] for word in written if word in words)


def _read_sync(section: Section, read: Read | None, syncs: Mapping[SyncName, SyncRules]) -> tuple[SyncRules | None, str]:
    """The sync that conditions and templates speak of, and where there is none, how to come by one."""
    written = section.text("sync")
    trigger = read.trigger if read is not None else None
    if written is not None and written not in syncs:
        section.problem(f"there is no sync {describe(written)}", "sync", near=written, known=syncs)
        return None, ""
    if isinstance(trigger, HubTrigger):
        if written is not None and written != trigger.sync:
            section.problem(f"it is set off by the hubs of {trigger.sync}", "sync", mend="take it out")
        return syncs.get(trigger.sync), ""
    if isinstance(trigger, ScheduleTrigger | PollTrigger):
        if written is not None:
            section.problem("what sets it off belongs to no link, so it has no sync", "sync", mend="take it out")
        return None, "what sets it off belongs to no link"
    if written is not None:
        return syncs[SyncName(written)], ""
    if not isinstance(trigger, RecordTrigger):
        return None, "it is not said which sync is meant" if trigger is not None else ""
    fitting = [
        rules
        for rules in syncs.values()
        if any((member.system, member.collection) == (trigger.system, trigger.collection) for member in rules.members.values())
    ]
    if len(fitting) == 1:
        return fitting[0], ""
    many = ", ".join(each.name for each in fitting)
    return None, f"its records are in several syncs: {many}" if fitting else "its records are in no sync"


def _reach(read: Read | None, sync: SyncRules | None, why: str, systems: Mapping[SystemName, System]) -> Reach:
    fields: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    if read is not None and isinstance(read.trigger, RecordTrigger) and read.facts is not None:
        fields, prefixes = frozenset(read.facts.kind.fields(read.facts.collection)), read.facts.kind.open_prefixes
    elif read is not None and isinstance(read.trigger, HubTrigger) and sync is not None:
        fields = frozenset(sync.fields)
    elif read is not None and isinstance(read.trigger, ScheduleTrigger):
        fields = frozenset({"moment"})
    how = "" if read is None or isinstance(read.trigger, ScheduleTrigger | PollTrigger) else 'write sync = "NAME"'
    members = {name: facts for name, member in (sync.members if sync is not None else {}).items() if (facts := _facts(member.system, member.collection, systems))}
    return Reach(fields=fields, open_prefixes=prefixes, sync=sync, members=members, why_no_sync=why, how_sync=how)


def _facts(system: SystemName, collection: str, systems: Mapping[SystemName, System]) -> CollectionFacts | None:
    """What is known of a member's collection; a scoped one is known by the name before its scope."""
    known = systems.get(system)
    name = collection.partition("@")[0]
    if known is None or known.kind is None or name not in known.kind.collections:
        return None
    return CollectionFacts(kind=known.kind, collection=name)
