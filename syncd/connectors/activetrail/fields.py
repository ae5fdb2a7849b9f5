"""The fields of an ActiveTrail contact, and the forms their values take.

`STANDARD` holds what every account has; `Slots` adds the slots that the account has given a label: 25 texts, 5 dates, 5 numbers.
The rule that keeps it true: a value goes out only in the form its field takes; anything else is refused before it is sent.
It must not know: HTTP, or any particular contact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from math import isfinite
from types import MappingProxyType

from syncd.connectors.base import FieldSpec
from syncd.core.fields import FieldType
from syncd.core.record import Json

CUSTOM = "custom."
GROUPS, MAILING_LISTS, MARKER, STATUS = "groups", "mailing_lists", "external_id", "status"
STATUSES = ("subscribed", "unsubscribed", "pending", "bounced", "blocked")
# ActiveTrail: others' programs: ApiStatusTypes.
STATUS_NUMBERS: Mapping[str, int] = MappingProxyType({"subscribed": 1, "unsubscribed": 2, "pending": 3})

_TEXTS = ("first_name", "last_name", "fax", "street", "city", "zip_code")
_SLOT = re.compile(r"(ext([1-9]|1\d|2[0-5])|date[1-5]|num[1-5])", re.IGNORECASE)
_SLOT_TYPES = {"ext": FieldType.TEXT, "date": FieldType.DATE, "num": FieldType.NUMBER}

STANDARD: Mapping[str, FieldSpec] = MappingProxyType(
    {
        spec.path: spec
        for spec in (
            FieldSpec(path="email", type=FieldType.EMAIL),
            *(FieldSpec(path=path, type=FieldType.PHONE) for path in ("sms", "phone1", "phone2")),
            *(FieldSpec(path=path, type=FieldType.TEXT) for path in _TEXTS),
            *(FieldSpec(path=path, type=FieldType.DATE) for path in ("birthday", "anniversary")),
            FieldSpec(path="is_do_not_mail", type=FieldType.BOOL),
            FieldSpec(path=STATUS, type=FieldType.CHOICE, options=STATUSES),
            FieldSpec(path=GROUPS, type=FieldType.SET),
            FieldSpec(path=MAILING_LISTS, type=FieldType.SET),
            # A mark for other programs, whose calls by external id take it. No documented call shows it, not even of one contact, so nothing here is
            # found by it: whoever is in doubt is looked for by address and number, which are unique there.
            FieldSpec(path=MARKER, type=FieldType.TEXT, readable=False),
        )
    }
)
PLAIN = frozenset(STANDARD) - {GROUPS, MAILING_LISTS, MARKER, STATUS}
"""The standard fields whose name in a body is their path."""


class UnwritableError(ValueError):
    """A value that this vendor has no form for; the message says which field and why."""


class Slots:
    """The labelled slots of one account, by path: ``custom.ext3``."""

    def __init__(self, specs: Sequence[FieldSpec] = ()) -> None:
        self.by_path: Mapping[str, FieldSpec] = {spec.path: spec for spec in specs}

    @classmethod
    def read(cls, rows: Sequence[Json]) -> Slots:
        """From the account's own list of its contact fields; what is no slot is a standard field."""
        specs = []
        for row in rows:
            column, label = (str(row.get(name) or "") for name in ("field_source_column", "field_display_name"))
            if _SLOT.fullmatch(column) and label:
                kind = _SLOT_TYPES[column.lower().rstrip("0123456789")]
                specs.append(FieldSpec(path=CUSTOM + column.lower(), type=kind, label=label))
        return cls(specs)

    def spec(self, path: str) -> FieldSpec:
        """The field at a path; raises UnwritableError where the account has none."""
        found = self.by_path.get(path) or STANDARD.get(path)
        if found is None:
            raise UnwritableError(f"the account has no field `{path.removeprefix(CUSTOM)}`")
        return found


def form(spec: FieldSpec, value: Json) -> Json:
    """The value in the form the field takes. A text is blanked by an empty one: a null may mean that it is left as it is."""
    if spec.type is FieldType.BOOL:
        if not isinstance(value, bool):
            raise UnwritableError(f"`{spec.path}` is true or false, never blank")
        return value
    if value is None:
        return None if spec.type in (FieldType.DATE, FieldType.NUMBER) else ""
    if spec.type is FieldType.NUMBER:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            raise UnwritableError(f"`{spec.path}` takes a number")
        return value
    if isinstance(value, (dict, list)):
        raise UnwritableError(f"`{spec.path}` takes a single value")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _date(spec, text) if spec.type is FieldType.DATE else text


def shown_value(spec: FieldSpec, value: Json) -> Json:
    """A value as the vendor shows it, with every way of being empty blank: a date that was never set may be the first of all days."""
    if value in ("", [], {}):
        return None
    if spec.type is FieldType.DATE and isinstance(value, str):
        return None if value.startswith("0001-") else value.partition("T")[0]
    return value


def _date(spec: FieldSpec, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise UnwritableError(f"`{spec.path}` takes a date such as 2015-12-01") from error
