"""What the token of a system must open, for all that the configuration says.

The rule that keeps it true: a scope is asked for only where a sync or an automation needs it, and every one that is needed is asked for.
It must not know: any vendor's scopes, or how a token is had.
"""

from __future__ import annotations

from syncd.config import Settings
from syncd.connectors.kind import Kind
from syncd.connectors.registry import KINDS
from syncd.core.automation import Automation, PollTrigger, RecordTrigger
from syncd.core.record import SystemName
from syncd.core.steps import calls_in


def needed_scopes(settings: Settings, system: SystemName) -> frozenset[str]:
    """What the token of a system must open: reading its collections, writing those that some sync writes, and what automations watch and call."""
    kind = KINDS[settings.systems[system].kind]
    needed: set[str] = set()
    for sync in settings.syncs.values():
        for member in sync.members.values():
            if member.system == system:
                read, written = kind.scopes(member.collection)
                is_target = any(member.name in rule.targets for rule in sync.fields.values())
                needed |= read | (written if is_target else frozenset())
        for place in sync.children.values():
            needed |= kind.scopes(place[1])[0] if place[0] == system else frozenset()
    for automation in settings.automations.values():
        needed |= _scopes_of(automation, system, kind)
    return frozenset(needed)


def _scopes_of(automation: Automation, system: SystemName, kind: Kind) -> set[str]:
    """What one automation asks of a system's token."""
    needed: set[str] = set()
    named = [call.operation for call in calls_in(automation.rules.steps) if call.system == system]
    match automation.trigger:
        case RecordTrigger(system=watched, collection=collection) if watched == system:
            needed |= kind.scopes(collection)[0]
        case PollTrigger(system=polled, operation=operation) if polled == system:
            named.append(operation)
        case _:
            pass
    return needed.union(*(kind.operations[each].scopes for each in named if kind.operations is not None))
