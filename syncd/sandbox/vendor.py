"""What both emulated vendors have in common: a server, a truth log, counters, faults, webhooks, and a user's hands.

A vendor is a small web server on the loopback address plus Python methods that do what a person would do in the
vendor's own screens.

Rule: API handlers and user methods change the state through the same store, so both are normalised, logged and
announced alike.

It must not know either vendor's endpoints or field names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, ClassVar

from aiohttp import web

from syncd.sandbox.calls import Answer, Call, Route
from syncd.sandbox.control import add_control_routes
from syncd.sandbox.faults import Faults
from syncd.sandbox.gate import Gate, Spend
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import LOOPBACK
from syncd.sandbox.stats import Stats
from syncd.sandbox.truth import Applied, Json, TruthLog
from syncd.sandbox.webhooks import DeliveryRules, WebhookSender

SHUTDOWN_S = 0.5
BODY_BYTES_MAX = 8 * 1024 * 1024


class Vendor(ABC):
    """One emulated vendor."""

    name: ClassVar[str]
    retry_after_name: ClassVar[str]

    def __init__(self, *, port: int, token: str, clock: Clock, random: Random, delivery: DeliveryRules) -> None:
        self.token = token
        self.stats = Stats()
        self.truth = TruthLog(clock)
        self.webhooks = WebhookSender(delivery, self.stats, random)
        self.faults = Faults(frozenset(), random)
        self._routes: Sequence[Route] = ()
        self._gate = Gate(self, random)
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where the vendor listens; known once started."""
        return f"http://{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Listen on the loopback address and start sending webhooks."""
        app = web.Application(middlewares=[self._gate.unmatched], client_max_size=BODY_BYTES_MAX)
        for route in self._routes:
            app.router.add_route(route.method, route.path, partial(self._gate.serve, route))
        add_control_routes(app, self)
        # A caller that goes away ends its hanging request; writes are synchronous, so none is cut in half.
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        self._port = self._runner.addresses[0][1]
        await self.webhooks.start()

    async def stop(self) -> None:
        """Stop listening and sending; leaves no task or socket."""
        self._gate.close()
        await self.webhooks.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def offer(self, routes: Sequence[Route]) -> None:
        """Serve these operations once started; literal paths stand before those with a placeholder."""
        self._routes = routes
        self.faults.operations = frozenset(route.operation for route in routes)

    def applied(self, entry: Applied) -> None:
        """Count an applied write."""
        if entry.actor == "api":
            self.stats.writes_by_api += 1

    @abstractmethod
    def authorise(self, call: Call) -> Answer | None:
        """None when the caller may come in, else the refusal."""

    @abstractmethod
    def spend(self) -> Spend:
        """Charge one request to the quota."""

    @abstractmethod
    def too_many(self, wait_s: float) -> Answer:
        """The 429 of an exhausted quota."""

    @abstractmethod
    def error(self, status: int, message: str | None = None) -> Answer:
        """An error in the vendor's own shape."""

    @abstractmethod
    def finish(self, call: Call, answer: Answer) -> Answer:
        """The last touch on every answer."""

    @abstractmethod
    def create_as_user(self, fields: Json) -> Json:
        """A person adds a contact; returns it with its `id`."""

    @abstractmethod
    def edit_as_user(self, contact_id: str, changes: Json) -> Json:
        """A person changes a contact; only the named fields change."""

    @abstractmethod
    def delete_as_user(self, contact_id: str) -> None:
        """A person deletes a contact."""

    @abstractmethod
    def contacts(self) -> list[Json]:
        """Every contact as it truly is now, oldest first."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a caller needs to connect, as JSON-able values."""
