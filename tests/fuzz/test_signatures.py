"""Signatures that are no text at all: what compares them must be told bytes, and must not fail."""

from __future__ import annotations

from random import Random

import pytest

from syncd.flow.sources import Buckets
from tests.flow.doors import PATH_SECRET, door, from_ghl, from_octopus
from tests.fuzz.throwing import Lane

ODD = ["é".encode(), "é".encode("latin-1"), b"sha256=\xc3\xa9", b"\xff" * 40, b"", b" ", b"=", b"sha256=", b"sha256", b"v1,", b"a" * 4_000, "אבג".encode(), b"\x80\x81"]
TRIES = 120


@pytest.mark.parametrize(
    ("path", "header", "made"),
    [("/hooks/ghl", "X-GHL-Signature", from_ghl), ("/hooks/octopus", "EmailOctopus-Signature", from_octopus), ("/hooks/trail", "X-Syncd-Secret", lambda: ({}, b"{}"))],
)
async def test_an_odd_signature_is_a_refusal_and_no_fault_of_ours(tmp_path, path, header, made):
    """In the header, twice in it, and for a secret in the path: 400, 401 or 404, never a 5xx; nothing is stored, and the good one is taken after."""
    random = Random(1)
    headers, body = made()
    tried = [*ODD, *(random.randbytes(random.randrange(1, 90)).translate(None, b"\r\n\0") for _ in range(TRIES))]
    seen = set()
    async with door(tmp_path, wrong=Buckets(burst=1e9, per_s=1)) as here:
        lane = Lane(here.host, here.port)
        for odd in tried:
            for line in (odd, odd + b"\r\n" + header.encode() + b": " + odd):
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{header}: ".encode()
                status, _ = await lane.throw(head + line + b"\r\n\r\n" + body)
                seen.add(status)
        lane.close()
        stored = await here.stored()
        good = [await here.post(path, headers, body)] if headers else []

    assert seen <= {400, 401, 404}
    assert stored == 0
    assert [200] * len(good) == good


async def test_an_odd_secret_in_the_path_is_a_refusal(tmp_path):
    """Percent-encoded bytes that are no text, and all but the last letter of the right one."""
    async with door(tmp_path, wrong=Buckets(burst=1e9, per_s=1)) as here:
        lane = Lane(here.host, here.port)
        statuses = [
            (await lane.throw(f"POST /hooks/trail/{odd} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode()))[0]
            for odd in ("%C3%A9", "%FF%FE", "%00", "é", PATH_SECRET[:-1] + "0" if PATH_SECRET[-1] != "0" else "1", PATH_SECRET + "%C3%A9")
        ]
        lane.close()

    assert set(statuses) <= {400, 401, 404}, statuses
