"""What the sandbox's tests share: a running sandbox, a client for each vendor, and a receiver for webhooks.

Rule: everything goes over real HTTP on the loopback address, and each test closes what it opened.

It must not know what a test is about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, ClientTimeout, web

from syncd.sandbox import ActiveTrail, ActiveTrailOptions, EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    body: Any
    raw: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Client:
    """Calls one vendor, with its usual headers unless told otherwise."""

    session: ClientSession
    base_url: str
    headers: dict[str, str]

    async def __call__(self, method: str, path: str, body: Any = None, **rest: Any) -> Reply:
        headers = rest.pop("headers", self.headers)
        if body is not None:
            rest["data"] = orjson.dumps(body)
            headers = {"Content-Type": "application/json", **headers}
        url = path if path.startswith("http") else self.base_url + path
        async with self.session.request(method, url, headers=headers, **rest) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json" and raw
            try:
                parsed = orjson.loads(raw) if is_json else None
            except ValueError:
                parsed = None
            return Reply(response.status, parsed, raw, dict(response.headers))


@dataclass(slots=True)
class World:
    """A running sandbox and a client for each vendor."""

    sandbox: Sandbox
    ghl: Client
    octopus: Client

    @property
    def location(self) -> str:
        return self.sandbox.ghl.options.location_id

    @property
    def contacts(self) -> str:
        return f"/lists/{self.sandbox.octopus.list_id}/contacts"

    async def search(self, **body: Any) -> Reply:
        return await self.ghl("POST", "/contacts/search", {"locationId": self.location, "pageLimit": 100, **body})

    async def ghl_create(self, **fields: Any) -> Any:
        reply = await self.ghl("POST", "/contacts/", {"locationId": self.location, **fields})
        assert reply.status == 201, reply
        return reply.body["contact"]

    async def octopus_create(self, email: str, **fields: Any) -> Any:
        reply = await self.octopus("POST", self.contacts, {"email_address": email, **fields})
        assert reply.status == 201, reply
        return reply.body


Opened = Callable[..., Awaitable[World]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Opens a sandbox: quotas off and no index lag unless the test asks for them."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=5)))

        async def open_world(
            *, ghl: dict[str, Any] | None = None, octopus: dict[str, Any] | None = None, **options: Any
        ) -> World:
            chosen = SandboxOptions(
                ghl=GoHighLevelOptions(**{"index_lag_s": 0.0, **(ghl or {})}),
                octopus=EmailOctopusOptions(**{"buffer_s": 0.01, **(octopus or {})}),
                **{"quotas": False, **options},
            )
            sandbox = await stack.enter_async_context(Sandbox(chosen))
            token = {"Authorization": f"Bearer {sandbox.ghl.token}", "Version": "2021-07-28"}
            key = {"Authorization": f"Bearer {sandbox.octopus.token}"}
            return World(
                sandbox,
                Client(session, sandbox.ghl.base_url, token),
                Client(session, sandbox.octopus.base_url, key),
            )

        yield open_world


@pytest.fixture
async def world(opened: Opened) -> World:
    """A sandbox with the tests' usual options."""
    return await opened()


OpenedTrail = Callable[..., Awaitable[tuple[ActiveTrail, Client]]]


@pytest.fixture
def trailed(opened: Opened) -> OpenedTrail:
    """Opens a sandbox with ActiveTrail in it; gives the vendor and a client."""

    async def open_trail(*, quotas: bool = False, **options: Any) -> tuple[ActiveTrail, Client]:
        world = await opened(trail=ActiveTrailOptions(**options), quotas=quotas)
        vendor = world.sandbox.trail
        return vendor, Client(world.ghl.session, vendor.base_url, {"Authorization": vendor.token})

    return open_trail


@dataclass(slots=True)
class Receiver:
    """A webhook receiver; answers with `statuses` in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [orjson.loads(raw) for _, raw in self.got]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A running webhook receiver."""
    receiver = Receiver()

    async def take(request: web.Request) -> web.Response:
        receiver.times.append(monotonic())
        receiver.got.append((dict(request.headers), await request.read()))
        return web.Response(status=receiver.statuses.pop(0) if receiver.statuses else 200)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()
