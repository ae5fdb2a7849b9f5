"""The HTTP server that strangers may reach: every connection has bounds of number, time and size, and no answer says what is beneath.

`Server` is aiohttp's with what it lacks: it waits without end for a head, a body or a reader, and names itself in its error pages.
The rule that keeps it true: a connection that keeps us waiting is closed, or gives way to a newer one; a delivery that has come whole is
never cut off by us.
It must not know: webhooks, systems, or what an address means.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from aiohttp import web
from anyio import move_on_after
from structlog.typing import FilteringBoundLogger

from syncd.flow.entrance import TURNED_AWAY, Doorkeeper
from syncd.flow.sources import Buckets, Networks, is_among

_LOOK_S = 0.25
_QUIET_S = 0.01
OWN_MACHINE: Networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server bears.

    At `connections_max` the connection that has kept us waiting longest gives way. A peer may open `wrong_burst` connections that bring nothing
    good, and `wrong_per_s` more each second; all peers together of whom nothing good ever came, `unknown_burst` and `unknown_per_s`. Peers in
    `spared` speak for many, as a proxy does: they may open any number, have more than `of_one_source_max`, and stay idle for `spared_idle_s`, so
    that a proxy closes first and loses no request.
    """

    connections_max: int = 512
    of_one_source_max: int = 16
    wrong_burst: float = 100
    wrong_per_s: float = 20
    unknown_burst: float = 512
    unknown_per_s: float = 200
    head_s: float = 5.0
    body_s: float = 5.0
    answer_s: float = 5.0
    idle_s: float = 15.0
    spared_idle_s: float = 300.0
    spared: tuple[IPv4Network | IPv6Network, ...] = OWN_MACHINE


