"""Other processes beside a running daemon: a second daemon stays out, and no command ever gets in its way, or it in theirs."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.durability.editing import editing
from tests.durability.place import opened
from tests.durability.suffering import command
from tests.e2e.daemon import Daemon
from tests.e2e.test_crashes import GUARDS
from tests.e2e.world import World

COMMANDS = (("plan",), ("reconcile",), ("status",), ("holds",), ("failures",), ("events",))
NEVER = ("Traceback", "locked", "malformed")


async def test_a_second_daemon_stays_out(tmp_path: Path) -> None:
    """A second daemon on the same state ends at once with exit code 1, one line that names the first, and no traceback; also when many
    are started at the same time. The first goes on."""
    async with opened(tmp_path) as world:
        person = world.settle()
        async with world.daemon() as first:
            seconds = [Daemon(world.configuration.path, world.configuration.port, tmp_path / f"{number}.log") for number in range(3)]
            for each in seconds:
                await each.start(wait=False)
            await world.until(lambda: not any(each.running for each in seconds), "the others end")
            codes = [(await each.stop())[0] for each in seconds]
            said = [" ".join(str(line.get("text", line)) for line in each.log) for each in seconds]
            pid = first.said("daemon.ready")[0]["pid"]
            world.sandbox.ghl.edit_as_user(person.ghl, {"firstName": "Served"})
            await world.converge()

    assert [1, 1, 1] == codes
    assert [] == [each for each in said if f"another syncd (process {pid}) holds" not in each or "Traceback" in each]
    assert "Served" == world.octopus(person.octopus)["fields"]["FirstName"]


async def keep_company(directory: Path, turns: int) -> tuple[Counter[tuple[str, int]], list[str]]:
    """Runs every command so many times, side by side, beside a daemon at work; exit codes, and what must never be said."""
    codes: Counter[tuple[str, int]] = Counter()
    bad: list[str] = []

    async def often(arguments: tuple[str, ...]) -> None:
        for _ in range(turns):
            code, said = await command(world, *arguments)
            codes[arguments[0], code] += 1
            bad.extend(f"{arguments[0]}: {said}" for each in NEVER if each in said)

    async with opened(directory, sync=GUARDS) as world:
        people = world.settle_many(40 * turns)
        async with world.daemon() as daemon:
            await world.converge()
            async with editing(world, people, Random(41)):
                await asyncio.gather(*map(often, COMMANDS))
            await world.converge(within_s=90)
            bad += daemon_troubles(world, daemon)
    return codes, bad


def daemon_troubles(world: World, daemon: Daemon) -> list[str]:
    """What the daemon must not have met: nothing that could not be committed, no failed request."""
    return [str(line) for line in daemon.log if line.get("event") in ("store.failed", "webhook.not_stored", "process.crashed") or "text" in line]


async def test_commands_beside_a_running_daemon(tmp_path: Path) -> None:
    """Commands that look, plan and ask, several at a time, beside a daemon with work going on: each ends well, nothing is ever locked,
    and the daemon notices nothing."""
    codes, bad = await keep_company(tmp_path, 1)

    assert [] == bad
    assert {(name, 0): 1 for (name,) in COMMANDS} == dict(codes)


@pytest.mark.slow
async def test_commands_beside_a_running_daemon_for_long(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same, as many times as `--worlds` says."""
    turns = request.config.getoption("worlds")
    codes, bad = await keep_company(tmp_path, turns)

    assert [] == bad
    assert {(name, 0): turns for (name,) in COMMANDS} == dict(codes)
