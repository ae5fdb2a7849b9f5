"""The quota in virtual time: never over a vendor's limit, nearly all of it used, and the line served in the right order."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress

import anyio
import pytest

from syncd.connectors import quota as quota_of
from syncd.connectors.quota import BucketBudget, DailyBudget, Limits, Priority, Quota, WindowBudget, priority
from syncd.core.errors import Unavailable
from syncd.core.record import SystemName


def window_quota(clock, *, limit=100, window_s=10.0, **options) -> Quota:
    return Quota(system=SystemName("v"), clock=clock, budget=WindowBudget(limit=limit, window_s=window_s), **options)


def bucket_quota(clock, *, burst=100, per_s=10.0, reserve=5) -> Quota:
    return Quota(system=SystemName("v"), clock=clock, budget=BucketBudget(burst=burst, per_s=per_s, reserve=reserve))


class Window:
    """A vendor's window, sliding or standing (its seams `shift_s` off ours), that remembers whether it was ever overdrawn."""

    def __init__(self, *, sliding: bool, limit=100, window_s=10.0, shift_s=0.0) -> None:
        self.sliding, self.limit, self.window_s, self.shift_s = sliding, limit, window_s, shift_s
        self.counted: deque[float] = deque()
        self.taken = 0
        self.refused = 0

    def take(self, now: float) -> Limits:
        start = now - self.window_s if self.sliding else (now - self.shift_s) // self.window_s * self.window_s + self.shift_s
        while self.counted and (self.counted[0] <= start if self.sliding else self.counted[0] < start):
            self.counted.popleft()
        if len(self.counted) >= self.limit:
            self.refused += 1
            return Limits(limit=self.limit, remaining=0, interval_s=self.window_s, refused=True)
        self.counted.append(now)
        self.taken += 1
        return Limits(limit=self.limit, remaining=self.limit - len(self.counted), interval_s=self.window_s)


async def hammer(quota, clock, vendor, *, for_s, chance, workers=64) -> None:
    """Many callers who always want more; each round trip takes 30 to 280 ms, and the vendor counts somewhere within it."""

    async def worker() -> None:
        while True:
            async with quota.slot() as slot:
                there, back = chance.uniform(0.015, 0.14), chance.uniform(0.015, 0.14)
                await anyio.sleep(there)
                limits = vendor.take(clock.monotonic())
                await anyio.sleep(back)
                slot.learn(limits)

    with anyio.move_on_after(for_s):
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(worker)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sliding", [True, False])
def test_no_window_is_overdrawn_and_nearly_all_is_used(in_virtual_time, sliding, seed):
    """Zero refusals, and at least 97 % of what the vendor grants, whichever way it counts."""
    chance = random.Random(seed)
    vendor = Window(sliding=sliding, shift_s=chance.uniform(0, 10))

    async def world(clock):
        await hammer(window_quota(clock), clock, vendor, for_s=600, chance=chance)

    in_virtual_time(world)

    assert 0 == vendor.refused
    assert 0.97 <= vendor.taken / (100 * 60)


def test_the_vendors_own_sizes_are_adopted(in_virtual_time):
    """A vendor that says 25 in 5 seconds is believed from its first answers on."""
    vendor = Window(sliding=True, limit=25, window_s=5.0)

    async def world(clock):
        quota = window_quota(clock, limit=20)
        await hammer(quota, clock, vendor, for_s=200, chance=random.Random(1))
        return quota.snapshot().limit

    assert 25 == in_virtual_time(world)
    assert 0 == vendor.refused
    assert 0.94 <= vendor.taken / (25 * 40)


def test_what_others_spend_is_left_to_them(in_virtual_time):
    """A second holder of the same quota takes a third of it; what little is refused is refused before we knew."""
    vendor = Window(sliding=True)
    theirs: list[bool] = []

    async def world(clock):
        async def other() -> None:
            while True:
                theirs.append(vendor.take(clock.monotonic()).refused)
                await anyio.sleep(0.3)

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await hammer(window_quota(clock), clock, vendor, for_s=300, chance=random.Random(2))
            group.cancel_scope.cancel()

    in_virtual_time(world)

    ours_refused, ours_taken = vendor.refused - sum(theirs), vendor.taken - theirs.count(False)

    assert ours_refused <= ours_taken * 0.02
    assert 0.9 <= vendor.taken / (100 * 30)


def test_a_bucket_is_never_drained_below_its_reserve(in_virtual_time):
    """The vendor's bucket keeps the reserve, and the refill is used up to nearly its whole."""
    bucket = {"tokens": 100.0, "at": 1_000.0, "lowest": 100.0, "taken": 0}

    class Vendor:
        def take(self, now: float) -> Limits:
            bucket["tokens"] = min(100.0, bucket["tokens"] + (now - bucket["at"]) * 10) - 1
            bucket["at"] = now
            bucket["lowest"] = min(bucket["lowest"], bucket["tokens"])
            bucket["taken"] += 1
            return Limits(remaining=int(bucket["tokens"]))

    async def world(clock):
        await hammer(bucket_quota(clock), clock, Vendor(), for_s=300, chance=random.Random(3))

    in_virtual_time(world)

    assert 0 <= bucket["lowest"]
    assert 0.97 <= bucket["taken"] / (95 + 10 * 300)


