"""Faults a test can order: errors, hangs, dropped connections, half listings.

A fault waits in the book until a request of its operation comes by; then it is taken and the gate acts on it.

Rule: at most one fault per request, oldest first, and chance comes only from the seeded generator, so a run with the
same seed and the same requests meets the same faults.

It must not know how a fault is carried out, nor any vendor's shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any


class Reach(StrEnum):
    """What an operation is, as far as faults care."""

    LISTING = "listing"
    READ = "read"
    WRITE = "write"


class FaultKind(StrEnum):
    """What goes wrong. `*_before` has no effect on the state, `*_after` has its full effect and loses the answer."""

    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    EMPTY_LISTING = "empty_listing"
    TRUNCATED_LISTING = "truncated_listing"
    PAGE_SKIP = "page_skip"
    BAD_JSON = "bad_json"
    HTML = "html"
    STALE_READ = "stale_read"
    SLOW = "slow"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"


_LISTING_ONLY = frozenset({FaultKind.EMPTY_LISTING, FaultKind.TRUNCATED_LISTING, FaultKind.PAGE_SKIP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One ordered fault. With neither `count` nor `probability` it happens once; with only `probability`, for ever."""

    operation: str
    kind: FaultKind
    count: int | None = None
    probability: float | None = None
    skip: int = 0
    status: int = 500
    message: str | None = None
    seconds: float = 30.0
    retry_after_s: int | None = None

    def applies(self, operation: str, reach: Reach) -> bool:
        """Whether a request of this operation can meet this fault at all."""
        if self.operation not in ("*", operation):
            return False
        if self.kind in _LISTING_ONLY:
            return reach is Reach.LISTING
        return reach is Reach.READ if self.kind is FaultKind.STALE_READ else True


@dataclass(slots=True, kw_only=True)
class _Waiting:
    fault: Fault
    left: int | None
    skip: int


@dataclass(slots=True)
class Faults:
    """The book of waiting faults of one vendor."""

    operations: frozenset[str]
    random: Random
    _waiting: list[_Waiting] = field(default_factory=list)

    def add(self, operation: str, kind: FaultKind | str, **details: Any) -> Fault:
        """Order a fault; an operation or kind nobody serves is a ValueError, a misspelt detail a TypeError."""
        if operation != "*" and operation not in self.operations:
            raise ValueError(f"no operation {operation!r}; there are {sorted(self.operations)}")
        fault = Fault(operation=operation, kind=FaultKind(kind), **details)
        if fault.count is None and fault.probability is None:
            fault = replace(fault, count=1)
        self._waiting.append(_Waiting(fault=fault, left=fault.count, skip=fault.skip))
        return fault

    def clear(self) -> None:
        """Drop every waiting fault."""
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """Faults still to come, oldest first, each with the count that is left."""
        return [replace(entry.fault, count=entry.left) for entry in self._waiting]

    def take(self, operation: str, reach: Reach) -> Fault | None:
        """The fault this request meets, if any."""
        for entry in self._waiting:
            if entry.fault.applies(operation, reach) and self._strikes(entry):
                if entry.left == 0:
                    self._waiting.remove(entry)
                return entry.fault
        return None

    def _strikes(self, entry: _Waiting) -> bool:
        if entry.skip > 0:
            entry.skip -= 1
            return False
        if entry.fault.probability is not None and self.random.random() >= entry.fault.probability:
            return False
        if entry.left is not None:
            entry.left -= 1
        return True
