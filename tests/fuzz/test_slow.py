"""Five hundred who keep the listener waiting, and one who does not."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

from tests.flow.doors import JSON, door, from_ghl
from tests.fuzz.bodies import GHL, request
from tests.fuzz.throwing import Lane, watching

SLOW = 500
LASTS_S = 8.0
P99_S_MAX = 5.0
CLOSED_S_MAX = 20.0
GROWN_MIB_MAX = 96
BYTE_EVERY_S = 0.4
LOOKS_S = 7.0
HALF_A_HEAD = b"POST /hooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Slow: "
HALF_A_BODY = request(GHL, JSON, b"", length=4_000)
ASKED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


class Slow(asyncio.Protocol):
    """One slow client: says little, a byte now and then, or asks much and never reads."""

    def __init__(self, number: int) -> None:
        self.kind = number % 4
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write((b"", HALF_A_HEAD, HALF_A_BODY, ASKED * 100)[self.kind])
        if self.kind == 3:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            transport.pause_reading()
            # Who does not read is not told of the end: he looks at last, to see whether it came.
            asyncio.get_running_loop().call_later(LOOKS_S, transport.resume_reading)
        self.drip()

    def drip(self) -> None:
        if not self.gone.done():
            if self.kind in (1, 2):
                self.transport.write(b"a")
            asyncio.get_running_loop().call_later(BYTE_EVERY_S, self.drip)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


async def keep_waiting(here, number: int) -> float:
    """The seconds until it was sent away."""
    began = time.monotonic()
    with suppress(ConnectionError):
        _, slow = await asyncio.get_running_loop().create_connection(lambda: Slow(number), here.host, here.port)
        await slow.gone
    return time.monotonic() - began


async def test_the_honest_one_is_served_beside_the_slow(tmp_path, capsys):
    """All of his deliveries are taken, at once; the slow ones are sent away, and take neither the loop nor memory."""
    times: list[float] = []
    lives: list[float] = []
    async with door(tmp_path) as here, watching() as watch, asyncio.timeout(60):
        ends_at = time.monotonic() + LASTS_S

        async def slow(number: int) -> None:
            while time.monotonic() < ends_at:
                lives.append(await keep_waiting(here, number))

        crowd = [asyncio.create_task(slow(number)) for number in range(SLOW)]
        lane, number = Lane(here.host, here.port), 0
        while time.monotonic() < ends_at:
            number += 1
            if number % 2:
                lane.close()
            raw, began = request(GHL, *from_ghl(number)), time.monotonic()
            status, _ = await lane.throw(raw)
            times.append(time.monotonic() - began)
            assert 200 == status
            await asyncio.sleep(0.01)
        lane.close()
        await asyncio.gather(*crowd)
        stored = await here.stored()

    times.sort()
    p99_s = times[len(times) * 99 // 100]
    with capsys.disabled():
        print(
            f"\n{SLOW} slow clients beside an honest one: {len(times)} honest deliveries, p50 {times[len(times) // 2] * 1e3:.0f} ms, p99 {p99_s * 1e3:.0f} ms; "
            f"{len(lives)} slow connections, the longest {max(lives):.1f} s; memory +{watch.grown_mib:.1f} MiB, the loop kept {watch.kept_s * 1e3:.0f} ms at most"
        )
    assert number == stored
    assert p99_s < P99_S_MAX
    assert max(lives) < CLOSED_S_MAX
    assert watch.grown_mib < GROWN_MIB_MAX
