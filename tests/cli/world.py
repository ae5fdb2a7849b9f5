"""A world of emulated vendors with a configuration, and two ways to run a command in it.

The vendors live on a loop of their own in a thread, so a test reads from top to bottom while real processes call them over HTTP.
`World.syncd` runs a process; `World.here` runs a command that neither calls nor waits in this process, which is quicker.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from syncd.__main__ import main
from syncd.cli import redacting
from syncd.sandbox import EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.people import Population, populate

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")

CONFIGURATION = """\
[systems.ghl]
kind = "gohighlevel"
base_url = "{ghl_url}"
location_id = "{location_id}"
token = {{ file = "ghl-token" }}
timeout_s = 5

[systems.octopus]
kind = "emailoctopus"
base_url = "{octopus_url}"
api_key = {{ file = "octopus-key" }}
timeout_s = 5

[syncs.contacts]
match = ["email", "phone"]
conflict = "last_modified"
source_of_truth = "ghl"
first_run = "review"

[syncs.contacts.members]
ghl = {{ collection = "contacts", when = {{ field = "email", op = "exists" }} }}
octopus = {{ collection = "contacts", list = "{list_id}", archive = {{ status = "unsubscribed" }} }}

[syncs.contacts.fields]
email = {{ type = "email", ghl = "email", octopus = "email_address" }}
first_name = {{ ghl = "firstName", octopus = "fields.FirstName" }}
last_name = {{ ghl = "lastName", octopus = "fields.LastName" }}
phone = {{ type = "phone", ghl = "phone", octopus = "fields.Phone", owner = "ghl" }}
tags = {{ type = "set", ghl = "tags", octopus = "tags" }}
plan = {{ type = "choice", ghl = "custom.plan", octopus = "fields.Plan", values = {{ gold = {{ octopus = "Gold" }}, silver = {{ octopus = "Silver" }}, free = {{ octopus = "Free" }} }} }}
source = {{ ghl = "source", octopus = "fields.Source", direction = "ghl -> octopus" }}

[daemon]
state = "state"
listen = "127.0.0.1:0"
poll_min = "500ms"
poll_max = "1s"
quiet = "100ms"
"""


@dataclass(frozen=True, slots=True)
class Result:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Vendors:
    """The sandbox, on a loop of its own."""

    def __init__(self) -> None:
        options = SandboxOptions(
            ghl=GoHighLevelOptions(index_lag_s=0.0), octopus=EmailOctopusOptions(buffer_s=0.1), quotas=False
        )
        self.sandbox = Sandbox(options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.sandbox.__aenter__(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.sandbox.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, deed: Callable[[Sandbox], T]) -> T:
        """Does something to the vendors, between two of their requests."""

        async def turn() -> T:
            return deed(self.sandbox)

        return asyncio.run_coroutine_threadsafe(turn(), self._loop).result(10)


@dataclass(slots=True)
class World:
    """A folder with a configuration, the vendors it leads to, and the commands."""

    folder: Path
    vendors: Vendors
    people: Population | None = None

    @property
    def config(self) -> Path:
        return self.folder / "syncd.toml"

    @property
    def database(self) -> Path:
        return self.folder / "state" / "syncd.db"

    def do(self, deed: Callable[[Sandbox], T]) -> T:
        return self.vendors.do(deed)

    def edit_config(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def line(self, fragment: str) -> int:
        """The line of the configuration that holds this."""
        [line] = [number for number, line in enumerate(self.config.read_text().splitlines(), start=1) if fragment in line]
        return line

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")}
        return {**kept, "PYTHONPATH": str(ROOT), "SYNCD_CONFIG": str(self.config), "PYTHONUNBUFFERED": "1", **more}

    def syncd(self, *arguments: str, timeout_s: float = 60, **environ: str) -> Result:
        """Runs a command as a process."""
        done = subprocess.run(
            [sys.executable, "-m", "syncd", *arguments], cwd=self.folder, env=self.environ(**environ), capture_output=True,
            stdin=subprocess.DEVNULL, text=True, timeout=timeout_s, check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def here(self, *arguments: str) -> Result:
        """Runs a command that only looks, in this process."""
        out, err = StringIO(), StringIO()
        with (
            patch.object(sys, "argv", ["syncd", *arguments]),
            patch.dict(os.environ, self.environ(), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = int(main())
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                # In a process of its own a command ends with what it was told; here the next test would be shown nobody.
                redacting.begin()
        return Result(code, out.getvalue(), err.getvalue())

    @contextmanager
    def daemon(self, *arguments: str) -> Iterator[Daemon]:
        """A running daemon, ready; stopped at the end."""
        log = self.folder / "run.log"
        with log.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "syncd", "run", *arguments], cwd=self.folder, env=self.environ(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=err,
            )
        daemon = Daemon(process, log)
        try:
            wait_for(lambda: daemon.said("daemon.ready") or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield daemon
        finally:
            daemon.stop()


@dataclass(slots=True)
class Daemon:
    """A `syncd run` process."""

    process: subprocess.Popen[bytes]
    log: Path
    out: bytes = b""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def stop(self) -> float:
        """SIGTERM; how long it took. The exit code is the process's."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.out += self.process.communicate(timeout=15)[0]
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
                raise
        elif self.process.stdout is not None and not self.process.stdout.closed:
            self.out += self.process.communicate()[0]
        return time.monotonic() - began


def wait_for(happened: Callable[[], object], timeout_s: float = 20) -> None:
    """Waits until something is so."""
    until = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def _write_secret(path: Path, text: str) -> None:
    path.write_text(text + "\n")
    path.chmod(0o600)


def make_world(folder: Path, stack: ExitStack, people: int) -> World:
    """Vendors with this many people, and a configuration that leads to them."""
    vendors = Vendors()
    vendors.start()
    stack.callback(vendors.stop)
    world = World(folder, vendors)
    if people:
        world.people = vendors.do(lambda sandbox: populate(sandbox, 1, people))
    told = vendors.do(lambda sandbox: sandbox.describe())
    ghl, octopus = told["gohighlevel"], told["emailoctopus"]
    world.config.write_text(CONFIGURATION.format(
        ghl_url=ghl["base_url"], location_id=ghl["location_id"], octopus_url=octopus["base_url"], list_id=octopus["list_id"]
    ))
    _write_secret(folder / "ghl-token", ghl["token"])
    _write_secret(folder / "octopus-key", octopus["api_key"])
    return world
