"""The two ways vendors count calls, and the day on top of them.

`WindowBudget` is "N calls in any W seconds", `BucketBudget` a refilled bucket of tokens, `DailyBudget` a number a day.
The rule that keeps it true: a budget counts late and frees late, so that it is never more generous than the vendor, whose own word
in a response corrects it. Times come in as arguments: `now` is monotonic seconds, so that nothing here can be fooled by a wall clock.
It must not know: who waits, in what order, or any header's name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

from syncd.core.record import Json

_LATE_ANSWER_S = 120.0
_DAY_S = 86_400.0
_HOUR_S = 3_600.0
_PROBE_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one response said about the vendor's limits; None where it said nothing.

    `refused` says that the call itself was turned away for want of quota (429).
    """

    limit: int | None = None
    remaining: int | None = None
    interval_s: float | None = None
    daily_limit: int | None = None
    daily_remaining: int | None = None
    retry_after_s: float | None = None
    refused: bool = False


class Budget(Protocol):
    """Calls that may be spent. `interval_s` is how long the vendor takes to forgive when it does not say."""

    limit: int

    @property
    def interval_s(self) -> float: ...

    def used(self, now: float) -> int: ...

    def wait_s(self, now: float, *, kept: int = 0) -> float:
        """Until a call may go that leaves so many free: 0 at once, infinite when that depends on a call that is still out."""
        ...

    def take(self, now: float) -> None: ...

    def give_back(self, now: float) -> None:
        """A call that was taken has been answered, or given up."""
        ...

    def learn(self, limits: Limits, *, sent_at: float, now: float) -> None: ...

    def eta_s(self, calls: int, now: float) -> float: ...

    def save(self, now: float) -> Json: ...

    def restore(self, saved: Json, *, elapsed_s: float, now: float) -> None: ...


