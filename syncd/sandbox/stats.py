"""Counters a rehearsal reads to see how an engine behaved.

Requests per operation, 429s served, webhooks sent and failed, and the busiest ten seconds.

Rule: every request that reached a vendor path is counted when it arrives, whatever became of it; the control path is
never counted.

It must not know what any operation does.
"""

from __future__ import annotations

from collections import Counter, deque
from time import monotonic
from typing import Any

WINDOW_S = 10.0


class Stats:
    """Counters of one vendor, resettable."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far."""
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.writes_by_api = 0
        self.rate_limited = 0
        self.faults_served: Counter[str] = Counter()
        self.webhooks_sent = 0
        self.webhooks_failed = 0
        self.webhook_events_muted = 0
        self.max_in_window = 0
        self._recent: deque[float] = deque()

    def arrived(self, operation: str) -> None:
        """Count one request and keep the busiest sliding window up to date."""
        now = monotonic()
        self.requests[operation] += 1
        self._recent.append(now)
        while self._recent[0] <= now - WINDOW_S:
            self._recent.popleft()
        self.max_in_window = max(self.max_in_window, len(self._recent))

    def as_json(self) -> dict[str, Any]:
        """The counters as the control path shows them."""
        return {
            "requests": dict(self.requests),
            "requests_total": self.requests.total(),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "writes_by_api": self.writes_by_api,
            "rate_limited": self.rate_limited,
            "faults_served": dict(self.faults_served),
            "webhooks_sent": self.webhooks_sent,
            "webhooks_failed": self.webhooks_failed,
            "webhook_events_muted": self.webhook_events_muted,
            "max_in_10_s": self.max_in_window,
        }
