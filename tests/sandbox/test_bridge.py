"""The pretend Zapier and 17hats: flows that find and write, acknowledge late, twice or never, and triggers that fire whoever wrote."""

from __future__ import annotations

from base64 import b64encode
from contextlib import asynccontextmanager
from hmac import digest

import orjson
import pytest
from aiohttp import ClientSession

from syncd.sandbox import BridgeOptions, Sandbox, SandboxOptions

NEW = {"first_name": "Ada", "type": "Hot Lead", "email": "ada@b.co"}
FIND = {"email": "ADA@b.co", "phone": None}


class Caller:
    def __init__(self, vendor, session) -> None:
        self.vendor, self.session, self.number = vendor, session, 0

    async def __call__(self, operation, fields, *, record_id=None, find=FIND, altered=b""):
        """Hands one write off, signed; the status."""
        self.number += 1
        name = f"op{self.number}"
        body = orjson.dumps({"op_id": name, "operation": operation, "id": record_id, "find": find, "fields": fields})
        signature = "v1," + b64encode(digest(self.vendor.options.secret.encode(), f"{name}.1.".encode() + body, "sha256")).decode()
        headers = {"webhook-id": name, "webhook-timestamp": "1", "webhook-signature": signature}
        url = f"{self.vendor.base_url}/hooks/catch/contacts/{operation}"
        async with self.session.post(url, data=body + altered, headers=headers) as response:
            await response.read()
            return response.status


@asynccontextmanager
async def called(receiver, **options):
    """The flows, a way to hand writes to them, and what they post."""
    async with Sandbox(SandboxOptions(bridge=BridgeOptions(**options))) as sandbox, ClientSession() as session:
        sandbox.bridge.webhooks.url = receiver.url
        yield sandbox.bridge, Caller(sandbox.bridge, session)


async def test_a_flow_finds_before_it_makes(receiver):
    """Handed the same create twice, it makes one, and says which it found; its own write fires the trigger."""
    async with called(receiver) as (vendor, call):
        assert [200, 200] == [await call("create", NEW), await call("create", NEW)]
        await vendor.webhooks.flush()
        (row,) = vendor.contacts()

    told = [(each.get("op_id"), each.get("result"), each.get("event"), each["id"]) for each in receiver.bodies]
    assert [(None, None, "created", row["id"]), ("op1", "created", None, row["id"]), ("op2", "exists", None, row["id"])] == told
    assert [1, 0] == [vendor.stats.writes_by_api, len([each for each in vendor.truth.since() if each.actor == "user"])]


async def test_everything_is_sent_as_text(receiver):
    """As such programs do: lists joined, nothing as empty text."""
    async with called(receiver) as (vendor, _):
        vendor.create_as_user({**NEW, "tags": ["a", "b"], "is_company": False})
        await vendor.webhooks.flush()

    (told,) = receiver.bodies
    assert ("a, b", "false", "", "Ada") == tuple(told["fields"][name] for name in ("tags", "is_company", "notes", "first_name"))


@pytest.mark.parametrize(("mood", "posts"), [({"acks": 0}, 0), ({"acks": 1}, 1), ({"acks": 2}, 2)])
async def test_acknowledgements_come_as_often_as_ordered(receiver, mood, posts):
    """Never, once or twice; each a post of its own."""
    async with called(receiver, triggers=()) as (vendor, call):
        for name, value in mood.items():
            setattr(vendor.mood, name, value)
        await call("create", NEW)
        await vendor.webhooks.flush()

    assert posts == len(receiver.got) == len({headers["webhook-id"] for headers, _ in receiver.got})


async def test_acknowledgements_can_be_kept_back_and_runs_put_off(receiver):
    """The hook accepts all the while."""
    async with called(receiver, triggers=()) as (vendor, call):
        vendor.mood.asleep = vendor.mood.holds_acks = True
        assert 200 == await call("create", NEW)
        asleep = len(vendor.contacts())
        assert 1 == vendor.wake()
        await vendor.webhooks.flush()
        kept_back = len(receiver.got)
        assert 1 == vendor.release()
        await vendor.webhooks.flush()

    assert (0, 0, 1, 1) == (asleep, kept_back, len(receiver.got), len(vendor.contacts()))


async def test_what_it_refuses(receiver):
    """What is not signed, and everything while its flows are switched off."""
    async with called(receiver) as (vendor, call):
        forged = await call("create", NEW, altered=b" ")
        vendor.mood.off = True
        switched_off = await call("create", NEW)

        assert (401, 410, []) == (forged, switched_off, vendor.contacts())


async def test_what_it_cannot_do_it_says(receiver):
    """A create without what is required, and a write to who is not there."""
    async with called(receiver, triggers=()) as (vendor, call):
        await call("create", {"email": "b@b.co"}, find={"email": "b@b.co"})
        await call("update", {"first_name": "B"}, record_id="1")
        await vendor.webhooks.flush()

    assert [("failed", "first_name is required"), ("gone", None)] == [(each["result"], each.get("error")) for each in receiver.bodies]