class Stage(Enum):
    """What a connection is waiting for: a request, the rest of its head, its body, us, or a reader of our answer."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    WORK = "work"
    ANSWER = "answer"


def answer(status: int, text: str | None = None, **headers: str) -> web.Response:
    """An answer that says no more than this."""
    return web.Response(status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Server(web.Server):
    """Serves `respond` within `limits`; use as the argument of a `ServerRunner`, with `watching` around it."""

    def __init__(self, respond: Respond, limits: Limits, log: FilteringBoundLogger) -> None:
        # Nothing is ever unpacked, so that nothing small becomes large.
        super().__init__(
            respond,
            request_factory=self._enter,  # type: ignore[arg-type]
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=2 * limits.spared_idle_s,
            lingering_time=2.0,
            max_line_size=4_096,
            max_field_size=8_190,
            max_headers=64,
        )
        self.limits, self.log = limits, log
        self.present: set[Connection] = set()
        self._of: dict[str, set[Connection]] = {}
        each = Buckets(burst=limits.wrong_burst, per_s=limits.wrong_per_s)
        unknown = Buckets(burst=limits.unknown_burst, per_s=limits.unknown_per_s)
        self.doorkeeper = Doorkeeper(each, unknown, limits.spared, self._loop.time, log)

    def __call__(self) -> Connection:
        """One new connection."""
        return Connection(self, self._loop, self._kwargs)

    def admit(self, newcomer: Connection) -> bool:
        """Whether there is room, perhaps because somebody slow gives way. Whoever is admitted is present until he `leave`s."""
        if not newcomer.spared and not _has_room(self._of.get(newcomer.peer, set()), self.limits.of_one_source_max):
            return False
        if not _has_room(self.present, self.limits.connections_max):
            return False
        self.present.add(newcomer)
        self._of.setdefault(newcomer.peer, set()).add(newcomer)
        return True

    def leave(self, gone: Connection) -> None:
        """His place is free."""
        self.present.discard(gone)
        own = self._of.get(gone.peer, set())
        own.discard(gone)
        if not own:
            self._of.pop(gone.peer, None)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """For the length of the block, whoever keeps us waiting too long is sent away."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            self.doorkeeper.close()

    async def quiet(self, patience_s: float) -> None:
        """Returns when no request is on its way or at work, or after so long."""
        with move_on_after(patience_s):
            # Who was let in at the last moment has his connection made a few turns of the loop later.
            await asyncio.sleep(_QUIET_S)
            while any(each.is_open and each.stage is not Stage.IDLE for each in self.present):  # noqa: ASYNC110 (nobody rings at a change of stage)
                await asyncio.sleep(_QUIET_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.doorkeeper.look()
            for each in list(self.present):
                if each.is_overdue():
                    each.cut()

    def _enter(self, message: Any, payload: Any, connection: Connection, writer: Any, task: Any) -> web.BaseRequest:
        connection.enter(Stage.BODY)
        return _Request(message, payload, connection, writer, task, self._loop)


def _has_room(present: set[Connection], most: int) -> bool:
    """Whether there are fewer. If not, whoever has waited longest for something of the other side's is cut off; first those who never brought anything
    good.
    """
    if len(present) < most or len(present := {each for each in present if each.is_open}) < most:
        return True
    waiting = [each for each in present if each.stage is not Stage.WORK]
    if not waiting:
        return False
    min(waiting, key=lambda each: (each.proven, each.since)).cut()
    return True


class _Request(web.BaseRequest):
    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """The last look at an answer's headers."""
        response.headers.popall("Server", None)


class Connection(web.RequestHandler):
    """One connection and what it is waiting for. `proven` says that something good came over it."""

    __slots__ = ("_counts", "_said", "_server", "peer", "proven", "since", "spared", "stage")

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, options: dict[str, Any]) -> None:
        super().__init__(server, loop=loop, **options)
        self._server = server
        self.peer, self.spared, self.proven, self._counts, self._said = "", False, False, True, False
        self.enter(Stage.HEAD)

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def enter(self, stage: Stage) -> None:
        """From now on it waits for this."""
        self.stage, self.since = stage, self._loop.time()

    def pardon(self) -> None:
        """What came was genuine, whether or not it was of use: this connection does not count against its peer."""
        if self._counts:
            self._counts = False
            self._server.doorkeeper.pardon(self.peer)

    def is_overdue(self) -> bool:
        """Whether it has kept us waiting too long. A body's time is kept by whoever reads it."""
        limits, proven = self._server.limits, self.proven
        idle_s = limits.head_s if not proven else limits.spared_idle_s if self.spared else limits.idle_s
        most = {Stage.IDLE: idle_s, Stage.HEAD: limits.head_s, Stage.ANSWER: limits.answer_s}.get(self.stage)
        if self.transport is not None and self.transport.is_closing():
            most = limits.answer_s
        return most is not None and self._loop.time() - self.since > most

    def cut(self) -> None:
        """Ends it at once, whatever is still to be sent."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes it in, or not."""
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) and name else ""
        self.spared = is_among(self.peer, self._server.limits.spared)
        if self._server.admit(self):
            super().connection_made(transport)
        elif isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over, though the answer to its last request may still be in the making."""
        self._server.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The first byte of a request starts the time for its head. Who begins like one who is not to be heard is not."""
        if self.stage is Stage.IDLE:
            self.enter(Stage.HEAD)
        if not self._said and isinstance(self.transport, asyncio.WriteTransport):
            self._said = True
            if not self._server.doorkeeper.hears(self.peer, data, counts=False):
                # The connection stays until he has read it: what he still sends goes nowhere.
                self.enter(Stage.ANSWER)
                self.transport.write(TURNED_AWAY)
                self.transport.write_eof()
                self.close()
        super().data_received(data)

    async def finish_response(self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None) -> tuple[web.StreamResponse, bool]:
        """Sends an answer. After a refusal, or where the body was not read to its end, nothing that follows can be trusted to be a request of
        its own: the connection ends.
        """
        self.enter(Stage.ANSWER)
        if resp.status >= 400 or not request.content.is_eof():
            resp.force_close()
        done = await super().finish_response(request, resp, start_time)
        self.enter(Stage.IDLE)
        return done

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's words are for nobody
    ) -> web.StreamResponse:
        """What is no HTTP, and what nobody foresaw: a number for the stranger, the rest for the log."""
        if status >= 500:
            self._server.log.error("http.failed", error=type(exc).__name__, exc_info=exc)
        else:
            self._server.log.debug("http.refused", error=type(exc).__name__, source=self.peer)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun")
        response = answer(status)
        response.force_close()
        return response
