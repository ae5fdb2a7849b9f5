"""Listen: takes webhooks in.

A delivery is verified over its raw bytes by the system's connector, committed to the inbox, and only then answered; many deliveries
share one commit. What cannot be committed is answered with the status on which that vendor delivers again. What became of each is counted.
The rule that keeps it true: nothing unverified is stored, nothing acknowledged is lost, no answer tells a stranger anything, and who sends
what is not genuine is heard ever more seldom.
It must not know: signatures, vendors' words, or what an event leads to.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from syncd.connectors.base import Capabilities, Change, Event, Proven, Stray, WebhookRefused
from syncd.connectors.ledger import Bridging
from syncd.core.errors import StoreError
from syncd.core.record import Micros, SystemName
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.entrance import AT_A_TURN, QUEUE, Queue
from syncd.flow.server import Connection, Limits, Server, Stage, answer
from syncd.flow.sources import Buckets, Networks, source_of
from syncd.store import inbox, notices
from syncd.store.arrivals import Hearing
from syncd.store.database import Connection as Transaction
from syncd.store.inbox import Arrival

SECRET = "x-syncd-secret"  # noqa: S105 (the name of a header)
"""Vendors that cannot sign carry a secret, as this header or, where they can set none, as the last part of the address."""
DELIVERIES_MAX = 192
"""At once; fewer than connections, so that there is always somebody to tell the others to come again."""
BODIES_BYTES_MAX = 32 * 1024 * 1024
WRONG_BURST, WRONG_PER_S, WRONG_WAIT_S = 100, 20, 1.0
"""What a source may send to one address without proving itself; beyond it an answer takes its time."""
_REFUSALS = {WebhookRefused.MALFORMED: 400, WebhookRefused.ELSEWHERE: 403}
_UNPROVEN = frozenset({WebhookRefused.UNSIGNED, WebhookRefused.FORGED, WebhookRefused.EXPIRED})
_OUR_FAULT = (429, 503)
_TELL_S = 10.0
_ADDRESSED = re.compile(rb"POST /hooks/([A-Za-z0-9_-]+)[/? ]")
_FORWARDED = re.compile(rb"\r\nx-forwarded-for:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SMALL_BYTES = 64 * 1024
"""A body of no more is taken however much others send: so many connections of it fit in."""
_HEARD_OUT_S = 0.5


@asynccontextmanager
async def listening(
    engine: Engine,
    host: str,
    port: int,
    *,
    proxies: Networks = (),
    limits: Limits | None = None,
    wrong: Buckets | None = None,
    queue: Queue | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Serves webhooks for the length of the block; gives the address really used. `proxies` are believed about whom they speak for.

    With a `queue`, whoever calls after the block waits for the next one.
    """
    limits = limits or Limits(spared=(*Limits().spared, *proxies))
    listener = Listener(engine, proxies, limits, wrong)
    server = Server(listener.respond, limits, engine.log)
    server.doorkeeper.shuts_out = listener.shuts_out
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    own = Queue()
    try:
        async with server.watching():
            line = (queue or own).at(host, port)
            line.doorkeeper = server.doorkeeper
            await web.SockSite(runner, line, backlog=AT_A_TURN).start()
            line.listen(QUEUE)
            bound = runner.addresses[0]
            engine.log.info("listen.started", host=bound[0], port=bound[1])
            yield str(bound[0]), int(bound[1])
    finally:
        own.close()
        with anyio.move_on_after(2.0, shield=True):
            for site in list(runner.sites):
                await site.stop()
            # Whoever was let in is heard out, if he has begun to speak or is about to.
            await server.quiet(_HEARD_OUT_S)
            await runner.cleanup()


class _NotTakenError(Exception):
    """A delivery that is not looked at: why, for the operator, and the answer."""

    def __init__(self, reason: str, response: web.Response) -> None:
        super().__init__(reason)
        self.reason, self.response = reason, response


