"""Both emulated vendors in a process of their own, led by lines on standard input.

`started` runs it and gives a `Vendors`; each command is one JSON line, and so is its answer.
The rule that keeps it true: the vendors and the persons' edits cost the other process nothing.
It must not know: what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from syncd.sandbox import EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.people import populate_many
from syncd.sandbox.webhooks import DeliveryMode

LINE_MAX = 1 << 24
AT_ONCE = 16
"""So many webhooks are under way at once, as a vendor with many customers sends them."""


class Vendors:
    """The other end of the line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, command: str, **given: Any) -> Any:
        """Has a command carried out; answers what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps({"command": command, **given}) + b"\n")
        return orjson.loads(await self._process.stdout.readline())


@asynccontextmanager
async def started() -> AsyncIterator[Vendors]:
    """The vendors, without quotas or lag, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.vendors", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_MAX
    )
    try:
        yield Vendors(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Led:
    """The vendors as the commands see them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.seen = {"ghl": 0, "octopus": 0}

    def vendor(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    async def describe(self) -> Any:
        return self.sandbox.describe()

    async def populate(self, count: int) -> Any:
        populate_many(self.sandbox, 1, count)
        return {name: len(self.vendor(name).contacts()) for name in self.seen}

    async def listen(self, **urls: str | None) -> Any:
        for name, url in urls.items():
            self.vendor(name).webhooks.url = url
            self.vendor(name).webhooks.mode = DeliveryMode(at_once=AT_ONCE)

    async def edit(self, name: str, count: int, value: str, skip: int = 0) -> Any:
        """Persons change the last names of the first so many who have none of that name yet."""
        vendor = self.vendor(name)
        change = (lambda n: {"lastName": f"{value}{n}"}) if name == "ghl" else (lambda n: {"fields": {"LastName": f"{value}{n}"}})
        for n, row in enumerate(vendor.contacts()[skip : skip + count]):
            vendor.edit_as_user(row["id"], change(n))

    async def reset(self) -> Any:
        for name in self.seen:
            self.vendor(name).stats.reset()
            self.seen[name] = len(self.vendor(name).truth)

    async def arrived(self, name: str, count: int, within_s: float) -> Any:
        """Waits until programs have written so many records since the last reset; answers how long that took and how many there are."""
        began = time.perf_counter()
        while (done := len(self._by_api(name))) < count and time.perf_counter() - began < within_s:
            await asyncio.sleep(0.005)
        return {"took_s": time.perf_counter() - began, "records": done}

    async def called(self, name: str, operation: str, count: int, within_s: float) -> Any:
        """Waits until an operation was called so often since the last reset; answers how long that took and how often it was."""
        began = time.perf_counter()
        while (done := self.vendor(name).stats.requests[operation]) < count and time.perf_counter() - began < within_s:
            await asyncio.sleep(0.005)
        return {"took_s": time.perf_counter() - began, "calls": done}

    async def spent(self) -> Any:
        """The calls since the last reset, and the records programs made and changed."""
        return {
            name: {
                "calls": self.vendor(name).stats.requests.total(),
                "requests": dict(self.vendor(name).stats.requests),
                "made": dict(Counter(self._by_api(name).values())),
            }
            for name in self.seen
        }

    def _by_api(self, name: str) -> dict[str, str]:
        """What programs did, by record: the first thing counts."""
        found: dict[str, str] = {}
        for each in self.vendor(name).truth.since(self.seen[name]):
            if each.actor == "api":
                found.setdefault(each.id, str(each.operation))
        return found


async def _serve() -> None:
    options = SandboxOptions(quotas=False, ghl=GoHighLevelOptions(index_lag_s=0.0), octopus=EmailOctopusOptions(buffer_s=0.02))
    reader = asyncio.StreamReader(limit=LINE_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Sandbox(options) as sandbox:
        led = Led(sandbox)
        while line := await reader.readline():
            given = orjson.loads(line)
            answer = await getattr(led, given.pop("command"))(**given)
            sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
