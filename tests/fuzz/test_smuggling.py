"""Requests that two readers would read differently: none hides a second delivery in the first, and after each the connection ends."""

from __future__ import annotations

import asyncio

from syncd.flow.server import Limits
from tests.flow.doors import door, from_ghl
from tests.fuzz.bodies import GHL, request

HEADERS, BODY = from_ghl(1)
HIDDEN = request(GHL, *from_ghl(666))
LENGTH, HIDDEN_LENGTH = b"%d" % len(BODY), b"%d" % len(HIDDEN)
START = "\r\n".join(["POST /hooks/ghl HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in HEADERS.items()), ""]).encode()
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
CHUNKS = CHUNK + b"0\r\n\r\n"


def lengths(*lines: bytes) -> bytes:
    """A genuine delivery with these lines about its length."""
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + BODY


def chunks(*lines: bytes, body: bytes = CHUNKS) -> bytes:
    """A genuine delivery in chunks, with these lines about them."""
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


# Each is a genuine delivery but for one thing, and is followed by another, which only a reader that was led astray takes for a request.
CORPUS = {
    "chunked and a length": chunks(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(CHUNKS)),
    "a length and chunked": lengths(b"Content-Length: " + LENGTH, b"Transfer-Encoding: chunked"),
    "two lengths": lengths(b"Content-Length: " + LENGTH, b"Content-Length: %d" % (len(BODY) + len(HIDDEN))),
    "two equal lengths": lengths(*[b"Content-Length: " + LENGTH] * 2),
    "two lengths in one line": lengths(b"Content-Length: %b, %b" % (LENGTH, LENGTH)),
    "a length with a plus": lengths(b"Content-Length: +" + LENGTH),
    "a length with a minus": lengths(b"Content-Length: -" + LENGTH),
    "a length in hex": lengths(b"Content-Length: 0x%x" % len(BODY)),
    "a length with an underscore": lengths(b"Content-Length: 1_" + LENGTH),
    "a length of other digits": lengths("Content-Length: ٢".encode()),
    "a length of none": lengths(b"Content-Length: "),
    "chunked twice": chunks(*[b"Transfer-Encoding: chunked"] * 2),
    "chunked in a list": chunks(b"Transfer-Encoding: chunked, identity"),
    "chunked misspelt": chunks(b"Transfer-Encoding: xchunked"),
    "a tab before chunked": lengths(b"Transfer-Encoding:\tchunked", b"Content-Length: " + LENGTH),
    "a blank before the colon": lengths(b"Transfer-Encoding : chunked", b"Content-Length: " + LENGTH),
    "chunked quoted": chunks(b'Transfer-Encoding: "chunked"'),
    "chunked on an older version": lengths(b"Transfer-Encoding: chunked", b"Content-Length: " + LENGTH).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "a folded line": lengths(b"X: a", b" Content-Length: 100", b"Content-Length: " + LENGTH),
    "a bare carriage return": lengths(b"X: a\rContent-Length: 100", b"Content-Length: " + LENGTH),
    "a NUL in a value": lengths(b"X: a\x00b", b"Content-Length: " + LENGTH),
    "a NUL in a name": lengths(b"X\x00Y: a", b"Content-Length: " + LENGTH),
    "two hosts": lengths(b"Host: y", b"Content-Length: " + LENGTH),
    "two equal hosts": lengths(b"Host: x", b"Content-Length: " + LENGTH),
    "a chunk size with a plus": chunks(b"Transfer-Encoding: chunked", body=b"+" + CHUNKS),
    "a chunk size with a minus": chunks(b"Transfer-Encoding: chunked", body=b"-" + CHUNKS),
    "a chunk size in hex notation": chunks(b"Transfer-Encoding: chunked", body=b"0x" + CHUNKS),
    "a chunk size that overflows": chunks(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n" + BODY),
    "a chunk longer than it says": chunks(b"Transfer-Encoding: chunked", body=CHUNK[:-2] + b"{}\r\n0\r\n\r\n"),
    "a chunk's end by a line feed": chunks(b"Transfer-Encoding: chunked", body=CHUNKS.replace(b"\r\n", b"\n")),
    "a body shorter than it says": lengths(b"Content-Length: %d" % (len(BODY) + len(HIDDEN))),
    "an upgrade": lengths(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: " + LENGTH),
    "a clear-text upgrade": lengths(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"Content-Length: " + LENGTH),
    "a tunnel": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 by name": lengths(b"Content-Length: " + LENGTH).replace(b"HTTP/1.1", b"HTTP/2.0", 1),
    "something else expected": lengths(b"Expect: tea", b"Content-Length: " + LENGTH),
    "bare line feeds": START.replace(b"\r\n", b"\n") + b"Content-Length: " + LENGTH + b"\n\n" + BODY,
}


async def spoken(here, sent: bytes) -> bytes:
    """What is answered until the connection ends."""
    reader, writer = await asyncio.open_connection(here.host, here.port)
    said = b""
    try:
        async with asyncio.timeout(20):
            writer.write(sent)
            while part := await reader.read(65_536):
                said += part
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return said


async def test_no_request_hides_in_another(tmp_path):
    """A refusal and an end; nothing is stored, neither the one nor what was hidden behind it; never is it our fault."""
    quick = Limits(head_s=0.5, body_s=0.5, idle_s=0.5, spared_idle_s=0.5)
    async with door(tmp_path, limits=quick) as here:
        said = {what: await spoken(here, first + HIDDEN) for what, first in CORPUS.items()}
        stored = await here.stored()
        assert 200 == await here.post("/hooks/ghl", *from_ghl(2))

    assert {} == {what: each[:80] for what, each in said.items() if each.count(b"HTTP/1.") > 1 or (each and each[9:10] != b"4")}
    assert 0 == stored


async def test_the_corpus_is_genuine_but_for_one_thing(tmp_path):
    """With nothing wrong both the delivery and the one behind it are taken: the refusals above are for what is wrong."""
    async with door(tmp_path, limits=Limits(spared_idle_s=0.5)) as here:
        for first in (lengths(b"Content-Length: " + LENGTH), chunks(b"Transfer-Encoding: chunked")):
            assert 2 == (await spoken(here, first + HIDDEN)).count(b"HTTP/1.1 200 OK")
        assert 2 == await here.stored()
