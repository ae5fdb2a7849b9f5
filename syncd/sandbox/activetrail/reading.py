"""Reading ActiveTrail bodies and query parameters.

Rule: a body that is refused has changed nothing; a field nobody knows is passed over in silence, as the vendor's framework does.

It must not know stored contacts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from syncd.sandbox.activetrail.contact import DATES, NUMBERS, TEXTS
from syncd.sandbox.calls import Answer, Call, Refusal
from syncd.sandbox.truth import Json

LIMIT_DEFAULT, LIMIT_MAX = 20, 100
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_STATES = {1: "Subscribed", 2: "Unsubscribed", 3: "Pending"}
_WINDOW_S = 90 * 86_400


@dataclass(slots=True, kw_only=True)
class Changes:
    """What a body asks for; a value of None unsets."""

    values: Json = field(default_factory=dict)
    state: str | None = None
    is_do_not_mail: bool | None = None
    is_deleted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows of a listing are asked for. `page` is as it was sent."""

    page: int
    limit: int
    since_s: float
    until_s: float
    states: str
    search: str


def refuse(status: int, message: str) -> Refusal:
    """A refusal to raise, in the vendor's shape."""
    return Refusal(Answer(status=status, payload={"Message": message}))


def body_of(call: Call) -> Json:
    """The body, which must be an object."""
    try:
        body = call.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refuse(400, "The request body is invalid.")
    return body


def read_contact(body: Mapping[str, Any]) -> Changes:
    """The changes a body asks for. A null text, like a missing one, changes nothing; an empty one unsets."""
    changes = Changes()
    for name, value in body.items():
        if name in TEXTS and value is not None:
            changes.values[name] = _text(name, value)
        elif name in DATES:
            changes.values[name] = _date(name, value)
        elif name in NUMBERS:
            changes.values[name] = _number(name, value)
    if isinstance(body.get("status"), int) and body["status"]:
        changes.state = _STATES.get(body["status"]) or _bad("status")
    changes.is_do_not_mail = _flag(body, "is_do_not_mail")
    changes.is_deleted = _flag(body, "is_deleted")
    return changes


def need_identity(changes: Changes) -> None:
    """A contact has an address or a number."""
    if not changes.values.get("email") and not changes.values.get("sms"):
        raise refuse(400, "Email is required if SMS is null.")


def read_window(query: Mapping[str, str], *, now_s: float) -> Window:
    """The paging and filter parameters; without FromDate the last three months are listed."""
    limit = _whole(query.get("Limit", str(LIMIT_DEFAULT)), "Limit")
    if not 1 <= limit <= LIMIT_MAX:
        raise refuse(400, "The field Limit must be between 1 and 100.")
    return Window(
        page=_whole(query.get("Page", "1"), "Page"),
        limit=limit,
        since_s=_moment(query, "FromDate", now_s - _WINDOW_S),
        until_s=_moment(query, "ToDate", float("inf")),
        states=query.get("CustomerStates", "ACTIVE"),
        search=query.get("SearchTerm", "").lower(),
    )


def _text(name: str, value: Any) -> str | None:
    text = str(value).strip() if not isinstance(value, (dict, list)) else _bad(name)
    if name == "email":
        text = text.lower()
        if text and not _EMAIL.fullmatch(text):
            raise refuse(400, "The Email field is not a valid e-mail address.")
    return text or None


def _date(name: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        return f"{date.fromisoformat(str(value)[:10]).isoformat()}T00:00:00"
    except ValueError:
        return _bad(name)


def _number(name: str, value: Any) -> float | int | None:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    _bad(name)
    return None


def _flag(body: Mapping[str, Any], name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        _bad(name)
    return value


def _bad(name: str) -> str:
    raise refuse(400, f"The value of {name} is invalid.")


def _whole(text: str, name: str) -> int:
    if not re.fullmatch(r"-?\d{1,10}", text):
        raise refuse(400, f"The value '{text}' is not valid for {name}.")
    return int(text)


def _moment(query: Mapping[str, str], name: str, absent: float) -> float:
    if name not in query:
        return absent
    try:
        moment = datetime.fromisoformat(query[name].replace(" ", "+"))
    except ValueError:
        raise refuse(400, f"The value is not valid for {name}.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
