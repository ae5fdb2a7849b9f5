"""From a change at one vendor to the write at the other, against a bare relay: aiohttp in, aiohttp out, nothing durable.

`pytest -m bench tests/bench/test_travel.py`, or `python -m tests.bench.test_travel`. Prints ratios; never fails on time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, TCPConnector, web

from tests.bench.rig import idle, running
from tests.bench.vendors import Vendors, started

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE = int(os.environ.get("BENCH_SIZE", "500"))
OTHER = {"ghl": "octopus", "octopus": "ghl"}


@asynccontextmanager
async def relaying(described: dict[str, Any], partners: dict[str, str]) -> AsyncIterator[str]:
    """Passes every event on as one call to the other vendor, eight at a time; remembers nothing."""
    ghl, octopus = described["gohighlevel"], described["emailoctopus"]
    slots = asyncio.Semaphore(8)
    tasks: set[asyncio.Task[None]] = set()
    async with ClientSession(connector=TCPConnector(limit=8)) as session:

        async def put(url: str, headers: dict[str, str], body: Any) -> None:
            async with slots, session.put(url, headers=headers, data=orjson.dumps(body)) as answer:
                await answer.read()

        def pass_on(coroutine: Any) -> None:
            task = asyncio.create_task(coroutine)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def from_ghl(request: web.Request) -> web.Response:
            event = orjson.loads(await request.read())
            url = f"{octopus['base_url']}/lists/{octopus['list_id']}/contacts/{partners[event['id']]}"
            headers = {"Authorization": f"Bearer {octopus['api_key']}", "Content-Type": "application/json"}
            pass_on(put(url, headers, {"fields": {"LastName": event["lastName"]}}))
            return web.Response(status=200)

        async def from_octopus(request: web.Request) -> web.Response:
            for event in orjson.loads(await request.read()):
                url = f"{ghl['base_url']}/contacts/{partners[event['contact_id']]}"
                headers = {"Authorization": f"Bearer {ghl['token']}", "Version": "2021-07-28", "Content-Type": "application/json"}
                pass_on(put(url, headers, {"lastName": event["contact_fields"]["LastName"]}))
            return web.Response(status=200)

        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/hooks/ghl", from_ghl)
        app.router.add_post("/hooks/octopus", from_octopus)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()
        await asyncio.gather(*tasks, return_exceptions=True)


async def rate(vendors: Vendors, source: str, count: int, value: str) -> float:
    """Changes a second, from the first edit to the last write by a program at the other vendor."""
    await vendors.tell("reset")
    await vendors.tell("edit", name=source, count=count, value=f"{value} from {source} ")
    arrived = await vendors.tell("arrived", name=OTHER[source], count=count, within_s=60)
    assert count == arrived["records"]
    return count / arrived["took_s"]


async def measure(size: int) -> list[str]:
    """Both directions, first by syncd, then by the relay over the same records."""
    lines = []
    async with started() as vendors:
        await vendors.tell("populate", count=size + size // 4)
        found: dict[str, float] = {}
        async with running(vendors, quiet="20ms") as (engine, _):
            await idle(engine)
            partners = await engine.database.read(
                lambda tx: tx.execute(
                    "SELECT a.record_id, b.record_id FROM link_members AS a JOIN link_members AS b ON b.link_id = a.link_id AND b.member <> a.member"
                ).fetchall()
            )
            for source in OTHER:
                found[f"syncd {source}"] = await rate(vendors, source, size, "synced")
                await idle(engine)
        async with relaying(await vendors.tell("describe"), dict(partners)) as url:
            await vendors.tell("listen", ghl=f"{url}/hooks/ghl", octopus=f"{url}/hooks/octopus")
            for source in OTHER:
                found[f"relay {source}"] = await rate(vendors, source, size, "relayed")
                await asyncio.sleep(1.0)
        for source, target in OTHER.items():
            ours, bare = found[f"syncd {source}"], found[f"relay {source}"]
            lines.append(f"{source} -> {target}, {size} changes: syncd {ours:.0f}/s, relay {bare:.0f}/s, ratio {ours / bare:.2f}")
    return lines


async def test_travel(capsys):
    """Every change arrives; the ratios are printed (target 0.4)."""
    lines = await measure(SIZE)
    with capsys.disabled():
        print("", *lines, sep="\n")


if __name__ == "__main__":
    print(*asyncio.run(measure(SIZE)), sep="\n")
