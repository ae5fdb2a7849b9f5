"""What is each GoHighLevel collection's own: forms, choices, conversations and messages, staff, diaries, invoices."""

from __future__ import annotations

import pytest

from syncd.connectors.base import Exists, Update
from syncd.connectors.clock import SystemClock
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.gohighlevel.rows import shown, written
from syncd.connectors.gohighlevel.values import UnwritableError
from syncd.connectors.payload import iso
from syncd.core.errors import Effect, Rejected, Unavailable
from syncd.core.fields import FieldType
from syncd.core.record import DAY, SECOND, CollectionName, RecordId, Ref, SystemName
from syncd.sandbox.gohighlevel.operations import _DEEDS
from tests.connectors.record_bench import RecordBench

NOW = SystemClock().now


@pytest.fixture
def open_records(open_bench):
    """Opens a collection's bench by its name."""

    async def open_one(collection, **options):
        return RecordBench(await open_bench("gohighlevel", **options), collection)

    return open_one


@pytest.mark.parametrize(
    ("collection", "changes", "expected"),
    [
        ("opportunities", {"name": None}, {"name": ""}),
        ("users", {"locationIds": None}, {"locationIds": []}),
        ("invoices", {"invoiceNumber": 7}, {"invoiceNumber": "7"}),
        ("invoices", {"invoiceItems": []}, {"invoiceItems": []}),
    ],
)
def test_an_update_is_written_in_the_vendors_form(collection, changes, expected):
    """No schema allows a null, so an empty value clears; a number that is kept as a text is sent as one."""
    assert expected == written(COLLECTIONS[collection], changes, CustomFields(), creating=False)


@pytest.mark.parametrize(
    ("collection", "changes"),
    [
        ("opportunities", {"monetaryValue": None}),
        ("opportunities", {"monetaryValue": "5"}),
        ("opportunities", {"monetaryValue": float("nan")}),
        ("opportunities", {"status": "all"}),
        ("opportunities", {"contactId": "c2"}),
        ("tasks", {"completed": "yes"}),
        ("tasks", {"dueDate": None}),
        ("users", {"email": "new@example.com"}),
        ("users", {"locationIds": "L1"}),
        ("notes", {"custom.plan": "gold"}),
        ("messages", {"body": "x"}),
        ("invoices", {"status": "paid"}),
    ],
)
def test_what_the_vendor_does_not_take_is_refused_before_it_is_sent(collection, changes):
    """A wrong type, a blank that cannot be, a field that is not the update's to change."""
    with pytest.raises(UnwritableError):
        written(COLLECTIONS[collection], changes, CustomFields(), creating=False)


def test_a_create_goes_by_the_creates_own_names():
    """What an update calls otherwise, and what nobody may say twice."""
    invoice = written(COLLECTIONS["invoices"], {"invoiceItems": [1], "name": "A", "title": None}, CustomFields(), creating=True)
    message = written(COLLECTIONS["messages"], {"body": "Hi", "type": "SMS"}, CustomFields(), creating=True)

    assert {"items": [1], "name": "A"} == invoice
    assert {"message": "Hi", "type": "SMS"} == message


def test_a_child_shows_its_parent_even_where_its_row_does_not():
    """The address has it, and a field that refers to a parent may not be missing."""
    ref = Ref(SystemName("ghl"), CollectionName("notes"), RecordId("c1:n1"))
    note = shown(COLLECTIONS["notes"], {"id": "n1", "body": "x"}, ref, CustomFields(), blank=(), parent="c1")

    assert {"body": "x", "contactId": "c1"} == note.fields


def test_what_was_not_shown_is_not_blank():
    """Only names that the answer would have shown are blank when they are missing."""
    ref = Ref(SystemName("ghl"), CollectionName("conversations"), RecordId("v1"))
    row = {"id": "v1", "type": 2, "unreadCount": 0, "starred": False}
    listed = shown(COLLECTIONS["conversations"], row, ref, CustomFields(), blank=("assignedTo",))

    assert {"type": "TYPE_EMAIL", "unreadCount": 0, "starred": False, "assignedTo": None} == listed.fields


