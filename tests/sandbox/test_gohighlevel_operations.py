"""GoHighLevel beside its contacts: what was written is what is read, what is missing is refused, and listings go on where they ended.

Rule: every promise is asked for over HTTP, in the vendor's shapes.

It must not know how the emulator keeps records.
"""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox import FaultKind
from syncd.sandbox.gohighlevel.shapes import SURFACE

LINE = {"name": "Work", "currency": "USD", "amount": 50, "qty": 3}


async def ask(world: Any, method: str, path: str, body: Any = None, code: int = 200, **query: Any) -> Any:
    """Calls an operation that is expected to end so."""
    reply = await world.ghl(method, path, body, params=query)
    assert code == reply.status, reply.body
    return reply.body


async def a_contact(world: Any, **fields: Any) -> str:
    return (await world.ghl_create(**{"email": "ada@example.com", "firstName": "Ada", **fields}))["id"]


@pytest.mark.parametrize(
    ("base", "key", "one", "made", "changed", "code"),
    [
        ("/contacts/{contact}/notes", "notes", "note", {"body": "Called"}, {"body": "Called twice"}, 201),
        ("/contacts/{contact}/tasks", "tasks", "task", {"title": "Call", "dueDate": "2026-01-01", "completed": False}, {"title": "Write"}, 201),
        ("/calendars/groups", "groups", "group", {"name": "A", "slug": "a", "description": "x"}, {"name": "B", "slug": "b", "description": "y"}, 201),
        ("/calendars/", "calendars", "calendar", {"name": "Front"}, {"name": "Back"}, 200),
        ("/businesses/", "businesses", "buiseness", {"name": "Holm"}, {"name": "Holm Ltd"}, 201),
    ],
)
async def test_what_was_written_is_read(base: str, key: str, one: str, made: Any, changed: Any, code: int, world: Any) -> None:
    """Made, listed, changed and deleted; a deleted one is missing, and each step is in the truth log."""
    base = base.format(contact=await a_contact(world))
    here = {} if base.startswith("/contacts") else {"locationId": world.location}
    where = base.rstrip("/")
    before = len(world.sandbox.ghl.truth)
    record = (await ask(world, "POST", base, {**made, **here}, code))[one]
    listed = (await ask(world, "GET", base, **here))[key]
    after = (await ask(world, "PUT", f"{where}/{record['id']}", changed))[one]
    gone = await ask(world, "DELETE", f"{where}/{record['id']}")
    missing = await world.ghl("PUT", f"{where}/{record['id']}", changed)

    assert made == {name: record[name] for name in made}
    assert [record] == listed
    assert changed == {name: after[name] for name in changed}
    assert True in gone.values()
    assert (400, True) == (missing.status, "not found" in missing.body["message"])
    assert ["create", "update", "delete"] == [entry.operation.value for entry in world.sandbox.ghl.truth.since(before)]


async def test_a_child_belongs_to_its_contact(world: Any) -> None:
    """Another contact does not have it, and a contact that is not there has none."""
    mine, other = await a_contact(world), await a_contact(world, email="bo@example.com")
    note = (await ask(world, "POST", f"/contacts/{mine}/notes", {"body": "Mine"}, 201))["note"]

    assert [] == (await ask(world, "GET", f"/contacts/{other}/notes"))["notes"]
    await ask(world, "GET", f"/contacts/{other}/notes/{note['id']}", code=400)
    await ask(world, "GET", "/contacts/nobody/notes", code=400)
    await ask(world, "POST", "/contacts/nobody/notes", {"body": "x"}, 400)


