"""The rules of a sync, as plain values.

Says which collections are members of a sync, which fields map to which, and who wins. Built by `config`, read by the planner.
The rule that keeps it true: rules are frozen and hold no behaviour beyond answering questions about themselves.
It must not know: TOML, vendors, or how a rule was written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from syncd.core.conditions import ALWAYS, Condition
from syncd.core.derive import Derivation
from syncd.core.fields import FieldType
from syncd.core.record import HOUR, MINUTE, CollectionName, FieldName, Json, MemberName, Micros, SyncName, SystemName


class ConflictRule(Enum):
    """Who wins when several members changed one field to different values."""

    SOURCE_OF_TRUTH = "source_of_truth"
    LAST_MODIFIED = "last_modified"
    REVIEW = "review"


class DeleteRule(Enum):
    """What happens elsewhere when a record is deleted in one member and untouched in the others."""

    ARCHIVE = "archive"
    PROPAGATE = "propagate"
    UNLINK = "unlink"
    REVIEW = "review"


class FirstRun(Enum):
    """Whether the first writes of a sync wait for a person."""

    REVIEW = "review"
    AUTO = "auto"


class BlankRule(Enum):
    """Whether clearing a field is a change that travels, or is ignored."""

    PROPAGATE = "propagate"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberField:
    """How one member holds one hub field.

    `paths` are the vendor's field paths (several only under a transform that joins them, such as ``split_name``).
    `values` maps hub choices to this member's own words for them. `readable`/`writable`/`creatable` come from the connector's
    schema: a field that cannot be written is only ever read, and one that cannot be read is never shown. Of a reference, `parent` is the member of the parents' sync in the same system,
    and `links` maps its ids to their links as far as they are known (`values` then goes the other way).
    """

    paths: tuple[str, ...]
    transform: str | None = None
    values: Mapping[str, str] | None = None
    readable: bool = True
    writable: bool = True
    creatable: bool = True
    parent: MemberName | None = None
    links: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One row of the field table: a hub field and how each member holds it.

    `owner` makes one member authoritative: an edit elsewhere is put back. `sources` are the members whose edits count and
    `targets` those that may be written (the operator's ``direction``); both default to every member of the row.
    """

    name: FieldName
    type: FieldType
    members: Mapping[MemberName, MemberField]
    owner: MemberName | None = None
    sources: frozenset[MemberName]
    targets: frozenset[MemberName]
    blank: BlankRule = BlankRule.PROPAGATE
    choices: frozenset[str] | None = None
    to: SyncName | None = None
    """The sync that keeps the records equal which a reference names."""
    derived: Derivation | None = None
    """Where its owner's value comes from, of a field that is no field of any record but what other records come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRule:
    """One side of a sync.

    `when` admits records of this member to the sync and new records into it; it reads hub field names. Where it does not `creates`, what is
    there is kept equal and nothing is ever made.
    `create` are constants (vendor paths) for new records, which may be secrets and are not shown; `archive` the vendor fields that stand for "deleted elsewhere".
    `required` are hub fields without which the vendor accepts no new record. `region` is the default region of phone numbers.
    `pass_every` is how often all of its records are listed (None: the usual of its collection). Of a member that is `told_only` nothing is
    ever read: its records show what was told of them.
    """

    name: MemberName
    system: SystemName
    collection: CollectionName
    when: Condition = ALWAYS
    create: Mapping[str, Json] = field(default_factory=dict, repr=False)
    creates: bool = True
    archive: Mapping[str, Json] | None = None
    required: frozenset[FieldName] = frozenset()
    region: str = "US"
    pass_every: Micros | None = None
    told_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A guard's limit within one window: the larger of a number and a share of the sync's live links."""

    number: int
    share: float

    def limit(self, links: int) -> int:
        """How many are allowed where `links` links are alive."""
        return max(self.number, int(self.share * links))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Caps per (sync, member, direction); a trip freezes that stream alone until a person decides."""

    deletes: Cap = Cap(number=10, share=0.02)
    updates: Cap = Cap(number=200, share=0.4)
    creates: Cap = Cap(number=100, share=0.2)
    blanks: Cap = Cap(number=20, share=0.05)
    missing_share: float = 0.3
    """A complete listing that lacks more than this share of the known records is not believed."""
    window: Micros = HOUR
    delete_grace: Micros = 10 * MINUTE
    """How long a record must stay away, by id, before its absence is a deletion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRules:
    """A configured agreement: the members, the field table, and who wins."""

    name: SyncName
    members: Mapping[MemberName, MemberRule]
    fields: Mapping[FieldName, FieldRule]
    match: tuple[FieldName, ...]
    source_of_truth: MemberName | None
    conflict: ConflictRule = ConflictRule.SOURCE_OF_TRUTH
    delete: DeleteRule = DeleteRule.ARCHIVE
    first_run: FirstRun = FirstRun.REVIEW
    guards: Guards = Guards()

    @property
    def children(self) -> dict[MemberName, tuple[SystemName, CollectionName]]:
        """The collections that derived fields are made from, by the names under which their records stand beside the members."""
        derived = (row.derived for row in self.fields.values() if row.derived is not None)
        return {each.children: (each.system, each.collection) for each in derived}

    @property
    def places(self) -> set[tuple[SystemName, CollectionName]]:
        """Every collection that this sync reads."""
        return {(each.system, each.collection) for each in self.members.values()} | set(self.children.values())
