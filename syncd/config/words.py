"""The ``values`` of a row: the hub's words and each member's own words for them.

The rule that keeps it true: each member's words are one to one with the hub's, whatever the capitals: every word finds its way back.
It must not know: paths, directions, or what a word means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from syncd.config.members import Side
from syncd.config.section import Section, describe
from syncd.core.fields import FieldType
from syncd.core.record import Json, MemberName

_MAYBE = '["gold", "silver"], or { gold = { MEMBER = "Gold" } }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """`choices` are the hub's words where only those are allowed; `of` maps them to each member's own."""

    choices: frozenset[str] | None = None
    of: Mapping[MemberName, Mapping[str, str]] = field(default_factory=dict)


def read_words(row: Section, kind: FieldType, held: Mapping[MemberName, Side]) -> Words:
    """The row's words. A choice takes no others; a set renames these and lets others pass."""
    written = row.take("values")
    if written is None:
        return Words()
    if kind not in (FieldType.CHOICE, FieldType.SET):
        row.problem(f"a {kind.value} has no `values`", "values", mend='write type = "choice", or leave them out')
        return Words()
    own = _read_table(row, written, held)
    if not own:
        return Words()
    of = {member: {word: names.get(member, word) for word, names in own.items()} for member in held}
    if word := _twin(sorted(own)):
        row.problem(f"two hub words differ only in capitals: {describe(word)}", "values", mend="write one of them")
        return Words()
    for member, words in of.items():
        if word := _twin(words.values()):
            what = f"two hub words are one word at {member}: {describe(word)}"
            row.problem(what, "values", mend="give each its own word, or the way back is lost")
    return Words(choices=frozenset(own) if kind is FieldType.CHOICE else None, of=of)


def _read_table(row: Section, written: Json, held: Mapping[MemberName, Side]) -> dict[str, dict[MemberName, str]]:
    """Hub word to what each member calls it, as far as written."""
    if isinstance(written, list):
        return {word: {} for word in row.texts("values")}
    if not isinstance(written, dict) or not written:
        row.problem(f"is a list of words or a table, not {describe(written)}", "values", mend=f"write values = {_MAYBE}")
        return {}
    table = row.section("values")
    own: dict[str, dict[MemberName, str]] = {}
    for word in written:
        names = table.section(word)
        own[word] = {member: text for member in held if (text := names.text(member)) is not None}
        names.finish()
    return own


def _twin(words: Iterable[str]) -> str:
    """A word that comes twice, whatever the capitals; empty where none does."""
    seen: set[str] = set()
    for word in words:
        if word.casefold() in seen:
            return word
        seen.add(word.casefold())
    return ""
