"""A bench for the bridge: records that only flows show, a real ledger, and a door for the flows' posts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from syncd.connectors.base import WebhookRefused
from syncd.connectors.clock import Clock, SystemClock
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.record import CollectionName, Json, SystemName
from syncd.sandbox import BridgeOptions, Sandbox, SandboxOptions
from syncd.store import bridge
from syncd.store.bridge import BridgeLedger
from syncd.store.database import Database, open_database
from syncd.store.visiting import leave

BENCH = SystemName("bench")
DEEDS = {"create": "create-contact", "update": "update-contact", "delete": "delete-contact"}
DECLARED = {
    "fields": {"email": "email", "name": "text", "phone": "phone", "tags": "set", "plan": {"type": "choice", "label": "Plan"}},
    "keys": ["email", "phone"],
    "tells_deletes": True,
}


class Door:
    """Where the flows post: what a listener does, and what it was told. `events` are those of the deliveries that were taken in."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connector: Any = None
        self.kept: list[tuple[dict[str, str], bytes]] = []
        self.events: list[Any] = []
        self.refused: list[WebhookRefused] = []
        self.takes_news = True
        self.is_open = True

    async def take(self, request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        if not self.is_open:
            return web.Response(status=503)
        if not self.takes_news and b'"op_id"' not in body:
            self.kept.append((headers, body))
            return web.Response()
        return web.Response(status=200 if await self.hear(headers, body) else 401)

    async def hear(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Takes one delivery in as the listener does; whether it was accepted."""
        events = await self.connector.take(headers, body, self.clock.now())
        if isinstance(events, WebhookRefused):
            self.refused.append(events)
            return False
        self.events += events
        return True


async def held_open(stack: AsyncExitStack, path: Path) -> Database:
    """A database for a fixture, whose beginning and end are not one task: a task of its own holds it open."""
    ready: asyncio.Future[Database] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with open_database(path) as database:
            ready.set_result(database)
            await over.wait()

    async def end() -> None:
        over.set()
        await task

    task = asyncio.create_task(hold())
    stack.push_async_callback(end)
    return await ready


async def open_bridge(
    stack: AsyncExitStack,
    database: Database,
    *,
    kind: str = "17hats",
    clock: Clock | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Any, Any, Door]:
    """The flows, the connector that hands to them, and the door they post to."""
    clock = clock or SystemClock()
    chosen = SandboxOptions(bridge=BridgeOptions(**options), clock=lambda: clock.now() / 1_000_000)
    sandbox = await stack.enter_async_context(Sandbox(chosen))
    door = Door(clock)
    app = web.Application()
    app.router.add_post("/hook", door.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    stack.push_async_callback(sandbox.bridge.webhooks.stop)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.bridge.webhooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    section = {**sandbox.bridge.describe(), "calls_per_s": 1_000, **(settings or {})}
    opened = await stack.enter_async_context(
        open_connector(KINDS[kind], BENCH, KINDS[kind].settings(**section), clock=clock)
    )
    opened.connector.keep_in(BridgeLedger(database))  # type: ignore[attr-defined]
    door.connector = opened.connector
    return sandbox.bridge, opened, door


class BridgeHands:
    """A person's hands on the far side, whose trigger is taken in at once, and is owed to the listener all the same."""

    collection = CollectionName("people")
    paths: ClassVar = {name: f"fields.{name}" for name in ("email", "name", "tags", "plan")}
    plan_values = ("gold", "silver")
    signature = "webhook-signature"
    operations: ClassVar = DEEDS
    asks = False
    vendor: Any
    connector: Any
    path: Path
    door: Door

    def create_as_user(self, **neutral: Any) -> str:
        row = self.vendor.create_as_user(neutral, "people")
        self._tell("created", row)
        return str(row["id"])

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self._tell("updated", self.vendor.edit_as_user(record_id, neutral, "people"))

    def delete_as_user(self, record_id: str) -> None:
        row = self.vendor.account.get("people", record_id)
        self.vendor.delete_as_user(record_id, "people")
        self._tell("deleted", row)

    def truth(self) -> dict[str, dict[str, Json]]:
        return {row["id"]: {name: row[name] for name in self.paths} for row in self.vendor.contacts("people")}

    async def deliveries(self) -> list[tuple[dict[str, str], bytes]]:
        await self.vendor.webhooks.flush()
        got, self.door.kept[:] = list(self.door.kept), []
        return got

    def _tell(self, event: str, row: Json) -> None:
        headers, body = self.vendor.post(self.vendor.word(event, row, "people"))
        now = self.door.clock.now()
        post = self.connector._posts.read(headers, body, now)
        leave(self.path, lambda tx: bridge.take(tx, BENCH, post.said, post.id, now, 0))
