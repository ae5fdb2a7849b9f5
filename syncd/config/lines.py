"""On which line each key of a TOML text stands.

`tomllib` gives values without places; `locate` gives places without values, for the same text.
The rule that keeps it true: it is asked only about text that `tomllib` has accepted, and names exactly the keys and list places
that `tomllib` finds there; values are stepped over, never interpreted.
It must not know: what any key means, or which keys are wrong.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeAlias

Where: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys, and places in lists: ``("syncs", "contacts", "match", 0)``."""

_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}'  # a multi-line text may end in quotes of its own
    r"|'''.*?''''{0,2}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_SPACES = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")


def locate(text: str) -> dict[Where, int]:
    """The line, from 1, of every key and every list place in a valid TOML text."""
    return _Scanner(text.replace("\r\n", "\n")).document()


def line_of(lines: dict[Where, int], where: Where) -> int:
    """The line of the nearest thing that is there: the value itself, else the table it is missing from, else the first line."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def spell(where: Where) -> str:
    """The dotted way as an operator writes it: ``syncs.contacts.match[0]``."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            quoted = part if _BARE_KEY.fullmatch(part) else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{quoted}" if text else quoted
    return text


class _Scanner:
    """Walks the text once from front to back; `at` is how far it has come."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[Where, int] = {}
        self.tables_in: dict[Where, int] = {}

    def document(self) -> dict[Where, int]:
        table: Where = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._array_header()
            elif self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _header(self) -> Where:
        """``[a.b]``. Its own line counts even where ``[a.b.c]`` named it in passing before."""
        line, table = self._line(), self._table_named_in("[", "]")
        self.lines[table] = line
        return table

    def _array_header(self) -> Where:
        """``[[a.b]]`` opens the next table of the list ``a.b``."""
        line, listed = self._line(), self._table_named_in("[[", "]]")
        place = self.tables_in.get(listed, 0)
        self.tables_in[listed] = place + 1
        self.lines.setdefault(listed, line)
        self.lines[(*listed, place)] = line
        return (*listed, place)

    def _table_named_in(self, opening: str, closing: str) -> Where:
        """A header's key; where it passes through a list of tables it means the table opened last."""
        line = self._line()
        self.at += len(opening)
        key = self._key()
        self.at += len(closing)
        where: Where = ()
        for part in key[:-1]:
            where = (*where, part)
            self.lines.setdefault(where, line)
            if where in self.tables_in:
                where = (*where, self.tables_in[where] - 1)
        return (*where, key[-1])

    def _pair(self, table: Where) -> None:
        """``a.b = value``."""
        line, where = self._line(), table
        for part in self._key():
            where = (*where, part)
            self.lines.setdefault(where, line)
        self.at += len("=")
        self._skip(_SPACES)
        self._value(where)

    def _value(self, where: Where) -> None:
        opening = self._next()
        if opening == "[":
            self._list(where)
        elif opening == "{":
            self._inline_table(where)
        else:
            self._skip(_STRING if opening in "\"'" else _SCALAR)

    def _list(self, where: Where) -> None:
        self.at += len("[")
        place = 0
        while self._skip_to_item() != "]":
            self.lines[(*where, place)] = self._line()
            self._value((*where, place))
            place += 1
        self.at += len("]")

    def _inline_table(self, where: Where) -> None:
        self.at += len("{")
        while self._skip_to_item() != "}":
            self._pair(where)
        self.at += len("}")

    def _skip_to_item(self) -> str:
        self._skip(_BLANK)
        if self._next() == ",":
            self.at += len(",")
            self._skip(_BLANK)
        return self._next()

    def _key(self) -> Sequence[str]:
        parts = [self._key_part()]
        while self._next() == ".":
            self.at += len(".")
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        self._skip(_SPACES)
        start, quoted = self.at, self._next() in "\"'"
        part = self.text[start : self._skip(_STRING if quoted else _BARE_KEY)]
        self._skip(_SPACES)
        return str(tomllib.loads(f"key={part}")["key"]) if quoted else part

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        assert match is not None, f"not TOML at line {self._line()}"
        self.at = match.end()
        return self.at

    def _line(self) -> int:
        return bisect_right(self.line_starts, self.at)
