"""What is EmailOctopus's own: statuses and consent, tags, batches, field forms, signatures."""

from __future__ import annotations

import hmac

import orjson
import pytest

from syncd.connectors.base import Change, Created, Update, WebhookRefused
from syncd.connectors.emailoctopus.contacts import UnwritableError, created, updated
from syncd.connectors.emailoctopus.fields import ListFields
from syncd.connectors.emailoctopus.settings import ContactsOptions, EmailOctopusSettings, quota_key
from syncd.connectors.emailoctopus.settings import _retry_after_s as retry_after_s
from syncd.connectors.emailoctopus.webhooks import Webhooks
from syncd.connectors.registry import KINDS
from syncd.core.errors import Rejected
from syncd.core.record import CollectionName, Record, RecordId, Ref, SystemName
from syncd.sandbox.options import ListField

SYSTEM = SystemName("eo")
LIST = "fa482fa2-5ac4-11ed-9f7a-67da1c836cf8"
COLLECTION = CollectionName(f"contacts@{LIST}")
REF = Ref(SYSTEM, COLLECTION, RecordId("c1"))
KNOWN = ListFields.read(
    {
        "fields": [
            {"tag": "First", "label": "First name", "type": "text"},
            {"tag": "Pets", "type": "number"},
            {"tag": "Born", "type": "date"},
            {"tag": "Plan", "type": "choice_single", "choices": ["Gold", "Free"]},
            {"tag": "Likes", "type": "choice_multiple", "choices": ["a", "b"]},
            {"tag": "New", "type": "hologram"},
        ],
        "tags": ["VIP"],
    }
)
FIELDS = (
    ListField(tag="FirstName", label="First name"),
    ListField(tag="Plan", label="Plan", type="choice_single", choices=("Gold", "Silver")),
    ListField(tag="Pets", label="Pets", type="number"),
    ListField(tag="Born", label="Born", type="date"),
    ListField(tag="Likes", label="Likes", type="choice_multiple", choices=("a", "b")),
)


def update(changes, **before) -> Update:
    return Update(ref=REF, changes=changes, before=before)


@pytest.mark.parametrize(
    ("changes", "before", "expected"),
    [
        ({"fields.First": "A"}, {}, {"fields": {"First": "A"}}),
        ({"fields.First": None}, {}, {"fields": {"First": None}}),
        ({"fields.Plan": "gold"}, {}, {"fields": {"Plan": "Gold"}}),
        ({"fields.Likes": ["A"]}, {}, {"fields": {"Likes": ["a"]}}),
        ({"fields.Born": "2015-12-01"}, {}, {"fields": {"Born": "2015-12-01"}}),
        ({"tags": ["vip", "x"]}, {"tags": ["old"]}, {"tags": {"VIP": True, "x": True, "old": False}}),
        ({"tags": ["vip"]}, {"tags": ["VIP"]}, {}),
        ({"status": "unsubscribed"}, {"status": "subscribed"}, {"status": "unsubscribed"}),
        ({"status": "subscribed"}, {"status": "subscribed"}, {}),
        ({"email_address": "b@c.d"}, {}, {"email_address": "b@c.d"}),
    ],
)
def test_an_update_is_written_in_the_vendors_form(changes, before, expected):
    """Only what changed; tags as additions and removals in the spelling there; and never the word "subscribed"."""
    assert expected == updated(update(changes, **before), KNOWN, before)


@pytest.mark.parametrize(
    "changes",
    [
        {"fields.Pets": "3"},
        {"fields.Pets": True},
        {"fields.Born": "01/12/2015"},
        {"fields.Plan": "Platinum"},
        {"fields.First": ["a"]},
        {"fields.New": "x"},
        {"fields.Nowhere": "x"},
        {"email_address": None},
        {"status": None},
        {"status": "bounced"},
        {"created_at": "x"},
        {"tags": "vip"},
    ],
)
def test_what_the_vendor_does_not_take_is_refused_before_it_is_sent(changes):
    """One wrong field would refuse the whole call."""
    with pytest.raises(UnwritableError):
        updated(update(changes), KNOWN, {})


def test_a_create_has_a_list_of_tags_and_no_blanks():
    """Tags are a list here and a map everywhere else; without an address there is no contact."""
    body = created(
        {"email_address": "a@b.c", "fields.First": None, "fields.Pets": 2, "tags": ["vip", "new"], "status": "pending"}, KNOWN
    )

    assert {"email_address": "a@b.c", "fields": {"Pets": 2}, "tags": ["VIP", "new"], "status": "pending"} == body
    with pytest.raises(UnwritableError):
        created({"fields.First": "A"}, KNOWN)


@pytest.mark.parametrize("held", ["unsubscribed", "pending"])
@pytest.mark.parametrize("told", [True, False])
async def test_nobody_is_subscribed_by_an_update(open_bench, held, told):
    """Whether the caller knew the status or it had to be read."""
    bench = await open_bench("emailoctopus")
    record_id = bench.vendor.create_as_user({"email_address": "a@b.co", "status": held})["id"]
    before = {"status": held} if told else {}
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes={"status": "subscribed"}, before=before)])

    assert isinstance(answer, Rejected)
    assert answer.hint
    assert [held] == [row["status"] for row in bench.vendor.contacts()]


