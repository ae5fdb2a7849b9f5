"""Reading a contact body: which properties are allowed, and what a value becomes when it is kept.

E-mail is trimmed and lower-cased, a phone becomes E.164, tags are trimmed, lower-cased and made unique, a birth date
becomes YYYY-MM-DD.

Rule: every problem of a body is found before anything is refused, and a value of None in the result means "clear
this field".

It must not know stored contacts: reading never depends on what is already there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import phonenumbers

from syncd.sandbox.gohighlevel.errors import BodyError, unprocessable
from syncd.sandbox.options import CustomField, GoHighLevelOptions
from syncd.sandbox.truth import Json

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_YEAR_FIRST = re.compile(r"(\d{4})[/\-._](\d{1,2})[/\-._](\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})[/\-._](\d{1,2})[/\-._](\d{4})")
_CHOICES_ONE = frozenset({"SINGLE_OPTIONS", "RADIO"})
_CHOICES_MANY = frozenset({"MULTIPLE_OPTIONS", "CHECKBOX"})
_NUMBERS = frozenset({"NUMERICAL", "MONETORY"})
_DND_CHANNELS = frozenset({"Call", "Email", "SMS", "WhatsApp", "GMB", "FB"})
_DND_STATUSES = frozenset({"active", "inactive", "permanent"})

_TEXTS = frozenset(
    [
        "firstName",
        "lastName",
        "name",
        "address1",
        "city",
        "state",
        "postalCode",
        "website",
        "timezone",
        "source",
        "country",
        "companyName",
        "gender",
        "assignedTo",
    ]
)
ON_UPDATE = frozenset(
    _TEXTS | {"email", "phone", "dnd", "dndSettings", "inboundDndSettings", "tags", "customFields", "dateOfBirth"}
) - {"companyName", "gender"}
ON_CREATE = ON_UPDATE | {"companyName", "gender", "locationId"}
ON_UPSERT = ON_CREATE | {"createNewIfDuplicateAllowed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedField:
    """A custom field with the id the location gave it, of contacts or of opportunities."""

    id: str
    field: CustomField
    model: str = "contact"


class ContactReader:
    """Reads bodies under the rules of one location."""

    def __init__(self, options: GoHighLevelOptions, fields: Mapping[str, DefinedField]) -> None:
        self._options = options
        self._by_id = fields
        self._by_key = {defined.field.key: defined for defined in fields.values()}
        self._readers: dict[str, Callable[[str, Any], Any]] = dict.fromkeys(_TEXTS, _text)
        self._readers |= {
            "email": _email,
            "phone": self._phone,
            "tags": _tags,
            "dnd": _boolean,
            "dndSettings": _dnd_settings,
            "inboundDndSettings": _mapping,
            "customFields": self._custom,
            "dateOfBirth": _birth_date,
        }

    def read(self, body: Any, allowed: frozenset[str]) -> Json:
        """The changes a body asks for; raises a 422 naming every problem."""
        if not isinstance(body, dict):
            raise unprocessable(["body must be an object"])
        problems = [f"property {name} should not exist" for name in body if name not in allowed]
        changes: Json = {}
        for name, value in body.items():
            if name in allowed and name in self._readers:
                try:
                    changes[name] = None if value is None else self._readers[name](name, value)
                except BodyError as error:
                    problems.append(str(error))
        if problems:
            raise unprocessable(problems)
        return _with_split_name(changes)

    def e164(self, value: str) -> str:
        """A phone number as the location keeps it; BodyError when it cannot be one."""
        try:
            number = phonenumbers.parse(value, self._options.country)
        except phonenumbers.NumberParseException:
            raise BodyError("phone must be a valid phone number") from None
        if not phonenumbers.is_possible_number(number):
            raise BodyError("phone must be a valid phone number")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def _phone(self, name: str, value: Any) -> str | None:
        text = _text(name, value)
        return self.e164(text) if text else None

    def _custom(self, name: str, value: Any) -> Json:  # noqa: ARG002 - the readers' shared shape
        """Custom values by field id, None for those to clear."""
        if not isinstance(value, list):
            raise BodyError("customFields must be an array")
        found: Json = {}
        for position, entry in enumerate(value):
            where = f"customFields.{position}"
            if not isinstance(entry, dict):
                raise BodyError(f"{where} must be an object")
            strangers = sorted(set(entry) - {"id", "key", "field_value"})
            if strangers:
                raise BodyError(f"{where}.property {strangers[0]} should not exist")
            defined = self._defined(entry)
            if defined is not None:
                found[defined.id] = self._custom_value(where, defined.field, entry.get("field_value"))
            elif self._options.reject_unknown_custom_fields:
                raise BodyError(f"{where} names no custom field of this location")
        return found

    def _defined(self, entry: Json) -> DefinedField | None:
        by_id = self._by_id.get(str(entry.get("id", "")))
        return by_id or self._by_key.get(str(entry.get("key", "")).removeprefix("contact."))

    def _custom_value(self, where: str, field: CustomField, value: Any) -> Any:
        if value in (None, "", []):
            return None
        kind = field.data_type
        if kind in _CHOICES_MANY:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise BodyError(f"{where}.field_value must be an array of strings")
            self._check_options(where, field, value)
        elif kind in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise BodyError(f"{where}.field_value must be a number")
        elif not isinstance(value, str):
            raise BodyError(f"{where}.field_value must be a string")
        elif kind in _CHOICES_ONE:
            self._check_options(where, field, [value])
        return value

    def _check_options(self, where: str, field: CustomField, values: list[str]) -> None:
        unknown = [value for value in values if value not in field.options]
        if unknown and self._options.reject_unknown_options:
            raise BodyError(f"{where}.field_value {unknown[0]!r} is not an option of {field.name}")


def _with_split_name(changes: Json) -> Json:
    """A `name` alone stands for first and last name; beside them it says nothing new."""
    if "name" in changes:
        first, _, last = (changes.pop("name") or "").partition(" ")
        changes.setdefault("firstName", first or None)
        changes.setdefault("lastName", last.strip() or None)
    return changes


def _text(name: str, value: Any) -> str | None:
    if not isinstance(value, str):
        raise BodyError(f"{name} must be a string")
    return value.strip() or None


def _email(name: str, value: Any) -> str | None:
    text = _text(name, value)
    if text is not None and not _EMAIL.fullmatch(text):
        raise BodyError("email must be an email")
    return text.lower() if text else None


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BodyError(f"{name} must be a boolean value")
    return value


def clean_tags(name: str, value: Any) -> list[str]:
    """Tags trimmed, lower-cased and unique, in the order first seen."""
    if not isinstance(value, list):
        raise BodyError(f"{name} must be an array")
    if not all(isinstance(tag, str) for tag in value):
        raise BodyError(f"each value in {name} must be a string")
    return list(dict.fromkeys(tag for tag in (raw.strip().lower() for raw in value) if tag))


_tags = clean_tags


def _mapping(name: str, value: Any) -> Json:
    if not isinstance(value, dict):
        raise BodyError(f"{name} must be an object")
    return value


def _dnd_settings(name: str, value: Any) -> Json:
    settings = _mapping(name, value)
    for channel, setting in settings.items():
        if channel not in _DND_CHANNELS:
            raise BodyError(f"{name}.property {channel} should not exist")
        if not isinstance(setting, dict) or setting.get("status") not in _DND_STATUSES:
            raise BodyError(f"{name}.{channel}.status must be one of: {', '.join(sorted(_DND_STATUSES))}")
    return settings


def _birth_date(name: str, value: Any) -> str | None:
    text = _text(name, value)
    if text is None:
        return None
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = match.groups()
    elif match := _YEAR_LAST.fullmatch(text):
        month, day, year = match.groups()
    else:
        raise BodyError("dateOfBirth must be a valid date")
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise BodyError("dateOfBirth must be a valid date") from None
