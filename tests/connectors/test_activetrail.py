"""What is ActiveTrail's own in writing: forms, consent, groups and lists, marks, contacts that come back, deletion, webhooks."""

from __future__ import annotations

import anyio
import pytest

from syncd.connectors.activetrail.contacts import Wanted, shown
from syncd.connectors.activetrail.fields import Slots, UnwritableError
from syncd.connectors.activetrail.settings import ActiveTrailSettings, NoOptions, quota_key
from syncd.connectors.activetrail.settings import _message as message
from syncd.connectors.activetrail.webhooks import Webhooks
from syncd.connectors.base import Change, Created, Exists, Update, WebhookRefused
from syncd.connectors.registry import KINDS
from syncd.core.errors import Effect, Rejected, Stale, Unavailable, UserError
from syncd.core.record import CollectionName, Record, RecordId, Ref, SystemName

SYSTEM = SystemName("at")
CONTACTS = CollectionName("contacts")
SLOTS = Slots.read(
    [
        {"field_display_name": "E-mail", "field_source_column": "email"},
        {"field_display_name": "Plan", "field_source_column": "Ext1"},
        {"field_display_name": "Next", "field_source_column": "date5"},
        {"field_display_name": "Tasks", "field_source_column": "num5"},
        {"field_display_name": "", "field_source_column": "ext2"},
        {"field_display_name": "Secret", "field_source_column": "encryptedext1"},
        {"field_display_name": "Beyond", "field_source_column": "ext26"},
    ]
)


async def changed(bench, record_id, changes, **before):
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes=changes, before=before)])
    return answer


async def test_slots_are_the_labelled_ones(open_bench):
    """Texts, dates and numbers, by the label the account gave them; what has no label is nobody's."""
    bench = await open_bench("activetrail")
    schema = await bench.connector.discover(CONTACTS)

    assert {"custom.ext1", "custom.date5", "custom.num5"} == set(SLOTS.by_path)
    assert "custom.num1" == KINDS["activetrail"].resolve(schema, "custom.open tasks")
    assert None is KINDS["activetrail"].resolve(schema, "custom.nothing")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"first_name": "A", "custom.ext1": "Gold"}, {"first_name": "A", "ext1": "Gold"}),
        ({"first_name": None, "custom.ext1": None}, {"first_name": "", "ext1": ""}),
        ({"custom.date5": "2025-01-02", "birthday": None}, {"date5": "2025-01-02", "birthday": None}),
        ({"custom.num5": 2.5}, {"num5": 2.5}),
        ({"custom.num5": None}, {"num5": None}),
        ({"is_do_not_mail": True}, {"is_do_not_mail": True}),
        ({"status": "unsubscribed"}, {"status": 2}),
        ({"status": "bounced"}, {}),
    ],
)
def test_an_update_is_written_in_the_vendors_form(changes, expected):
    """A text is blanked by an empty one, for a null may mean "as it is"; a status that is there already is not said."""
    assert expected == Wanted.read(changes, SLOTS, creating=False, held={"status": "bounced"}).body


@pytest.mark.parametrize(
    "changes",
    [
        {"custom.num5": "3"},
        {"custom.num5": True},
        {"custom.date5": "01/02/2025"},
        {"custom.ext2": "x"},
        {"custom.ext1": ["a"]},
        {"is_do_not_mail": None},
        {"is_do_not_mail": "no"},
        {"status": "subscribed"},
        {"status": "pending"},
        {"status": None},
        {"groups": "vip"},
        {"groups": [" "]},
        {"external_id": ["x"]},
        {"is_deleted": True},
        {"state": "x"},
    ],
)
def test_what_the_vendor_does_not_take_is_refused_before_it_is_sent(changes):
    """Nobody is subscribed by an update, either."""
    with pytest.raises(UnwritableError):
        Wanted.read(changes, SLOTS, creating=False)


def test_a_create_says_no_blanks_and_needs_somebody():
    """An address or a number; a status at the start may be any that can be written."""
    fields = {"email": "a@b.c", "first_name": None, "status": "subscribed", "groups": ["vip"], "external_id": "x"}
    wanted = Wanted.read(fields, SLOTS, creating=True)

    assert ({"email": "a@b.c", "status": 1}, {"groups": ["vip"]}, "x") == (wanted.body, wanted.belongs, wanted.marker)
    assert {"sms": "050"} == Wanted.read({"sms": "050"}, SLOTS, creating=True).body
    with pytest.raises(UnwritableError):
        Wanted.read({"first_name": "A"}, SLOTS, creating=True)


