"""What must be true of both vendors when all is said and done, read from the vendors alone.

A contact of either vendor is brought into one plain form, so that spelling (capitals, phone formats, the order of tags) is no
difference. The rule that keeps it true: nothing here is shared with the engine, or it would agree with its mistakes.
It must not know: the daemon, its store, or how the vendors came to be as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import phonenumbers

from syncd.sandbox import Actor, Applied, Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A contact without its spelling."""

    email: str
    first_name: str
    last_name: str
    phone: str
    tags: frozenset[str]
    plan: str
    source: str


def from_ghl(row: dict[str, Any]) -> Plain:
    """A GoHighLevel contact."""
    return Plain(
        email=row.get("email", "").lower(),
        first_name=row.get("firstName", ""),
        last_name=row.get("lastName", ""),
        phone=_phone(row.get("phone")),
        tags=frozenset(tag.lower() for tag in row.get("tags", [])),
        plan=row["custom"].get("plan", "").lower(),
        source=row.get("source", ""),
    )


def from_octopus(row: dict[str, Any]) -> Plain:
    """An EmailOctopus contact."""
    fields = row["fields"]
    return Plain(
        email=row["email_address"].lower(),
        first_name=fields.get("FirstName") or "",
        last_name=fields.get("LastName") or "",
        phone=_phone(fields.get("Phone")),
        tags=frozenset(tag.lower() for tag in row["tags"]),
        plan=(fields.get("Plan") or "").lower(),
        source=fields.get("Source") or "",
    )


def disagreements(sandbox: Sandbox, apart: Iterable[str] = ()) -> list[str]:
    """Where the vendors differ, in words. `apart` are the e-mails of those who are meant to."""
    apart = {email.lower() for email in apart}
    left = [plain for row in sandbox.ghl.contacts() if (plain := from_ghl(row)).email and plain.email not in apart]
    right = [plain for row in sandbox.octopus.contacts() if (plain := from_octopus(row)).email not in apart]
    found = [f"{email} is {count} times in GoHighLevel" for email, count in Counter(p.email for p in left).items() if count > 1]
    by_email = {plain.email: plain for plain in right}
    for plain in left:
        other = by_email.pop(plain.email, None)
        if other is None:
            found.append(f"{plain.email} is not in EmailOctopus")
        else:
            found.extend(_differences(plain, other))
    return found + [f"{email} is not in GoHighLevel" for email in by_email]


def _differences(left: Plain, right: Plain) -> list[str]:
    names = ["first_name", "last_name", "phone", "tags", "plan"]
    if left.source:
        # It flows one way, so EmailOctopus may have one where GoHighLevel has none.
        names.append("source")
    pairs = [(name, getattr(left, name), getattr(right, name)) for name in names]
    return [f"{left.email}: {name} is {ours!r} and {theirs!r}" for name, ours, theirs in pairs if ours != theirs]


def by_api(entries: Iterable[Applied]) -> list[Applied]:
    """The writes that came in through the API: the daemon's."""
    return [entry for entry in entries if entry.actor is Actor.API]


def _phone(text: str | None) -> str:
    if not text:
        return ""
    return phonenumbers.format_number(phonenumbers.parse(text, "US"), phonenumbers.PhoneNumberFormat.E164)