async def test_conversations_and_messages(open_bench):
    """A contact has one conversation; a message is sent once, and shows in the listing of its channel."""
    bench = await open_bench("gohighlevel", timeout_s=10.0)
    connector, conversations, messages = bench.connector, CollectionName("conversations"), CollectionName("messages")
    contacts = [bench.create_as_user(email=f"p{number}@example.com") for number in range(3)]
    made = [(await connector.create(conversations, {"contactId": each})).record.ref for each in contacts]
    again = await connector.create(conversations, {"contactId": contacts[0]})
    (marked,) = await connector.update([Update(ref=made[0], changes={"unreadCount": 4, "starred": True})])
    sent = await connector.create(messages, {"type": "SMS", "contactId": contacts[0], "body": "Hello"})
    mail = await connector.create(messages, {"type": "Email", "contactId": contacts[1], "body": "<p>Hi</p>", "subject": "Hi"})
    pages = [await connector.page(messages)]
    while pages[-1].next is not None:
        pages.append(await connector.page(messages, token=pages[-1].next))

    assert isinstance(again, Exists)
    assert (made[0].id, "contactId") == (again.id, again.key)
    assert (4, True) == (marked.fields["unreadCount"], marked.fields["starred"])
    assert {each.id for each in made} == {record.ref.id for record in (await connector.page(conversations)).records}
    assert {"Hello", "<p>Hi</p>"} == {record.fields["body"] for page in pages for record in page.records}
    assert {sent.record.ref.id, mail.record.ref.id} == {record.ref.id for page in pages for record in page.records}
    assert "Hello" == (await connector.get(sent.record.ref)).fields["body"]
    assert [] == list((await connector.page(messages, since=NOW() + 60 * SECOND)).records)


async def test_conversations_are_listed_past_one_page(open_bench):
    """By the sort value of the last one, least recently moved first."""
    bench = await open_bench("gohighlevel", timeout_s=10.0)
    made = [
        bench.vendor.create_record_as_user(
            "conversations", {"contactId": bench.create_as_user(email=f"p{n}@example.com"), "type": 1, "unreadCount": 0, "lastMessageAt": n + 1}
        )["id"]
        for n in range(205)
    ]
    bench.collection = CollectionName("conversations")
    pages = await bench.pages()

    assert [100, 100, 5] == [len(page.records) for page in pages]
    assert made == [record.ref.id for page in pages for record in page.records]


@pytest.mark.parametrize("kind", ["error_after", "hang_after", "reset_after"])
async def test_a_message_of_which_nothing_is_heard_is_doubtful_and_cannot_be_looked_for(kind, open_bench):
    """It may have gone out: nothing to look it up by is offered, so it is never sent again."""
    bench = await open_bench("gohighlevel")
    contact = bench.create_as_user(email="a@example.com")
    bench.vendor.faults.add("send-message", kind)
    with pytest.raises(Unavailable) as caught:
        await bench.connector.create(CollectionName("messages"), {"type": "SMS", "contactId": contact, "body": "Hello"})
    facts = bench.connector.capabilities(CollectionName("messages"))

    assert Effect.MAYBE is caught.value.effect
    assert (frozenset(), False, False) == (facts.find_keys, facts.can_update, facts.can_delete)
    assert 1 == len(bench.vendor.records.rows("messages"))


@pytest.mark.parametrize("missing", ["password", "role"])
async def test_a_member_of_staff_is_not_made_without_what_only_the_operator_knows(missing, open_records):
    """Password and role come from the configuration; without one the create is refused and nothing is sent."""
    bench = await open_records("users")
    fields = bench.fields(email="bo@example.com")
    with pytest.raises(Rejected, match=missing):
        await bench.connector.create(bench.collection, {name: value for name, value in fields.items() if name != missing})

    assert {} == bench.truth()
    assert {"password", "role"} <= bench.connector.capabilities(bench.collection).required_on_create


async def test_a_user_is_found_by_address_and_shows_no_password(open_records):
    """Whatever its capitals; another with a like address is not meant."""
    bench = await open_records("users")
    made = await bench.connector.create(bench.collection, bench.fields(email="bo@example.com"))
    bench.create_as_user(email="jumbo@example.com")
    found = await bench.connector.find(bench.collection, "email", "Bo@Example.com")

    assert [made.record.ref] == [each.ref for each in found]
    assert "password" not in (await bench.connector.get(made.record.ref)).fields
    assert "hunter2hunter2" not in repr(await bench.pages())


