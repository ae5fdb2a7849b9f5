"""A pretend vendor: it holds the truth about its records, and every change that was ever made to them.

People's edits come in by `edit` and `delete`, the daemon's through the connector; both end in `_apply`, which keeps every version. A listing
shows the records as they were `lag` ago; `get` shows them now.
The rule that keeps it true: every value a person writes is unlike any other ever written, so a value names the write it came from.
It must not know: syncs, faults, or what the daemon believes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from syncd.core.fields import FieldType, as_set, elements
from syncd.core.record import SECOND, Json, Micros, RecordId

FIELDS = {
    "email": FieldType.EMAIL, "name": FieldType.TEXT, "note": FieldType.TEXT, "tags": FieldType.SET, "archived": FieldType.TEXT,
}  # fmt: skip


@dataclass(slots=True)
class Version:
    """A record from one moment on; `fields` is None once it was deleted. `reads`: when the daemon read which paths of it, while current;
    `shown`: which paths it was shown at all, also by an answer that another version overtook.
    """

    seq: int
    at: Micros
    modified_at: Micros
    fields: Mapping[str, Json] | None
    actor: str
    touched: frozenset[str]
    reads: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Rec:
    """One record. `person` is who it is about, whatever it says; `born_by` made it."""

    id: RecordId
    person: int
    born_by: str
    versions: list[Version] = field(default_factory=list)
    merged_into: RecordId | None = None

    @property
    def now(self) -> Version:
        return self.versions[-1]

    @property
    def alive(self) -> bool:
        return self.versions[-1].fields is not None

    def at(self, moment: Micros) -> Version | None:
        """The version that was current at a moment."""
        for version in reversed(self.versions):
            if version.at <= moment:
                return version
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What kind of vendor it is; all of it declared truly in the connector's capabilities."""

    page_size: int = 50
    paging: str = "modified"
    lag: Micros = 0
    finds_at_once: bool = False
    """Whether a look-up reads the store itself; else it runs behind as listings do."""
    resolution: Micros = 1
    modified_time: bool = True
    incremental: bool = True
    webhooks: str = "hint"
    unique: bool = False
    find: bool = True
    batch: int = 1
    counts: bool = True
    skew: Micros = 0
    normalise: str = ""
    reorder: bool = False
    bumps: bool = True


