"""The records of a location beside its contacts: every row of the collections' table carried out.

`Keeper` lists, reads, finds, makes, changes and deletes them through the operations their row names.
The rule that keeps it true: a value goes out only through the operations' table, so what is missing or unknown is refused before anything
is sent; a call that makes something is made once; and a record of another location is never taken for ours.
It must not know: any one collection, syncs, or what its records are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.connectors.address import is_id
from syncd.connectors.base import Capabilities, Created, Exists, Page, Schema, Update
from syncd.connectors.catalogue import Prepared, prepare
from syncd.connectors.gohighlevel.choices import choices
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.identity import address, parts, says_gone
from syncd.connectors.gohighlevel.location import Location
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.gohighlevel.paging import Lister, Row
from syncd.connectors.gohighlevel.rows import shown, whole, written
from syncd.connectors.gohighlevel.search import Search
from syncd.connectors.gohighlevel.table import CONTACT, LOCATION, Collection, Listing, capabilities_of, own_parameter
from syncd.connectors.gohighlevel.values import UnwritableError
from syncd.connectors.http import Answer, Session
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unavailable, UserError
from syncd.core.record import Json, Micros, Record, RecordId, Ref, SystemName

_GONE = (400, 404)


class Keeper:
    """One collection of one location. `known` are the values that its settings tell."""

    def __init__(
        self, kind: Collection, system: SystemName, session: Session, location: Location, search: Search, known: Mapping[str, Json]
    ) -> None:
        self._kind, self._system, self._session, self._location, self._known = kind, system, session, location, known
        self._lister = Lister(session, search, self._ask)
        self._shows: frozenset[str] = frozenset()

    def capabilities(self) -> Capabilities:
        """What the vendor offers for the collection."""
        return capabilities_of(self._kind)

    async def discover(self) -> Schema:
        """The fields as they are now: the table's, the location's own, and what a choice may be."""
        custom = await self._location.discover(self._kind.model) if self._kind.model else CustomFields()
        if not self._kind.model:
            await self._location.about()
        offered = await choices(self._kind, self._lister)
        fields = {path: replace(each.spec, **offered.get(path, {})) for path, each in self._kind.fields.items()}
        fields |= {path: each.spec for path, each in custom.by_path.items()}
        return Schema(collection=self._kind.name, fields=fields, region=self._location.region)

    async def page(self, *, token: Json | None, since: Micros | None) -> Page:
        """One page of the listing; with `since`, of what says that it changed since or says nothing of it."""
        since = since if token is None else token["since"]
        rows = await self._lister.page(self._kind, {}, token=None if token is None else token["at"], since=since)
        records = [each for each in await self._listed(rows.rows) if since is None or each.modified_at is None or each.modified_at >= since]
        onward = None if rows.next is None else {"at": rows.next, "since": since}
        total = rows.total if since is None else None
        return Page(records=records, next=onward, total=total, calls=rows.calls, calls_left=rows.calls_left)

    async def get(self, ref: Ref) -> Record | None:
        """The record, or None where the vendor says that there is none."""
        row = await self._row(ref)
        return None if row is None else await self._whole(row, ref)

    async def find(self, path: str, value: Json) -> Sequence[Record]:
        """Every record that shows the value, as far as the listing that it narrows down shows them all."""
        if self._kind.children and path == self._kind.parent:
            if not isinstance(value, str) or not is_id(value):
                return []
            return await self._listed([(row, value) for row in await self._lister.children(self._kind, value)])
        if self._kind.listing is Listing.DIARY:
            return await self._find_event(path, value)
        narrowing = self._kind.finds[path]
        token, found = None, dict[Ref, Record]()
        while True:
            rows = await self._lister.page(self._kind, {narrowing: value} if narrowing else {}, token=token, since=None)
            found |= {each.ref: each for each in await self._listed(rows.rows) if _same(each.fields.get(path), value)}
            token = rows.next
            if token is None:
                return list(found.values())

    async def _find_event(self, path: str, value: Json) -> Sequence[Record]:
        """Those of a contact, each read by itself; or those that a listing shows of a calendar, of a person, or around a time."""
        if path != CONTACT:
            return await self._listed([(row, None) for row in await self._lister.events_by(self._kind, path, value)])
        rows = await self._lister.of_contact(self._kind, value) if isinstance(value, str) and is_id(value) else []
        # GHL: what is listed there has times without an offset, and not all fields.
        refs = [Ref(self._system, self._kind.name, RecordId(str(row["id"]))) for row in rows]
        return [record for ref in refs if (record := await self.get(ref)) is not None]

    async def create(self, fields: Mapping[str, Json]) -> Created | Exists:
        """Makes the record with one call, whose answer alone tells what it now holds."""
        custom = await self._custom()
        try:
            body = written(self._kind, fields, custom, creating=True)
        except UnwritableError as error:
            raise Rejected(str(error), system=self._system) from error
        given = {**{name: self._placed(value) for name, value in self._kind.with_create.items()}, **_channelled(self._kind, body)}
        prepared, answer = await self._ask(self._kind.create, given, accept=(*_GONE, 422))
        if answer.status >= 400:
            return await self._not_made(fields, answer)
        row = _receipt(self._object(prepared, answer))
        own = row.get("id") or row.get(prepared.row.id)
        if not isinstance(own, str) or not is_id(own):
            raise self._session.unexpected(prepared.operation, "no record")
        parent = str(fields[self._kind.parent]) if self._kind.parent else None
        ref = Ref(self._system, self._kind.name, address(own, parent))
        return Created(record=shown(self._kind, row, ref, custom, blank=frozenset(), parent=parent))

    async def update(self, update: Update) -> Record | ConnectorError:
        """What is wrong with this update is its answer; what is wrong with the vendor or the credential is raised."""
        try:
            return await self._update(update)
        except UnwritableError as error:
            return Rejected(str(error), system=self._system, ref=update.ref)
        except (Stale, Rejected) as error:
            error.ref = update.ref
            return error

    async def delete(self, ref: Ref) -> None:
        """Removes the record; one that is already gone is no error."""
        if not self._kind.delete:
            raise Rejected(f"the vendor deletes no {self._kind.name}", system=self._system, ref=ref)
        ids = self._ids(ref, self._kind.delete)
        if ids is None:
            return
        _, answer = await self._ask(self._kind.delete, ids)
        if answer.status >= 400 and not says_gone(answer):
            raise self._session.refusal(answer)

    async def _update(self, update: Update) -> Record:
        custom = await self._custom()
        body = written(self._kind, update.changes, custom, creating=False)
        ids = self._ids(update.ref, self._kind.update)
        if ids is None:
            raise self._stale(update.ref)
        if self._kind.resent:
            held = await self._row(update.ref)
            if held is None:
                raise self._stale(update.ref)
            body = {**{name: held[name] for name in self._kind.resent if held.get(name)}, **body}
        prepared, answer = await self._ask(self._kind.update, {**ids, **body})
        if answer.status >= 400:
            raise self._stale(update.ref) if says_gone(answer) else self._session.refusal(answer)
        row = self._object(prepared, answer)
        if self._kind.update_shows_all and row.get(prepared.row.id) == ids[own_parameter(prepared.row)]:
            return await self._whole(row, update.ref)
        return await self._read_back(update.ref)

    async def _read_back(self, ref: Ref) -> Record:
        """What a write left behind. The write has happened, whatever becomes of this look."""
        try:
            record = await self.get(ref)
        except ConnectorError as error:
            error.effect = Effect.MAYBE
            raise
        if record is None:
            raise self._stale(ref)
        return record

    async def _not_made(self, fields: Mapping[str, Json], answer: Answer) -> Exists:
        """A refusal; or the one record there may be, which the vendor does not name and a look finds."""
        refusal = self._session.refusal(answer)
        if answer.status == 400 and self._kind.one_per and "already exists" in refusal.message.lower():
            found = await self.find(self._kind.one_per, fields[self._kind.one_per])
            if len(found) == 1:
                return Exists(id=found[0].ref.id, key=self._kind.one_per)
            # GHL: reported by users: a record just made is not listed for a while.
            raise Unavailable(refusal.message, system=self._system, hint="it is there and not listed yet", status=answer.status)
        if answer.status == 422:
            # GHL: reported by users of contacts: a 422 on create may have made the record all the same.
            refusal.effect = Effect.MAYBE
        raise refusal

    async def _listed(self, rows: Sequence[tuple[Row, str | None]]) -> list[Record]:
        """The records of a listing. A name counts as shown by it only once some row has shown it."""
        custom = await self._custom([row for row, _ in rows])
        self._shows = self._shows.union(*(row for row, _ in rows))
        return [self._record(row, parent, custom) for row, parent in rows]

    def _record(self, row: Row, parent: str | None, custom: CustomFields) -> Record:
        key = CATALOGUE[self._kind.list].id
        own = row.get(key) or row.get("id")
        above = parent if parent is not None else row.get(self._kind.parent) if self._kind.parent else None
        if not isinstance(own, str) or not is_id(own) or (self._kind.parent and not (isinstance(above, str) and is_id(above))):
            raise self._session.unexpected(CATALOGUE[self._kind.list].operation, f"one of {self._kind.name} without an id")
        self._check_location(row)
        ref = Ref(self._system, self._kind.name, address(own, above))
        return shown(self._kind, row, ref, custom, blank=self._shows, parent=above)

    async def _row(self, ref: Ref) -> Row | None:
        """The row as a read by id shows it."""
        if not self._kind.get:
            return await self._lister.find_event(self._kind, ref.id) if is_id(ref.id) else None
        ids = self._ids(ref, self._kind.get)
        if ids is None:
            return None
        prepared, answer = await self._ask(self._kind.get, ids)
        if answer.status >= 400:
            if says_gone(answer):
                return None
            raise self._session.refusal(answer)
        row = self._object(prepared, answer)
        if row.get(prepared.row.id) != ids[own_parameter(prepared.row)]:
            raise self._session.unexpected(prepared.operation, "another record or none")
        return row

    async def _whole(self, row: Row, ref: Ref) -> Record:
        self._check_location(row)
        custom = await self._custom([row])
        address_parts = parts(ref.id, has_parent=bool(self._kind.parent))
        parent = address_parts[1] if address_parts else None
        return shown(self._kind, row, ref, custom, blank=whole(self._kind), parent=parent)

    async def _custom(self, rows: Sequence[Row] = ()) -> CustomFields:
        return await self._location.custom_for(rows, self._kind.model) if self._kind.model else CustomFields()

    async def _ask(
        self, name: str, values: Mapping[str, Json], *, accept: tuple[int, ...] = _GONE
    ) -> tuple[Prepared, Answer]:
        """One call of an operation. What its table does not admit is Rejected, and nothing is sent."""
        row = CATALOGUE[name]
        known = dict(self._known)
        if any(each.name == "companyId" and each.required for each in row.parameters) and "companyId" not in values:
            known["companyId"] = await self._location.company()
        try:
            prepared = prepare(CATALOGUE, row, {key: self._placed(value) for key, value in values.items()}, known)
        except UserError as error:
            raise Rejected("; ".join((str(error), *error.problems)), system=self._system) from error
        return prepared, await self._session.call(prepared.operation, query=prepared.query, body=prepared.body, accept=accept)

    def _ids(self, ref: Ref, operation: str) -> dict[str, Json] | None:
        """The values in an operation's path; None for what can be no record of this self._kind."""
        found = parts(RecordId(ref.id), has_parent=bool(self._kind.parent))
        if found is None:
            return None
        ids: dict[str, Json] = {own_parameter(CATALOGUE[operation]): found[0]}
        return {**ids, self._kind.parent: found[1]} if self._kind.parent else ids

    def _object(self, prepared: Prepared, answer: Answer) -> Row:
        """The record in an answer."""
        body = answer.body
        if prepared.row.object and isinstance(body, dict):
            body = body.get(prepared.row.object)
        if not isinstance(body, dict):
            raise self._session.unexpected(prepared.operation, "no record")
        return body

    def _check_location(self, row: Row) -> None:
        of = row.get("locationId", row.get("altId", self._location.id))
        if of and of != self._location.id:
            raise self._session.unexpected(CATALOGUE[self._kind.list].operation, "a record of another location")

    def _placed(self, value: Json) -> Json:
        """The value, with the location's id where the table says so."""
        if isinstance(value, list):
            return [self._placed(each) for each in value]
        return self._location.id if value == LOCATION else value

    def _stale(self, ref: Ref) -> Stale:
        return Stale(f"one of {self._kind.name} is gone", system=self._system, ref=ref, status=404)


def _same(left: Json, right: Json) -> bool:
    """Whether two values are the same whatever their capitals and spaces."""
    return left == right or str(left).casefold().split() == str(right).casefold().split()


def _receipt(row: Row) -> Row:
    """GHL: specification, send-message: the answer is no message but a receipt, whose status is not the message's."""
    return {"id": row["messageId"], "conversationId": row.get("conversationId")} if "messageId" in row else row


def _channelled(collection: Collection, body: dict[str, Json]) -> dict[str, Json]:
    """GHL: specification, send-message: the text of an e-mail is `html`, that of every other message `message`."""
    if collection.create == "send-message" and body.get("type") == "Email" and "message" in body and "html" not in body:
        return {**{name: value for name, value in body.items() if name != "message"}, "html": body["message"]}
    return body
