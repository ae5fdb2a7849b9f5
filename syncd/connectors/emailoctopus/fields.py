"""The fields of one EmailOctopus list, and the forms their values take.

`STANDARD` holds what every list has; `ListFields` adds a list's own, by tag, and the tags its contacts may bear.
The rule that keeps it true: a value goes out only in the form its field's type takes; anything else is refused before it is sent.
It must not know: HTTP, or any particular contact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import isfinite
from types import MappingProxyType

from syncd.connectors.base import FieldSpec
from syncd.core.fields import FieldType
from syncd.core.record import Json

FIELDS = "fields."
STATUSES = ("subscribed", "unsubscribed", "pending")

# EmailOctopus: specification, contacts.
STANDARD: Mapping[str, FieldSpec] = MappingProxyType(
    {
        "email_address": FieldSpec(path="email_address", type=FieldType.EMAIL),
        "status": FieldSpec(path="status", type=FieldType.CHOICE, options=STATUSES),
        "tags": FieldSpec(path="tags", type=FieldType.SET),
    }
)
_TYPES = {
    "text": FieldType.TEXT,
    "number": FieldType.NUMBER,
    "date": FieldType.DATE,
    "choice_single": FieldType.CHOICE,
    "choice_multiple": FieldType.SET,
}


class UnwritableError(ValueError):
    """A value that this vendor has no form for; the message says which field and why."""


class ListFields:
    """What one list defines, as last discovered: fields by path, and tags by comparison key in the list's own spelling."""

    def __init__(self, specs: Sequence[FieldSpec] = (), tags: Sequence[str] = ()) -> None:
        self.by_path: Mapping[str, FieldSpec] = {spec.path: spec for spec in specs}
        self.tags: dict[str, str] = {tag.casefold(): tag for tag in tags}

    @classmethod
    def read(cls, body: Mapping[str, Json]) -> ListFields:
        """From the vendor's description of a list. Its tags need not be all there: making one that exists does no harm."""
        rows, tags = body.get("fields"), body.get("tags")
        specs = [spec for row in (rows if isinstance(rows, list) else ()) if (spec := _spec(row)) is not None]
        names = [tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, str)]
        return cls(specs, names)

    def form(self, path: str, value: Json) -> Json:
        """The value in the form the field takes; None, which unsets it, is every field's. Raises UnwritableError."""
        spec = self.by_path.get(path)
        if spec is None:
            raise UnwritableError(f"the list has no field `{path.removeprefix(FIELDS)}`")
        if not spec.writable:
            raise UnwritableError(f"`{path}` holds a kind of value that syncd does not write")
        return None if value is None else _form(spec, value)


def _spec(row: Json) -> FieldSpec | None:
    if not isinstance(row, dict) or not isinstance(row.get("tag"), str):
        return None
    kind, choices = _TYPES.get(str(row.get("type"))), row.get("choices")
    return FieldSpec(
        path=FIELDS + row["tag"],
        type=kind or FieldType.JSON,
        label=str(row.get("label") or ""),
        writable=kind is not None,
        creatable=kind is not None,
        options=tuple(map(str, choices)) if isinstance(choices, list) else (),
    )


def _form(spec: FieldSpec, value: Json) -> Json:
    if spec.type is FieldType.SET:
        return [_choice(spec, each) for each in (value if isinstance(value, list) else [value])]
    if spec.type is FieldType.NUMBER:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise UnwritableError(f"`{spec.path}` takes a number")
        return value
    if isinstance(value, (dict, list)):
        raise UnwritableError(f"`{spec.path}` takes a single value")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if spec.type is FieldType.DATE:
        return _date(spec, text)
    return _choice(spec, text) if spec.type is FieldType.CHOICE else text


def _date(spec: FieldSpec, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise UnwritableError(f"`{spec.path}` takes a date such as 2015-12-01") from error


def _choice(spec: FieldSpec, value: Json) -> str:
    """The list's own spelling of a choice."""
    if value in spec.options:
        return str(value)
    alike = [option for option in spec.options if option.casefold() == str(value).casefold()]
    if len(alike) != 1:
        raise UnwritableError(f"`{spec.path}` takes one of {', '.join(spec.options)}")
    return alike[0]
