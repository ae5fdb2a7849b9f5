"""From a webhook to the one call that an automation makes upon it, against a bare relay and against Node-RED.

The relay is aiohttp in, aiohttp out; Node-RED runs `http in`, a function that fills the call in, `http request`. Neither keeps anything: what is in
the air when they die is lost. What syncd makes is durable from before its 200 on.
`pytest -m bench tests/bench/test_automation.py`, or `python -m tests.bench.test_automation`. Prints ratios; never fails on time.
Node-RED is looked for on PATH, or in NODE_RED_DIR, where `npm install node-red` was run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientError, ClientSession, TCPConnector, web

from tests.bench.rig import idle, running
from tests.bench.vendors import Vendors, started

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE = int(os.environ.get("BENCH_SIZE", "500"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CALL = "create-contact-note"
AUTOMATION = """
[automations.note]
on = "ghl webhook ContactUpdate"
do = [ { call = "ghl.create-contact-note", with = { contactId = "{event.id}", body = "moved" } } ]
"""


@asynccontextmanager
async def relaying(ghl: dict[str, Any]) -> AsyncIterator[str]:
    """Passes every event on as one call, eight at a time; remembers nothing."""
    slots, tasks = asyncio.Semaphore(8), set[asyncio.Task[None]]()
    headers = {"Authorization": f"Bearer {ghl['token']}", "Version": "2021-07-28", "Content-Type": "application/json"}
    async with ClientSession(connector=TCPConnector(limit=8)) as session:

        async def post(record_id: str) -> None:
            url = f"{ghl['base_url']}/contacts/{record_id}/notes"
            async with slots, session.post(url, headers=headers, data=orjson.dumps({"body": "moved"})) as answer:
                await answer.read()

        async def take(request: web.Request) -> web.Response:
            event = orjson.loads(await request.read())
            if event["type"] == "ContactUpdate":
                task = asyncio.create_task(post(event["id"]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            return web.Response(status=200)

        app = web.Application()
        app.router.add_post("/hooks/ghl", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()
        await asyncio.gather(*tasks, return_exceptions=True)


def node_red() -> str | None:
    """Where Node-RED is, if it is."""
    beside = Path(os.environ.get("NODE_RED_DIR", "/nowhere")) / "node_modules" / ".bin" / "node-red"
    return str(beside) if beside.exists() else shutil.which("node-red")


def flow_of(ghl: dict[str, Any]) -> list[dict[str, Any]]:
    """The flow: answered at once, then one call."""
    fill = f"""
if (msg.payload.type !== "ContactUpdate") return null;
return {{
    url: {ghl["base_url"]!r} + "/contacts/" + msg.payload.id + "/notes", payload: {{ body: "moved" }},
    headers: {{ "Authorization": "Bearer {ghl["token"]}", "Version": "2021-07-28", "Content-Type": "application/json" }}
}};"""
    return [
        {"id": "tab", "type": "tab", "label": "relay"},
        {"id": "in", "z": "tab", "type": "http in", "url": "/hooks/ghl", "method": "post", "upload": False, "wires": [["out", "fill"]]},
        {"id": "out", "z": "tab", "type": "http response", "statusCode": "200", "headers": {}, "wires": []},
        {"id": "fill", "z": "tab", "type": "function", "func": fill, "outputs": 1, "wires": [["call"]]},
        {"id": "call", "z": "tab", "type": "http request", "method": "POST", "ret": "obj", "paytoqs": "ignore", "url": "", "persist": True, "wires": [[]]},
    ]


@asynccontextmanager
async def node_red_running(program: str, ghl: dict[str, Any]) -> AsyncIterator[str]:
    """Node-RED with that flow, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "flows.json").write_bytes(orjson.dumps(flow_of(ghl)))
        (folder / "settings.js").write_text(
            f"module.exports = {{ uiPort: {port}, uiHost: '127.0.0.1', flowFile: 'flows.json', logging: {{ console: {{ level: 'error' }} }} }};"
        )
        process = await asyncio.create_subprocess_exec(
            program, "--userDir", name, "--settings", str(folder / "settings.js"), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await _listening(f"http://127.0.0.1:{port}/hooks/ghl")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


async def _listening(url: str) -> None:
    async with asyncio.timeout(120), ClientSession() as session:
        while True:
            try:
                async with session.post(url, json={"type": "none"}) as answer:
                    if answer.status == 200:
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.2)


async def rate(vendors: Vendors, count: int, value: str) -> float:
    """Events a second, from the first edit to the arrival of the last call."""
    await vendors.tell("reset")
    await vendors.tell("edit", name="ghl", count=count, value=value)
    called = await vendors.tell("called", name="ghl", operation=CALL, count=count, within_s=120)
    assert count == called["calls"], called
    return count / called["took_s"]


async def measure(size: int, rounds: int = ROUNDS) -> list[str]:
    """Everything beside everything else, some rounds; the medians and their ratios."""
    found: dict[str, list[float]] = {"syncd": [], "relay": []}
    program = node_red()
    async with started() as vendors:
        await vendors.tell("populate", count=size + size // 4)
        ghl = (await vendors.tell("describe"))["gohighlevel"]
        for number in range(rounds):
            async with running(vendors, quiet="20ms", instead=AUTOMATION) as (engine, _):
                await idle(engine)
                await rate(vendors, size // 10, f"warm {number} ")
                await idle(engine)
                found["syncd"].append(await rate(vendors, size, f"synced {number} "))
                await idle(engine)
            others = {"relay": relaying(ghl)} | ({"node-red": node_red_running(program, ghl)} if program else {})
            for name, other in others.items():
                async with other as url:
                    await vendors.tell("listen", ghl=f"{url}/hooks/ghl")
                    await rate(vendors, size // 10, f"warm {name} {number} ")
                    found.setdefault(name, []).append(await rate(vendors, size, f"{name} {number} "))
                    await vendors.tell("listen", ghl=None)
    middle = {name: sorted(each)[len(each) // 2] for name, each in found.items()}
    lines = [f"webhook in, one call out, {size} events, median of {rounds}: " + ", ".join(f"{name} {each:.0f}/s" for name, each in middle.items())]
    for name in found.keys() - {"syncd"}:
        ratios = sorted(ours / theirs for ours, theirs in zip(found["syncd"], found[name], strict=True))
        lines.append(f"syncd to {name}: {ratios[len(ratios) // 2]:.2f} (by rounds {', '.join(f'{each:.2f}' for each in ratios)})")
    if program is None:
        lines.append("no comparison with Node-RED: it is neither on PATH nor in NODE_RED_DIR")
    return lines


async def test_automation(capsys):
    """Every event comes out as one call; the ratios are printed."""
    lines = await measure(SIZE)
    with capsys.disabled():
        print("", *lines, sep="\n")


if __name__ == "__main__":
    print(*asyncio.run(measure(SIZE)), sep="\n")
