"""A daemon that runs out of what a process may have: it is bounded by itself, says what it cannot do, and goes on when it can again."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.world import Daemon, World, make_world, wait_for
from tests.flow.doors import signed_with

STRANGERS = 700
SECRET = "a-secret-of-the-test"
UNIT_FILES, UNIT_TASKS = 4096, 64
"""What the unit allows."""


class Caller:
    """Somebody who delivers webhooks that are good."""

    def __init__(self, daemon: Daemon, list_id: str) -> None:
        host, _, port = daemon.said("daemon.ready")[0]["listen"].rpartition(":")
        self.host, self.port, self.list_id = host, int(port), list_id

    def deliver(self, number: int, *, size: int = 0, timeout_s: float = 60.0) -> int | str:
        headers, body = signed_with(SECRET, self.list_id, number, filling="x" * size)
        try:
            with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)) as line:
                line.request("POST", "/hooks/octopus", body, headers)
                return line.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__


def held_by(daemon: Daemon) -> tuple[int, int]:
    """How many files a process has open, and how many threads it is."""
    process = Path(f"/proc/{daemon.process.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


@contextlib.contextmanager
def bounded(daemon: Daemon, kind: int, most: int):
    """For the length of the block the process may have no more than this."""
    before = resource.prlimit(daemon.process.pid, kind)
    resource.prlimit(daemon.process.pid, kind, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.process.pid, kind, before)


@pytest.fixture
def ready(tmp_path: Path):
    """A running daemon and a caller of it."""
    with contextlib.ExitStack() as stack:
        world: World = make_world(tmp_path, stack, 6)
        (tmp_path / "hook").write_text(SECRET)
        (tmp_path / "hook").chmod(0o600)
        world.edit_config('api_key = { file = "octopus-key" }', 'api_key = { file = "octopus-key" }\nwebhook_secret = { file = "hook" }')
        daemon = stack.enter_context(world.daemon())
        yield daemon, Caller(daemon, world.do(lambda sandbox: sandbox.octopus.list_id))


def together(jobs) -> Counter:
    """Does all of it at once; how often each came out."""
    found: list[int | str] = []
    threads = [threading.Thread(target=lambda job=job: found.append(job())) for job in jobs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return Counter(found)


def test_strangers_cannot_use_up_what_the_unit_allows(ready) -> None:
    """However many connect: files and threads stay far below what the unit allows, and who has something good to deliver is heard."""
    daemon, caller = ready
    lines = []
    try:
        for _ in range(STRANGERS):
            with contextlib.suppress(OSError):
                lines.append(socket.create_connection((caller.host, caller.port), timeout=5))
        answers = Counter(caller.deliver(number) for number in range(20))
        files, threads = held_by(daemon)
    finally:
        for each in lines:
            each.close()

    assert {200: 20} == answers
    assert files < UNIT_FILES / 4
    assert threads < UNIT_TASKS / 2


def test_without_a_file_to_be_had_callers_wait(ready) -> None:
    """No file can be opened: nobody is told a lie, the process lives, and when files are to be had again everybody is answered."""
    daemon, caller = ready
    files, _ = held_by(daemon)
    with bounded(daemon, resource.RLIMIT_NOFILE, files):
        told: list[Counter] = []
        waiting = threading.Thread(target=lambda: told.append(together([lambda number=number: caller.deliver(number) for number in range(10)])))
        waiting.start()
        time.sleep(1.5)
        assert daemon.process.poll() is None
    waiting.join(60)
    after = Counter(caller.deliver(number) for number in range(100, 110))

    assert [{200: 10}] == told
    assert {200: 10} == after
    assert daemon.process.poll() is None


def test_without_memory_to_be_had_nothing_is_acknowledged_in_vain(ready) -> None:
    """Bodies that find no room are answered with what is sent again, or not at all; with room again all are taken."""
    daemon, caller = ready
    (size,) = [int(line.split()[1]) * 1024 for line in Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines() if line.startswith("VmSize")]
    with bounded(daemon, resource.RLIMIT_AS, size + (1 << 20)):
        short = together([lambda number=number: caller.deliver(number, size=60_000, timeout_s=20) for number in range(100)])
    wait_for(lambda: 200 == caller.deliver(1_000), timeout_s=60)
    again = together([lambda number=number: caller.deliver(number, size=60_000) for number in range(100)])

    assert set(short) <= {200, 429, 503} | {each for each in short if isinstance(each, str)}, short
    assert {200: 100} == again
    assert daemon.process.poll() is None