def test_a_refusal_makes_everybody_wait(in_virtual_time):
    """After a 429 no call goes out until the vendor's wish, or else its interval, has passed."""

    async def world(clock):
        waits = []
        for wish_s, expected_s in ((3.0, 3.0), (None, 10.0)):
            quota = window_quota(clock)
            async with quota.slot() as slot:
                slot.learn(Limits(refused=True, retry_after_s=wish_s))
            start = clock.monotonic()
            async with quota.slot():
                waits.append((clock.monotonic() - start, expected_s))
        return waits

    for waited_s, expected_s in in_virtual_time(world):
        assert pytest.approx(expected_s, abs=0.01) == waited_s


def test_the_line_is_served_by_priority_then_by_arrival(in_virtual_time):
    """Those who came later with more urgent work go first; among equals, who came first."""
    served = []

    async def world(clock):
        quota = window_quota(clock, limit=1, window_s=1.0)

        async def ask(level: Priority, number: int) -> None:
            with priority(level):
                async with quota.slot():
                    served.append((level, number))

        async with anyio.create_task_group() as group, quota.slot():
            for number in range(2):
                for level in (Priority.BACKFILL, Priority.AUTOMATION, Priority.SWEEP, Priority.RETRY, Priority.LIVE):
                    group.start_soon(ask, level, number)
                    await anyio.sleep(0.01)

    in_virtual_time(world)

    assert [(level, number) for level in sorted(Priority) for number in range(2)] == served


def test_an_edit_is_served_while_a_backfill_spends_the_window(in_virtual_time):
    """Whoever lists thousands leaves a look and a write free: an edit in the middle waits for none of the window, and nothing is refused."""
    vendor = Window(sliding=True)
    waits: list[float] = []

    async def world(clock):
        quota = window_quota(clock)

        async def edit() -> None:
            for _ in range(10):
                await anyio.sleep(13.7)
                for _ in range(2):
                    start = clock.monotonic()
                    async with quota.slot() as slot:
                        waits.append(clock.monotonic() - start)
                        slot.learn(vendor.take(clock.monotonic()))

        async with anyio.create_task_group() as group:
            group.start_soon(edit)
            with priority(Priority.BACKFILL):
                await hammer(quota, clock, vendor, for_s=150, chance=random.Random(4), workers=8)
            group.cancel_scope.cancel()

    in_virtual_time(world)

    assert (20, 0) == (len(waits), vendor.refused)
    assert max(waits) < 0.5
    assert 0.95 <= vendor.taken / (100 * 15)


def test_the_first_call_goes_alone(in_virtual_time):
    """A predecessor that was killed had spent the window: one call finds out, the others wait, and nothing is refused."""
    vendor = Window(sliding=True)

    async def world(clock):
        for _ in range(98):
            vendor.take(clock.monotonic())
        await hammer(window_quota(clock, first_alone=True), clock, vendor, for_s=60, chance=random.Random(5))

    in_virtual_time(world)

    assert 0 == vendor.refused
    assert 400 < vendor.taken


def test_a_first_call_that_hangs_keeps_nobody_long(in_virtual_time):
    """The others go after a few seconds, whatever becomes of it."""

    async def world(clock):
        quota, start = window_quota(clock, first_alone=True), clock.monotonic()
        async with anyio.create_task_group() as group:
            async with quota.slot():

                async def other() -> float:
                    async with quota.slot():
                        return clock.monotonic() - start

                with anyio.fail_after(10):
                    waited_s = await other()
            group.cancel_scope.cancel()
        return waited_s

    assert pytest.approx(3.0, abs=0.1) == in_virtual_time(world)


def test_nobody_overtakes_the_first_in_line(in_virtual_time):
    """Not even who asks in the very moment in which a place becomes free."""
    served = []

    async def world(clock):
        quota = window_quota(clock, in_flight_max=1)

        async def urgent() -> None:
            async with quota.slot():
                served.append("urgent")

        async with anyio.create_task_group() as group:
            with priority(Priority.BACKFILL):
                async with quota.slot():
                    with priority(Priority.LIVE):
                        group.start_soon(urgent)
                    await anyio.sleep(0.1)
                async with quota.slot():
                    served.append("backfill")

    in_virtual_time(world)

    assert ["urgent", "backfill"] == served


