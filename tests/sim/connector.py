"""The connector to a pretend vendor: the whole protocol, over a network on which anything can go wrong.

A request travels, has its effect at the vendor whether or not the caller still lives, and its answer travels back.
The rule that keeps it true: what the caller is told is what a real connector would make of that answer; every answer that reached the
daemon is noted beside the version it showed.
It must not know: syncs, or what the daemon makes of an answer.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

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
from syncd.connectors.clock import Clock
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.record import SECOND, CollectionName, Json, Record, RecordId, Ref, SystemName
from tests.sim.vendor import FIELDS, Rec, Vendor, Version

if TYPE_CHECKING:
    from tests.sim.world import World

CONTACTS = CollectionName("contacts")
SECRET = b"only the vendor and the daemon know"
TIMEOUT_S = 45.0
BEFORE = {"timeout_before": TIMEOUT_S, "reset_before": 0.1, "e500_before": 0.2}
AFTER = {"timeout_after": TIMEOUT_S, "reset_after": 0.1, "garbage": 0.1, "e500_after": 0.2}
NOT_SENT = ("refused", "rate", "unauthorized", "rejected", "stale409")
GARBLED: dict[str, Json] = {"name": {"first": "somebody"}, "note": ["what"], "tags": 7, "email": "no address"}
"""What a path shows when the vendor's schema has changed under us: nothing of its type."""
TROUBLE = (*NOT_SENT, *BEFORE, *AFTER, "e422_after", "slow")