def test_every_way_of_being_empty_is_blank():
    """A date that was never set may be the first of all days; a slot without a label and a field that is missing are not shown."""
    row = {"id": 1, "first_name": "", "date5": "0001-01-01T00:00:00", "birthday": "2001-02-03T00:00:00", "ext1": None, "ext2": "x", "num5": 0}

    assert {
        "first_name": None,
        "birthday": "2001-02-03",
        "custom.ext1": None,
        "custom.date5": None,
        "custom.num5": 0,
    } == shown(row, SLOTS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [("plain", "plain"), ({"Message": "m"}, "m"), ({"error": "e"}, "e"), ({"message": ""}, ""), (None, ""), ([], "")],
)
def test_an_error_says_why_in_any_of_its_shapes(body, expected):
    """A text, an object, or nothing."""
    assert expected == message(body)


@pytest.mark.parametrize("reply", ["empty", "contact"])
async def test_every_type_of_field_goes_there_and_back(open_bench, reply):
    """What is written in a type's form is read in it, and None unsets it, whatever an update is answered with."""
    bench = await open_bench("activetrail", put_reply=reply)
    values = {
        "sms": "+972501234567",
        "custom.ext2": "web",
        "custom.num1": 2,
        "custom.date1": "2025-12-01",
        "birthday": "2001-02-03",
        "is_do_not_mail": True,
        "status": "unsubscribed",
    }
    blank = {path: None for path in values if path not in ("is_do_not_mail", "status")}
    answer = await bench.connector.create(CONTACTS, {"email": "A@b.co", **values})
    cleared = await changed(bench, answer.record.ref.id, blank)

    assert isinstance(answer, Created)
    assert values == {path: answer.record.fields[path] for path in values}
    assert blank == {path: cleared.fields[path] for path in blank}


@pytest.mark.parametrize("state", [2, 3])
async def test_nobody_is_subscribed_by_an_update(open_bench, state):
    """Whoever left or has not confirmed comes back by its own hand."""
    bench = await open_bench("activetrail")
    record_id = bench.vendor.create_as_user({"email": "a@b.co", "status": state})["id"]
    before = bench.vendor.contacts()
    answer = await changed(bench, record_id, {"status": "subscribed", "first_name": "A"})

    assert isinstance(answer, Rejected)
    assert before == bench.vendor.contacts()


async def test_only_what_differs_is_joined_and_left(open_bench):
    """In the spelling the account has; a group that is missing is made once."""
    bench = await open_bench("activetrail")
    ids = [bench.create_as_user(email=f"p{number}@b.co", tags=["customer", "vip"]) for number in range(2)]
    answers = [await changed(bench, each, {"groups": ["VIP", "Fresh"]}, groups=["customer", "vip"]) for each in ids]

    assert [["vip", "Fresh"]] * 2 == [answer.fields["groups"] for answer in answers]
    assert {"add-group-member": 2, "remove-group-member": 2, "create-group": 1} == {
        name: count for name, count in bench.vendor.stats.requests.items() if name.endswith(("group-member", "create-group"))
    }


async def test_a_name_for_two_groups_is_refused(open_bench):
    """Which of them is meant cannot be known."""
    bench = await open_bench("activetrail", groups=("vip", "VIP"))
    record_id = bench.create_as_user(email="a@b.co", name="A")
    before = bench.vendor.contacts()
    answer = await changed(bench, record_id, {"groups": ["vip"], "first_name": "B"}, groups=None)

    assert isinstance(answer, Rejected)
    assert before == bench.vendor.contacts()


async def test_a_join_never_makes_another_contact(open_bench):
    """A contact joins by its address: as it is now, not as it was."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email="old@b.co")
    await bench.connector.get(bench.ref(record_id))
    bench.edit_as_user(record_id, email="new@b.co")
    answer = await changed(bench, record_id, {"groups": ["vip"]}, groups=None)

    assert ("new@b.co", ["vip"]) == (answer.fields["email"], answer.fields["groups"])
    assert 1 == len(bench.vendor.contacts())


async def test_a_join_that_took_another_in_is_told(open_bench):
    """The address moved to somebody else between the look and the call: the plan no longer fits, and something was done."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email="old@b.co")
    bench.edit_as_user(record_id, email="new@b.co")
    bench.create_as_user(email="old@b.co")
    bench.vendor.faults.add("get-contact", "stale_read")
    answer = await changed(bench, record_id, {"groups": ["vip"]}, groups=None)

    assert (Stale, Effect.MAYBE) == (type(answer), answer.effect)


