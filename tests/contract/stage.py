"""A GoHighLevel location with one of everything in it, and values for every operation that lead to it.

It must not know: what an operation is expected to answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from time import time
from typing import Any

from syncd.connectors.catalogue import Parameter, Place, Row
from syncd.connectors.clock import SystemClock
from syncd.connectors.http import Session
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.record import SystemName
from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.gohighlevel import GoHighLevel
from syncd.sandbox.gohighlevel.shapes import SURFACE, is_object, named
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Actor, Author

Json = Any
_USER = Author(actor=Actor.USER)
_START, _END = "2026-03-02T09:00:00+00:00", "2026-03-02T09:30:00+00:00"
_ITEM = {"name": "Work", "currency": "USD", "amount": 100, "qty": 2}

# What a shape alone cannot say: windows that hold something, and bodies it does not describe.
_CHOSEN: dict[str, Json] = {
    "search-contacts": {"pageLimit": 20, "page": 1, "filters": [], "sort": [{"field": "dateUpdated", "direction": "asc"}], "query": "ada"},
    "find-contact": {"pageLimit": 20, "page": 1, "filters": [], "sort": [{"field": "dateUpdated", "direction": "asc"}], "query": "ada"},
    "get-duplicate-contact": {"email": "ada@example.com", "number": "+12025550123"},
    "search-conversations": {"startAfterDate": "1"},
    "create-custom-field": {"textBoxListOptions": [{"label": "First", "prefillValue": ""}]},
    "update-custom-field": {"textBoxListOptions": [{"label": "First", "prefillValue": ""}]},
    "list-calendar-events": {"startTime": "1700000000000", "endTime": "1900000000000"},
    "list-blocked-slots": {"startTime": "1700000000000", "endTime": "1900000000000"},
    "get-free-slots": {"startDate": 1772409600000, "endDate": 1772582400000},
    "create-calendar-resource": {"resourceType": "rooms"},
    "get-snapshot-push": {"from": "2026-01-01", "to": "2026-02-01", "lastDoc": "x", "limit": "10"},
    "bulk-update-contact-tags": {"type": "add", "removeAllTags": False},
    "list-contacts-deprecated": {"startAfterId": "x", "startAfter": 1},
    "search-opportunities": {"page": 1, "status": "open"},
    "create-opportunity": {"status": "open"},
    "update-opportunity": {"status": "won"},
    "update-opportunity-status": {"status": "lost"},
    "send-message": {"type": "Email", "scheduledTimestamp": 1900000000},
    "add-inbound-message": {"type": "SMS"},
    "search-users": {"ids": ""},
}
_PERSON = {"email": "new@example.com", "phone": "+12025550124", "dateOfBirth": "1990-05-01"}
# Page and searchAfter take each other's place.
NOT_TOGETHER = {"search-contacts": ["searchAfter"], "find-contact": ["searchAfter"]}


class Recording(GoHighLevel):
    """The emulator, with what it was asked."""

    def __init__(self) -> None:
        options = GoHighLevelOptions(index_lag_s=0.0)
        super().__init__(options, clock=time, quotas=False, random=Random("contract"))
        self.asked: list[Call] = []

    def authorise(self, call: Call) -> Answer | None:
        self.asked.append(call)
        return super().authorise(call)


@dataclass(slots=True)
class Stage:
    """The location, a session of the real client, and the ids of what is there."""

    vendor: Recording
    session: Session
    ids: dict[str, str]

    @property
    def known(self) -> dict[str, Json]:
        """What the client's settings tell."""
        location = self.vendor.options.location_id
        return {"locationId": location, "location_id": location, "altId": location, "altType": "location"}

    def values(self, row: Row) -> dict[str, Json]:
        """A value for every parameter of an operation."""
        left_out = NOT_TOGETHER.get(row.name, [])
        return {each.name: self.value(row, each) for each in row.parameters if each.name not in left_out}

    def value(self, row: Row, parameter: Parameter) -> Json:
        """One value: a chosen one, else what is there, else any of its shape."""
        chosen = _CHOSEN.get(row.name, {})
        if parameter.name in chosen:
            return chosen[parameter.name]
        if parameter.name in self.known:
            return self.known[parameter.name]
        if (found := self.led_to(row, parameter)) is not None:
            return found
        if parameter.name in ("skip", "offset", "limit"):
            number = 10 if parameter.name == "limit" else 0
            return str(number) if parameter.type == "string" else number
        if parameter.name in ("startTime", "endTime"):
            return _START if parameter.name == "startTime" else _END
        if parameter.name in _PERSON and row.group == "Contacts":
            return _PERSON[parameter.name]
        entry = SURFACE[row.name]
        if parameter.place is Place.QUERY:
            return sample(dict(_members(entry.query))[parameter.name])
        return sample(dict(_members(entry.body[0] if isinstance(entry.body, list) else entry.body))[parameter.name])

    def led_to(self, row: Row, parameter: Parameter) -> Json:
        """The id of something that is there, where the parameter is one."""
        if parameter.name == "id":
            return self.ids.get(f"{row.name}.id") or self.ids.get(f"{row.operation.path.split('/')[1]}.id")
        if f"{row.name}.{parameter.name}" in self.ids:
            return self.ids[f"{row.name}.{parameter.name}"]
        if parameter.name == "customFields":
            return [{"id": self.ids["locations.id"], "field_value": "gold"}]
        if parameter.name in ("contacts", "ids") and parameter.type.startswith("array"):
            return [self.ids["contactId"]]
        if parameter.name == "contactDetails":
            return {"id": self.ids["contactId"], "name": "Ada", "phoneNo": "+12025550123", "email": "ada@example.com"}
        if parameter.name in ("items", "invoiceItems"):
            return [_ITEM]
        found = self.ids.get(parameter.name)
        return [found] if found is not None and parameter.type.startswith("array") else found