class Vendor:
    """One vendor with one collection of contacts."""

    def __init__(self, name: str, habits: Habits, true_time: Callable[[], Micros], *, first_id: int = 1) -> None:
        self.name = name
        self.habits = habits
        self.records: dict[RecordId, Rec] = {}
        self.lag_now = habits.lag
        self.skew = habits.skew
        self.misread: Micros = 0
        """What its stamps are off beyond what its clock is: a time zone left out."""
        self.hooks_off = False
        self.on_news: Callable[[Rec, Version], None] = lambda _rec, _version: None
        self._true_time = true_time
        self._seq = count(1)
        self._ids = count(first_id, 1 if first_id < 1_000 else -1)

    def clock(self, at: Micros | None = None) -> Micros:
        """The vendor's own clock, in its own grain."""
        moment = (self._true_time() if at is None else at) + self.skew + self.misread
        return moment - moment % self.habits.resolution

    # ---- what can be read

    def fields_of(self, version: Version) -> dict[str, Json]:
        assert version.fields is not None
        shown = {path: version.fields.get(path) for path in FIELDS}
        if self.habits.reorder and shown["tags"]:
            shown["tags"] = list(reversed(shown["tags"])) if version.seq % 2 else shown["tags"]
        return shown

    def live(self, person: int | None = None) -> list[Rec]:
        return [rec for rec in self.records.values() if rec.alive and person in (None, rec.person)]

    def listed(self) -> list[tuple[Rec, Version]]:
        """What a listing sees, in its order."""
        horizon = self._true_time() - self.lag_now
        rows = [(rec, version) for rec in self.records.values() if (version := rec.at(horizon)) and version.fields is not None]
        if self.habits.paging == "modified":
            rows.sort(key=lambda row: (row[1].modified_at, row[0].id))
        elif self.habits.paging == "offset":
            rows.sort(key=lambda row: (-row[1].modified_at, row[0].id))
        else:
            rows.sort(key=lambda row: int(row[0].id[1:]))
        return rows

    def find(self, path: str, value: Json, *, now: bool = False) -> list[tuple[Rec, Version]]:
        rows = [(rec, rec.now) for rec in self.live()] if now else self.listed()
        return [row for row in rows if row[1].fields and row[1].fields.get(path) == self.kept(path, value)]

    # ---- what can be changed

    def kept(self, path: str, value: Json) -> Json:
        """What the vendor makes of a value."""
        kind = FIELDS[path]
        if value is None or value == []:
            return None
        if kind is FieldType.SET:
            return as_set(str(each) for each in value)
        text = str(value)
        if kind is FieldType.EMAIL:
            return text.lower() if self.habits.normalise != "title" else text
        match self.habits.normalise:
            case "lower":
                return text.lower()
            case "title":
                return text.title()
            case "trim":
                return text.strip()
            case "cut":
                return text[:12]
            case _:
                return text

    def create(self, fields: Mapping[str, Json], person: int, actor: str) -> Rec:
        rec = Rec(RecordId(f"{self.name[0]}{next(self._ids)}"), person, actor)
        self.records[rec.id] = rec
        self._apply(rec, {path: self.kept(path, value) for path, value in fields.items() if path in FIELDS}, actor)
        return rec

    def update(self, rec: Rec, changes: Mapping[str, Json], actor: str, before: Mapping[str, Json] | None = None) -> Version:
        """Changes a record that is there. `before` makes a change of a set one of its elements."""
        assert rec.now.fields is not None
        fields = dict(rec.now.fields)
        for path, value in changes.items():
            merged = FIELDS.get(path) is FieldType.SET and before is not None
            wanted = self._merged(fields.get(path), value, (before or {}).get(path)) if merged else value
            fields[path] = self.kept(path, wanted)
        return self._apply(rec, fields, actor)

    def delete(self, rec: Rec, actor: str) -> None:
        self._apply(rec, None, actor)

    def undelete(self, rec: Rec) -> None:
        """A record comes back from the bin under its old id, as it was."""
        self._apply(rec, rec.versions[-2].fields, "user")

    def bump(self, rec: Rec) -> None:
        """A job touches the modified time and nothing else."""
        self._apply(rec, rec.now.fields, "server")

    def is_taken(self, email: Json, but: Rec | None = None) -> Rec | None:
        """Another live record with this address, where the vendor allows one only."""
        if not self.habits.unique or email is None:
            return None
        return next((rec for rec, _ in self.find("email", email, now=True) if rec is not but), None)

    @staticmethod
    def _merged(held: Json, wanted: Json, before: Json) -> Json:
        want, was = elements(wanted), elements(before)
        kept = [item for key, item in elements(held).items() if key in want or key not in was]
        return as_set([*kept, *(item for key, item in want.items() if key not in was)])

    def _apply(self, rec: Rec, fields: Mapping[str, Json] | None, actor: str) -> Version:
        before = rec.versions[-1] if rec.versions else None
        touched = frozenset(FIELDS) if fields is None else frozenset(
            path for path in FIELDS if (before.fields or {} if before else {}).get(path) != fields.get(path)
        )
        modified_at = self.clock()
        if before is not None:
            modified_at = max(modified_at, before.modified_at)
            if actor == "user" and not self.habits.bumps and fields is not None:
                modified_at = before.modified_at
        version = Version(next(self._seq), self._true_time(), modified_at, fields, actor, touched)
        rec.versions.append(version)
        self.on_news(rec, version)
        return version


def tag_of(value: Json) -> str:
    """The part of a value that no vendor changes: it names the write."""
    return str(value).strip().casefold().split(" ", maxsplit=1)[0] if value is not None else ""


def tags_in(kind: FieldType, value: Json) -> set[str]:
    """The names of the writes that a field's value comes from."""
    if kind is FieldType.SET:
        return set(elements(value))
    return {tag_of(value)} if value is not None else set()


def same(path: str, left: Any, right: Any) -> bool:
    """Whether two members show the same value, whatever their spelling."""
    return tags_in(FIELDS[path], left) == tags_in(FIELDS[path], right)


LONG_AGO: Micros = 1_800_000_000 * SECOND
