"""A GoHighLevel contact and a record, each made from the other.

`shown` reads a contact out of a response or a webhook; `written` makes the body of a create or an update.
The rule that keeps it true: a field is reported blank only where the response would have shown it. A search result has no
documented schema, so there a missing field says nothing until some search result has been seen to show that field.
It must not know: HTTP, or when anything is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.connectors.gohighlevel.fields import (
    CLEARED_BY_EMPTY,
    CUSTOM,
    NEVER_BLANK,
    READABLE,
    STANDARD,
    CustomFields,
)
from syncd.connectors.gohighlevel.values import CUSTOM_FIELDS, UnwritableError, custom_item, custom_values, plain
from syncd.connectors.payload import moment
from syncd.core.fields import FieldType
from syncd.core.record import Json, Record, Ref

ALL_SHOWN = READABLE | {CUSTOM_FIELDS}
"""What the answer to a read by id shows: GHL: specification, contacts."""


def shown(contact: Mapping[str, Json], ref: Ref, custom: CustomFields, *, blank: frozenset[str]) -> Record:
    """The record a response shows. Names in `blank` that are missing from it are blank; other missing ones were not shown."""
    return Record(ref=ref, fields=fields_of(contact, custom, blank=blank), modified_at=moment(contact.get("dateUpdated")))


def fields_of(contact: Mapping[str, Json], custom: CustomFields, *, blank: frozenset[str] = frozenset()) -> dict[str, Json]:
    """The values by field path."""
    fields = {path: plain(contact.get(path)) for path in READABLE if path in contact or path in blank}
    if CUSTOM_FIELDS in contact or CUSTOM_FIELDS in blank:
        fields.update(custom_values(contact, custom))
    return fields


def written(changes: Mapping[str, Json], custom: CustomFields, *, creating: bool) -> dict[str, Json]:
    """The body that carries the changes, without tags where they have calls of their own. Raises UnwritableError."""
    body: dict[str, Json] = {}
    custom_items = []
    for path, value in changes.items():
        if path.startswith(CUSTOM):
            custom_items.append(custom_item(path, value, custom))
        elif path != "tags" or creating:
            body[path] = _standard_value(path, value, creating=creating)
    if custom_items:
        body[CUSTOM_FIELDS] = custom_items
    return {path: value for path, value in body.items() if value is not None} if creating else body


def _standard_value(path: str, value: Json, *, creating: bool) -> Json:
    spec = STANDARD.get(path)
    if spec is None or not (spec.creatable if creating else spec.writable):
        raise UnwritableError(f"`{path}` cannot be written by {'a create' if creating else 'an update'}")
    if value is None:
        if path in NEVER_BLANK and not creating:
            raise UnwritableError(f"`{path}` cannot be blank")
        return "" if path in CLEARED_BY_EMPTY and not creating else None
    fits = {
        FieldType.BOOL: isinstance(value, bool),
        FieldType.SET: isinstance(value, list) and all(isinstance(each, str) for each in value),
        FieldType.JSON: isinstance(value, dict),
    }
    if not fits.get(spec.type, isinstance(value, str)):
        raise UnwritableError(f"`{path}` does not take a value of this type")
    return value
