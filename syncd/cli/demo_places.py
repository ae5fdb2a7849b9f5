"""Where the demo's scenes look: the rows of each kind in each emulated vendor, and what a person's hands find there.

The rule that keeps it true: rows are the emulators' own truth; the only thing added is whose a row is, by e-mail address.
It must not know: any scene, or what a row must show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.cli.demo_expected import Expected, Row, plain
from syncd.sandbox import Sandbox

GHL, EO, TRAIL, HATS = "GoHighLevel", "EmailOctopus", "ActiveTrail", "17hats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The rows of one kind; `by` is the path that tells them apart."""

    where: str
    rows: Callable[[Sandbox], Sequence[Row]]
    by: str = "email"

    def shows(self, sandbox: Sandbox, key: str, values: Mapping[str, object] | None = None, *, count: int = 1) -> Expected:
        """What one row must come to show."""
        return Expected(where=self.where, rows=lambda: self.rows(sandbox), key=key, by=self.by, values=values or {}, count=count)

    def id_of(self, sandbox: Sandbox, key: str) -> str:
        """The id of the row as it is now."""
        return next(str(row["id"]) for row in self.rows(sandbox) if plain(row.get(self.by)) == plain(key))


def _whose(rows: Sequence[Row], people: Sequence[Row], path: str) -> list[dict[str, Any]]:
    """The rows with the address of the contact that each names."""
    address = {str(each["id"]): each.get("email") for each in people}
    return [{**row, "who": address.get(str(row.get(path)))} for row in rows]


def _conversations(sandbox: Sandbox) -> Sequence[Row]:
    return _whose(sandbox.ghl.records.rows("conversations"), sandbox.ghl.contacts(), "contactId")


def _tickets(sandbox: Sandbox) -> Sequence[Row]:
    return _whose(sandbox.bridge.contacts("tickets"), sandbox.bridge.contacts(), "contact")


def _bills(sandbox: Sandbox) -> Sequence[Row]:
    return _whose(sandbox.bridge.contacts("invoices"), sandbox.bridge.contacts(), "contact")


GHL_CONTACTS = Place(where=f"{GHL}'s contacts", rows=lambda sandbox: sandbox.ghl.contacts())
GHL_USERS = Place(where=f"{GHL}'s users", rows=lambda sandbox: sandbox.ghl.records.rows("users"))
GHL_CONVERSATIONS = Place(where=f"{GHL}'s conversations", rows=_conversations, by="who")
GHL_INVOICES = Place(where=f"{GHL}'s invoices", rows=lambda sandbox: sandbox.ghl.records.rows("invoices"), by="name")
EO_CONTACTS = Place(where=f"{EO}'s list", rows=lambda sandbox: sandbox.octopus.contacts(), by="email_address")
TRAIL_CONTACTS = Place(where=f"{TRAIL}'s contacts", rows=lambda sandbox: sandbox.trail.contacts())
HATS_CONTACTS = Place(where=f"{HATS}' contacts", rows=lambda sandbox: sandbox.bridge.contacts())
HATS_TICKETS = Place(where=f"{HATS}' tickets", rows=_tickets, by="who")
HATS_INVOICES = Place(where=f"{HATS}' invoices", rows=_bills, by="name")
HATS_LOCATIONS = Place(where=f"{HATS}' locations", rows=lambda sandbox: sandbox.bridge.contacts("locations"), by="name")
