"""What a record of an emulated vendor must show, and how it differs from that.

The rule that keeps it true: only the emulators' own truth is looked at, and it is compared by the little that is written here; nothing of
what syncd believes comes in.
It must not know: any recipe, or how it came to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncd.sandbox import Actor, Applied, Sandbox

Row = Mapping[str, Any]
Rows = Callable[[], Sequence[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """In the rows of one kind there are `count` whose `by` is `key`, and they show these values, by dotted path."""

    where: str
    rows: Rows
    key: str
    by: str = "email"
    values: Mapping[str, object] = field(default_factory=dict)
    count: int = 1

    def differences(self) -> list[str]:
        """In words; empty when all is as it must be."""
        found = [row for row in self.rows() if plain(at(row, self.by)) == plain(self.key)]
        if len(found) != self.count:
            return [f"{self.key} is {len(found)} times in {self.where}, not {self.count}"]
        return [
            f"{self.key} in {self.where}: {path} is {at(row, path)!r}, not {value!r}"
            for row in found
            for path, value in self.values.items()
            if plain(at(row, path)) != plain(value)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something a person did, in one sentence, and what must come of it. `deed` is create, update or delete, `system` where it was done."""

    deed: str
    system: str
    told: str
    expected: Sequence[Expected]


def made(system: str, told: str, *expected: Expected) -> Step:
    """Somebody made something in a system."""
    return Step(deed="create", system=system, told=told, expected=expected)


def edited(system: str, told: str, *expected: Expected) -> Step:
    """Somebody edited something in a system."""
    return Step(deed="update", system=system, told=told, expected=expected)


def deleted(system: str, told: str, *expected: Expected) -> Step:
    """Somebody deleted something in a system."""
    return Step(deed="delete", system=system, told=told, expected=expected)


def at(row: Row, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def plain(value: object) -> object:
    """A value without its spelling: lists whatever their order and capitals, a telephone number by its digits, nothing as nothing."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return frozenset(str(each).casefold() for each in value) or None
    if isinstance(value, str):
        digits = "".join(each for each in value if each.isdigit())
        return digits if value.startswith("+") else value.strip().casefold() or None
    return value


def standing(steps: Sequence[Step]) -> list[Expected]:
    """What must hold when all steps were made: of one record and path, the last word."""
    found: dict[tuple[str, str], Expected] = {}
    for each in (expected for step in steps for expected in step.expected):
        before = found.get((each.where, each.key))
        kept = before.values if before is not None and each.count else {}
        found[each.where, each.key] = Expected(
            where=each.where, rows=each.rows, key=each.key, by=each.by, values={**kept, **each.values}, count=each.count
        )
    return list(found.values())


def writes_of(sandbox: Sandbox) -> list[Applied]:
    """Every write that no person made, in every vendor."""
    return [entry for vendor in sandbox.vendors for entry in vendor.truth.since() if entry.actor is Actor.API]
