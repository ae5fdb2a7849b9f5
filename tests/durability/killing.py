"""Killing: a small piece of work, a daemon killed at a named moment of it, and what the vendors show in the end.

Every kill has a world of its own, with the same people and the same edits; the first, in which nothing is killed, says how many moments
there are and what the end must be. Polls are rare, so that the moments are those of the work alone.
The rule that keeps it true: the end is read from the vendors; of the store only what it must have kept, and that nothing is left to do.
It must not know: which kills are wanted, or how many.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from syncd.sandbox import Operation
from syncd.sandbox.people import ghl_fields, octopus_fields
from tests.durability.interposer import Orders, Watched
from tests.durability.place import opened
from tests.e2e.daemon import Daemon
from tests.e2e.oracle import Plain, disagreements, from_ghl, from_octopus
from tests.e2e.world import Mark, World

# Polls at the start of a life only; each of them a complete one, because a webhook that met a dead daemon may be lost for good.
DAEMON = {"poll_min": '"60s"', "poll_max": '"60s"', "full_pass": '"100ms"'}
SYNC = {
    "conflict": '"source_of_truth"',
    "delete": '"propagate"',
    "guards": '{ delete_grace = "300ms", deletes = { number = 100 } }',
}
WITHIN_S = 30.0
HANDS = 2
# GoHighLevel's search may run half a minute behind, so a create that may have happened is looked for twice, half a minute apart.
DOUBT_S = 120.0
LEFT = """
SELECT (SELECT count(*) FROM events WHERE done_at IS NULL) + (SELECT count(*) FROM suspects) + (SELECT count(*) FROM to_plan)
     + (SELECT count(*) FROM outbox WHERE state IN ('pending', 'sent', 'unknown'))
     + (SELECT count(*) FROM cursors WHERE pass_mode IS NOT NULL) + 2 - (SELECT count(*) FROM cursors WHERE complete_at IS NOT NULL)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When the daemon is killed: the so-manyth commit or call to a vendor, before or after it."""

    kind: str
    number: int

    def __str__(self) -> str:
        """In words, for the message of a failing test."""
        return f"{self.kind} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What both vendors show, and how many records were made and removed through their APIs."""

    ghl: frozenset[Plain]
    octopus: frozenset[Plain]
    records: tuple[int, int]
    made: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one world showed: the moment, whether it came, the end, events acknowledged and kept, seconds until ready again."""

    moment: Moment | None
    end: End
    killed: bool = False
    acknowledged: int = 0
    kept: int = 0
    ready_s: float = 0.0
    doubtful: int = 0
    commits: int = 0
    sends: int = 0
    left_over: tuple[str, ...] = ()


Work = Callable[[World], None]


def create(world: World) -> None:
    """Somebody new on each side."""
    world.sandbox.ghl.create_as_user(ghl_fields(world.invent()))
    world.sandbox.octopus.create_as_user(octopus_fields(world.invent()))


def conflict(world: World) -> None:
    """One field of one person changed to two values, two fields of another on two sides, and a tag on each."""
    first, second, *_ = _settled(world)
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    ghl.edit_as_user(first["ghl"], {"firstName": "Nina", "tags": ["customer", "here"]})
    octopus.edit_as_user(first["octopus"], {"FirstName": "Mina", "tags": {"there": True}})
    ghl.edit_as_user(second["ghl"], {"lastName": "Here"})
    octopus.edit_as_user(second["octopus"], {"FirstName": "There"})


def delete(world: World) -> None:
    """One person deleted on one side, another on the other."""
    first, second, *_ = _settled(world)
    world.sandbox.ghl.delete_as_user(first["ghl"])
    world.sandbox.octopus.delete_as_user(second["octopus"])


WORKS: dict[str, Work] = {"create": create, "conflict": conflict, "delete": delete}


async def live(directory: Path, library: Path, work: Work, moment: Moment | None, hands: asyncio.Semaphore) -> Life:
    """One world in which the daemon is killed at a moment of the work, or not; at most so many are busy at once as there are hands."""
    directory.mkdir()
    orders = Orders(directory / "orders")
    async with opened(directory, daemon=DAEMON, sync=SYNC) as world:
        async with hands:
            world.settle_many(3)
            first = Watched(world, library, orders)
            async with _living(first):
                await settled(world)
                begin = world.mark()
                if moment is None:
                    orders.forget()
                else:
                    orders.end_at(moment.kind, moment.number)
                work(world)
                await world.until(lambda: not first.running or is_settled(world), "the work is done", within_s=WITHIN_S)
                killed = not first.running
                if moment is None:
                    return Life(moment=None, end=_end(world, begin), commits=orders["commits"], sends=orders["sends"])
                acknowledged, kept = _acknowledged(world), _kept(world)
                await first.kill()
            second = world.new_daemon()
            await second.start()
        async with _living(second):
            await settled(world, within_s=DOUBT_S)
        return Life(
            moment=moment,
            end=_end(world, begin),
            killed=killed,
            acknowledged=acknowledged,
            kept=kept,
            ready_s=second.ready_after_s,
            doubtful=sum(line["unknown"] for line in second.said("writes.recovered")),
            left_over=(*(held.reason for held in world.holds()), *(str(failed) for failed in world.failures())),
        )


@asynccontextmanager
async def _living(daemon: Daemon) -> AsyncIterator[None]:
    """A daemon, started if it is not, for the length of the block. One that was not killed in it must then end well when told to."""
    try:
        if not daemon.running:
            await daemon.start()
        yield
        if daemon.running:
            code, _ = await daemon.stop()
            assert code == 0, daemon.tail()
    finally:
        await daemon.kill()


def is_settled(world: World) -> bool:
    """Every webhook was tried, nothing is left to do in the store, and the vendors agree."""
    return not world.sandbox.ghl.webhooks.pending and left(world) == 0 and disagreements(world.sandbox) == []


async def settled(world: World, *, within_s: float = WITHIN_S) -> None:
    """Waits until that is so."""
    await world.until(lambda: is_settled(world), "nothing is left to do", within_s=within_s)


def left(world: World) -> int:
    """How much is left to do in the store."""
    with closing(sqlite3.connect(f"file:{world.configuration.state / 'syncd.db'}?mode=ro", uri=True, timeout=5)) as store:
        return int(store.execute(LEFT).fetchone()[0])


def _acknowledged(world: World) -> int:
    """How many of GoHighLevel's deliveries, each of one event, were answered well."""
    stats = world.sandbox.ghl.stats
    return stats.webhooks_sent - stats.webhooks_failed


