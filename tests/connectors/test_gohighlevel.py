"""What is GoHighLevel's own: shapes, traps users have reported, signatures of both ages."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from syncd.connectors import payload
from syncd.connectors.base import Change, Created, Update, WebhookRefused
from syncd.connectors.gohighlevel.contacts import ALL_SHOWN, UnwritableError, fields_of, shown, written
from syncd.connectors.gohighlevel.fields import STANDARD, CustomFields
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.connectors.gohighlevel.webhooks import Webhooks
from syncd.connectors.registry import KINDS
from syncd.core.errors import Effect, Rejected
from syncd.core.record import DAY, MINUTE, CollectionName, RecordId, Ref, SystemName
from syncd.sandbox.gohighlevel import search as sandbox_search

SYSTEM = SystemName("ghl")
REF = Ref(SYSTEM, CollectionName("contacts"), RecordId("c1"))
CUSTOM = CustomFields.read(
    [
        {
            "id": "f1",
            "name": "Plan type",
            "fieldKey": "contact.plan",
            "dataType": "SINGLE_OPTIONS",
            "picklistOptions": ["Gold", "Free"],
        },
        {"id": "f2", "name": "Size", "fieldKey": "contact.size", "dataType": "NUMERICAL"},
        {"id": "f3", "name": "Hobbies", "fieldKey": "contact.hobbies", "dataType": "CHECKBOX", "picklistOptions": ["a", "b"]},
        {"id": "f4", "name": "Contract", "fieldKey": "contact.contract", "dataType": "FILE_UPLOAD"},
        {"id": "f5", "name": "Deal", "fieldKey": "opportunity.deal", "dataType": "TEXT", "model": "opportunity"},
    ]
)
NOW = 1_700_000_000_000_000


def test_every_shape_of_a_custom_value_is_read():
    """Reads name the value in three ways; an id nobody knows is passed over; what is missing is blank."""
    items = [
        {"id": "f1", "value": "Gold"},
        {"id": "f2", "fieldValue": 3},
        {"id": "f3", "field_value": ["a"]},
        {"id": "zz", "value": 1},
    ]
    fields = fields_of({"customFields": items}, CUSTOM)

    assert {"custom.plan": "Gold", "custom.size": 3, "custom.hobbies": ["a"], "custom.contract": None} == fields


def test_not_shown_and_blank_stay_apart():
    """A field is blank only where the response would have shown it."""
    by_id = shown({"id": "c1", "email": "a@b.c"}, REF, CUSTOM, blank=ALL_SHOWN).fields
    searched = shown({"id": "c1", "email": "a@b.c"}, REF, CUSTOM, blank=frozenset({"phone"})).fields

    assert None is by_id["website"]
    assert None is by_id["custom.plan"]
    assert {"email": "a@b.c", "phone": None} == searched


def test_nothing_copies_a_social_security_number():
    """It is in the vendor's schema, and in none of ours."""
    contact = {"id": "c1", "ssn": "078-05-1120", "email": "a@b.c"}

    assert "078-05-1120" not in repr(shown(contact, REF, CUSTOM, blank=ALL_SHOWN))
    assert "ssn" not in STANDARD


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"firstName": "A"}, {"firstName": "A"}),
        ({"firstName": None}, {"firstName": None}),
        ({"country": None}, {"country": ""}),
        ({"tags": ["a"]}, {}),
        ({"custom.plan": "gold"}, {"customFields": [{"id": "f1", "field_value": "Gold"}]}),
        ({"custom.Plan type": "Free"}, {"customFields": [{"id": "f1", "field_value": "Free"}]}),
        ({"custom.plan": None}, {"customFields": [{"id": "f1", "field_value": ""}]}),
        ({"custom.hobbies": None}, {"customFields": [{"id": "f3", "field_value": []}]}),
        ({"custom.size": 4}, {"customFields": [{"id": "f2", "field_value": 4}]}),
    ],
)
def test_an_update_is_written_in_the_vendors_form(changes, expected):
    """Only what changed, custom fields by id, options in the vendor's spelling, tags by calls of their own."""
    assert expected == written(changes, CUSTOM, creating=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"companyName": "x"},
        {"gender": "x"},
        {"dateAdded": "2024-01-01"},
        {"ssn": "x"},
        {"dnd": None},
        {"dnd": "yes"},
        {"firstName": 3},
        {"custom.nowhere": "x"},
        {"custom.plan": "Platinum"},
        {"custom.size": "4"},
        {"custom.size": True},
        {"custom.size": float("nan")},
        {"custom.contract": {}},
        {"custom.deal": "x"},
    ],
)
def test_what_the_vendor_does_not_take_is_refused_before_it_is_sent(changes):
    """Unknown properties are a 422 for the whole call, so none is sent."""
    with pytest.raises(UnwritableError):
        written(changes, CUSTOM, creating=False)


