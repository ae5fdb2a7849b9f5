"""GoHighLevel's endpoints: each reads a call, asks the location, and shows the result in the vendor's shape.

Rule: the location id in a request must be the token's own, and a body is read completely before anything is written.

It must not know tokens, quotas or sockets.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd.sandbox.calls import Answer, Call, Route
from syncd.sandbox.faults import Reach
from syncd.sandbox.gohighlevel import search
from syncd.sandbox.gohighlevel.contact import Contact, shown, shown_when_created
from syncd.sandbox.gohighlevel.errors import BodyError, refuse, unprocessable
from syncd.sandbox.gohighlevel.location import Location
from syncd.sandbox.gohighlevel.reading import ON_CREATE, ON_UPDATE, ON_UPSERT, ContactReader, clean_tags
from syncd.sandbox.gohighlevel.records import Records
from syncd.sandbox.gohighlevel.shapes import SURFACE, shaped
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Actor, Author, Json


class Endpoints:
    """The operations on one location."""

    def __init__(self, options: GoHighLevelOptions, location: Location, reader: ContactReader, records: Records) -> None:
        self.options, self.location, self._reader, self._records = options, location, reader, records
        self._nulls = options.blank_fields == "null"

    def routes(self) -> Sequence[Route]:
        """The operations served."""
        listing, read, write = Reach.LISTING, Reach.READ, Reach.WRITE
        table = (
            ("search-contacts", "POST", "/contacts/search", listing, self._search),
            ("get-duplicate-contact", "GET", "/contacts/search/duplicate", read, self._duplicate),
            ("upsert-contact", "POST", "/contacts/upsert", write, self._upsert),
            ("create-contact", "POST", "/contacts/", write, self._create),
            ("get-contact", "GET", "/contacts/{contactId}", read, self._get),
            ("update-contact", "PUT", "/contacts/{contactId}", write, self._update),
            ("delete-contact", "DELETE", "/contacts/{contactId}", write, self._delete),
            ("add-tags", "POST", "/contacts/{contactId}/tags", write, self._add_tags),
            ("remove-tags", "DELETE", "/contacts/{contactId}/tags", write, self._remove_tags),
            ("get-location", "GET", "/locations/{locationId}", read, self._location),
            ("get-custom-fields", "GET", "/locations/{locationId}/customFields", read, self._custom_fields),
            ("get-location-tags", "GET", "/locations/{locationId}/tags", read, self._location_tags),
        )
        return [
            Route(operation=operation, method=method, path=path, reach=reach, handler=handler)
            for operation, method, path, reach, handler in table
        ]

    def _shown(self, contact: Contact) -> Json:
        return shown(contact, self.options.location_id, nulls=self._nulls)

    def _author(self, call: Call) -> Author:
        return Author(actor=Actor.API, request_id=call.request_id)

    def _body(self, call: Call) -> Json:
        try:
            body = call.json()
        except ValueError:
            raise refuse(400) from None
        if not isinstance(body, dict):
            raise unprocessable(["body must be an object"])
        return body

    def _own_body(self, call: Call) -> Json:
        """A body whose `locationId` is required and must be ours."""
        body = self._body(call)
        if not isinstance(body.get("locationId"), str):
            raise unprocessable(["locationId must be a string"])
        self._check_location(body["locationId"])
        return body

    def _check_location(self, location_id: str | None) -> None:
        if location_id != self.options.location_id:
            raise refuse(403)

    def _search(self, call: Call) -> Answer:
        body = self._body(call)
        query = search.understand(body)
        self._check_location(body["locationId"])
        page = search.run(query, self.location.index, call.shaping)
        rows = [self._shown(contact) for contact, _ in page.rows]
        if self.options.search_omits_dnd_settings:
            for row in rows:
                del row["dndSettings"]
        return Answer(payload={"contacts": search.shown_rows(page, rows), "total": page.total})

    def _duplicate(self, call: Call) -> Answer:
        location_id, email, number = (call.query.get(name) for name in ("locationId", "email", "number"))
        if location_id is None:
            raise unprocessable(["locationId must be a string"])
        self._check_location(location_id)
        if not email and not number:
            raise refuse(400, "email or number is required")
        try:
            phone = self._reader.e164(number) if number else None
        except BodyError:
            phone = None
        contact = self._found(email.strip().lower() if email else None, phone, stale=call.stale)
        return Answer(payload={"contact": self._shown(contact) if contact else None})

    def _found(self, email: str | None, phone: str | None, *, stale: bool) -> Contact | None:
        found = self.location.find(email, phone)
        if found is None:
            return None
        if stale or self.options.duplicate_lookup_lags:
            return self.location.index.visible().get(found[0].id)
        return found[0]

    def _create(self, call: Call) -> Answer:
        changes = self._reader.read(self._own_body(call), ON_CREATE)
        contact = self.location.create(changes, self._author(call))
        return Answer(status=201, payload={"contact": shown_when_created(contact, self.options.location_id, nulls=self._nulls)})

    def _upsert(self, call: Call) -> Answer:
        """Match by e-mail, then phone; the first match wins and a second contact's field is silently ignored."""
        body = self._own_body(call)
        changes = self._reader.read(body, ON_UPSERT)
        always_new = body.get("createNewIfDuplicateAllowed") is True and self.options.allow_duplicates
        found = None if always_new else self.location.find(changes.get("email"), changes.get("phone"))
        if found is None:
            contact = self.location.create(changes, self._author(call))
            return Answer(payload={"new": True, "contact": self._shown(contact)})
        rival = self.location.find(None, changes.get("phone"), besides=found[0].id)
        if found[1] == "email" and rival is not None and not self.options.allow_duplicates:
            changes.pop("phone")
        contact = self.location.update(found[0].id, changes, self._author(call))
        return Answer(payload={"new": False, "contact": self._shown(contact)})

    def _get(self, call: Call) -> Answer:
        contact = self.location.get(call.params["contactId"], stale=call.stale)
        return Answer(payload={"contact": self._shown(contact)})

    def _update(self, call: Call) -> Answer:
        changes = self._reader.read(self._body(call), ON_UPDATE)
        contact = self.location.update(call.params["contactId"], changes, self._author(call))
        return Answer(payload={"succeded": True, "contact": self._shown(contact)})

    def _delete(self, call: Call) -> Answer:
        self.location.delete(call.params["contactId"], self._author(call))
        return Answer(payload={"succeded": True})

    def _add_tags(self, call: Call) -> Answer:
        given = self._given_tags(call)
        held = self.location.get(call.params["contactId"]).tags
        return Answer(status=201, payload={"tags": self._set_tags(call, list(dict.fromkeys([*held, *given])))})

    def _remove_tags(self, call: Call) -> Answer:
        given = self._given_tags(call)
        held = self.location.get(call.params["contactId"]).tags
        return Answer(payload={"tags": self._set_tags(call, [tag for tag in held if tag not in given])})

    def _given_tags(self, call: Call) -> list[str]:
        body = self._body(call)
        problems = [f"property {name} should not exist" for name in body if name != "tags"]
        try:
            tags = clean_tags("tags", body.get("tags"))
        except BodyError as error:
            raise unprocessable([*problems, str(error)]) from None
        if problems:
            raise unprocessable(problems)
        return tags

    def _set_tags(self, call: Call, tags: list[str]) -> list[str]:
        return self.location.update(call.params["contactId"], {"tags": tags}, self._author(call), exact=True).tags

    def _location(self, call: Call) -> Answer:
        self._check_location(call.params["locationId"])
        known = self._records.get("locations", self.options.location_id)
        return Answer(payload=shaped(SURFACE["find-location-by-id"].answer, {"location": known}))

    def _custom_fields(self, call: Call) -> Answer:
        self._check_location(call.params["locationId"])
        model = call.query.get("model", "contact")
        return Answer(
            payload={
                "customFields": [
                    {
                        "id": defined.id,
                        "name": defined.field.name,
                        "fieldKey": f"{defined.model}.{defined.field.key}",
                        "placeholder": "",
                        "dataType": defined.field.data_type,
                        "position": position * 50,
                        "picklistOptions": list(defined.field.options),
                        "locationId": self.options.location_id,
                        "model": defined.model,
                    }
                    for position, defined in enumerate(self.location.fields.values())
                    if model in (defined.model, "all")
                ]
            }
        )

    def _location_tags(self, call: Call) -> Answer:
        self._check_location(call.params["locationId"])
        names = sorted(self.location.tag_names())
        location_id = self.options.location_id
        return Answer(payload={"tags": [{"id": f"tag-{name}", "name": name, "locationId": location_id} for name in names]})
