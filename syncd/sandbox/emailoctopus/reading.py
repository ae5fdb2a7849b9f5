"""Reading a contact body: allowed properties, field types, choices, tags.

POST takes tags as an array of names; every other write takes an object of name to true or false.

Rule: every problem of a body is found before anything is refused, and a body that is refused has changed nothing.

It must not know stored contacts: it sees only the list's fields and tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from syncd.sandbox.emailoctopus.contact import STATUSES
from syncd.sandbox.emailoctopus.problems import invalid
from syncd.sandbox.options import ListField
from syncd.sandbox.truth import Json

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PROPERTIES = frozenset({"email_address", "fields", "tags", "status"})
NOT_EXPECTED = "This field was not expected."


@dataclass(slots=True, kw_only=True)
class Changes:
    """What a body asks for; a field value of None unsets, a tag maps to whether it is wanted."""

    email: str | None = None
    fields: Json = field(default_factory=dict)
    tags: dict[str, bool] = field(default_factory=dict)
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules:
    """What a list knows: its fields by tag, its tags, and whether a new tag may be attached."""

    fields: Mapping[str, ListField]
    tags: Container[str]
    require_existing_tags: bool


class _Problems:
    """Collected `{detail, pointer}` entries."""

    def __init__(self) -> None:
        self.entries: list[Json] = []

    def add(self, pointer: str, detail: str) -> None:
        self.entries.append({"detail": detail, "pointer": pointer})


def read_contact(body: Any, rules: ListRules, *, creating: bool, email_required: bool, prefix: str = "") -> Changes:
    """The changes a body asks for; raises a 422 that points at every problem."""
    problems = _Problems()
    changes = Changes()
    if not isinstance(body, dict):
        raise invalid([{"detail": "This value should be of type object.", "pointer": prefix or "/"}])
    for name in body:
        if name not in _PROPERTIES:
            problems.add(f"{prefix}/{name}", NOT_EXPECTED)
    if "email_address" in body or email_required:
        changes.email = _email(body.get("email_address"), f"{prefix}/email_address", problems)
    if "fields" in body:
        changes.fields = _fields(body["fields"], rules, f"{prefix}/fields", problems)
    if "tags" in body:
        changes.tags = _tags(body["tags"], rules, f"{prefix}/tags", problems, as_array=creating)
    if "status" in body:
        changes.status = _status(body["status"], f"{prefix}/status", problems)
    if problems.entries:
        raise invalid(problems.entries)
    return changes


def _email(value: Any, pointer: str, problems: _Problems) -> str | None:
    if not isinstance(value, str) or not value.strip():
        problems.add(pointer, "This value should not be blank.")
        return None
    email = value.strip().lower()
    if not _EMAIL.fullmatch(email):
        problems.add(pointer, "This value is not a valid email address.")
    return email


def _status(value: Any, pointer: str, problems: _Problems) -> str | None:
    if value not in STATUSES:
        problems.add(pointer, "The value you selected is not a valid choice.")
        return None
    return str(value)


def _fields(value: Any, rules: ListRules, pointer: str, problems: _Problems) -> Json:
    if not isinstance(value, dict):
        problems.add(pointer, "This value should be of type object.")
        return {}
    found: Json = {}
    for tag, held in value.items():
        defined = rules.fields.get(tag)
        if defined is None:
            problems.add(f"{pointer}/{tag}", NOT_EXPECTED)
            continue
        detail = None if held is None else _CHECKS[defined.type](held, defined)
        if detail is not None:
            problems.add(f"{pointer}/{tag}", detail)
        found[tag] = held
    return found


def _tags(value: Any, rules: ListRules, pointer: str, problems: _Problems, *, as_array: bool) -> dict[str, bool]:
    if as_array:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            problems.add(pointer, "This value should be of type array.")
            return {}
        wanted = dict.fromkeys(value, True)
    else:
        if not isinstance(value, dict) or not all(isinstance(kept, bool) for kept in value.values()):
            problems.add(pointer, "This value should be of type object.")
            return {}
        wanted = value
    if rules.require_existing_tags:
        for name, kept in wanted.items():
            if kept and name not in rules.tags:
                problems.add(f"{pointer}/{name}", "This tag does not exist on the list.")
    return wanted


def _text(value: Any, _: ListField) -> str | None:
    return None if isinstance(value, str) else "This value should be of type string."


def _number(value: Any, _: ListField) -> str | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    return None if ok else "This value should be of type number."


def _date(value: Any, _: ListField) -> str | None:
    try:
        if isinstance(value, str) and len(value) == len("2015-12-01"):
            date.fromisoformat(value)
            return None
    except ValueError:
        pass
    return "This value is not a valid date."


def _one_choice(value: Any, defined: ListField) -> str | None:
    return None if value in defined.choices else "The value you selected is not a valid choice."


def _many_choices(value: Any, defined: ListField) -> str | None:
    if not isinstance(value, list):
        return "This value should be of type array."
    if all(item in defined.choices for item in value):
        return None
    return "One or more of the given values is invalid."


_CHECKS: dict[str, Callable[[Any, ListField], str | None]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "choice_single": _one_choice,
    "choice_multiple": _many_choices,
}
FIELD_TYPES = frozenset(_CHECKS)


def read_field(body: Any) -> ListField:
    """A list field from a body; raises a 422 that points at every problem."""
    problems = _Problems()
    if not isinstance(body, dict):
        raise invalid([{"detail": "This value should be of type object.", "pointer": "/"}])
    for name in body:
        if name not in ("label", "tag", "type", "choices", "fallback"):
            problems.add(f"/{name}", NOT_EXPECTED)
    for name in ("label", "tag", "type"):
        if not isinstance(body.get(name), str) or not body[name]:
            problems.add(f"/{name}", "This value should not be blank.")
    kind, choices, fallback = body.get("type"), body.get("choices", []), body.get("fallback")
    if isinstance(kind, str) and kind not in FIELD_TYPES:
        problems.add("/type", "The value you selected is not a valid choice.")
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        problems.add("/choices", "This value should be of type array.")
    elif str(kind).startswith("choice_") and not choices:
        problems.add("/choices", "This value should not be blank.")
    if fallback is not None and not isinstance(fallback, str):
        problems.add("/fallback", "This value should be of type string.")
    if problems.entries:
        raise invalid(problems.entries)
    return ListField(tag=body["tag"], label=body["label"], type=body["type"], choices=tuple(choices), fallback=fallback)


def read_tag(body: Any) -> str:
    """A tag name from a body."""
    if not isinstance(body, dict) or not isinstance(body.get("tag"), str) or not body["tag"].strip():
        raise invalid([{"detail": "This value should not be blank.", "pointer": "/tag"}])
    strangers = [name for name in body if name != "tag"]
    if strangers:
        raise invalid([{"detail": NOT_EXPECTED, "pointer": f"/{name}"} for name in strangers])
    return str(body["tag"]).strip()
