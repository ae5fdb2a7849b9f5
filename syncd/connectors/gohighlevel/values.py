"""Values as GoHighLevel reads and writes them, whatever record they are in.

The rule that keeps it true: a value this vendor has no form for is an `UnwritableError` before anything is sent; a blank is None, however
the vendor spells it.
It must not know: HTTP, or what record a value belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from syncd.connectors.gohighlevel.fields import CUSTOM, CustomField, CustomFields
from syncd.core.fields import FieldType
from syncd.core.record import Json

CUSTOM_FIELDS = "customFields"


class UnwritableError(ValueError):
    """A value that this vendor has no form for; the message says which field and why."""


def custom_item(path: str, value: Json, custom: CustomFields) -> dict[str, Json]:
    """One custom value as a body carries it. Raises UnwritableError."""
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


def custom_values(record: Mapping[str, Json], custom: CustomFields) -> dict[str, Json]:
    """Every custom field by its path, blank where the record holds none; an id nobody knows is passed over."""
    found: dict[str, Json] = dict.fromkeys(custom.by_path)
    items = record.get(CUSTOM_FIELDS)
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and (known := custom.by_id.get(str(item.get("id")))) is not None:
            found[known.spec.path] = plain(_custom_value(item))
    return found


def unknown_custom_ids(record: Mapping[str, Json], custom: CustomFields) -> bool:
    """Whether the record holds a custom field that was defined after the last discovery."""
    items = record.get(CUSTOM_FIELDS)
    return isinstance(items, list) and any(isinstance(item, dict) and item.get("id") not in custom.by_id for item in items)


def _custom_value(item: Mapping[str, Json]) -> Json:
    """Reads name the value differently: `value` for a contact, `fieldValue` and `field_value` elsewhere."""
    return next((item[name] for name in ("value", "field_value", "fieldValue") if name in item), None)


def plain(value: Json) -> Json:
    """Every way of being empty is blank."""
    return None if value in ("", [], {}) else value