async def test_a_departure_unseen_is_not_undone(open_bench):
    """We last saw "subscribed"; the person has left since; an update that says "subscribed" must not bring them back."""
    bench = await open_bench("emailoctopus")
    record_id = bench.create_as_user(email="a@b.co")
    bench.vendor.edit_as_user(record_id, {"status": "unsubscribed"})
    change = Update(
        ref=bench.ref(record_id), changes={"status": "subscribed", "fields.FirstName": "A"}, before={"status": "subscribed"}
    )
    (answer,) = await bench.connector.update([change])

    assert ("unsubscribed", "A") == (answer.fields["status"], answer.fields["fields.FirstName"])


async def test_a_pass_shows_every_status(open_bench):
    """A listing shows one status at a time; a pass shows all."""
    bench = await open_bench("emailoctopus")
    for number in range(240):
        status = ("subscribed", "unsubscribed", "pending")[number % 3]
        bench.vendor.seed({"email_address": f"p{number}@b.co", "status": status}, at=1_700_000_000 + number)
    for _ in range(25):
        bench.vendor.seed({"email_address": f"q{_}@b.co"}, at=1_700_001_000)
    pages = await bench.pages()

    assert set(bench.truth()) == {record.ref.id for page in pages for record in page.records}
    assert 4 == len(pages)


@pytest.mark.parametrize("ending", ["null", "null_members", "absent"])
async def test_the_last_page_may_say_so_in_any_way(open_bench, ending):
    """How the end is marked is not documented."""
    bench = await open_bench("emailoctopus", last_page_next=ending, blank_fields="null", counts_as_array=False)
    bench.create_as_user(email="a@b.co")

    assert bench.truth() == await bench.listed()


async def test_a_new_tag_is_made_on_the_list_first(open_bench):
    """Once, and in the list's own spelling where it exists."""
    bench = await open_bench("emailoctopus")
    ids = [bench.create_as_user(email=f"p{number}@b.co") for number in range(3)]
    updates = [Update(ref=bench.ref(each), changes={"tags": ["Brand-New", "VIP"]}, before={"tags": []}) for each in ids]
    answers = await bench.connector.update(updates)

    assert [["Brand-New", "vip"]] * 3 == [answer.fields["tags"] for answer in answers]
    assert 1 == bench.vendor.stats.requests["create-tag"]
    assert 1 == bench.vendor.stats.requests["update-contacts-batch"]


async def test_a_batch_is_one_call_and_every_item_is_answered(open_bench):
    """In the order asked, whatever became of each."""
    bench = await open_bench("emailoctopus")
    ids = [bench.create_as_user(email=f"p{number}@b.co") for number in range(100)]
    bench.delete_as_user(ids[50])
    changes = [{"fields.FirstName": f"N{number}"} for number in range(100)]
    changes[7] = {"email_address": "p8@b.co"}
    changes[9] = {"fields.Plan": "Platinum"}
    before = bench.calls()
    answers = await bench.connector.update(
        [Update(ref=bench.ref(each), changes=change) for each, change in zip(ids, changes, strict=True)]
    )

    assert ids == [answer.ref.id for answer in answers]
    assert {7: "Rejected", 9: "Rejected", 50: "Stale"} == {
        at: type(each).__name__ for at, each in enumerate(answers) if not isinstance(each, Record)
    }
    assert "another contact" in answers[7].hint
    # One for what the list defines, one for the batch.
    assert 2 == bench.calls() - before


async def test_an_address_taken_is_nobodys_conflict(open_bench):
    """Planning again would find the same, so one update alone says it like a batch does."""
    bench = await open_bench("emailoctopus")
    bench.create_as_user(email="b@b.co")
    record_id = bench.create_as_user(email="a@b.co")
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes={"email_address": "b@b.co"})])

    assert isinstance(answer, Rejected)


async def test_a_plan_that_is_full_is_said_to_be(open_bench):
    """Retrying cannot help; a person can."""
    bench = await open_bench("emailoctopus", subscriber_cap=1)
    bench.create_as_user(email="a@b.co")
    with pytest.raises(Rejected) as caught:
        await bench.connector.create(bench.collection, {"email_address": "b@b.co"})

    assert "plan" in caught.value.hint


async def test_every_type_of_field_goes_there_and_back(open_bench):
    """What is written in a type's form is read in it, and null unsets it."""
    bench = await open_bench("emailoctopus", fields=FIELDS)
    values = {"fields.Pets": 2, "fields.Born": "2015-12-01", "fields.Likes": ["a", "b"], "fields.Plan": "Gold"}
    answer = await bench.connector.create(bench.collection, {"email_address": "A@B.co", **values})
    (cleared,) = await bench.connector.update([Update(ref=answer.record.ref, changes=dict.fromkeys(values))])

    assert isinstance(answer, Created)
    assert values == {path: answer.record.fields[path] for path in values}
    assert dict.fromkeys(values) == {path: cleared.fields[path] for path in values}


SECRET = "s3cret"


