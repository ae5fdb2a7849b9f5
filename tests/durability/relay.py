"""A relay between the vendors and the daemon's door: passes every delivery on, and notes how it was answered.

The rule that keeps it true: bytes, signatures and answers go through as they are; a daemon that cannot be reached is a 502.
It must not know: what a delivery says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from tests.e2e.world import World


class Relay:
    """Every answer the daemon gave, by system, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = {"ghl": [], "octopus": []}

    @classmethod
    @asynccontextmanager
    async def before(cls, world: World) -> AsyncIterator[Relay]:
        """A relay that the vendors of this world deliver to."""
        relay, door = cls(), f"http://127.0.0.1:{world.configuration.port}/hooks"

        async def passes_on(request: web.Request) -> web.Response:
            system = request.match_info["system"]
            headers = {name: text for name, text in request.headers.items() if name.lower() not in ("host", "content-length")}
            try:
                async with session.post(f"{door}/{system}", data=await request.read(), headers=headers) as answer:
                    status = answer.status
            except (ClientError, OSError, TimeoutError):
                status = 502
            relay.answers[system].append(status)
            return web.Response(status=status)

        app = web.Application()
        app.router.add_post("/{system}", passes_on)
        runner = web.AppRunner(app, access_log=None)
        async with ClientSession(timeout=ClientTimeout(total=8)) as session:
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                port = runner.addresses[0][1]
                world.sandbox.ghl.webhooks.url = f"http://127.0.0.1:{port}/ghl"
                world.sandbox.octopus.webhooks.url = f"http://127.0.0.1:{port}/octopus"
                yield relay
            finally:
                await runner.cleanup()