async def test_requests_are_held_against_the_specification(world: Any) -> None:
    """Every problem at once; a location that is not the token's own is refused; an unreadable body is, too."""
    contact = await a_contact(world)
    wrong = await ask(world, "POST", f"/contacts/{contact}/tasks", {"title": 3, "colour": "red", "completed": False}, 422)
    no_window = await ask(world, "GET", "/calendars/events", code=422, locationId=world.location)
    both = await ask(world, "GET", "/calendars/", code=422, locationId=world.location, nonsense="1")

    assert ["property colour should not exist", "title must be a string", "dueDate should not be empty"] == wrong["message"]
    assert ["startTime should not be empty", "endTime should not be empty"] == no_window["message"]
    assert ["property nonsense should not exist"] == both["message"]
    await ask(world, "GET", "/calendars/", code=403, locationId="another")
    await ask(world, "POST", "/businesses/", {"name": "x", "locationId": "another"}, 403)
    assert 400 == (await world.ghl("POST", f"/contacts/{contact}/notes", data=b"{")).status


async def test_tasks_of_all_contacts_at_once(world: Any) -> None:
    """Narrowed down by contact and by what is done, page by page."""
    people = [await a_contact(world, email=f"{number}@example.com") for number in range(3)]
    for person in people:
        await ask(world, "POST", f"/contacts/{person}/tasks", {"title": "Call", "dueDate": "2026-01-01", "completed": person == people[0]}, 201)
    path = f"/locations/{world.location}/tasks/search"
    first, rest = [(await ask(world, "POST", path, {"limit": 2, "skip": skip}))["tasks"] for skip in (0, 2)]

    assert people == [task["contactId"] for task in first + rest]
    assert [people[0]] == [task["contactId"] for task in (await ask(world, "POST", path, {"completed": True}))["tasks"]]
    assert [people[2]] == [task["contactId"] for task in (await ask(world, "POST", path, {"contactId": [people[2]]}))["tasks"]]


async def test_appointments_are_seen_by_their_start(world: Any) -> None:
    """Within the window and of the calendar alone; a booked half hour is no longer free; one operation deletes all kinds."""
    contact = await a_contact(world)
    calendar = (await ask(world, "POST", "/calendars/", {"name": "Front", "locationId": world.location}))["calendar"]["id"]
    slots = {"startDate": 1772409600000, "endDate": 1772495999000}
    free = (await ask(world, "GET", f"/calendars/{calendar}/free-slots", **slots))["2026-03-02"]["slots"]
    body = {"calendarId": calendar, "contactId": contact, "locationId": world.location, "startTime": free[0], "title": "Visit"}
    booked = await ask(world, "POST", "/calendars/events/appointments", body)
    window = {"locationId": world.location, "calendarId": calendar}
    day = {"startTime": "1772409600000", "endTime": "1772495999000"}

    assert [booked["id"]] == [event["id"] for event in (await ask(world, "GET", "/calendars/events", **window, **day))["events"]]
    assert [] == (await ask(world, "GET", "/calendars/events", **window, startTime="0", endTime="1000"))["events"]
    assert free[1:] == (await ask(world, "GET", f"/calendars/{calendar}/free-slots", **slots))["2026-03-02"]["slots"]
    assert [booked["id"]] == [event["id"] for event in (await ask(world, "GET", f"/contacts/{contact}/appointments"))["events"]]
    await ask(world, "GET", "/calendars/events", code=400, locationId=world.location, **day)
    await ask(world, "DELETE", f"/calendars/events/{booked['id']}", {}, 201)
    await ask(world, "GET", f"/calendars/events/appointments/{booked['id']}", code=400)


