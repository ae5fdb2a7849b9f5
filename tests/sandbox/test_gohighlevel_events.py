"""GoHighLevel's webhooks beside its contacts': every one that the vendor documents, and none that it lacks.

Rule: what is fired is read where it arrives, whoever made the change, a person or a caller of the API.

It must not know how the emulator decides what to fire.
"""

from __future__ import annotations

from typing import Any

import pytest

LINE = {"name": "Work", "currency": "USD", "amount": 50, "qty": 3}
START = "2026-03-02T09:00:00+00:00"


class Ear:
    """Hears what a location fires, in order."""

    def __init__(self, world: Any, receiver: Any) -> None:
        self.world, self.receiver, self.vendor = world, receiver, world.sandbox.ghl
        self.vendor.webhooks.url = receiver.url

    async def heard(self) -> list[dict[str, Any]]:
        """The events since the last look."""
        await self.vendor.webhooks.flush()
        found = self.receiver.bodies
        self.receiver.got.clear()
        return found

    async def types(self) -> list[str]:
        return [each["type"] for each in await self.heard()]

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        reply = await self.world.ghl(method, path, body, params=query)
        assert reply.status < 300, reply
        return reply.body


@pytest.fixture
def ear(world: Any, receiver: Any) -> Ear:
    return Ear(world, receiver)


async def made_and_gone(ear: Ear, collection: str, fields: Any, change: Any) -> list[list[str]]:
    """What a person's create, edit and deletion fire."""
    record = ear.vendor.create_record_as_user(collection, fields)
    created = await ear.types()
    ear.vendor.edit_record_as_user(collection, record["id"], change)
    edited = await ear.types()
    ear.vendor.delete_record_as_user(collection, record["id"])
    return [created, edited, await ear.types()]


@pytest.mark.parametrize(
    ("collection", "fields", "change", "expected"),
    [
        ("notes", {"body": "a"}, {"body": "b"}, [["NoteCreate"], ["NoteUpdate"], ["NoteDelete"]]),
        ("tasks", {"title": "a", "completed": False}, {"title": "b"}, [["TaskCreate"], [], ["TaskDelete"]]),
        ("tasks", {"title": "a", "completed": False}, {"completed": True}, [["TaskCreate"], ["TaskComplete"], ["TaskDelete"]]),
        ("tasks", {"title": "a", "completed": True}, {"completed": False}, [["TaskCreate"], [], ["TaskDelete"]]),
        ("appointments", {"title": "a"}, {"title": "b"}, [["AppointmentCreate"], ["AppointmentUpdate"], ["AppointmentDelete"]]),
        ("users", {"firstName": "a"}, {"firstName": "b"}, [["UserCreate"], [], []]),
        ("businesses", {"name": "a"}, {"name": "b"}, [[], [], []]),
        ("calendars", {"name": "a"}, {"name": "b"}, [[], [], []]),
        ("blocked_slots", {"title": "a"}, {"title": "b"}, [[], [], []]),
        ("invoices", {"status": "draft"}, {"title": "b"}, [["InvoiceCreate"], ["InvoiceUpdate"], ["InvoiceDelete"]]),
        ("invoices", {"status": "draft"}, {"status": "void"}, [["InvoiceCreate"], ["InvoiceVoid"], ["InvoiceDelete"]]),
        (
            "opportunities",
            {"name": "a"},
            {"name": "b"},
            [["OpportunityCreate", "OpportunityUpdate"], ["OpportunityUpdate"], ["OpportunityDelete", "OpportunityUpdate"]],
        ),
        (
            "opportunities",
            {"status": "open", "monetaryValue": 1},
            {"status": "won", "monetaryValue": 2},
            [
                ["OpportunityCreate", "OpportunityUpdate"],
                ["OpportunityMonetaryValueUpdate", "OpportunityStatusUpdate", "OpportunityUpdate"],
                ["OpportunityDelete", "OpportunityUpdate"],
            ],
        ),
    ],
)
async def test_a_persons_changes_fire_what_the_vendor_has(collection: str, fields: Any, change: Any, expected: Any, ear: Ear) -> None:
    """No event for an edit of a task or of a user, none at all for businesses, calendars and blocked slots."""
    assert expected == await made_and_gone(ear, collection, fields, change)


async def test_the_api_fires_the_same(ear: Ear) -> None:
    """A caller's writes are announced as a person's are."""
    contact = ear.vendor.seed({"email": "ada@example.com"})["id"]
    note = (await ear.call("POST", f"/contacts/{contact}/notes", {"body": "a"}))["note"]["id"]
    await ear.call("PUT", f"/contacts/{contact}/notes/{note}", {"body": "b"})
    await ear.call("DELETE", f"/contacts/{contact}/notes/{note}")
    task = (await ear.call("POST", f"/contacts/{contact}/tasks", {"title": "a", "dueDate": START, "completed": False}))["task"]["id"]
    await ear.call("PUT", f"/contacts/{contact}/tasks/{task}", {"title": "b"})
    await ear.call("PUT", f"/contacts/{contact}/tasks/{task}/completed", {"completed": True})
    await ear.call("DELETE", f"/contacts/{contact}/tasks/{task}")
    biz = (await ear.call("POST", "/businesses/", {"name": "a", "locationId": ear.world.location}))["buiseness"]["id"]
    await ear.call("DELETE", f"/businesses/{biz}")

    assert ["NoteCreate", "NoteUpdate", "NoteDelete", "TaskCreate", "TaskComplete", "TaskDelete"] == await ear.types()


