"""What can go wrong with a system in memory, on order.

A fault waits until an operation it fits comes by, then strikes as often as it was ordered to.
The rule that keeps it true: faults strike in the order they were given and never by chance, so a run can be repeated.
It must not know: records, or how a fault is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What happens. `*_before` changes nothing; `*_after` takes its full effect, and only the answer is lost."""

    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    REFUSED_CONNECTION = "refused_connection"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    STALE = "stale"
    UNAUTHORIZED = "unauthorized"
    EMPTY_LISTING = "empty_listing"
    TRUNCATED_LISTING = "truncated_listing"
    SKIPPED_PAGE = "skipped_page"


LISTING_FAULTS = frozenset({FaultKind.EMPTY_LISTING, FaultKind.TRUNCATED_LISTING, FaultKind.SKIPPED_PAGE})


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order: the operation it waits for (``*``: any), how many to let pass first, and how many to strike."""

    kind: FaultKind
    operation: str = "*"
    skip: int = 0
    count: int = 1
    retry_after_s: float | None = None


class Faults:
    """The orders of one system. Operations: discover, page, get, find, create, update, delete."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self, kind: FaultKind, operation: str = "*", *, skip: int = 0, count: int = 1, retry_after_s: float | None = None
    ) -> None:
        """Orders a fault."""
        self._waiting.append(Fault(kind=kind, operation=operation, skip=skip, count=count, retry_after_s=retry_after_s))

    def clear(self) -> None:
        """Heals everything."""
        self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        for fault in self._waiting:
            if fault.operation not in ("*", operation) or (fault.kind in LISTING_FAULTS and operation != "page"):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.count -= 1
            if not fault.count:
                self._waiting.remove(fault)
            return fault
        return None
