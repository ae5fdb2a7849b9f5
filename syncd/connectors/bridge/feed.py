"""The calendar of a bridged system, fetched from its address and kept in the ledger like anything else that was said of its records.

The rule that keeps it true: what has not changed is not parsed again; nothing is concluded from an answer that is no whole calendar; the
address opens a door for whoever has it, and is told to nobody but its host.
It must not know: what a record is compared with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import anyio.to_thread

from syncd.connectors.bridge.events import EVENTS, CalendarError, Contents, Window, words_about
from syncd.connectors.bridge.settings import BridgeSettings, HookSession
from syncd.connectors.http import Operation
from syncd.connectors.ledger import Ledger
from syncd.connectors.left_out import LeftOut
from syncd.core.errors import Rejected, Unavailable
from syncd.core.handoff import Shown
from syncd.core.record import DAY, HOUR, Micros, SystemName

CALENDAR = Operation(name="calendar", method="GET", path="")
BYTES_MAX = 4 * 1024 * 1024
_PAGE = 500


class Feed:
    """One calendar. `refresh` brings the ledger up to what it shows now."""

    def __init__(self, system: SystemName, settings: BridgeSettings, session: HookSession) -> None:
        self._system, self._session = system, session
        self._address, self._zone = settings.calendar_address(), ZoneInfo(settings.calendar_timezone)
        self._back, self._ahead = settings.calendar_back_days * DAY, settings.calendar_ahead_days * DAY
        self._etag: str | None = None
        self._data, self._print = b"", b""
        self._told_at: Micros = 0
        self.left_out: Sequence[LeftOut] = ()
        """What the calendar has and could not be taken."""

    async def refresh(self, ledger: Ledger, now: Micros) -> None:
        """Fetches the calendar, and tells the ledger what it says if that is news; and from time to time that it is still so."""
        if self._address is None:
            raise Rejected(f"{self._system} has no calendar", system=self._system, hint="write calendar_url = { file = … } into its section")
        fetched = await self._session.fetch(CALENDAR, self._address, accept="text/calendar", etag=self._etag)
        if fetched is not None:
            data, etag = fetched
            if len(data) > BYTES_MAX:
                raise self._session.unexpected(CALENDAR, f"more than {BYTES_MAX} bytes")
            self._etag, self._data = etag, data
        found = hashlib.blake2b(self._data, digest_size=16).digest()
        if found == self._print and now - self._told_at < HOUR:
            return
        window = Window(since=now - self._back, until=now + self._ahead)
        contents = await self._contents(window)
        words = words_about(contents, await self._known(ledger), window, now)
        await ledger.take(self._system, words, post_id=None, now=now, forget_before=0)
        self.left_out = contents.left_out
        self._print, self._told_at = found, now

    async def _contents(self, window: Window) -> Contents:
        # Only who has a calendar pays for its library, which takes a tenth of a second to load.
        from syncd.connectors.bridge.calendar import events_of

        data, zone = self._data, self._zone
        try:
            # A large calendar takes seconds, which nobody else should wait for.
            return await anyio.to_thread.run_sync(lambda: events_of(data, window, zone))
        except CalendarError as error:
            self._etag = None
            raise Unavailable(str(error), system=self._system, hint="nothing is concluded from it") from error

    async def _known(self, ledger: Ledger) -> list[Shown]:
        known: list[Shown] = []
        after: tuple[Micros, str] | None = None
        while True:
            rows = await ledger.listed(self._system, EVENTS, since=None, after=after, limit=_PAGE)
            known += rows
            if len(rows) < _PAGE:
                return known
            after = (rows[-1].changed_at, rows[-1].id)
