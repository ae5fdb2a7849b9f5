"""GoHighLevel's webhook events: every documented one leads to its record, and what is of no known kind is no error."""

from __future__ import annotations

from base64 import b64encode

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.connectors import payload
from syncd.connectors.base import Change, DeletesVisible, News, Stray, WebhookRefused
from syncd.connectors.gohighlevel import KIND
from syncd.connectors.gohighlevel.events import EVENTS, UNPLACED
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.connectors.gohighlevel.webhooks import Webhooks
from syncd.core.record import SystemName

NOW = 1_700_000_000_000_000
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
HOOKS = Webhooks(SystemName("ghl"), GoHighLevelSettings(location_id="L1", token="t", webhook_keys=(PEM,)))
IDS = {"id": "r1", "_id": "r1", "messageId": "r1", "appId": "r1", "appointment.id": "r1", "webhookPayload.id": "r1"}


def receive(told):
    body = orjson.dumps({"webhookId": "w1", "timestamp": payload.iso(NOW), **told})
    return HOOKS.receive({"x-ghl-signature": b64encode(KEY.sign(body)).decode()}, body, NOW, CustomFields())


def example(kind, **changes):
    """The least that an event of this kind shows: what it is about, and where."""
    told = {"type": kind.word}
    own = "L1" if kind.location == kind.id else IDS[kind.id]
    for place, value in [(kind.id, own), (kind.location, "L1"), (kind.parent, "c1"), *[(place, "v1") for place in kind.also.values()]]:
        *above, name = place.split(".")
        inside = told
        for each in above:
            inside = inside.setdefault(each, {})
        if name:
            inside[name] = value
    return {**told, **changes}


def test_every_document_has_its_kind():
    """58 documents; one tells of two channels, under a word each."""
    assert 58 == len({kind.document for kind in EVENTS.values()})
    assert 59 == len(EVENTS)
    assert {"SMS", "Email"} == {word for word, kind in EVENTS.items() if kind.document == "ProviderOutboundMessage"}


@pytest.mark.parametrize("word", sorted(EVENTS))
def test_each_event_leads_to_its_record(word):
    """To the one it is about, by an address that can be read, as a change or a deletion; never as the record itself."""
    kind = EVENTS[word]
    event, *others = receive(example(kind))
    own = "L1" if kind.location == kind.id else "r1"

    assert (kind.collection, f"c1:{own}" if kind.parent else own) == (event.ref.collection, event.ref.id)
    assert (Change.DELETED if kind.document.endswith("Delete") else Change.CHANGED) is event.change
    assert ("w1", NOW, False) == (event.dedupe_key, event.occurred_at, event.full)
    assert [(name, "v1") for name in kind.also] == [(each.ref.collection, each.ref.id) for each in others]
    assert len(others) + 1 == len({each.dedupe_key for each in (event, *others)})


@pytest.mark.parametrize("word", sorted(EVENTS))
def test_another_locations_event_is_refused(word):
    """Of whatever kind: the account of a stranger is not looked at."""
    kind = EVENTS[word]
    there = {"id": "L2"} if kind.location == "id" else {kind.location: "L2"}

    assert WebhookRefused.ELSEWHERE is receive(example(kind, **there))
    assert WebhookRefused.ELSEWHERE is receive({name: value for name, value in example(kind).items() if name != kind.location})


@pytest.mark.parametrize("word", sorted(EVENTS))
def test_an_id_that_is_none_is_malformed(word):
    """What could not stand in an address leads to no record, whatever was signed."""
    kind = EVENTS[word]
    if kind.location == kind.id:
        return
    *above, name = kind.id.split(".")
    told = example(kind)
    inside = told
    for each in above:
        inside = inside[each]
    inside[name] = "../contacts"

    assert WebhookRefused.MALFORMED is receive(told)


