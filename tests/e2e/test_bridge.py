"""17hats behind its flows, and the real daemon: seeded by a file, edited on both sides, killed between a hand-off and its acknowledgement."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import time

from aiohttp import ClientSession

from syncd.sandbox import BridgeOptions, GoHighLevelOptions, Sandbox, SandboxOptions

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 40.0
CONFIGURATION = """\
[systems.ghl]
kind = "gohighlevel"
base_url = "{ghl[base_url]}"
location_id = "{ghl[location_id]}"
token = {{ file = "token" }}

[systems.hats17]
kind = "17hats"
base_url = "{hats[base_url]}"
hooks = {{ file = "hooks" }}
secret = {{ file = "secret" }}
ack_wait_s = 1

[syncs.contacts]
match = ["email", "phone"]
source_of_truth = "ghl"
first_run = "auto"

[syncs.contacts.members]
ghl = {{ collection = "contacts" }}
hats17 = {{ collection = "contacts", create = {{ type = "Hot Lead", is_company = false }} }}

[syncs.contacts.fields]
email = {{ type = "email", ghl = "email", hats17 = "email" }}
first_name = {{ ghl = "firstName", hats17 = "first_name" }}
phone = {{ type = "phone", ghl = "phone", hats17 = "phone" }}
tags = {{ type = "set", ghl = "tags", hats17 = "tags" }}

[daemon]
state = "state"
listen = "127.0.0.1:0"
poll_min = "500ms"
poll_max = "1s"
quiet = "100ms"
"""


class World:
    program = "syncd"
    environ: dict[str, str]

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.ghl, self.hats, self.environ = folder, sandbox.ghl, sandbox.bridge, {}
        self.log = b""
        """What the last daemon logged, once it has ended."""

    async def syncd(self, *arguments: str) -> tuple[int, str]:
        process = await self._start(*arguments)
        out, err = await process.communicate()
        return process.returncode or 0, (out + err).decode()

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A running daemon, to which the flows post."""
        process = await self._start("run")
        lines: list[bytes] = []
        try:
            while not any(b'"daemon.ready"' in line for line in lines):
                assert process.stderr is not None
                line = await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
                assert line, b"".join(lines).decode()
                lines.append(line)
            self.hats.webhooks.url = f"http://{json.loads(lines[-1])['listen']}/hooks/hats17"
            draining = asyncio.create_task(process.stderr.read())
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
        self.log = b"".join([*lines, await draining])

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "SYNCD_CONFIG": str(self.folder / "syncd.toml"), **self.environ}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.program, *arguments, cwd=self.folder, env=environ, stdout=pipe, stderr=pipe
        )

    def rows(self) -> tuple[dict[str, str], dict[str, str]]:
        here = {row["email"]: row.get("firstName") for row in self.ghl.contacts()}
        return here, {row["email"]: row["first_name"] for row in self.hats.contacts()}

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not so():
                await asyncio.sleep(0.05)

    def agree(self) -> bool:
        here, there = self.rows()
        return here == there and len(here) == len(self.ghl.contacts()) == len(self.hats.contacts())


@asynccontextmanager
async def opened(folder: Path, *, clock: Callable[[], float] = time, world: type[World] = World) -> AsyncIterator[World]:
    options = SandboxOptions(ghl=GoHighLevelOptions(index_lag_s=0.0), bridge=BridgeOptions(), quotas=False, clock=clock)
    async with Sandbox(options) as sandbox:
        told = {"ghl": sandbox.ghl.describe(), "hats": sandbox.bridge.describe()}
        (folder / "syncd.toml").write_text(CONFIGURATION.format(**told))
        for name, text in (("token", told["ghl"]["token"]), ("hooks", told["hats"]["hooks"]), ("secret", told["hats"]["secret"])):
            (folder / name).write_text(text + "\n")
            (folder / name).chmod(0o600)
        yield world(folder, sandbox)


async def test_seeded_by_a_file_and_edited_on_both_sides(tmp_path: Path) -> None:
    """Who is in the file is linked and not made again; edits travel both ways; the least number of hooks is called."""
    async with opened(tmp_path) as world:
        for number in range(20):
            world.hats.seed({"email": f"h{number}@b.co", "first_name": f"H{number}", "type": "Client"})
        lines = [f"h{number}@b.co,H{number}\n" for number in range(20)]
        (tmp_path / "contacts.csv").write_text("Email,First Name\n" + "".join(lines))
        assert (await world.syncd("import", "hats17", "contacts", "contacts.csv", "--yes"))[0] == 0
        for number in range(10):
            world.ghl.create_as_user({"email": f"g{number}@b.co", "firstName": f"G{number}"})
        world.ghl.create_as_user({"email": "h0@b.co", "firstName": "H0"})
        async with world.daemon():
            await world.until(lambda: world.agree() and len(world.hats.contacts()) == 30)
            (g0,) = [row for row in world.ghl.contacts() if row["email"] == "g0@b.co"]
            (h1,) = [row for row in world.hats.contacts() if row["email"] == "h1@b.co"]
            world.ghl.edit_as_user(g0["id"], {"firstName": "Ours"})
            world.hats.edit_as_user(h1["id"], {"first_name": "Theirs"})
            await world.until(lambda: world.agree() and {"Ours", "Theirs"} <= set(world.rows()[0].values()))
        status = json.loads((await world.syncd("status", "--json"))[1])

    assert 11 == world.hats.stats.requests.total()
    assert status["collections"]["hats17/contacts"]["unverified_since"] is not None


