"""The entrance: who is turned away before he is heard, and who never is."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from syncd.core.record import SystemName
from syncd.flow.entrance import TURNED_AWAY, Doorkeeper, Queue
from syncd.flow.server import Limits
from syncd.flow.sources import Buckets
from syncd.store import arrivals
from syncd.store.arrivals import Hearing
from tests.flow.doors import JSON, door, from_ghl
from tests.flow.world import logger
from tests.fuzz.bodies import request

FORGED = request("/hooks/ghl", {**JSON, "X-GHL-Signature": "A" * 86 + "=="}, b"{}")
FORGER, VENDOR = "127.0.0.9", "127.0.0.7"
ALLOWED_S = 20.0
PROXY = (ip_network("127.0.0.9/32"),)
BEHIND, BESIDE = "198.51.100.1", "203.0.113.7"


def passed_on(raw: bytes, *sources: str) -> bytes:
    """A request as a proxy passes it on, with a line for each hop."""
    return raw.replace(b"Host: x\r\n", b"Host: x\r\n" + b"".join(b"X-Forwarded-For: %b\r\n" % each.encode() for each in sources), 1)


def keeper(*, each: float = 2, unknown: float = 100, spared=()) -> Doorkeeper:
    return Doorkeeper(Buckets(burst=each, per_s=0), Buckets(burst=unknown, per_s=0), spared, lambda: 0.0, logger()[0])


def test_a_peer_comes_in_so_often():
    """Each counts for himself, a whole IPv6 customer as one; who is spared does not count."""
    door = keeper(spared=(ip_network("10.0.0.0/8"),))

    assert [True, True, False] == [door.lets_in("203.0.113.7") for _ in range(3)]
    assert [True, True, False] == [door.lets_in(f"2001:db8:1:2::{number}") for number in range(3)]
    assert [True] * 9 == [door.lets_in("10.1.2.3") for _ in range(9)]


def test_who_brings_something_good_comes_in_as_often_as_he_likes():
    """For that he came is then not counted."""
    door = keeper()
    for _ in range(100):
        assert door.lets_in("203.0.113.7")
        door.pardon("203.0.113.7")


def test_many_who_bring_nothing_do_not_keep_out_who_once_did():
    """All strangers together come in so often, however many they are; who is known does not stand in their line."""
    door = keeper(each=1_000, unknown=5)
    assert door.lets_in("203.0.113.7")
    door.pardon("203.0.113.7")

    assert 5 == sum(door.lets_in(f"198.51.100.{number}") for number in range(200))
    assert [True] * 50 == [door.lets_in("203.0.113.7") for _ in range(50)]


def test_known_ones_take_a_bounded_memory():
    """The first to have become known is forgotten first, and is a stranger again."""
    door = keeper(unknown=100_000)
    for number in range(10_000):
        door.pardon(f"10.{number >> 8}.{number & 255}.1")

    assert len(door._known) <= 4_096


def test_a_queue_gives_lines():
    """Each is one more way in to the same queue."""
    queue = Queue()
    with queue.at("127.0.0.1", 0) as first, queue.at("127.0.0.1", 0) as second:
        first.listen()
        with socket.create_connection(first.getsockname()) as caller:
            taken, address = second.accept()
            taken.close()
            assert caller.getsockname() == address
    queue.close()


@asynccontextmanager
async def called(here, source: str):
    """A raw connection from an address."""
    reader, writer = await asyncio.open_connection(here.host, here.port, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answered(here, source: str, raw: bytes) -> bytes:
    """The head of the answer to one request on a connection of its own."""
    async with called(here, source) as (reader, writer), asyncio.timeout(ALLOWED_S):
        writer.write(raw)
        return await reader.readuntil(b"\r\n\r\n")


async def statuses(here, source: str, raws: list[bytes]) -> list[int]:
    return [int((await answered(here, source, raw))[9:12]) for raw in raws]


async def refused(here) -> dict[str, int]:
    """How often each reason was counted."""
    await here.world.engine.tally.keep(here.world.engine.database)
    heard = await here.world.read(lambda tx: arrivals.heard_from(tx, SystemName("ghl")))
    return {each.word: each.count for each in heard.each if each.what is Hearing.REFUSED}


def strict(**other) -> Limits:
    return Limits(**{"spared": (), "wrong_burst": 3, "wrong_per_s": 0, **other})


async def test_who_brings_nothing_good_is_turned_away_unheard(tmp_path):
    """Three tries; then he is told to come again, by an answer that cost no look at what he sent. Others are served, however many their connections."""
    async with door(tmp_path, limits=strict()) as here:
        assert [401] * 3 + [429] * 20 == await statuses(here, FORGER, [FORGED] * 23)
        assert {"forged": 3} == await refused(here)
        assert [200] * 20 == await statuses(here, VENDOR, [request("/hooks/ghl", *from_ghl(number)) for number in range(20)])
        assert 20 == await here.stored()


async def test_whatever_was_asked_for_counts(tmp_path):
    """Also what is no delivery, or no request at all."""
    asked = [b"GET /.env HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n", FORGED]
    async with door(tmp_path, limits=strict()) as here:
        assert [404, 400, 401, 429] == await statuses(here, FORGER, [*asked, FORGED])


async def test_who_is_turned_away_can_read_it_and_come_again(tmp_path):
    """He hears 429 and when to come again, also if he sends slowly and more than is looked at; the operator is told once."""
    async with door(tmp_path, limits=strict(wrong_burst=1)) as here:
        await answered(here, FORGER, FORGED)
        async with called(here, FORGER) as (reader, writer), asyncio.timeout(ALLOWED_S):
            for _ in range(3):
                writer.write(b"POST /hooks/ghl HTTP/1.1\r\n" + b"X: " + b"a" * 50_000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 429 ") and b"retry-after: 5" in head and b"connection: close" in head
        async with asyncio.timeout(ALLOWED_S):
            while not here.world.log("http.turned_away"):
                await asyncio.sleep(0.05)
        assert [(1, FORGER)] == [(each["count"], each["source"]) for each in here.world.log("http.turned_away")]
        async with asyncio.timeout(ALLOWED_S):
            while here.connections():
                await asyncio.sleep(0.05)


async def test_what_is_genuine_and_of_no_use_does_not_count(tmp_path):
    """A vendor that tells of other accounts as well keeps being heard."""
    others = [request("/hooks/ghl", *from_ghl(number, locationId="ANOTHER")) for number in range(20)]
    async with door(tmp_path, limits=strict()) as here:
        assert [403] * 20 + [200] == await statuses(here, VENDOR, [*others, request("/hooks/ghl", *from_ghl())])


async def test_a_proxy_is_not_turned_away_for_one_behind_it(tmp_path):
    """Each forged request that it passes on is refused by itself, and the honest ones beside it are taken, over as many connections as it likes."""
    async with door(tmp_path, limits=strict(spared=PROXY), proxies=PROXY) as here:
        for number in range(20):
            good = passed_on(request("/hooks/ghl", *from_ghl(number)), BESIDE)
            assert [401, 200] == await statuses(here, FORGER, [passed_on(FORGED, BEHIND), good])
        assert ({"forged": 20}, 20) == (await refused(here), await here.stored())
        assert [] == here.world.log("http.turned_away")


async def all_at_once(here, raws: list[bytes]) -> list[bytes]:
    """The answers to requests that were all there before the first of them was looked at."""
    calls = []
    for raw in raws:
        call = socket.create_connection((here.host, here.port), source_address=(FORGER, 0))
        call.sendall(raw)
        calls.append(call)

    async def heard(call: socket.socket) -> bytes:
        reader, writer = await asyncio.open_connection(sock=call)
        try:
            async with asyncio.timeout(ALLOWED_S):
                return await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.transport.abort()

    return await asyncio.gather(*map(heard, calls))


async def test_who_has_no_tries_left_is_turned_away_before_his_request_is_made_one(tmp_path):
    """Also behind a proxy, by what the proxy says of him, which is the last it says; others behind it, other addresses and other methods are heard.
    What is refused so is counted and told as any other.
    """
    async with door(tmp_path, limits=strict(spared=PROXY), proxies=PROXY, wrong=Buckets(burst=1, per_s=0)) as here:
        assert [401] == await statuses(here, FORGER, [passed_on(FORGED, BEHIND)])
        shut = [passed_on(FORGED, BEHIND), passed_on(FORGED, BESIDE, BEHIND), passed_on(FORGED, f"{BESIDE}, {BEHIND}"), passed_on(FORGED, BEHIND).replace(b"X-F", b"x-f")]
        told_in_body = passed_on(request("/hooks/ghl", JSON, b"\r\nX-Forwarded-For: 198.51.100.1\r\n"), "192.0.2.1")
        heard = [
            passed_on(request("/hooks/ghl", *from_ghl()), BESIDE), passed_on(FORGED, BEHIND, "192.0.2.2"), told_in_body,
            passed_on(request("/hooks/octopus", JSON, b"{}"), BEHIND), passed_on(request("/hooks/ghl", JSON, b"", method="GET"), BEHIND),
        ]  # fmt: skip
        answers = await all_at_once(here, shut + heard)

        assert [TURNED_AWAY] * len(shut) == answers[: len(shut)]
        assert [b"200", b"401", b"401", b"401", b"405"] == [each[9:12] for each in answers[len(shut) :]]
        assert len(shut) == (await refused(here))["too often"]
        assert [BEHIND] == [each["source"] for each in here.world.log("webhook.slowed")]


async def test_who_begins_late_is_turned_away_as_well(tmp_path):
    """He was let in before he said anything; he can read the answer whatever he still sends, and then the connection ends, by him or by us."""
    limits = strict(spared=PROXY, answer_s=0.5)
    async with door(tmp_path, limits=limits, proxies=PROXY, wrong=Buckets(burst=1, per_s=0)) as here:
        assert [401] == await statuses(here, FORGER, [passed_on(FORGED, BEHIND)])
        async with called(here, FORGER) as (reader, writer), asyncio.timeout(ALLOWED_S):
            while not here.connections():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            writer.write(passed_on(FORGED, BEHIND))
            for _ in range(3):
                writer.write(b"a" * 50_000)
                await writer.drain()
                await asyncio.sleep(0.05)
            assert TURNED_AWAY == await reader.read()
            while here.connections():
                await asyncio.sleep(0.05)
        assert {"forged": 1, "too often": 1} == await refused(here)
        assert b"200" == (await answered(here, FORGER, passed_on(request("/hooks/ghl", *from_ghl()), BESIDE)))[9:12]


async def test_no_more_are_let_in_than_are_looked_at(tmp_path):
    """Those who call before the first of them was looked at count as well."""
    async with door(tmp_path, limits=strict(spared=PROXY, connections_max=8), proxies=PROXY) as here:
        answers = await all_at_once(here, [passed_on(FORGED, BEHIND)] * 60)
        assert answers.count(TURNED_AWAY) >= 40


async def test_many_genuine_ones_at_once_are_all_taken(tmp_path):
    """However many come through a proxy at once, and again and again: what they cost is given back each time."""
    async with door(tmp_path, limits=strict(spared=PROXY, connections_max=100), proxies=PROXY) as here:
        for turn in range(4):
            raws = [passed_on(request("/hooks/ghl", *from_ghl(turn * 90 + number)), BESIDE) for number in range(90)]
            assert [b"200"] * 90 == [each[9:12] for each in await all_at_once(here, raws)]
        assert 360 == await here.stored()


async def test_a_kept_connection_serves_on_while_its_source_is_shut_out(tmp_path):
    """Who has proven himself is heard on the connection he has, whatever comes from his address beside it."""
    async with door(tmp_path, limits=strict()) as here, called(here, FORGER) as (reader, writer), asyncio.timeout(ALLOWED_S):
        for number in range(5):
            writer.write(request("/hooks/ghl", *from_ghl(number)))
            assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
            await reader.readuntil(b"\r\n\r\n")
            await statuses(here, FORGER, [FORGED] * 2)
        assert [429] == await statuses(here, FORGER, [FORGED])


@pytest.mark.parametrize("spared", [(), (ip_network("127.0.0.0/8"),)])
async def test_pipelined_forgeries_are_looked_at_once(tmp_path, spared):
    """After the first refusal the rest of what came over the connection is not looked at."""
    async with door(tmp_path, limits=strict(spared=spared)) as here:
        assert 401 == int((await answered(here, FORGER, FORGED * 200))[9:12])
        assert {"forged": 1} == await refused(here)
