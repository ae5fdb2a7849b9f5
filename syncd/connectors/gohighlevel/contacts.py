"""A GoHighLevel contact and a record, each made from the other.

`shown` reads a contact out of a response or a webhook; `written` makes the body of a create or an update.
The rule that keeps it true: a field is reported blank only where the response would have shown it. A search result has no
documented schema, so there a missing field says nothing until some search result has been seen to show that field.
It must not know: HTTP, or when anything is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from syncd.connectors.gohighlevel.fields import (
    CLEARED_BY_EMPTY,
    CUSTOM,
    NEVER_BLANK,
    READABLE,
    STANDARD,
    CustomField,
    CustomFields,
)
from syncd.connectors.payload import moment
from syncd.core.fields import FieldType
from syncd.core.record import Json, Record, Ref

CUSTOM_FIELDS = "customFields"
ALL_SHOWN = READABLE | {CUSTOM_FIELDS}
"""What the answer to a read by id shows: GHL: specification, contacts."""


class UnwritableError(ValueError):
    """A value that this vendor has no form for; the message says which field and why."""


def shown(contact: Mapping[str, Json], ref: Ref, custom: CustomFields, *, blank: frozenset[str]) -> Record:
    """The record a response shows. Names in `blank` that are missing from it are blank; other missing ones were not shown."""
    return Record(ref=ref, fields=fields_of(contact, custom, blank=blank), modified_at=moment(contact.get("dateUpdated")))


def fields_of(contact: Mapping[str, Json], custom: CustomFields, *, blank: frozenset[str] = frozenset()) -> dict[str, Json]:
    """The values by field path."""
    fields = {path: _value(contact.get(path)) for path in READABLE if path in contact or path in blank}
    if CUSTOM_FIELDS in contact or CUSTOM_FIELDS in blank:
        fields.update(dict.fromkeys(custom.by_path))
        items = contact.get(CUSTOM_FIELDS)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and (known := custom.by_id.get(str(item.get("id")))) is not None:
                fields[known.spec.path] = _value(_custom_value(item))
    return fields


def unknown_custom_ids(contact: Mapping[str, Json], custom: CustomFields) -> bool:
    """Whether the contact holds a custom field that was defined after the last discovery."""
    items = contact.get(CUSTOM_FIELDS)
    return isinstance(items, list) and any(isinstance(item, dict) and item.get("id") not in custom.by_id for item in items)


def written(changes: Mapping[str, Json], custom: CustomFields, *, creating: bool) -> dict[str, Json]:
    """The body that carries the changes, without tags where they have calls of their own. Raises UnwritableError."""
    body: dict[str, Json] = {}
    custom_items = []
    for path, value in changes.items():
        if path.startswith(CUSTOM):
            custom_items.append(_custom_item(path, value, custom))
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


def _custom_item(path: str, value: Json, custom: CustomFields) -> dict[str, Json]:
    known = custom.find(path)
    if known is None:
        raise UnwritableError(f"the location has no custom field `{path.removeprefix(CUSTOM)}`")
    if not known.spec.writable:
        raise UnwritableError(f"`{path}` holds a kind of value that syncd does not write")
    # How a custom field is cleared is not documented; an empty value of its own type is what the schemas admit.
    empty: Json = [] if known.is_list else ""
    return {"id": known.id, "field_value": empty if value is None else _custom_form(path, value, known)}


def _custom_form(path: str, value: Json, known: CustomField) -> Json:
    """The value in the form the field's type takes."""
    kind = known.spec.type
    if kind is FieldType.SET:
        chosen = value if isinstance(value, list) else [value]
        return [_option(path, each, known) for each in chosen]
    if kind is FieldType.NUMBER:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise UnwritableError(f"`{path}` takes a number")
        return value
    if isinstance(value, (dict, list)):
        raise UnwritableError(f"`{path}` takes a single value")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _option(path, text, known) if kind is FieldType.CHOICE else text


def _option(path: str, value: Json, known: CustomField) -> str:
    """The vendor's own spelling of an option."""
    options = known.spec.options
    if not isinstance(value, str):
        raise UnwritableError(f"`{path}` takes texts")
    if not options or value in options:
        return value
    alike = [option for option in options if option.casefold() == value.casefold()]
    if len(alike) != 1:
        raise UnwritableError(f"`{path}` takes one of {', '.join(options)}")
    return alike[0]


def _custom_value(item: Mapping[str, Json]) -> Json:
    """Reads name the value differently: `value` for a contact, `fieldValue` and `field_value` elsewhere."""
    return next((item[name] for name in ("value", "field_value", "fieldValue") if name in item), None)


def _value(value: Json) -> Json:
    """Every way of being empty is blank."""
    return None if value in ("", [], {}) else value