async def test_what_only_goes_there_arrives_though_no_flow_shows_it(tmp_path: Path) -> None:
    """The plan says that nobody knows what stands there; it is handed off once for each value, and is at rest then."""
    async with opened(tmp_path) as world:
        config = tmp_path / "syncd.toml"
        config.write_text(config.read_text().replace("\n[daemon]", 'notes = { ghl = "source", hats17 = "notes", direction = "ghl -> hats17" }\n\n[daemon]', 1))
        world.hats.seed({"email": "a@b.co", "first_name": "A", "type": "Client", "notes": "theirs"})
        contact = world.ghl.create_as_user({"email": "a@b.co", "firstName": "A", "source": "web"})
        (tmp_path / "contacts.csv").write_text("Email,First Name,Phone,Tags\na@b.co,A,,\n")
        assert (await world.syncd("import", "hats17", "contacts", "contacts.csv", "--yes"))[0] == 0
        planned = (await world.syncd("plan"))[1]
        async with world.daemon():
            await world.until(lambda: [row["notes"] for row in world.hats.contacts()] == ["web"])
            world.ghl.edit_as_user(contact["id"], {"source": "a friend"})
            await world.until(lambda: [row["notes"] for row in world.hats.contacts()] == ["a friend"])
            asked = world.ghl.stats.requests["search-contacts"]
            await world.until(lambda: world.ghl.stats.requests["search-contacts"] >= asked + 3)

    assert 'notes: never shown → "web"' in planned
    assert 2 == world.hats.stats.requests.total()


async def test_killed_between_a_hand_off_and_its_acknowledgement(tmp_path: Path) -> None:
    """The acknowledgement comes to the next life, which knows what it speaks of: made once, and nothing in doubt."""
    async with opened(tmp_path) as world:
        world.hats.mood.holds_acks = True
        async with world.daemon() as process:
            world.ghl.create_as_user({"email": "a@b.co", "firstName": "A"})
            await world.until(lambda: len(world.hats.contacts()) == 1)
            process.kill()
        async with world.daemon():
            world.hats.release()
            world.ghl.create_as_user({"email": "b@b.co", "firstName": "B"})
            await world.until(lambda: world.agree() and len(world.hats.contacts()) == 2)
            async with asyncio.timeout(PATIENCE_S):
                while json.loads((await world.syncd("status", "--json"))[1])["writes"] != {"done": 2}:
                    await asyncio.sleep(0.2)

    assert 2 == world.hats.stats.requests.total()


async def posted(world: World, url: str, content: dict, **headers: str) -> int:
    """The answer to a post; signed as the flows sign unless other headers are given."""
    signed, body = world.hats.post(content)
    async with ClientSession() as session, session.post(url, data=body, headers={**signed, **headers}) as response:
        return response.status


async def test_whatever_becomes_of_acknowledgements(tmp_path: Path) -> None:
    """Doubled, late, forged, lost, or the flows off and asleep for a while: everything arrives in the end and once, a forged word settles
    nothing, a repetition has the same name, and status says what is not acknowledged and since when nothing is verified."""
    async with opened(tmp_path) as world, world.daemon():
        mood, url = world.hats.mood, world.hats.webhooks.url

        async def made(name: str) -> str:
            return str(world.ghl.create_as_user({"email": f"{name}@b.co", "firstName": name.title()})["id"])

        async def standing() -> dict:
            return json.loads((await world.syncd("status", "--json"))[1])["collections"]["hats17/contacts"]

        assert url is not None
        mood.acks = 2
        doubled = await made("doubled")
        await world.until(world.agree)
        mood.acks, mood.holds_acks = 1, True
        await made("late")
        world.ghl.edit_as_user(doubled, {"firstName": "Doubled again"})
        await world.until(lambda: len(world.hats._kept_back) == 2)
        op_id = world.hats._kept_back[0]["op_id"]
        word = {"op_id": op_id, "result": "failed", "error": "forged"}
        refused = [
            await posted(world, url, word, **{"webhook-signature": "v1,AAAA"}),
            await posted(world, url, word, **{"webhook-timestamp": "1"}),
        ]
        silent = await standing()
        world.hats.release()
        await world.until(world.agree)
        mood.acks = 0
        await made("lost")
        world.ghl.edit_as_user(doubled, {"firstName": "Told by its trigger"})
        await world.until(world.agree)
        mood.acks, mood.off = 1, True
        await made("off")
        await world.until(lambda: world.hats.stats.statuses[410] > 0)
        mood.off, mood.asleep = False, True
        await made("asleep")
        await world.until(lambda: len(world.hats._handed) >= 2)
        world.hats.wake()
        await world.until(world.agree)
        async with asyncio.timeout(PATIENCE_S):
            while (writes := json.loads((await world.syncd("status", "--json"))[1])["writes"]).keys() - {"done", "cancelled"}:
                await asyncio.sleep(0.2)

    names = sorted(row["first_name"] for row in world.hats.contacts())

    assert refused == [401, 401]
    assert (silent["not_acknowledged"], silent["unverified_since"] is not None) == (2, True)
    assert names == ["Asleep", "Late", "Lost", "Off", "Told by its trigger"]
    assert writes["done"] >= 7
    with closing(sqlite3.connect(tmp_path / "state" / "syncd.db")) as database:
        assert database.execute("SELECT count(*) FROM bridge_handoffs").fetchone() == (7,)
    assert world.hats.stats.requests.total() > 7
