"""What is wrong with a configuration, gathered until everything has been looked at.

A `Finding` says where, what and how to mend it; `Findings` collects problems, which stop syncd, and notes, which do not.
The rule that keeps it true: nothing is raised while reading; every reader reports here and goes on, so all mistakes show at once.
It must not know: what any section means. It never quotes a value on its own account, so no secret can slip through it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.config.lines import Where, line_of, spell


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake or one remark, at one line of the file. `where` is empty where the whole file is meant."""

    file: str
    line: int
    where: str
    what: str
    suggestion: str = ""
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " + (f"{self.where}: " if self.where else "")
        meant = f"did you mean `{self.suggestion}`?" if self.suggestion else ""
        return place + "; ".join(part for part in (self.what, meant, self.mend) if part)


class Findings:
    """The problems and notes of one file, in the order found; `problems` and `notes` give them in the order of the file."""

    def __init__(self, file: str, lines: dict[Where, int]) -> None:
        self._file = file
        self._lines = lines
        self._problems: list[Finding] = []
        self._notes: list[Finding] = []
        self._settled: set[Where] = set()

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._problems, key=lambda finding: finding.line))

    @property
    def notes(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._notes, key=lambda finding: finding.line))

    def problem(self, where: Where, what: str, *, near: str = "", known: Iterable[str] = (), mend: str = "") -> None:
        """Something that cannot work. `near` is the word written, `known` the words it could have been.

        Dropped where the value, or what it stands in, is settled: its one cause has been reported.
        """
        if not any(where[:depth] in self._settled for depth in range(1, len(where) + 1)):
            self._problems.append(self._finding(where, what, near, known, mend))

    def note(self, where: Where, what: str, *, mend: str = "") -> None:
        """Something that works, but perhaps not as the operator thinks."""
        self._notes.append(self._finding(where, what, "", (), mend))

    def settle(self, where: Where) -> None:
        """The value at `where` has had its problem; what follows from it is not reported again."""
        self._settled.add(where)

    def _finding(self, where: Where, what: str, near: str, known: Iterable[str], mend: str) -> Finding:
        words = sorted(known)
        meant = suggest(near, words)
        listed = f"known here: {', '.join(words)}" if words and not meant and not mend else ""
        line = line_of(self._lines, where)
        return Finding(file=self._file, line=line, where=spell(where), what=what, suggestion=meant, mend=mend or listed)


def suggest(word: str, known: Iterable[str]) -> str:
    """The known word most like the one written, whatever the capitals; empty where none is near."""
    by_folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6) if word else []
    return by_folded[close[0]] if close else ""