class SimConnector:
    """One vendor, as the daemon sees it."""

    def __init__(self, world: World, vendor: Vendor, clock: Clock) -> None:
        self.clock = clock
        self.system = SystemName(vendor.name)
        self.world = world
        self.vendor = vendor
        self._rng = Random(world.script.seed + 11)
        habits = vendor.habits
        self._capabilities = Capabilities(
            incremental=habits.incremental,
            modified_time=habits.modified_time,
            modified_resolution=habits.resolution,
            index_lag=habits.lag,
            webhooks=News(habits.webhooks),
            deletes_visible=DeletesVisible.ABSENCE if habits.webhooks == "none" else DeletesVisible.WEBHOOK,
            batch_update_max=habits.batch,
            batch_create_max=habits.batch,
            find_keys=frozenset({"email"}) if habits.find else frozenset(),
            create_detects=frozenset({"email"}) if habits.unique else frozenset(),
        )

    def capabilities(self, collection: CollectionName) -> Capabilities:
        return self._capabilities

    def skew(self) -> Skew:
        off = int((self._rng.random() - 0.5) * 1.8 * SECOND) if self.world.options["latency"] > 1 else 0
        return Skew(offset=self.world.true_time() + self.vendor.skew - self.clock.now() + off, error=SECOND)

    async def discover(self, collection: CollectionName) -> Schema:
        return Schema(collection=collection, fields={path: FieldSpec(path=path, type=kind) for path, kind in FIELDS.items()})

    # ---- reading

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: int | None = None) -> Page:
        page, rows = await self._call("page", lambda: self._page(token, since))
        if page.next is None and since is None:
            self.world.automated.is_listed(self.vendor.name)
        self._note_reads(rows, page.records)
        return page

    def _page(self, token: Json, since: int | None) -> tuple[Page, list[tuple[Rec, Version]]]:
        habits, roll = self.vendor.habits, self._roll
        place = token or {"after": None, "skip": 0, "since": since}
        if place["skip"] and (hit := roll("drift", "page")):
            self.world.users.drift(self.vendor, hit.salt)
        more_lag = roll("lag_more", "page")
        self.vendor.lag_now = habits.lag + (int(more_lag.amount * SECOND) if more_lag and habits.modified_time else 0)
        rows = self.vendor.listed()
        self.vendor.lag_now = habits.lag
        if place["since"] is not None:
            rows = [row for row in rows if row[1].modified_at >= place["since"]]
        if rows and (hit := roll("hidden", "page")):
            rows = [row for row in rows if row[0].person != hit.salt % self.world.options["people"]]
        total = len(rows)
        if roll("empty", "page"):
            return Page(records=[], total=0 if habits.counts else None), []
        if habits.paging == "offset":
            rows = rows[place["skip"] :]
        elif place["after"] is not None:
            rows = [row for row in rows if self._order(row) > place["after"]]
        shown, rest = rows[: habits.page_size], rows[habits.page_size :]
        onward = {**place, "after": self._order(shown[-1]), "skip": place["skip"] + len(shown)} if rest else None
        if roll("short", "page"):
            onward = None
        if roll("total_lies", "page"):
            total = max(0, total + (1 if total % 2 else -1))
        if roll("skipped_page", "page"):
            shown = []
        records = [self._record(rec, version, "page") for rec, version in shown]
        return Page(records=records, next=onward, total=total if habits.counts else None), shown

    def _order(self, row: tuple[Rec, Version]) -> Json:
        number = int(row[0].id[1:])
        return [row[1].modified_at, row[0].id] if self.vendor.habits.paging == "modified" else [number]

    async def get(self, ref: Ref) -> Record | None:
        answer = await self._call("get", lambda: self._get(ref))
        if answer is None:
            return None
        record, row = answer
        self._note_reads([row], [record])
        return record

    def _get(self, ref: Ref) -> tuple[Record, tuple[Rec, Version]] | None:
        rec = self.vendor.records.get(ref.id)
        if rec is not None and rec.alive and self._roll("delete_during", "get"):
            self.world.users.delete(self.vendor, rec)
        if rec is None or not rec.alive or self._roll("denied", "get"):
            return None
        version = rec.now
        if len(rec.versions) > 1 and self.vendor.habits.modified_time and self._roll("stale_get", "get"):
            older = rec.versions[-2]
            version = older if older.fields is not None and older.modified_at < version.modified_at else version
        return self._record(rec, version, "get"), (rec, version)

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        rows = await self._call("find", lambda: self.vendor.find(path, value, now=self.vendor.habits.finds_at_once))
        records = [self._record(rec, version, "find") for rec, version in rows]
        self._note_reads(rows, records)
        return records

    # ---- writing

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        self.world.monitors.leaving("create", self.vendor, None, fields)
        answer = await self._call("create", lambda: self._create(fields), writes=True)
        if isinstance(answer, Exists):
            return answer
        rec, version = answer
        record = self._record(rec, version, "create")
        self._note_reads([answer], [record])
        return Created(record=record)

    async def create_many(
        self, collection: CollectionName, items: Sequence[Mapping[str, Json]]
    ) -> Sequence[Created | Exists | ConnectorError]:
        assert len(items) <= self._capabilities.batch_create_max
        for fields in items:
            self.world.monitors.leaving("create", self.vendor, None, fields)
        answers = await self._call("create", lambda: [self._create(fields) for fields in items], writes=True)
        out: list[Created | Exists | ConnectorError] = []
        for answer in answers:
            if isinstance(answer, Exists):
                out.append(answer)
                continue
            out.append(Created(record=self._record(*answer, "create")))
            self._note_reads([answer], [out[-1].record])
        return out

    def _create(self, fields: Mapping[str, Json]) -> tuple[Rec, Version] | Exists:
        known = self.vendor.is_taken(fields.get("email"))
        if known is not None:
            return Exists(id=known.id, key="email")
        fields = self._partial(fields, "create")
        person = self.world.monitors.arriving("create", self.vendor, None, fields)
        rec = self.vendor.create(fields, person, "syncd")
        return rec, rec.now

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        assert len(updates) <= self._capabilities.batch_update_max
        for each in updates:
            self.world.monitors.leaving("update", self.vendor, each.ref.id, each.changes)
        try:
            answers = await self._call("update", lambda: [self._update(each) for each in updates], writes=True)
        finally:
            self.world.monitors.landed(self.vendor, [each.ref.id for each in updates])
        out: list[Record | ConnectorError] = []
        for answer in answers:
            if isinstance(answer, ConnectorError):
                out.append(answer)
                continue
            rec, version = answer
            out.append(self._record(rec, version, "update"))
            self._note_reads([(rec, version)], [out[-1]])
        return out

    def _update(self, each: Update) -> tuple[Rec, Version] | ConnectorError:
        rec = self.vendor.records.get(each.ref.id)
        if rec is not None and rec.alive:
            if self._roll("edit_during", "update"):
                self.world.users.edit_meanwhile(self.vendor, rec, each)
            if self._roll("delete_during", "update"):
                self.world.users.delete(self.vendor, rec)
        if rec is None or not rec.alive:
            return Stale("the record is gone", system=self.system, ref=each.ref, status=404)
        if self._is_locked(rec):
            return Rejected("this record cannot be written", system=self.system, ref=each.ref, status=422)
        if "email" in each.changes and self.vendor.is_taken(each.changes["email"], rec):
            return Rejected("another record has this address", system=self.system, ref=each.ref, status=409)
        changes = self._partial(each.changes, "update")
        self.world.monitors.arriving("update", self.vendor, rec, changes)
        version = self.vendor.update(rec, changes, "syncd", each.before)
        if self._roll("trigger", "update"):
            self.world.users.trigger(self.vendor, rec)
        return rec, version

    def _is_locked(self, rec: Rec) -> bool:
        """Whether a record refuses every write: for a while, or for good."""
        people = self.world.options["people"]
        if self.world.poisoned == rec.person:
            return True
        hit = self._roll("locked", "update")
        return hit is not None and hit.salt % people == rec.person

    async def delete(self, ref: Ref) -> None:
        self.world.monitors.leaving("delete", self.vendor, ref.id, {})
        try:
            await self._call("delete", lambda: self._delete(ref), writes=True)
        finally:
            self.world.monitors.landed(self.vendor, [ref.id])

    def _delete(self, ref: Ref) -> None:
        rec = self.vendor.records.get(ref.id)
        if rec is not None and rec.alive:
            self.world.monitors.arriving("delete", self.vendor, rec, {})
            self.vendor.delete(rec, "syncd")

    def _partial(self, fields: Mapping[str, Json], operation: str) -> Mapping[str, Json]:
        hit = self._roll("partial", operation)
        if hit is None or (operation == "create" and len(fields) < 2):
            return fields
        dropped = min(path for path in fields if path != "email" or operation != "create")
        return {path: value for path, value in fields.items() if path != dropped}

    # ---- webhooks

    def receive(self, headers: Mapping[str, str], body: bytes, now: int) -> Sequence[Event] | WebhookRefused:
        signature = headers.get("signature")
        if not signature:
            return WebhookRefused.UNSIGNED
        if not hmac.compare_digest(signature, sign(body)):
            return WebhookRefused.FORGED
        row = orjson.loads(body)
        deleted = row["change"] == "deleted"
        return [
            Event(
                ref=Ref(self.system, CONTACTS, RecordId(row["id"])),
                change=Change.DELETED if deleted else Change.CHANGED,
                dedupe_key=row["key"],
                fields=row["fields"],
                full=not deleted and self._capabilities.webhooks is News.FULL,
                occurred_at=row["at"],
                word=f"contact.{row['change']}",
                told=row["fields"] or {},
            )
        ]

    # ---- the network

    def _roll(self, kind: str, operation: str) -> Any:
        return self.world.faults.roll(kind, self.vendor.name, operation)

    def _record(self, rec: Rec, version: Version, operation: str) -> Record:
        fields = self.vendor.fields_of(version)
        if self._roll("masked", operation):
            fields.pop(self.world.rng.choice(sorted(fields)))
        if (hit := self._roll("garbled", operation)) is not None:
            path = sorted(GARBLED)[hit.salt % len(GARBLED)]
            if path in fields:
                fields[path] = GARBLED[path]
        at = version.modified_at if self.vendor.habits.modified_time else None
        return Record(ref=Ref(self.system, CONTACTS, rec.id), fields=fields, modified_at=at)

    def _note_reads(self, rows: Sequence[tuple[Rec, Version]], records: Sequence[Record]) -> None:
        shown = {
            record.ref.id: frozenset(path for path, value in record.fields.items() if path not in GARBLED or value != GARBLED[path])
            for record in records
        }
        for rec, version in rows:
            version.shown |= shown.get(rec.id, frozenset())
            if version is rec.now and rec.id in shown:
                version.reads.append((self.world.loop.vt, shown[rec.id]))

    async def _call(self, operation: str, effect: Callable[[], Any], *, writes: bool = False) -> Any:
        world, name = self.world, self.vendor.name
        world.note_call(name, operation)
        await world.process.point("before_call")
        maybe = Effect.MAYBE if writes else Effect.NONE
        hit = world.faults.first(TROUBLE, name, operation)
        kind = hit.kind if hit is not None else ""
        travel = world.latency()
        if world.is_down(name):
            await world.sleep(travel)
            if world.options["heal"] == "paused":
                raise Unauthorized("the key does not fit", system=self.system, status=401)
            raise Unavailable("no connection", system=self.system)
        if kind in NOT_SENT:
            await world.sleep(travel)
            if kind == "rejected" and writes:
                world.monitors.refused(self.vendor, operation)
            raise self._refusal(kind, hit.amount)
        if kind in BEFORE:
            await world.sleep(BEFORE[kind])
            raise Unavailable("no answer", system=self.system, effect=maybe)
        done = world.loop.create_future()

        def arrive() -> None:
            outcome = effect()
            if not done.done():
                done.set_result(outcome)

        world.later(travel, arrive)
        await world.process.point("in_call")
        outcome = await done
        if kind in AFTER:
            await world.sleep(AFTER[kind])
            raise Unavailable("no answer", system=self.system, effect=maybe)
        if kind == "e422_after":
            raise Rejected("unprocessable", system=self.system, status=422, effect=Effect.MAYBE)
        await world.sleep(world.latency() + (hit.amount if kind == "slow" else 0.0))
        await world.process.point("after_call")
        return outcome

    def _refusal(self, kind: str, amount: float) -> ConnectorError:
        match kind:
            case "refused":
                return Unavailable("no connection", system=self.system)
            case "rate":
                return Unavailable("too many", system=self.system, status=429, retry_after_s=amount or None)
            case "unauthorized":
                return Unauthorized("the key does not fit", system=self.system, status=401)
            case "stale409":
                return Stale("it is not what it was", system=self.system, status=409)
            case _:
                return Rejected("it can never work", system=self.system, status=422)


def sign(body: bytes) -> str:
    """The signature of a delivery."""
    return hmac.digest(SECRET, body, "sha256").hex()
