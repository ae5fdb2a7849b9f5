"""The connector of a system that cannot be asked: it hands writes to the operator's flows, and knows what they tell.

A write is handed to a hook and waits a while for its acknowledgement; what comes later, settles it later. Reading answers what the system last
showed.
The rule that keeps it true: the same write is handed off again only after it was refused or was silent for long, and then under the same name;
nothing else is handed off for a record while one may be at work on it; accepted is never taken for done.
It must not know: syncs, hub fields, or which program the flows run in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio
import orjson

from syncd.connectors.base import (
    Capabilities,
    Change,
    Created,
    DeletesVisible,
    Event,
    Exists,
    News,
    Page,
    Proven,
    Schema,
    Skew,
    Update,
    WebhookRefused,
)
from syncd.connectors.bridge.events import EVENTS
from syncd.connectors.bridge.feed import Feed
from syncd.connectors.bridge.hooks import Hooks
from syncd.connectors.bridge.posts import Post, Posts
from syncd.connectors.bridge.settings import BridgeSettings, Deed, HookSession
from syncd.connectors.bridge.shapes import Shape, merged
from syncd.connectors.http import Session
from syncd.connectors.ledger import Ledger
from syncd.connectors.left_out import LeftOut
from syncd.connectors.payload import moment
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unavailable
from syncd.core.handoff import Handoff, HandoffState, Result, Shown, Standing
from syncd.core.outcome import Operation
from syncd.core.record import CollectionName, Json, Micros, Record, RecordId, Ref, SystemName

_PAGE_LIMIT = 500
_ENDED = (HandoffState.ACKED, HandoffState.FAILED)


CALENDAR_FACTS = Capabilities(
    can_create=False, can_update=False, can_delete=False, modified_time=True, deletes_visible=DeletesVisible.ABSENCE
)
"""A calendar that is subscribed to can be read, and nothing else."""


class Bridge:
    """One system behind flows."""

    def __init__(self, system: SystemName, settings: BridgeSettings, session: Session, built_in: Mapping[str, Shape]) -> None:
        assert isinstance(session, HookSession), "hooks are called by their own session"
        self.system = system
        self._settings, self._built_in, self._session = settings, built_in, session
        self._hooks = Hooks(system, settings, session)
        self._posts = Posts(settings, self._known_shape)
        self._feed = Feed(system, settings, session)
        self._shapes: dict[CollectionName, Shape | None] = {}
        self._facts: dict[CollectionName, Capabilities] = {}
        self._ledger: Ledger | None = None
        self._acknowledged: dict[str, anyio.Event] = {}
        self._silent = False
        """Nobody acknowledged in time: until somebody does, no write waits."""

    def keep_in(self, ledger: Ledger) -> None:
        """Gives it its ledger."""
        self._ledger = ledger

    def capabilities(self, collection: CollectionName) -> Capabilities:
        if collection == EVENTS:
            return CALENDAR_FACTS
        if collection not in self._facts:
            shape = self._known_shape(collection) or Shape(fields={})
            self._facts[collection] = replace(
                capabilities_of(shape, self._settings),
                can_create=self._hooks.has(collection, Deed.CREATE),
                can_update=self._hooks.has(collection, Deed.UPDATE),
                can_delete=self._hooks.has(collection, Deed.DELETE, Deed.ARCHIVE),
                can_erase=self._hooks.has(collection, Deed.DELETE),
            )
        return self._facts[collection]

    async def discover(self, collection: CollectionName) -> Schema:
        """The fields as they are declared: there is nobody to ask."""
        facts = self.capabilities(collection)
        fields = {
            path: replace(spec, writable=spec.writable and facts.can_update, creatable=spec.creatable and facts.can_create)
            for path, spec in self._shape(collection).fields.items()
        }
        return Schema(collection=collection, fields=fields)

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        if collection == EVENTS and token is None:
            await self._feed.refresh(self._kept(), self._session.clock.now())
        place: Mapping[str, Json] = token if token is not None else {"since": since, "after": None}
        after = None if place["after"] is None else (int(place["after"][0]), str(place["after"][1]))
        rows = await self._kept().listed(self.system, collection, since=place["since"], after=after, limit=_PAGE_LIMIT)
        onward = {**place, "after": [rows[-1].changed_at, rows[-1].id]} if len(rows) == _PAGE_LIMIT else None
        return Page(records=[self._record(collection, row) for row in rows], next=onward, calls=0)

    async def get(self, ref: Ref) -> Record | None:
        shown = await self._kept().get(self.system, ref.collection, ref.id)
        return None if shown is None or shown.fields is None else self._record(ref.collection, shown)

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        """By a natural key, among what was shown. Not known while a create with this key may be at work."""
        key = self._shape(collection).key(path, value)
        if key is None:
            return []
        found = await self._kept().found(self.system, collection, key)
        if not found:
            now = self._session.clock.now()
            pending = await self._kept().sought(self.system, collection, key)
            if any(each.is_in_the_air(now, self._settings.ack_timeout) for each in pending):
                raise Unavailable("a create was handed off and is not acknowledged yet", system=self.system)
        return [self._record(collection, each) for each in found]

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        shape = self._shape(collection)
        self._check(shape, fields)
        keys = shape.natural_keys(fields)
        if (known := await self._known(collection, shape, keys)) is not None:
            return known
        wanted = self._handoff(collection, Operation.CREATE, None, fields, keys)
        done = await self._carried_out(wanted, Deed.CREATE, None)
        if done.made is None:
            raise Rejected("the flow says that there is no such record to make", system=self.system)
        if done.result is Result.EXISTS:
            return Exists(id=done.made, key=keys[0].partition("=")[0] if keys else "")
        return Created(record=await self._shown_now(collection, done.made))

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        """One by one; what is wrong with an update itself is its answer."""
        answers: list[Record | ConnectorError] = []
        for update in updates:
            try:
                answers.append(await self._update(update))
            except (Stale, Rejected) as error:
                error.ref = update.ref
                answers.append(error)
        return answers

    async def delete(self, ref: Ref) -> None:
        """By the hook that was declared for it; without one, nothing is ever deleted."""
        shown = await self._kept().get(self.system, ref.collection, ref.id)
        if shown is None or shown.fields is None:
            return
        deed = Deed.DELETE if self._hooks.has(ref.collection, Deed.DELETE) else Deed.ARCHIVE
        await self._carried_out(self._handoff(ref.collection, Operation.DELETE, ref.id, {}, ()), deed, shown)

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        """What a delivery announces, as far as it can be told without the ledger; `take` keeps it as well."""
        post = self._posts.read(headers, body, now)
        if isinstance(post, WebhookRefused):
            return post
        ids = [None if word.op_id is not None or word.vendor_id is None else RecordId(word.vendor_id) for word in post.said]
        return Proven(self._events(post, ids, body, now), key=post.key)

    async def take(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        """Verifies one delivery, keeps what it tells, and then answers its events."""
        post = self._posts.read(headers, body, now)
        if isinstance(post, WebhookRefused):
            return post
        begun = [word.op_id for word in post.said if word.result is Result.BEGUN and word.op_id is not None]
        if begun:
            # Alone in its post: a flow asks whether to go on, and stops where it is refused.
            wanted = [await self._kept().begin(op_id, now=now) for op_id in begun]
            return [] if all(wanted) and len(begun) == len(post.said) else WebhookRefused.EXPIRED
        forget_before = now - 2 * self._posts.window
        ids = await self._kept().take(self.system, post.said, post_id=post.id, now=now, forget_before=forget_before)
        for word in post.said:
            if word.op_id is not None:
                self._silent = False
                if (waiting := self._acknowledged.get(word.op_id)) is not None:
                    waiting.set()
        return Proven(self._events(post, ids, body, now), key=post.key)

    async def standing(self, collection: CollectionName) -> Standing:
        """How well a collection is known."""
        return await self._kept().standing(self.system, collection)

    def left_out(self, collection: CollectionName) -> Sequence[LeftOut]:
        """The events that could not be taken."""
        return self._feed.left_out if collection == EVENTS else ()

    def skew(self) -> Skew:
        """Its times are times of receipt, on our own clock."""
        return Skew(error=0)

    # ---- writing

    async def _known(self, collection: CollectionName, shape: Shape, keys: Sequence[str]) -> Exists | None:
        """The record that was shown with these keys, if it can only be the one that is to be made."""
        for key in keys:
            for shown in await self._kept().found(self.system, collection, key):
                theirs = {each.partition("=")[0]: each for each in shape.natural_keys(shown.fields or {})}
                if all(theirs.get(each.partition("=")[0], each) == each for each in keys):
                    return Exists(id=shown.id, key=key.partition("=")[0])
        return None

    async def _update(self, update: Update) -> Record:
        collection = update.ref.collection
        shape = self._shape(collection)
        self._check(shape, update.changes)
        shown = await self._kept().get(self.system, collection, update.ref.id)
        if shown is None or shown.fields is None:
            raise Stale("the record is said to be gone", system=self.system, status=404)
        changes = {
            path: merged(shape.fields[path], value, update.before.get(path, shown.fields.get(path)), shown.fields.get(path))
            for path, value in update.changes.items()
        }
        wanted = self._handoff(collection, Operation.UPDATE, update.ref.id, changes, ())
        done = await self._carried_out(wanted, Deed.UPDATE, shown)
        if done.result is Result.GONE:
            raise Stale("the flow says that the record is gone", system=self.system, status=404)
        return await self._shown_now(collection, update.ref.id, written=done)

    def _handoff(
        self, collection: CollectionName, operation: Operation, record_id: RecordId | None, fields: Mapping[str, Json], keys: tuple[str, ...]
    ) -> Handoff:
        content = [self.system, operation.value, record_id, dict(fields), self._session.clock.now()]
        digest = hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()
        return Handoff(
            op_id=f"{collection}.{digest}",
            system=self.system,
            collection=collection,
            operation=operation,
            record_id=record_id,
            fields=dict(fields),
            keys=keys,
        )

    async def _carried_out(self, wanted: Handoff, deed: Deed, shown: Shown | None) -> Handoff:
        """Hands a write off, unless that was done, and waits a while for its acknowledgement."""
        self._hooks.check(wanted.collection, deed)
        ledger, now = self._kept(), self._session.clock.now()
        noted = await ledger.queue(wanted, ack_timeout=self._settings.ack_timeout, now=now)
        if (noted.operation, noted.fields) != (wanted.operation, wanted.fields):
            raise Unavailable("an earlier write for this record is not acknowledged yet", system=self.system)
        if not noted.is_in_the_air(now, self._settings.ack_timeout):
            await self._hand_off(noted, deed, shown)
        return await self._acknowledgement(noted.op_id)

    async def _hand_off(self, handoff: Handoff, deed: Deed, shown: Shown | None) -> None:
        ledger, shape = self._kept(), self._shape(handoff.collection)
        try:
            await self._hooks.hand_off(handoff, deed, shape, shown)
        except ConnectorError as error:
            # What got no clear answer may be at work, and is waited for like what was accepted.
            state = HandoffState.HANDED_OFF if error.effect is Effect.MAYBE else HandoffState.QUEUED
            await ledger.mark(handoff.op_id, state, now=self._session.clock.now(), error=error.message)
            raise
        await ledger.mark(handoff.op_id, HandoffState.HANDED_OFF, now=self._session.clock.now())

    async def _acknowledgement(self, op_id: str) -> Handoff:
        """The hand-off as it was acknowledged. Raises Unavailable where it is not yet, and Rejected where the flow could not do it."""
        bell = self._acknowledged.setdefault(op_id, anyio.Event())
        try:
            handoff = await self._kept().handoff(op_id)
            if handoff is not None and handoff.state not in _ENDED and not self._silent:
                with anyio.move_on_after(self._settings.ack_wait_s):
                    await bell.wait()
                handoff = await self._kept().handoff(op_id)
        finally:
            self._acknowledged.pop(op_id, None)
        if handoff is not None and handoff.state is HandoffState.ACKED:
            return handoff
        if handoff is not None and handoff.state is HandoffState.FAILED and handoff.result is not None:
            raise Rejected(f"the flow could not do it: {handoff.error or 'it does not say why'}", system=self.system)
        self._silent = True
        raise Unavailable("it was handed off and is not acknowledged yet", system=self.system, effect=Effect.MAYBE)

    def _check(self, shape: Shape, fields: Mapping[str, Json]) -> None:
        if unknown := sorted(fields.keys() - shape.fields.keys()):
            raise Rejected(f"there is no field `{unknown[0]}` to write", system=self.system)

    # ---- reading

    def _events(self, post: Post, ids: Sequence[RecordId | None], body: bytes, now: Micros) -> list[Event]:
        """A hint for each record that was spoken of: reading it again costs no call. A post without an id is news however often it comes."""
        told = post.id or f"{now}/{hashlib.sha256(body).hexdigest()[:16]}"
        return [
            Event(
                ref=Ref(self.system, word.collection, record_id),
                change=Change.DELETED if word.gone else Change.CHANGED,
                dedupe_key=f"{told}/{place}",
            )
            for place, (word, record_id) in enumerate(zip(post.said, ids, strict=True))
            if record_id is not None
        ]

    async def _shown_now(self, collection: CollectionName, record_id: RecordId, *, written: Handoff | None = None) -> Record:
        """The read-back of a write: what somebody did to it after the hand-off is not part of it, and is read by itself."""
        shown = await self._kept().get(self.system, collection, record_id)
        if shown is None or shown.fields is None:
            raise Unavailable("it was acknowledged and is said to be gone since", system=self.system, effect=Effect.MAYBE)
        if written is None or written.handed_at is None or shown.said_at <= written.handed_at:
            return self._record(collection, shown)
        earlier = replace(shown, fields={**shown.fields, **written.fields}, changed_at=min(shown.changed_at, written.handed_at))
        return self._record(collection, earlier)

    def _record(self, collection: CollectionName, shown: Shown) -> Record:
        """Every field that was ever shown. When it changed is when we were told, which says no more than that it was not later."""
        assert shown.fields is not None
        known = self._shape(collection).fields
        fields = {path: value for path, value in shown.fields.items() if path in known}
        told = moment(fields.get("modified")) if collection == EVENTS else None
        return Record(ref=Ref(self.system, collection, shown.id), fields=fields, modified_at=told or shown.changed_at)

    def _known_shape(self, collection: CollectionName) -> Shape | None:
        if collection not in self._shapes:
            self._shapes[collection] = self._settings.shape(collection, self._built_in)
        return self._shapes[collection]

    def _shape(self, collection: CollectionName) -> Shape:
        shape = self._known_shape(collection)
        if shape is None:
            hint = f"declare it: [systems.{self.system}.collections.{collection}]"
            raise Rejected(f"{self.system} has no collection `{collection}`", system=self.system, hint=hint)
        return shape

    def _kept(self) -> Ledger:
        if self._ledger is None:
            raise Unavailable(f"what {self.system} shows is kept in the database, which is not open here", system=self.system)
        return self._ledger


def capabilities_of(shape: Shape, settings: BridgeSettings | None = None) -> Capabilities:
    """What such a collection can do with every hook there."""
    delay = 0 if settings is None else settings.trigger_delay
    return Capabilities(
        incremental=True,
        modified_time=True,
        modified_resolution=delay,
        index_lag=delay,
        read_lag=delay,
        webhooks=News.HINT,
        # Up to a thousand words in one post.
        webhook_bytes_max=1024 * 1024,
        deletes_visible=DeletesVisible.WEBHOOK if shape.tells_deletes else DeletesVisible.NEVER,
        required_on_create=shape.required,
        find_keys=frozenset(shape.keys),
        told_only=True,
    )


