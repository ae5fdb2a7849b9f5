"""How fast a vendor that says nothing of its limits may be called: as fast as it bears.

The pace begins at what was agreed, falls to half at every refusal, and grows back by a little for every quiet stretch, up to just
below where it was last refused and never beyond the most that was allowed.
The rule that keeps it true: only silence raises the pace, and any refusal lowers it at once. Times come in as arguments.
It must not know: who waits, in what order, or any header's name.
"""

from __future__ import annotations

from syncd.connectors.budgets import Limits
from syncd.core.record import Json

_SLOWEST_PER_S = 0.1
_QUIET_S = 10.0
_GROWTH = 1.1
_BELOW_REFUSAL = 0.9
_REMEMBERED_S = 3_600.0


class AdaptiveBudget:
    """`per_s` calls a second to begin with, at most `most_per_s`; up to `limit` of them at once after a rest."""

    def __init__(self, *, per_s: float, most_per_s: float, burst: int = 2) -> None:
        self.limit = burst
        self.per_s = per_s
        self._most = max(per_s, most_per_s)
        self._ceiling, self._refused_at = self._most, -_REMEMBERED_S
        self._changed_at: float | None = None
        self._tokens, self._at = float(burst), 0.0

    @property
    def interval_s(self) -> float:
        return self.limit / self.per_s

    def used(self, now: float) -> int:
        return self.limit - int(self._level(now))

    def wait_s(self, now: float, *, kept: int = 0) -> float:
        return max(0.0, (1 + kept - self._level(now)) / self.per_s)

    def take(self, now: float) -> None:
        self._set(self._level(now) - 1, now)

    def give_back(self, now: float) -> None:
        """A token is spent when it is taken; the answer gives none back."""

    def learn(self, limits: Limits, *, sent_at: float, now: float) -> None:
        """A refusal of a call that was sent before the last change speaks of the old pace, and changes nothing."""
        if self._changed_at is None:
            self._changed_at = now
        if limits.refused:
            self._set(0.0, now)
            if sent_at >= self._changed_at or self._refused_at < self._changed_at:
                self._ceiling, self._refused_at = max(_SLOWEST_PER_S, self.per_s * _BELOW_REFUSAL), now
                self._change(max(_SLOWEST_PER_S, self.per_s / 2), now)
            return
        if now - self._refused_at >= _REMEMBERED_S:
            self._ceiling = self._most
        if now - self._changed_at >= _QUIET_S:
            self._change(min(self._ceiling, self.per_s * _GROWTH), now)

    def eta_s(self, calls: int, now: float) -> float:
        return max(0.0, calls - self._level(now)) / self.per_s

    def save(self, now: float) -> Json:
        return {"tokens": self._level(now), "per_s": self.per_s}

    def restore(self, saved: Json, *, elapsed_s: float, now: float) -> None:
        """The learned pace, but no more than is allowed now."""
        self._change(min(self._most, max(_SLOWEST_PER_S, float(saved["per_s"]))), now)
        self._set(min(float(saved["tokens"]) + elapsed_s * self.per_s, self._level(now)), now)

    def _change(self, per_s: float, now: float) -> None:
        self._set(self._level(now), now)
        self.per_s, self._changed_at = per_s, now

    def _level(self, now: float) -> float:
        return min(float(self.limit), self._tokens + max(0.0, now - self._at) * self.per_s)

    def _set(self, tokens: float, now: float) -> None:
        self._tokens, self._at = tokens, now
