"""What automations are told: one thing that happened, and who caused it.

A `Happening` is a record or a hub that changed, a webhook that came in, an item that a poll found, or a moment that was waited for.
`split` tells which part of a change is our own doing, value by value.
The rule that keeps it true: a change is ours only where it came to exactly the value that we wrote; anything else is a person's, whenever
it was made.
It must not know: what is done about it, or where it was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from syncd.core.fields import FieldType, Unreadable, elements, equal, read
from syncd.core.record import CollectionName, Json, LinkId, Micros, RecordId, SyncName, SystemName


class Origin(Enum):
    """Who caused something: a person (or whatever is not syncd), a live sync, the backlog of a first look, another automation."""

    PERSON = "person"
    SYNC = "sync"
    BACKFILL = "backfill"
    AUTOMATION = "automation"


class What(Enum):
    """What happened. NEW and CHANGED are a polled item's, DUE a schedule's."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    WEBHOOK = "webhook"
    NEW = "new"
    CHANGED = "changed"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Cause:
    """Who caused it; of an automation its name (`by`) and how many automations lie between it and whatever began it (`depth`)."""

    origin: Origin
    depth: int = 0
    by: str = ""


PERSON = Cause(Origin.PERSON)
BACKFILL = Cause(Origin.BACKFILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened. `key` is the same whenever the same thing is told again.

    Of a record `system`, `collection` and `record_id` are set, of a hub `sync` and `link`, of a webhook `system` and `word`; `automation`
    says whose poll or schedule it is of. `changed` names the paths (or hub fields) that differ between `before` and `after`.
    """

    key: str
    what: What
    cause: Cause
    at: Micros
    system: SystemName | None = None
    collection: CollectionName | None = None
    record_id: RecordId | None = None
    sync: SyncName | None = None
    link: LinkId | None = None
    automation: str | None = None
    word: str = ""
    changed: frozenset[str] = frozenset()
    before: Mapping[str, Json] | None = None
    after: Mapping[str, Json] | None = None

    @property
    def subject(self) -> str:
        """What it is about: happenings with the same subject are dealt with in their order. What is about nothing but itself has its own."""
        if self.link is not None:
            return f"{self.sync}#{self.link}"
        if self.record_id is not None and self.record_id != self.word:
            return f"{self.system}/{self.collection}/{self.record_id}" if self.collection else f"{self.system}/{self.record_id}"
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something we did, as far as it may show later: values by the name they go by (under ``""`` those whose name is not known).

    `made`: the whole record is our doing, or its deletion is. `at` is when it was done: a reading begun later shows it, or it never shows.
    """

    cause: Cause
    values: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    made: bool = False
    at: Micros = 0
    id: int = 0


def differences(
    before: Mapping[str, Json], after: Mapping[str, Json], types: Mapping[str, FieldType] | None = None
) -> frozenset[str]:
    """The paths that came to another value. A path that was not shown before, or is not now, tells nothing.

    Fields that somebody defines (``custom.plan``) are shown all together, those without a value too: one that appears among others of its kind was
    defined since, and its first value is one that nobody had.
    """
    known = types or {}
    kinds = {path.rpartition(".")[0] for path in before} - {""}
    new = {path for path in after.keys() - before.keys() if path.rpartition(".")[0] in kinds}
    return frozenset(path for path in before.keys() & after.keys() | new if not same(before.get(path), after[path], known.get(path)))


def same(left: Json, right: Json, kind: FieldType | None = None) -> bool:
    """Whether two values are one, whatever the spelling their type allows. Lists of texts are sets, for no vendor keeps an order of tags."""
    if left == right and isinstance(left, bool) == isinstance(right, bool):
        return True
    if _is_words(left) and _is_words(right):
        return elements(left).keys() == elements(right).keys()
    if kind is None:
        return left in (None, "") and right in (None, "")
    one, other = read(kind, left), read(kind, right)
    return not isinstance(one, Unreadable) and not isinstance(other, Unreadable) and equal(kind, one, other)


def split(changed: Iterable[str], before: Mapping[str, Json], after: Mapping[str, Json], claims: Sequence[Claim]) -> dict[Cause, frozenset[str]]:
    """Who changed which of these paths. The newest claim that fits is believed."""
    found: dict[Cause, set[str]] = {}
    for path in changed:
        fitting = [claim.cause for claim in claims if fits(claim, path, before.get(path), after.get(path))]
        found.setdefault(fitting[-1] if fitting else PERSON, set()).add(path)
    return {cause: frozenset(paths) for cause, paths in found.items()}


def fits(claim: Claim, path: str, before: Json, after: Json) -> bool:
    """Whether this path came to its value by what was done: the value itself, or of a set every element that came or went."""
    ours = [value for name in (path, path.rpartition(".")[2], "") for value in claim.values.get(name, ())]
    if any(same(value, after) for value in ours):
        return True
    if not (_is_words(after) and _is_words(before)):
        return False
    moved = elements(before).keys() ^ elements(after).keys()
    words = {word for value in ours for word in (elements(value) if _is_words(value) else elements([value] if isinstance(value, str) else []))}
    return bool(moved) and moved <= words


def done_values(sent: Mapping[str, Json], answer: Json) -> dict[str, list[Json]]:
    """The values that a call wrote: those that were sent, and under the same names, in whatever form the vendor answered with them.

    What else the answer shows was there before: somebody else's.
    """
    found = leaves(sent)
    for name, values in leaves(answer, beneath_lists=False).items():
        if name in found:
            found[name] += [value for value in values if not isinstance(value, list)]
    return found


def leaves(value: Json, *, beneath_lists: bool = True) -> dict[str, list[Json]]:
    """Every value by the name it stands under; those in lists of tables (if these are looked into) under ``""`` as well."""
    found: dict[str, list[Json]] = {}
    _gather(value, "", found, listed=False, deep=beneath_lists)
    return found


def _gather(value: Json, name: str, found: dict[str, list[Json]], *, listed: bool, deep: bool) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _gather(inner, str(key), found, listed=listed, deep=deep)
        return
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for inner in value if deep else ():
            _gather(inner, name, found, listed=True, deep=deep)
        return
    for each in {name, ""} if listed else {name}:
        found.setdefault(each, []).append(value)


def _is_words(value: Json) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))
