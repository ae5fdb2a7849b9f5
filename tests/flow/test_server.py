"""The server on raw sockets: who keeps it waiting is sent away, who crowds it gives way, and no answer says what it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

from aiohttp import web

from syncd.flow.server import Limits, Server, answer
from tests.flow.doors import door, from_ghl, signed
from tests.flow.world import logger

QUICK = {"head_s": 0.5, "body_s": 0.5, "answer_s": 0.5, "idle_s": 1.5, "spared_idle_s": 60.0}
STARTED = b"POST /hooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
NOWHERE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ALLOWED_S = 20.0


def limits(**other) -> Limits:
    return Limits(**{**QUICK, **other})


def written(headers, body, path="/hooks/ghl"):
    """One whole request."""
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connection(here, **how):
    """A raw connection, closed at the end."""
    reader, writer = await asyncio.open_connection(here.host, here.port, **how)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def heard(reader) -> bytes:
    """Everything until the other side ends it, however it does."""
    said = b""
    async with asyncio.timeout(ALLOWED_S):
        try:
            while part := await reader.read(65_536):
                said += part
        except ConnectionError:
            pass
    return said


WAITING = {
    "nothing at all": (b"", b""),
    "half a request line": (b"POST /hoo", b""),
    "half a head": (STARTED, b""),
    "half a body": (STARTED + b"Content-Length: 100\r\n\r\n{", b"HTTP/1.1 408"),
    "half a chunk": (STARTED + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 408"),
    "no body where one is waited for": (STARTED + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", b"HTTP/1.1 100"),
    "a request, then nothing": (NOWHERE, b"HTTP/1.1 404"),
    "a request, then half a head": (NOWHERE + STARTED, b"HTTP/1.1 404"),
    "a refused one with more to come": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"HTTP/1.1 404"),
    "a byte now and then": (STARTED + b"X: ", b""),
    "a body's byte now and then": (STARTED + b"Content-Length: 1000\r\n\r\n", b"HTTP/1.1 408"),
}


async def test_who_keeps_us_waiting_is_sent_away(tmp_path):
    """However far he came, and however often he sends a byte, the connection ends by itself."""
    async with door(tmp_path, limits=limits()) as here:

        async def wait(what, sent):
            async with connection(here) as (reader, writer):
                writer.write(sent)
                hearing = asyncio.create_task(heard(reader))
                while not hearing.done():
                    await asyncio.sleep(0.1)
                    if "now and then" in what:
                        writer.write(b"a")
                return (await hearing)[:12]

        expected = {what: answered for what, (_, answered) in WAITING.items()}
        assert expected == dict(zip(WAITING, await asyncio.gather(*(wait(what, sent) for what, (sent, _) in WAITING.items())), strict=True))


async def test_who_does_not_read_is_sent_away(tmp_path):
    """Whoever asks and asks and never takes an answer fills nothing but his own line."""
    async with door(tmp_path, limits=limits()) as here, connection(here, limit=1) as (_, writer):
        writer.transport.get_extra_info("socket").setsockopt(1, 8, 4_096)
        writer.transport.pause_reading()
        async with asyncio.timeout(ALLOWED_S):
            while here.connections():
                with suppress(TimeoutError, ConnectionError):
                    writer.write(NOWHERE * 1_000)
                    await asyncio.wait_for(writer.drain(), 0.5)


async def test_who_proved_himself_may_stay_a_while(tmp_path):
    """A kept connection serves the next delivery; a stranger's would be gone by then."""
    async with door(tmp_path, limits=limits()) as here, connection(here) as (reader, writer):
        for number in range(2):
            writer.write(written(*from_ghl(number)))
            assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(1.2)

        assert 2 == await here.stored()


async def test_at_the_bound_the_longest_waiting_gives_way(tmp_path):
    """The honest one comes in however many sit there, and those that sit longest are gone."""
    async with door(tmp_path, limits=limits(connections_max=8, head_s=60.0)) as here:
        sitting = [await asyncio.open_connection(here.host, here.port) for _ in range(30)]
        async with connection(here) as (reader, writer):
            writer.write(written(*from_ghl()))
            assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
            assert here.connections() <= 8
        assert [b""] * 20 == [await heard(reader) for reader, _ in sitting[:20]]
        for _, writer in sitting:
            writer.transport.abort()


async def test_nothing_is_kept_of_who_has_gone():
    """However many came and went, each by his own way: the server knows only of those who are there."""

    async def nothing(_):
        return answer(404)

    server = Server(nothing, limits(), logger()[0])
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    for number in range(20):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write((b"", NOWHERE, STARTED, b"nonsense\r\n\r\n")[number % 4])
        if number % 2:
            await heard(reader)
        writer.transport.abort()
    async with asyncio.timeout(ALLOWED_S):
        while server.present:
            await asyncio.sleep(0.02)
    await runner.cleanup()

    assert (set(), {}) == (server.present, server._of)


