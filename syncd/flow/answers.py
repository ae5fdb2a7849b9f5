"""What persons answered about links, in the planner's terms.

The rule that keeps it true: an answer is used as long as its question stands, and is closed with it.
It must not know: how an answer was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncd.core.link import Link, LinkMember
from syncd.core.outcome import HoldKind
from syncd.core.record import FieldName, LinkId, MemberName, RecordId
from syncd.core.rules import DeleteRule
from syncd.store import holds
from syncd.store.database import Connection
from syncd.store.holds import Held
from syncd.store.links import links_of
from syncd.store.planning import PlanItem

APPROVE = "approve"


class Answers:
    """The open answers about a batch of links."""

    def __init__(self, by_link: Mapping[LinkId, list[Held]], elsewhere: frozenset[int] = frozenset()) -> None:
        self._by_link = by_link
        self._elsewhere = elsewhere

    @classmethod
    def load(cls, tx: Connection, links: Iterable[LinkId]) -> Answers:
        """The answers about these links."""
        found: dict[LinkId, list[Held]] = {}
        elsewhere = set()
        for held in holds.answers(tx, links):
            if held.link is not None:
                found.setdefault(held.link, []).append(held)
                if _survivor_is_linked(tx, held):
                    elsewhere.add(held.id)
        return cls(found, frozenset(elsewhere))

    def touches(self, link: LinkId) -> bool:
        """Whether anything was answered about this link."""
        return link in self._by_link

    def picks(self, link: LinkId) -> dict[FieldName, MemberName]:
        """Whose value wins, field by field."""
        return {
            held.field: MemberName(held.choice)
            for held in self._by_link.get(link, [])
            if held.kind is HoldKind.CONFLICT and held.field and held.choice
        }

    def deletion(self, link: LinkId) -> DeleteRule | None:
        """What to do about a held deletion: a delete rule by name, or archive where it was just approved."""
        for held in self._by_link.get(link, []):
            if held.kind is HoldKind.DELETE and held.choice:
                return DeleteRule.ARCHIVE if held.choice == APPROVE else DeleteRule(held.choice)
            if held.kind is HoldKind.MERGE and held.choice == APPROVE and held.id in self._elsewhere:
                # The survivor has a link of its own: this one has nothing left to keep equal.
                return DeleteRule.UNLINK
        return None

    def relinked(self, link: Link) -> Link:
        """The link with a merged record replaced by its survivor, where a person approved that."""
        for held in self._by_link.get(link.id, []):
            survivor = held.sides.get("survivor")
            if held.kind is not HoldKind.MERGE or held.choice != APPROVE or not survivor or held.member is None:
                continue
            if held.id in self._elsewhere:
                continue
            member = link.members.get(held.member)
            if member is None or member.ref is None:
                continue
            record_id = RecordId(str(survivor).rsplit("/", 1)[1])
            ref = type(member.ref)(member.ref.system, member.ref.collection, record_id)
            return link.with_member(held.member, LinkMember(ref=ref))
        return link


def _survivor_is_linked(tx: Connection, held: Held) -> bool:
    """Whether the record that lives on in a merge has a link of its own by now."""
    survivor = held.sides.get("survivor")
    if survivor is None or held.member is None:
        return False
    item = PlanItem(held.sync, held.member, RecordId(str(survivor).rsplit("/", 1)[1]))
    return links_of(tx, [item]).get(item, held.link) != held.link
