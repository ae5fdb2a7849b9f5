"""A bench for each of GoHighLevel's collections beside its contacts, so that the one contract can be asked of them all.

The neutral `email` is whatever text tells records apart, `name` another text, and `plan` a value that is one of two.
It must not know: any test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.connectors.clock import SystemClock
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.payload import iso
from syncd.core.record import DAY, MINUTE, CollectionName
from tests.connectors.conftest import VendorBench

LINE = {"name": "Work", "currency": "USD", "amount": 50, "qty": 3}
_SOON = SystemClock().now() + 7 * DAY
NINE, HALF_PAST, TEN, ELEVEN = (iso(_SOON + minutes * MINUTE) for minutes in (0, 30, 60, 120))
"""Times that a poll between complete passes can see."""
STAGES = ("SandboxStage000000001", "SandboxStage000000002")


@dataclass(frozen=True)
class Facts:
    """How a collection plays the neutral fields, and what a new record needs besides; `held` is what only the vendor keeps."""

    paths: Mapping[str, str]
    plan_values: tuple[str, str]
    needs: Mapping[str, Any]
    held: Mapping[str, Any] = field(default_factory=dict)


FACTS: Mapping[str, Facts] = {
    "opportunities": Facts(
        {"email": "name", "name": "assignedTo", "plan": "pipelineStageId"},
        STAGES,
        {"pipelineId": "SandboxPipeline00001", "status": "open", "contactId": "{contact}"},
    ),
    "tasks": Facts(
        {"email": "title", "name": "body", "plan": "assignedTo"},
        ("user1", "user2"),
        {"dueDate": "2026-01-01T00:00:00Z", "completed": False, "contactId": "{contact}"},
    ),
    "notes": Facts({"email": "body", "name": "title", "plan": "color"}, ("#FFAA00", "#00AAFF"), {"contactId": "{contact}"}),
    "businesses": Facts({"email": "name", "name": "city", "plan": "state"}, ("NY", "TX"), {}),
    "users": Facts(
        {"email": "email", "name": "phone", "plan": "firstName"},
        ("Ada", "Bo"),
        {"firstName": "Cy", "lastName": "Holm", "password": "hunter2hunter2", "role": "user"},
        {"locationIds": ["SandboxLocation00001"]},
    ),
    "calendars": Facts({"email": "name", "name": "description", "plan": "eventColor"}, ("#FFAA00", "#00AAFF"), {}),
    "appointments": Facts(
        {"email": "title", "name": "address", "plan": "assignedUserId"},
        ("user1", "user2"),
        {"calendarId": "{calendar}", "contactId": "{contact}", "startTime": NINE},
    ),
    "blocked_slots": Facts(
        {"email": "title", "name": "assignedUserId", "plan": "endTime"},
        (TEN, ELEVEN),
        {"calendarId": "{calendar}", "startTime": NINE, "endTime": HALF_PAST},
    ),
    "invoices": Facts(
        {"email": "name", "name": "title", "plan": "issueDate"},
        ("2026-01-01", "2026-02-01"),
        {
            "businessDetails": {"name": "Us"}, "currency": "USD", "invoiceItems": [LINE], "discount": {"type": "fixed", "value": 0},
            "contactDetails": {"id": "{contact}", "name": "Ada", "phoneNo": "+12025550123", "email": "ada@example.com"},
            "issueDate": "2026-01-15", "sentTo": {"email": ["ada@example.com"]}, "liveMode": False,
        },
        {"altId": "SandboxLocation00001", "altType": "location", "status": "draft", "dueDate": "2026-03-01", "amountPaid": 0, "title": ""},
    ),
}  # fmt: skip


class RecordBench(VendorBench):
    """One collection of an emulated location, which has one contact and, but for calendars, one calendar."""

    signature = "x-ghl-signature"

    def __init__(self, bench: Any, collection: str) -> None:
        self.vendor, self.connector, self._inbox = bench.vendor, bench.connector, bench._inbox
        self.collection = CollectionName(collection)
        facts, self.row = FACTS[collection], COLLECTIONS[collection]
        self.paths, self.plan_values = facts.paths, facts.plan_values
        contact = self.vendor.seed({"email": "parent@example.com", "firstName": "Parent"})["id"]
        calendar = "" if collection == "calendars" else self.vendor.create_record_as_user("calendars", {"name": "Front"})["id"]
        self._places = {"{contact}": contact, "{calendar}": calendar}
        self._needs, self._held = self._placed(facts.needs), facts.held
        row = self.row
        self.operations = {"create": row.create, "get": row.get or row.list, "update": row.update, "delete": row.delete, "page": row.list}

    @property
    def contact_id(self) -> str:
        return self._places["{contact}"]

    def fields(self, **neutral: Any) -> dict[str, Any]:
        """Only what the collection has; whatever names a record makes one, so it has all that a new one needs."""
        given = {self.paths[name]: value for name, value in neutral.items() if name in self.paths}
        return {**self._needs, **given} if "email" in neutral else given

    def neutral(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: fields.get(path, "not shown") for name, path in self.paths.items()}

    async def listed(self, since: int | None = None) -> dict[str, dict[str, Any]]:
        """A whole pass; of what a listing has shown of no record it says nothing, and it is blank."""
        rows = await super().listed(since)
        return {record_id: {name: None if value == "not shown" else value for name, value in row.items()} for record_id, row in rows.items()}

    def create_as_user(self, **neutral: Any) -> str:
        made = self.vendor.create_record_as_user(self.collection, {**self._held, **self.fields(**neutral)})
        return self._address(made)

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self.vendor.edit_record_as_user(self.collection, self._own(record_id), self.fields(**neutral))

    def delete_as_user(self, record_id: str) -> None:
        self.vendor.delete_record_as_user(self.collection, self._own(record_id))

    def truth(self) -> dict[str, dict[str, Any]]:
        return {
            self._address(row): {name: row.get(path) or None for name, path in self.paths.items()}
            for row in self.vendor.records.rows(self.collection)
        }

    def _address(self, row: Mapping[str, Any]) -> str:
        return f"{row['contactId']}:{row['id']}" if self.row.parent else row["id"]

    def _own(self, record_id: str) -> str:
        return record_id.rpartition(":")[2]

    def _placed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._placed(each) for name, each in value.items()}
        return self._places.get(value, value) if isinstance(value, str) else value