async def test_opportunities_go_on_where_they_ended(world: Any) -> None:
    """By both of the start-afters; by one alone it is page one for ever; a status changes, and narrows a search down."""
    contact = await a_contact(world)
    pipeline = (await ask(world, "GET", "/opportunities/pipelines", locationId=world.location))["pipelines"][0]["id"]
    base = {"pipelineId": pipeline, "locationId": world.location, "contactId": contact, "status": "open"}
    made = [(await ask(world, "POST", "/opportunities/", {**base, "name": f"Deal {n}"}, 201))["opportunity"]["id"] for n in range(5)]
    query: dict[str, Any] = {"location_id": world.location, "limit": 2}
    seen: list[str] = []
    while True:
        page = await ask(world, "GET", "/opportunities/search", **query)
        seen += [each["id"] for each in page["opportunities"]]
        if "startAfterId" not in page["meta"]:
            break
        query |= {name: page["meta"][name] for name in ("startAfter", "startAfterId")}
    alone = await ask(world, "GET", "/opportunities/search", location_id=world.location, limit=2, startAfter=1)
    await ask(world, "PUT", f"/opportunities/{made[0]}/status", {"status": "won"})
    won = await ask(world, "GET", "/opportunities/search", location_id=world.location, status="won")

    assert made == seen[::-1]
    assert seen[:2] == [each["id"] for each in alone["opportunities"]]
    assert [made[0]] == [each["id"] for each in won["opportunities"]]
    assert contact == won["opportunities"][0]["contact"]["id"]
    assert ["u1"] == (await ask(world, "POST", f"/opportunities/{made[1]}/followers", {"followers": ["u1"]}, 201))["followersAdded"]
    assert [] == (await ask(world, "DELETE", f"/opportunities/{made[1]}/followers", {"followers": ["u1"]}))["followers"]


async def test_messages_make_and_move_a_conversation(world: Any) -> None:
    """One for each contact; newest first, page by page; e-mails are exported only when asked for; a scheduled one can be taken back."""
    contact = await a_contact(world)
    need = {"contactId": contact, "subType": "x", "status": "pending"}
    sent = [await ask(world, "POST", "/conversations/messages", {**need, "type": "SMS", "message": f"Hello {n}"}) for n in range(3)]
    mail = await ask(world, "POST", "/conversations/messages", {**need, "type": "Email", "html": "<p>Hi</p>", "scheduledTimestamp": 1900000000})
    talk = sent[0]["conversationId"]
    first = await ask(world, "GET", f"/conversations/{talk}/messages", limit=3)
    rest = await ask(world, "GET", f"/conversations/{talk}/messages", limit=3, lastMessageId=first["lastMessageId"])
    found = (await ask(world, "GET", "/conversations/search", locationId=world.location))["conversations"]
    exported = await ask(world, "GET", "/conversations/messages/export", locationId=world.location)
    mails = await ask(world, "GET", "/conversations/messages/export", locationId=world.location, channel="Email")

    assert ([mail["messageId"], sent[2]["messageId"], sent[1]["messageId"]], True) == ([m["id"] for m in first["messages"]], first["nextPage"])
    assert ([sent[0]["messageId"]], False) == ([m["id"] for m in rest["messages"]], rest["nextPage"])
    assert [(talk, contact, "<p>Hi</p>")] == [(each["id"], each["contactId"], each["lastMessageBody"]) for each in found]
    assert (3, [mail["messageId"]]) == (len(exported["messages"]), [m["id"] for m in mails["messages"]])
    await ask(world, "POST", "/conversations/", {"contactId": contact, "locationId": world.location}, 400)
    await ask(world, "DELETE", f"/conversations/messages/email/{mail['emailMessageId']}/schedule")
    await ask(world, "GET", f"/conversations/messages/{mail['messageId']}", code=400)
    await ask(world, "DELETE", f"/conversations/messages/{sent[0]['messageId']}/schedule", code=422)


async def test_conversations_are_sought(world: Any) -> None:
    """By whether they are read or starred, by who wrote last, and by when they were begun."""
    contact = await a_contact(world)
    sent = await ask(world, "POST", "/conversations/messages", {"contactId": contact, "subType": "x", "status": "pending", "type": "SMS", "message": "Hello"})
    talk = sent["conversationId"]

    async def found(**query: Any) -> list[str]:
        return [each["id"] for each in (await ask(world, "GET", "/conversations/search", locationId=world.location, **query))["conversations"]]

    assert ([talk], [], []) == (await found(status="read"), await found(status="unread"), await found(status="starred"))
    await ask(world, "PUT", f"/conversations/{talk}", {"locationId": world.location, "unreadCount": 2, "starred": True})
    assert ([], [talk], [talk]) == (await found(status="read"), await found(status="unread"), await found(status="starred"))
    assert ([talk], []) == (await found(lastMessageDirection="outbound"), await found(lastMessageDirection="inbound"))
    assert ([talk], []) == (await found(startDate=1), await found(endDate=1))


