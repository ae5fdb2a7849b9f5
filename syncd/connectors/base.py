"""The protocol every connector speaks, and what it must say truly about itself.

The rest of syncd sees a vendor only through `Connector`, `Capabilities`, `Schema`, `Page` and `Event`.
The rule that keeps it true: a capability is claimed only where the vendor's documents bear it out; what a connector cannot do it does
not pretend. Absence is returned (None, `Exists`), never raised; failures are `core.errors`.
It must not know: any vendor, syncs, hub fields, the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from syncd.core.errors import ConnectorError
from syncd.core.fields import FieldType
from syncd.core.record import SECOND, CollectionName, Json, Micros, Record, RecordId, Ref, SystemName


class News(Enum):
    """What a webhook of this collection brings: the whole record, a hint to re-read it, or nothing."""

    FULL = "full"
    HINT = "hint"
    NONE = "none"


class DeletesVisible(Enum):
    """Where a deletion shows: in a webhook (and by absence), by absence from a complete pass only, or never."""

    WEBHOOK = "webhook"
    ABSENCE = "absence"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCost:
    """What a complete listing costs: so many calls for each `per` of its own records, or of those of another collection, `of`."""

    calls: int = 1
    per: int
    of: str = ""

    def of_many(self, count: int) -> int:
        """The calls where there are so many, the last one that finds the end not counted."""
        return -(-count // self.per) * self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one collection of one vendor can truly do.

    `can_erase`, where it can delete, says that nothing of the record is left there then, rather than that it is put away.
    `incremental` means `page(since=…)` works; `windowed` that it then looks at a part of the records only, chosen by something else than
    the time of change, so that it is no look at all of them. `pass_cost` is what a complete listing costs, where that is known, and
    `pass_every` how often it is made unless the operator says otherwise (None: as often as polls come, or as complete passes of all do).
    `misses` says in words what polling cannot see. `modified_resolution` is the grain of the vendor's modified times; `index_lag` how
    far its listings may run behind its own store (polls look back that far, and a probe for a doubtful create waits it out), and
    `read_lag` how far a reading by id may.
    `batch_update_max` is how many updates one call carries (1: none), `batch_create_max` how many creates (the connector then `CreatesMany`). `find_keys` are the vendor paths `find` accepts, and
    `find_lists` those of them that take a listing, of everything or of much: only what is in doubt is looked for by them.
    `webhook_retry_status` is the answer on which the vendor delivers again, and `webhook_bytes_max` the size of its largest delivery; both
    are the same for all collections of a vendor.
    `create_detects` are vendor paths on which the vendor itself refuses a second record (`create` returns `Exists`).
    `told_only` means that nothing is ever read there: records show what was told of them, and what was not told no reading shows.
    """

    can_list: bool = True
    can_get: bool = True
    can_create: bool = True
    can_update: bool = True
    can_delete: bool = True
    can_erase: bool = True
    incremental: bool = False
    windowed: bool = False
    pass_cost: PassCost | None = None
    pass_every: Micros | None = None
    misses: str = ""
    modified_time: bool = False
    modified_resolution: Micros = SECOND
    index_lag: Micros = 0
    read_lag: Micros = 0
    webhooks: News = News.NONE
    webhook_retry_status: int = 503
    webhook_bytes_max: int = 256 * 1024
    deletes_visible: DeletesVisible = DeletesVisible.ABSENCE
    batch_update_max: int = 1
    batch_create_max: int = 1
    required_on_create: frozenset[str] = frozenset()
    find_keys: frozenset[str] = frozenset()
    find_lists: frozenset[str] = frozenset()
    create_detects: frozenset[str] = frozenset()
    told_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field of a collection. `options` are the only values a choice accepts (empty: open); a `secret` is kept out of files and screens. `id` is
    what the vendor calls it by besides its path, where it has such.
    """

    path: str
    type: FieldType
    label: str = ""
    readable: bool = True
    writable: bool = True
    creatable: bool = True
    options: tuple[str, ...] = ()
    secret: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The fields of one collection as discovered now; `region` is the account's own default phone region, where it says."""

    collection: CollectionName
    fields: Mapping[str, FieldSpec]
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing. `next` is the token for the following page, None after the last; JSON-able, so a pass can resume.

    `total` is the number of records the vendor says the whole listing has, where it says so. `calls` is how many calls the page took, and
    `calls_left` about how many the rest of the listing takes, where that can be told.
    """

    records: Sequence[Record]
    next: Json | None = None
    total: int | None = None
    calls: int = 1
    calls_left: int | None = None


class Change(Enum):
    """What an event says happened to its record."""

    CHANGED = "changed"
    DELETED = "deleted"


class Stray(Enum):
    """Why an event leads to no record: it is of no kind the connector knows, or does not say which record it is about."""

    UNKNOWN = "unknown"
    UNPLACED = "unplaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a verified webhook announced.

    `fields` are the vendor-path values it carried (None: none). `full` says they are the whole record, so that it is an
    observation by itself; otherwise it is a hint and the record is re-read. `occurred_at` is on the vendor's clock.
    `dedupe_key` is the same for every delivery of the same event. `stray` says that it leads to no record, and why; the ref's id is
    then the event's word.
    `word` is what the vendor calls this kind of event, and `told` all that it said,
    in the vendor's own words; both are for those who wait for the event itself.
    """

    ref: Ref
    change: Change
    dedupe_key: str
    fields: Mapping[str, Json] | None = None
    full: bool = False
    occurred_at: Micros | None = None
    stray: Stray | None = None
    word: str = ""
    told: Mapping[str, Json] | None = None