def _kept(world: World) -> int:
    """How many events that it announced are on disk."""
    with closing(sqlite3.connect(world.configuration.state / "syncd.db")) as store:
        return int(store.execute("SELECT count(*) FROM events WHERE system = 'ghl'").fetchone()[0])


def _end(world: World, begin: Mark) -> End:
    ghl, octopus = world.sandbox.ghl.contacts(), world.sandbox.octopus.contacts()
    did = Counter(entry.operation for entry in world.writes(begin) if entry.collection == "contacts")
    return End(
        ghl=frozenset(map(from_ghl, ghl)),
        octopus=frozenset(map(from_octopus, octopus)),
        records=(len(ghl), len(octopus)),
        made=did[Operation.CREATE],
        removed=did[Operation.DELETE],
    )


def _settled(world: World) -> list[dict[str, str]]:
    """The ids of those who were there from the beginning, by address."""
    ghl = {row["email"]: row["id"] for row in world.sandbox.ghl.contacts()}
    octopus = {row["email_address"]: row["id"] for row in world.sandbox.octopus.contacts()}
    return [{"ghl": ghl[email], "octopus": octopus[email]} for email in sorted(ghl)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One piece of work: its undisturbed life, and those that were cut short."""

    name: str
    calm: Life
    lives: tuple[Life, ...]


async def kill_all(directory: Path, library: Path, *, every: int) -> dict[str, Series]:
    """Every piece of work, killed at every so-manyth of its moments."""
    hands = asyncio.Semaphore(HANDS)
    found = await asyncio.gather(*(kill_through(directory, library, name, every=every, hands=hands) for name in WORKS))
    return {series.name: series for series in found}


async def kill_through(directory: Path, library: Path, name: str, *, every: int, hands: asyncio.Semaphore) -> Series:
    """Lives a piece of work once undisturbed, and once for every so-manyth moment of it."""
    calm = await live(directory / name, library, WORKS[name], None, hands)
    chosen = _moments(calm)[::every]
    lives = [live(directory / f"{name} {moment}", library, WORKS[name], moment, hands) for moment in chosen]
    return Series(name=name, calm=calm, lives=tuple(await asyncio.gather(*lives)))


def _moments(calm: Life) -> list[Moment]:
    """All moments of a piece of work: around each commit, and around each call that changes something at a vendor."""
    kinds = (("before_commit", calm.commits), ("after_commit", calm.commits), ("before_send", calm.sends), ("after_send", calm.sends))
    return [Moment(kind=kind, number=number) for kind, count in kinds for number in range(1, count + 1)]