class Listener:
    """One address a system, and two to ask after our health."""

    def __init__(self, engine: Engine, proxies: Networks, limits: Limits, wrong: Buckets | None = None) -> None:
        self._engine, self._proxies, self._limits = engine, proxies, limits
        self._wrong = wrong or Buckets(burst=WRONG_BURST, per_s=WRONG_PER_S)
        # No more can be on their way at once, so that nobody who only brings what is genuine is ever refused for it.
        self._calls = Buckets(burst=limits.connections_max, per_s=WRONG_PER_S)
        # Whether a connector can do something that only some can is dear to ask.
        self._bridges = {system: connector for system, connector in engine.connectors.items() if isinstance(connector, Bridging)}
        self._kept_to: dict[SystemName, Capabilities] = {}
        self._pending = self._bytes = 0
        self._told_s: dict[SystemName, float] = {}
        self._keys_seen: set[tuple[SystemName, str]] = set()

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request."""
        parts = request.path.split("/")[1:]
        if parts in (["livez"], ["readyz"]):
            return self._health(parts[0]) if request.method == "GET" else answer(405, Allow="GET")
        if len(parts) not in (2, 3) or parts[0] != "hooks" or (system := SystemName(parts[1])) not in self._engine.connectors:
            return answer(404)
        if request.method != "POST":
            return answer(405, Allow="POST")
        # A name that comes twice has both values, as if they stood in one line: one that should be alone then fits nothing.
        headers: dict[str, str] = {}
        for written, value in request.headers.items():
            name = written.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        source = source_of(_peer(request), headers.get("x-forwarded-for", ""), self._proxies)
        if len(parts) == 3:
            headers[SECRET] = parts[2]
        try:
            return await self._take(request, system, headers, source)
        except _NotTakenError as error:
            if error.response.status in _OUR_FAULT:
                self._calls.give_back((source, system), self._engine.clock.monotonic())
            return self._refused(system, error.reason, error.response, source)
        except StoreError as error:
            return self._not_stored(system, error.message)
        except MemoryError:
            return self._not_stored(system, "there is no memory to be had")

    def _health(self, word: str) -> web.Response:
        if word == "livez":
            return answer(200, "alive\n")
        if self._engine.stop_by is not None:
            return answer(503, "stopping\n")
        if self._engine.database.trouble is not None:
            return answer(503, "nothing can be written to the database\n")
        return answer(200, "ready\n")

    async def _take(self, request: web.BaseRequest, system: SystemName, headers: Mapping[str, str], source: str) -> web.Response:
        """One delivery, from its bytes to its answer. What is cheap to find out is found out first."""
        key, monotonic = (source, system), self._engine.clock.monotonic
        if not self._wrong.has(key, monotonic()):
            return await self._slowed(request, system, source)
        terms = self._terms(system)
        body = await self._body(request, headers, terms)
        if self._pending >= DELIVERIES_MAX:
            raise _NotTakenError("too many at once", answer(terms.webhook_retry_status, Retry_After="5"))
        if not self._wrong.take(key, monotonic()):
            return await self._slowed(request, system, source)
        self._pending += 1
        try:
            events = await self._verified(system, headers, body)
            if not isinstance(events, WebhookRefused) or events not in _UNPROVEN:
                self._wrong.give_back(key, monotonic())
                self._calls.give_back(key, monotonic())
                if isinstance(request.protocol, Connection):
                    request.protocol.pardon()
            if isinstance(events, WebhookRefused):
                return self._refused(system, events.value, answer(_REFUSALS.get(events, 401)), source, size=len(body))
            if isinstance(request.protocol, Connection):
                request.protocol.proven = True
            self._note_key(system, events)
            return await _store(self._engine, system, events)
        finally:
            self._pending -= 1

    async def _verified(self, system: SystemName, headers: Mapping[str, str], body: bytes) -> Sequence[Event] | WebhookRefused:
        now = self._engine.clock.now()
        if system in self._bridges:
            # It cannot be asked again: what it is told is kept before anything else.
            return await self._bridges[system].take(headers, body, now)
        return self._engine.connectors[system].receive(headers, body, now)

    def _terms(self, system: SystemName) -> Capabilities:
        """What the vendor keeps to in webhooks. It is the same for all of its collections, and always."""
        if system not in self._kept_to:
            collection = next((place[1] for place in self._engine.places if place[0] == system), None)
            if collection is None:
                return Capabilities()
            self._kept_to[system] = self._engine.connectors[system].capabilities(collection)
        return self._kept_to[system]

    async def _body(self, request: web.BaseRequest, headers: Mapping[str, str], terms: Capabilities) -> bytes:
        """The whole body, as it is; or why it is not read."""
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _NotTakenError("not plain JSON", answer(415))
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise _NotTakenError("not plain JSON", answer(415))
        if "upgrade" in headers:
            raise _NotTakenError("another protocol", answer(400))
        stated = request.content_length
        if (stated or 0) > terms.webhook_bytes_max:
            raise _NotTakenError("too big", answer(413))
        if (expected := headers.get("expect", "").lower()) not in ("", "100-continue"):
            raise _NotTakenError("something else expected", answer(417))
        if expected and request.version >= HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        try:
            # A small one has mostly come whole with its head: then nothing is waited for.
            is_here = stated is not None and stated <= _SMALL_BYTES and request.content.is_eof()
            body = request.content.read_nowait() if is_here else await self._rest(request, terms)
        except TimeoutError as error:
            raise _NotTakenError("too slow", answer(408)) from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise _NotTakenError("broken", answer(400)) from error
        if isinstance(request.protocol, Connection):
            request.protocol.enter(Stage.WORK)
        return body

    async def _rest(self, request: web.BaseRequest, terms: Capabilities) -> bytes:
        """What is still to come, in time and within bounds."""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.body_s):
                while part := await request.content.readany():
                    parts.append(part)
                    size += len(part)
                    self._bytes += len(part)
                    if size > terms.webhook_bytes_max:
                        raise _NotTakenError("too big", answer(413))
                    if size > _SMALL_BYTES and self._bytes > BODIES_BYTES_MAX:
                        raise _NotTakenError("too much at once", answer(terms.webhook_retry_status, Retry_After="5"))
        finally:
            self._bytes -= size
        return b"".join(parts)

    def shuts_out(self, peer: str, head: bytes, counts: bool) -> bool:
        """Whether a request is refused by how it begins, before anything is made of it: its source has no tries left. Where that cannot be seen yet,
        it is not.
        """
        head, end, _ = head.partition(b"\r\n\r\n")
        addressed = _ADDRESSED.match(head)
        if not end or addressed is None or (system := SystemName(addressed[1].decode())) not in self._engine.connectors:
            return False
        source = source_of(peer, ", ".join(each.decode("latin-1") for each in _FORWARDED.findall(head)), self._proxies)
        key, now_s = (source, system), self._engine.clock.monotonic()
        # What a look at it will say is not known before the next ones call: so it counts until then.
        if self._wrong.has(key, now_s) and (not counts or self._calls.take(key, now_s)):
            return False
        self._tell_of(system, source)
        return True

    async def _slowed(self, request: web.BaseRequest, system: SystemName, source: str) -> web.Response:
        """Who keeps sending what is not genuine waits for the answer, and with it for his next try."""
        self._tell_of(system, source)
        if isinstance(request.protocol, Connection):
            request.protocol.enter(Stage.ANSWER)
        await asyncio.sleep(WRONG_WAIT_S)
        return answer(429, Retry_After="5")

    def _tell_of(self, system: SystemName, source: str) -> None:
        """Counts whoever is refused unheard, and now and then tells the operator of him."""
        self._engine.tally.add(system, Hearing.REFUSED, ["too often"], self._engine.clock.now())
        now_s = self._engine.clock.monotonic()
        if now_s - self._told_s.get(system, -_TELL_S) >= _TELL_S:
            self._told_s[system] = now_s
            self._engine.log.warning("webhook.slowed", system=system, source=source, hint="if this is your proxy, name it in trusted_proxies")

    def _refused(self, system: SystemName, reason: str, response: web.Response, source: str, **about: int) -> web.Response:
        """Says nothing of the reason to whoever sent it, and all to the operator."""
        self._engine.tally.add(system, Hearing.REFUSED, [reason], self._engine.clock.now())
        self._engine.log.warning("webhook.refused", system=system, reason=reason, source=source, **about)
        return response

    def _not_stored(self, system: SystemName, error: str) -> web.Response:
        """Nothing is acknowledged that is not committed: the vendor delivers it again."""
        self._engine.log.error("webhook.not_stored", system=system, error=error)
        return answer(self._terms(system).webhook_retry_status, Retry_After="30")

    def _note_key(self, system: SystemName, events: Sequence[Event]) -> None:
        """Which key each delivery was proved by is told once, by its name: so one sees when an old one may go."""
        key = events.key if isinstance(events, Proven) else ""
        if key and (system, key) not in self._keys_seen:
            self._keys_seen.add((system, key))
            self._engine.log.info("webhook.key_used", system=system, key=key)


def _peer(request: web.BaseRequest) -> str:
    return request.protocol.peer if isinstance(request.protocol, Connection) else ""


async def _store(engine: Engine, system: SystemName, events: Sequence[Event]) -> web.Response:
    received_at, routes = engine.clock.now(), engine.routes
    strays = [(event, event.stray) for event in events if event.stray is not None]
    placed = [event for event in events if event.stray is None]
    wanted = [event for event in placed if (system, event.ref.collection) in routes]
    unwanted = [event.ref.collection for event in placed if (system, event.ref.collection) not in routes]
    awaited = [event for event in events if event.word and engine.awaits(system, event.word)]

    def commit(tx: Transaction) -> tuple[int, list[tuple[Event, Stray]]]:
        for each in awaited:
            notices.came_in(tx, each.ref, each.word, each.dedupe_key, told=each.told, carried=each.fields, at=received_at)
        new = [(event, why) for event, why in strays if inbox.put_aside(tx, _arrival(event, received_at), why.value)]
        return inbox.accept(tx, [_arrival(event, received_at) for event in wanted]), new

    fresh, aside = await engine.database.write(commit) if strays or wanted or awaited else (0, [])
    count = engine.tally.add
    # Which of a delivery were new is not asked: it is counted under the collections as they come.
    collections = [event.ref.collection for event in wanted]
    count(system, Hearing.ACCEPTED, collections[:fresh], received_at)
    count(system, Hearing.REPEATED, collections[fresh:], received_at)
    count(system, Hearing.UNWANTED, unwanted, received_at)
    for event, why in aside:
        count(system, Hearing(why.value), [event.ref.id], received_at)
        engine.log.info("webhook.put_aside", system=system, kind=event.ref.id, why=why.value)
    if awaited:
        engine.bus.ring(Bell.NOTICE)
    if wanted:
        engine.log.debug("webhook.accepted", system=system, events=len(wanted), fresh=fresh)
    if fresh:
        engine.bus.ring(Bell.INBOX)
    return answer(200)


def _arrival(event: Event, received_at: Micros) -> Arrival:
    return Arrival(
        ref=event.ref,
        dedupe_key=event.dedupe_key,
        deleted=event.change is Change.DELETED,
        fields=event.fields,
        full=event.full,
        occurred_at=event.occurred_at,
        received_at=received_at,
    )
