"""Which faults strike, now: the script's strikes against the run's chances.

The rule that keeps it true: whether a strike hits depends on its own salt and on how many chances it had, so that taking another strike
away does not change it; every hit is counted by its kind.
It must not know: what a fault does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from tests.sim.script import SYSTEMS, Strike


class Faults:
    """The strikes of one run."""

    def __init__(self, strikes: Sequence[Strike], time: Callable[[], float], hits: Counter[str]) -> None:
        self._time = time
        self._hits = hits
        self._by_kind: dict[str, list[list]] = {}
        for strike in strikes:
            self._by_kind.setdefault(strike.kind, []).append([strike, Random(strike.salt), strike.most])
        self.healed = False

    def heal(self) -> None:
        """No fault strikes any more."""
        self.healed = True

    def roll(self, kind: str, system: str | None = None, operation: str = "*") -> Strike | None:
        """The strike of a kind that hits this chance, if any."""
        if self.healed or kind not in self._by_kind:
            return None
        now = self._time()
        for entry in self._by_kind[kind]:
            strike, rng, left = entry
            if not left or not strike.at <= now <= strike.until:
                continue
            if strike.system is not None and system is not None and SYSTEMS[strike.system] != system:
                continue
            if "*" not in (strike.operation, operation) and strike.operation not in (operation, "any"):
                continue
            if rng.random() >= strike.rate:
                continue
            entry[2] -= 1
            self._hits[kind] += 1
            return strike
        return None

    def first(self, kinds: Sequence[str], system: str, operation: str) -> Strike | None:
        """The first of several kinds that hits."""
        for kind in kinds:
            if kind in self._by_kind and (hit := self.roll(kind, system, operation)) is not None:
                return hit
        return None
