"""The bus: bells that say "look again", nothing more.

The rule that keeps it true: a bell carries no facts, and nobody relies on hearing it; whoever waits also has a timer.
It must not know: what is found when somebody looks.
"""

from __future__ import annotations

from enum import Enum

import anyio


class Bell(Enum):
    """What may have changed."""

    INBOX = "inbox"
    PLAN = "plan"
    OUTBOX = "outbox"
    POLL = "poll"
    REQUESTS = "requests"
    NOTICE = "notice"
    RUNS = "runs"


class Bus:
    """One set of bells for one engine."""

    def __init__(self) -> None:
        self._events = {bell: anyio.Event() for bell in Bell}
        self._waiting = dict.fromkeys(Bell, 0)

    def ring(self, *bells: Bell) -> None:
        """Wakes whoever waits for these."""
        # Whatever is to be planned may be to be told to automations as well.
        for bell in dict.fromkeys([*bells, *((Bell.NOTICE,) if Bell.PLAN in bells else ())]):
            if self._waiting[bell]:
                self._events[bell].set()
                self._events[bell] = anyio.Event()

    async def wait(self, bell: Bell, timeout_s: float) -> bool:
        """Waits for a bell, at most so long; whether it rang."""
        event = self._events[bell]
        self._waiting[bell] += 1
        try:
            with anyio.move_on_after(max(0.0, timeout_s)):
                await event.wait()
        finally:
            self._waiting[bell] -= 1
        return event.is_set()
