"""A load generator in a process of its own: sends prepared requests over a few connections, as fast as they are answered.

`run` starts it; `python -m tests.bench.load FILE HOST PORT CONNECTIONS` is what it starts.
The rule that keeps it true: requests are whole HTTP messages made beforehand, so that the sender costs far less than the server.
It must not know: what is in a request.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import orjson

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """One whole HTTP request."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def run(requests: list[bytes], host: str, port: int, connections: int = 128) -> dict:
    """Sends all of them from another process; answers the rate, the statuses and the slowest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests"
        file.write_bytes(orjson.dumps([each.decode("latin-1") for each in requests]))
        arguments = [sys.executable, "-m", "tests.bench.load", str(file), host, str(port), str(connections)]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
    return orjson.loads(out)


async def _send(requests: list[bytes], host: str, port: int, connections: int) -> dict:
    queue, statuses, times = iter(requests), Counter(), []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for each in queue:
            began = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            if length is not None and int(length[1]):
                await reader.readexactly(int(length[1]))
            statuses[head[9:12].decode()] += 1
            times.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    took = time.perf_counter() - began
    times.sort()
    return {"rate": len(requests) / took, "statuses": dict(statuses), "p50_ms": times[len(times) // 2] * 1e3, "p99_ms": times[len(times) * 99 // 100] * 1e3}


if __name__ == "__main__":
    file, host, port, connections = sys.argv[1:]
    prepared = [each.encode("latin-1") for each in orjson.loads(Path(file).read_bytes())]
    sys.stdout.write(orjson.dumps(asyncio.run(_send(prepared, host, int(port), int(connections)))).decode())
