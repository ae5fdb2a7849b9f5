"""A vendor's operations as automations use them: called by name, one attempt a call, and read as items.

`Operations` is what flow sees of a system's catalogue; `CatalogueOperations` is it over a session.
The rule that keeps it true: nothing is tried again here, for whoever calls keeps account of attempts; `leaving` is done after the quota has granted
the call and before anything is sent.
It must not know: any vendor, or who is calling.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Protocol

import orjson

from syncd.connectors.calling import pages, rows_of
from syncd.connectors.catalogue import Bulk, Catalogue, Place, Prepared, Row, prepare
from syncd.connectors.http import Session
from syncd.core.errors import Rejected
from syncd.core.record import Json, SystemName

ITEMS_MAX = 10_000
Leaving = Callable[[], Awaitable[None]]


class Operations(Protocol):
    """What can be called at one system by name. Raises ConnectorError where the vendor does not do it, UserError for values that do not fit."""

    @property
    def catalogue(self) -> Catalogue: ...

    def prepare(self, name: str, values: Mapping[str, Json]) -> Prepared: ...

    async def call(self, prepared: Prepared, leaving: Leaving) -> Json:
        """Makes one call; what the vendor answered."""
        ...

    async def items(self, name: str, values: Mapping[str, Json]) -> Mapping[str, Json]:
        """Everything that a read operation lists now, each item under a key that stays its own."""
        ...

    def subjects(self, name: str, values: Mapping[str, Json], answer: Json) -> Mapping[str, bool]:
        """The ids of the records that a call was about, and of each whether the call made or removed that very record."""
        ...


class CatalogueOperations:
    """The operations of one account. `between` stands between a parent's id and a record's own, where records are addressed by both."""

    def __init__(self, session: Session, catalogue: Catalogue, known: Mapping[str, Json], between: str = "") -> None:
        self.catalogue = catalogue
        self._session = session
        self._known = known
        self._between = between

    def prepare(self, name: str, values: Mapping[str, Json]) -> Prepared:
        return prepare(self.catalogue, self.catalogue.named(name), values, self._known)

    async def call(self, prepared: Prepared, leaving: Leaving) -> Json:
        answer = await self._session.call(prepared.operation, query=prepared.query, body=prepared.body, leaving=leaving)
        return told(answer.body)

    async def items(self, name: str, values: Mapping[str, Json]) -> Mapping[str, Json]:
        row = self.catalogue.named(name)
        found: dict[str, Json] = {}
        async with aclosing(pages(self._session, self.catalogue, row, values, self._known)) as answers:
            async for answer in answers:
                found |= dict(items_of(row, answer.body))
                if len(found) > ITEMS_MAX:
                    raise Rejected(
                        f"{name} lists more than {ITEMS_MAX} items", system=SystemName(self._session.system), hint="narrow it down by its parameters"
                    )
        return found

    def subjects(self, name: str, values: Mapping[str, Json], answer: Json) -> Mapping[str, bool]:
        return subjects(self.catalogue.named(name), values, answer, self._between)


def told(body: Json) -> Json:
    """An answer as it is kept: a file by its size and its sum."""
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} if isinstance(body, bytes) else body


def items_of(row: Row, body: Json) -> Iterator[tuple[str, Json]]:
    """The items in an answer, each with its key: its id, or where it has none, the item itself."""
    if row.items:
        yield from _beneath(body, row.items.split("."), ())
    elif row.collection:
        for each in rows_of(row, body):
            yield _key(row, each), each
    else:
        record = body.get(row.object) if row.object and isinstance(body, dict) else told(body)
        if record is not None:
            yield _key(row, record) if row.id else "", record


def _beneath(value: Json, names: Sequence[str], way: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
    if not names:
        for each in value if isinstance(value, list) else ():
            yield "/".join([*way, orjson.dumps(each, option=orjson.OPT_SORT_KEYS).decode()]), {"under": "/".join(way), "value": each}
        return
    held = value if isinstance(value, dict) else {}
    for name in held if names[0] == "*" else [names[0]]:
        if name in held:
            yield from _beneath(held[name], names[1:], (*way, name) if names[0] == "*" else way)


def _key(row: Row, item: Json) -> str:
    own = item.get(row.id) if row.id and isinstance(item, dict) else None
    return str(own) if own is not None else hashlib.sha256(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def together(bulk: Bulk, calls: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """The values of the one call that stands for several, which differ in nothing but what is collected."""
    shared = {name: value for name, value in calls[0].items() if name != bulk.collect}
    return {**shared, **bulk.also, bulk.into: [each[bulk.collect] for each in calls]}


def dealt_with(bulk: Bulk, answer: Json) -> set[str]:
    """Which of those that were collected the answer says were dealt with."""
    listed = answer.get(bulk.done) if isinstance(answer, dict) else None
    found: set[str] = set()
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, str):
            found.add(each)
        elif isinstance(each, dict) and bulk.mark.items() <= each.items():
            found.add(str(each.get(bulk.id)))
    return found


def _own(value: Json) -> str:
    """An id as records have it, also where the vendor counts; empty where it is none."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def subjects(row: Row, values: Mapping[str, Json], answer: Json, between: str) -> dict[str, bool]:
    """The ids of the records that a call was about, and whether it made or removed that very record."""
    found: dict[str, bool] = {}
    way = [str(values[each.name]) for each in row.parameters if each.place is Place.PATH and each.name in values]
    for each in row.parameters:
        if each.place is Place.PATH or each.name.casefold().endswith(("id", "ids", "contacts")):
            given = values.get(each.name)
            found |= {own: False for one in (given if isinstance(given, list) else [given]) if (own := _own(one))}
    if way and row.operation.method == "DELETE" and row.operation.path.endswith("}"):
        found[way[-1]] = True
    record = answer.get(row.object, answer) if row.object and isinstance(answer, dict) else answer
    made = _own(record.get(row.id)) if isinstance(record, dict) and row.id else ""
    if made and made not in found:
        way.append(made)
        found[made] = True
    if between:
        found |= {f"{parent}{between}{own}": found.get(own, False) for parent, own in pairwise(way)}
    return found
