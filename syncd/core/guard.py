"""Guards: how much may happen in one direction before a person is asked.

Per (sync, member, direction) a window counts what was owed; past the cap that stream alone is frozen. A complete listing that lacks
too many known records is not believed at all.
The rule that keeps it true: a guard never lets an irreversible operation pass on absence alone, and a trip stops nothing else.
It must not know: how the counts are kept, or how a stream is frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from syncd.core.fields import is_blank
from syncd.core.outcome import Operation, Write
from syncd.core.record import Json, MemberName
from syncd.core.rules import Cap, Guards


class Direction(Enum):
    """The streams that are counted apart."""

    DELETES = "deletes"
    CREATES = "creates"
    UPDATES = "updates"
    BLANKS = "blanks"


@dataclass(frozen=True, slots=True)
class Turn:
    """One decision about one field, as the journal has it."""

    before: Json
    value: Json
    winner: MemberName | None


FLIPS_MAX = 2
"""A field that is set back more often than this within an hour, each time by the other side, is being fought over."""
WRITES_AN_HOUR_MAX = 20
"""More than this to one record within an hour is no person editing: something writes back what we write."""


def direction(write: Write) -> Direction:
    """Which stream a write belongs to. An update that clears fields is counted as the graver thing it is."""
    if write.operation in (Operation.DELETE, Operation.ARCHIVE):
        return Direction.DELETES
    if write.operation is Operation.CREATE:
        return Direction.CREATES
    cleared = any(is_blank(value) and not is_blank(write.expected.get(name)) for name, value in write.values.items())
    return Direction.BLANKS if cleared else Direction.UPDATES


def trip(guards: Guards, stream: Direction, *, owed: int, links: int) -> str | None:
    """Why the stream must stop, in words, or None. `owed` counts its writes within the window, this one included."""
    cap: Cap = getattr(guards, stream.value)
    limit = cap.limit(links)
    if owed <= limit:
        return None
    return f"more than {limit} {stream.value} within {guards.window // 60_000_000} min ({links} links are alive)"


def fights(turns: Sequence[Turn]) -> bool:
    """Whether the last of these turns, oldest first, sets a field back once too often: to and fro between two values, each time by the other side."""
    count = 0
    for turn, following in zip(reversed(turns), [None, *reversed(turns)], strict=False):
        if following is not None and ((turn.before, turn.value) != (following.value, following.before) or turn.winner == following.winner):
            break
        count += 1
    return count - 1 > FLIPS_MAX


def believe_listing(
    guards: Guards, *, known: int, missing: int, total: int | None, listed: int, first: bool = False
) -> str | None:
    """Why a complete listing must not be believed, in words, or None.

    `known` records were expected, `missing` of them were not listed; `listed` rows came, where the vendor said there are `total`.
    `first`: no listing was believed before, so this one will be taken for all there is.
    """
    if first and total is not None and listed < total:
        return f"the listing has {listed} records where the vendor counts {total}"
    if not missing:
        return None
    if total is not None and total != listed:
        return f"the listing has {listed} records where the vendor counts {total}"
    if known and not listed:
        return f"the listing is empty where {known} records are known"
    if missing > max(1, guards.missing_share * known):
        return f"the listing lacks {missing} of {known} known records"
    return None
