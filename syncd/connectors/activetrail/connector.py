"""The ActiveTrail connector: the contacts of one account, and its campaigns to be read.

Reads and writes contacts by id, shows what they belong to, and remembers what was found out about the account.
The rule that keeps it true: a contact that is kept and marked as deleted is not there; what a write left behind is read by id; and every
step is right under either answer to what the vendor's documentation leaves open.
It must not know: syncs, hub fields, or what its records are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.belonging import Belonging
from syncd.connectors.activetrail.campaigns import Campaigns
from syncd.connectors.activetrail.contacts import Wanted, is_alive, is_contact, shown
from syncd.connectors.activetrail.fields import GROUPS, MAILING_LISTS, MARKER, STANDARD, Slots, UnwritableError
from syncd.connectors.activetrail.importing import IMPORT_MAX, Imports
from syncd.connectors.activetrail.lookup import Lookup
from syncd.connectors.activetrail.pages import Pages, mark_of
from syncd.connectors.activetrail.probing import Probing, listing_since
from syncd.connectors.activetrail.settings import ActiveTrailSettings
from syncd.connectors.activetrail.unknowns import Finding, FromDate, findings
from syncd.connectors.activetrail.webhooks import Webhooks
from syncd.connectors.base import (
    Capabilities,
    Created,
    DeletesVisible,
    Event,
    Exists,
    News,
    Page,
    Schema,
    Skew,
    Update,
    WebhookRefused,
)
from syncd.connectors.http import Session
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale
from syncd.core.record import MINUTE, CollectionName, Json, Micros, Record, RecordId, Ref, SystemName

CONTACTS = CollectionName("contacts")
CAMPAIGNS = CollectionName("campaigns")

CAPABILITIES = Capabilities(
    # Nothing is documented about how fresh a listing is.
    index_lag=MINUTE,
    webhooks=News.HINT,
    deletes_visible=DeletesVisible.ABSENCE,
    find_keys=frozenset({"email", "sms"}),
    create_detects=frozenset({"email"}),
)
READ_ONLY = Capabilities(can_create=False, can_update=False, can_delete=False, deletes_visible=DeletesVisible.ABSENCE)


class ActiveTrail:
    """One account."""

    def __init__(self, system: SystemName, settings: ActiveTrailSettings, session: Session) -> None:
        self.system = system
        self._settings = settings
        self._session = session
        self._slots: Slots | None = None
        self._probing = Probing(session, settings.answers())
        self._pages = Pages(session, lambda: self._probing.answers.first_page)
        shows = {GROUPS: settings.show_groups, MAILING_LISTS: settings.show_mailing_lists}
        self._belonging = Belonging(session, self._pages, [path for path, on in shows.items() if on], hidden=settings.import_group)
        self._lookup = Lookup(session, self._pages)
        self._campaigns = Campaigns(system, CAMPAIGNS, session, self._pages)
        self._imports = Imports(session, self._pages, self._lookup, self._belonging, settings.import_group, self._probing.lately)
        self._webhooks = Webhooks(system, settings, CONTACTS)

    def capabilities(self, collection: CollectionName) -> Capabilities:
        """What can be done; that a listing of changes can be trusted is known only when it was found out."""
        if collection == CAMPAIGNS:
            return READ_ONLY
        changes = self._probing.answers.from_date is FromDate.CHANGED
        together = 1 if self._settings.import_group is None else IMPORT_MAX
        return replace(CAPABILITIES, incremental=changes, can_delete=self._settings.allow_delete, batch_create_max=together)

    async def discover(self, collection: CollectionName) -> Schema:
        if collection == CAMPAIGNS:
            return await self._campaigns.discover()
        slots = await self._known_slots(fresh=True)
        await self.probe()
        hidden = {GROUPS, MAILING_LISTS} - set(self._belonging.paths)
        fields = {path: spec for path, spec in STANDARD.items() if path not in hidden}
        return Schema(collection=collection, fields={**fields, **slots.by_path})

    async def probe(self) -> Sequence[Finding]:
        """Finds out, by reading alone, what can be found out about what the documentation leaves open."""
        await self._probing.probe(self._pages)
        return self.findings()

    def findings(self) -> Sequence[Finding]:
        """What is known of it by now; contacts that are updated and deleted teach the rest."""
        return findings(self._probing.answers)

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        if collection == CAMPAIGNS:
            return await self._campaigns.page(token)
        slots = await self._known_slots()
        if self._probing.answers.from_date is not FromDate.CHANGED:
            # A listing since some moment might leave out what changed: everything is listed instead.
            since = None
        place: Mapping[str, Json] = token if token is not None else {"page": self._pages.start, "since": since, "before": None}
        whole = place["since"] is None
        if whole and (token is None or not self._belonging.is_indexed):
            await self._belonging.index()
        query = {"CustomerStates": "ALL", "FromDate": listing_since(place["since"])}
        rows = await self._pages.read(operations.LIST, place["page"], query=query)
        if not all(is_contact(row) for row in rows):
            raise self._session.unexpected(operations.LIST, "no list of contacts")
        self._probing.saw(rows)
        mark = mark_of(rows)
        repeated = self._pages.is_repeated(place["page"], mark, place["before"])
        records = [
            Record(ref=self._ref(row), fields={**shown(row, slots), **(self._belonging.shown(row["id"]) if whole else {})})
            for row in rows
            if is_alive(row) and not repeated
        ]
        following = self._pages.following(place["page"], rows, whole=whole)
        return Page(records=records, next=None if following is None else {**place, "page": following, "before": mark})

    async def get(self, ref: Ref) -> Record | None:
        if ref.collection == CAMPAIGNS:
            return await self._campaigns.get(ref)
        row = await self._lookup.by_id(ref.id)
        return None if row is None else await self._whole(row)

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        """By the address, to which a contact answers; by the number through the vendor's search."""
        assert collection == CONTACTS, f"nothing is found in {collection}"
        assert path in CAPABILITIES.find_keys, f"nothing is found by {path}"
        rows = await self._lookup.by_email(str(value)) if path == "email" else await self._lookup.by_number(str(value))
        found = [await self._whole(row) for row in rows]
        return [record for record in found if record is not None]

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        """ActiveTrail: others' programs: a known address or number is no error but changes whom it belongs to; so it is looked for first."""
        self._check_writable(collection)
        slots = await self._known_slots()
        try:
            wanted = Wanted.read(fields, slots, creating=True)
            await self._belonging.prepare(wanted.belongs)
        except UnwritableError as error:
            raise Rejected(str(error), system=self.system) from error
        if (exists := await self._lookup.existing(wanted.body)) is not None:
            return exists
        answer = await self._session.call(operations.CREATE, body=dict(wanted.body))
        if not is_contact(answer.body):
            raise self._session.unexpected(operations.CREATE, "no contact")
        return await self._finished(answer.body, wanted, slots)

    async def create_many(
        self, collection: CollectionName, items: Sequence[Mapping[str, Json]]
    ) -> Sequence[Created | Exists | ConnectorError]:
        """Up to a thousand new contacts in one call, each answered; a mark is one call more for each.

        Only where `import_group` is set. An error of the call as a whole is raised.
        """
        self._check_writable(collection)
        answers = await self._imports.create(items, await self._known_slots(), self._ref)
        return [await self._marked(answer, item.get(MARKER)) for answer, item in zip(answers, items, strict=True)]

    async def _marked(self, answer: Created | Exists | ConnectorError, marker: Json) -> Created | Exists | ConnectorError:
        if not isinstance(answer, Created) or marker is None:
            return answer
        try:
            await self._mark(int(answer.record.ref.id), str(marker))
        except ConnectorError as error:
            error.effect = Effect.MAYBE
            return error
        return Created(record=replace(answer.record, fields={**answer.record.fields, MARKER: str(marker)}))

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        """One by one: an update is a call of its own here, and every group that is joined or left one more."""
        return [await self._update_or_refusal(update) for update in updates]

    async def delete(self, ref: Ref) -> None:
        self._check_writable(ref.collection)
        if not self._settings.allow_delete:
            raise Rejected(
                "contacts are not deleted in this account",
                system=self.system,
                ref=ref,
                hint="a deletion there is for ever: set `allow_delete`, or give the member an `archive` such as is_do_not_mail",
            )
        await self._session.call(operations.DELETE, ids={"contact_id": ref.id}, accept=(404,))
        await self._probing.learn_from_deletion(ref.id)

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        return self._webhooks.receive(headers, body, now)

    def skew(self) -> Skew:
        return self._session.skew()

    async def _update_or_refusal(self, update: Update) -> Record | ConnectorError:
        """What is wrong with this update is its answer; what is wrong with the vendor or the credential is raised."""
        self._check_writable(update.ref.collection)
        begun = False
        try:
            wanted = Wanted.read(update.changes, await self._known_slots(), creating=False, held=update.before)
            await self._belonging.prepare(wanted.belongs)
            await self._put(update.ref, wanted.body)
            begun = bool(wanted.body or wanted.belongs)
            await self._rearrange(update, wanted)
            if wanted.marker is not None:
                await self._mark(int(update.ref.id), wanted.marker)
            record = await self.get(update.ref)
        except UnwritableError as error:
            effect = Effect.MAYBE if begun else Effect.NONE
            return Rejected(str(error), system=self.system, ref=update.ref, effect=effect)
        except ConnectorError as error:
            error.ref = update.ref
            if begun:
                # Part of the update is done, whatever became of the rest.
                error.effect = Effect.MAYBE
            if isinstance(error, (Stale, Rejected)):
                return error
            raise
        if record is None:
            return self._gone(update.ref)
        # The mark cannot be read, but the vendor has said that it is there.
        return record if wanted.marker is None else replace(record, fields={**record.fields, MARKER: wanted.marker})

    async def _put(self, ref: Ref, body: Mapping[str, Json]) -> None:
        if not body:
            return
        async with self._probing.learning_from_update(ref.id, self._pages):
            answer = await self._session.call(operations.UPDATE, ids={"contact_id": ref.id}, body=dict(body), accept=(404,))
            if answer.status == 404:
                raise self._gone(ref)

    async def _rearrange(self, update: Update, wanted: Wanted) -> None:
        """Groups and lists have calls of their own; only what differs from before is sent."""
        if not wanted.belongs:
            return
        row = await self._lookup.by_id(update.ref.id)
        if row is None or not is_alive(row):
            raise self._gone(update.ref)
        held = update.before
        if any(path not in held for path in wanted.belongs):
            held = await self._belonging.of(row["id"]) or {}
        for path, names in wanted.belongs.items():
            await self._belonging.change(row, path, names, held.get(path) or [])

    async def _finished(self, made: Mapping[str, Json], wanted: Wanted, slots: Slots) -> Created | Exists:
        """The rest of a create. The contact is there by now, so whatever fails leaves a doubt, and it is looked for."""
        try:
            if not is_alive(made):
                # It was deleted, and kept: the same person is there again under the same id, with what is wanted now.
                body = {**wanted.body, "is_deleted": False}
                await self._session.call(operations.UPDATE, ids={"contact_id": str(made["id"])}, body=body)
            for path, names in wanted.belongs.items():
                await self._belonging.change({**made, **wanted.body}, path, names, [])
            if wanted.marker is not None:
                await self._mark(made["id"], wanted.marker)
            belongs = await self._belonging.of(made["id"]) if wanted.belongs else {}
        except UnwritableError as error:
            raise Rejected(str(error), system=self.system, effect=Effect.MAYBE) from error
        except ConnectorError as error:
            error.effect = Effect.MAYBE
            raise
        if belongs is None:
            raise self._session.unexpected(operations.CREATE, "a contact that is not there")
        if not is_alive(made):
            return Exists(id=RecordId(str(made["id"])), key="email" if wanted.body.get("email") else "sms")
        marked = {} if wanted.marker is None else {MARKER: wanted.marker}
        return Created(record=Record(ref=self._ref(made), fields={**shown(made, slots), **belongs, **marked}))

    async def _mark(self, contact_id: int, marker: str) -> None:
        body = {"customerId": contact_id, "externalId": marker, "externalName": self._settings.external_name}
        await self._session.call(operations.MAP, body=body)

    async def _whole(self, row: Mapping[str, Json]) -> Record | None:
        self._probing.saw([row])
        if not is_alive(row):
            return None
        belongs = await self._belonging.of(row["id"])
        if belongs is None:
            return None
        return Record(ref=self._ref(row), fields={**shown(row, await self._known_slots()), **belongs})

    async def _known_slots(self, *, fresh: bool = False) -> Slots:
        if self._slots is None or fresh:
            answer = await self._session.call(operations.CONTACT_FIELDS)
            self._slots = Slots.read(self._pages.rows(operations.CONTACT_FIELDS, answer.body))
        return self._slots

    def _ref(self, row: Mapping[str, Json]) -> Ref:
        return Ref(self.system, CONTACTS, RecordId(str(row["id"])))

    def _gone(self, ref: Ref) -> Stale:
        return Stale("the contact is gone", system=self.system, ref=ref, status=404)

    def _check_writable(self, collection: CollectionName) -> None:
        assert collection == CONTACTS, f"nothing is written to {collection}"
