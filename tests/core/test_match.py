"""Linking a new record: none, one, or a person decides."""

from __future__ import annotations

from itertools import permutations

import pytest

from syncd.core.match import Ambiguous, Candidate, Fresh, Join, Match, NoKey, Pair, match
from syncd.core.record import CollectionName, FieldName, LinkId, MemberName, RecordId, Ref, SystemName

A, B, C = MemberName("a"), MemberName("b"), MemberName("c")
EMAIL, PHONE, NAME = FieldName("email"), FieldName("phone"), FieldName("name")
ORDER = (EMAIL, PHONE, NAME)
MINE = {EMAIL: "e", PHONE: "p", NAME: "n"}


def other(member: MemberName, number: str = "1", link: int | None = None, linked: str = "", **keys: str) -> Candidate:
    return Candidate(
        member=member, ref=Ref(SystemName(member), CollectionName("contacts"), RecordId(number)),
        keys={FieldName(name): value for name, value in keys.items()},
        link=LinkId(link) if link is not None else None, linked_members=frozenset(MemberName(each) for each in linked),
    )  # fmt: skip


CASES = [
    ("no key at all", {}, [other(B, email="e")], NoKey),
    ("nobody has it", MINE, [], Fresh),
    ("others have other keys", MINE, [other(B, email="x", phone="q")], Fresh),
    ("one unlinked record", MINE, [other(B, email="e")], Pair),
    ("one in each of two members", MINE, [other(B, email="e"), other(C, email="e")], Pair),
    ("one linked record", MINE, [other(B, email="e", link=1, linked="b")], Join),
    ("a link with both others", MINE, [other(B, email="e", link=1, linked="bc"), other(C, email="e", link=1, linked="bc")], Join),
    ("one linked, one not", MINE, [other(B, email="e", link=1, linked="b"), other(C, email="e")], Join),
    ("by a later key", {PHONE: "p"}, [other(B, email="x", phone="p")], Pair),
    ("later key, earlier blank there", MINE, [other(B, phone="p")], Pair),
    ("two on the other side", MINE, [other(B, "1", email="e"), other(B, "2", email="e")], Ambiguous),
    ("two on this side", MINE, [other(A, "2", email="e"), other(B, email="e")], Ambiguous),
    ("a twin alone", MINE, [other(A, "2", email="e")], Ambiguous),
    ("later key, earlier contradicts", MINE, [other(B, email="x", phone="p")], Ambiguous),
    ("two different links", MINE, [other(B, email="e", link=1, linked="b"), other(C, email="e", link=2, linked="c")], Ambiguous),
    ("the link has one of mine", MINE, [other(B, email="e", link=1, linked="ab")], Ambiguous),
]


@pytest.mark.parametrize(("keys", "candidates", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_none_one_or_a_person(keys: dict[FieldName, str], candidates: list[Candidate], expected: type[Match]) -> None:
    """Exactly one on each side links; anything more is held; in any order of candidates."""
    for order in permutations(candidates):
        assert expected is type(match(ORDER, A, keys, order))


def test_a_contradiction_names_the_key_that_contradicts() -> None:
    """The reason a person reads names the right field."""
    found = match(ORDER, A, MINE, [other(B, email="e2", phone="p2", name="n"), other(C, phone="p2", name="n")])

    assert isinstance(found, Ambiguous)
    assert "same name, but another email" == found.reason
    assert match(ORDER, A, MINE, [other(C, phone="p2", name="n")]) == Ambiguous(
        reason="same name, but another phone", candidates=(other(C, phone="p2", name="n"),)
    )


def test_a_join_says_by_which_key() -> None:
    """The link and the key go into the journal."""
    assert Join(link=LinkId(7), by=PHONE) == match(ORDER, A, MINE, [other(B, phone="p", link=7, linked="b")])
