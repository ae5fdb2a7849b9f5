"""A link while it is being decided: one draft a member, and all field verdicts together.

The rule that keeps it true: a draft starts from what the link knew (`was`) and only the planner changes it.
It must not know: the order of decisions, or what is done with the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.core.decide import Stand, Voice
from syncd.core.fields import Unreadable, equal
from syncd.core.link import Gone, HubField, Link, LinkMember, Seen
from syncd.core.outcome import Decision, Hold, Write
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import FieldRule


@dataclass(slots=True)
class Draft:
    """One member while its link is being decided."""

    name: MemberName
    was: LinkMember
    seen: Seen | None
    gone: Gone | None
    base: dict[FieldName, Json]
    agreed: dict[FieldName, Json]
    edited: bool = False
    unclear: bool = False
    """It shows a field that was readable before and is not any more: whether it was edited cannot be told."""

    @classmethod
    def of(cls, name: MemberName, link: Link, shown: Seen | Gone | None) -> Draft:
        was = link.members.get(name, LinkMember())
        return cls(
            name=name,
            was=was,
            seen=shown if isinstance(shown, Seen) and was.ref is not None else None,
            gone=shown if isinstance(shown, Gone) and was.ref is not None else None,
            base=dict(was.base),
            agreed=dict(was.agreed),
        )

    @property
    def live(self) -> bool:
        """There is a record, and it was seen: it can be compared and written."""
        return self.seen is not None

    @property
    def ref_missing(self) -> bool:
        return self.was.ref is None

    def behind(self, name: FieldName, hub: Mapping[FieldName, HubField]) -> bool:
        """Whether this member has not taken over the hub's value of a field."""
        return name in hub and (name not in self.agreed or self.agreed[name] != hub[name].value)

    def voice(self, rule: FieldRule, hub: Mapping[FieldName, HubField]) -> Voice | None:
        """What this member says about a field; None when it does not show it, or not readably."""
        if self.seen is None or rule.name not in self.seen.fields or self.name not in rule.members:
            return None
        value = self.seen.fields[rule.name]
        if isinstance(value, Unreadable):
            return None
        known = rule.name in self.was.base
        base = self.was.base.get(rule.name)
        stand = Stand.NEW if not known else Stand.SAME if equal(rule.type, value, base) else Stand.CHANGED
        return Voice(
            member=self.name,
            stand=stand,
            value=value,
            base=base,
            behind=known and self.behind(rule.name, hub),
            interval=self.seen.changed.get(rule.name),
        )


@dataclass(slots=True)
class Fields:
    """All field verdicts of one link, and what has been found to follow from them so far."""

    hub: dict[FieldName, HubField]
    held: set[FieldName] = field(default_factory=set)
    writes: list[Write] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unseen: list[MemberName] = field(default_factory=list)
