"""The power fails: whatever the disk then holds is a sound database with every commit that somebody had relied upon."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from syncd.store.database import Connection, open_database
from tests.durability.interposer import Orders, Watched
from tests.durability.killing import SYNC, WORKS, settled
from tests.durability.place import opened
from tests.durability.powerloss import Disk, Entry, read_trace

PROGRAM = Path(__file__).with_name("pragmas.py")
# Small enough that the log is carried over into the database, and begun anew, several times.
OFTEN = "wal_autocheckpoint=60"
CUTS = 150
Keys = dict[str, bytes]


@dataclass(slots=True)
class Verdict:
    """What the states showed: how many, which were unsound, which lacked something acknowledged."""

    states: int = 0
    relied_on: int = 0
    unsound: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


async def live(directory: Path, library: Path, *pragmas: str) -> tuple[list[Entry], Keys]:
    """A life with new people, edits on both sides and deletions; all that was written and synced, answered and sent in it.

    And the keys it was sealed and chained with: they are on the disk, with their names, before the database is first used.
    """
    trace = directory / "trace"
    async with opened(directory, daemon={"poll_min": '"60s"', "poll_max": '"60s"'}, sync=SYNC) as world:
        world.settle_many(3)
        program = (str(PROGRAM), OFTEN, *pragmas, "--")
        daemon = Watched(world, library, Orders(directory / "orders"), trace=trace, program=program)
        try:
            await daemon.start()
            await settled(world)
            for work in WORKS.values():
                work(world)
                await settled(world)
            code, _ = await daemon.stop()
        finally:
            await daemon.kill()
        assert code == 0, daemon.tail()
        keys = {name: (world.configuration.state / name).read_bytes() for name in ("syncd.key", "syncd.journal-key")}
    return read_trace(trace), keys


async def judge(life: tuple[list[Entry], Keys], random: Random, cuts: int) -> Verdict:
    """Lets the power fail at so many moments, those first at which somebody had just been told something."""
    entries, keys = life
    told = [number for number, entry in enumerate(entries, start=1) if entry.kind in "ar"]
    others = sorted(set(range(1, len(entries) + 1)) - set(told))
    chosen = {*told, *random.sample(others, min(len(others), max(0, cuts - len(told))))}
    disk, verdict, answers, calls = Disk(), Verdict(), 0, 0
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as place:
        for number, entry in enumerate(entries, start=1):
            disk.do(entry)
            answers += is_webhook_answer(entry)
            calls += is_call(entry)
            if number in chosen:
                for which, state in zip(("synced", "all", "some"), disk.states(random), strict=True):
                    await look(Path(place), state | keys, f"{which} of {number}", (answers, calls), verdict)
    verdict.relied_on = answers + calls
    return verdict


async def look(place: Path, state: dict[str, bytes], name: str, wanted: tuple[int, int], verdict: Verdict) -> None:
    """Opens what the disk holds as the daemon would."""
    shutil.rmtree(place / "state", ignore_errors=True)
    (place / "state").mkdir()
    for file, data in state.items():
        if file in ("syncd.db", "syncd.db-wal", "syncd.db-journal", "syncd.key", "syncd.journal-key"):
            (place / "state" / file).write_bytes(data)
            (place / "state" / file).chmod(0o600)
    verdict.states += 1
    try:
        async with open_database(place / "state" / "syncd.db") as database:
            found = await database.read(sound)
            events, sent = await database.read(kept)
    except Exception as error:
        verdict.unsound.append(f"{name}: {error!r}")
        return
    if found != ["ok"]:
        verdict.unsound.append(f"{name}: {found}")
    if events < wanted[0] or sent < wanted[1]:
        verdict.lost.append(f"{name}: {events} of {wanted[0]} events, {sent} of {wanted[1]} calls")


def sound(tx: Connection) -> list[str]:
    """What SQLite has to say against the file, and `ok`."""
    return [text for (text,) in tx.execute("PRAGMA integrity_check")] + [str(row) for row in tx.execute("PRAGMA foreign_key_check")]


def kept(tx: Connection) -> tuple[int, int]:
    """How many events are known, and how many writes are known to have been sent."""
    (events,) = tx.execute("SELECT count(*) FROM events").fetchone()
    (sent,) = tx.execute("SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL").fetchone()
    return events, sent


def is_webhook_answer(entry: Entry) -> bool:
    """An event was acknowledged."""
    return entry.kind == "a" and b"\r\nContent-Length: 0\r\n" in entry.data


def is_call(entry: Entry) -> bool:
    """A write was sent; a tag that has to be there first is part of another."""
    return entry.kind == "r" and b"/tags " not in entry.data.partition(b"\r")[0]


async def test_nothing_relied_upon_is_lost(tmp_path: Path, library: Path) -> None:
    """Every state a power loss may leave opens, is sound, knows every event that was acknowledged, and of every call that was made that
    it was going to be."""
    verdict = await judge(await live(tmp_path, library), Random(5), CUTS)
    print(f"{verdict.states} states, {verdict.relied_on} acknowledged events and calls")

    assert ([], []) == (verdict.unsound, verdict.lost)
    assert verdict.relied_on >= 15


async def test_without_a_sync_for_every_commit_it_would_be_seen(tmp_path: Path, library: Path) -> None:
    """The same with `synchronous=NORMAL`, which promises less: sound, but what was acknowledged is missing in some states."""
    verdict = await judge(await live(tmp_path, library, "synchronous=NORMAL"), Random(5), CUTS // 3)
    print(f"{verdict.states} states, {len(verdict.lost)} of them lack something acknowledged")

    assert [] == verdict.unsound
    assert verdict.lost


@pytest.mark.slow
async def test_nothing_relied_upon_is_lost_at_any_moment(tmp_path: Path, library: Path, request: pytest.FixtureRequest) -> None:
    """The same with every moment of every life, for as many lives as `--worlds` says, a tenth of them at least one."""
    for number in range(max(1, request.config.getoption("worlds") // 10)):
        directory = tmp_path / str(number)
        directory.mkdir()
        life = await live(directory, library)
        verdict = await judge(life, Random(number), len(life[0]))
        print(f"life {number}: {verdict.states} states, {verdict.relied_on} acknowledged events and calls")

        assert ([], []) == (verdict.unsound, verdict.lost)
