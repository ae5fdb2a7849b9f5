"""A vendor's row and a record of a collection, each made from the other.

`shown` reads a row out of an answer or a webhook; `written` makes the values of a create or an update.
The rule that keeps it true: a field is reported blank only where the answer would have shown it, and nothing is written that the table does
not allow.
It must not know: HTTP, or where a row comes from.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Mapping
from math import isfinite

from syncd.connectors.gohighlevel.fields import CUSTOM, CustomFields
from syncd.connectors.gohighlevel.table import Collection, Field
from syncd.connectors.gohighlevel.values import CUSTOM_FIELDS, UnwritableError, custom_item, custom_values, plain
from syncd.connectors.payload import moment
from syncd.core.fields import FieldType
from syncd.core.record import Json, Record, Ref

# GHL: specification: no schema of these lets a value be null, so an empty text clears one; other kinds of value have no blank.
_CLEARED: Mapping[FieldType, Json] = {FieldType.TEXT: "", FieldType.EMAIL: "", FieldType.PHONE: "", FieldType.SET: []}


def whole(collection: Collection) -> frozenset[str]:
    """What the answer to a read by id shows: the names of the collection's model."""
    return frozenset(each.at[0] for each in collection.fields.values() if each.spec.readable) | {CUSTOM_FIELDS}


def shown(
    collection: Collection, row: Mapping[str, Json], ref: Ref, custom: CustomFields, *, blank: Names[str], parent: str | None = None
) -> Record:
    """The record a row shows. Names in `blank` that are missing from it are blank; other missing ones were not shown."""
    fields = fields_of(collection, row, custom, blank=blank)
    if parent is not None:
        fields[collection.parent] = parent
    updated = collection.read.updated
    return Record(ref=ref, fields=fields, modified_at=moment(row.get(updated)) if updated else None)


def fields_of(collection: Collection, row: Mapping[str, Json], custom: CustomFields, *, blank: Names[str] = ()) -> dict[str, Json]:
    """The values by field path."""
    fields = {
        path: _read(each, row)
        for path, each in collection.fields.items()
        if each.spec.readable and (each.at[0] in row or each.at[0] in blank)
    }
    if collection.model and (CUSTOM_FIELDS in row or CUSTOM_FIELDS in blank):
        fields.update(custom_values(row, custom))
    return fields


def written(collection: Collection, changes: Mapping[str, Json], custom: CustomFields, *, creating: bool) -> dict[str, Json]:
    """The values under the vendor's names. Raises UnwritableError."""
    body: dict[str, Json] = {}
    items = []
    for path, value in changes.items():
        if path.startswith(CUSTOM) and collection.model:
            items.append(custom_item(path, value, custom))
        elif value is not None or not creating:
            field = _writable(collection, path, creating=creating)
            body[field.made_as if creating else path] = _form(field, value)
    if items:
        body[CUSTOM_FIELDS] = items
    return body


def _writable(collection: Collection, path: str, *, creating: bool) -> Field:
    field = collection.fields.get(path)
    if field is None or not (field.spec.creatable if creating else field.spec.writable):
        raise UnwritableError(f"`{path}` cannot be written by {'a create' if creating else 'an update'}")
    return field


def _form(field: Field, value: Json) -> Json:
    """The value in the form the field's type takes."""
    kind, path = field.spec.type, field.spec.path
    if value is None:
        if kind not in _CLEARED:
            raise UnwritableError(f"`{path}` cannot be blank")
        return _CLEARED[kind]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        FieldType.BOOL: isinstance(value, bool),
        FieldType.NUMBER: number and isfinite(value),
        FieldType.SET: isinstance(value, list) and all(isinstance(each, str) for each in value),
        FieldType.JSON: isinstance(value, (dict, list)),
    }
    if not fits.get(kind, isinstance(value, str)):
        raise UnwritableError(f"`{path}` does not take a value of this type")
    if field.spec.options and value not in field.spec.options:
        raise UnwritableError(f"`{path}` takes one of {', '.join(field.spec.options)}")
    return str(value) if field.as_text else value


def _read(field: Field, row: Mapping[str, Json]) -> Json:
    value: Json = row
    for name in field.at:
        value = value.get(name) if isinstance(value, dict) else None
    if field.words and isinstance(value, int):
        return field.words.get(value)
    return plain(value)
