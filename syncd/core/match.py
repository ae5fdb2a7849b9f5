"""Linking a record that is not linked yet: none, one, or ambiguous.

The keys are tried in order over all other members' records. None anywhere: a new link. One: that one. More than one on either side,
or an earlier key that contradicts a later one: a person decides, never "the first".
The rule that keeps it true: identity is the link; keys only ever make the first link, and never move one.
It must not know: where the index of keys is kept, or what a key means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.core.fields import is_blank
from syncd.core.record import FieldName, Json, LinkId, MemberName, Ref

Keys = Mapping[FieldName, str]
"""The match keys a record shows, blank ones left out."""


JOIN = "+"
"""Joins the fields of a match key that has several: ``contact+title`` is the same title at the same contact."""


def parts_of(name: FieldName) -> list[FieldName]:
    """The fields that a match key is made of."""
    return [FieldName(part.strip()) for part in name.split(JOIN)]


def key_of(name: FieldName, values: Mapping[FieldName, Json]) -> str | None:
    """A match key's value, or None where any of its fields is blank or not shown."""
    found = [values.get(part) for part in parts_of(name)]
    return None if any(is_blank(each) for each in found) else "\x1f".join(str(each) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Another known record with at least one key in common. `linked_members` are the members its link already has."""

    member: MemberName
    ref: Ref
    keys: Keys
    link: LinkId | None = None
    linked_members: frozenset[MemberName] = frozenset()


@dataclass(frozen=True, slots=True)
class NoKey:
    """The record shows none of the match keys: it could never be told apart, so it takes no part."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nobody else has it: a new link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """It is the same thing as this link (which has no record of this member yet)."""

    link: LinkId
    by: FieldName


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """It is the same thing as these records, none of them linked yet."""

    candidates: tuple[Candidate, ...]
    by: FieldName


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """Several could be meant: held, with all of them shown."""

    reason: str
    candidates: tuple[Candidate, ...]


Match = NoKey | Fresh | Join | Pair | Ambiguous


def match(order: Sequence[FieldName], member: MemberName, keys: Keys, candidates: Sequence[Candidate]) -> Match:
    """What one unlinked record of `member`, showing `keys`, is the same as. `candidates` excludes the record itself."""
    if not any(name in keys for name in order):
        return NoKey()
    for position, name in enumerate(order):
        if name not in keys:
            continue
        alike = [each for each in candidates if each.keys.get(name) == keys[name]]
        found = [each for each in alike if each.member != member]
        twins = [each for each in alike if each.member == member]
        if twins:
            return _ambiguous(f"{len(twins) + 1} records of {member} have the same {name}", [*twins, *found])
        if found:
            return _judge(name, order[:position], member, keys, found)
    return Fresh()


def _judge(
    name: FieldName, earlier: Sequence[FieldName], member: MemberName, keys: Keys, found: list[Candidate]
) -> Match:
    for key in earlier:
        if any(key in keys and key in each.keys and each.keys[key] != keys[key] for each in found):
            return _ambiguous(f"same {name}, but another {key}", found)
    by_member: dict[MemberName, int] = {}
    for each in found:
        by_member[each.member] = by_member.get(each.member, 0) + 1
    if crowded := sorted(each for each, count in by_member.items() if count > 1):
        return _ambiguous(f"{by_member[crowded[0]]} records of {crowded[0]} have the same {name}", found)
    links = {each.link: each for each in found if each.link is not None}
    if len(links) > 1:
        return _ambiguous(f"records with the same {name} belong to {len(links)} different links", found)
    if not links:
        return Pair(candidates=tuple(found), by=name)
    ((link, holder),) = links.items()
    if member in holder.linked_members:
        return _ambiguous(f"the record with the same {name} is already linked to another record of {member}", found)
    return Join(link=link, by=name)


def _ambiguous(reason: str, candidates: Sequence[Candidate]) -> Ambiguous:
    return Ambiguous(reason=reason, candidates=tuple(sorted(candidates, key=lambda each: each.ref)))