async def test_an_invoice_is_reckoned_sent_paid_and_voided(world: Any) -> None:
    """The total comes from its items; a payment in part leaves the rest due; a paid one cannot be voided."""
    here = {"altId": world.location, "altType": "location"}
    contact = await a_contact(world)
    person = {"id": contact, "name": "Ada", "phoneNo": "", "email": "ada@example.com"}
    body = {
        **here, "name": "January", "businessDetails": {}, "currency": "USD", "items": [LINE], "discount": {"type": "fixed"},
        "contactDetails": person, "issueDate": "2026-01-01", "sentTo": {"email": []}, "liveMode": False,
    }  # fmt: skip
    made = await ask(world, "POST", "/invoices/", body)
    path = f"/invoices/{made['_id']}"
    sent = await ask(world, "POST", f"{path}/send", {**here, "userId": "u", "action": "email", "liveMode": False})
    pay = {**here, "mode": "cash", "card": {"brand": "", "last4": ""}, "cheque": {"number": ""}, "notes": ""}
    part = await ask(world, "POST", f"{path}/record-payment", {**pay, "amount": 100})
    whole = await ask(world, "POST", f"{path}/record-payment", pay)

    assert (150, 150, "draft") == (made["total"], made["amountDue"], made["status"])
    assert "sent" == sent["invoice"]["status"]
    assert ("partially_paid", 50) == (part["invoice"]["status"], part["invoice"]["amountDue"])
    assert ("paid", 0) == (whole["invoice"]["status"], whole["invoice"]["amountDue"])
    await ask(world, "POST", f"{path}/void", here, 400)
    assert [made["_id"]] == [row["_id"] for row in (await ask(world, "GET", "/invoices/", **here, limit="5", offset="0"))["invoices"]]


async def test_staff_passwords_are_never_shown(world: Any) -> None:
    """Nor kept; an address that is taken is refused, and cannot be changed."""
    body = {
        "companyId": "c", "firstName": "Bo", "lastName": "Holm", "email": "bo@example.com", "password": "hunter2hunter2", "type": "account",
        "role": "user", "locationIds": [world.location],
    }  # fmt: skip
    user = await ask(world, "POST", "/users/", body, 201)
    await ask(world, "POST", "/users/", body, 400)
    changed = await ask(world, "PUT", f"/users/{user['id']}", {"email": "other@example.com", "lastName": "Marsh"})
    found = await ask(world, "GET", "/users/search", companyId="c", locationId=world.location)

    assert "Bo Holm" == user["name"]
    assert ("bo@example.com", "Bo Marsh") == (changed["email"], changed["name"])
    assert [user["id"]] == [each["id"] for each in found["users"]]
    assert "hunter2" not in str([user, changed, found, [entry.as_json() for entry in world.sandbox.ghl.truth.since()]])


async def test_contacts_in_bulk(world: Any) -> None:
    """Tags and a business for several at once; one that is not there is counted; search and webhooks hear of it."""
    people = [await a_contact(world, email=f"{number}@example.com", tags=["old"]) for number in range(2)]
    body = {"contacts": [*people, "nobody"], "tags": ["New"], "locationId": world.location}
    added = await ask(world, "POST", "/contacts/bulk/tags/update/add", body, 201)
    await ask(world, "POST", "/contacts/bulk/tags/update/remove", {**body, "tags": ["old"], "contacts": people}, 201)
    business = (await ask(world, "POST", "/businesses/", {"name": "Holm", "locationId": world.location}, 201))["buiseness"]["id"]
    await ask(world, "POST", "/contacts/bulk/business", {"locationId": world.location, "ids": people, "businessId": business})
    members = await ask(world, "GET", f"/contacts/business/{business}", locationId=world.location)
    await ask(world, "POST", "/contacts/bulk/business", {"locationId": world.location, "ids": people[:1], "businessId": None})
    fewer = await ask(world, "GET", f"/contacts/business/{business}", locationId=world.location)

    assert (1, people) == (added["errorCount"], added["responses"])
    assert [["new"], ["new"]] == [contact["tags"] for contact in (await world.search()).body["contacts"]]
    assert people == [contact["id"] for contact in members["contacts"]]
    assert people[1:] == [contact["id"] for contact in fewer["contacts"]]


