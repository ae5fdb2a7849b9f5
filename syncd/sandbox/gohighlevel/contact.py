"""One version of a GoHighLevel contact, and the shapes it is shown in.

A version is never changed: an edit makes the next one, so the index and a stale read can hold on to old ones.

Rule: `values` holds only non-blank values under the vendor's own field names, with custom fields keyed by field id;
everything derived (lower-case twins, full name) is made when shown.

It must not know how values were validated or where versions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.moments import iso_from_milliseconds
from syncd.sandbox.truth import Json

TEXT_FIELDS = (
    "firstName",
    "lastName",
    "email",
    "phone",
    "companyName",
    "address1",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "timezone",
    "source",
    "dateOfBirth",
    "assignedTo",
)
# Accepted when a contact is created and never shown by a read.
WRITE_ONLY = frozenset({"gender", "inboundDndSettings"})
_WEBHOOK_FIELDS = (
    "address1",
    "city",
    "companyName",
    "country",
    "source",
    "email",
    "firstName",
    "lastName",
    "phone",
    "postalCode",
    "state",
    "website",
    "assignedTo",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One version of one contact."""

    id: str
    values: Mapping[str, Any]
    added_ms: int
    updated_ms: int

    @property
    def full_name(self) -> str:
        """First and last name, as far as there are any."""
        return " ".join(part for part in (self.values.get("firstName"), self.values.get("lastName")) if part)

    @property
    def tags(self) -> list[str]:
        """The contact's tags."""
        tags: list[str] = self.values.get("tags", [])
        return tags

    @property
    def custom(self) -> Mapping[str, Any]:
        """Custom values by field id."""
        custom: Mapping[str, Any] = self.values.get("customFields", {})
        return custom

    def as_truth(self) -> Json:
        """The stored values flat, for the log and the control path."""
        return {"id": self.id, **self.values, "dateAdded": iso_from_milliseconds(self.added_ms)}


def shown(contact: Contact, location_id: str, *, nulls: bool = False) -> Json:
    """The contact as a read shows it."""
    values = contact.values
    body: Json = {"id": contact.id, "locationId": location_id}
    for name in TEXT_FIELDS:
        if name in values or nulls:
            body[name] = values.get(name)
    if contact.full_name:
        body["name"] = contact.full_name
        body["fullNameLowerCase"] = contact.full_name.lower()
    for name in ("firstName", "lastName", "email"):
        if name in values:
            body[f"{name}LowerCase"] = values[name].lower()
    body["dnd"] = values.get("dnd", False)
    body["dndSettings"] = values.get("dndSettings", {})
    body["type"] = "read"
    body["tags"] = contact.tags
    body["customFields"] = custom_shown(contact)
    body["dateAdded"] = iso_from_milliseconds(contact.added_ms)
    body["dateUpdated"] = iso_from_milliseconds(contact.updated_ms)
    return body


def shown_when_created(contact: Contact, location_id: str, *, nulls: bool = False) -> Json:
    """The create response: a birth date is a full moment there, and `name` is absent."""
    body = shown(contact, location_id, nulls=nulls)
    body.pop("name", None)
    body["deleted"] = False
    if "dateOfBirth" in contact.values:
        body["dateOfBirth"] = _birth_moment(contact)
    return body


def webhook_shown(contact: Contact, location_id: str, event: str) -> Json:
    """The flat webhook payload; it carries `dateAdded` and never `dateUpdated`."""
    values = contact.values
    body: Json = {"type": event, "locationId": location_id, "id": contact.id}
    body.update({name: values[name] for name in _WEBHOOK_FIELDS if name in values})
    if contact.full_name:
        body["name"] = contact.full_name
    if "dateOfBirth" in values:
        body["dateOfBirth"] = _birth_moment(contact)
    body["dnd"] = values.get("dnd", False)
    if event == "ContactDndUpdate":
        body["dndSettings"] = values.get("dndSettings", {})
    body["tags"] = contact.tags
    body["attachments"] = []
    body["customFields"] = custom_shown(contact)
    body["dateAdded"] = iso_from_milliseconds(contact.added_ms)
    return body


def custom_shown(contact: Contact) -> list[Json]:
    """Custom values in the read shape."""
    return [{"id": field_id, "value": value} for field_id, value in contact.custom.items()]


def _birth_moment(contact: Contact) -> str:
    return f"{contact.values['dateOfBirth']}T00:00:00.000Z"