async def test_mailing_lists_are_shown_where_wanted(open_bench):
    """Joined through a group, left, and listed in a whole pass; a list that is not there is not made."""
    bench = await open_bench("activetrail", settings={"show_mailing_lists": True})
    record_id = bench.create_as_user(email="a@b.co", tags=["vip"])
    lonely = bench.create_as_user(email="b@b.co")
    joined = await changed(bench, record_id, {"mailing_lists": ["weekly"]}, mailing_lists=None)
    (page, *_) = [page for page in await bench.pages() if page.records]
    left = await changed(bench, record_id, {"mailing_lists": []}, mailing_lists=["Weekly"])
    refused = [
        await changed(bench, lonely, {"mailing_lists": ["weekly"]}, mailing_lists=None),
        await changed(bench, record_id, {"mailing_lists": ["Monthly"]}, mailing_lists=None),
    ]

    assert (["Weekly"], None) == (joined.fields["mailing_lists"], left.fields["mailing_lists"])
    assert {record_id: ["Weekly"], lonely: None} == {each.ref.id: each.fields["mailing_lists"] for each in page.records}
    assert [Rejected, Rejected] == [type(each) for each in refused]


async def test_what_is_not_shown_is_not_written(open_bench):
    """Nor is it in the schema, so that nobody maps it."""
    bench = await open_bench("activetrail", settings={"show_groups": False})
    record_id = bench.create_as_user(email="a@b.co", tags=["vip"])
    schema = await bench.connector.discover(CONTACTS)
    record = await bench.connector.get(bench.ref(record_id))

    assert not {"groups", "mailing_lists"} & {*schema.fields, *record.fields}
    assert isinstance(await changed(bench, record_id, {"groups": ["customer"]}, groups=None), Rejected)


async def test_a_mark_is_left(open_bench):
    """At a create and at an update; it is said to be there, and never read."""
    bench = await open_bench("activetrail", settings={"external_name": "ghl"})
    made = await bench.connector.create(CONTACTS, {"email": "a@b.co", "external_id": "x1"})
    again = await changed(bench, made.record.ref.id, {"external_id": "x2"})
    read = await bench.connector.get(made.record.ref)

    assert ("x1", "x2") == (made.record.fields["external_id"], again.fields["external_id"])
    assert "external_id" not in read.fields
    assert {("ghl", "x1"), ("ghl", "x2")} == set(bench.vendor.account.marks)


async def test_a_mark_costs_nothing_where_none_is_mapped(open_bench):
    """It is for other programs, and no call shows it: without it nothing is asked of or written to the external ids."""
    bench = await open_bench("activetrail")
    made = await bench.connector.create(CONTACTS, {"email": "a@b.co", "first_name": "A"})
    await changed(bench, made.record.ref.id, {"first_name": "B"})
    await bench.connector.find(CONTACTS, "email", "a@b.co")

    assert {} == bench.vendor.account.marks
    assert [] == [operation for operation, count in bench.vendor.stats.requests.items() if count and operation.startswith("external")]


@pytest.mark.parametrize("updates", [True, False])
@pytest.mark.parametrize("deletes", ["hard", "soft", "hidden"])
async def test_who_was_deleted_can_be_made_again(open_bench, deletes, updates):
    """Anew, or as the contact that was kept, which is then named: somebody is there, once, with what was wanted."""
    bench = await open_bench("activetrail", deletes=deletes, post_updates_existing=updates)
    record_id = bench.create_as_user(email="a@b.co", name="Old")
    bench.delete_as_user(record_id)
    answer = await bench.connector.create(CONTACTS, bench.fields(email="a@b.co", name="New", tags=["vip"]))
    number = answer.record.ref.id if isinstance(answer, Created) else answer.id

    assert (Created if deletes == "hard" else Exists) is type(answer)
    assert {number: {"email": "a@b.co", "name": "New", "tags": ["vip"], "plan": None}} == bench.truth()
    assert (deletes == "hard") is (number != record_id)