async def test_events_are_flat_but_for_appointments_and_say_whose_they_are(ear: Ear) -> None:
    """Envelope and location in each; an invoice is its location's by `altId`; a new task does not say whose it is."""
    here = ear.world.location
    for collection, fields in (
        ("notes", {"body": "a", "contactId": "c1"}),
        ("tasks", {"title": "a", "body": "b", "contactId": "c1", "completed": False}),
        ("appointments", {"title": "a", "contactId": "c1"}),
        ("invoices", {"altId": here, "altType": "location", "status": "draft"}),
    ):
        ear.vendor.create_record_as_user(collection, fields)
    note, task, visit, invoice = await ear.heard()

    assert all(each["timestamp"] and each["webhookId"] for each in (note, task, visit, invoice))
    assert ("c1", here) == (note["contactId"], note["locationId"])
    assert ("a", here) == (task["title"], task["locationId"])
    assert not {"contactId", "body"} & task.keys()
    assert ("c1", here) == (visit["appointment"]["contactId"], visit["locationId"])
    assert ("id" in visit, "locationId" in invoice, here) == (False, False, invoice["altId"])
    assert "dateUpdated" not in note


async def test_a_message_is_announced_and_moves_its_conversation(ear: Ear) -> None:
    """Which way it went; a text without its id; what came in is unread."""
    contact = ear.vendor.seed({"email": "ada@example.com"})["id"]
    await ear.call("POST", "/conversations/messages", {"type": "SMS", "contactId": contact, "message": "Hello"})
    (sent,) = await ear.heard()
    conversation = sent["conversationId"]
    body = {"type": "Email", "conversationId": conversation, "contactId": contact, "conversationProviderId": "p", "html": "Hi"}
    await ear.call("POST", "/conversations/messages/inbound", body)
    came, unread = await ear.heard()
    await ear.call("PUT", f"/conversations/{conversation}", {"locationId": ear.world.location, "starred": True})

    assert ("OutboundMessage", "outbound", "messageId" in sent) == (sent["type"], sent["direction"], False)
    assert ("InboundMessage", "inbound", "messageId" in came) == (came["type"], came["direction"], True)
    assert ("ConversationUnreadUpdate", conversation, 1) == (unread["type"], unread["id"], unread["unreadCount"])
    assert [] == await ear.types()


async def test_an_invoices_life_is_told(ear: Ear) -> None:
    """Sent, paid in part, paid: each has an event of its own."""
    alt = {"altId": ear.world.location, "altType": "location"}
    details = {"id": "c1", "name": "Ada", "phoneNo": "1", "email": "ada@example.com"}
    body = {
        **alt, "name": "January", "businessDetails": {}, "currency": "USD", "items": [LINE], "discount": {"type": "fixed"},
        "contactDetails": details, "issueDate": "2026-01-01", "sentTo": {"email": []}, "liveMode": False,
    }  # fmt: skip
    made = await ear.call("POST", "/invoices/", body)
    where = f"/invoices/{made['_id']}"
    await ear.call("POST", f"{where}/send", {**alt, "userId": "u1", "action": "email", "liveMode": False})
    for amount in (50, 100):
        paid = {**alt, "mode": "cash", "card": {"brand": "x", "last4": "0000"}, "cheque": {"number": "1"}, "notes": "", "amount": amount}
        await ear.call("POST", f"{where}/record-payment", paid)
    await ear.call("DELETE", where, **alt)

    assert ["InvoiceCreate", "InvoiceSent", "InvoicePartiallyPaid", "InvoicePaid", "InvoiceDelete"] == await ear.types()


async def test_a_search_shows_where_to_go_on_from_and_exports_keep_to_their_dates(ear: Ear) -> None:
    """A conversation has its sort value; messages are those that changed within the dates."""
    contact = ear.vendor.seed({"email": "ada@example.com"})["id"]
    here = {"locationId": ear.world.location}
    await ear.call("POST", "/conversations/messages", {"type": "SMS", "contactId": contact, "message": "Hello"})
    (row,) = (await ear.call("GET", "/conversations/search", **here))["conversations"]
    later = await ear.call("GET", "/conversations/messages/export", **here, sortBy="updatedAt", startDate="2200-01-01T00:00:00Z")
    since = await ear.call("GET", "/conversations/messages/export", **here, sortBy="updatedAt", startDate="2020-01-01T00:00:00Z")

    assert [row["lastMessageDate"]] == row["sort"]
    assert (0, 1) == (len(later["messages"]), len(since["messages"]))
