"""An ActiveTrail contact and a record, each made from the other.

`shown` reads the fields out of a contact; `Wanted.read` takes an intended write apart: what goes into the body, what it should belong to,
and the mark to leave on it.
The rule that keeps it true: nobody is subscribed by an update. Who left or bounced comes back by its own hand only, so an update's body
says no status but "unsubscribed".
It must not know: HTTP, or when anything is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.connectors.activetrail.fields import (
    CUSTOM,
    GROUPS,
    MAILING_LISTS,
    MARKER,
    PLAIN,
    STANDARD,
    STATUS,
    STATUS_NUMBERS,
    Slots,
    UnwritableError,
    form,
    shown_value,
)
from syncd.core.record import Json

_UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An intended write. `belongs` has the wanted names by path; an absent path is left as it is. `marker` None: none to leave."""

    body: Mapping[str, Json]
    belongs: Mapping[str, list[str]]
    marker: str | None

    @classmethod
    def read(cls, changes: Mapping[str, Json], slots: Slots, *, creating: bool, held: Mapping[str, Json] | None = None) -> Wanted:
        """From vendor paths and values; `held` is what the contact was seen to hold. Raises UnwritableError."""
        body: dict[str, Json] = {}
        belongs: dict[str, list[str]] = {}
        marker = None
        for path, value in changes.items():
            if path in (GROUPS, MAILING_LISTS):
                belongs[path] = _names(path, value)
            elif path == MARKER:
                marker = _marker(value)
            elif path == STATUS:
                body.update(_status(value, held=(held or {}).get(STATUS), creating=creating))
            elif not creating or value is not None:
                body[path.removeprefix(CUSTOM)] = form(slots.spec(path), value)
        if creating and not body.get("email") and not body.get("sms"):
            raise UnwritableError("a contact cannot be made without `email` or `sms`")
        return cls(body=body, belongs=belongs, marker=marker)


def shown(contact: Mapping[str, Json], slots: Slots) -> dict[str, Json]:
    """The fields a response shows; what it leaves out was not shown. What a contact belongs to is shown elsewhere."""
    fields = {path: shown_value(STANDARD[path], contact[path]) for path in PLAIN if path in contact}
    for path, spec in slots.by_path.items():
        if (slot := path.removeprefix(CUSTOM)) in contact:
            fields[path] = shown_value(spec, contact[slot])
    if isinstance(contact.get("state"), str):
        fields[STATUS] = contact["state"].lower() or None
    return fields


def is_contact(row: Json) -> bool:
    """Whether this is a contact at all: an object with a whole number for its id."""
    return isinstance(row, dict) and isinstance(row.get("id"), int) and not isinstance(row["id"], bool) and row["id"] > 0


def is_alive(row: Mapping[str, Json]) -> bool:
    """Whether the contact is not one that is kept and marked as deleted."""
    return row.get("is_deleted") is not True


def _status(value: Json, *, held: Json, creating: bool) -> dict[str, Json]:
    if held is not None and value == held and not creating:
        return {}
    allowed = STATUS_NUMBERS if creating else {_UNSUBSCRIBED: STATUS_NUMBERS[_UNSUBSCRIBED]}
    if value not in allowed:
        raise UnwritableError(
            f"`status` cannot be made {value!r} by a sync: whoever left, bounced or was blocked comes back by its own hand only"
            if value in STATUS_NUMBERS and not creating
            else f"`status` takes one of {', '.join(allowed)}"
        )
    return {"status": allowed[value]}


def _names(path: str, value: Json) -> list[str]:
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)):
        raise UnwritableError(f"`{path}` takes a list of names")
    return value or []


def _marker(value: Json) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise UnwritableError(f"`{MARKER}` takes a text")
    return str(value)
