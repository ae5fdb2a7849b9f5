"""Webhooks: payloads, signatures, events per edit, retries, and deliveries that misbehave.

Rule: signatures are verified here with the published key or secret over the bytes that arrived.

It must not know how the sender keeps its timetable.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from syncd.sandbox import DeliveryMode


async def events_of(vendor, receiver):
    """Deliver everything pending; what arrived since the last look."""
    await vendor.webhooks.flush()
    found = [(headers, body) for (headers, _), body in zip(receiver.got, receiver.bodies, strict=True)]
    receiver.got.clear()
    return found


async def test_gohighlevel_payload_and_signature(world, receiver):
    """One flat event per request, signed over its bytes; no dateUpdated, custom values as {id, value}."""
    ghl = world.sandbox.ghl
    ghl.webhooks.url = receiver.url
    made = await world.ghl_create(firstName="Ada", phone="4155550101", customFields=[{"key": "plan", "field_value": "gold"}])
    await ghl.webhooks.flush()

    headers, raw = receiver.got[0]
    event = receiver.bodies[0]
    key = load_pem_public_key(world.sandbox.describe()["gohighlevel"]["webhook_public_key_pem"].encode())
    key.verify(b64decode(headers["X-GHL-Signature"]), raw)
    with pytest.raises(InvalidSignature):
        key.verify(b64decode(headers["X-GHL-Signature"]), raw + b" ")

    assert (event["type"], event["id"], event["locationId"]) == ("ContactCreate", made["id"], world.location)
    assert event["phone"] == "+14155550101"
    assert event["customFields"][0]["value"] == "gold"
    assert event["timestamp"]
    assert event["webhookId"]
    assert "dateUpdated" not in event


async def test_gohighlevel_events_per_edit(world, receiver):
    """Each edit fires its own events, by a person or by the API alike."""
    ghl = world.sandbox.ghl
    ghl.webhooks.url = receiver.url
    contact_id = ghl.create_as_user({"firstName": "Ada"})["id"]

    async def types():
        return [body["type"] for _, body in await events_of(ghl, receiver)]

    assert await types() == ["ContactCreate"]
    ghl.edit_as_user(contact_id, {"lastName": "Vance"})
    assert await types() == ["ContactUpdate"]
    ghl.edit_as_user(contact_id, {"tags": ["vip"]})
    assert await types() == ["ContactTagUpdate"]
    await world.ghl("POST", f"/contacts/{contact_id}/tags", {"tags": ["new"]})
    assert await types() == ["ContactTagUpdate"]
    await world.ghl("PUT", f"/contacts/{contact_id}", {"lastName": "Holm", "tags": ["x"]})
    assert await types() == ["ContactUpdate", "ContactTagUpdate"]
    ghl.edit_as_user(contact_id, {"dnd": True})
    assert await types() == ["ContactDndUpdate"]
    await world.ghl("PUT", f"/contacts/{contact_id}", {"lastName": "Holm"})
    assert await types() == []
    ghl.delete_as_user(contact_id)
    assert await types() == ["ContactDelete"]


async def test_gohighlevel_retries_only_429(opened, receiver):
    """A 429 is sent again, the same bytes under the same signature; any other failure loses the event."""
    world = await opened(ghl={"webhook_retry_s": 0.05})
    ghl = world.sandbox.ghl
    ghl.webhooks.url = receiver.url
    receiver.statuses = [429, 200, 500]

    ghl.create_as_user({"firstName": "Ada"})
    await arrived(receiver, 2)
    first = list(receiver.got)
    ghl.create_as_user({"firstName": "Bo"})
    await arrived(receiver, 3)
    await asyncio.sleep(0.2)

    assert len(first) == 2
    assert first[0][1] == first[1][1]
    assert first[0][0]["X-GHL-Signature"] == first[1][0]["X-GHL-Signature"]
    assert len(receiver.got) == 3
    assert ghl.stats.webhooks_failed == 2


async def test_octopus_payload_and_signature(world, receiver):
    """An array of events, signed by HMAC; contact values only with created, updated and deleted; status in capitals."""
    octopus = world.sandbox.octopus
    octopus.webhooks.url = receiver.url
    contact_id = octopus.create_as_user({"email_address": "ada@example.com", "FirstName": "Ada", "tags": ["vip"]})["id"]
    octopus.edit_as_user(contact_id, {"FirstName": "Bo"})
    octopus.edit_as_user(contact_id, {"status": "unsubscribed"})
    octopus.delete_as_user(contact_id)
    await octopus.webhooks.flush()

    headers, raw = receiver.got[0]
    digest = hmac.new(octopus.describe()["webhook_secret"].encode(), raw, hashlib.sha256).hexdigest()
    events = receiver.bodies[0]

    assert headers["EmailOctopus-Signature"] == f"sha256={digest}"
    names = ["contact.created", "contact.updated", "contact.unsubscribed", "contact.deleted"]
    assert [event["type"] for event in events] == names
    assert events[0]["contact_fields"] == {"FirstName": "Ada"}
    assert (events[0]["contact_tags"], events[0]["contact_status"]) == (["vip"], "SUBSCRIBED")
    assert "contact_fields" not in events[2]
    assert events[3]["contact_status"] == "UNSUBSCRIBED"
    assert all(event["contact_id"] == contact_id and event["list_id"] == octopus.list_id for event in events)


async def arrived(receiver, count):
    """Waits until so many deliveries have come."""
    async with asyncio.timeout(10):
        while len(receiver.got) < count:
            await asyncio.sleep(0.01)


async def test_octopus_buffers_and_caps(opened, receiver):
    """Events wait for the buffer, then go out in arrays of at most 1,000."""
    world = await opened(octopus={"buffer_s": 2.0})
    octopus = world.sandbox.octopus
    octopus.webhooks.url = receiver.url

    for number in range(1001):
        octopus.create_as_user({"email_address": f"p{number}@example.com"})
    early = len(receiver.got)
    await arrived(receiver, 2)

    assert early == 0
    assert [len(body) for body in receiver.bodies] == [1000, 1]


async def test_octopus_retries_anything_at_growing_intervals(opened, receiver):
    """Any failure is retried, with longer and longer waits, as often as the option says."""
    world = await opened(octopus={"webhook_retry_s": 0.05, "webhook_retries": 2})
    world.sandbox.octopus.webhooks.url = receiver.url
    receiver.statuses = [500, 404, 500, 200]

    world.sandbox.octopus.create_as_user({"email_address": "ada@example.com"})
    await arrived(receiver, 3)

    first, second, third = receiver.times
    assert second - first >= 0.05
    assert third - second >= 0.1
    assert len({raw for _, raw in receiver.got}) == 1


async def test_octopus_can_leave_out_api_events(opened, receiver):
    """With the option, the API's own writes fire nothing while a person's still do."""
    world = await opened(octopus={"exclude_api_events": True})
    world.sandbox.octopus.webhooks.url = receiver.url

    await world.octopus_create("api@example.com")
    world.sandbox.octopus.create_as_user({"email_address": "user@example.com"})
    await world.sandbox.octopus.webhooks.flush()

    assert [event["contact_email_address"] for event in receiver.bodies[0]] == ["user@example.com"]


async def test_misbehaving_deliveries(world, receiver):
    """Deliveries can be lost, doubled, shuffled and late."""
    sender = world.sandbox.ghl.webhooks
    sender.url = receiver.url

    async def after(mode, count):
        sender.mode = mode
        for number in range(count):
            world.sandbox.ghl.create_as_user({"firstName": f"p{number}"})
        return [body["firstName"] for _, body in await events_of(world.sandbox.ghl, receiver)]

    assert await after(DeliveryMode(mute=True), 2) == []
    assert await after(DeliveryMode(copies=2), 1) == ["p0", "p0"]
    shuffled = await after(DeliveryMode(shuffle=True), 12)
    assert shuffled != sorted(shuffled, key=lambda name: int(name[1:]))
    assert len(shuffled) == 12

    sender.mode = DeliveryMode(delay_s=0.2)
    world.sandbox.ghl.create_as_user({"firstName": "late"})
    await asyncio.sleep(0.05)
    assert receiver.got == []
    await asyncio.sleep(0.3)
    assert len(receiver.got) == 1


async def test_unreachable_receiver_is_a_failure(world):
    """A receiver nobody listens at costs an event and breaks nothing."""
    world.sandbox.ghl.webhooks.url = "http://127.0.0.1:9/hook"
    world.sandbox.ghl.create_as_user({"firstName": "Ada"})
    await world.sandbox.ghl.webhooks.flush()

    assert world.sandbox.ghl.stats.webhooks_failed == 1
