"""Webhooks are hints that may come doubled, late, forged or not at all: the end is always the same."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64encode
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from syncd.sandbox import DeliveryMode
from tests.e2e.oracle import from_ghl, from_octopus
from tests.e2e.world import Someone, World

SELDOM = {"poll_min": '"60s"', "poll_max": '"60s"'}


def make_edits(world: World, people: list[Someone]) -> None:
    """A morning's work on both sides: values, tags, an address, a new person each, a burst on one record."""
    first, second, third, fourth = people[:4]
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    ghl.edit_as_user(first.ghl, {"firstName": "Nina", "phone": "+12125550111"})
    octopus.edit_as_user(first.octopus, {"LastName": "Newell"})
    ghl.edit_as_user(second.ghl, {"tags": ["customer", "vip"]})
    octopus.edit_as_user(second.octopus, {"fields": {"Plan": "Free"}})
    ghl.edit_as_user(third.ghl, {"email": "third@example.com"})
    for number in range(6):
        octopus.edit_as_user(fourth.octopus, {"FirstName": f"Try {number}"})
    ghl.create_as_user({"email": "new.here@example.com", "firstName": "New", "lastName": "Here", "tags": ["vip"]})
    octopus.create_as_user({"email_address": "new.there@example.com", "fields": {"FirstName": "New", "LastName": "There"}, "tags": []})


def assert_edits_arrived(world: World, people: list[Someone]) -> None:
    """Everything in `make_edits` is true on both sides, and nothing else."""
    first, second, third, fourth = people[:4]
    ghl = {from_ghl(row).email: from_ghl(row) for row in world.sandbox.ghl.contacts()}
    octopus = {from_octopus(row).email: from_octopus(row) for row in world.sandbox.octopus.contacts()}
    for side in (ghl, octopus):
        assert len(side) == len(people) + 2
        assert (side[first.email].first_name, side[first.email].last_name) == ("Nina", "Newell")
        assert side[first.email].phone == "+12125550111"
        assert (side[second.email].tags, side[second.email].plan) == ({"customer", "vip"}, "free")
        assert side["third@example.com"].first_name == third.person.first_name
        assert side[fourth.email].first_name == "Try 5"
        assert side["new.here@example.com"].last_name == "Here"
        assert side["new.there@example.com"].last_name == "There"
    assert world.octopus(third.octopus)["email_address"] == "third@example.com"


@pytest.mark.parametrize(
    ("mode", "daemon"),
    [
        pytest.param(DeliveryMode(), SELDOM, id="webhooks alone"),
        pytest.param(DeliveryMode(copies=3, shuffle=True, delay_s=0.3), SELDOM, id="tripled and shuffled"),
        pytest.param(DeliveryMode(copies=3, shuffle=True), {}, id="tripled, shuffled and polled"),
        pytest.param(DeliveryMode(delay_s=1.0), {}, id="later than the polls"),
        pytest.param(None, {}, id="polls alone"),
    ],
)
async def test_however_webhooks_come_the_end_is_the_same(tmp_path: Path, mode: DeliveryMode | None, daemon: dict[str, str]) -> None:
    """The same edits lead to the same end, whether webhooks come once, thrice, in any order, late, or never."""
    async with World.open(tmp_path, daemon=daemon, webhooks=mode is not None) as world:
        people = world.settle_many(5)
        async with world.daemon():
            await world.agree()
            await world.until(lambda: world.polls() >= 1, "the first listing")
            for vendor in (world.sandbox.ghl, world.sandbox.octopus):
                vendor.webhooks.mode = mode or DeliveryMode()
            begin = world.mark()
            make_edits(world, people)
            await world.agree()
            await world.until(lambda: not world.webhooks_pending(), "all webhooks are delivered")
            if daemon is not SELDOM:
                await world.rest()
            else:
                await world.quiet_for(1.0)
            creates = [entry for entry in world.writes(begin) if entry.operation == "create"]

    assert_edits_arrived(world, people)
    assert len(creates) == 2


