"""Throwing requests at a listener over real sockets, and watching what it does to the process meanwhile.

`Lane` is one connection that is opened anew when it ends; `Watch` sees how long the event loop was kept, and how much memory was taken.
The rule that keeps it true: everything is seen from outside, by bytes that come back; a silence has a bound.
It must not know: what is thrown.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path

SILENCE_S = 0.1
ALLOWED_S = 30.0


class Lane:
    """One connection at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def throw(self, raw: bytes, *, may_be_silent: bool = False) -> tuple[int | None, bytes]:
        """The status and the whole answer; None where the connection ended or, if it may be silent, nothing came."""
        kept = self._pair is not None
        if self._pair is None:
            self._pair = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
        reader, writer = self._pair
        try:
            async with asyncio.timeout(SILENCE_S if may_be_silent else ALLOWED_S):
                writer.write(raw)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
        except TimeoutError:
            assert may_be_silent, f"no answer to {raw[:300]!r}"
            self.close()
            return None, b""
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return (None, b"") if may_be_silent or not kept else await self.throw(raw)
        if may_be_silent or b"connection: close" in head.lower() or head.startswith(b"HTTP/1.0"):
            self.close()
        return int(head[9:12]), head + body

    def close(self) -> None:
        if self._pair is not None:
            self._pair[1].transport.abort()
            self._pair = None


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


class Watch:
    """What was seen: the longest the loop was kept, and the memory at the beginning and the most of it."""

    def __init__(self) -> None:
        self.kept_s = 0.0
        self.began_bytes = self.most_bytes = resident_bytes()

    @property
    def grown_mib(self) -> float:
        return (self.most_bytes - self.began_bytes) / (1 << 20)


@asynccontextmanager
async def watching():
    """A `Watch` for the length of the block."""
    watch = Watch()

    async def look():
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            watch.kept_s = max(watch.kept_s, time.monotonic() - before - 0.02)
            watch.most_bytes = max(watch.most_bytes, resident_bytes())

    task = asyncio.create_task(look())
    try:
        yield watch
    finally:
        task.cancel()


def resident_bytes() -> int:
    """What this process really holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
