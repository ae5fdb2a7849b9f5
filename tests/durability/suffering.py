"""Suffering: a daemon whose disk fails under it and comes back, and what it did meanwhile.

The rule that keeps it true: what the daemon did is read from the vendors and from its answers; the disk fails at the system's calls, or
really.
It must not know: what must be true.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aiohttp import ClientSession

from syncd.sandbox import EmailOctopusOptions, GoHighLevelOptions
from tests.durability.interposer import ROOT, Orders, Watched
from tests.durability.killing import settled
from tests.durability.place import opened
from tests.durability.relay import Relay
from tests.e2e.daemon import Daemon
from tests.e2e.world import World

# GoHighLevel delivers again after a 429 alone; both soon, so that it can be seen.
GHL = GoHighLevelOptions(index_lag_s=0.2, webhook_retry_s=0.3, webhook_retries=1000)
OCTOPUS = EmailOctopusOptions(buffer_s=0.1, webhook_retry_s=0.3, webhook_retries=1000)
RECOVERED_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What was seen of one trouble: answers to webhooks and to `/readyz` while it lasted, remote writes in it, what followed."""

    answers: dict[str, set[int]]
    ready: tuple[int, str]
    status: tuple[int, str]
    writes: int
    recovered_s: float
    ready_after: int
    alive: bool
    crashes: tuple[str, ...]
    intact: str
    arrived: bool


Trouble = Callable[[Orders], None]
TROUBLES: dict[str, Trouble] = {
    "no space": lambda orders: orders.fail(writes=errno.ENOSPC),
    "no writing": lambda orders: orders.fail(writes=errno.EIO),
    "no syncing": lambda orders: orders.fail(syncs=errno.EIO),
    "read-only": lambda orders: orders.fail(writes=errno.EROFS),
}


async def suffer_all(directory: Path, library: Path) -> dict[str, Outage]:
    """Every trouble, side by side."""
    seen = await asyncio.gather(*(suffer(directory / name, library, trouble) for name, trouble in TROUBLES.items()))
    return dict(zip(TROUBLES, seen, strict=True))


async def suffer(directory: Path, library: Path, trouble: Trouble) -> Outage:
    """People edit on both sides while the disk fails; then it works again."""
    directory.mkdir()
    orders = Orders(directory / "orders")

    async def begin() -> None:
        trouble(orders)

    async def end() -> None:
        orders.forget()

    async with opened(directory, ghl=GHL, octopus=OCTOPUS) as world:
        return await outage(world, Watched(world, library, orders), begin, end)


async def outage(world: World, daemon: Daemon, begin: Callable[[], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> Outage:
    """The same with any daemon, and any way to have its disk fail."""
    people = world.settle_many(3)
    async with Relay.before(world) as relay:
        try:
            await daemon.start()
            await settled(world)
            await begin()
            mark = world.mark()
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Nina"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": "Newell"})
            await world.until(lambda: all(set(found) - {200} for found in relay.answers.values()), "webhooks are refused")
            for found in relay.answers.values():
                found.clear()
            await world.until(lambda: all(len(found) >= 2 for found in relay.answers.values()), "they are delivered again, and refused")
            ready, status = await ask(daemon, "/readyz"), await command(world, "status")
            answers, writes = {system: set(found) for system, found in relay.answers.items()}, len(world.writes(mark))
            await end()
            began = monotonic()
            await world.converge(within_s=RECOVERED_S)
            recovered_s = monotonic() - began
            ready_after, _ = await ask(daemon, "/readyz")
            alive = daemon.running
            await daemon.stop()
        finally:
            await daemon.kill()
        return Outage(
            answers=answers,
            ready=ready,
            status=status,
            writes=writes,
            recovered_s=recovered_s,
            ready_after=ready_after,
            alive=alive,
            crashes=tuple(line["text"] for line in daemon.log if "text" in line),
            intact=integrity(world.configuration.state / "syncd.db"),
            arrived=all(
                (world.octopus(each.octopus)["fields"]["FirstName"], world.ghl(each.ghl)["lastName"]) == ("Nina", "Newell")
                for each in people
            ),
        )


async def ask(daemon: Daemon, path: str) -> tuple[int, str]:
    """The daemon's answer."""
    async with ClientSession() as session, session.get(f"{daemon.url}{path}") as response:
        return response.status, await response.text()


async def command(world: World, *arguments: str) -> tuple[int, str]:
    """A command beside the daemon; its exit code and all it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncd", *arguments, "-c", str(world.configuration.path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def integrity(path: Path) -> str:
    """SQLite's own judgement; `ok` where nothing is wrong."""
    with closing(sqlite3.connect(path)) as store:
        return "; ".join(text for (text,) in store.execute("PRAGMA integrity_check"))
