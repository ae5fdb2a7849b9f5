"""What can be called at a pretend vendor by name, over the same network as everything else.

`send` must not be made twice, `put-note` and `put-field` may be; each takes effect at the vendor, whether or not the caller still lives.
The rule that keeps it true: every request that arrives is noted with what it carried, by the vendor, before it is answered.
It must not know: who calls, or whether the call was to be made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from syncd.connectors.catalogue import Catalogue, Prepared, prepare
from syncd.connectors.operating import Leaving, subjects
from syncd.core.errors import Rejected
from syncd.core.record import Json
from tests.sim.connector import SimConnector

if TYPE_CHECKING:
    from tests.sim.world import World


def _row(slug: str, call: str, replay: str, *body: str, **other: Json) -> Json:
    given = [{"name": "id", "in": "path", "type": "string", "required": True}]
    given += [{"name": name, "in": "body", "type": "any", "required": False} for name in body]
    return {
        "slug": slug, "name": slug, "group": "sim", "call": call, "parameters": given, "writes": True, "replay": replay, "success": 200,
        "body": "object", **other,
    }  # fmt: skip


TOLD = ("by", "step", "key", "after", "origin")
TAG = {"use": "tag-many", "collect": "id", "into": "ids", "with": {}, "most": 10, "done": "done", "id": "id", "mark": {}}
TABLE: Final = orjson.dumps({
    "operations": [
        _row("send", "POST /contacts/{id}/messages", "doubtful", *TOLD, "way"),
        _row("put-note", "PUT /contacts/{id}/note", "safe", *TOLD, "way"),
        _row("tag-one", "POST /contacts/{id}/tags", "safe", "by", bulk=TAG),
        {**_row("tag-many", "POST /tags", "safe", "by", "ids"), "parameters": [
            {"name": "by", "in": "body", "type": "string", "required": True}, {"name": "ids", "in": "body", "type": "array<string>", "required": True},
        ]},
        {**_row("list-contacts", "GET /contacts", "safe", collection="contacts", id="id"), "parameters": [], "writes": False},
        _row("put-field", "PUT /contacts/{id}", "safe", *TOLD, "note", object="contact", id="id"),
    ]
})
CATALOGUE: Final = Catalogue(TABLE, lambda _version: {})
REPLAYED = frozenset({"put-note", "put-field"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request that took effect: for which automation, step and event, about whom, and what the event was said to show."""

    at: float
    system: str
    operation: str
    by: str
    step: str
    key: str
    subject: str
    after: Mapping[str, Json]
    origin: str
    way: str = ""

    @property
    def call(self) -> tuple[str, str, str]:
        """What is to be in effect once."""
        return (self.by, self.key, self.step)


class SimOperations:
    """The operations of one vendor, as the daemon sees them."""

    def __init__(self, world: World, connector: SimConnector) -> None:
        self.catalogue = CATALOGUE
        self._world = world
        self._connector = connector

    def prepare(self, name: str, values: Mapping[str, Json]) -> Prepared:
        return prepare(CATALOGUE, CATALOGUE.named(name), values, {})

    async def call(self, prepared: Prepared, leaving: Leaving) -> Json:
        await leaving()
        name, record_id = prepared.row.name, prepared.operation.path.split("/")[-1 if prepared.row.name == "tag-many" else 2]
        body: Any = prepared.body
        if name in ("tag-one", "tag-many"):
            return await self._connector._call(name, lambda: self._tag(body.get("ids", [record_id]), alone=name == "tag-one"), writes=True)
        answer = await self._connector._call(name, lambda: self._arrive(name, record_id, body), writes=True)
        if isinstance(answer, Rejected):
            raise answer
        return answer

    async def items(self, name: str, values: Mapping[str, Json]) -> Mapping[str, Json]:
        found: Mapping[str, Json] = await self._connector._call(name, self._list)
        self._world.automated.answered(self._connector.system)
        return found

    def subjects(self, name: str, values: Mapping[str, Json], answer: Json) -> Mapping[str, bool]:
        return subjects(CATALOGUE.named(name), values, answer, "")

    def _list(self) -> Mapping[str, Json]:
        return {rec.id: {"id": rec.id, "name": (rec.now.fields or {}).get("name")} for rec in self._connector.vendor.live()}

    def _tag(self, ids: Sequence[str], *, alone: bool) -> Json:
        """Of many, some are now and then left out, and the answer says so."""
        done = [each for number, each in enumerate(ids) if alone or (len(self._world.automated.tagged) + number) % 4]
        self._world.automated.tagged += done
        self._world.facts["tagged together"] += len(ids) > 1
        return {"done": done}

    def _arrive(self, name: str, record_id: str, body: Mapping[str, Json]) -> Json | Rejected:
        vendor = self._connector.vendor
        rec = vendor.records.get(record_id)  # type: ignore[call-overload]
        if name == "put-field" and (rec is None or not rec.alive):
            return Rejected("there is no such contact", system=self._connector.system, status=404)
        # As text, so that what the event showed is no value that was written.
        told = {each: body[each] for each in TOLD} | {"way": body.get("way", "")} | {"after": orjson.loads(body["after"].removeprefix("is "))}
        self._world.automated.arrived(Arrived(at=self._world.loop.vt, system=vendor.name, operation=name, subject=record_id, **told))
        if name != "put-field":
            return {}
        assert rec is not None
        version = vendor.update(rec, {"note": body["note"]}, "automation")
        return {"contact": {"id": rec.id, **vendor.fields_of(version)}}
