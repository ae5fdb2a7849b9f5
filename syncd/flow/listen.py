"""Listen: takes webhooks in.

A delivery is verified over its raw bytes by the system's connector, committed to the inbox, and only then answered; many deliveries
share one commit. What cannot be committed is answered with the status on which that vendor delivers again. What became of each is counted.
The rule that keeps it true: nothing unverified is stored, nothing acknowledged is lost, no answer tells a stranger anything.
It must not know: signatures, vendors' words, or what an event leads to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from aiohttp import web

from syncd.connectors.base import Change, Event, Stray, WebhookRefused
from syncd.connectors.ledger import Bridging
from syncd.core.errors import StoreError
from syncd.core.record import Micros, SystemName
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.store import inbox, notices
from syncd.store.arrivals import Hearing
from syncd.store.database import Connection
from syncd.store.inbox import Arrival

BODY_MAX = 1 << 20
"""Bytes; a thousand events, the most any vendor sends at once, are a third of that."""
BODY_S = 5.0
KEEPALIVE_S = 15.0
SECRET = "x-syncd-secret"  # noqa: S105 (the name of a header)
"""Vendors that cannot sign carry a secret, as this header or, where they can set none, as the last part of the address."""
_REFUSALS = {WebhookRefused.MALFORMED: 400, WebhookRefused.ELSEWHERE: 403}


@asynccontextmanager
async def listening(engine: Engine, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serves webhooks for the length of the block; gives the address really used."""
    runner = web.AppRunner(build_app(engine), access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=512)
        await site.start()
        bound = runner.addresses[0]
        engine.log.info("listen.started", host=bound[0], port=bound[1])
        yield str(bound[0]), int(bound[1])
    finally:
        with anyio.move_on_after(2.0, shield=True):
            await runner.cleanup()


def build_app(engine: Engine) -> web.Application:
    """The web application: one address a system, and two to ask after our health."""
    app = web.Application(client_max_size=BODY_MAX)

    async def hook(request: web.Request) -> web.Response:
        return await take_delivery(engine, request)

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def ready(_request: web.Request) -> web.Response:
        if engine.stop_by is not None:
            return web.Response(status=503, text="stopping\n")
        if engine.database.trouble is not None:
            return web.Response(status=503, text="nothing can be written to the database\n")
        return web.Response(text="ready\n")

    app.router.add_post("/hooks/{system}", hook)
    app.router.add_post("/hooks/{system}/{secret}", hook)
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    app.on_response_prepare.append(_say_little)
    return app


async def _say_little(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "syncd"


async def take_delivery(engine: Engine, request: web.Request) -> web.Response:
    """One webhook delivery, from its bytes to its answer."""
    system = SystemName(request.match_info["system"])
    connector = engine.connectors.get(system)
    if connector is None:
        return web.Response(status=404)
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        return _refused(engine, system, "not plain JSON", 415)
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.read()
    except TimeoutError:
        return _refused(engine, system, "too slow", 408)
    except web.HTTPRequestEntityTooLarge:
        return _refused(engine, system, "too big", 413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    if "secret" in request.match_info:
        headers[SECRET] = request.match_info["secret"]
    try:
        if isinstance(connector, Bridging):
            # It cannot be asked again: what it is told is kept before anything else.
            events = await connector.take(headers, body, engine.clock.now())
        else:
            events = connector.receive(headers, body, engine.clock.now())
        if not isinstance(events, WebhookRefused):
            return await _store(engine, system, events)
    except StoreError as error:
        return _not_stored(engine, system, error)
    return _refused(engine, system, events.value, _REFUSALS.get(events, 401), size=len(body))


def _refused(engine: Engine, system: SystemName, reason: str, status: int, **about: int) -> web.Response:
    """Says nothing of the reason to whoever sent it, and all to the operator."""
    engine.tally.add(system, Hearing.REFUSED, [reason], engine.clock.now())
    engine.log.warning("webhook.refused", system=system, reason=reason, **about)
    return web.Response(status=status)


def _not_stored(engine: Engine, system: SystemName, error: StoreError) -> web.Response:
    """Nothing is acknowledged that is not committed: the vendor delivers it again."""
    engine.log.error("webhook.not_stored", system=system, error=error.message)
    places = [place for place in engine.places if place[0] == system]
    status = engine.connectors[system].capabilities(places[0][1]).webhook_retry_status if places else 503
    return web.Response(status=status, headers={"Retry-After": "30"})


async def _store(engine: Engine, system: SystemName, events: Sequence[Event]) -> web.Response:
    received_at, routes = engine.clock.now(), engine.routes
    strays = [(event, event.stray) for event in events if event.stray is not None]
    placed = [event for event in events if event.stray is None]
    wanted = [event for event in placed if (system, event.ref.collection) in routes]

    awaited = [event for event in events if event.word and engine.awaits(system, event.word)]

    def commit(tx: Connection) -> tuple[int, list[tuple[Event, Stray]]]:
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
    count(system, Hearing.UNWANTED, [event.ref.collection for event in placed if event not in wanted], received_at)
    for event, why in aside:
        count(system, Hearing(why.value), [event.ref.id], received_at)
        engine.log.info("webhook.put_aside", system=system, kind=event.ref.id, why=why.value)
    if awaited:
        engine.bus.ring(Bell.NOTICE)
    if wanted:
        engine.log.debug("webhook.accepted", system=system, events=len(wanted), fresh=fresh)
    if fresh:
        engine.bus.ring(Bell.INBOX)
    return web.Response(status=200)


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