def test_whoever_gives_up_gives_up_his_place(in_virtual_time):
    """Cancelled waiters, in line or first in line, neither keep a slot nor hold up the others."""
    chance = random.Random(4)

    async def world(clock):
        quota = window_quota(clock, limit=5, window_s=1.0)
        done = []

        async def ask(patience_s: float) -> None:
            with anyio.move_on_after(patience_s):
                async with quota.slot():
                    await anyio.sleep(chance.uniform(0, 0.2))
                    done.append(clock.monotonic())

        async with anyio.create_task_group() as group:
            for _ in range(300):
                group.start_soon(ask, chance.uniform(0, 20))
            await anyio.sleep(25)
            status = quota.snapshot()
            start = clock.monotonic()
            async with quota.slot():
                pass
            return status, clock.monotonic() - start, len(done)

    status, waited_s, served = in_virtual_time(world)

    assert (0, 0) == (status.waiting, status.in_flight)
    assert 0 == waited_s
    assert served >= 90


def test_no_more_calls_are_open_than_allowed(in_virtual_time):
    """A burst the window would admit still goes out over a bounded number of connections."""
    seen = []

    async def world(clock):
        quota = window_quota(clock, in_flight_max=7)

        async def ask() -> None:
            async with quota.slot():
                seen.append(quota.snapshot().in_flight)
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)

    in_virtual_time(world)

    assert 7 == max(seen)


def test_a_spent_day_sends_callers_away(in_virtual_time):
    """No one sleeps for hours: the caller learns when to come back, and a probe now and then asks whether the day has turned."""

    async def world(clock):
        quota = window_quota(clock, daily=DailyBudget(limit=50))
        for _ in range(50):
            async with quota.slot():
                pass
        with pytest.raises(Unavailable) as caught:
            async with quota.slot():
                pass
        await anyio.sleep(901)
        async with quota.slot() as probe:
            probe.learn(Limits(daily_limit=50, daily_remaining=49))
        return caught.value.retry_after_s, quota.snapshot().daily_remaining

    retry_after_s, remaining = in_virtual_time(world)

    assert pytest.approx(900, abs=1) == retry_after_s
    # The probe itself may or may not be in the vendor's count yet, so it is counted once more.
    assert 48 == remaining


def test_a_long_backfill_leaves_the_end_of_the_day_to_people(in_virtual_time):
    """At 95 % of the day a backfill is sent away and a live call still goes through."""

    async def world(clock):
        quota = window_quota(clock, daily=DailyBudget(limit=100))
        went = 0
        with priority(Priority.BACKFILL), suppress(Unavailable):
            for _ in range(100):
                async with quota.slot():
                    went += 1
        async with quota.slot():
            return went

    assert 95 == in_virtual_time(world)


def test_a_wait_too_long_is_refused_to_all_in_line(in_virtual_time):
    """A refusal of minutes reaches those already waiting, whatever their place."""

    async def world(clock):
        quota = window_quota(clock, limit=1)
        refused = []

        async def ask() -> None:
            try:
                async with quota.slot():
                    pass
            except Unavailable as error:
                refused.append(round(error.retry_after_s))

        async with anyio.create_task_group() as group, quota.slot() as slot:
            for _ in range(3):
                group.start_soon(ask)
            await anyio.sleep(0.1)
            slot.learn(Limits(refused=True, retry_after_s=300.0))
            await anyio.sleep(0.1)
        return refused

    assert [300, 300, 300] == in_virtual_time(world)


@pytest.mark.parametrize("make", [window_quota, bucket_quota])
def test_a_restart_does_not_forget_what_was_spent(in_virtual_time, make):
    """A successor restored from the saved state grants no more than its predecessor would have."""

    async def world(clock):
        first = make(clock)
        for _ in range(90):
            async with first.slot():
                pass
        saved = first.save()
        await anyio.sleep(4)
        second = make(clock)
        second.restore(saved)
        return first.snapshot(), second.snapshot()

    first, second = in_virtual_time(world)

    assert first == second


def test_a_wall_clock_set_back_only_makes_us_wait(in_virtual_time):
    """What was spent still counts in full when the wall clock stands earlier than when it was saved."""

    async def world(clock):
        first = window_quota(clock, daily=DailyBudget(limit=1_000))
        for _ in range(60):
            async with first.slot():
                pass
        saved = first.save()
        clock.wall_s -= 86_400
        second = window_quota(clock, daily=DailyBudget(limit=1_000))
        second.restore(saved)
        return second.snapshot()

    status = in_virtual_time(world)

    assert (60, 940) == (status.used, status.daily_remaining)


def test_the_eta_is_about_right(in_virtual_time):
    """What it promises for a job is what the job takes."""

    async def world(clock):
        quota = window_quota(clock)
        promised, start = quota.eta_s(1_000), clock.monotonic()

        async def ask() -> None:
            async with quota.slot():
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as group:
            for _ in range(1_000):
                group.start_soon(ask)
        return promised, clock.monotonic() - start

    promised_s, took_s = in_virtual_time(world)

    assert pytest.approx(took_s, rel=0.15) == promised_s


def test_every_kind_of_work_has_its_shares():
    """A kind that the tables do not know would stop whoever asks for a place in line."""
    assert [set(Priority)] * 2 == [set(quota_of._DAILY_SHARE), set(quota_of._KEPT)]
