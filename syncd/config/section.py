"""One table of the file while it is being read.

A `Section` hands out values of the type asked for and reports those that are something else.
The rule that keeps it true: the keys a reader asks for are the keys that exist; `finish` reports every other one, with a suggestion.
It must not know: which tables there are, or what their values lead to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import TypeVar

from syncd.config.durations import parse_duration, spell_duration
from syncd.config.findings import Findings
from syncd.config.lines import Where
from syncd.core.record import Json, Micros

Choice = TypeVar("Choice", bound=Enum)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


class Section:
    """A table, the way to it, and where to report."""

    def __init__(self, table: Mapping[str, Json], where: Where, findings: Findings) -> None:
        self.table = table
        self.where = where
        self._findings = findings
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def problem(self, what: str, *at: str | int, near: str = "", known: Iterable[str] = (), mend: str = "") -> None:
        """Reports something that cannot work, here or at the way `at` beneath."""
        self._findings.problem((*self.where, *at), what, near=near, known=known, mend=mend)

    def note(self, what: str, *at: str | int, mend: str = "") -> None:
        """Reports something the operator should know, here or at the way `at` beneath."""
        self._findings.note((*self.where, *at), what, mend=mend)

    def settle(self, *at: str | int) -> None:
        """Says that the value at `at` has had its problem."""
        self._findings.settle((*self.where, *at))

    def take(self, key: str) -> Json:
        """The value as written, or None where there is none."""
        self._asked.add(key)
        return self.table.get(key)

    def text(self, key: str) -> str | None:
        """A text that says something."""
        value = self.take(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.problem(f"is a text, not {describe(value)}", key)
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where absent."""
        value = self.take(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
            return tuple(value)
        self.problem(f"is a list of texts, not {describe(value)}", key, mend=f'write {key} = ["…", "…"]')
        return ()

    def one_of(self, key: str, choices: type[Choice], default: Choice) -> Choice:
        """One word of an enumeration."""
        value = self.take(key)
        words = {str(choice.value): choice for choice in choices}
        if value is None:
            return default
        if isinstance(value, str) and value in words:
            return words[value]
        written = value if isinstance(value, str) else ""
        self.problem(f"{describe(value)} is none of its words", key, near=written, known=words)
        return default

    def number(self, key: str, default: int) -> int:
        """A whole number from 0."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.problem(f"is a whole number from 0, not {describe(value)}", key)
        return default

    def share(self, key: str, default: float) -> float:
        """A share between 0 and 1."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
        self.problem(f"is a share between 0 and 1, not {describe(value)}", key, mend="2 % is written 0.02")
        return default

    def duration(self, key: str, default: Micros, *, least: Micros = 0) -> Micros:
        """A duration of at least `least`."""
        value = self.take(key)
        if value is None:
            return default
        duration = parse_duration(value) if isinstance(value, str) else None
        if duration is None:
            self.problem(
                f"is a duration, not {describe(value)}", key, mend='write a number and a unit: "500ms", "30s", "5m", "2h", "1d"'
            )
            return default
        if duration < least:
            self.problem(f"is at least {spell_duration(least)}", key)
            return default
        return duration

    def section(self, key: str) -> Section:
        """The table under `key`; an empty one where absent."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self.problem(f"is a table, not {describe(value)}", key)
        return Section(value if isinstance(value, dict) else {}, (*self.where, key), self._findings)

    def sections(self, example: str) -> Iterator[tuple[str, Section]]:
        """Every value of this table as a table, under a name of the operator's own; `example` shows one that is right."""
        for name, value in self.table.items():
            if not _NAME.fullmatch(name):
                self.problem("is no name", name, mend="a name has letters, digits, `_` and `-` only")
            elif not isinstance(value, dict):
                self.problem(f"is a table, not {describe(value)}", name, mend=f"write it as {example}")
            else:
                yield name, self.section(name)

    def tables(self, key: str, example: str) -> list[Section]:
        """The tables of the list under `key`; none where absent. `example` shows one that is right."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.problem(f"is a list of tables, not {describe(value)}", key, mend=f"write {key} = [ {example}, … ]")
            return []
        return [Section(each, (*self.where, key, place), self._findings) for place, each in enumerate(value)]

    def rest(self) -> dict[str, Json]:
        """What nobody has asked for yet; a connector's own model reads it."""
        rest = {key: value for key, value in self.table.items() if key not in self._asked}
        self._asked.update(rest)
        return rest

    def finish(self, *, also: Iterable[str] = ()) -> None:
        """Reports every key that nobody asked for. `also` are further words a key could have been."""
        for key in self.table:
            if key not in self._asked:
                self.problem("unknown key", key, near=key, known=self._asked.union(also))


def describe(value: Json) -> str:
    """A value in a message, cut short."""
    match value:
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
        case bool():
            return str(value).lower()
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)


def is_json(value: Json) -> bool:
    """Whether a value can be kept and sent as it is: no date of TOML's own, and no number that is none."""
    match value:
        case dict():
            return all(is_json(each) for each in value.values())
        case list():
            return all(is_json(each) for each in value)
        case float():
            return math.isfinite(value)
        case _:
            return value is None or isinstance(value, (str, int))