async def test_one_source_crowds_out_itself_only(tmp_path):
    """A source has so many connections; a peer that speaks for many has as many as there are."""
    spared = (ip_network("127.0.0.1/32"),)
    async with door(tmp_path, limits=limits(of_one_source_max=3, head_s=60.0, spared=spared)) as here:
        crowd = [await asyncio.open_connection(here.host, here.port, local_addr=("127.0.0.9", 0)) for _ in range(10)]
        many = [await asyncio.open_connection(here.host, here.port) for _ in range(10)]
        assert [b""] * 7 == [await heard(reader) for reader, _ in crowd[:7]]
        assert 13 == here.connections()
        for _, writer in crowd + many:
            writer.transport.abort()


async def test_work_in_hand_is_never_cut_off(tmp_path):
    """A delivery that has come whole is committed and answered, however crowded it is and however long the commit takes."""
    async with door(tmp_path, limits=limits(connections_max=2)) as here:
        gate, call = asyncio.Event(), here.world.engine.database._writer.call

        async def held_up(job):
            await gate.wait()
            return await call(job)

        here.world.engine.database._writer.call = held_up
        async with connection(here) as (reader, writer):
            writer.write(written(*from_ghl()))
            await asyncio.sleep(1.0)
            crowd = [await asyncio.open_connection(here.host, here.port) for _ in range(5)]
            await asyncio.sleep(1.0)
            gate.set()

            assert b"HTTP/1.1 200 OK\r\n" == await asyncio.wait_for(reader.readline(), ALLOWED_S)
        assert 1 == await here.stored()
        for _, crowding in crowd:
            crowding.transport.abort()


ANSWERS = {
    "accepted": written(*from_ghl()),
    "unsigned": written({"Content-Type": "application/json"}, b"{}"),
    "malformed": written(*signed(b"{"), path="/hooks/octopus"),
    "nowhere": NOWHERE,
    "another method": b"PUT /hooks/ghl HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"BREW /hooks/ghl HTTP/1.1\r\nHost: x\r\n\r\n",
    "alive": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a bad version": b"GET / HTTP/9.9.9\r\nHost: x\r\n\r\n",
    "a bad name": b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
    "a long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long head": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "many names": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    "compressed": written({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b nonsense"),
    "an unknown coding": written({"Content-Type": "application/json", "Content-Encoding": "wat"}, b"x"),
    "a page wanted": b"GET /x HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n",
    "an upgrade": b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a broken chunk": b"POST /hooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
}
TELLING = (b"server:", b"aiohttp", b"python", b"syncd", b"traceback", b'file "', b"<html", b"error", b"exception", b"orjson", b"sqlite")


async def test_no_answer_says_what_we_are(tmp_path):
    """No name, no version, no stack, no page, whatever was asked; and never that it is our fault."""
    async with door(tmp_path, limits=limits(spared_idle_s=0.5)) as here:

        async def ask(sent):
            async with connection(here) as (reader, writer):
                writer.write(sent)
                return await heard(reader)

        said = dict(zip(ANSWERS, await asyncio.gather(*map(ask, ANSWERS.values())), strict=True))
    told = {what: [word for word in TELLING if word in each.partition(b"\r\n")[2].lower()] for what, each in said.items()}

    assert {} == {what: each[:60] for what, each in said.items() if not (each.startswith(b"HTTP/1.") and each[9:10] in b"24")}
    assert {} == {what: words for what, words in told.items() if words}


async def test_what_nobody_foresaw_is_told_to_nobody_but_the_log(tmp_path):
    """A number, and the rest for the operator; the next delivery is served as ever."""
    async with door(tmp_path, limits=limits()) as here:
        connector = here.world.engine.connectors["ghl"]
        receive = connector.receive

        def breaks(*_):
            raise RuntimeError("a secret detail")

        connector.receive = breaks
        async with connection(here) as (reader, writer):
            writer.write(written(*from_ghl()))
            said = await heard(reader)
        connector.receive = receive
        events = [call.kwargs.get("event") for call in here.world.logged.calls]

        assert said.startswith(b"HTTP/1.1 500 ") and said.endswith(b"\r\n\r\n") and b"detail" not in said
        assert "http.failed" in events
        assert 200 == await here.post("/hooks/ghl", *from_ghl(2))


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(tmp_path):
    """As some do with larger bodies; refused ones are told so without their body."""
    headers, body = from_ghl()
    async with door(tmp_path, limits=limits()) as here:
        async with connection(here) as (reader, writer):
            writer.write(written({**headers, "Expect": "100-continue"}, body)[: -len(body)])
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
            writer.write(body)
            assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
        async with connection(here) as (reader, writer):
            writer.write(written({**headers, "Expect": "100-continue", "Content-Type": "text/plain"}, body)[: -len(body)])
            said = await heard(reader)
        assert said.startswith(b"HTTP/1.1 415") and b"connection: close" in said.lower()