def test_a_label_resolves_to_the_path_records_have():
    """The operator may write the label; an ambiguous one is nobody's."""
    kind = KINDS["gohighlevel"]
    specs = {path: each.spec for path, each in CUSTOM.by_path.items()}
    schema = type("S", (), {"fields": {**STANDARD, **specs}})()

    assert "custom.plan" == kind.resolve(schema, "custom.plan") == kind.resolve(schema, "custom.PLAN TYPE")
    assert None is kind.resolve(schema, "custom.nothing")
    assert None is kind.resolve(replace_label(schema, "custom.size", "Plan type"), "custom.Plan type")


def replace_label(schema, path, label):
    """The schema with one label changed."""
    fields = {**schema.fields, path: replace(schema.fields[path], label=label)}
    return type("S", (), {"fields": fields})()


async def test_search_pages_past_one_page_without_a_gap(open_bench, monkeypatch):
    """Paging follows the vendor's cursor to the total."""
    monkeypatch.setattr("syncd.connectors.gohighlevel.search.PAGE_LIMIT", 7)
    bench = await open_bench("gohighlevel")
    for number in range(30):
        bench.vendor.seed({"email": f"p{number}@example.com"})
    pages = await bench.pages()

    assert 5 == len(pages)
    assert {30} == {page.total for page in pages}
    assert set(bench.truth()) == {record.ref.id for page in pages for record in page.records}


async def test_a_short_page_does_not_end_a_listing(open_bench, monkeypatch):
    """The vendor may give fewer than asked for; the total says that there are more."""
    bench = await open_bench("gohighlevel")
    for number in range(30):
        bench.vendor.seed({"email": f"p{number}@example.com"})
    understand = sandbox_search.understand
    monkeypatch.setattr(sandbox_search, "understand", lambda body: replace(understand(body), page_limit=7))
    pages = await bench.pages()

    # The last full page could not know that it was the last.
    assert [7, 7, 7, 7, 2] == [len(page.records) for page in pages]
    assert set(bench.truth()) == {record.ref.id for page in pages for record in page.records}


async def test_search_that_omits_a_field_does_not_blank_it(open_bench):
    """Where no result ever shows `dndSettings`, none is said to have it blank; a read by id shows it."""
    bench = await open_bench("gohighlevel", search_omits_dnd_settings=True)
    record_id = bench.vendor.create_as_user({"email": "a@b.co", "dndSettings": {"SMS": {"status": "active"}}})["id"]
    (page,) = await bench.pages()
    by_id = await bench.connector.get(bench.ref(record_id))

    assert "dndSettings" not in page.records[0].fields
    assert {"SMS": {"status": "active"}} == by_id.fields["dndSettings"]


async def test_find_by_phone_reads_the_store(open_bench):
    """The index may not have it yet, and does not find phones anyway."""
    bench = await open_bench("gohighlevel", index_lag_s=3_600.0)
    record_id = bench.vendor.create_as_user({"email": "a@b.co", "phone": "+1 202-555-0123"})["id"]
    found = await bench.connector.find(bench.collection, "phone", "+12025550123")
    by_email = await bench.connector.find(bench.collection, "email", "a@b.co")

    assert [record_id] == [record.ref.id for record in found] == [record.ref.id for record in by_email]


async def test_find_by_email_shows_every_duplicate(open_bench):
    """Where the location allows duplicates there may be several, and none is picked."""
    bench = await open_bench("gohighlevel", allow_duplicates=True)
    ids = {bench.vendor.create_as_user({"email": "a@b.co"})["id"] for _ in range(3)}
    found = await bench.connector.find(bench.collection, "email", "a@b.co")
    await bench.connector.discover(bench.collection)

    assert ids == {record.ref.id for record in found}
    assert frozenset() == bench.connector.capabilities(bench.collection).create_detects


async def test_discovery_tells_region_and_duplicate_setting(open_bench):
    """Both are the location's own, and unknown before discovery."""
    bench = await open_bench("gohighlevel", country="GB")
    before = bench.connector.capabilities(bench.collection).create_detects
    schema = await bench.connector.discover(bench.collection)

    assert (frozenset(), "GB") == (before, schema.region)
    assert frozenset({"email", "phone"}) == bench.connector.capabilities(bench.collection).create_detects


