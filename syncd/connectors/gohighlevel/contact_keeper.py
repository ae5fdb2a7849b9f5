"""The contacts of one GoHighLevel location.

Reads by search and by id, writes by id, and remembers what discovery told it about the location.
The rule that keeps it true: a search result is an index's view and runs behind; what a write left behind is read from the write's own
answer or by id, never from a search.
It must not know: syncs, hub fields, or what its records are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.connectors.address import is_id
from syncd.connectors.base import (
    Capabilities,
    Created,
    DeletesVisible,
    Exists,
    News,
    Page,
    PassCost,
    Schema,
    Update,
)
from syncd.connectors.gohighlevel import operations
from syncd.connectors.gohighlevel.contacts import ALL_SHOWN, shown, written
from syncd.connectors.gohighlevel.fields import STANDARD
from syncd.connectors.gohighlevel.identity import says_gone
from syncd.connectors.gohighlevel.location import Location
from syncd.connectors.gohighlevel.search import PAGE_LIMIT, Search, is_contact
from syncd.connectors.gohighlevel.table import RETRY_STATUS, WEBHOOK_BYTES_MAX
from syncd.connectors.gohighlevel.values import UnwritableError
from syncd.connectors.http import Answer, Session
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale
from syncd.core.fields import elements
from syncd.core.record import SECOND, CollectionName, Json, Micros, Record, RecordId, Ref, SystemName

CONTACTS = CollectionName("contacts")
_FOUND_MAX = 20

CAPABILITIES = Capabilities(
    incremental=True,
    pass_cost=PassCost(per=PAGE_LIMIT),
    modified_time=True,
    modified_resolution=1_000,
    # GHL: search is an index behind the store; a mirror of the docs says "a few seconds" and no bound is documented.
    index_lag=30 * SECOND,
    webhooks=News.HINT,
    deletes_visible=DeletesVisible.WEBHOOK,
    webhook_retry_status=RETRY_STATUS,
    webhook_bytes_max=WEBHOOK_BYTES_MAX,
    find_keys=frozenset({"email", "phone"}),
)


class ContactKeeper:
    """The contacts of one location."""

    def __init__(self, system: SystemName, session: Session, location: Location, search: Search) -> None:
        self._system, self._session, self._location, self._search = system, session, location, search

    def capabilities(self) -> Capabilities:
        """What contacts can do; that the location refuses duplicates is known after `discover`."""
        detects = frozenset({"email", "phone"}) if self._location.refuses_duplicates else frozenset[str]()
        return replace(CAPABILITIES, create_detects=detects)

    async def discover(self) -> Schema:
        """The fields as they are now."""
        custom = await self._location.discover()
        fields = {**STANDARD, **{path: each.spec for path, each in custom.by_path.items()}}
        return Schema(collection=CONTACTS, fields=fields, region=self._location.region)

    async def page(self, *, token: Json | None, since: Micros | None) -> Page:
        """One page of the search that lists them."""
        results = await self._search.page(token=token, since=since)
        custom = await self._location.custom_for(results.contacts)
        refs = [Ref(self._system, CONTACTS, RecordId(contact["id"])) for contact in results.contacts]
        blank = self._search.shows
        records = [shown(contact, ref, custom, blank=blank) for contact, ref in zip(results.contacts, refs, strict=True)]
        left = None if results.left is None else -(-results.left // PAGE_LIMIT)
        return Page(records=records, next=results.next, total=results.total, calls_left=left)

    async def get(self, ref: Ref) -> Record | None:
        """The contact, or None where the vendor says that there is none."""
        answer = await self._session.call(operations.GET, ids={"contactId": ref.id}, accept=(400, 404))
        if answer.status >= 400:
            if says_gone(answer):
                return None
            raise self._session.refusal(answer)
        return await self._whole(answer, ref)

    async def find(self, path: str, value: Json) -> Sequence[Record]:
        """By the duplicate lookup, which reads the store but names one contact; where it names one, for an e-mail by search as well, which may
        name several but runs behind. Every candidate is then read by id, so that a stale index entry is never taken for a contact.
        """
        named = await self._duplicate_ids(path, str(value))
        # GHL: reported by users: a search for an equal phone number finds nothing.
        searched = await self._search.ids_by_email(str(value)) if named and path == "email" else []
        ids = dict.fromkeys([*named, *searched])
        found = [await self.get(Ref(self._system, CONTACTS, RecordId(each))) for each in list(ids)[:_FOUND_MAX]]
        return [record for record in found if record is not None]

    async def create(self, fields: Mapping[str, Json]) -> Created | Exists:
        """Makes the contact, or names the one that is in its way."""
        try:
            body = written(fields, await self._location.custom(), creating=True)
        except UnwritableError as error:
            raise Rejected(str(error), system=self._system) from error
        body["locationId"] = self._location.id
        answer = await self._session.call(operations.CREATE, body=body, accept=(400, 422))
        if answer.status == 400 and (exists := _existing(answer.body)) is not None:
            return exists
        if answer.status == 422:
            # GHL: reported by users: a 422 on create may have made the contact all the same.
            refusal = self._session.refusal(answer)
            refusal.effect = Effect.MAYBE
            raise refusal
        if answer.status >= 400:
            raise self._session.refusal(answer)
        # The answer shows what was stored of what we sent; what it leaves out was not shown, and a later look will show it.
        ref = self._created_ref(answer)
        contact = answer.body["contact"]
        # No call may follow the one that made the contact: its failure would be taken for the create's.
        return Created(record=shown(contact, ref, await self._location.custom(), blank=frozenset()))

    async def delete(self, ref: Ref) -> None:
        """Removes the contact; one that is already gone is no error."""
        answer = await self._session.call(operations.DELETE, ids={"contactId": ref.id}, accept=(400, 404))
        if answer.status >= 400 and not says_gone(answer):
            raise self._session.refusal(answer)

    async def update(self, update: Update) -> Record | ConnectorError:
        """What is wrong with this update is its answer; what is wrong with the vendor or the credential is raised."""
        try:
            body = written(update.changes, await self._location.custom(), creating=False)
            tagged = "tags" in update.changes and await self._update_tags(update)
        except UnwritableError as error:
            return Rejected(str(error), system=self._system, ref=update.ref)
        except (Stale, Rejected) as error:
            error.ref = update.ref
            return error
        try:
            return await self._put(update, body)
        except ConnectorError as error:
            error.ref = update.ref
            if tagged:
                # Half of the update is done, whatever became of the other half.
                error.effect = Effect.MAYBE
            if isinstance(error, (Stale, Rejected)):
                return error
            raise

    async def _put(self, update: Update, body: Mapping[str, Json]) -> Record:
        """After the tags, which have calls of their own because a PUT overwrites them all; its answer shows the whole contact."""
        if not body:
            return await self._read_back(update.ref)
        answer = await self._session.call(operations.UPDATE, ids={"contactId": update.ref.id}, body=body, accept=(400, 404))
        if answer.status >= 400:
            raise self._gone(answer, update.ref)
        if not isinstance(answer.body, dict) or not isinstance(answer.body.get("contact"), dict):
            return await self._read_back(update.ref)
        return await self._whole(answer, update.ref)

    async def _update_tags(self, update: Update) -> bool:
        """Adds and removes what differs from before; whether anything was sent."""
        if "tags" in update.before:
            before = elements(update.before["tags"])
        else:
            before = elements((await self._read_back(update.ref)).fields["tags"])
        wanted = elements(update.changes["tags"])
        added = [tag for key, tag in wanted.items() if key not in before]
        removed = [tag for key, tag in before.items() if key not in wanted]
        for operation, tags in ((operations.ADD_TAGS, added), (operations.REMOVE_TAGS, removed)):
            if tags:
                answer = await self._session.call(
                    operation, ids={"contactId": update.ref.id}, body={"tags": tags}, accept=(400, 404)
                )
                if answer.status >= 400:
                    raise self._gone(answer, update.ref)
        return bool(added or removed)

    async def _read_back(self, ref: Ref) -> Record:
        record = await self.get(ref)
        if record is None:
            raise Stale("the contact is gone", system=self._system, ref=ref, status=404)
        return record

    async def _whole(self, answer: Answer, ref: Ref) -> Record:
        contact = answer.body.get("contact") if isinstance(answer.body, dict) else None
        if not isinstance(contact, dict) or contact.get("id") != ref.id:
            raise self._session.unexpected(answer.operation, "another contact or none")
        return shown(contact, ref, await self._location.custom_for([contact]), blank=ALL_SHOWN)

    async def _duplicate_ids(self, path: str, value: str) -> list[str]:
        name = {"email": "email", "phone": "number"}[path]
        answer = await self._session.call(operations.DUPLICATE, query={"locationId": self._location.id, name: value})
        contact = answer.body.get("contact") if isinstance(answer.body, dict) else None
        return [contact["id"]] if contact is not None and is_contact(contact) else []

    def _gone(self, answer: Answer, ref: Ref) -> ConnectorError:
        if says_gone(answer):
            return Stale("the contact is gone", system=self._system, ref=ref, status=answer.status)
        return self._session.refusal(answer)

    def _created_ref(self, answer: Answer) -> Ref:
        contact = answer.body.get("contact") if isinstance(answer.body, dict) else None
        if not isinstance(contact, dict) or not is_contact(contact):
            raise self._session.unexpected(operations.CREATE, "no contact")
        return Ref(self._system, CONTACTS, RecordId(contact["id"]))


def _existing(body: Json) -> Exists | None:
    """GHL: reported by users: where a location forbids duplicates, `meta` names the contact in the way."""
    meta = body.get("meta") if isinstance(body, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("contactId"), str) or not is_id(meta["contactId"]):
        return None
    return Exists(id=RecordId(meta["contactId"]), key=str(meta.get("matchingField", "")))
