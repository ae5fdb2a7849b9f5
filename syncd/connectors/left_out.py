"""Records that a listing has and a connector cannot take, and a connector that says which.

The rule that keeps it true: what is left out holds nothing else up, is never taken for gone, and is named with what to do about it.
It must not know: any vendor, or who is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from syncd.core.record import CollectionName


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One record that is not taken, or not whole: what it is called there, why, and what to do about it. Nothing of its contents."""

    name: str
    why: str
    mend: str


@runtime_checkable
class LeavesOut(Protocol):
    """A connector that may not be able to take everything it is shown."""

    def left_out(self, collection: CollectionName) -> Sequence[LeftOut]:
        """What the last complete listing of a collection had and could not be taken."""
        ...
