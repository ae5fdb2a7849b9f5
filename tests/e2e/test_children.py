"""A first sync of contacts with tasks and notes, which are listed by a call a contact: within the quota, told while it goes on, and cut by
a kill without starting over."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from tests.e2e.locations import CHILDREN, NOTES, TASKS, Locations, opened

CONTACTS_BETWEEN_COMMITS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a first sync took: calls for notes before and after the kill, by location, all calls, and how it went."""

    before: tuple[int, int]
    after: tuple[int, int]
    calls: int
    refused: int
    seconds: float
    rss_mib: float
    told: dict[str, object]

    def __str__(self) -> str:
        return (
            f"calls for notes {self.before} before the kill and {self.after} after it, {self.calls} in all in {self.seconds:.0f} s"
            f" ({self.calls / self.seconds:.1f}/s), {self.refused} refused, {self.rss_mib:.0f} MiB, told in the middle: {self.told}"
        )


def notes_listed(world: Locations) -> tuple[int, int]:
    """How many calls for a contact's notes each location has had."""
    return world.here.stats.requests[NOTES], world.there.stats.requests[NOTES]


def rss_mib(world: Locations) -> float:
    """The most memory that the daemon which now holds the lock has used."""
    pids = [each for each in Path("/proc").iterdir() if each.name.isdigit()]
    for each in pids:
        try:
            command = (each / "cmdline").read_bytes()
            if str(world.folder / "syncd.toml").encode() in command and b"run" in command:
                peak = next(line for line in (each / "status").read_text().splitlines() if line.startswith("VmHWM"))
                return int(peak.split()[1]) / 1024
        except OSError:
            continue
    return 0.0


async def killed_in_the_middle(world: Locations, count: int, *, missing: int, within_s: float) -> Cost:
    """A first sync of so many contacts, whose daemon is killed when half of the notes are listed; the last few have children here alone."""
    for number in range(count):
        world.settle(number, children_there=number < count - missing)
    started = monotonic()
    first = world.new_daemon()
    await first.start()
    try:
        await world.until(lambda: min(notes_listed(world)) >= count // 6, "some notes are listed", within_s=within_s)
        told = (await world.status())["collections"]["here/notes"]
        await world.until(lambda: min(notes_listed(world)) >= count // 2, "half of the notes are listed", within_s=within_s)
    finally:
        await first.kill()
    before = notes_listed(world)
    async with world.daemon():
        await world.until(
            lambda: min(notes_listed(world)) >= count and world.children(world.here) == world.children(world.there),
            "both have the same tasks and notes",
            within_s=within_s,
            every_s=count / 10_000,
        )
        seconds, peak = monotonic() - started, rss_mib(world)
    after = tuple(now - then for now, then in zip(notes_listed(world), before, strict=True))
    calls = world.here.stats.requests.total() + world.there.stats.requests.total()
    print(dict(world.here.stats.requests), dict(world.there.stats.requests))
    return Cost(
        before=before, after=(after[0], after[1]), calls=calls, refused=world.refused(), seconds=seconds, rss_mib=peak, told=told
    )  # fmt: skip


async def test_a_kill_in_the_middle_does_not_start_over(tmp_path: Path) -> None:
    """What was listed before it is not listed again, nothing is refused, nothing is doubled, and in the middle the rest is told."""
    async with opened(tmp_path, burst=50, window_s=2.0) as world:
        cost = await killed_in_the_middle(world, 300, missing=5, within_s=60)
        print(cost)
        reading = cost.told["reading"]

        assert 0 == cost.refused
        # The five whose notes are made there are listed once more, to see them.
        assert max(sum(each) for each in zip(cost.before, cost.after, strict=True)) <= 300 + CONTACTS_BETWEEN_COMMITS + 5
        assert max(cost.after) < 300 - CONTACTS_BETWEEN_COMMITS
        assert {1} == set(world.children(world.there).values())
        assert isinstance(reading, dict)
        assert ("complete", True) == (reading["mode"], 0 < reading["calls_left"] < 300)
        assert 0 < reading["left_s"] < 30


@pytest.mark.slow
async def test_a_large_first_sync_with_children(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same within the vendor's real quota, for as many contacts as `--contacts` says."""
    count = int(request.config.getoption("contacts"))
    async with opened(tmp_path, daemon='poll_min = "1m"\npoll_max = "15m"') as world:
        cost = await killed_in_the_middle(world, count, missing=20, within_s=120 + count)
        print(cost)

        assert 0 == cost.refused
        assert max(sum(each) for each in zip(cost.before, cost.after, strict=True)) <= count + CONTACTS_BETWEEN_COMMITS + 20
        assert {1} == set(world.children(world.there).values())


async def test_an_edit_overtakes_the_listing_of_notes(tmp_path: Path) -> None:
    """While notes are listed, somebody's edit arrives at the other side; how far the listing is is told to whoever follows it; and the day
    that a pass costs is told from then on."""
    async with opened(tmp_path, burst=40, window_s=2.0, syncs=CHILDREN.replace('"notes" }', '"notes", pass_every = "12h" }', 1)) as world:
        for number in range(200):
            world.settle(number)
        here, there = world.ids["person7@example.com"]
        async with world.daemon():
            await world.until(lambda: world.here.stats.requests[NOTES] >= 50, "notes are being listed")
            following = asyncio.create_task(followed(world))
            world.here.edit_as_user(here, {"firstName": "Edited"})
            named = {"firstName": "Edited"}
            await world.until(
                lambda: any(row["id"] == there and named.items() <= row.items() for row in world.there.contacts()), "the edit arrives"
            )
            listed = notes_listed(world)
            shown = await following
            tasks = world.here.stats.requests[TASKS]
            told = (await world.status())["collections"]["here/notes"]
            words = await world.syncd("status")
            await world.until(lambda: world.here.stats.requests[TASKS] >= tasks + 3, "tasks are polled on and on")

        assert max(listed) < 200
        assert "reading" in shown
        assert "here/notes (" in shown
        assert "to go" in shown
        assert "by the quota" in shown
        assert 0 == world.refused()
        # Whoever was edited meanwhile comes once more at the end.
        assert {True} == {200 <= each <= 203 for each in notes_listed(world)}
        assert (12 * 3600, True, 200_000) == (told["passes"]["every_s"], told["passes"]["counted"], told["passes"]["daily_limit"])
        assert 200 + 200 // CONTACTS_BETWEEN_COMMITS <= told["passes"]["calls"] <= 210
        assert 2 * told["passes"]["calls"] == told["passes"]["calls_a_day"] == told["passes"]["calls_a_day_at_most"]
        assert f"here/notes: all are listed every 12 h: {told['passes']['calls']} calls, {2 * told['passes']['calls']} calls a day" in words
        assert "here/notes: Notes are listed contact by contact: a pass costs a call a contact." in words


async def followed(world: Locations) -> str:
    """What `syncd reconcile` shows on a terminal until it ends."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncd", "reconcile", cwd=world.folder, env={**world.environ(), "TERM": "xterm", "COLUMNS": "300"},
        stdin=theirs, stdout=asyncio.subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown: list[bytes] = []
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def take() -> None:
        try:
            shown.append(os.read(ours, 65_536))
        except OSError:
            loop.remove_reader(ours)
            ended.set()

    loop.add_reader(ours, take)
    try:
        await process.wait()
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        os.close(ours)
    return b"".join(shown).decode(errors="replace")
