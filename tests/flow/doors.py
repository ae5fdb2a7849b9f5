"""Doors: the listener over both vendors' real connectors, and deliveries signed as the vendors sign them.

The rule that keeps it true: everything goes over real HTTP on the loopback address, and no vendor is ever called.
It must not know: any test.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import orjson
from aiohttp import ClientSession, ClientTimeout
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, FieldName, MemberName, SystemName
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules
from syncd.flow.listen import listening
from syncd.store import inbox
from tests.flow.world import S, opened

GHL, OCTOPUS, TRAIL = SystemName("ghl"), SystemName("octopus"), SystemName("trail")
LOCATION, LIST = "LOCATION1", "fa482fa2-5ac4-11ed-9f7a-67da1c836cf8"
COLLECTIONS = {GHL: CollectionName("contacts"), OCTOPUS: CollectionName(f"contacts@{LIST}"), TRAIL: CollectionName("contacts")}
SECRET = "sandbox"
PATH_SECRET = "0123456789abcdef" * 2
KEY = Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
JSON = {"Content-Type": "application/json"}


def sync():
    members = {MemberName(each): MemberRule(name=MemberName(each), system=each, collection=COLLECTIONS[each]) for each in COLLECTIONS}
    held = {MemberName(GHL): MemberField(paths=("email",)), MemberName(OCTOPUS): MemberField(paths=("email_address",)), MemberName(TRAIL): MemberField(paths=("email",))}
    email = FieldRule(name=FieldName("email"), type=FieldType.EMAIL, members=held, sources=frozenset(held), targets=frozenset(held))
    return SyncRules(name=S, members=members, fields={email.name: email}, match=(email.name,), source_of_truth=MemberName(GHL))


def from_ghl(number: int = 1, **other) -> tuple[dict[str, str], bytes]:
    """One signed delivery of one event."""
    event = {
        "type": "ContactUpdate", "locationId": LOCATION, "id": f"c{number}", "email": "ada@example.com",
        "timestamp": datetime.now(UTC).isoformat(), "webhookId": f"hook-{number}", **other,
    }  # fmt: skip
    body = orjson.dumps(event)
    return {**JSON, "X-GHL-Signature": b64encode(KEY.sign(body)).decode()}, body


def from_octopus(*numbers: int, **other) -> tuple[dict[str, str], bytes]:
    """One signed delivery of any number of events."""
    events = [
        {"type": "contact.updated", "id": f"event-{number}", "list_id": LIST, "contact_id": f"c{number}", "contact_email_address": "ada@example.com", **other}
        for number in numbers or (1,)
    ]  # fmt: skip
    return signed(orjson.dumps(events))


def signed_with(secret: str, list_id: str, number: int, **other: str) -> tuple[dict[str, str], bytes]:
    """One delivery of one event of a list, under a secret."""
    event = {"type": "contact.updated", "id": f"event-{number}", "list_id": list_id, "contact_id": f"c{number}", "contact_email_address": "ada@example.com"}
    body = orjson.dumps([{**event, **other}])
    return {**JSON, "EmailOctopus-Signature": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()}, body


def signed(body: bytes) -> tuple[dict[str, str], bytes]:
    return {**JSON, "EmailOctopus-Signature": "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()}, body


class Door:
    """A running listener and a client."""

    def __init__(self, world, session, host, port):
        self.world, self.session, self.host, self.port = world, session, host, port

    async def post(self, path, headers, body):
        data = BytesIO(body) if isinstance(body, bytes) else body
        async with self.session.post(f"http://{self.host}:{self.port}{path}", headers=headers, data=data) as answer:
            return answer.status

    async def get(self, path):
        async with self.session.get(f"http://{self.host}:{self.port}{path}") as answer:
            return answer.status

    def connections(self):
        """How many the listener has open, as the system counts them."""
        with Path("/proc/net/tcp").open() as table:
            local = f":{self.port:04X}"
            return sum(1 for row in table if row.split()[1].endswith(local) and row.split()[3] == "01")

    async def stored(self):
        return await self.world.read(inbox.count_waiting)


@asynccontextmanager
async def door(tmp_path, options=None, *, clock=None, **how):
    """The listener over the vendors' real connectors; nobody is called. `options` are a system's own, `how` is what
    `listening` takes besides, `clock` is ours where it is not the machine's.
    """
    clock = clock or SystemClock()
    settings = {
        GHL: ("gohighlevel", {"location_id": LOCATION, "token": "t", "webhook_keys": (PEM,), "base_url": "http://127.0.0.1:9"}),
        OCTOPUS: ("emailoctopus", {"api_key": "k", "webhook_secret": SECRET, "base_url": "http://127.0.0.1:9"}),
        TRAIL: ("activetrail", {"token": "t", "webhook_secret": PATH_SECRET, "base_url": "http://127.0.0.1:9"}),
    }
    for system, more in (options or {}).items():
        settings[system][1].update(more)
    async with AsyncExitStack() as stack:
        connectors = {}
        for system, (kind, options) in settings.items():
            given = KINDS[kind].settings(**options)
            connectors[system] = (await stack.enter_async_context(open_connector(KINDS[kind], system, given, clock=clock))).connector
        world = await stack.enter_async_context(opened(tmp_path, sync(), far={}, clock=clock, connectors=connectors))
        host, port = await stack.enter_async_context(listening(world.engine, "127.0.0.1", 0, **how))
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=5)))
        yield Door(world, session, host, port)