async def test_an_appointment_out_of_sight_waits_for_a_complete_pass(open_records):
    """Between complete passes only what starts from a month ago to a year ahead is seen to change."""
    bench = await open_records("appointments", timeout_s=10.0)
    times = {days: iso(NOW() + days * DAY) for days in (-400, -10, 10, 800)}
    ids = {}
    for days, at in times.items():
        ids[days] = bench.create_as_user(email=f"in {days} days")
        bench.vendor.edit_record_as_user("appointments", ids[days], {"startTime": at, "endTime": at})
    since = NOW() - 60 * SECOND

    assert set(ids.values()) == set(await bench.listed())
    assert {ids[-10], ids[10]} == set(await bench.listed(since=since))


async def test_a_blocked_slot_of_a_person_alone_is_found(open_records):
    """It is in no calendar, so people's diaries are listed as well."""
    bench = await open_records("blocked_slots", timeout_s=10.0)
    person = bench.vendor.create_record_as_user("users", {"email": "a@b.co", "locationIds": ["SandboxLocation00001"]})["id"]
    slot = bench.vendor.create_record_as_user(
        "blocked_slots", {"title": "Away", "assignedUserId": person, "startTime": "2026-03-02T09:00:00Z", "endTime": "2026-03-02T10:00:00Z"}
    )["id"]

    assert "Away" == (await bench.listed())[slot]["email"]
    assert "Away" == (await bench.connector.get(bench.ref(slot))).fields["title"]


async def test_a_slot_far_ahead_is_not_missed(open_records):
    """One that starts in many years is in a complete listing and found by itself, so that its absence from a window leads to nothing; and the
    capabilities say that between complete passes a part is seen only."""
    bench = await open_records("blocked_slots", timeout_s=10.0)
    (calendar,) = [each["id"] for each in bench.vendor.records.rows("calendars")]
    times = {"startTime": "2071-03-02T09:00:00Z", "endTime": "2071-03-02T10:00:00Z"}
    slot = bench.vendor.create_record_as_user("blocked_slots", {"title": "Eclipse", "calendarId": calendar, **times})["id"]
    facts = bench.connector.capabilities(bench.collection)

    assert {} == await bench.listed(since=1)
    assert [slot] == list(await bench.listed())
    assert "Eclipse" == (await bench.connector.get(bench.ref(slot))).fields["title"]
    assert (True, True) == (facts.incremental, facts.windowed)
    assert "a month ago to a year ahead" in facts.misses


async def test_an_opportunity_has_custom_fields_of_its_own(open_records):
    """They are defined for opportunities, written as everywhere and read under another name."""
    bench = await open_records("opportunities")
    session, location = bench.connector._session, bench.vendor.options.location_id
    await session.call(
        CATALOGUE["create-custom-field"].operation,
        ids={"locationId": location},
        body={"name": "Region", "dataType": "TEXT", "model": "opportunity"},
    )
    schema = await bench.connector.discover(bench.collection)
    made = await bench.connector.create(bench.collection, {**bench.fields(email="Deal"), "custom.region": "North"})
    (changed,) = await bench.connector.update([Update(ref=made.record.ref, changes={"custom.region": "South"})])
    contacts = await bench.connector.discover(CollectionName("contacts"))

    assert ("Region", FieldType.TEXT) == (schema.fields["custom.region"].label, schema.fields["custom.region"].type)
    assert ("North", "South") == (made.record.fields["custom.region"], changed.fields["custom.region"])
    assert "custom.region" not in contacts.fields
    assert "custom.plan" in contacts.fields
    assert "custom.plan" not in schema.fields


async def test_discovery_offers_pipelines_stages_and_calendars(open_records):
    """Ids to write into a mapping, each with what it is called."""
    deals, visits = await open_records("opportunities"), await open_records("appointments")
    schema = await deals.connector.discover(deals.collection)
    diary = await visits.connector.discover(visits.collection)

    assert ("SandboxPipeline00001",) == schema.fields["pipelineId"].options
    assert "SandboxStage000000002 = Talking" in schema.fields["pipelineStageId"].label
    assert "= Front" in diary.fields["calendarId"].label
    assert ("open", "won", "lost", "abandoned") == schema.fields["status"].options


async def test_choices_that_the_token_may_not_see_leave_the_field_open(open_records):
    """A missing scope for a list does not keep the rest from being discovered."""
    bench = await open_records("opportunities")
    bench.vendor.faults.add("list-pipelines", "unauthorized")
    schema = await bench.connector.discover(bench.collection)

    assert () == schema.fields["pipelineId"].options


