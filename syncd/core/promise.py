"""A promised write: what a plan that was kept says will be written, and upon what it rests.

The rule that keeps it true: a promise is kept to the letter or named as broken, with what it was and what it is now.
It must not know: how a plan is made, kept or carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.core.outcome import Operation
from syncd.core.record import FieldName, Json, LinkId, MemberName, RecordId, SyncName, SystemName

Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One write. `records` are the link's records by member; `revision` is None for a link that is new with this plan.

    `record_id` is None for a record that is to be made. `expected` is what the target shows now, which the write rests upon.
    """

    key: str
    sync: SyncName
    link: LinkId
    revision: int | None
    member: MemberName
    system: SystemName
    operation: Operation
    record_id: RecordId | None
    records: Mapping[MemberName, str]
    values: Mapping[FieldName, Json]
    expected: Mapping[FieldName, Json]

    @property
    def identity(self) -> Identity:
        """What it is about, whatever numbers the database gives: the target, or for a new record all records it belongs to."""
        about = [self.record_id] if self.record_id is not None else sorted(f"{name}={ref}" for name, ref in self.records.items())
        return (self.sync, self.member, self.operation.value, *about)

    @property
    def told(self) -> str:
        """What it is, in words."""
        about = f"{self.system}/{self.record_id}" if self.record_id is not None else f"a record in {self.member} for {', '.join(sorted(self.records.values()))}"
        return f"{self.sync}: {self.operation.value} {about}"


def broken(promised: Iterable[Promise], found: Mapping[Identity, Promise], present: Mapping[Identity, Mapping[FieldName, Json]]) -> list[str]:
    """Each thing that a promise rested upon and that has moved, in words. `present` has what targets show where no write is owed any more."""
    return [line for each in promised for line in _broken(each, found.get(each.identity), present.get(each.identity, {}))]


def _broken(promise: Promise, now: Promise | None, present: Mapping[FieldName, Json]) -> list[str]:
    if now is None:
        shown = [
            f"{promise.told}: {name} was {was!r}, is {present[name]!r}"
            for name, was in promise.expected.items()
            if name in present and present[name] != was
        ]
        return shown or [f"{promise.told}: was owed, is not owed any more"]
    lines = []
    if promise.revision is not None and now.revision != promise.revision:
        lines.append(f"{promise.told}: link {promise.link} was at revision {promise.revision}, is at {now.revision}")
    lines += [
        f"{promise.told}: {name} was {promise.expected.get(name)!r}, is {now.expected.get(name)!r}"
        for name in sorted({*promise.expected, *now.expected})
        if promise.expected.get(name) != now.expected.get(name)
    ]
    for name in sorted({*promise.values, *now.values}):
        if name not in now.values:
            lines.append(f"{promise.told}: {name} was to become {promise.values[name]!r}, is not to be written any more")
        elif name not in promise.values:
            lines.append(f"{promise.told}: {name} was not to be written, is to become {now.values[name]!r}")
        elif promise.values[name] != now.values[name]:
            lines.append(f"{promise.told}: {name} was to become {promise.values[name]!r}, is to become {now.values[name]!r}")
    return lines
