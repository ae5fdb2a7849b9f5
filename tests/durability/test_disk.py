"""The disk is full, broken or read-only: nothing is acknowledged, nothing is written anywhere, and it goes on by itself."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from syncd.sandbox import Operation
from syncd.sandbox.people import octopus_fields
from tests.durability.interposer import Orders, Watched
from tests.durability.killing import settled
from tests.durability.place import opened
from tests.durability.suffering import GHL, OCTOPUS, TROUBLES, Outage, outage

SOON_S = 20.0


def judge(name: str, seen: Outage) -> None:
    """What must be true of every trouble."""
    print(f"{name}: recovered after {seen.recovered_s:.1f} s")

    assert {"ghl": {429}, "octopus": {503}} == seen.answers
    assert (503, True) == (seen.ready[0], "written" in seen.ready[1])
    assert seen.writes == 0
    assert (seen.alive, seen.ready_after, seen.crashes) == (True, 200, ())
    assert (seen.intact, seen.arrived) == ("ok", True)
    assert (0, False) == (seen.status[0], "Traceback" in seen.status[1])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_disk_fails_and_comes_back(outages: Future[dict[str, Outage]], trouble: str) -> None:
    """While nothing can be committed webhooks are answered with what their vendor delivers again on, `/readyz` says so, and no vendor is
    written to; when it can be again everything arrives, in the same process."""
    judge(trouble, outages.result()[trouble])


def test_status_tells_of_it(outages: Future[dict[str, Outage]]) -> None:
    """While nothing can be committed `syncd status` says so."""
    assert "written" in outages.result()["no space"].status[1]


async def cut_off(directory: Path, library: Path, kind: str) -> tuple[float, int, int]:
    """The disk fails just when a call that changes something has left; seconds until all agree after its end, creates, records."""
    directory.mkdir()
    orders = Orders(directory / "orders")
    async with opened(directory, ghl=GHL, octopus=OCTOPUS) as world:
        person = world.settle()
        daemon = Watched(world, library, orders)
        try:
            await daemon.start()
            await settled(world)
            mark = world.mark()
            orders.fail_at("fail_after_send", 1, errno.ENOSPC)
            if kind == "update":
                world.sandbox.octopus.edit_as_user(person.octopus, {"FirstName": "Nina"})
            else:
                world.sandbox.octopus.create_as_user(octopus_fields(world.invent()))
            await world.until(lambda: world.writes(mark, "ghl"), "the call takes effect")
            await world.until(lambda: orders["refused"] > 3, "its outcome cannot be recorded")
            orders.forget()
            began = monotonic()
            await settled(world, within_s=SOON_S)
            took_s = monotonic() - began
            await daemon.stop()
        finally:
            await daemon.kill()
        made = [each for each in world.writes(mark) if each.operation is Operation.CREATE]
        return took_s, len(made), len(world.sandbox.ghl.contacts())


@pytest.mark.parametrize(("kind", "made", "records"), [("update", 0, 1), ("create", 1, 2)])
async def test_the_disk_fails_between_a_call_and_its_outcome(tmp_path: Path, library: Path, kind: str, made: int, records: int) -> None:
    """A call whose outcome could not be recorded is looked for as soon as commits work again, without a restart, and is not made twice."""
    took_s, *seen = await cut_off(tmp_path / kind, library, kind)
    print(f"{kind}: settled after {took_s:.1f} s")

    assert [made, records] == seen


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The state directory as a file system of its own, of four megabytes."""
    place = tmp_path / "state"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system takes root's rights")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_a_disk_that_is_really_full(tmp_path: Path, small_disk: Path) -> None:
    """The same, with a small file system that something else fills and then leaves again."""
    ballast = small_disk / "ballast"

    async def fill() -> None:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1024)):
                pass

    async def leave() -> None:
        ballast.unlink()

    async with opened(tmp_path, ghl=GHL, octopus=OCTOPUS) as world:
        judge("a full disk", await outage(world, world.new_daemon(), fill, leave))