@pytest.mark.parametrize("email", ["a+b@b.co", "o'neil@b.co", "a&b@b.co", "a%b@b.co", "josé@b.co"])
async def test_an_address_of_any_characters_is_found(open_bench, email):
    """Those that web servers refuse in a path are searched for."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email=email)
    bench.create_as_user(email="x" + email)
    found = await bench.connector.find(CONTACTS, "email", email.upper())

    assert [record_id] == [record.ref.id for record in found]
    assert Exists(id=RecordId(record_id), key="email") == await bench.connector.create(CONTACTS, {"email": email})


async def test_a_number_that_is_somebodys_is_not_taken_over(open_bench):
    """A create with it would change whom it belongs to; however the number is written."""
    bench = await open_bench("activetrail")
    record_id = bench.vendor.create_as_user({"email": "a@b.co", "sms": "050-123-4567"})["id"]
    before = bench.vendor.contacts()
    found = await bench.connector.find(CONTACTS, "sms", "+972501234567")
    answer = await bench.connector.create(CONTACTS, {"email": "b@b.co", "sms": "+972501234567"})

    assert [record_id] == [record.ref.id for record in found]
    assert Exists(id=RecordId(record_id), key="sms") == answer
    assert before == bench.vendor.contacts()
    assert [] == await bench.connector.find(CONTACTS, "sms", "4567")


async def test_an_address_that_is_anothers_shows_as_not_kept(open_bench):
    """The vendor says yes and queues the pair for a person; the read-back tells the truth."""
    bench = await open_bench("activetrail")
    bench.create_as_user(email="b@b.co")
    record_id = bench.create_as_user(email="a@b.co", name="A")
    answer = await changed(bench, record_id, {"email": "b@b.co", "first_name": "B"})

    assert ("a@b.co", "B") == (answer.fields["email"], answer.fields["first_name"])
    assert 1 == len(bench.vendor.account.merges)


@pytest.mark.parametrize("operation", ["add-group-member", "external-map", "contact-groups"])
async def test_a_create_that_breaks_off_half_way_is_in_doubt(open_bench, operation):
    """The contact is there, so it must be looked for before anything is made again."""
    bench = await open_bench("activetrail")
    await bench.connector.discover(CONTACTS)
    bench.vendor.faults.add(operation, "rate_limited", retry_after_s=0)
    with pytest.raises(Unavailable) as caught:
        await bench.connector.create(CONTACTS, {"email": "a@b.co", "groups": ["vip"], "external_id": "x"})

    assert Effect.MAYBE is caught.value.effect
    assert ["a@b.co"] == [row["email"] for row in bench.vendor.contacts()]


async def test_an_update_that_breaks_off_half_way_is_in_doubt(open_bench):
    """Its fields are there, its group is not."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email="a@b.co")
    bench.vendor.faults.add("add-group-member", "rate_limited", retry_after_s=0)
    with pytest.raises(Unavailable) as caught:
        await changed(bench, record_id, {"first_name": "A", "groups": ["vip"]}, groups=None)

    assert Effect.MAYBE is caught.value.effect
    assert [("A", [])] == [(row["first_name"], row["groups"]) for row in bench.vendor.contacts()]


@pytest.mark.parametrize("deletes", ["hard", "soft", "hidden"])
async def test_who_is_gone_takes_no_update(open_bench, deletes):
    """Even where the vendor takes it without a word; and nobody joins a group."""
    bench = await open_bench("activetrail", deletes=deletes)
    record_id = bench.create_as_user(email="a@b.co")
    bench.delete_as_user(record_id)
    answers = [await changed(bench, record_id, {"first_name": "B"}), await changed(bench, record_id, {"groups": ["vip"]}, groups=None)]

    assert [Stale, Stale] == [type(answer) for answer in answers]
    assert [] == bench.vendor.contacts()


async def test_nobody_is_deleted_unless_it_is_allowed(open_bench):
    """The capability says so, the call is refused, and the way out is named."""
    bench = await open_bench("activetrail", settings={"allow_delete": False})
    record_id = bench.create_as_user(email="a@b.co")
    with pytest.raises(Rejected) as caught:
        await bench.connector.delete(bench.ref(record_id))

    assert not bench.connector.capabilities(CONTACTS).can_delete
    assert "allow_delete" in caught.value.hint
    assert 0 == bench.vendor.stats.requests["delete-contact"]
    assert [record_id] == list(bench.truth())


SECRET = "0123456789abcdef0123456789abcdef"


def hooks(**settings) -> Webhooks:
    return Webhooks(SYSTEM, ActiveTrailSettings(token="t", **{"webhook_secret": SECRET, **settings}), CONTACTS)


def received(body=b"", now=1, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return hooks().receive({"x-syncd-secret": SECRET, **named}, body, now)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x_syncd_contact": "42"}, b""),
        ({"x_syncd_contact": "42"}, b"anything at all"),
        ({}, b'{"contact_id": 42, "email": "liar@example.com", "first_name": "Eve"}'),
        ({}, b'{"contact_id": "42"}'),
    ],
)
def test_a_webhook_is_a_hint_and_nothing_it_says_is_believed(headers, body):
    """But which contact to read."""
    (event,) = received(body, **headers)

    assert (Ref(SYSTEM, CONTACTS, RecordId("42")), Change.CHANGED) == (event.ref, event.change)
    assert (None, False, None) == (event.fields, event.full, event.occurred_at)


