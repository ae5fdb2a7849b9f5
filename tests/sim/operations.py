"""What can be called at a pretend vendor by name, over the same network as everything else.

`send` must not be made twice, `put-note` and `put-field` may be; each takes effect at the vendor, whether or not the caller still lives.
The rule that keeps it true: every request that arrives is noted with what it carried, by the vendor, before it is answered.
It must not know: who calls, or whether the call was to be made.
"""

from __future__ import annotations

from collections.abc import Mapping
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
TABLE: Final = orjson.dumps({
    "operations": [
        _row("send", "POST /contacts/{id}/messages", "doubtful", *TOLD),
        _row("put-note", "PUT /contacts/{id}/note", "safe", *TOLD),
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
        name, record_id = prepared.row.name, prepared.operation.path.split("/")[2]
        body: Any = prepared.body
        answer = await self._connector._call(name, lambda: self._arrive(name, record_id, body), writes=True)
        if isinstance(answer, Rejected):
            raise answer
        return answer

    async def items(self, name: str, values: Mapping[str, Json]) -> Mapping[str, Json]:
        raise AssertionError(f"{name} lists nothing")

    def subjects(self, name: str, values: Mapping[str, Json], answer: Json) -> Mapping[str, bool]:
        return subjects(CATALOGUE.named(name), values, answer, "")

    def _arrive(self, name: str, record_id: str, body: Mapping[str, Json]) -> Json | Rejected:
        vendor = self._connector.vendor
        rec = vendor.records.get(record_id)  # type: ignore[call-overload]
        if name == "put-field" and (rec is None or not rec.alive):
            return Rejected("there is no such contact", system=self._connector.system, status=404)
        # As text, so that what the event showed is no value that was written.
        told = {each: body[each] for each in TOLD} | {"after": orjson.loads(body["after"].removeprefix("is "))}
        self._world.automated.arrived(Arrived(at=self._world.loop.vt, system=vendor.name, operation=name, subject=record_id, **told))
        if name != "put-field":
            return {}
        assert rec is not None
        version = vendor.update(rec, {"note": body["note"]}, "automation")
        return {"contact": {"id": rec.id, **vendor.fields_of(version)}}
