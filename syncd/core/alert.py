"""Alerts: what an operator should be told of, when it is due to be told, and when it is over.

A condition is something that is so now, named by its kind and subject. A notice is what one channel knows of one condition. `meet` lays the
conditions of this moment over the notices; `due_at` says when a notice is to be told, if at all.
The rule that keeps it true: what began is told once a window at most, what was held back is counted and told with the next, and what was
told is also told to be over.
It must not know: what makes a condition, where notices are kept, or how they are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from syncd.core.record import DAY, Micros

FORGET_AFTER: Micros = 30 * DAY
"""What has been over, and told, for so long is forgotten."""


class About(NamedTuple):
    """What a notice is about, and who is to be told."""

    channel: str
    kind: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is so now. `mend` is the next command to type."""

    kind: str
    subject: str
    sentence: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one channel knows of one condition. `said` is what it was last told: nothing (``""``), that it is so (``open``), or ``over``.

    `said_at` is when it was last told that it is so; `held_back` how often it came to be so since, without being told.
    """

    about: About
    sentence: str
    mend: str
    opened_at: Micros
    over_at: Micros | None = None
    said: str = ""
    said_sentence: str = ""
    said_at: Micros = 0
    held_back: int = 0
    attempts: int = 0
    retry_at: Micros = 0

    @property
    def state(self) -> str:
        """What is to be told: ``open`` or ``over``."""
        return "open" if self.over_at is None else "over"


def meet(
    known: Mapping[About, Notice], channels: Iterable[str], conditions: Iterable[Condition], now: Micros, every: Micros
) -> dict[About, Notice]:
    """The notices that change with what is so now."""
    changed: dict[About, Notice] = {}
    current = {(each.kind, each.subject): each for each in conditions}
    for channel in channels:
        for (kind, subject), condition in current.items():
            about = About(channel, kind, subject)
            before = known.get(about)
            after = _began(about, before, condition, now, every)
            if after != before:
                changed[about] = after
    for about, notice in known.items():
        if notice.over_at is None and (about.kind, about.subject) not in current:
            changed[about] = replace(notice, over_at=now, attempts=0, retry_at=0)
    return changed


def _began(about: About, before: Notice | None, condition: Condition, now: Micros, every: Micros) -> Notice:
    if before is None:
        return Notice(about=about, sentence=condition.sentence, mend=condition.mend, opened_at=now)
    after = replace(before, sentence=condition.sentence, mend=condition.mend)
    if before.over_at is None:
        return after
    held_back = before.held_back + 1 if before.said_at and now < before.said_at + every else 0
    # One that was over before it could be told to be so begins a new story; nobody heard of the old one's end.
    return replace(after, opened_at=now, over_at=None, held_back=held_back, attempts=0, retry_at=0)


def due_at(notice: Notice, every: Micros) -> Micros | None:
    """When this is to be told; None where there is nothing new to tell."""
    window_ends = notice.said_at + every if notice.said_at else 0
    if notice.over_at is None:
        if notice.said == "open" and notice.sentence == notice.said_sentence and not notice.held_back:
            return None
        return max(window_ends, notice.retry_at)
    if notice.said == "open":
        return notice.retry_at
    return max(window_ends, notice.retry_at) if notice.held_back or not notice.said else None


def told(notice: Notice, now: Micros) -> Notice:
    """The notice once it has been told."""
    ends = notice.state == "over" and notice.said == "open"
    return replace(
        notice,
        said=notice.state,
        said_sentence=notice.sentence,
        said_at=notice.said_at if ends else now,
        held_back=notice.held_back if ends else 0,
        attempts=0,
        retry_at=0,
    )


def is_forgotten(notice: Notice, now: Micros) -> bool:
    """Whether it has been over for so long that nobody asks."""
    return notice.over_at is not None and notice.over_at < now - FORGET_AFTER
