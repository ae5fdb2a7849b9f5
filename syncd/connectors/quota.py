"""Calls per time: what a vendor grants, shared out by what matters most, and never overdrawn.

One `Quota` stands for one credential, whoever uses it. A call is made inside a slot::

    with priority(Priority.SWEEP):
        async with quota.slot() as slot:
            response = ...
            slot.learn(limits_from_headers)

A slot is granted when the vendor's window, its day and our own number of open calls all allow one more. Those who wait are served
by priority, then in the order they came; only the first in line watches the clock. What responses say is believed over what we
counted, for others may be spending the same quota. A refusal (429) makes everybody wait, not only the caller it hit. A wait that
would be long is not slept through: the caller gets `Unavailable` with the time to come back, and can put its work away.

The rule that keeps it true: a slot is taken in the same step in which it is found free, and given back exactly once, whatever
happens to the call; so a cancelled or failed caller never leaks quota and never blocks the line.
It must not know: HTTP, any vendor's header names, or what the calls are for.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from math import inf

import anyio

from syncd.connectors.budgets import BucketBudget, Budget, DailyBudget, Limits, WindowBudget
from syncd.connectors.clock import Clock
from syncd.core.errors import Unavailable
from syncd.core.record import SECOND, Json, SystemName

__all__ = ["BucketBudget", "DailyBudget", "Limits", "Priority", "Quota", "QuotaStatus", "Slot", "WindowBudget", "priority"]

_REFUSAL_MAX_S = 900.0
_TICK_S = 0.001
_ALONE_S = 3.0
"""How long the first call may keep the others waiting."""


class Priority(IntEnum):
    """What a call is for; lower is served first."""

    LIVE = 0
    RETRY = 1
    SWEEP = 2
    AUTOMATION = 3
    BACKFILL = 4


_DAILY_SHARE = {Priority.LIVE: 1.0, Priority.RETRY: 1.0, Priority.SWEEP: 0.98, Priority.AUTOMATION: 0.97, Priority.BACKFILL: 0.95}
"""How much of a day each kind of work may use up, so that a long backfill leaves the day's last calls to people's edits."""
_KEPT = {Priority.LIVE: 0.0, Priority.RETRY: 0.0, Priority.SWEEP: 0.02, Priority.AUTOMATION: 0.02, Priority.BACKFILL: 0.02}
"""How much of a window each kind of work leaves free. Whoever works through thousands of calls spends a window in its first seconds; an edit that
comes then still finds a look and a write, and need not wait until the window has passed."""

_priority: ContextVar[Priority] = ContextVar("syncd_quota_priority", default=Priority.LIVE)


@contextmanager
def priority(level: Priority) -> Iterator[None]:
    """Every slot asked for inside, by this task or those it starts, is asked for at this priority."""
    token = _priority.set(level)
    try:
        yield
    finally:
        _priority.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStatus:
    """A quota at one moment. `paused_s` is how much of a vendor's refusal is left to wait out."""

    limit: int
    used: int
    remaining: int
    in_flight: int
    waiting: int
    daily_limit: int | None
    daily_remaining: int | None
    paused_s: float


class Slot:
    """Leave to make one call."""

    __slots__ = ("_quota", "_sent_at")

    def __init__(self, quota: Quota, sent_at: float) -> None:
        self._quota = quota
        self._sent_at = sent_at

    def learn(self, limits: Limits) -> None:
        """Tells the quota what the response to this call said; to be called before the slot is left."""
        self._quota._learn(limits, sent_at=self._sent_at)  # noqa: SLF001 - a slot is the quota's own hand


class _Waiter:
    __slots__ = ("bell", "place", "priority")

    def __init__(self, place: int, level: Priority) -> None:
        self.place = place
        self.priority = level
        self.bell = anyio.Event()

    def __lt__(self, other: _Waiter) -> bool:
        return (self.priority, self.place) < (other.priority, other.place)