async def test_a_422_on_create_leaves_a_doubt(open_bench):
    """Users report contacts that were made all the same."""
    bench = await open_bench("gohighlevel")
    bench.vendor.faults.add("create-contact", "error_after", status=422)
    with pytest.raises(Rejected) as caught:
        await bench.connector.create(bench.collection, {"email": "a@b.co"})

    assert Effect.MAYBE is caught.value.effect
    assert 1 == len(bench.truth())


async def test_half_an_update_leaves_a_doubt(open_bench):
    """The tags went through, the rest was refused: something happened."""
    bench = await open_bench("gohighlevel")
    record_id = bench.create_as_user(email="a@b.co", tags=["old"])
    bench.vendor.faults.add("update-contact", "error_before", status=422)
    change = Update(ref=bench.ref(record_id), changes={"firstName": "A", "tags": ["new"]}, before={"tags": ["old"]})
    (answer,) = await bench.connector.update([change])

    assert (Rejected, Effect.MAYBE) == (type(answer), answer.effect)
    assert ["new"] == bench.truth()[record_id]["tags"]


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("put_tags", ["replace", "merge"])
async def test_undocumented_habits_do_not_matter(open_bench, status, put_tags):
    """Gone is gone under either status, and tags are right whether a PUT replaces or merges."""
    bench = await open_bench("gohighlevel", missing_status=status, put_tags=put_tags, blank_fields="null")
    record_id = bench.create_as_user(email="a@b.co", tags=["a", "b"])
    change = Update(ref=bench.ref(record_id), changes={"firstName": "A", "tags": ["b", "c"]}, before={"tags": ["a", "b"]})
    (answer,) = await bench.connector.update([change])
    bench.delete_as_user(record_id)

    assert ["b", "c"] == bench.neutral(answer.fields)["tags"]
    assert None is await bench.connector.get(bench.ref(record_id))


async def test_a_bad_request_is_not_taken_for_absence(open_bench):
    """Only a 400 that says so means the contact is gone."""
    bench = await open_bench("gohighlevel")
    record_id = bench.create_as_user(email="a@b.co")
    bench.vendor.faults.add("get-contact", "error_before", status=400)
    with pytest.raises(Rejected):
        await bench.connector.get(bench.ref(record_id))


async def test_a_field_defined_after_discovery_is_discovered(open_bench):
    """A contact that holds it shows it under its key."""
    bench = await open_bench("gohighlevel")
    await bench.connector.discover(bench.collection)
    connector = bench.connector
    connector._location._custom["contact"] = (CustomFields(), float("-inf"))
    record_id = bench.create_as_user(email="a@b.co", plan="gold")
    record = await connector.get(bench.ref(record_id))

    assert "gold" == record.fields["custom.plan"]


async def test_a_create_may_carry_what_an_update_may_not(open_bench):
    """`companyName` and `gender` are the create's alone, and no read shows a gender."""
    bench = await open_bench("gohighlevel")
    answer = await bench.connector.create(
        bench.collection, {"email": "a@b.co", "companyName": "Acme", "gender": "x", "phone": None}
    )

    assert isinstance(answer, Created)
    assert "Acme" == answer.record.fields["companyName"]
    assert "gender" not in answer.record.fields


KEY, OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32), ed25519.Ed25519PrivateKey.from_private_bytes(b"o" * 32)
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def pem(key) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def receive(body, headers, *, now=NOW, **settings):
    made = GoHighLevelSettings(
        location_id="L1", token="t", webhook_keys=(pem(KEY),), legacy_webhook_keys=(pem(RSA_KEY),), **settings
    )
    return Webhooks(SYSTEM, made).receive(headers, body, now, CUSTOM)


def event(**changes) -> bytes:
    told = {
        "type": "ContactUpdate",
        "locationId": "L1",
        "id": "c1",
        "webhookId": "w1",
        "timestamp": payload.iso(NOW),
        "email": "a@b.c",
    }
    return orjson.dumps({name: value for name, value in {**told, **changes}.items() if value is not None})


def signed(body, key=KEY) -> dict[str, str]:
    return {"x-ghl-signature": b64encode(key.sign(body)).decode()}


def signed_of_old(body) -> dict[str, str]:
    return {"x-wh-signature": b64encode(RSA_KEY.sign(body, PKCS1v15(), SHA256())).decode()}