class WindowBudget:
    """At most `limit` calls in any `window_s` seconds, whether the vendor's window slides or stands.

    A call occupies its place from when it is sent until `window_s` after its *answer* arrived. The vendor counted it somewhere
    between the two, so the place's next call is counted a whole window later at the earliest: no window can hold two calls of one
    place, and the only loss is one round trip a window.

    Others may hold the same quota. What they hold shows as the vendor's count less ours, and the most they lately held is left to
    them: they will hold it again as soon as their own calls expire, which no response tells us in time.
    """

    def __init__(self, *, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._in_flight = 0
        self._answered: list[float] = []  # ascending
        self._refused: list[float] = []  # ascending
        self._others: deque[tuple[float, int]] = deque()  # when seen, how many: later ones are fewer

    @property
    def interval_s(self) -> float:
        return self.window_s

    def used(self, now: float) -> int:
        while self._others and self._others[0][0] <= now - 2 * self.window_s:
            self._others.popleft()
        others = self._others[0][1] if self._others else 0
        return self._in_flight + self._answered_after(now - self.window_s) + others

    def wait_s(self, now: float, *, kept: int = 0) -> float:
        too_many = self.used(now) + kept - self.limit + 1
        if too_many <= 0:
            return 0.0
        others_s = self._others[0][0] + 2 * self.window_s - now if self._others else inf
        must_expire = bisect_right(self._answered, now - self.window_s) + too_many - 1
        ours_s = self._answered[must_expire] + self.window_s - now if must_expire < len(self._answered) else inf
        return min(ours_s, others_s)

    def take(self, now: float) -> None:
        self._in_flight += 1
        # Older answers are kept a while: a slow response speaks of the window as it was when it was sent.
        for times in (self._answered, self._refused):
            del times[: bisect_right(times, now - self.window_s - _LATE_ANSWER_S)]

    def give_back(self, now: float) -> None:
        self._in_flight -= 1
        self._answered.append(now)

    def learn(self, limits: Limits, *, sent_at: float, now: float) -> None:
        """Adopts the vendor's sizes, and sees what others hold of the same budget."""
        if limits.limit is not None and 1 <= limits.limit <= 100_000:
            self.limit = limits.limit
        if limits.interval_s is not None and 0.1 <= limits.interval_s <= _HOUR_S:
            self.window_s = limits.interval_s
        if limits.refused:
            self._refused.append(now)
        if limits.remaining is not None:
            # All of ours the vendor can have counted, so that others are not seen where there are none. It did not count what it
            # refused; should it do so after all, we are only too careful for a while.
            since = sent_at - self.window_s
            refused = len(self._refused) - bisect_right(self._refused, since)
            ours = self._in_flight + self._answered_after(since) - refused
            self._see_others(min(self.limit - limits.remaining - ours, self.limit - 1), now)

    def eta_s(self, calls: int, now: float) -> float:
        return max(0, calls - (self.limit - self.used(now))) * self.window_s / self.limit

    def save(self, now: float) -> Json:
        """The ages of the answers that still count; calls in flight are saved as answered now."""
        first = bisect_right(self._answered, now - self.window_s)
        return {"ages_s": [now - at for at in self._answered[first:]] + [0.0] * self._in_flight}

    def restore(self, saved: Json, *, elapsed_s: float, now: float) -> None:
        self._answered = sorted([now - elapsed_s - float(age) for age in saved["ages_s"]] + self._answered)

    def _see_others(self, held: int, now: float) -> None:
        if held > 0:
            while self._others and self._others[-1][1] <= held:
                self._others.pop()
            self._others.append((now, held))

    def _answered_after(self, since: float) -> int:
        return len(self._answered) - bisect_right(self._answered, since)


class BucketBudget:
    """`burst` tokens refilled at `per_s`; the last `reserve` are never spent, for calls we do not know of."""

    def __init__(self, *, burst: int, per_s: float, reserve: int = 0) -> None:
        self.limit = burst
        self._per_s = per_s
        self._reserve = reserve
        self._in_flight = 0
        self._answered: list[float] = []  # ascending
        self._tokens = float(burst)
        self._at: float | None = None

    @property
    def interval_s(self) -> float:
        return self.limit / self._per_s

    def used(self, now: float) -> int:
        return self.limit - int(self._level(now))

    def wait_s(self, now: float, *, kept: int = 0) -> float:
        return max(0.0, (self._reserve + kept + 1 - self._level(now)) / self._per_s)

    def take(self, now: float) -> None:
        self._set(self._level(now) - 1, now)
        self._in_flight += 1
        del self._answered[: bisect_right(self._answered, now - _LATE_ANSWER_S)]

    def give_back(self, now: float) -> None:
        self._in_flight -= 1
        self._answered.append(now)

    def learn(self, limits: Limits, *, sent_at: float, now: float) -> None:
        """The vendor's count bounds ours from above. From below too, less every call that it may not have counted yet: those still
        out, and those answered since this one was sent, for answers overtake each other.
        """
        if limits.refused:
            self._set(0.0, now)
        elif limits.remaining is not None:
            uncounted = self._in_flight + len(self._answered) - bisect_right(self._answered, sent_at)
            self._set(min(max(self._level(now), limits.remaining - uncounted), limits.remaining), now)

    def eta_s(self, calls: int, now: float) -> float:
        return max(0.0, calls + self._reserve - self._level(now)) / self._per_s

    def save(self, now: float) -> Json:
        return {"tokens": self._level(now)}

    def restore(self, saved: Json, *, elapsed_s: float, now: float) -> None:
        self._set(min(float(saved["tokens"]) + elapsed_s * self._per_s, self._level(now)), now)

    def _level(self, now: float) -> float:
        refilled = 0.0 if self._at is None else (now - self._at) * self._per_s
        return min(float(self.limit), self._tokens + refilled)

    def _set(self, tokens: float, now: float) -> None:
        self._tokens, self._at = tokens, now


class DailyBudget:
    """`limit` calls in any 24 hours, counted by the hour, corrected by what the vendor says is left.

    Whether a vendor's day is a date or the last 24 hours is rarely said. So when the day is spent, one call every quarter of an hour
    goes out as a probe, and the vendor's answer to it says whether the day has turned.
    """

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self._by_hour: dict[float, int] = {}  # the hour's end of relevance -> calls, in order
        self._probe_at = 0.0

    def used(self, now: float) -> int:
        for expires in [each for each in self._by_hour if each <= now]:
            del self._by_hour[expires]
        return sum(self._by_hour.values())

    def wait_s(self, now: float, *, share: float = 1.0) -> float:
        """Until a call may go that may only use `share` of the day; the last part is kept for what matters more."""
        used = self.used(now)
        if used < self.limit * share:
            return 0.0
        first_expires = next(iter(self._by_hour), inf)
        return max(0.0, min(first_expires, self._probe_at if share >= 1.0 else inf) - now)

    def take(self, now: float) -> None:
        self._count(1, now)
        if self.used(now) >= self.limit:
            self._probe_at = now + _PROBE_S

    def learn(self, limits: Limits, *, in_flight: int, now: float) -> None:
        """Follows the vendor's own count, up and down."""
        if limits.daily_limit is not None and limits.daily_limit >= 1:
            self.limit = limits.daily_limit
        if limits.daily_remaining is None:
            return
        difference = self.limit - limits.daily_remaining - self.used(now)
        if difference > 0:
            self._count(difference, now)
            self._probe_at = now + _PROBE_S
        elif -difference > in_flight:
            self._forget(-difference - in_flight)

    def eta_s(self, calls: int, now: float) -> float:
        """Whole days that the calls beyond today's need."""
        beyond = calls - (self.limit - self.used(now))
        return 0.0 if beyond <= 0 else (beyond + self.limit - 1) // self.limit * _DAY_S

    def save(self, now: float) -> Json:
        self.used(now)
        return {"hours": [[expires - now, calls] for expires, calls in self._by_hour.items()]}

    def restore(self, saved: Json, *, elapsed_s: float, now: float) -> None:
        restored = {now - elapsed_s + float(left_s): int(calls) for left_s, calls in saved["hours"]}
        for expires, calls in self._by_hour.items():
            restored[expires] = restored.get(expires, 0) + calls
        self._by_hour = dict(sorted(restored.items()))

    def _count(self, calls: int, now: float) -> None:
        expires = (now // _HOUR_S + 1) * _HOUR_S + _DAY_S
        self._by_hour[expires] = self._by_hour.get(expires, 0) + calls

    def _forget(self, calls: int) -> None:
        """Drops the oldest calls of our count."""
        for expires in list(self._by_hour):
            dropped = min(calls, self._by_hour[expires])
            self._by_hour[expires] -= dropped
            calls -= dropped
            if not self._by_hour[expires]:
                del self._by_hour[expires]


def number(headers: Mapping[str, str], name: str, *, most: float = 1e9) -> float | None:
    """A header's value as a number of at least 0 and at most `most`; None when it is missing or anything else."""
    try:
        value = float(headers.get(name, ""))
    except ValueError:
        return None
    return value if 0 <= value <= most else None
