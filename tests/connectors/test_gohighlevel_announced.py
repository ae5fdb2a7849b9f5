"""Every webhook that GoHighLevel documents, from what brings it about in an emulated location to the listener: signed, taken in, and told apart.

Where the vendor's list of webhooks is at hand (`SYNCD_GHL_WEBHOOKS` names the file, else it is looked for in a `facts` folder beside this
checkout), the packaged table and what the payloads show are held against it.
The rule that keeps it true: each event is sent over HTTP by the emulator, and goes on over HTTP as it came to the real listener.
It must not know: how the emulator decides what to fire.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from syncd.connectors.base import Change, Stray
from syncd.connectors.gohighlevel.events import EVENTS
from syncd.sandbox import GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.store import arrivals
from syncd.store.arrivals import Hearing
from tests.flow.doors import GHL, door

ROOT = Path(__file__).resolve().parent.parent.parent
LINE = {"name": "Work", "currency": "USD", "amount": 50, "qty": 3}
START = "2026-03-02T09:00:00+00:00"
# GHL: known from users or from the envelope, and in no document of an event.
ENVELOPE = {"type", "timestamp", "webhookId", "locationId"}
# A text is announced without its own id, a task without its contact: they are put aside.
UNPLACED = {"InboundMessage", "OutboundMessage", "TaskCreate"}


@dataclass
class Delivered:
    """One delivery as it came, and the listener's answer."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def told(self) -> dict[str, Any]:
        return orjson.loads(self.body)


@dataclass
class Street:
    """The emulated location, a caller of its API, the daemon's door, and all that went in by it."""

    vendor: Any
    door: Any
    session: ClientSession
    delivered: list[Delivered] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.vendor.token}", "Version": "2021-07-28"}
        url = self.vendor.base_url + path
        async with self.session.request(method, url, json=body, params=query, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def pass_on(self, request: web.Request) -> web.Response:
        """What the vendor sends goes on as it is."""
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name in ("Content-Type", "X-GHL-Signature")}
        status = await self.door.post("/hooks/ghl", headers, body)
        self.delivered.append(Delivered({name.lower(): value for name, value in headers.items()}, body, status))
        return web.Response(status=status)

    def a_life(self, collection: str, fields: Any, *changes: Any, is_deleted: bool = True) -> None:
        """A person makes a record, changes it, and deletes it."""
        made = self.vendor.create_record_as_user(collection, fields)
        for each in changes:
            self.vendor.edit_record_as_user(collection, made["id"], each)
        if is_deleted:
            self.vendor.delete_record_as_user(collection, made["id"])