@pytest.mark.parametrize("word", ["ContactSneezed", "SURVEY", None, 7, "x" * 80, "../x"])
def test_an_event_of_no_known_kind_is_passed_on_as_it_was_seen(word):
    """It is put where such events are counted, under its word, and is no error."""
    (event,) = receive({"type": word, "locationId": "L1", "id": "r1", "colour": "red"})

    assert (UNPLACED, Change.CHANGED, "w1", Stray.UNKNOWN) == (event.ref.collection, event.change, event.dedupe_key, event.stray)
    assert (word if word in ("ContactSneezed", "SURVEY") else "unnamed") == event.ref.id
    assert {"locationId": "L1", "id": "r1", "colour": "red"} == event.fields


def test_an_invoice_event_without_a_word_is_at_least_seen():
    """No document shows how invoices' events are called; one without a word is ours by its `altId`."""
    (event,) = receive({"_id": "r1", "altId": "L1", "altType": "location", "status": "paid"})

    assert (UNPLACED, "unnamed") == (event.ref.collection, event.ref.id)


def test_a_task_without_its_contact_is_seen_and_left_to_the_next_poll():
    """Users report it of new tasks: nothing can be read without the contact's id."""
    (event,) = receive({"type": "TaskCreate", "locationId": "L1", "id": "r1", "title": "Call"})

    assert (UNPLACED, "TaskCreate", Stray.UNPLACED) == (event.ref.collection, event.ref.id, event.stray)


def test_a_message_without_its_id_still_moves_its_conversation():
    """The documents' examples of texts and e-mails lack it."""
    conversation, message = receive({"type": "InboundMessage", "locationId": "L1", "conversationId": "v1", "body": "Hi"})

    assert ("conversations", "v1") == (conversation.ref.collection, conversation.ref.id)
    assert (UNPLACED, "InboundMessage", Stray.UNPLACED) == (message.ref.collection, message.ref.id, message.stray)
    assert conversation.stray is None


def test_an_agencys_user_is_ours_where_our_location_is_among_theirs():
    """Such an event has a list of locations instead of one."""
    told = {"type": "UserCreate", "id": "r1", "companyId": "k1"}

    assert [("users", "r1")] == [(each.ref.collection, each.ref.id) for each in receive({**told, "locations": ["L9", "L1"]})]
    assert WebhookRefused.ELSEWHERE is receive({**told, "locations": ["L9"]})
    assert WebhookRefused.ELSEWHERE is receive({**told, "locationId": "L9", "locations": ["L1"]})


def test_an_event_tells_what_it_shows_and_nothing_else():
    """Fields by their paths, those in a nest too; the word of the event is no field, and what is missing is not blank."""
    (deal,) = receive({"type": "OpportunityUpdate", "locationId": "L1", "id": "r1", "name": "Deal", "monetaryValue": 5, "dateAdded": "x"})
    (visit,) = receive({"type": "AppointmentUpdate", "locationId": "L1", "appointment": {"id": "r1", "title": "Cut", "address": ""}})
    (talk,) = receive({"type": "ConversationUnreadUpdate", "locationId": "L1", "id": "r1", "unreadCount": 0})
    (bill,) = receive({"type": "InvoicePaid", "altId": "L1", "_id": "r1", "contactDetails": {"id": "c1"}, "total": 3})

    assert {"name": "Deal", "monetaryValue": 5} == deal.fields
    assert {"title": "Cut", "address": None} == visit.fields
    assert {"unreadCount": 0} == talk.fields
    assert {"contactId": "c1", "contactDetails": {"id": "c1"}, "total": 3} == bill.fields


def test_a_collection_claims_webhooks_where_it_has_events():
    """And deletions by webhook only where there is an event for them."""
    hinted = {kind.collection for kind in EVENTS.values()}
    deleted = {kind.collection for kind in EVENTS.values() if kind.change is Change.DELETED}
    for name in COLLECTIONS:
        facts = KIND.capabilities(name)

        assert (News.HINT if name in hinted else News.NONE) is facts.webhooks
        assert (facts.deletes_visible is DeletesVisible.WEBHOOK) is (name in deleted)
        assert 429 == facts.webhook_retry_status
