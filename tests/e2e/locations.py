"""Two locations of GoHighLevel, each with contacts, tasks and notes, and the daemon that keeps them equal.

`opened` gives them; `settle` puts people in both with what belongs to them; `syncd` runs a command.
The rule that keeps it true: what a test asserts is read from the emulated locations, and from what commands print.
It must not know: any single test.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any

from syncd.sandbox import GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.gohighlevel import GoHighLevel
from tests.e2e.daemon import ROOT, Daemon

NOTES, TASKS = "get-contact-notes", "search-location-tasks"
CONFIGURATION = """\
[systems.here]
kind = "gohighlevel"
base_url = "{here[base_url]}"
location_id = "{here[location_id]}"
token = {{ file = "token" }}
webhook_keys = [{here_key}]
{quota}

[systems.there]
kind = "gohighlevel"
base_url = "{there[base_url]}"
location_id = "{there[location_id]}"
token = {{ file = "token" }}
webhook_keys = [{there_key}]
{quota}

[syncs.contacts]
match = ["email"]
source_of_truth = "here"
first_run = "auto"
members = {{ here = {{ collection = "contacts" }}, there = {{ collection = "contacts" }} }}
[syncs.contacts.fields]
email = {{ type = "email", here = "email", there = "email" }}
first_name = {{ here = "firstName", there = "firstName" }}

{syncs}
[daemon]
state = "state"
listen = "127.0.0.1:{port}"
{daemon}
"""
CHILDREN = """\
[syncs.tasks]
match = ["contact+title"]
source_of_truth = "here"
first_run = "auto"
members = { here = { collection = "tasks" }, there = { collection = "tasks" } }
[syncs.tasks.fields]
contact = { type = "ref", to = "contacts", here = "contactId", there = "contactId" }
title = { here = "title", there = "title" }
due = { type = "instant", here = "dueDate", there = "dueDate" }
completed = { type = "bool", here = "completed", there = "completed" }

[syncs.notes]
match = ["contact+body"]
source_of_truth = "here"
first_run = "auto"
members = { here = { collection = "notes" }, there = { collection = "notes" } }
[syncs.notes.fields]
contact = { type = "ref", to = "contacts", here = "contactId", there = "contactId" }
body = { here = "body", there = "body" }
"""


@dataclass(slots=True, kw_only=True)
class Locations:
    """Both locations, the configuration's folder, and the daemon when started."""

    folder: Path
    port: int
    here: GoHighLevel
    there: GoHighLevel
    ids: dict[str, tuple[str, str]] = field(default_factory=dict)

    def settle(self, number: int, *, children_there: bool = True) -> None:
        """A person with a task and a note, in both locations; there without the two unless told otherwise."""
        email = f"person{number}@example.com"
        both = []
        for side, has_children in ((self.here, True), (self.there, children_there)):
            contact = side.seed({"email": email, "firstName": f"Person {number}"}, at=time() - 86_400)["id"]
            both.append(contact)
            if has_children:
                task = {"title": f"Call {number}", "dueDate": "2027-01-01T09:00:00Z", "completed": False}
                side.records.furnish("tasks", side.records.new_id(), {**task, "contactId": contact})
                side.records.furnish("notes", side.records.new_id(), {"body": f"Note {number}", "contactId": contact})
        self.ids[email] = (both[0], both[1])

    def children(self, side: GoHighLevel) -> Counter[tuple[str, str, str]]:
        """Whose tasks and notes there are, by the person's address."""
        people = {row["id"]: row["email"] for row in side.contacts()}
        tasks = [(people[row["contactId"]], "task", row["title"]) for row in side.records.rows("tasks")]
        return Counter(tasks + [(people[row["contactId"]], "note", row["body"]) for row in side.records.rows("notes")])

    def refused(self) -> int:
        """How many calls the locations turned away for want of quota."""
        return self.here.stats.rate_limited + self.there.stats.rate_limited

    def new_daemon(self) -> Daemon:
        """A daemon that is not started yet."""
        return Daemon(self.folder / "syncd.toml", self.port, self.folder / "daemon.log")

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """The daemon, ready, for the length of the block."""
        daemon = self.new_daemon()
        try:
            await daemon.start()
            yield daemon
        except BaseException:
            print(daemon.tail(40))
            raise
        finally:
            code, _ = await daemon.stop()
        assert code == 0, daemon.tail()

    async def syncd(self, *arguments: str, code: int = 0) -> str:
        """What a command prints on standard output; it must end with this code."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "syncd", *arguments, cwd=self.folder, env=self.environ(), stdout=pipe, stderr=pipe
        )
        out, err = await process.communicate()
        assert process.returncode == code, err.decode()
        return out.decode()

    async def status(self) -> dict[str, Any]:
        """What `syncd status` tells programs."""
        told: dict[str, Any] = json.loads(await self.syncd("status", "--json"))
        return told

    async def until(self, so: Callable[[], Any], what: str, *, within_s: float = 60.0, every_s: float = 0.02) -> None:
        """Waits until something is so."""
        deadline = monotonic() + within_s
        while not so():
            assert monotonic() < deadline, f"not within {within_s:g} s: {what}"
            await asyncio.sleep(every_s)

    def environ(self) -> dict[str, str]:
        """For a command's process."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "SYNCD_CONFIG": str(self.folder / "syncd.toml"), "NO_COLOR": "1"}


@asynccontextmanager
async def opened(
    folder: Path, *, burst: int = 100, window_s: float = 10.0, daemon: str = 'poll_min = "200ms"\npoll_max = "200ms"', syncs: str = CHILDREN
) -> AsyncIterator[Locations]:
    """Two locations that grant so many calls a window, with nobody in them."""
    common = {"index_lag_s": 0.2, "burst": burst, "burst_window_s": window_s}
    left = SandboxOptions(ghl=GoHighLevelOptions(**common), seed=1)
    right = SandboxOptions(ghl=GoHighLevelOptions(location_id="SandboxLocation00002", **common), seed=2)
    async with Sandbox(left) as here, Sandbox(right) as there:
        port = secrets.randbelow(10_000) + 20_000
        told = {"here": here.ghl.describe(), "there": there.ghl.describe()}
        quota = f"calls_per_window = {burst}\nwindow_s = {window_s}"
        keys = {f"{name}_key": json.dumps(each["webhook_public_key_pem"]) for name, each in told.items()}
        text = CONFIGURATION.format(**told, **keys, quota=quota, port=port, daemon=daemon, syncs=syncs)
        (folder / "syncd.toml").write_text(text)
        (folder / "token").write_text(told["here"]["token"] + "\n")
        (folder / "token").chmod(0o600)
        for name, vendor in (("here", here.ghl), ("there", there.ghl)):
            vendor.webhooks.url = f"http://127.0.0.1:{port}/hooks/{name}"
        yield Locations(folder=folder, port=port, here=here.ghl, there=there.ghl)
