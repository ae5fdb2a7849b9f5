"""GoHighLevel's collections beside its contacts: the contract of all connectors, asked of each; listings that go on where they stopped."""

from __future__ import annotations

import orjson
import pytest

from syncd.connectors import quota
from syncd.connectors.base import Change, Created, Update
from syncd.connectors.clock import SystemClock
from syncd.connectors.gohighlevel import KIND
from syncd.connectors.gohighlevel.connector import GoHighLevel
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.quota import Priority
from syncd.core.errors import Rejected
from syncd.core.record import CollectionName
from tests.connectors.conftest import account
from tests.connectors.record_bench import FACTS, RecordBench
from tests.connectors.test_contract import (  # the contract, asked once more of each of these
    test_a_batch_succeeds_and_fails_by_item,
    test_a_key_that_does_not_fit_wakes_a_person,
    test_a_lost_answer_is_unavailable_and_a_write_leaves_a_doubt,
    test_a_refused_call_had_no_effect,
    test_a_whole_pass_shows_the_truth,
    test_an_incremental_pass_shows_what_changed_since,
    test_an_unknown_field_is_refused_and_nothing_is_written,
    test_delete_removes_and_twice_is_no_error,
    test_discovery_names_every_field_that_is_shown,
    test_get_says_none_for_what_is_gone,
    test_get_shows_the_record,
    test_the_doubt_of_a_create_is_justified,
    test_update_changes_what_it_names_and_nothing_else,
    test_update_of_what_is_gone_is_stale,
)

__all__ = [
    "test_a_batch_succeeds_and_fails_by_item",
    "test_a_key_that_does_not_fit_wakes_a_person",
    "test_a_lost_answer_is_unavailable_and_a_write_leaves_a_doubt",
    "test_a_refused_call_had_no_effect",
    "test_a_whole_pass_shows_the_truth",
    "test_an_incremental_pass_shows_what_changed_since",
    "test_an_unknown_field_is_refused_and_nothing_is_written",
    "test_delete_removes_and_twice_is_no_error",
    "test_discovery_names_every_field_that_is_shown",
    "test_get_says_none_for_what_is_gone",
    "test_get_shows_the_record",
    "test_the_doubt_of_a_create_is_justified",
    "test_update_changes_what_it_names_and_nothing_else",
    "test_update_of_what_is_gone_is_stale",
]

NOW = SystemClock().now


@pytest.fixture
def open_records(open_bench):
    """Opens a collection's bench by its name."""

    async def open_one(collection, **options):
        return RecordBench(await open_bench("gohighlevel", **options), collection)

    return open_one


@pytest.fixture(params=list(FACTS))
async def bench(request, open_records):
    """One collection after another."""
    return await open_records(request.param)


async def test_create_answers_what_is_there(bench):
    """The answer to a create shows nothing that is not so, and its id leads to the record again."""
    fields = bench.fields(email="Something", name="A", plan=bench.plan_values[0])
    answer = await bench.connector.create(bench.collection, fields)
    whole = await bench.connector.get(answer.record.ref)

    assert isinstance(answer, Created)
    assert {answer.record.ref.id: bench.neutral(whole.fields)} == bench.truth()
    assert {path: whole.fields[path] for path in answer.record.fields} == answer.record.fields
    assert answer.record.modified_at in (None, whole.modified_at)


async def test_a_text_is_cleared_by_none(bench):
    """None clears; by id and in a listing the text is then blank."""
    bench.create_as_user(email="other", name="B", plan=bench.plan_values[0])
    record_id = bench.create_as_user(email="one", name="A", plan=bench.plan_values[0])
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes=bench.fields(name=None))])

    assert None is bench.neutral(answer.fields)["name"] is bench.truth()[record_id]["name"]
    assert None is (await bench.listed())[record_id]["name"]


async def test_an_event_leads_to_the_record_it_is_about(bench):
    """Every webhook that the vendor has, and none that it lacks."""
    record_id = bench.create_as_user(email="one", name="A", plan=bench.plan_values[0])
    bench.edit_as_user(record_id, name="B")
    bench.delete_as_user(record_id)
    events = [event for headers, body in await bench.deliveries() for event in bench.connector.receive(headers, body, NOW())]
    placed = [event for event in events if event.ref.collection == bench.collection]
    made, changed, gone = Change.CHANGED, Change.CHANGED, Change.DELETED
    expected = {
        "opportunities": [made, made, changed, changed, gone, changed],
        # The creation's event does not say whose task it is, and an edit has none.
        "tasks": [gone],
        "users": [made],
        "businesses": [],
        "calendars": [],
        "blocked_slots": [],
    }.get(bench.collection, [made, changed, gone])

    assert expected == [event.change for event in placed]
    assert {bench.ref(record_id)} >= {event.ref for event in placed}
    assert not any(event.full for event in events)
    assert len(events) == len({event.dedupe_key for event in events})


@pytest.mark.parametrize("collection", sorted(FACTS))
async def test_what_a_create_needs_is_known_beforehand(collection, open_records):
    """Each required field is one that the create really is refused without, before anything is sent."""
    bench = await open_records(collection)
    needed = bench.connector.capabilities(bench.collection).required_on_create
    whole = bench.fields(email="one", plan=bench.plan_values[0])
    calls = bench.calls()
    for path in needed:
        with pytest.raises(Rejected, match=COLLECTIONS[collection].fields[path].made_as):
            await bench.connector.create(bench.collection, {name: value for name, value in whole.items() if name != path})

    assert needed <= whole.keys()
    assert {} == bench.truth()
    assert bench.calls() - calls <= 2
    assert isinstance(await bench.connector.create(bench.collection, whole), Created)


