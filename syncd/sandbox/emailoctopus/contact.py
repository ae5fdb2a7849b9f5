"""One version of an EmailOctopus contact, and the shapes it is shown in.

A version is never changed: an edit makes the next one.

Rule: `fields` holds only set values under the field tags; timestamps are whole seconds, as the vendor keeps them.

It must not know lists, validation or where versions are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from syncd.sandbox.moments import iso_from_seconds
from syncd.sandbox.truth import Json

STATUSES = ("pending", "subscribed", "unsubscribed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One version of one contact of one list."""

    id: str
    email: str
    fields: Mapping[str, Any]
    tags: tuple[str, ...]
    status: str
    created_s: int
    updated_s: int

    def as_truth(self) -> Json:
        """The stored values flat, for the log and the control path."""
        return {
            "id": self.id,
            "email_address": self.email,
            "fields": dict(self.fields),
            "tags": list(self.tags),
            "status": self.status,
            "created_at": iso_from_seconds(self.created_s),
        }


def email_digest(email: str) -> str:
    """The other way to name a contact: MD5 of the lower-cased e-mail, as the vendor defines it."""
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def shown(contact: Contact, null_tags: Iterable[str] = ()) -> Json:
    """The contact as the API shows it; `null_tags` are list fields to show as null when unset."""
    return {
        "id": contact.id,
        "email_address": contact.email,
        "fields": {**dict.fromkeys(null_tags), **contact.fields},
        "tags": list(contact.tags),
        "status": contact.status,
        "created_at": iso_from_seconds(contact.created_s),
        "last_updated_at": iso_from_seconds(contact.updated_s),
    }
