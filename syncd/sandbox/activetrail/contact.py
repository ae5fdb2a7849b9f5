"""One version of an ActiveTrail contact, and the shape it is shown in.

A version is never changed: an edit makes the next one.

Rule: `values` holds only set values under the API's names; a date is kept as midnight of its day, as the vendor shows it.

It must not know groups by name, validation or where versions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.truth import Json

TEXTS = (
    "email",
    "sms",
    "first_name",
    "last_name",
    "city",
    "fax",
    "phone1",
    "phone2",
    "street",
    "zip_code",
    *(f"ext{number}" for number in range(1, 26)),
)
DATES = ("anniversary", "birthday", *(f"date{number}" for number in range(1, 6)))
NUMBERS = tuple(f"num{number}" for number in range(1, 6))
VALUES = (*TEXTS, *DATES, *NUMBERS)
IDENTITY = ("email", "sms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One version of one contact. `groups` and `lists` are ids, in the order joined; times are whole seconds."""

    id: int
    values: Mapping[str, Any]
    groups: tuple[int, ...]
    lists: tuple[int, ...]
    state: str
    is_do_not_mail: bool
    is_deleted: bool
    created_s: int
    updated_s: int

    def as_truth(self) -> Json:
        """The stored values flat, for the log and the control path; names of groups are added by who knows them."""
        return {
            "id": str(self.id),
            **dict(self.values),
            "groups": list(self.groups),
            "lists": list(self.lists),
            "state": self.state,
            "is_do_not_mail": self.is_do_not_mail,
            "is_deleted": self.is_deleted,
        }


def shown(contact: Contact) -> Json:
    """The contact as the API shows it: every field, null where it holds nothing, and no membership."""
    return {
        "id": contact.id,
        **dict.fromkeys(VALUES),
        **contact.values,
        "state": contact.state,
        "is_optined": contact.state == "Subscribed",
        "is_do_not_mail": contact.is_do_not_mail,
        "is_deleted": contact.is_deleted,
    }