@pytest.mark.parametrize("collection", sorted(FACTS))
async def test_only_what_may_be_written_is_sent(collection, open_records):
    """A field that cannot be changed is refused by us, not by the vendor."""
    bench = await open_records(collection)
    record_id = bench.create_as_user(email="one")
    await bench.connector.discover(bench.collection)
    calls = bench.calls()
    closed = [path for path, each in COLLECTIONS[collection].fields.items() if not each.spec.writable]
    answers = [(await bench.connector.update([Update(ref=bench.ref(record_id), changes={path: "x"})]))[0] for path in closed]

    assert {Rejected} >= {type(answer) for answer in answers}
    assert calls == bench.calls()


def test_the_kind_offers_every_collection():
    """Contacts and each row of the table, with fields whose parents are named."""
    parents = {
        (name, path): each.refers_to for name, row in COLLECTIONS.items() for path, each in row.fields.items() if each.refers_to
    }

    assert ("contacts", *COLLECTIONS) == KIND.collections
    assert {"contacts", *COLLECTIONS} >= set(parents.values())
    assert ("contacts", "contacts", "users") == (parents["tasks", "contactId"], parents["notes", "contactId"], parents["notes", "userId"])
    assert all(row.misses for row in COLLECTIONS.values())


@pytest.mark.parametrize("collection", ["tasks", "notes"])
async def test_a_child_of_a_contact_that_is_gone_is_gone(collection, open_records):
    """The vendor refuses both alike, and nothing is left to list."""
    bench = await open_records(collection)
    record_id = bench.create_as_user(email="one")
    bench.vendor.delete_as_user(bench.contact_id)
    bench.delete_as_user(record_id)

    assert None is await bench.connector.get(bench.ref(record_id))
    assert {} == await bench.listed()


@pytest.mark.parametrize("record_id", ["note1", "a:b:c", ":note1", "contact1:", "../x:y", ""])
async def test_what_is_no_address_is_no_record(record_id, open_records):
    """A note's address has its contact in it; anything else leads nowhere, and asks nobody."""
    bench = await open_records("notes")
    calls = bench.calls()

    assert None is await bench.connector.get(bench.ref(record_id))
    assert calls == bench.calls()


async def test_notes_are_listed_contact_by_contact_behind_everything_else(open_records, monkeypatch):
    """A pass goes through all contacts, a few a page, as backfill; it goes on from where it stopped."""
    monkeypatch.setattr("syncd.connectors.gohighlevel.paging.CONTACTS_A_PAGE", 3)
    bench = await open_records("notes", timeout_s=10.0)
    contacts = [bench.vendor.seed({"email": f"p{number}@example.com"})["id"] for number in range(7)]
    for contact in contacts:
        bench.vendor.create_record_as_user("notes", {"body": "x", "contactId": contact})
    wanted, slot = [], bench.connector._session.quota.slot

    def watched():
        wanted.append(quota._priority.get())
        return slot()

    monkeypatch.setattr(bench.connector._session.quota, "slot", watched)
    pages = await bench.pages()
    rest = await bench.connector.page(bench.collection, token=pages[1].next)

    assert set(contacts) == {record.fields["contactId"] for page in pages for record in page.records}
    assert {Priority.BACKFILL} == set(wanted)
    assert 3 <= len(pages) <= 4
    assert [each.ref for each in pages[2].records] == [each.ref for each in rest.records]


@pytest.mark.parametrize("collection", ["tasks", "notes", "opportunities", "appointments", "messages"])
async def test_a_pass_goes_on_where_another_process_stopped(collection, open_records, monkeypatch):
    """A token is plain JSON and needs nothing that the first process knew."""
    monkeypatch.setattr("syncd.connectors.gohighlevel.paging.CONTACTS_A_PAGE", 1)
    bench = await open_records("notes" if collection == "messages" else collection, timeout_s=10.0)
    for number in range(105):
        bench.create_as_user(email=f"r{number}")
    bench.vendor.create_record_as_user("calendars", {"name": "Back"})
    bench.vendor.seed({"email": "another@example.com"})
    first = await bench.connector.page(CollectionName(collection))
    token = orjson.loads(orjson.dumps(first.next))
    successor = GoHighLevel(bench.connector.system, KIND.settings(**account(bench.vendor)), bench.connector._session)
    whole, found = await bench.connector.page(CollectionName(collection), token=token), []
    while token is not None:
        page = await successor.page(CollectionName(collection), token=token)
        found.append(page)
        token = orjson.loads(orjson.dumps(page.next))

    assert [each.ref for each in whole.records] == [each.ref for each in found[0].records]
    assert first.next is not None
    assert collection == "messages" or set(bench.truth()) == {each.ref.id for page in (first, *found) for each in page.records}


async def test_a_refusal_is_not_taken_for_a_contact_without_notes(open_records):
    """Only a contact that is gone has none; any other refusal ends the pass."""
    bench = await open_records("notes")
    bench.create_as_user(email="one")
    bench.vendor.faults.add("get-contact-notes", "error_before", status=400)
    with pytest.raises(Rejected):
        await bench.connector.page(bench.collection)


@pytest.mark.parametrize(("collection", "count", "pages"), [("opportunities", 205, 3), ("businesses", 205, 4), ("invoices", 205, 3), ("tasks", 205, 4)])
async def test_pages_follow_each_other_without_a_gap(collection, count, pages, open_records):
    """To the last record; where no total is told an empty page is the end, and a short one is not."""
    bench = await open_records(collection, timeout_s=10.0)
    for number in range(count):
        bench.create_as_user(email=f"r{number}")
    found = await bench.pages()

    assert set(bench.truth()) == {record.ref.id for page in found for record in page.records}
    assert pages == len(found)