def hooks(known=lambda _collection: KNOWN, **settings) -> Webhooks:
    made = EmailOctopusSettings(api_key="k", **{"webhook_secret": SECRET, **settings})
    return Webhooks(SYSTEM, made, known)


def signed(body, secret=SECRET) -> dict[str, str]:
    return {"emailoctopus-signature": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()}


def row(**changes):
    told = {
        "id": "42636763-73f9-463e-af8b-3f720bb3d889",
        "type": "contact.updated",
        "list_id": LIST,
        "contact_id": "c1",
        "occurred_at": "2022-11-18T15:20:23+00:00",
        "contact_fields": {"First": "Claire"},
        "contact_status": "SUBSCRIBED",
        "contact_email_address": "claire@example.com",
        "contact_tags": ["vip"],
    }
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def received(*rows, **options):
    body = orjson.dumps(list(rows))
    return hooks(**options).receive(signed(body), body)


@pytest.mark.parametrize(
    ("changes", "full"),
    [
        ({}, True),
        ({"type": "contact.created"}, True),
        ({"contact_fields": []}, True),
        ({"contact_fields": None}, False),
        ({"contact_tags": None}, False),
        ({"contact_email_address": None}, False),
        ({"contact_status": None}, False),
        ({"contact_status": "BOUNCED"}, False),
        ({"contact_status": "COMPLAINED"}, False),
        ({"type": "contact.unsubscribed"}, False),
        ({"type": "contact.bounced"}, False),
    ],
)
def test_an_event_is_full_only_when_it_is_whole(changes, full):
    """And speaks a read's own words; anything less is a hint to read."""
    (event,) = received(row(**changes))

    assert (full, Change.CHANGED) == (event.full, event.change)
    assert not full or {"email_address", "status", "tags", *KNOWN.by_path} == set(event.fields)
    assert event.fields is None or event.fields.get("status") in (None, "subscribed")


def test_an_event_of_a_list_not_yet_known_is_a_hint():
    """Its fields are unknown, so blank cannot be told from missing; it belongs to its own list's collection."""
    (event,) = received(row(list_id="other-list"), known=lambda _collection: None)

    assert (False, "contacts@other-list") == (event.full, event.ref.collection)


def test_openings_and_clicks_are_no_change():
    """They are of no contact, and only for who waits for the event itself; a deletion is a change."""
    events = received(row(type="contact.opened"), row(type="contact.clicked"), row(type="contact.deleted"), row(type="list.new"))
    elsewhere = [event for event in events if event.ref.collection == "events"]

    assert [Change.DELETED] == [event.change for event in events if event not in elsewhere]
    assert ["contact.opened", "contact.clicked", "list.new"] == [event.word for event in elsewhere] == [event.ref.id for event in elsewhere]


@pytest.mark.parametrize("rows", [[row(id="../x")], [row(contact_id=None)], [row(list_id=7)], [row()] * 1_001])
def test_a_signed_muddle_is_malformed(rows):
    """Never an exception, and never half a delivery."""
    assert WebhookRefused.MALFORMED is received(*rows)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"\xff", b"[" * 40 + b"]" * 40])
def test_a_signed_body_that_is_no_array_is_malformed(body):
    """Whatever it is instead."""
    assert WebhookRefused.MALFORMED is hooks().receive(signed(body), body)


@pytest.mark.parametrize("header", ["é", "sha256=é", "sha256=", "sha1=00", "\udcff", "sha256=" + "0" * 64, "a" * 100_000])
def test_a_signature_of_any_characters_is_refused_not_failed(header):
    """What a stranger sends cannot make an error."""
    assert WebhookRefused.FORGED is hooks().receive({"emailoctopus-signature": header}, b"[]")


def test_secrets_change_without_a_gap_and_no_secret_accepts_nothing():
    """Both are valid while one replaces the other; an empty one is none."""
    changing = hooks(webhook_secret_previous="old")
    body = b"[]"

    assert [] == changing.receive(signed(body), body) == changing.receive(signed(body, "old"), body)
    assert WebhookRefused.FORGED is changing.receive(signed(body, "other"), body)
    for none in (None, ""):
        assert WebhookRefused.UNSIGNED is hooks(webhook_secret=none).receive(signed(body, none or SECRET), body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-RateLimit-Retry-After": "30"}, 30.0),
        ({"X-RateLimit-Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT", "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 30.0),
        ({"X-RateLimit-Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, None),
        ({"X-RateLimit-Retry-After": "1700000000"}, None),
        ({"X-RateLimit-Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_vendors_wish_is_read_in_either_form(headers, expected):
    """Seconds or a date; an absurd one is none."""
    assert expected == retry_after_s(headers)


def test_a_member_names_its_list():
    """The collection carries the list; the quota belongs to the key, which it does not tell."""
    kind = KINDS["emailoctopus"]
    settings = EmailOctopusSettings(api_key="very-secret")

    assert COLLECTION == kind.collection_name("contacts", ContactsOptions(list=LIST))
    assert "very-secret" not in quota_key(settings) + repr(settings)
    assert quota_key(settings) == quota_key(EmailOctopusSettings(api_key="very-secret", base_url="http://127.0.0.1:1"))
