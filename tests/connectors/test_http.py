"""The session against a real local server that misbehaves in every way: what each misbehaviour is called, and what leaks."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
from aiohttp import web

from syncd.connectors.address import check_base_url, fill
from syncd.connectors.clock import SkewMeter, SystemClock
from syncd.connectors.http import Dialect, Operation, Session, clean
from syncd.connectors.quota import Limits, Quota, WindowBudget
from syncd.core.errors import Effect, Rejected, Stale, Unauthorized, Unavailable, UserError
from syncd.core.record import SECOND, SystemName

READ = Operation(name="read", method="GET", path="/thing")
WRITE = Operation(name="write", method="POST", path="/thing", writes=True)
TOKEN = "secret-token-0123456789"
DIALECT = Dialect(
    limits=lambda status, headers: Limits(refused=status == 429, retry_after_s=float(headers.get("Retry-After", 0))),
    message=lambda body: str(body.get("message", "")) if isinstance(body, dict) else "",
)


@asynccontextmanager
async def served(handler, *, timeout_s=0.4):
    """A session to a server that answers by `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with session(f"http://127.0.0.1:{runner.addresses[0][1]}", timeout_s=timeout_s) as opened:
            yield opened
    finally:
        await runner.cleanup()


def session(base_url, *, timeout_s=0.4) -> Session:
    clock, system = SystemClock(), SystemName("v")
    return Session(
        system=system,
        base_url=base_url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        dialect=DIALECT,
        quota=Quota(system=system, clock=clock, budget=WindowBudget(limit=100, window_s=1)),
        clock=clock,
        timeout_s=timeout_s,
    )


def answering(status, body=b"{}", **headers):
    """A handler with one answer."""

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return handler


async def failure(handler, operation):
    async with served(handler) as opened:
        with pytest.raises(Exception) as caught:
            await opened.call(operation)
    return caught.value


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("first", [True, False], ids=["new connection", "kept connection"])
async def test_a_broken_connection_is_not_a_reason_to_send_again(method, first):
    """The call may have taken effect, and somebody may have edited since: whether it is repeated is for the outbox to decide."""
    heard = []

    async def handler(request: web.Request) -> web.Response:
        heard.append(request.method)
        if first or len(heard) > 1:
            request.transport.abort()
        return web.Response(body=b"{}")

    operation = Operation(name="write", method=method, path="/thing", writes=method != "GET")
    async with served(handler) as opened:
        if not first:
            await opened.call(operation)
        with pytest.raises(Unavailable) as caught:
            await opened.call(operation)

    assert [method] * (1 if first else 2) == heard
    assert caught.value.effect is (Effect.NONE if method == "GET" else Effect.MAYBE)


STATUSES = [
    (301, Rejected, Effect.MAYBE),
    (400, Rejected, Effect.NONE),
    (401, Unauthorized, Effect.NONE),
    (403, Unauthorized, Effect.NONE),
    (404, Rejected, Effect.NONE),
    (408, Unavailable, Effect.MAYBE),
    (409, Stale, Effect.NONE),
    (412, Stale, Effect.NONE),
    (422, Rejected, Effect.NONE),
    (429, Unavailable, Effect.NONE),
    (500, Unavailable, Effect.MAYBE),
    (503, Unavailable, Effect.MAYBE),
]


@pytest.mark.parametrize(("status", "kind", "effect"), STATUSES)
async def test_every_status_names_the_next_step(status, kind, effect):
    """And says truly whether a write may have happened; a read never leaves a doubt."""
    wrote = await failure(answering(status), WRITE)
    read = await failure(answering(status), READ)

    assert (kind, effect, status) == (type(wrote), wrote.effect, wrote.status)
    assert (kind, Effect.NONE) == (type(read), read.effect)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"half": ', b"", b"\xff\xfe", b"NaN"])
async def test_a_success_that_is_no_json_is_no_success(body):
    """Something other than the vendor answered, or half of it; a write may have happened."""
    error = await failure(answering(200, body), WRITE)

    assert (Unavailable, Effect.MAYBE) == (type(error), error.effect)


async def test_no_content_is_a_success():
    """A 204 has no body to be JSON."""
    async with served(answering(204, b"")) as opened:
        assert (204, None) == ((answer := await opened.call(WRITE)).status, answer.body)


async def test_an_accepted_status_is_an_answer():
    """The caller decides what a 404 means, and can still turn it into its error."""
    async with served(answering(404, b'{"message": "no such thing"}')) as opened:
        answer = await opened.call(READ, accept=(404,))

        assert (404, {"message": "no such thing"}) == (answer.status, answer.body)
        assert "read was answered 404: no such thing" == opened.refusal(answer).message


async def test_a_redirect_is_not_followed():
    """The credential goes to the host it is for and to no other."""
    reached = []

    async def elsewhere(request: web.Request) -> web.Response:
        reached.append(request.headers)
        return web.json_response({})

    async with served(elsewhere) as other:
        error = await failure(answering(307, Location=str(other._base)), WRITE)

    assert Rejected is type(error)
    assert [] == reached


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_huge_answer_is_cut_off(compressed):
    """Also where it only becomes huge when unpacked."""
    body = b'"' + b"x" * (9 * 1024 * 1024) + b'"'
    handler = answering(200, gzip.compress(body), **{"Content-Encoding": "gzip"}) if compressed else answering(200, body)
    error = await failure(handler, READ)

    assert Unavailable is type(error)
    assert "more than" in error.message


async def test_a_slow_answer_is_given_up():
    """Total time is bounded, even where bytes keep dripping."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    error = await asyncio.wait_for(failure(drip, WRITE), 3)

    assert (Unavailable, Effect.MAYBE) == (type(error), error.effect)


async def test_no_connection_means_no_effect():
    """Where nobody listens, nothing can have happened."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with session(f"http://127.0.0.1:{port}") as opened:
        with pytest.raises(Unavailable) as caught:
            await opened.call(WRITE)

    assert Effect.NONE is caught.value.effect


async def test_a_connection_that_breaks_leaves_a_doubt():
    """The request was out when the line went dead."""

    async def drop(request: web.Request) -> web.Response:
        request.transport.abort()
        return web.Response()

    error = await failure(drop, WRITE)

    assert (Unavailable, Effect.MAYBE) == (type(error), error.effect)


async def test_errors_tell_no_secrets_and_name_nobody():
    """Neither token, nor address, nor number, nor the rest of the body; the vendor's message stays, short."""
    message = "ada@example.com or +1 (888) 888-8888 is taken\n\x1b[31m" + "x" * 1_000
    error = await failure(answering(400, orjson.dumps({"message": message, "name": "Ada Vance"})), WRITE)
    text = f"{error} {error!r} {error.__cause__!r}"

    assert "is taken" in text
    assert not [leak for leak in (TOKEN, "ada@", "888", "Vance", "\x1b", "\n") if leak in str(error)]
    assert len(error.message) < 360


async def test_a_call_carries_what_it_should():
    """Query and path are encoded, the body is JSON, the credential is there."""
    seen = {}

    async def look(request: web.Request) -> web.Response:
        seen.update(path=request.raw_path, body=await request.read(), headers=dict(request.headers))
        return web.json_response({"ok": True})

    operation = Operation(name="w", method="PUT", path="/a/{thing_id}/b", writes=True, headers={"Version": "1"})
    async with served(look) as opened:
        await opened.call(
            operation, ids={"thing_id": "x-Y_9"}, query={"at.gte": "2024-01-01T00:00:00+00:00", "q": "a&b"}, body={"a": "é"}
        )

    assert "/a/x-Y_9/b?at.gte=2024-01-01T00:00:00%2B00:00&q=a%26b" == seen["path"]
    assert {"a": "é"} == orjson.loads(seen["body"])
    assert ("1", "application/json", f"Bearer {TOKEN}") == tuple(
        seen["headers"][name] for name in ("Version", "Content-Type", "Authorization")
    )


@pytest.mark.parametrize("value", ["", "a/b", "../x", "a?b", "a#b", "é", "a b", "x" * 65, "a\n", "%2e"])
def test_what_is_no_id_gets_into_no_path(value):
    """An id from outside cannot lead a call elsewhere."""
    with pytest.raises(Rejected):
        fill("/a/{id}", {"id": value}, system=SystemName("v"))


@pytest.mark.parametrize(
    "text",
    [
        "http://api.example.com",
        "http://169.254.169.254",
        "http://[::ffff:127.0.0.1]",
        "http://127.0.0.1.example.com",
        "http://2130706433",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://user@api.example.com",
        "https://api.example.com?x=1",
        "https://",
        "api.example.com",
        "",
        "https://api.example.com:99999",
    ],
)
def test_an_address_that_would_leak_the_credential_is_refused(text):
    """Plain http reaches this machine only."""
    with pytest.raises(UserError):
        check_base_url(text)


@pytest.mark.parametrize(
    "text",
    ["https://api.example.com", "https://api.example.com/v2/", "http://127.0.0.5:8080", "http://[::1]:1", "http://localhost:99"],
)
def test_an_honest_address_is_taken(text):
    """https anywhere, http at home."""
    assert text.rstrip("/") == str(check_base_url(text)).rstrip("/")


async def test_a_prefix_of_the_address_is_kept():
    """A base address may have a path of its own."""
    seen = []

    async def look(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({})

    async with served(look) as opened:
        opened._base = opened._base / "v2"
        await opened.call(READ)

    assert ["/v2/thing"] == seen


async def test_the_vendors_clock_is_measured():
    """To a second and half a round trip, from the Date header."""
    ahead = datetime.now(UTC) + timedelta(seconds=90)
    async with served(answering(200, Date=format_datetime(ahead, usegmt=True))) as opened:
        await opened.call(READ)
        skew = opened.skew()

    assert abs(skew.offset - 90 * SECOND) <= skew.error
    assert SECOND <= skew.error < 2 * SECOND


def test_the_tightest_recent_measurement_is_kept():
    """A slow answer does not blur a quick one; an old one is forgotten."""
    meter = SkewMeter()
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    at = 1_700_000_000 * SECOND
    meter.measure(date, answered_at=at, round_trip_s=0.1)
    tight = meter.skew()
    meter.measure(date, answered_at=at, round_trip_s=4.0)
    kept = meter.skew()
    meter.measure("nonsense", answered_at=at, round_trip_s=0.0)
    meter.measure(date, answered_at=at + 3_600 * SECOND, round_trip_s=4.0)

    assert tight == kept
    assert -3_598 * SECOND == meter.skew().offset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Contact with id a1B2 not found", "Contact with id a1B2 not found"),
        ("x@y.z!", "…"),
        ("a\tb", "a b"),
        ("no [trace eda9b403-aff8-4398-5810-942212345678]", "no [trace eda9b403-aff8-4398-5810-942212345678]"),
        ("+1 212-555-0100 is taken [trace 94221234-1111-4398-5810-942212345678]", "… is taken [trace 94221234-1111-4398-5810-942212345678]"),
    ],
)
def test_a_message_is_kept_without_persons(text, expected):
    """What says something about the mistake stays readable."""
    assert expected == clean(text)