def test_every_delivery_is_news():
    """Two changes of one contact may look alike in every byte; neither is passed over."""
    keys = {event.dedupe_key for now in (1, 2) for event in received(x_syncd_contact="42", now=now)}

    assert 2 == len(keys)


@pytest.mark.parametrize("contact", ["", "../1", "1/2", "-1", "4" * 19, "٤٢", "0x1", "1 ", "abc"])
def test_a_contact_that_is_no_number_is_malformed(contact):
    """It would stand in an address."""
    assert WebhookRefused.MALFORMED is received(x_syncd_contact=contact)


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"contact_id": true}', b'{"contact_id": [1]}', b"[" * 5_000, b"\xff", b"{"])
def test_a_body_that_names_nobody_is_malformed(body):
    """Whatever it is instead."""
    assert WebhookRefused.MALFORMED is received(body)


def test_secrets_change_without_a_gap_and_no_secret_accepts_nothing():
    """Both are valid while one replaces the other; an empty one is none."""
    changing, old = hooks(webhook_secret_previous="o" * 32), "o" * 32

    def verdict(receiver, secret):
        return receiver.receive({"x-syncd-secret": secret, "x-syncd-contact": "1"}, b"", 1)

    assert [1, 1] == [len(verdict(changing, secret)) for secret in (SECRET, old)]
    assert WebhookRefused.FORGED is verdict(changing, "x" * 32)
    assert WebhookRefused.FORGED is verdict(changing, "é" * 32)
    for none in (None, ""):
        assert WebhookRefused.UNSIGNED is verdict(hooks(webhook_secret=none), none or SECRET)


def test_a_secret_that_could_be_guessed_is_refused():
    """It is all that tells the vendor from a stranger, so it is refused at the start, and not told."""
    with pytest.raises(UserError) as caught:
        hooks(webhook_secret="hunter2")

    assert "hunter2" not in str(caught.value)


def test_the_quota_belongs_to_the_token_which_it_does_not_tell():
    """The same for every base address; a member is the whole account."""
    settings = ActiveTrailSettings(token="very-secret")

    assert "very-secret" not in quota_key(settings) + repr(settings)
    assert quota_key(settings) == quota_key(ActiveTrailSettings(token="very-secret", base_url="http://127.0.0.1:1"))
    assert CONTACTS == KINDS["activetrail"].collection_name("contacts", NoOptions())


async def test_campaigns_are_read_and_nothing_else(open_bench):
    """Listed whole, read one by one, and never written."""
    bench = await open_bench("activetrail", campaigns=tuple(f"C{number}" for number in range(150)))
    collection = CollectionName("campaigns")
    schema = await bench.connector.discover(collection)
    page, records = await bench.connector.page(collection), []
    while True:
        records += page.records
        if page.next is None:
            break
        page = await bench.connector.page(collection, token=page.next)
    one = await bench.connector.get(records[120].ref)
    facts = bench.connector.capabilities(collection)

    assert [f"C{number}" for number in range(150)] == [record.fields["name"] for record in records]
    assert records[120] == one
    assert None is await bench.connector.get(Ref(SYSTEM, collection, RecordId("1")))
    assert not any((facts.can_create, facts.can_update, facts.can_delete, *(spec.writable for spec in schema.fields.values())))
    assert isinstance(one, Record)


async def test_a_group_that_several_miss_at_once_is_made_once(open_bench):
    """Updates go side by side with each other and with passes that learn the groups anew: one group, and everybody in it."""
    bench = await open_bench("activetrail")
    await bench.connector.discover(bench.collection)
    ids = [bench.create_as_user(email=f"p{number}@b.co") for number in range(8)]
    bench.vendor.faults.add("list-groups", "slow", seconds=0.2, probability=0.5)
    bench.vendor.faults.add("create-group", "slow", seconds=0.1, probability=1.0)
    answers = []

    async def write(record_id: str) -> None:
        update = Update(ref=bench.ref(record_id), changes={"groups": ["fresh"]}, before={"groups": None})
        answers.extend(await bench.connector.update([update]))

    async with anyio.create_task_group() as tasks:
        for each in ids:
            tasks.start_soon(write, each)
            tasks.start_soon(bench.listed)

    assert {Record} == {type(answer) for answer in answers}
    assert 1 == list(bench.vendor.account.groups.values()).count("fresh")
    assert {"fresh"} == {name for row in bench.truth().values() for name in row["tags"]}
