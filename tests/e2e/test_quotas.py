"""A first sync within the vendors' real quotas: no 429 of our own making, and hardly a call more than the vendors' pages need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from time import monotonic

import pytest

from syncd.sandbox import GoHighLevelOptions
from syncd.sandbox.people import populate_many
from tests.e2e.oracle import by_api
from tests.e2e.world import GHL, OCTOPUS, World

GHL_PAGE, OCTOPUS_PAGE, OCTOPUS_STATUSES = 500, 100, 3
# What it takes to meet the vendors: a location and its custom fields; a list.
GREETING = 3
USUAL = {"poll_min": '"1m"', "poll_max": '"15m"', "quiet": '"2s"', "quiet_max": '"10s"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a first sync took."""

    creates: int
    calls: int
    least: int
    rate_limited: int
    seconds: float
    busiest: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.creates} creates in {self.seconds:.0f} s, {self.calls} calls where {self.least} are needed"
            f" ({self.calls / self.least:.2f}x), busiest ten seconds {self.busiest}, {self.rate_limited} refused"
        )


async def first_sync(directory: Path, count: int, overlap: float, within_s: float) -> Cost:
    """A first sync of so many people within the vendors' real quotas."""
    options = GoHighLevelOptions(index_lag_s=2.0)
    async with World.open(directory, daemon=USUAL, ghl=options, octopus=OCTOPUS, systems={}, webhooks=False, timeout_s=20) as world:
        populate_many(world.sandbox, 1, count, overlap)
        left, right = len(world.sandbox.ghl.contacts()), len(world.sandbox.octopus.contacts())
        started = monotonic()
        async with world.daemon():
            await world.agree(within_s=within_s)
            seconds = monotonic() - started
            await world.quiet_for(1.0)
        ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
        creates = len(by_api([*ghl.truth.since(), *octopus.truth.since()]))
        print(dict(ghl.stats.requests), dict(octopus.stats.requests))
        return Cost(
            creates=creates,
            calls=ghl.stats.requests.total() + octopus.stats.requests.total(),
            least=GREETING + ceil(left / GHL_PAGE) + ceil(right / OCTOPUS_PAGE) + OCTOPUS_STATUSES - 1 + creates,
            rate_limited=ghl.stats.rate_limited + octopus.stats.rate_limited,
            seconds=seconds,
            busiest=(ghl.stats.max_in_window, octopus.stats.max_in_window),
        )


async def test_a_first_sync_within_the_quotas(tmp_path: Path) -> None:
    """600 contacts, nearly all on both sides: nothing is refused, and the calls are near the least possible."""
    cost = await first_sync(tmp_path, 600, 0.97, 40)
    print(cost)

    assert cost.rate_limited == 0
    assert cost.calls <= 1.05 * cost.least + 2


@pytest.mark.slow
async def test_a_large_first_sync_within_the_quotas(tmp_path: Path) -> None:
    """3,000 contacts, four in five on both sides: some 300 creates a side, nothing is refused."""
    cost = await first_sync(tmp_path, 3_000, 0.8, 300)
    print(cost)

    assert cost.rate_limited == 0
    assert cost.calls <= 1.05 * cost.least + 2


async def test_a_burst_of_edits_within_the_quotas(tmp_path: Path) -> None:
    """More edits on each side at once than a window and a bucket hold, with webhooks: nothing is refused, every edit arrives.

    Window and bucket are a seventh of the real ones, so that they are soon spent.
    """
    systems = {"ghl": "calls_per_window = 15\nwindow_s = 1.5", "octopus": "calls_burst = 15\ncalls_per_s = 10"}
    ghl, octopus = replace(GHL, burst=15, burst_window_s=1.5), replace(OCTOPUS, burst=15)
    daemon = {"poll_min": '"2s"', "poll_max": '"2s"'}
    async with World.open(tmp_path, systems=systems, ghl=ghl, octopus=octopus, daemon=daemon, timeout_s=20) as world:
        people = world.settle_many(16)
        async with world.daemon():
            await world.agree()
            await world.quiet_for(1.0)
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Here"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": "There"})
            await world.agree(within_s=60)
            refused = world.sandbox.ghl.stats.rate_limited + world.sandbox.octopus.stats.rate_limited
            print(dict(world.sandbox.ghl.stats.requests), dict(world.sandbox.octopus.stats.requests))

    assert refused == 0
    assert {world.ghl(each.ghl)["lastName"] for each in people} == {"There"}
