"""The operations of a system in memory, called by name as any vendor's are.

`TABLE` is its catalogue; `MemoryOperations` carries the calls out on a `MemorySystem` and keeps the messages that were sent.
The rule that keeps it true: what the rows claim about repeating a call is true here, so a message that is sent twice is there twice; a fault
strikes an operation as it does a connector's.
It must not know: who calls, or what is being tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import anyio.lowlevel
import orjson

from syncd.connectors.catalogue import Catalogue, Prepared, prepare
from syncd.connectors.memory.connector import MemoryConnector
from syncd.connectors.memory.faults import FaultKind
from syncd.connectors.memory.world import CONTACTS, Actor, MemorySystem
from syncd.connectors.operating import Leaving, items_of, subjects
from syncd.core.errors import Effect, Rejected, Unauthorized, Unavailable
from syncd.core.fields import as_set
from syncd.core.record import Json, RecordId, SystemName


def _row(slug: str, call: str, parameters: list[Json], **other: Json) -> Json:
    writes = not call.startswith("GET")
    given = {"writes": writes, "replay": "doubtful" if writes else "safe", "success": 200}
    return {"slug": slug, "name": slug, "group": "memory", "call": call, "parameters": parameters, **given, **other}


def _one(name: str, place: str = "body", kind: str = "string", *, required: bool = False) -> Json:
    return {"name": name, "in": place, "type": kind, "required": required}


_ID = _one("contactId", "path", required=True)
_FIELDS = [_one("email"), _one("name"), _one("phone"), _one("tags", kind="array<string>"), _one("custom.plan")]
_TAGS = _one("tags", kind="array<string>", required=True)
TABLE: Final = orjson.dumps({
    "operations": [
        _row("list-contacts", "GET /contacts", [], collection="contacts", id="id"),
        _row("get-contact", "GET /contacts/{contactId}", [_ID], object="contact", id="id"),
        _row("create-contact", "POST /contacts", _FIELDS, object="contact", id="id", body="object"),
        _row("update-contact", "PUT /contacts/{contactId}", [_ID, *_FIELDS], object="contact", id="id", body="object", replay="safe"),
        _row("delete-contact", "DELETE /contacts/{contactId}", [_ID], replay="safe"),
        _row("send-message", "POST /contacts/{contactId}/messages", [_ID, _one("text", required=True)], body="object"),
        _row(
            "add-tags", "POST /contacts/{contactId}/tags", [_ID, _TAGS], body="object",
            bulk={
                "use": "bulk-add-tags", "collect": "contactId", "into": "contacts", "with": {}, "most": 10, "done": "done", "id": "id",
                "mark": {},
            },
        ),
        _row("bulk-add-tags", "POST /bulk/tags", [_one("contacts", kind="array<string>", required=True), _TAGS], body="object"),
    ]
})  # fmt: skip
CATALOGUE: Final = Catalogue(TABLE, lambda _version: {})


class MemoryOperations:
    """What can be called at one system in memory. `messages` are those that were sent, each as often as it was."""

    def __init__(self, connector: MemoryConnector) -> None:
        self.catalogue = CATALOGUE
        self.messages: list[tuple[str, str]] = []
        self._system: SystemName = connector.system
        self._world: MemorySystem = connector.world

    def prepare(self, name: str, values: Mapping[str, Json]) -> Prepared:
        return prepare(CATALOGUE, CATALOGUE.named(name), values, {})

    async def call(self, prepared: Prepared, leaving: Leaving) -> Json:
        await leaving()
        name = prepared.row.name
        self._world.calls.append(name)
        await anyio.lowlevel.checkpoint()
        fault = self._world.faults.take(name)
        effect = Effect.MAYBE if prepared.operation.writes else Effect.NONE
        match fault.kind if fault is not None else None:
            case FaultKind.TIMEOUT_BEFORE:
                raise Unavailable("no answer", system=self._system, effect=effect)
            case FaultKind.REFUSED_CONNECTION:
                raise Unavailable("no connection", system=self._system)
            case FaultKind.RATE_LIMITED:
                raise Unavailable("too many calls", system=self._system, status=429, retry_after_s=fault.retry_after_s if fault else None)
            case FaultKind.REJECTED:
                raise Rejected("it can never work", system=self._system, status=422)
            case FaultKind.UNAUTHORIZED:
                raise Unauthorized("the key does not fit", system=self._system, status=401)
            case _:
                pass
        answer = self._doing()[name](_values_of(prepared))
        if fault is not None and fault.kind is FaultKind.TIMEOUT_AFTER:
            raise Unavailable("no answer", system=self._system, effect=effect)
        return answer

    async def items(self, name: str, values: Mapping[str, Json]) -> Mapping[str, Json]:
        async def at_once() -> None:
            pass

        prepared = self.prepare(name, values)
        return dict(items_of(prepared.row, await self.call(prepared, at_once)))

    def subjects(self, name: str, values: Mapping[str, Json], answer: Json) -> Mapping[str, bool]:
        return subjects(CATALOGUE.named(name), values, answer, "")

    def _doing(self) -> Mapping[str, Callable[[Mapping[str, Json]], Json]]:
        return {
            "list-contacts": self._list,
            "get-contact": self._get,
            "create-contact": self._create,
            "update-contact": self._update,
            "delete-contact": self._delete,
            "send-message": self._send,
            "add-tags": self._tag,
            "bulk-add-tags": self._tag_all,
        }

    def _shown(self, record_id: str) -> Json:
        version = self._world.current(CONTACTS, RecordId(record_id))
        if version is None:
            raise Rejected("there is no such contact", system=self._system, status=404)
        return {"id": record_id, **(version.fields or {})}

    def _list(self, _values: Mapping[str, Json]) -> Json:
        return {"contacts": [{"id": record_id, **fields} for record_id, fields in self._world.records(CONTACTS).items()]}

    def _get(self, values: Mapping[str, Json]) -> Json:
        return {"contact": self._shown(values["contactId"])}

    def _create(self, values: Mapping[str, Json]) -> Json:
        return {"contact": self._shown(self._world.create(CONTACTS, values, Actor.API).id)}

    def _update(self, values: Mapping[str, Json]) -> Json:
        record_id = values["contactId"]
        self._shown(record_id)
        self._world.update(CONTACTS, record_id, {name: value for name, value in values.items() if name != "contactId"}, Actor.API)
        return {"contact": self._shown(record_id)}

    def _delete(self, values: Mapping[str, Json]) -> Json:
        self._shown(values["contactId"])
        self._world.delete(CONTACTS, RecordId(values["contactId"]), Actor.API)
        return {}

    def _send(self, values: Mapping[str, Json]) -> Json:
        self._shown(values["contactId"])
        self.messages.append((values["contactId"], values["text"]))
        return {"number": len(self.messages)}

    def _tag(self, values: Mapping[str, Json]) -> Json:
        held = self._shown(values["contactId"]).get("tags") or []
        return self._update({"contactId": values["contactId"], "tags": as_set([*held, *values["tags"]])})

    def _tag_all(self, values: Mapping[str, Json]) -> Json:
        there = [each for each in values["contacts"] if each in self._world.records(CONTACTS)]
        for each in there:
            self._tag({"contactId": each, "tags": values["tags"]})
        return {"done": there}


def _values_of(prepared: Prepared) -> dict[str, Json]:
    """The values of a request, taken out of it again."""
    names = [part.strip("{}") for part in prepared.row.operation.path.split("/")]
    way = dict(zip(names, prepared.operation.path.split("/"), strict=True))
    path = {each.name: way[each.name] for each in prepared.row.parameters if each.name in way}
    return {**path, **prepared.query, **(prepared.body or {})}
