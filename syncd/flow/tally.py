"""The tally: counts what became of webhooks, and has the counts kept in the store now and then.

A stranger can send as many webhooks as he likes, so a refused one costs no commit of its own: counts are held here and kept together.
The rule that keeps it true: what is counted is never acted upon, so a count that a crash took is no harm.
It must not know: what an event means, or what is concluded from the counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncd.core.errors import StoreError
from syncd.core.record import Micros, SystemName
from syncd.store import arrivals
from syncd.store.arrivals import Heard, Hearing
from syncd.store.database import Database


class Tally:
    """The counts that are not kept yet."""

    def __init__(self) -> None:
        self._heard: dict[tuple[SystemName, Hearing, str], tuple[int, Micros]] = {}

    def add(self, system: SystemName, what: Hearing, words: Iterable[str], at: Micros) -> None:
        """Counts each word once more."""
        for word in words:
            count, _ = self._heard.get((system, what, word), (0, at))
            self._heard[system, what, word] = (count + 1, at)

    async def keep(self, database: Database) -> None:
        """Keeps what was counted since the last time. Raises StoreError, and then has forgotten nothing."""
        taken, self._heard = self._heard, {}
        heard = [
            Heard(system=system, what=what, word=word, count=count, last_at=at) for (system, what, word), (count, at) in taken.items()
        ]
        if not heard:
            return
        try:
            await database.write(lambda tx: arrivals.note(tx, heard))
        except StoreError:
            for (system, what, word), (count, at) in taken.items():
                more, later = self._heard.get((system, what, word), (0, at))
                self._heard[system, what, word] = (count + more, max(at, later))
            raise
