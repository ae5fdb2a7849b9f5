"""What a row of the collections' table says.

`Collection` is one kind of record of a location; `Field` one of its fields, with what may be done with it; `capabilities_of` what the vendor
truly offers for it.
The rule that keeps it true: what the operations' own table knows (keys, ids, times, parameters, paging) is read from there and said once.
It must not know: HTTP, or any collection by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from syncd.connectors.base import Capabilities, DeletesVisible, FieldSpec, News, PassCost
from syncd.connectors.catalogue import Place, Row
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.core.fields import FieldType
from syncd.core.record import DAY, SECOND, CollectionName, Json, Micros

INDEX_LAG: Micros = 30 * SECOND
"""GHL: listings are an index behind the store; a mirror of the docs says "a few seconds" of one, and no bound is documented for any."""
RETRY_STATUS = 429
CONTACTS_A_PAGE = 25
"""How many contacts' children are listed between two commits: so much is listed again after a crash, and no more."""
SLICES = 18
"""About how many windows show all events of a calendar: a year each from 2015 to five years ahead, and one for what lies beyond."""
# A contact is a few kilobytes; the announcement of a message holds the whole text of an e-mail.
WEBHOOK_BYTES_MAX = 1024 * 1024
LOCATION = "{locationId}"
"""Stands in a table for the location's own id."""
CONTACT = "contactId"
"""The path of the contact that a record belongs to."""
FILLED = frozenset({"locationId", "location_id", "altId", "altType", "companyId"})
"""Parameters that the settings or the location itself tell."""


class Listing(Enum):
    """How all records of a collection are come by."""

    PAGED = "paged"
    DIARY = "diary"
    PER_CONTACT = "per contact"
    CHANNELS = "channels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `at` is its place in the vendor's record, `made_as` its name in a create where that is another.

    `refers_to` names the collection whose record ids it holds. `as_text` says that a number is written as text; `words` are the words for
    what a read by id shows as numbers.
    """

    spec: FieldSpec
    at: tuple[str, ...]
    made_as: str
    refers_to: str = ""
    as_text: bool = False
    words: Mapping[Json, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One kind of record.

    The operations are named as their table names them; "" where the vendor has none. `with_list` and `with_create` are values that are
    always given. `parent` is the path of the id without which a record cannot be addressed. `model` is that of its custom fields.
    `update_shows_all` says that the answer to an update is as complete as a read; `resent` are fields that an update must give again.
    `finds` maps a path that records can be looked up by to the parameter of the listing that narrows it ("": none does). `children` is the
    operation that lists those of one parent, from the store and not from an index; they can then be looked up by their parent.
    `of_contact` lists a contact's, and shows of them little but their ids. `found_by_listing` are paths that records can be looked up by at
    the price of a listing, of all or of much: so only what is in doubt is looked for by them.
    `misses` says in words what polling cannot see.
    """

    name: CollectionName
    fields: Mapping[str, Field]
    list: str
    get: str = ""
    create: str = ""
    update: str = ""
    delete: str = ""
    listing: Listing = Listing.PAGED
    with_list: Mapping[str, Json] = field(default_factory=dict)
    with_create: Mapping[str, Json] = field(default_factory=dict)
    parent: str = ""
    model: str = ""
    update_shows_all: bool = True
    resent: tuple[str, ...] = ()
    finds: Mapping[str, str] = field(default_factory=dict)
    children: str = ""
    of_contact: str = ""
    found_by_listing: frozenset[str] = frozenset()
    one_per: str = ""
    incremental: bool = False
    webhooks: News = News.NONE
    deletes_visible: DeletesVisible = DeletesVisible.ABSENCE
    misses: str = ""

    @property
    def read(self) -> Row:
        """The operation whose answer shows a record best."""
        return CATALOGUE[self.get or self.list]


def fields(*given: Field) -> Mapping[str, Field]:
    """The fields by path."""
    return {each.spec.path: each for each in given}


def one(
    path: str,
    access: str = "RW",
    kind: FieldType = FieldType.TEXT,
    *,
    at: str = "",
    made_as: str = "",
    refers_to: str = "",
    as_text: bool = False,
    options: tuple[str, ...] = (),
    words: Mapping[Json, str] | None = None,
    secret: bool = False,
) -> Field:
    """A field. `access` has the letters of the vendor's models: R read, W written, C written when made only, U written later only."""
    spec = FieldSpec(
        path=path,
        type=kind,
        label=f"the id of one of {refers_to}" if refers_to else "",
        readable="R" in access,
        writable="W" in access or "U" in access,
        creatable="W" in access or "C" in access,
        options=options,
        secret=secret,
    )
    place = tuple((at or path).split("."))
    return Field(spec=spec, at=place, made_as=made_as or path, refers_to=refers_to, as_text=as_text, words=words or {})


def capabilities_of(collection: Collection) -> Capabilities:
    """What the vendor offers for a collection."""
    detects = frozenset({collection.one_per}) if collection.one_per else frozenset[str]()
    parents = [collection.parent] if collection.children else [CONTACT] if collection.of_contact else []
    return Capabilities(
        can_create=bool(collection.create),
        can_update=bool(collection.update),
        can_delete=bool(collection.delete),
        incremental=collection.incremental,
        windowed=collection.incremental,
        pass_cost=_pass_cost(collection),
        pass_every=DAY if collection.listing is Listing.PER_CONTACT else None,
        misses=collection.misses,
        modified_time=bool(collection.read.updated),
        modified_resolution=1_000,
        index_lag=INDEX_LAG,
        webhooks=collection.webhooks,
        webhook_retry_status=RETRY_STATUS,
        webhook_bytes_max=WEBHOOK_BYTES_MAX,
        deletes_visible=collection.deletes_visible,
        required_on_create=_required(collection),
        find_keys=frozenset([*collection.finds, *parents, *collection.found_by_listing]),
        find_lists=collection.found_by_listing,
        create_detects=detects,
    )


def _pass_cost(collection: Collection) -> PassCost:
    match collection.listing:
        case Listing.PER_CONTACT:
            return PassCost(calls=CONTACTS_A_PAGE + 1, per=CONTACTS_A_PAGE, of="contacts")
        case Listing.DIARY:
            return PassCost(calls=SLICES, per=1, of="calendars")
        case Listing.PAGED | Listing.CHANNELS:
            return PassCost(per=int(collection.with_list.get("limit", 100)))


def _required(collection: Collection) -> frozenset[str]:
    """The paths without which a create is refused; those that are always given are not asked for."""
    if not collection.create:
        return frozenset()
    needed = {each.name for each in CATALOGUE[collection.create].parameters if each.required} - FILLED - collection.with_create.keys()
    return frozenset(path for path, each in collection.fields.items() if each.made_as in needed)


def own_parameter(row: Row) -> str:
    """The name in the path that is the record's own id: the last one."""
    return [each.name for each in row.parameters if each.place is Place.PATH and f"{{{each.name}}}" in row.operation.path][-1]
