"""A flood and an honest sender, each in processes of its own, so that what is measured is the server alone.

`flood` starts forgers, `honest` starts one who sends good deliveries at their pace and keeps the times; `python -m tests.fuzz.flooding WHAT` is
what they start.
The rule that keeps it true: whoever sends costs the server's process nothing, and keeps to his pace however the server does.
It must not know: what is in a request.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

STEP_S = 0.002
PATIENCE_S = 30.0
_BIND_WITHOUT_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT: the port is chosen at the call, so that one address has as many as there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forging:
    """How one process floods: so many a second from one of these addresses. Alone, each request has a connection of its own; else so many are
    written at once on one that is kept as long as it lasts.
    """

    host: str
    port: int
    lasts_s: float
    per_s: float
    sources: tuple[str, ...] = ("127.0.0.9",)
    together: int = 1


async def flood(how: Forging, raw: bytes, *, processes: int = 1) -> int:
    """How many were offered; it ends after its time."""
    share = {**asdict(how), "per_s": how.per_s / processes, "raw": raw.hex()}
    return sum(sum(each.values()) for each in await asyncio.gather(*(_run("forge", json.dumps(share)) for _ in range(processes))))


async def honest(folder: Path, host: str, port: int, requests: list[bytes], per_s: float) -> tuple[Counter[str], list[float]]:
    """Sends these, each when it is due, every other one on a connection of its own; the answers and the sorted seconds until each came."""
    (file := folder / "honest.json").write_text(json.dumps([each.decode("latin-1") for each in requests]))
    told = await _run("honest", json.dumps({"host": host, "port": port, "file": str(file), "per_s": per_s}))
    return Counter(told["statuses"]), sorted(told["times"])


async def _run(what: str, options: str) -> dict:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.fuzz.flooding", what, options, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return json.loads(out)


def _forge(raw: str, **options) -> dict[str, int]:
    how = Forging(**options)
    # It stands for other machines, which would not take time from the server's.
    os.nice(10)
    request, offered = bytes.fromhex(raw) * how.together, 0
    kept: socket.socket | None = None
    began = time.monotonic()
    while (passed_s := time.monotonic() - began) < how.lasts_s:
        while offered < passed_s * how.per_s:
            if kept is None:
                kept = _called(how.host, how.port, how.sources[offered // how.together % len(how.sources)])
            try:
                whole = kept.send(request) == len(request)
            except OSError:
                whole = False
            if not whole or how.together == 1:
                kept.close()
                kept = None
            offered += how.together
            if not offered % 64 and time.monotonic() - began > how.lasts_s:
                break
        time.sleep(STEP_S)
    return {"offered": offered}


def _called(host: str, port: int, source: str) -> socket.socket:
    """A call that waits for nobody: on one machine it is through at once, or not at all."""
    call = socket.socket()
    call.setblocking(False)
    call.setsockopt(socket.IPPROTO_IP, _BIND_WITHOUT_PORT, 1)
    call.bind((source, 0))
    with suppress(OSError):
        call.connect((host, port))
    return call


def _honest(host: str, port: int, file: str, per_s: float) -> dict:
    statuses: Counter[str] = Counter()
    times: list[float] = []
    kept: socket.socket | None = None
    due = time.monotonic()
    for number, each in enumerate(json.loads(Path(file).read_text())):
        time.sleep(max(0.0, due - time.monotonic()))
        due += 1 / per_s
        began = time.monotonic()
        if number % 2 or kept is None:
            kept = socket.create_connection((host, port), PATIENCE_S)
        kept.sendall(each.encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head and (part := kept.recv(4_096)):
            head += part
        times.append(time.monotonic() - began)
        statuses[head[9:12].decode()] += 1
        if not head or b"connection: close" in head.lower():
            kept = None
    return {"statuses": dict(statuses), "times": times}


if __name__ == "__main__":
    what, options = sys.argv[1], json.loads(sys.argv[2])
    sys.stdout.write(json.dumps({"forge": _forge, "honest": _honest}[what](**options)))
