"""What ActiveTrail's documentation leaves open, and what was found out about it.

Four questions: the number of the first page, what FromDate compares, which events the webhooks announce, and what becomes of a deleted
contact. `Answers` holds what is known; `findings` says each in words, with what is done while it is not known; `judge_first_page` and
`judge_from_date` conclude from what was seen.
The rule that keeps it true: an answer is believed only where what was seen allows no other; until then what is done is right under
either answer, if dearer.
It must not know: how anything is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncd.core.record import Json

NOT_BY_HAND = "contact_change"


class FromDate(StrEnum):
    """What FromDate is compared with: when a contact last changed, or when it was registered."""

    CHANGED = "changed"
    REGISTERED = "registered"


class Deletion(StrEnum):
    """What becomes of a deleted contact: it is gone, or it is kept and marked."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is known; None is not known. `events` are the kinds of event that the account's active webhooks announce."""

    first_page: int | None = None
    from_date: FromDate | None = None
    events: frozenset[str] | None = None
    deletion: Deletion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question, the setting that answers it, what is known (None: nothing), and what follows or is done meanwhile.

    `asked_anew` says that it is found out by asking whenever the connector starts; what is learnt by the way has to be kept.
    """

    question: str
    setting: str
    answer: Json
    consequence: str
    asked_anew: bool = False


def findings(answers: Answers) -> Sequence[Finding]:
    """The four questions as they stand, for people and for a store: `answer` is what the setting of that name takes."""
    return (
        Finding(
            question="Which number has the first page of a listing?",
            setting="first_page",
            answer=answers.first_page,
            consequence="a listing begins there" if answers.first_page is not None else "both 0 and 1 are read, one call more a pass",
            asked_anew=True,
        ),
        Finding(
            question="What does FromDate compare?",
            setting="from_date",
            answer=answers.from_date and answers.from_date.value,
            consequence=_of_from_date(answers.from_date),
        ),
        Finding(
            question="Which changes do webhooks announce?",
            setting="webhook_events",
            answer=None if answers.events is None else sorted(answers.events),
            consequence=_of_events(answers.events),
            asked_anew=True,
        ),
        Finding(
            question="Is a deleted contact gone, or kept and marked?",
            setting="deletion",
            answer=answers.deletion and answers.deletion.value,
            consequence="a contact that is not found counts as deleted, and so does one that is marked",
        ),
    )


def judge_first_page(zero: Sequence[int] | None, one: Sequence[int]) -> int | None:
    """The first page's number, from the ids on page 0 (None: it was refused) and on page 1."""
    if zero is None or (one and not zero):
        return 1
    if not zero:
        return None
    # A page 0 that is page 1 is a number that was put right; two pages that differ are two pages.
    return 1 if list(zero) == list(one) else 0


def judge_from_date(contact: int, before: Collection[int], after: Collection[int]) -> FromDate | None:
    """What FromDate compares, from what it listed before and after a contact was changed.

    Whoever was not listed before was registered earlier than FromDate, whatever it compares; a change can then list it only where
    changes are compared.
    """
    if contact in before:
        return None
    return FromDate.CHANGED if contact in after else FromDate.REGISTERED


def _of_from_date(meaning: FromDate | None) -> str:
    if meaning is FromDate.CHANGED:
        return "polls ask for what changed, with a day's overlap, and compare everything from time to time"
    unknown = "" if meaning is FromDate.REGISTERED else "; it is found out when a contact of long standing is next updated"
    return "every poll compares the whole listing" + unknown


def _of_events(events: frozenset[str] | None) -> str:
    if events is None:
        return "webhooks are taken as hints, and polls find the rest"
    if not events:
        return "no active webhook: polls find everything"
    if events == {NOT_BY_HAND}:
        return "edits made by hand in ActiveTrail may not be announced; polls find them"
    return "each is a hint to read the contact"