class Proven(list[Event]):
    """The events of a delivery that proved itself, and the name (never the value) of the key that proved it."""

    def __init__(self, events: Iterable[Event] = (), *, key: str) -> None:
        super().__init__(events)
        self.key = key


class WebhookRefused(Enum):
    """Why a webhook delivery was not accepted. EXPIRED: its time is too far from ours, as a replayed one's is; ELSEWHERE: another account's."""

    UNSIGNED = "unsigned"
    FORGED = "forged"
    EXPIRED = "expired"
    MALFORMED = "malformed"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One intended change of one record: vendor paths to new values (None clears).

    `before` holds what the record was last seen to hold at those paths, so that sets are sent as additions and removals only.
    """

    ref: Ref
    changes: Mapping[str, Json]
    before: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The vendor made the record; `record` is what it now holds (the read-back), as far as the vendor's answer shows it."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists:
    """The vendor refused to make a second record and named the one that is there."""

    id: RecordId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """The vendor's clock minus ours, in microseconds, give or take `error`."""

    offset: Micros = 0
    error: Micros = SECOND


class Connector(Protocol):
    """One configured account at one vendor.

    Every method that calls the vendor may raise `ConnectorError` and nothing else (besides cancellation).
    """

    system: SystemName

    def capabilities(self, collection: CollectionName) -> Capabilities: ...

    async def discover(self, collection: CollectionName) -> Schema:
        """The collection's fields as they are now; also proves the credential."""
        ...

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        """One page of the listing: everything, or what changed at or after `since` (vendor's clock). `token` continues."""
        ...

    async def get(self, ref: Ref) -> Record | None:
        """The record as the vendor holds it now, or None where it says there is none."""
        ...

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        """Every record whose `path` holds `value`, as far as the vendor can tell; `path` is one of `find_keys`."""
        ...

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists: ...

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        """Carries out up to `batch_update_max` updates of one collection; answers each with its read-back or its error.

        An error of the call as a whole is raised.
        """
        ...

    async def delete(self, ref: Ref) -> None:
        """Removes the record; a record that is already gone is no error."""
        ...

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        """Verifies one webhook delivery over its raw bytes and reads its events. `headers` has lower-case names."""
        ...

    def skew(self) -> Skew:
        """The vendor's clock as last measured from its responses."""
        ...


@runtime_checkable
class CreatesMany(Protocol):
    """A connector that makes many records in one call."""

    async def create_many(
        self, collection: CollectionName, items: Sequence[Mapping[str, Json]]
    ) -> Sequence[Created | Exists | ConnectorError]:
        """Makes up to `batch_create_max` records; answers each, in the order given, as `create` would.

        An error of the call as a whole is raised; one of effect `MAYBE` leaves every item in doubt.
        """
        ...
