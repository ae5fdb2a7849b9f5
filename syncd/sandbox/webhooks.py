"""The webhook sender: queue, batch, sign, post, retry, and misbehave on request.

A vendor says how a batch is encoded, signed and retried; this file keeps the timetable.

Rule: one task does all the sending, everything owed is in two lists it owns, and stopping forgets both; a retry
repeats the same bytes under the same signature.

It must not know events, payloads or what a receiver does with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from syncd.sandbox.stats import Stats

Event = dict[str, Any]
ANSWER_TIMEOUT_S = 10.0
PENDING_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryMode:
    """How deliveries behave: lost, doubled, out of order, late, several under way at once."""

    mute: bool = False
    copies: int = 1
    shuffle: bool = False
    delay_s: float = 0.0
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """What a vendor decides about its webhooks."""

    encode: Callable[[list[Event]], bytes]
    sign: Callable[[bytes], Mapping[str, str]]
    batch_max: int
    buffer_s: float
    retries_max: int
    retry_s: float
    retry_growth: float
    is_retried: Callable[[int | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    due: float
    body: bytes
    headers: Mapping[str, str]
    attempt: int = 0


class WebhookSender:
    """Sends one vendor's webhooks to one URL."""

    def __init__(self, rules: DeliveryRules, stats: Stats, random: Random) -> None:
        self.url: str | None = None
        self.mode = DeliveryMode()
        self._rules, self._stats, self._random = rules, stats, random
        self._events: list[tuple[float, Event]] = []
        self._parcels: list[_Parcel] = []
        self._wake = asyncio.Event()
        self._sending = asyncio.Lock()
        self._session: ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Events and retries not sent yet."""
        return len(self._events) + len(self._parcels)

    def enqueue(self, event: Event) -> None:
        """Owe one event; without a URL, or muted, it is lost, as it would be at the vendor."""
        if self.url is None or self.mode.mute or self.pending >= PENDING_MAX:
            self._stats.webhook_events_muted += 1
            return
        self._events.extend((monotonic(), event) for _ in range(self.mode.copies))
        self._wake.set()

    async def start(self) -> None:
        """Open the client and start the sending task."""
        self._session = ClientSession(timeout=ClientTimeout(total=ANSWER_TIMEOUT_S))
        self._task = asyncio.create_task(self._run(), name="sandbox-webhooks")

    async def stop(self) -> None:
        """Stop sending; what is still owed is forgotten."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def flush(self) -> int:
        """Send everything owed now, waiting retries included; returns how many requests went out."""
        return await self._send(due_by=float("inf"))

    async def _run(self) -> None:
        while True:
            wait_s = self._seconds_until_due()
            if wait_s is not None and wait_s <= 0:
                await self._send(due_by=monotonic())
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def _seconds_until_due(self) -> float | None:
        """Until the oldest event has been buffered and delayed, or the first retry falls due."""
        moments = [parcel.due for parcel in self._parcels]
        if self._events:
            moments.append(self._events[0][0] + self._rules.buffer_s + self.mode.delay_s)
        return max(min(moments) - monotonic(), 0.0) if moments else None

    async def _send(self, *, due_by: float) -> int:
        async with self._sending:
            parcels = self._due_parcels(due_by) + self._pack(self._due_events(due_by))
            queue = iter(parcels)

            async def lane() -> None:
                for parcel in queue:
                    await self._post(parcel)

            await asyncio.gather(*(lane() for _ in range(self.mode.at_once)))
            return len(parcels)

    def _due_parcels(self, due_by: float) -> list[_Parcel]:
        due = [parcel for parcel in self._parcels if parcel.due <= due_by]
        self._parcels = [parcel for parcel in self._parcels if parcel.due > due_by]
        return due

    def _due_events(self, due_by: float) -> list[Event]:
        """When the oldest event is due, the younger ones that have served their delay ride along."""
        if not self._events or self._events[0][0] + self._rules.buffer_s + self.mode.delay_s > due_by:
            return []
        ready = [event for at, event in self._events if at + self.mode.delay_s <= due_by]
        self._events = [(at, event) for at, event in self._events if at + self.mode.delay_s > due_by]
        if self.mode.shuffle:
            self._random.shuffle(ready)
        return ready

    def _pack(self, events: list[Event]) -> list[_Parcel]:
        size = self._rules.batch_max
        bodies = [self._rules.encode(events[start : start + size]) for start in range(0, len(events), size)]
        return [_Parcel(due=0.0, body=body, headers=self._rules.sign(body)) for body in bodies]

    async def _post(self, parcel: _Parcel) -> None:
        """One delivery; a failure the vendor retries goes back on the timetable."""
        status = await self._status_of(parcel)
        self._stats.webhooks_sent += 1
        if status is not None and 200 <= status < 300:
            return
        self._stats.webhooks_failed += 1
        if parcel.attempt < self._rules.retries_max and self._rules.is_retried(status):
            wait_s = self._rules.retry_s * self._rules.retry_growth**parcel.attempt
            self._parcels.append(
                _Parcel(due=monotonic() + wait_s, body=parcel.body, headers=parcel.headers, attempt=parcel.attempt + 1)
            )

    async def _status_of(self, parcel: _Parcel) -> int | None:
        """The receiver's status, or None when it could not be reached or did not answer in time."""
        if self._session is None or self.url is None:
            return None
        headers = {"Content-Type": "application/json", **parcel.headers}
        try:
            async with self._session.post(self.url, data=parcel.body, headers=headers) as response:
                await response.read()
                return response.status
        except (ClientError, TimeoutError, OSError):
            return None
