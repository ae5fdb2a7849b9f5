"""The link: "these refs are the same thing" within one sync, with its hub, its members' bases, and what they last showed.

A link's hub holds the agreed values. For each member, `base` is what that member itself showed when we last decided, and `agreed` is
the hub value that this base stands for: they differ in form where a vendor normalises or a mapping loses something.
The rule that keeps it true: a member *changed* a field when it differs from its own base; a member is *behind* on a field when the
hub differs from what it agreed to. Owed work is derived from these two and is never stored as the only copy.
It must not know: where links are kept, how records are fetched, who wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from syncd.core.fields import Unreadable
from syncd.core.record import FieldName, Json, LinkId, MemberName, Micros, Ref, SyncName


class LinkState(Enum):
    """Whether a link is still kept equal. All but LIVE keep their refs, so that nothing deleted is ever made again."""

    LIVE = "live"
    ARCHIVED = "archived"
    DELETED = "deleted"
    UNLINKED = "unlinked"


@dataclass(frozen=True, slots=True)
class Interval:
    """When something changed: after `since` (None: no lower bound is known) and not after `until`; on our clock."""

    since: Micros | None
    until: Micros

    def surely_after(self, other: Interval) -> bool:
        """Whether this change happened later than the other, whatever the truth within both intervals."""
        return self.since is not None and self.since >= other.until


BY_AUTOMATION = "automation "
"""How the rule begins by which an automation set a value; its name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubField:
    """One agreed value, and how it came to be: whose it was, by which rule, when it changed there."""

    value: Json
    winner: MemberName | None = None
    rule: str = ""
    interval: Interval | None = None

    @property
    def is_automated(self) -> bool:
        """Whether it was set by an automation, and by no member."""
        return self.winner is None and self.rule.startswith(BY_AUTOMATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMember:
    """One side of a link. `ref` is None until the record exists there; `gone` marks a deletion seen here."""

    ref: Ref | None = None
    base: Mapping[FieldName, Json] = field(default_factory=dict)
    agreed: Mapping[FieldName, Json] = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One thing, known to N members. `revision` counts the committed plans that changed anything in it."""

    id: LinkId
    sync: SyncName
    revision: int = 0
    state: LinkState = LinkState.LIVE
    hub: Mapping[FieldName, HubField] = field(default_factory=dict)
    members: Mapping[MemberName, LinkMember] = field(default_factory=dict)

    def values(self) -> dict[FieldName, Json]:
        """The hub as plain values."""
        return {name: each.value for name, each in self.hub.items()}

    def with_member(self, name: MemberName, member: LinkMember) -> Link:
        """The same link with one side replaced or added."""
        return replace(self, members={**self.members, name: member})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a member last showed, in the hub's normal forms.

    A field that is missing from `fields` was not shown. `changed` gives, where known, when a field came to its present value.
    """

    fields: Mapping[FieldName, Json | Unreadable]
    changed: Mapping[FieldName, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A confirmed deletion. `evidence` is the proof that was collected, in words, and is stored with whatever follows."""

    evidence: tuple[str, ...]
    survivor: Ref | None = None
    """Another record of the same member that carries this one's keys: a merge, not a deletion."""
    survivor_linked: bool = False
    """Whether that other record has a link of its own already."""
    lacking: frozenset[FieldName] = frozenset()
    """Fields in which it was given a value and did not keep it, of which a person is still asked."""