def sample(shape: Json) -> Json:
    """A value of a shape, whole."""
    if isinstance(shape, list):
        return [sample(shape[0])]
    if is_object(shape):
        return {name: sample(inner) for name, _, inner in named(shape)}
    return shape["one of"][0] if isinstance(shape, dict) else {"number": 1, "boolean": True, "object": {}}.get(shape, "text")


def _members(shape: Json) -> Iterator[tuple[str, Json]]:
    return ((name, inner) for name, _, inner in named(shape))


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A location that listens, and the client connected to it."""
    vendor = Recording()
    await vendor.start()
    try:
        ids = _furnish(vendor)
        kind, told = KINDS["gohighlevel"], vendor.describe()
        settings = kind.settings(base_url=told["base_url"], token=told["token"], location_id=told["location_id"], timeout_s=5)
        async with open_connector(kind, SystemName("ghl"), settings, clock=SystemClock()) as opened:
            yield Stage(vendor, opened.session, ids)
    finally:
        await vendor.stop()


def _furnish(vendor: Recording) -> dict[str, str]:
    """One of everything, and where each parameter finds it."""
    here = {"locationId": vendor.options.location_id}
    contact = vendor.seed({"email": "ada@example.com", "phone": "+12025550123", "firstName": "Ada", "tags": ["vip"]})["id"]
    other = vendor.seed({"email": "cleo@example.com", "firstName": "Cleo"})["id"]
    field_id = next(iter(vendor.location.fields))

    def make(collection: str, **fields: Json) -> str:
        return str(vendor.records.create(collection, {**here, **fields}, _USER)["id"])

    business = make("businesses", name="Holm Ltd", createdBy={}, updatedBy={})
    vendor.location.update(contact, {"businessId": business}, _USER)
    group = make("calendar_groups", name="Doors", description="x", slug="doors", isActive=True)
    calendar = make("calendars", name="Front door", groupId=group, isActive=True)
    booked = {"calendarId": calendar, "contactId": contact, "assignedUserId": "u1", "groupId": group, "startTime": _START, "endTime": _END}
    appointment = make("appointments", **booked, title="Visit", appointmentStatus="new", status="new", users=["u1"])
    block = make("blocked_slots", **booked, title="Away", appointmentStatus="", users=[])
    conversation = make("conversations", contactId=contact, deleted=False, inbox=True, type=1, unreadCount=0, lastMessageAt=1_700_000_000_000)
    said = {"conversationId": conversation, "contactId": contact, "direction": "outbound", "contentType": "text/plain", "body": "Hello", "source": "api"}
    message = make("messages", **said, type=2, messageType="TYPE_SMS", status="scheduled", attachments=[])
    email = make("emails", **said, messageId=message, threadId=message, to=["ada@example.com"], status="sent")
    user = make("users", firstName="Bo", lastName="Holm", name="Bo Holm", email="bo@example.com", locationIds=[vendor.options.location_id])
    pipeline = vendor.records.rows("pipelines")[0]
    deal = make("opportunities", contactId=contact, name="Deal", status="open", pipelineId=pipeline["id"], followers=[user])
    details = {"id": contact, "name": "Ada", "phoneNo": "+12025550123", "email": "ada@example.com"}
    reckoned = {"invoiceItems": [_ITEM], "total": 200, "amountPaid": 0, "amountDue": 200, "invoiceNumber": 1, "title": "INVOICE"}
    dated = {"issueDate": "2026-01-01", "dueDate": "2026-01-31", "currency": "USD", "liveMode": False, "name": "January", "status": "draft"}
    invoice = make("invoices", **reckoned, **dated, altId=here["locationId"], altType="location", businessDetails={}, contactDetails=details, discount={})
    pair = {"firstObjectKey": "custom_objects.pet", "firstObjectLabel": "Pet", "secondObjectKey": "contact", "secondObjectLabel": "Owner"}
    association = make("associations", key="pet_owner", associationType="USER_DEFINED", **pair)
    relation = make("relations", associationId=association, firstRecordId="pet1", secondRecordId=contact)
    category = vendor.records.rows("categories")[0]["id"]
    post = make("posts", title="Hello", urlSlug="hello", blogId=vendor.records.rows("blogs")[0]["id"], status="DRAFT", archived=False, categories=[category])
    first = {name: vendor.records.rows(name)[0]["id"] for name in ("workflows", "campaigns", "snapshots", "companies", "blogs", "authors")}
    ids = {
        "contactId": contact, "businessId": business, "groupId": group, "calendarId": calendar, "appointmentId": appointment, "eventId": appointment,
        "conversationId": conversation, "messageId": message, "emailMessageId": email, "userId": user, "invoiceId": invoice, "assignedUserId": "u1",
        "associationId": association, "associationIds": association, "relationId": relation, "recordId": contact, "postId": post,
        "taskId": make("tasks", contactId=contact, title="Call", body="", dueDate=_START, completed=False, assignedTo=user),
        "noteId": make("appointment_notes", appointmentId=appointment, body="Late", userId=user),
        "notificationId": make("calendar_notifications", calendarId=calendar, receiverType="contact", channel="email", notificationType="booked"),
        "companyId": first["companies"], "workflowId": first["workflows"], "campaignId": first["campaigns"], "snapshotId": first["snapshots"],
        "blogId": first["blogs"], "author": first["authors"], "pipelineId": pipeline["id"], "pipelineStageId": pipeline["stages"][0]["id"],
        "tagId": "tag-vip", "key_name": "pet_owner", "objectKey": "custom_objects.pet", "resourceType": "rooms",
        "pipeline_id": pipeline["id"], "contact_id": contact, "followers": user, "assignedTo": user,
        "opportunities.id": deal, "locations.id": field_id, "contacts.id": make("notes", contactId=contact, body="Nice", userId=user),
        "calendars.id": make("calendar_resources", resourceType="rooms", name="Hall", isActive=True, calendarIds=[calendar]),
        "get-message-by-id.id": message, "get-email-by-id.id": email, "search-conversations.id": conversation,
        "update-block-slot.eventId": block, "create-conversation.contactId": other, "search-opportunities.id": deal,
    }  # fmt: skip
    vendor.settle_index()
    return {name: str(value) for name, value in ids.items()}