async def test_a_record_of_another_location_is_not_taken_for_ours(open_records):
    """The vendor showed what this token should not see: nothing is concluded from it."""
    bench = await open_records("businesses")
    record_id = bench.create_as_user(email="one")
    bench.vendor.edit_record_as_user("businesses", record_id, {"locationId": "Elsewhere"})
    with pytest.raises(Unavailable, match="another location"):
        await bench.connector.page(bench.collection)
    with pytest.raises(Unavailable, match="another location"):
        await bench.connector.get(bench.ref(record_id))


async def test_an_invoice_is_changed_without_losing_the_rest(open_records):
    """The vendor asks for five fields with every update; those that do not change are given as they are."""
    bench = await open_records("invoices")
    made = await bench.connector.create(bench.collection, bench.fields(email="January"))
    (after,) = await bench.connector.update([Update(ref=made.record.ref, changes={"title": "Bill", "invoiceNumber": 77})])

    assert ("January", "Bill", 77, 150) == tuple(after.fields[path] for path in ("name", "title", "invoiceNumber", "total"))
    assert bench.contact_id == after.fields["contactId"]


async def test_the_location_itself_is_shown_and_never_written(open_bench):
    """One record, read-only."""
    bench = await open_bench("gohighlevel")
    locations = CollectionName("locations")
    page = await bench.connector.page(locations)
    facts = bench.connector.capabilities(locations)
    ref = Ref(bench.connector.system, locations, RecordId("SandboxLocation00001"))

    assert ["SandboxLocation00001"] == [record.ref.id for record in page.records]
    assert "US" == (await bench.connector.get(ref)).fields["country"]
    assert (False, False, False) == (facts.can_create, facts.can_update, facts.can_delete)


async def test_a_write_that_cannot_be_looked_at_leaves_a_doubt(open_records):
    """The update went through, the read-back did not: something happened."""
    bench = await open_records("appointments")
    record_id = bench.create_as_user(email="one")
    bench.vendor.faults.add("get-appointment", "error_before")
    with pytest.raises(Unavailable) as caught:
        await bench.connector.update([Update(ref=bench.ref(record_id), changes={"title": "two"})])

    assert Effect.MAYBE is caught.value.effect
    assert "two" == bench.truth()[record_id]["email"]


async def test_a_422_on_create_leaves_a_doubt(open_records):
    """Users report records that were made all the same."""
    bench = await open_records("notes")
    bench.vendor.faults.add("create-contact-note", "error_after", status=422)
    with pytest.raises(Rejected) as caught:
        await bench.connector.create(bench.collection, bench.fields(email="Hello"))

    assert Effect.MAYBE is caught.value.effect
    assert 1 == len(bench.truth())


async def test_another_record_than_the_one_asked_for_is_not_believed(open_records, monkeypatch):
    """Nothing is concluded from it, least of all that ours is gone."""
    bench = await open_records("businesses")
    ids = [bench.create_as_user(email=name) for name in ("one", "two")]
    other = bench.vendor.records.get("businesses", ids[1])
    monkeypatch.setitem(_DEEDS, "get-business", lambda _scene: {"business": other})
    with pytest.raises(Unavailable, match="another record"):
        await bench.connector.get(bench.ref(ids[0]))


async def test_a_listing_that_does_not_get_on_is_an_error(open_records, monkeypatch):
    """The vendor passes over `skip`, or forgets to say where to go on: neither is an end."""
    bench = await open_records("businesses", timeout_s=10.0)
    for number in range(105):
        bench.create_as_user(email=f"r{number}")
    stuck = bench.vendor.records.rows("businesses")[:100]
    monkeypatch.setitem(_DEEDS, "list-businesses-by-location", lambda _scene: {"businesses": stuck})
    monkeypatch.setitem(_DEEDS, "search-conversations", lambda _scene: {"conversations": [{"id": "v1", "contactId": "c1"}], "total": 205})
    first = await bench.connector.page(bench.collection)
    with pytest.raises(Unavailable, match="the page before"):
        await bench.connector.page(bench.collection, token=first.next)
    with pytest.raises(Unavailable, match="cannot be continued"):
        await bench.connector.page(CollectionName("conversations"))