def test_a_key_being_replaced_is_accepted_beside_its_successor():
    """Two keys are valid at once, any other is not."""
    body = event()
    made = GoHighLevelSettings(location_id="L1", token="t", webhook_keys=(pem(OTHER), pem(KEY)))
    stranger = ed25519.Ed25519PrivateKey.generate()
    hooks = Webhooks(SYSTEM, made)

    assert (
        1
        == len(hooks.receive(signed(body, KEY), body, NOW, CUSTOM))
        == len(hooks.receive(signed(body, OTHER), body, NOW, CUSTOM))
    )
    assert WebhookRefused.FORGED is hooks.receive(signed(body, stranger), body, NOW, CUSTOM)


def test_the_old_signature_counts_only_where_it_is_asked_for():
    """And never beside a signature of the current kind, which is decisive."""
    body = event()
    old = signed_of_old(body)

    assert WebhookRefused.UNSIGNED is receive(body, old)
    assert 1 == len(receive(body, old, legacy_signature=True))
    assert 1 == len(receive(body, {**old, "x-ghl-signature": "N/A"}, legacy_signature=True))
    assert WebhookRefused.FORGED is receive(body, {**old, **signed(body, OTHER)}, legacy_signature=True)
    assert WebhookRefused.FORGED is receive(body + b" ", old, legacy_signature=True)


@pytest.mark.parametrize(
    ("offset", "expired"),
    [(0, False), (-4 * DAY + MINUTE, False), (-4 * DAY - MINUTE, True), (4 * MINUTE, False), (6 * MINUTE, True)],
)
def test_the_window_is_wide_but_ends(offset, expired):
    """A retry may carry its first moment; days later it is a replay."""
    body = event(timestamp=payload.iso(NOW + offset))

    assert expired is (receive(body, signed(body)) is WebhookRefused.EXPIRED)


@pytest.mark.parametrize(
    "changes", [{"locationId": "L2"}, {"locationId": None}, {"locationId": "L2", "type": "OpportunityCreate"}, {"locationId": None, "type": 7}]
)
def test_what_is_not_ours_is_refused(changes):
    """Another location's record, or nobody's: it makes no event, and is told apart from what proves nothing."""
    body = event(**changes)

    assert WebhookRefused.ELSEWHERE is receive(body, signed(body))
    assert WebhookRefused.FORGED is receive(body, signed(body, OTHER))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b"\xff",
        b"[" * 40 + b"]" * 40,
        orjson.dumps({"a": [0] * 3_000}),
        event(id="../x"),
        event(id=None),
        event(id=7),
    ],
)
def test_a_signed_muddle_is_malformed(body):
    """Never an exception."""
    assert WebhookRefused.MALFORMED is receive(body, signed(body))


@pytest.mark.parametrize("header", ["é", "====", "A", "\x00", "Ä" * 88, "A" * 88, "A" * 100_000])
def test_a_signature_of_any_characters_is_refused_not_failed(header):
    """What a stranger sends cannot make an error."""
    assert WebhookRefused.FORGED is receive(event(), {"x-ghl-signature": header})


def test_an_event_carries_its_fields_and_its_key():
    """Only what the payload shows, custom fields by key; without an id the body itself is the key."""
    body = event(customFields=[{"id": "f1", "value": "Gold"}], tags=[], type="ContactDelete")
    (told,) = receive(body, signed(body))
    nameless = event(webhookId=None)
    (first,), (second,) = receive(nameless, signed(nameless)), receive(nameless, signed(nameless))

    assert (REF, Change.DELETED, "w1", NOW) == (told.ref, told.change, told.dedupe_key, told.occurred_at)
    assert {"email": "a@b.c", "tags": None, "custom.plan": "Gold"} == {
        name: value for name, value in told.fields.items() if value or name == "tags"
    }
    assert first.dedupe_key == second.dedupe_key
    assert 64 == len(first.dedupe_key)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_keys": ("nonsense",)},
        {"webhook_keys": (pem(RSA_KEY),)},
        {"location_id": "a/b"},
        {"base_url": "http://example.com"},
        {"tokn": "x"},
    ],
)
def test_a_section_that_cannot_work_is_refused(changes):
    """At check time, not in the night."""
    with pytest.raises(ValidationError):
        GoHighLevelSettings(**{"location_id": "L1", "token": "t", **changes})


def test_the_published_keys_are_keys():
    """The defaults load, and the token does not show."""
    made = GoHighLevelSettings(location_id="L1", token="pit-of-secrets")

    assert "pit-of-secrets" not in repr(made)
    assert WebhookRefused.FORGED is Webhooks(SYSTEM, made).receive(signed(event()), event(), NOW, CUSTOM)