class Quota:
    """The calls one credential may make.

    `in_flight_max` bounds how many calls are open at once, and `wait_max_s` how long a caller is made to wait for the *vendor* (a
    refusal, a spent day) before it is sent away; waiting in line behind other calls is not bounded here. With `first_alone` the first call
    goes by itself: its answer says what others, or we ourselves before a crash, have just spent.
    """

    def __init__(
        self,
        *,
        system: SystemName,
        clock: Clock,
        budget: Budget,
        daily: DailyBudget | None = None,
        in_flight_max: int = 32,
        wait_max_s: float = 60.0,
        first_alone: bool = False,
    ) -> None:
        self._system = system
        self._clock = clock
        self._budget = budget
        self._daily = daily
        self._in_flight = 0
        self._in_flight_max = in_flight_max
        self._wait_max_s = wait_max_s
        self._line: list[_Waiter] = []
        self._places = count()
        self._paused_until = -inf
        self._is_first = first_alone
        self._alone_until = -inf

    @property
    def in_flight_max(self) -> int:
        """How many calls may be open at once."""
        return self._in_flight_max

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Waits for leave to make one call, and takes it back when the block is left.

        Raises Unavailable, with the seconds to wait, when the vendor will not have us for longer than `wait_max_s`.
        """
        await self._stand_in_line()
        try:
            yield Slot(self, self._clock.monotonic())
        finally:
            now = self._clock.monotonic()
            self._in_flight -= 1
            self._alone_until = -inf
            self._budget.give_back(now)
            self._ring()

    def snapshot(self) -> QuotaStatus:
        """How the quota stands, for people to look at."""
        now = self._clock.monotonic()
        used, daily = self._budget.used(now), self._daily
        return QuotaStatus(
            limit=self._budget.limit,
            used=used,
            remaining=max(0, self._budget.limit - used),
            in_flight=self._in_flight,
            waiting=len(self._line),
            daily_limit=daily.limit if daily else None,
            daily_remaining=max(0, daily.limit - daily.used(now)) if daily else None,
            paused_s=max(0.0, self._paused_until - now),
        )

    def eta_s(self, calls: int) -> float:
        """About how long `calls` more calls take if nobody else asks."""
        now = self._clock.monotonic()
        budgeted = self._budget.eta_s(calls, now)
        days = self._daily.eta_s(calls, now) if self._daily else 0.0
        return max(0.0, self._paused_until - now) + max(budgeted, days)

    def save(self) -> Json:
        """What a successor must know so as not to overdraw; times are relative to the wall clock in `at`."""
        now = self._clock.monotonic()
        return {
            "at": self._clock.now(),
            "budget": self._budget.save(now),
            "daily": self._daily.save(now) if self._daily else None,
            "paused_s": max(0.0, self._paused_until - now),
        }

    def restore(self, saved: Json) -> None:
        """Takes over from a predecessor. A wall clock set back since then makes us wait longer, never less."""
        now = self._clock.monotonic()
        elapsed_s = max(0.0, (self._clock.now() - saved["at"]) / SECOND)
        self._budget.restore(saved["budget"], elapsed_s=elapsed_s, now=now)
        if self._daily and saved["daily"]:
            self._daily.restore(saved["daily"], elapsed_s=elapsed_s, now=now)
        self._paused_until = max(self._paused_until, now + saved["paused_s"] - elapsed_s)

    async def _stand_in_line(self) -> None:
        me = _Waiter(next(self._places), _priority.get())
        heapq.heappush(self._line, me)
        try:
            while (wait_s := self._try_take(me)) > 0:
                # Only the first in line watches the clock; the others are rung for when they come first.
                with anyio.move_on_after(max(wait_s, _TICK_S)):
                    await me.bell.wait()
                me.bell = anyio.Event()
        finally:
            # Served, refused or cancelled: the place is given up in any case, and the next one looks for itself.
            self._line.remove(me)
            heapq.heapify(self._line)
            self._ring()

    def _try_take(self, me: _Waiter) -> float:
        """0 when a slot was taken; else for how long to wait before asking again."""
        now = self._clock.monotonic()
        self._refuse_long_waits(me, now)
        if self._line[0] is not me or self._in_flight >= self._in_flight_max:
            return inf
        vendor_s = max(self._budget.wait_s(now, kept=self._kept(me)), self._daily_wait_s(me, now))
        wait_s = max(self._paused_until - now, self._alone_until - now, vendor_s)
        if wait_s > 0:
            return wait_s
        if self._is_first:
            self._is_first, self._alone_until = False, now + _ALONE_S
        self._in_flight += 1
        self._budget.take(now)
        if self._daily:
            self._daily.take(now)
        return 0.0

    def _refuse_long_waits(self, me: _Waiter, now: float) -> None:
        """Those who would wait for the vendor for long are sent away, wherever in the line they stand."""
        wait_s = max(self._paused_until - now, self._daily_wait_s(me, now))
        if wait_s > self._wait_max_s:
            raise Unavailable(
                "the vendor's quota is spent",
                system=self._system,
                hint="the work is kept and goes on when the quota is free again",
                retry_after_s=wait_s if wait_s < inf else _REFUSAL_MAX_S,
            )

    def _kept(self, me: _Waiter) -> int:
        return int(_KEPT[me.priority] * self._budget.limit)

    def _daily_wait_s(self, me: _Waiter, now: float) -> float:
        return self._daily.wait_s(now, share=_DAILY_SHARE[me.priority]) if self._daily else 0.0

    def _learn(self, limits: Limits, *, sent_at: float) -> None:
        now = self._clock.monotonic()
        self._budget.learn(limits, sent_at=sent_at, now=now)
        if self._daily:
            self._daily.learn(limits, in_flight=self._in_flight, now=now)
        if limits.refused:
            wish_s = self._budget.interval_s if limits.retry_after_s is None else limits.retry_after_s
            self._paused_until = max(self._paused_until, now + min(wish_s, _REFUSAL_MAX_S))
            for waiter in self._line:
                waiter.bell.set()
        self._ring()

    def _ring(self) -> None:
        if self._line:
            self._line[0].bell.set()
