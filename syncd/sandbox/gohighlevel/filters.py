"""Search filters: from `{field, operator, value}` and AND/OR groups to one yes-or-no function.

Only the fields and operators named in the vendor's search guide are known; the rest is a 422.

Rule: compiling finds every mistake, so matching cannot fail; text compares without regard to case.

It must not know pages, order or the index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.sandbox.gohighlevel.contact import Contact
from syncd.sandbox.gohighlevel.errors import BodyError
from syncd.sandbox.moments import epoch_from_iso

Matcher = Callable[[Contact], bool]
VALUE_LENGTH_MAX = 75

DATES = frozenset({"dateAdded", "dateUpdated"})
_STORED = frozenset(
    [
        "address",
        "assignedTo",
        "businessName",
        "city",
        "country",
        "companyName",
        "dnd",
        "email",
        "followers",
        "isValidWhatsapp",
        "lastEmailClickedDate",
        "lastEmailOpenedDate",
        "phone",
        "postalCode",
        "source",
        "state",
        "tags",
        "timezone",
        "type",
        "validEmail",
        "website",
        "lastAppointment",
        "activeWorkflows",
        "finishedWorkflows",
    ]
)
_DERIVED = frozenset({"id", "firstNameLowerCase", "lastNameLowerCase"}) | DATES
_RENAMED = {"address": "address1"}
_OPERATORS = frozenset({"eq", "not_eq", "contains", "not_contains", "exists", "not_exists", "range"})


def field_value(contact: Contact, field: str) -> Any:
    """What search compares: milliseconds for dates, lower-cased text, None for blank."""
    match field:
        case "id":
            return contact.id
        case "dateAdded":
            return contact.added_ms
        case "dateUpdated":
            return contact.updated_ms
        case "firstNameLowerCase" | "lastNameLowerCase":
            return _folded(contact.values.get(field.removesuffix("LowerCase")))
        case "dnd":
            return contact.values.get("dnd", False)
        case "type":
            return "read"
    if field.startswith("customFields."):
        return _folded(contact.custom.get(field.removeprefix("customFields.")))
    return _folded(contact.values.get(_RENAMED.get(field, field)))


def check_field(field: Any) -> str:
    """The field, when search knows it; BodyError otherwise."""
    known = isinstance(field, str) and (field in _STORED or field in _DERIVED or field.startswith("customFields."))
    if not known:
        raise BodyError(f"Invalid field {field!r}")
    return str(field)


def compile_filters(filters: Any) -> list[Matcher]:
    """One matcher per top-level filter; all of them must agree."""
    if not isinstance(filters, list):
        raise BodyError("filters must be an array")
    return [_compiled(entry) for entry in filters]


def date_range(entry: Any, field: str) -> tuple[float, float] | None:
    """Inclusive bounds in milliseconds when the filter is a range on this date, so an ordered index can serve it."""
    if not isinstance(entry, dict) or entry.get("field") != field or entry.get("operator") != "range":
        return None
    bounds = _bounds(field, entry.get("value"))
    low = max(bounds.get("gte", float("-inf")), bounds.get("gt", float("-inf")) + 1)
    high = min(bounds.get("lte", float("inf")), bounds.get("lt", float("inf")) - 1)
    return low, high


def _compiled(entry: Any) -> Matcher:
    if not isinstance(entry, dict):
        raise BodyError("each value in filters must be an object")
    if "group" in entry:
        return _group(entry)
    operator = entry.get("operator")
    if operator not in _OPERATORS:
        raise BodyError(f"Invalid operator {operator!r}")
    return _leaf(check_field(entry.get("field")), operator, entry.get("value"))


def _group(entry: dict[str, Any]) -> Matcher:
    members = compile_filters(entry.get("filters"))
    match entry["group"]:
        case "AND":
            return lambda contact: all(member(contact) for member in members)
        case "OR":
            return lambda contact: any(member(contact) for member in members)
    raise BodyError("group must be AND or OR")


def _leaf(field: str, operator: str, value: Any) -> Matcher:
    match operator:
        case "exists":
            return lambda contact: field_value(contact, field) not in (None, [], "")
        case "not_exists":
            return lambda contact: field_value(contact, field) in (None, [], "")
        case "range":
            return _range(field, value)
    wanted = [_wanted(field, item) for item in (value if isinstance(value, list) else [value])]
    test = _equals if operator in ("eq", "not_eq") else _contains
    if operator.startswith("not_"):
        return lambda contact: not any(test(field_value(contact, field), item) for item in wanted)
    return lambda contact: any(test(field_value(contact, field), item) for item in wanted)


def _wanted(field: str, value: Any) -> Any:
    if value is None or isinstance(value, dict):
        raise BodyError(f"filter on {field} needs a value")
    if isinstance(value, str) and len(value) > VALUE_LENGTH_MAX:
        raise BodyError(f"filter value of {field} must be at most {VALUE_LENGTH_MAX} characters")
    return _milliseconds(field, value) if field in DATES else (value if field == "id" else _folded(value))


def _equals(held: Any, wanted: Any) -> bool:
    return wanted in held if isinstance(held, list) else bool(held == wanted)


def _contains(held: Any, wanted: Any) -> bool:
    if isinstance(held, list):
        return any(str(wanted) in str(item) for item in held)
    return held is not None and str(wanted) in str(held)


def _range(field: str, value: Any) -> Matcher:
    bounds = _bounds(field, value)

    def within(contact: Contact) -> bool:
        held = field_value(contact, field)
        if isinstance(held, bool) or not isinstance(held, (int, float)):
            return False
        return (
            held >= bounds.get("gte", held)
            and held <= bounds.get("lte", held)
            and held > bounds.get("gt", float("-inf"))
            and held < bounds.get("lt", float("inf"))
        )

    return within


def _bounds(field: str, value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not value or set(value) - {"gt", "gte", "lt", "lte"}:
        raise BodyError("range needs gt, gte, lt or lte")
    return {name: _milliseconds(field, bound) for name, bound in value.items()}


def _milliseconds(field: str, value: Any) -> float:
    """A date bound as ISO text or milliseconds; both are accepted because the vendor documents neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return round(epoch_from_iso(value) * 1000)
        except ValueError:
            pass
    raise BodyError(f"Invalid date or number for {field}: {value!r}")


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list):
        return [_folded(item) for item in value]
    return value
