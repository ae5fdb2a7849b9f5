"""ActiveTrail's campaigns, to be read.

The rule that keeps it true: which fields a campaign has is not documented, so what a listing shows in single values is what there is.
It must not know: contacts; how a campaign is made or sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.pages import EVER, Pages, mark_of
from syncd.connectors.base import FieldSpec, Page, Schema
from syncd.connectors.http import Session
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, Json, Record, RecordId, Ref, SystemName

FIELDS: Mapping[str, FieldSpec] = MappingProxyType(
    {
        "id": FieldSpec(path="id", type=FieldType.NUMBER, writable=False, creatable=False),
        "name": FieldSpec(path="name", type=FieldType.TEXT, writable=False, creatable=False),
    }
)
_QUERY = {"FromDate": EVER}


class Campaigns:
    """The campaigns of one account."""

    def __init__(self, system: SystemName, collection: CollectionName, session: Session, pages: Pages) -> None:
        self._system, self._collection = system, collection
        self._session, self._pages = session, pages

    async def discover(self) -> Schema:
        """What the first page shows of them."""
        fields = dict(FIELDS)
        for row in await self._pages.read(operations.CAMPAIGNS, self._pages.start, query=_QUERY):
            for path, value in _single(row).items():
                if path not in fields and value is not None:
                    fields[path] = FieldSpec(path=path, type=_type(value), writable=False, creatable=False)
        return Schema(collection=self._collection, fields=fields)

    async def page(self, token: Json | None) -> Page:
        """One page; they are few, and all are listed."""
        place: Mapping[str, Json] = token if token is not None else {"page": self._pages.start, "before": None}
        rows = await self._pages.read(operations.CAMPAIGNS, place["page"], query=_QUERY)
        mark = mark_of(rows)
        repeated = self._pages.is_repeated(place["page"], mark, place["before"])
        following = self._pages.following(place["page"], rows, whole=True)
        records = [self._record(row) for row in rows if isinstance(row.get("id"), int) and not repeated]
        return Page(records=records, next=None if following is None else {"page": following, "before": mark})

    async def get(self, ref: Ref) -> Record | None:
        """Found in the listing: nothing else is known to show one."""
        async for row in self._pages.all(operations.CAMPAIGNS, query=_QUERY):
            if str(row.get("id")) == ref.id:
                return self._record(row)
        return None

    def _record(self, row: Mapping[str, Json]) -> Record:
        return Record(ref=Ref(self._system, self._collection, RecordId(str(row["id"]))), fields=_single(row))


def _single(row: Mapping[str, Json]) -> dict[str, Json]:
    return {path: value if value != "" else None for path, value in row.items() if not isinstance(value, (dict, list))}


def _type(value: Json) -> FieldType:
    if isinstance(value, bool):
        return FieldType.BOOL
    return FieldType.NUMBER if isinstance(value, (int, float)) else FieldType.TEXT
