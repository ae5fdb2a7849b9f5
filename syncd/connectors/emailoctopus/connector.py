"""The EmailOctopus connector: the contacts of an account's lists, each list a collection.

Lists, reads and writes contacts by id, many updates in one call, and remembers what each list defines.
The rule that keeps it true: contacts are per list, so every call names its list, and an id of one list means nothing in another.
It must not know: syncs, hub fields, or what its records are compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import anyio

from syncd.connectors.address import is_id
from syncd.connectors.base import (
    Capabilities,
    Created,
    DeletesVisible,
    Event,
    Exists,
    News,
    Page,
    PassCost,
    Schema,
    Skew,
    Update,
    WebhookRefused,
)
from syncd.connectors.emailoctopus import operations
from syncd.connectors.emailoctopus.contacts import WouldSubscribeError, created, missing_tags, shown, updated
from syncd.connectors.emailoctopus.fields import STANDARD, ListFields, UnwritableError
from syncd.connectors.emailoctopus.settings import EmailOctopusSettings
from syncd.connectors.emailoctopus.webhooks import Webhooks
from syncd.connectors.http import Answer, Session
from syncd.core.errors import ConnectorError, Rejected, Stale
from syncd.core.record import SECOND, CollectionName, Json, Micros, Record, RecordId, Ref, SystemName

_PAGE_LIMIT = 100
# EmailOctopus: the older API says 100 a call; this one does not say.
_BATCH_MAX = 100
_FRESH_S = 60.0
# A listing shows one status at a time. In this order a contact on its usual way (confirming, then leaving) is met twice rather
# than missed when it moves on between two passes.
_PASSES = ("pending", "subscribed", "unsubscribed")

CAPABILITIES = Capabilities(
    incremental=True,
    pass_cost=PassCost(per=_PAGE_LIMIT),
    misses="A deletion shows by its webhook, or by absence from a complete pass.",
    modified_time=True,
    modified_resolution=SECOND,
    # Nothing is documented about how fresh a listing is; a few seconds cost nothing.
    index_lag=10 * SECOND,
    webhooks=News.FULL,
    # A thousand events come at once, of a third of a kilobyte each and more with many fields.
    webhook_bytes_max=1024 * 1024,
    deletes_visible=DeletesVisible.WEBHOOK,
    batch_update_max=_BATCH_MAX,
    required_on_create=frozenset({"email_address"}),
    find_keys=frozenset({"email_address"}),
    create_detects=frozenset({"email_address"}),
)


class EmailOctopus:
    """One account."""

    def __init__(self, system: SystemName, settings: EmailOctopusSettings, session: Session) -> None:
        self.system = system
        self._session = session
        self._lists: dict[CollectionName, ListFields] = {}
        self._discovered_at: dict[CollectionName, float] = {}
        self._discovering = anyio.Lock()
        self._webhooks = Webhooks(system, settings, self._lists.get)

    def capabilities(self, collection: CollectionName) -> Capabilities:  # noqa: ARG002 - every list can do the same
        return CAPABILITIES

    async def discover(self, collection: CollectionName) -> Schema:
        known = await self._known(collection, not_older_than_s=0)
        return Schema(collection=collection, fields={**STANDARD, **known.by_path})

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        place: Mapping[str, Json] = token if token is not None else {"status": _PASSES[0], "after": None, "since": since}
        query: dict[str, str] = {"status": place["status"], "limit": str(_PAGE_LIMIT)}
        if place["since"] is not None:
            query["last_updated_at.gte"] = _whole_seconds(place["since"])
        if place["after"] is not None:
            query["starting_after"] = place["after"]
        known = await self._known(collection)
        answer = await self._session.call(operations.LIST, ids=_list_id(collection), query=query)
        rows = answer.body.get("data") if isinstance(answer.body, dict) else None
        if not isinstance(rows, list) or not all(_is_contact(row) for row in rows):
            raise self._session.unexpected(operations.LIST, "no list of contacts")
        records = [shown(row, Ref(self.system, collection, RecordId(row["id"])), known) for row in rows]
        return Page(records=records, next=self._next_place(answer, place))

    async def get(self, ref: Ref) -> Record | None:
        return await self._get(ref.collection, ref.id)

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        """By the address, which is unique within a list and whose MD5 stands for the id."""
        assert path == "email_address", f"nothing is found by {path}"
        record = await self._get(collection, _digest(str(value)))
        return [] if record is None else [record]

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        known = await self._known(collection)
        try:
            body = created(fields, known)
        except UnwritableError as error:
            raise Rejected(str(error), system=self.system) from error
        await self._make_tags(collection, body)
        answer = await self._session.call(operations.CREATE, ids=_list_id(collection), body=body, accept=(409, 422))
        if answer.status == 409:
            found = await self._get(collection, _digest(body["email_address"]))
            if found is None:
                raise Stale("the address is said to be taken, and nobody has it", system=self.system, status=409)
            return Exists(id=found.ref.id, key="email_address")
        if answer.status >= 400:
            raise self._refusal(answer)
        return Created(record=self._shown(answer, collection, known))

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        """What cannot be sent is answered at once; one update goes by itself, several in one call."""
        bodies: dict[int, Mapping[str, Json]] = {}
        results: dict[int, Record | ConnectorError] = {}
        for index, update in enumerate(updates):
            try:
                bodies[index] = await self._body(update)
            except ConnectorError as error:
                error.ref = update.ref
                results[index] = error
        for index in [index for index, body in bodies.items() if not body]:
            # Nothing to change: the answer is what is there.
            results[index] = await self._read_back(updates[index].ref)
            del bodies[index]
        if len(bodies) == 1:
            ((index, body),) = bodies.items()
            results[index] = await self._update_one(updates[index], body)
        elif bodies:
            refs = {index: updates[index] for index in bodies}
            results.update(await self._update_batch(refs, bodies))
        return [results[index] for index in range(len(updates))]

    async def delete(self, ref: Ref) -> None:
        ids = {**_list_id(ref.collection), "contact_id": ref.id}
        await self._session.call(operations.DELETE, ids=ids, accept=(404,))

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:  # noqa: ARG002
        """No moment is signed here, so none is checked."""
        return self._webhooks.receive(headers, body)

    def skew(self) -> Skew:
        return self._session.skew()

    async def _get(self, collection: CollectionName, contact_id: str) -> Record | None:
        known = await self._known(collection)
        answer = await self._session.call(operations.GET, ids={**_list_id(collection), "contact_id": contact_id}, accept=(404,))
        return None if answer.status == 404 else self._shown(answer, collection, known)

    async def _read_back(self, ref: Ref) -> Record | ConnectorError:
        return await self.get(ref) or Stale("the contact is gone", system=self.system, ref=ref, status=404)

    async def _body(self, update: Update) -> dict[str, Json]:
        """What has to be sent for an update. What the contact holds is read where the caller did not say it."""
        known = await self._known(update.ref.collection)
        held = update.before
        if any(path in update.changes and path not in held for path in ("tags", "status")):
            record = await self.get(update.ref)
            if record is None:
                raise Stale("the contact is gone", system=self.system, status=404)
            held = record.fields
        try:
            body = updated(update, known, held)
        except UnwritableError as error:
            raise Rejected(str(error), system=self.system) from error
        except WouldSubscribeError as error:
            raise Rejected(
                "a contact that unsubscribed or has not confirmed is not subscribed by a sync",
                system=self.system,
                hint="only the person can subscribe again, through a form; make this member the owner of `status`",
            ) from error
        await self._make_tags(update.ref.collection, body)
        return body

    async def _update_one(self, update: Update, body: Mapping[str, Json]) -> Record | ConnectorError:
        ids = {**_list_id(update.ref.collection), "contact_id": update.ref.id}
        answer = await self._session.call(operations.UPDATE, ids=ids, body=body, accept=(400, 404, 409, 422))
        if answer.status >= 400:
            return self._update_error(answer, update)
        return self._shown(answer, update.ref.collection, await self._known(update.ref.collection))

    async def _update_batch(
        self, updates: Mapping[int, Update], bodies: Mapping[int, Mapping[str, Json]]
    ) -> dict[int, Record | ConnectorError]:
        """One call for many; each item succeeds or fails by itself inside a 200."""
        collection = next(iter(updates.values())).ref.collection
        assert all(update.ref.collection == collection for update in updates.values()), "one call updates one list"
        items = [{"id": updates[index].ref.id, **body} for index, body in bodies.items()]
        answer = await self._session.call(operations.UPDATE_BATCH, ids=_list_id(collection), body={"contacts": items})
        answers = self._by_id(answer)
        known = await self._known(collection)
        results: dict[int, Record | ConnectorError] = {}
        for index, update in updates.items():
            item = answers.get(update.ref.id)
            if item is None:
                lost: ConnectorError = self._session.unexpected(operations.UPDATE_BATCH, "nothing about this contact")
                lost.ref = update.ref
                results[index] = lost
            elif item.status >= 400:
                results[index] = self._update_error(item, update)
            else:
                results[index] = shown(item.body, update.ref, known)
        return results

    def _by_id(self, answer: Answer) -> dict[str, Answer]:
        """A batch's answer taken apart: by contact, what the call for it alone would have been answered."""
        body = answer.body if isinstance(answer.body, dict) else {}
        answers = {}
        for item in body.get("success") or ():
            if isinstance(item, dict) and _is_contact(item.get("data")):
                answers[item["data"]["id"]] = Answer(operation=answer.operation, status=200, body=item["data"])
        for item in body.get("errors") or ():
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                status = str(item.get("status"))
                number = int(status) if status.isdecimal() and 400 <= int(status) <= 599 else 422
                answers[item["id"]] = Answer(operation=answer.operation, status=number, body=item)
        return answers

    def _update_error(self, answer: Answer, update: Update) -> ConnectorError:
        if answer.status == 404:
            return Stale("the contact is gone", system=self.system, ref=update.ref, status=404)
        error = self._refusal(answer)
        if answer.status == 409 and "email_address" in update.changes:
            # Looking again would find the same: the address belongs to somebody else.
            error = Rejected(error.message, system=self.system, status=409, hint="another contact of the list has this address")
        error.ref = update.ref
        return error

    def _refusal(self, answer: Answer) -> ConnectorError:
        kind = answer.body.get("type") if isinstance(answer.body, dict) else None
        capped = isinstance(kind, str) and kind.endswith("#out-of-limits")
        return self._session.refusal(answer, hint="the plan's limit is reached; raise it at EmailOctopus" if capped else "")

    def _shown(self, answer: Answer, collection: CollectionName, known: ListFields) -> Record:
        if not _is_contact(answer.body):
            raise self._session.unexpected(answer.operation, "no contact")
        return shown(answer.body, Ref(self.system, collection, RecordId(answer.body["id"])), known)

    def _next_place(self, answer: Answer, place: Mapping[str, Json]) -> Json | None:
        """The next page of this status, else the first of the next status. The vendor's URL is never followed."""
        paging = answer.body.get("paging")
        onward = paging.get("next") if isinstance(paging, dict) else None
        after = onward.get("starting_after") if isinstance(onward, dict) else None
        if isinstance(after, str) and after:
            if after == place["after"]:
                raise self._session.unexpected(operations.LIST, "the page it was asked to continue")
            return {**place, "after": after}
        if isinstance(onward, dict) and onward.get("url"):
            # Taken for the end, it would make all further contacts look gone.
            raise self._session.unexpected(operations.LIST, "a link to a next page and not where that begins; links are not followed")
        following = _PASSES.index(place["status"]) + 1
        return None if following == len(_PASSES) else {**place, "status": _PASSES[following], "after": None}

    async def _make_tags(self, collection: CollectionName, body: Mapping[str, Json]) -> None:
        """EmailOctopus: the older API refuses tags the list does not have, this one does not say; so they are made first."""
        if not body.get("tags"):
            return
        known = await self._known(collection, not_older_than_s=_FRESH_S)
        for tag in missing_tags(body, known):
            await self._session.call(operations.CREATE_TAG, ids=_list_id(collection), body={"tag": tag}, accept=(409,))
            known.tags[tag.casefold()] = tag

    async def _known(self, collection: CollectionName, *, not_older_than_s: float = float("inf")) -> ListFields:
        async with self._discovering:
            now = anyio.current_time()
            if collection not in self._lists or now - self._discovered_at[collection] >= not_older_than_s:
                answer = await self._session.call(operations.GET_LIST, ids=_list_id(collection))
                if not isinstance(answer.body, dict) or not isinstance(answer.body.get("fields"), list):
                    raise self._session.unexpected(operations.GET_LIST, "no list")
                self._lists[collection], self._discovered_at[collection] = ListFields.read(answer.body), now
            return self._lists[collection]


def _list_id(collection: CollectionName) -> dict[str, str]:
    return {"list_id": collection.removeprefix(EmailOctopusSettings.PREFIX)}


def _digest(email: str) -> str:
    """EmailOctopus: specification: a contact's other id is the MD5 of its lower-cased address."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def _whole_seconds(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, tz=UTC).isoformat()


def _is_contact(row: Json) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and is_id(row["id"])