@asynccontextmanager
async def opened_street(tmp_path):
    options = SandboxOptions(ghl=GoHighLevelOptions(index_lag_s=0.0), quotas=False)
    async with Sandbox(options) as sandbox:
        told = sandbox.ghl.describe()
        settings = {"location_id": told["location_id"], "webhook_keys": (told["webhook_public_key_pem"],)}
        async with door(tmp_path, {GHL: settings}) as here:
            street = Street(sandbox.ghl, here, here.session)
            app = web.Application()
            app.router.add_post("/", street.pass_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                sandbox.ghl.webhooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
                yield street
            finally:
                await runner.cleanup()


async def everything_happens(street: Street) -> None:
    """All that the vendor announces: by people, by a program, and by the vendor itself."""
    vendor = street.vendor
    here = vendor.options.location_id
    ada = vendor.create_as_user({"email": "ada@example.com", "phone": "+12025550123", "firstName": "Ada"})["id"]
    for change in ({"firstName": "Adele"}, {"dnd": True}, {"tags": ["vip"]}):
        vendor.edit_as_user(ada, change)
    deal = {"contactId": ada, "name": "Deal", "status": "open", "monetaryValue": 1, "pipelineStageId": "s1"}
    street.a_life("opportunities", deal, {"status": "won"}, {"monetaryValue": 2}, {"assignedTo": "u1"}, {"pipelineStageId": "s2"})
    street.a_life("tasks", {"contactId": ada, "title": "Call", "body": "x", "completed": False}, {"completed": True})
    street.a_life("notes", {"contactId": ada, "body": "Nice"}, {"body": "Nicer"})
    street.a_life("appointments", {"contactId": ada, "title": "Visit", "startTime": START}, {"title": "Meeting"})
    bill = {"altId": here, "altType": "location", "status": "draft", "contactDetails": {"id": ada}}
    street.a_life("invoices", bill, {"title": "x"}, {"status": "sent"}, {"status": "partially_paid"}, {"status": "paid"}, {"status": "void"})
    street.a_life("users", {"firstName": "Bo", "locations": [here]})
    pair = {"key": "owner", "firstObjectKey": "custom_objects.pet", "secondObjectKey": "contact"}
    street.a_life("associations", pair, {"firstObjectLabel": "Pet"})
    street.a_life("relations", {"firstRecordId": "pet1", "secondRecordId": ada})
    await talk(street, ada)
    await trade(street, ada)
    vendor.delete_as_user(ada)
    await vendor.webhooks.flush()


async def talk(street: Street, contact: str) -> None:
    """Messages in and out, by the vendor's mail and by a provider of the location's own."""
    said = {"contactId": contact, "message": "Hello"}
    sent = await street.call("POST", "/conversations/messages", {**said, "type": "SMS"})
    await street.call("POST", "/conversations/messages", {**said, "type": "SMS", "conversationProviderId": "p1"})
    await street.call("POST", "/conversations/messages", {"contactId": contact, "type": "Email", "html": "Hi", "subject": "Hello"})
    mail = {"contactId": contact, "type": "Email", "html": "Hi", "conversationProviderId": "p1"}
    await street.call("POST", "/conversations/messages", mail)
    came = {"conversationId": sent["conversationId"], "conversationProviderId": "p1", "contactId": contact, "type": "SMS", "message": "Hi"}
    await street.call("POST", "/conversations/messages/inbound", came)


async def trade(street: Street, contact: str) -> None:
    """Apps, campaigns, locations, objects, and what is sold."""
    vendor = street.vendor
    here = vendor.options.location_id
    app = {"appId": "app1", "companyId": "agency", "planId": "small", "userId": "u1"}
    street.a_life("apps", app, {"planId": "big"})
    (campaign, *_) = vendor.records.rows("campaigns")
    await street.call("POST", f"/contacts/{contact}/campaigns/{campaign['id']}")
    (enrolled,) = vendor.records.rows("campaigns_contacts")
    vendor.edit_record_as_user("campaigns_contacts", enrolled["id"], {"status": "replied", "replied": "true"})
    vendor.edit_record_as_user("locations", here, {"name": "Renamed"})
    vendor.delete_record_as_user("locations", here)
    vendor.create_record_as_user("locations", {"id": here, "name": "Made anew", "companyId": "agency"})
    street.a_life("object_schemas", {"key": "custom_objects.pet", "labels": {"singular": "Pet"}}, {"description": "x"})
    street.a_life("records", {"properties": [{"key": "name", "valueString": "Rex"}]}, {"owners": ["u1"]})
    street.a_life("products", {"name": "Print", "productType": "PHYSICAL"}, {"name": "Big print"})
    street.a_life("prices", {"name": "Usual", "priceType": "one_time", "amount": 5, "currency": "USD"}, {"amount": 6})
    order = {"altId": here, "altType": "location", "contactId": contact, "status": "pending", "amount": 5, "items": [LINE]}
    street.a_life("orders", order, {"status": "completed"})


def at(told: Any, place: str) -> Any:
    for name in place.split("."):
        told = told.get(name) if isinstance(told, dict) else None
    return told


async def test_every_documented_webhook_arrives_and_none_besides(tmp_path):
    """58 documents, 59 words; each is proved by its signature and taken in, as what it is, about the record that it is about."""
    async with opened_street(tmp_path) as street:
        await everything_happens(street)
        connector = street.door.world.engine.connectors[GHL]
        words = {each.told["type"] for each in street.delivered}

        assert words == set(EVENTS)
        assert len({EVENTS[word].document for word in words}) == 58
        assert {each.status for each in street.delivered} == {200}
        for each in street.delivered:
            told, kind = each.told, EVENTS[each.told["type"]]
            events = connector.receive(each.headers, each.body, street.door.world.clock.now())
            (own,) = [event for event in events if event.word]
            if own.stray is Stray.UNPLACED:
                assert kind.word in UNPLACED
                assert at(told, kind.parent or kind.id) is None
                continue
            assert own.stray is None
            assert (own.ref.collection, own.change) == (kind.collection, Change.DELETED if kind.document.endswith("Delete") else Change.CHANGED)
            assert own.ref.id == (f"{told[kind.parent]}:{told['id']}" if kind.parent else at(told, kind.id))
            assert len(own.ref.id) > 0


async def test_each_is_counted_where_it_belongs(tmp_path):
    """What a sync reads is accepted; what none reads, and what says of no record, is counted under its name; nothing is refused."""
    async with opened_street(tmp_path) as street:
        await everything_happens(street)
        await street.door.world.engine.tally.keep(street.door.world.engine.database)
        heard = await street.door.world.read(lambda tx: arrivals.heard_from(tx, GHL))

    unwanted = {str(kind.collection) for kind in EVENTS.values()} - {"contacts"}
    assert unwanted == heard.by_word(Hearing.UNWANTED).keys()
    assert heard.by_word(Hearing.ACCEPTED).keys() == {"contacts"}
    assert heard.by_word(Hearing.UNPLACED).keys() == UNPLACED
    assert (heard.count(Hearing.REFUSED), heard.count(Hearing.UNKNOWN)) == (0, 0)


async def test_a_location_that_an_agency_makes_is_another_and_refused(tmp_path):
    """Its event is signed all the same, and leads nowhere here."""
    async with opened_street(tmp_path) as street:
        await street.call("POST", "/locations/", {"name": "Second", "companyId": "SandboxCompany000001"})
        await street.vendor.webhooks.flush()
        (made,) = street.delivered

    assert (made.told["type"], made.status) == ("LocationCreate", 403)
    assert made.told["id"] != street.vendor.options.location_id
    assert "locationId" not in made.told


async def test_consent_installs_the_app_once_and_its_removal_is_told(tmp_path):
    """By what OAuth does of itself: the second consent installs nothing anew."""
    async with opened_street(tmp_path) as street:
        oauth = street.vendor.oauth
        for _ in range(2):
            asked = {"client_id": oauth.client_id, "redirect_uri": oauth.redirect_uri, "scope": "contacts.readonly"}
            async with street.session.get(
                street.vendor.base_url + "/v2/oauth/chooselocation", params=asked, allow_redirects=False
            ) as answer:
                code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
            form = {
                "client_id": oauth.client_id, "client_secret": oauth.client_secret, "grant_type": "authorization_code",
                "code": code, "redirect_uri": oauth.redirect_uri,
            }  # fmt: skip
            async with street.session.post(street.vendor.base_url + "/oauth/token", data=form) as answer:
                assert answer.status == 200
        oauth.revoke()
        await street.vendor.webhooks.flush()

    assert [each.told["type"] for each in street.delivered] == ["INSTALL", "UNINSTALL"]
    assert {each.told["appId"] for each in street.delivered} == {oauth.client_id}


def vendors_list() -> Path | None:
    """The vendor's list of its webhooks, if it is here."""
    if named := os.environ.get("SYNCD_GHL_WEBHOOKS"):
        return Path(named)
    return next(iter(sorted(ROOT.parent.glob("*/facts/gohighlevel-webhooks.json"))), None)


@pytest.mark.skipif(vendors_list() is None, reason="the vendor's list of webhooks is not here: set SYNCD_GHL_WEBHOOKS to the file")
async def test_the_table_and_the_payloads_are_the_vendors(tmp_path):
    """The same documents, words, ids and locations; and a payload shows nothing that its document does not name."""
    found = vendors_list()
    assert found is not None
    rows = json.loads(found.read_text("utf-8"))["events"]
    by_word = {word: each for each in rows for word in (each["type"] if isinstance(each["type"], list) else [each["type"]])}
    async with opened_street(tmp_path) as street:
        await everything_happens(street)

    assert by_word.keys() == EVENTS.keys()
    for word, each in by_word.items():
        kind = EVENTS[word]
        assert (each["doc"], True) == (kind.document, each["id_field"].startswith(kind.id))
        assert each["location_field"].startswith(kind.location)
    for each in street.delivered:
        named = {path.replace("[]", "") for path in by_word[each.told["type"]]["payload_fields"]}
        assert set(shown(each.told, named)) <= named | ENVELOPE, each.told["type"]


def shown(value: Any, named: set[str], above: str = "") -> Iterator[str]:
    """Every dotted name of a payload, as deep as its document goes."""
    for name, inside in value.items():
        path = f"{above}{name}"
        yield path
        if isinstance(inside, dict) and any(each.startswith(f"{path}.") for each in named):
            yield from shown(inside, named, f"{path}.")