async def test_the_old_listing_goes_on_by_both_marks(world: Any) -> None:
    """Every contact once; by one mark alone it is page one for ever."""
    people = {await a_contact(world, email=f"{number}@example.com") for number in range(5)}
    query: dict[str, Any] = {"locationId": world.location, "limit": 2}
    seen: list[str] = []
    while True:
        page = await ask(world, "GET", "/contacts/", **query)
        seen += [contact["id"] for contact in page["contacts"]]
        if "startAfter" not in page["meta"]:
            break
        query |= {name: page["meta"][name] for name in ("startAfter", "startAfterId")}
    alone = await ask(world, "GET", "/contacts/", locationId=world.location, limit=2, startAfter=1)

    assert (people, 5) == (set(seen), len(seen))
    assert seen[:2] == [contact["id"] for contact in alone["contacts"]]


async def test_tags_and_fields_of_the_location(world: Any) -> None:
    """A tag renamed or removed is so on every contact; a field that was made can be written and is listed."""
    contact = await a_contact(world, tags=["vip"])
    base = f"/locations/{world.location}"
    await ask(world, "PUT", f"{base}/tags/tag-vip", {"name": "Gold"})
    renamed = (await ask(world, "GET", f"/contacts/{contact}"))["contact"]["tags"]
    await ask(world, "DELETE", f"{base}/tags/tag-gold")
    made = (await ask(world, "POST", f"{base}/customFields", {"name": "Shoe size", "dataType": "TEXT"}, 201))["customField"]
    await ask(world, "PUT", f"/contacts/{contact}", {"customFields": [{"id": made["id"], "field_value": "43"}]})
    listed = (await ask(world, "GET", f"{base}/customFields"))["customFields"]
    shown = (await ask(world, "GET", f"/contacts/{contact}"))["contact"]

    assert (["gold"], []) == (renamed, shown["tags"])
    assert "contact.shoe_size" in [field["fieldKey"] for field in listed]
    assert [{"id": made["id"], "value": "43"}] == shown["customFields"]


async def test_listings_meet_their_faults(world: Any) -> None:
    """An empty listing and half of one, for any collection."""
    contact = await a_contact(world)
    for number in range(4):
        await ask(world, "POST", f"/contacts/{contact}/notes", {"body": str(number)}, 201)
    counts = []
    for kind in (FaultKind.EMPTY_LISTING, FaultKind.TRUNCATED_LISTING):
        world.sandbox.ghl.faults.add("get-contact-notes", kind)
        counts.append(len((await ask(world, "GET", f"/contacts/{contact}/notes"))["notes"]))

    assert [0, 2] == counts


async def test_everything_in_the_surface_is_served(world: Any) -> None:
    """Every operation can be named in a fault, so every one has a route."""
    contacts_own = {"upsert-contact", "search-contacts", "get-duplicate-contact", "create-contact", "get-contact", "update-contact", "delete-contact"}
    elsewhere = {"add-tags-to-contact", "remove-tags-from-contact", "find-location-by-id", "list-custom-fields", "list-location-tags"}

    assert set(SURFACE) - elsewhere <= world.sandbox.ghl.faults.operations
    assert contacts_own <= world.sandbox.ghl.faults.operations
