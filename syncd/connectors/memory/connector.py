"""A connector whose vendor is a `MemorySystem`.

It speaks the whole protocol, claims exactly what it was told to claim, and fails when told to fail.
The rule that keeps it true: it knows no more than a real connector could; everything it says it reads from the system at the moment of
the call.
It must not know: syncs, or what is being tested.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

import anyio.lowlevel
import orjson

from syncd.connectors import payload
from syncd.connectors.base import (
    Capabilities,
    Change,
    Created,
    DeletesVisible,
    Event,
    Exists,
    FieldSpec,
    News,
    Page,
    Schema,
    Skew,
    Update,
    WebhookRefused,
)
from syncd.connectors.memory.faults import Fault, FaultKind
from syncd.connectors.memory.world import Actor, MemorySystem, Version
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.fields import FieldType, as_set, elements
from syncd.core.record import CollectionName, Json, Micros, Record, RecordId, Ref, SystemName

SIGNATURE = "memory-signature"
WRITES = frozenset({"create", "create_many", "update", "delete"})
CAPABILITIES = Capabilities(
    incremental=True,
    modified_time=True,
    modified_resolution=1,
    webhooks=News.FULL,
    deletes_visible=DeletesVisible.WEBHOOK,
    batch_update_max=10,
    find_keys=frozenset({"email"}),
)
FIELDS = {
    spec.path: spec
    for spec in (
        FieldSpec(path="email", type=FieldType.EMAIL),
        FieldSpec(path="name", type=FieldType.TEXT),
        FieldSpec(path="phone", type=FieldType.PHONE),
        FieldSpec(path="tags", type=FieldType.SET),
        FieldSpec(path="custom.plan", type=FieldType.TEXT, label="Plan"),
    )
}


class MemoryConnector:
    """One system in memory, as a connector. `capabilities` and `fields` may be any; what is not claimed is not offered."""

    def __init__(
        self,
        system: SystemName,
        world: MemorySystem,
        *,
        capabilities: Capabilities = CAPABILITIES,
        fields: Mapping[str, FieldSpec] | None = None,
        region: str | None = None,
        secret: bytes = b"memory",
        skew: Skew | None = None,
    ) -> None:
        self.system = system
        self.world = world
        self._capabilities = capabilities
        self._fields = FIELDS if fields is None else fields
        self._region = region
        self._secret = secret
        self._skew = skew or Skew()

    def capabilities(self, collection: CollectionName) -> Capabilities:  # noqa: ARG002 - every collection can do the same
        return self._capabilities

    async def discover(self, collection: CollectionName) -> Schema:
        await self._pass("discover")
        return Schema(collection=collection, fields=self._fields, region=self._region)

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        fault = await self._pass("page")
        kind = fault.kind if fault else None
        place = token or {"after": None, "since": since}
        versions = self.world.listed(collection)
        if place["since"] is not None and self._capabilities.incremental:
            versions = [version for version in versions if version.modified_at >= place["since"]]
        total = len(versions)
        if place["after"] is not None:
            versions = [version for version in versions if [version.modified_at, version.id] > place["after"]]
        if kind is FaultKind.EMPTY_LISTING:
            return Page(records=[], total=0)
        shown, rest = versions[: self.world.page_size], versions[self.world.page_size :]
        onward = (
            {**place, "after": [shown[-1].modified_at, shown[-1].id]}
            if rest and kind is not FaultKind.TRUNCATED_LISTING
            else None
        )
        records = [] if kind is FaultKind.SKIPPED_PAGE else [self._record(collection, version) for version in shown]
        return Page(records=records, next=onward, total=total)

    async def get(self, ref: Ref) -> Record | None:
        await self._pass("get")
        version = self.world.current(ref.collection, ref.id)
        return self._record(ref.collection, version) if version else None

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        assert path in self._capabilities.find_keys, f"nothing is found by {path}"
        await self._pass("find")
        return [self._record(collection, version) for version in self.world.find(collection, path, value)]

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        fault = await self._pass("create")
        self._check(fields)
        for path in sorted(self.world.unique & fields.keys()):
            for found in self.world.find(collection, path, fields[path]):
                return Exists(id=found.id, key=path)
        version = self.world.create(collection, fields, Actor.API)
        self._lose(fault)
        return Created(record=self._record(collection, version))

    async def create_many(
        self, collection: CollectionName, items: Sequence[Mapping[str, Json]]
    ) -> Sequence[Created | Exists | ConnectorError]:
        """Doubles are not refused here, as an import refuses none; a field that is not there refuses the whole call."""
        assert len(items) <= self._capabilities.batch_create_max, "more than one call carries"
        fault = await self._pass("create_many")
        for fields in items:
            self._check(fields)
        made = [Created(record=self._record(collection, self.world.create(collection, fields, Actor.API))) for fields in items]
        self._lose(fault)
        return made

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        assert len(updates) <= self._capabilities.batch_update_max, "more than one call carries"
        fault = await self._pass("update")
        answers = [self._update(update) for update in updates]
        self._lose(fault)
        return answers

    async def delete(self, ref: Ref) -> None:
        fault = await self._pass("delete")
        if self.world.current(ref.collection, ref.id) is not None:
            self.world.delete(ref.collection, ref.id, Actor.API)
        self._lose(fault)

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:  # noqa: ARG002
        """No moment is signed here, so none is checked."""
        signature = headers.get(SIGNATURE)
        if not signature:
            return WebhookRefused.UNSIGNED
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return WebhookRefused.FORGED
        rows = payload.read(body)
        if not isinstance(rows, list):
            return WebhookRefused.MALFORMED
        return [self._event(row) for row in rows]

    def deliver(self) -> tuple[dict[str, str], bytes]:
        """The headers and body of one delivery of all the news owed, which is then no longer owed."""
        rows = [
            {
                "key": news.key,
                "collection": news.collection,
                "id": news.version.id,
                "fields": None if news.version.fields is None else self._shown(news.version),
                "at": news.version.modified_at,
            }
            for news in self.world.news
        ]
        self.world.news.clear()
        body = orjson.dumps(rows)
        return {SIGNATURE: self._sign(body)}, body

    def skew(self) -> Skew:
        return self._skew

    async def _pass(self, operation: str) -> Fault | None:
        """Lets a call through, or fails it as ordered. A fault that strikes later is handed back."""
        self.world.calls.append(operation)
        await anyio.lowlevel.checkpoint()
        fault = self.world.faults.take(operation)
        if fault is not None:
            self._fail(fault, writes=operation in WRITES)
        return fault

    def _fail(self, fault: Fault, *, writes: bool) -> None:
        match fault.kind:
            case FaultKind.TIMEOUT_BEFORE:
                effect = Effect.MAYBE if writes else Effect.NONE
                raise Unavailable("no answer", system=self.system, effect=effect)
            case FaultKind.TIMEOUT_AFTER if not writes:
                raise Unavailable("no answer", system=self.system)
            case FaultKind.REFUSED_CONNECTION:
                raise Unavailable("no connection", system=self.system)
            case FaultKind.RATE_LIMITED:
                raise Unavailable("too many calls", system=self.system, status=429, retry_after_s=fault.retry_after_s)
            case FaultKind.REJECTED:
                raise Rejected("it can never work", system=self.system, status=422)
            case FaultKind.STALE:
                raise Stale("it is not what it was", system=self.system, status=409)
            case FaultKind.UNAUTHORIZED:
                raise Unauthorized("the key does not fit", system=self.system, status=401)
            case _:
                return

    def _lose(self, fault: Fault | None) -> None:
        """The answer of a call that has had its effect."""
        if fault is not None and fault.kind is FaultKind.TIMEOUT_AFTER:
            raise Unavailable("no answer", system=self.system, effect=Effect.MAYBE)

    def _update(self, update: Update) -> Record | ConnectorError:
        current = self.world.current(update.ref.collection, update.ref.id)
        if current is None:
            return Stale("the record is gone", system=self.system, ref=update.ref, status=404)
        try:
            self._check(update.changes)
        except Rejected as error:
            error.ref = update.ref
            return error
        held = self._shown(current)
        changes = {path: self._merged(path, value, update, held) for path, value in update.changes.items()}
        version = self.world.update(update.ref.collection, update.ref.id, changes, Actor.API)
        return self._record(update.ref.collection, version)

    def _merged(self, path: str, value: Json, update: Update, held: Mapping[str, Json]) -> Json:
        """A set is sent as additions and removals, so that what others added meanwhile stays."""
        if self._fields[path].type is not FieldType.SET:
            return value
        wanted, before = elements(value), elements(update.before.get(path))
        kept = [item for key, item in elements(held.get(path)).items() if key in wanted or key not in before]
        return as_set([*kept, *(item for key, item in wanted.items() if key not in before)])

    def _check(self, fields: Mapping[str, Json]) -> None:
        for path in fields:
            if path not in self._fields or not self._fields[path].writable:
                raise Rejected(f"there is no field `{path}` to write", system=self.system, status=422)

    def _shown(self, version: Version) -> dict[str, Json]:
        return {path: (version.fields or {}).get(path) for path, spec in self._fields.items() if spec.readable}

    def _record(self, collection: CollectionName, version: Version) -> Record:
        modified_at = version.modified_at if self._capabilities.modified_time else None
        return Record(ref=Ref(self.system, collection, version.id), fields=self._shown(version), modified_at=modified_at)

    def _event(self, row: Mapping[str, Json]) -> Event:
        deleted = row["fields"] is None
        return Event(
            ref=Ref(self.system, CollectionName(row["collection"]), RecordId(row["id"])),
            change=Change.DELETED if deleted else Change.CHANGED,
            dedupe_key=row["key"],
            fields=row["fields"],
            full=not deleted and self._capabilities.webhooks is News.FULL,
            occurred_at=row["at"],
            word="contact.deleted" if deleted else "contact.changed",
            told={"id": row["id"], **(row["fields"] or {})},
        )

    def _sign(self, body: bytes) -> str:
        return hmac.digest(self._secret, body, "sha256").hex()
