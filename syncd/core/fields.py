"""Field types: normal form, equality, blankness and merge.

A type turns what a member shows into the hub's normal form (`read`) and says when two normal forms are the same (`equal`).
The rule that keeps it true: `read` of its own result is that result, and equality never depends on which member spoke.
It must not know: vendors, rules, or what anybody wants to happen with a value.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache

import phonenumbers

from syncd.core.record import Json


class FieldType(Enum):
    """What kind of value a field holds."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    NUMBER = "number"
    BOOL = "bool"
    DATE = "date"
    INSTANT = "instant"
    CHOICE = "choice"
    SET = "set"
    REF = "ref"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A member shows something that is no value of this type; it is held, never written anywhere."""

    raw: str
    reason: str
    waits: bool = False
    """Nothing is wrong with it: what it refers to is not known yet."""


def load_everything() -> None:
    """Loads what reading would load when it is first needed, region by region.

    A file that cannot be opened just then leaves the library's lock closed, and whoever reads a telephone number next waits for ever.
    """
    phonenumbers.PhoneMetadata.load_all()


def is_blank(value: Json) -> bool:
    """Whether a normal form says nothing: None. (`read` turns every kind of emptiness into None.)"""
    return value is None


def read(kind: FieldType, raw: Json, region: str = "US") -> Json | Unreadable:
    """The normal form of what a member shows; None when it is blank.

    `region` is the two-letter default region for phone numbers written without a country code.
    """
    if raw is None or raw == [] or (isinstance(raw, str) and not raw.strip()):
        return None
    try:
        return _READERS[kind](raw, region)
    except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
        return Unreadable(raw=str(raw)[:200], reason=str(error) or f"not a {kind.value}")


def equal(kind: FieldType, left: Json, right: Json) -> bool:
    """Whether two normal forms are the same value: sets by their elements whatever the spelling, all else by identity."""
    if kind is FieldType.SET:
        return left == right or elements(left).keys() == elements(right).keys()
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if kind is FieldType.JSON:
        return key(kind, left) == key(kind, right)
    return bool(left == right)


def alike(left: Json, right: Json) -> bool:
    """Whether two texts differ in capitals and spaces only, as a vendor that tidies up would have it."""
    return isinstance(left, str) and isinstance(right, str) and left.casefold().split() == right.casefold().split()


def key(kind: FieldType, value: Json) -> str:
    """A string that is equal for equal normal forms; used for ordering, grouping and match keys."""
    if kind is FieldType.SET:
        return json.dumps(sorted(elements(value)))
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def elements(value: Json) -> dict[str, str]:
    """A set's elements: comparison key to the spelling kept."""
    return {_element_key(item): item for item in value or ()}


def as_set(items: Iterable[str]) -> list[str] | None:
    """The normal form of a set: one spelling an element, in the order of their keys; None when empty."""
    by_key: dict[str, str] = {}
    for item in items:
        by_key.setdefault(_element_key(item), item)
    return [by_key[each] for each in sorted(by_key)] or None


def _element_key(item: str) -> str:
    return item.casefold()


def _text(raw: Json, _region: str) -> Json:
    if isinstance(raw, (dict, list, bool)):
        raise TypeError("not a text")
    text = str(raw)
    if not text.isprintable():
        text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip() or None


def _email(raw: Json, region: str) -> Json:
    text = _text(raw, region)
    if text is None:
        return None
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError("not an e-mail address")
    return text.lower()


def _phone(raw: Json, region: str) -> Json:
    text = _text(raw, region)
    if text is None:
        return None
    return _e164(text, region)


@lru_cache(maxsize=65_536)
def _e164(text: str, region: str) -> str:
    """Parsing is the dearest thing that reading a record does, and the same numbers come back with every look."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a phone number") from error
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise ValueError("not a possible phone number")
    if number.extension:
        raise ValueError("a phone number with an extension, which E.164 cannot hold")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _number(raw: Json, _region: str) -> Json:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise TypeError("not a number")
    value = Decimal(raw.strip()) if isinstance(raw, str) else Decimal(str(raw))
    if not value.is_finite():
        raise ValueError("not a finite number")
    as_float = float(value)
    if not math.isfinite(as_float):
        raise ValueError("too large a number")
    if abs(value) < 2**63 and value == value.to_integral_value():
        return int(value)
    return int(as_float) if as_float.is_integer() and abs(as_float) < 2**63 else as_float


_TRUE = frozenset({"true", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "no", "n", "off", "0"})


def _bool(raw: Json, _region: str) -> Json:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("neither true nor false")


def _date(raw: Json, _region: str) -> Json:
    text = str(raw).strip()
    if match := re.fullmatch(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:T[0-9:.]*(?:Z|[+-]00:?00)?)?", text):
        return date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    raise ValueError("not a date (YYYY-MM-DD)")


def _instant(raw: Json, _region: str) -> Json:
    if isinstance(raw, bool) or not isinstance(raw, (int, str)):
        raise TypeError("not an instant")
    moment = datetime.fromtimestamp(raw / 1000, tz=UTC) if isinstance(raw, int) else datetime.fromisoformat(raw.strip())
    if moment.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _set(raw: Json, region: str) -> Json:
    if isinstance(raw, str):
        raw = raw.split(",")
    if not isinstance(raw, (list, tuple)):
        raise TypeError("not a set")
    return as_set(text for item in raw if (text := _text(item, region)) is not None)


def _json(raw: Json, _region: str) -> Json:
    return json.loads(json.dumps(raw, sort_keys=True, allow_nan=False))


_READERS: dict[FieldType, Callable[[Json, str], Json]] = {
    FieldType.TEXT: _text,
    FieldType.EMAIL: _email,
    FieldType.PHONE: _phone,
    FieldType.NUMBER: _number,
    FieldType.BOOL: _bool,
    FieldType.DATE: _date,
    FieldType.INSTANT: _instant,
    FieldType.CHOICE: _text,
    FieldType.SET: _set,
    FieldType.REF: _text,
    FieldType.JSON: _json,
}