async def test_lost_webhooks_are_made_good_by_polling(tmp_path: Path) -> None:
    """Where half of the webhooks are lost, polling finds what they would have told."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(8)
        async with world.daemon():
            await world.converge()
            for number, each in enumerate(people):
                muted = DeliveryMode(mute=number % 2 == 0)
                world.sandbox.ghl.webhooks.mode = world.sandbox.octopus.webhooks.mode = muted
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": f"Here{number}"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": f"There{number}"})
            lost = world.sandbox.ghl.stats.webhook_events_muted
            await world.converge()

    assert lost == 4
    for number, each in enumerate(people):
        assert world.octopus(each.octopus)["fields"]["FirstName"] == f"Here{number}"
        assert world.ghl(each.ghl)["lastName"] == f"There{number}"


async def test_forged_webhooks_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    """A forged, changed or unsigned delivery is answered 401; nothing of it is stored, read after or written."""
    async with World.open(tmp_path) as world:
        each = world.settle()
        genuine = await _one_genuine_delivery(world, each)
        async with world.daemon() as daemon:
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.stats.reset()
            world.sandbox.octopus.stats.reset()
            statuses = await _send_forgeries(daemon.url, each, genuine)
            await world.cycles(3)
            stored = b"".join(file.read_bytes() for file in world.configuration.state.iterdir() if file.is_file())
            reads = world.sandbox.ghl.stats.requests["get-contact"] + world.sandbox.octopus.stats.requests["get-contact"]
            refused = daemon.said("webhook.refused")

    assert statuses == [401] * len(statuses)
    assert len(refused) == len(statuses)
    assert b"Mallory" not in stored
    assert b"mallory" not in stored
    assert (reads, world.writes(begin)) == (0, [])
    assert world.ghl(each.ghl)["firstName"] == each.person.first_name


async def _one_genuine_delivery(world: World, each: Someone) -> tuple[bytes, str]:
    """A real, signed delivery of GoHighLevel, caught on its way."""
    caught: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def catch(request: web.Request) -> web.Response:
        caught.put_nowait((await request.read(), request.headers["X-GHL-Signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", catch)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    daemon_url, world.sandbox.ghl.webhooks.url = world.sandbox.ghl.webhooks.url, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": each.person.first_name, "companyName": "Harmless"})
    body, signature = await asyncio.wait_for(caught.get(), 5)
    world.sandbox.ghl.webhooks.url = daemon_url
    await runner.cleanup()
    return body, signature


async def _send_forgeries(url: str, each: Someone, genuine: tuple[bytes, str]) -> list[int]:
    body, signature = genuine
    event = {**json.loads(body), "firstName": "Mallory", "webhookId": "mallory-1"}
    changed = json.dumps(event).encode()
    own_key = b64encode(Ed25519PrivateKey.generate().sign(changed)).decode()
    octopus = json.dumps([{
        "id": "mallory-2", "type": "contact.updated", "list_id": "x", "contact_id": each.octopus, "contact_email_address": "mallory@example.com",
        "contact_fields": {"FirstName": "Mallory"}, "contact_tags": [], "contact_status": "SUBSCRIBED", "occurred_at": "2026-01-01T00:00:00+00:00",
    }]).encode()
    wrong_secret = "sha256=" + hmac.digest(b"guessed", octopus, hashlib.sha256).hex()
    forgeries = [
        ("ghl", changed, {"X-GHL-Signature": signature}),
        ("ghl", changed, {"X-GHL-Signature": own_key}),
        ("ghl", changed, {"X-WH-Signature": own_key}),
        ("ghl", changed, {}),
        ("ghl", body + b" ", {"X-GHL-Signature": signature}),
        ("octopus", octopus, {"EmailOctopus-Signature": wrong_secret}),
        ("octopus", octopus, {"EmailOctopus-Signature": "sha256="}),
        ("octopus", octopus, {}),
    ]
    statuses = []
    async with ClientSession() as session:
        for system, data, headers in forgeries:
            typed = {"Content-Type": "application/json", **headers}
            async with session.post(f"{url}/hooks/{system}", data=data, headers=typed) as response:
                statuses.append(response.status)
    return statuses
