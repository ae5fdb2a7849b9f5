"""Who wins one field: the table, row by row."""

from __future__ import annotations

from itertools import permutations

import pytest

from syncd.core.decide import Stand, Verdict, Voice, decide, may_speak
from syncd.core.fields import as_set
from syncd.core.link import HubField, Interval
from syncd.core.record import Json, MemberName
from syncd.core.rules import BlankRule, ConflictRule, FieldRule, SyncRules
from tests.core.build import TAGS, A, B, C, row, sync

EARLY, LATE, LONG = Interval(0, 10), Interval(10, 20), Interval(5, 30)
HELD = "held"
LAST = sync(among="abc", conflict=ConflictRule.LAST_MODIFIED)
REVIEW = sync(among="abc", conflict=ConflictRule.REVIEW)
TRUTH = sync(among="abc")
NOBODY = sync(among="abc", source_of_truth=None)
ANY, OWNED = row(among="abc"), row(among="abc", owner=B)
ONE_WAY = row(among="abc", sources=frozenset({A}), targets=frozenset({B, C}))
SHY = row(among="abc", blank=BlankRule.IGNORE)
H = HubField(value="h", winner=A)
BLANK = HubField(value=None, winner=A)


def same(member: MemberName, value: Json = "h", **other: Json) -> Voice:
    return Voice(member=member, stand=Stand.SAME, value=value, base=value, **other)


def changed(member: MemberName, value: Json, base: Json = "h", **other: Json) -> Voice:
    return Voice(member=member, stand=Stand.CHANGED, value=value, base=base, **other)


def new(member: MemberName, value: Json, **other: Json) -> Voice:
    return Voice(member=member, stand=Stand.NEW, value=value, **other)


TABLE = [
    ("nobody: the hub stays though forms differ", TRUTH, ANY, H, [same(A), same(B, "H ")], "h", {}),
    ("one", TRUTH, ANY, H, [same(A), changed(B, "x")], "x", {}),
    ("one clears", TRUTH, ANY, H, [same(A), changed(B, None)], None, {}),
    ("one clears, ignored", TRUTH, SHY, H, [same(A), changed(B, None)], "h", {B: None}),
    ("several to the same", NOBODY, ANY, H, [changed(A, "x"), changed(B, "x")], "x", {}),
    ("several: the source of truth", TRUTH, ANY, H, [changed(A, "x"), changed(B, "y")], "x", {B: "y"}),
    ("several: the owner", NOBODY, OWNED, H, [changed(A, "x"), changed(B, "y")], "y", {A: "x"}),
    ("several: nobody may decide", NOBODY, ANY, H, [changed(A, "x"), changed(B, "y")], HELD, {}),
    ("several: the source of truth is not among them", TRUTH, ANY, H, [same(A), changed(B, "y"), changed(C, "z")], HELD, {}),
    ("review", REVIEW, ANY, H, [changed(A, "x"), changed(B, "y")], HELD, {}),
    ("review: capitals and spaces are no conflict", REVIEW, ANY, H, [changed(A, "van X"), changed(B, "Van  x")], "van X", {B: "Van  x"}),
    ("review: capitals of two, another word of a third", REVIEW, ANY, H, [changed(A, "x"), changed(B, "X"), changed(C, "y")], HELD, {}),
    ("review: cleared is not alike", REVIEW, ANY, H, [changed(A, None), changed(B, "y")], HELD, {}),
    ("capitals, the source of truth is not among them", TRUTH, ANY, H, [same(A), changed(B, "v3"), changed(C, "V3")], "V3", {B: "v3"}),
    ("review needs a conflict", REVIEW, ANY, H, [changed(B, "y")], "y", {}),
    ("surely last", LAST, ANY, H, [changed(A, "x", interval=EARLY), changed(B, "y", interval=LATE)], "y", {A: "x"}),
    ("overlapping: the truth", LAST, ANY, H, [changed(A, "x", interval=EARLY), changed(B, "y", interval=LONG)], "x", {B: "y"}),
    ("no time known: the truth", LAST, ANY, H, [changed(A, "x"), changed(B, "y", interval=LATE)], "x", {B: "y"}),
    ("last over a behind one", LAST, ANY, HubField(value="h", winner=A, interval=EARLY), [same(A), changed(B, "y", "o", behind=True, interval=LATE)], "y", {A: "h"}),
    ("edit while behind: the hub contends", TRUTH, ANY, H, [same(A), changed(B, "y", "o", behind=True)], "h", {B: "y"}),
    ("edit while behind, superseded", TRUTH, ANY, H, [changed(A, "x"), changed(B, "y", "o", behind=True)], "x", {B: "y"}),
    ("superseded by one who had received it", TRUTH, ANY, H, [same(A), changed(B, "x"), changed(C, "y", "o", behind=True)], HELD, {}),
    ("own write seen before it is settled", TRUTH, ANY, H, [same(A), changed(B, "h", "o", behind=True)], "h", {}),
    ("not the owner: put back", TRUTH, OWNED, H, [same(B), changed(A, "x")], "h", {A: "x"}),
    ("direction against: noted", TRUTH, ONE_WAY, H, [same(A), changed(B, "y")], "h", {}),
    ("direction against, written over", TRUTH, ONE_WAY, H, [changed(A, "x"), changed(B, "y")], "x", {B: "y"}),
    ("first link: equal", TRUTH, ANY, None, [new(A, "x"), new(B, "x")], "x", {}),
    ("first link: blank loses", TRUTH, ANY, None, [new(A, None), new(B, "x")], "x", {}),
    ("first link: all blank", TRUTH, ANY, None, [new(A, None), new(B, None)], None, {}),
    ("first link: the rule", TRUTH, ANY, None, [new(A, "x"), new(B, "y")], "x", {B: "y"}),
    ("first link: held", NOBODY, ANY, None, [new(A, "x"), new(B, "y")], HELD, {}),
    ("first link: direction", NOBODY, ONE_WAY, None, [new(A, "x"), new(B, "y")], "x", {B: "y"}),
    ("first link: the source is blank", TRUTH, ONE_WAY, None, [new(A, None), new(B, "y")], "y", {}),
    ("first link: the owner is blank", NOBODY, OWNED, None, [new(A, "x"), new(B, None)], "x", {}),
    ("joining: equal", TRUTH, ANY, H, [same(A), same(B), new(C, "h")], "h", {}),
    ("joining: the truth agreed to the hub", TRUTH, ANY, HubField(value="h", winner=B), [same(A), same(B), new(C, "x")], "h", {B: "h", C: "x"}),
    ("joining: blank hub gives way", TRUTH, ANY, BLANK, [same(A, None), new(C, "x")], "x", {}),
    ("joining while another edits", TRUTH, ANY, H, [same(A), changed(B, "y"), new(C, "x")], HELD, {}),
    ("joining a source that knows", NOBODY, ONE_WAY, H, [same(A), new(C, "x")], "h", {C: "x"}),
    ("came back saying something else", TRUTH, ANY, H, [new(A, "x"), same(B)], "x", {B: "h"}),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "rule", "hub", "voices", "value", "losers"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE])
def test_who_wins(
    rules: SyncRules, rule: FieldRule, hub: HubField | None, voices: list[Voice], value: Json, losers: dict[MemberName, Json]
) -> None:
    """Each row of the table, in every order of voices; whoever's value is written over is in the journal."""
    for order in permutations(voices):
        verdict = decide(rules, rule, hub, order, None)

        assert value == (HELD if verdict.conflict else verdict.hub.value if verdict.hub else None)
        assert {name: each for name, each in losers.items() if each != value} == dict(verdict.losers)


SETS = [
    ("nobody", ["a"], [same(A, ["a"]), same(B, ["A"])], ["a"]),
    ("additions of both", ["a"], [changed(A, ["a", "x"], ["a"]), changed(B, ["a", "y"], ["a"])], ["a", "x", "y"]),
    ("removals of both", ["a", "b"], [changed(A, ["a"], ["a", "b"]), changed(B, ["b"], ["a", "b"])], None),
    ("removed here, kept there", ["a", "b"], [changed(A, ["a"], ["a", "b"]), same(B, ["a", "b"])], ["a"]),
    ("added and removed at once", ["a"], [changed(A, None, ["a"]), new(B, ["a"])], ["a"]),
    ("behind, adds", ["a", "x"], [same(A, ["a", "x"]), changed(B, ["a", "y"], ["a"], behind=True)], ["a", "x", "y"]),
    ("behind, removes", ["a", "x"], [changed(B, None, ["a"], behind=True)], ["x"]),
    ("no base", None, [new(A, ["a", "b"]), new(B, ["B", "c"])], ["a", "B", "c"]),
    ("spelled anew", ["VIP"], [changed(A, ["vip", "x"], ["VIP"])], ["VIP", "x"]),
]


@pytest.mark.parametrize(("hub", "voices", "expected"), [case[1:] for case in SETS], ids=[case[0] for case in SETS])
def test_sets_merge(hub: list[str] | None, voices: list[Voice], expected: list[str] | None) -> None:
    """Element by element, in every order of voices, with no losers."""
    for order in permutations(voices):
        verdict = decide(TRUTH, row(TAGS, among="abc"), HubField(value=hub) if hub is not None else None, order, None)
        assert verdict.hub is not None

        assert (as_set(expected or []), {}) == (verdict.hub.value, verdict.losers)


def test_an_edit_of_an_owned_set_is_put_back_and_kept_in_the_journal() -> None:
    """A set's owner is obeyed like any other's."""
    verdict = decide(TRUTH, row(TAGS, among="abc", owner=B), HubField(value=["a"]), [changed(A, ["a", "x"], ["a"]), same(B, ["a"])], None)

    assert Verdict(hub=HubField(value=["a"]), losers={A: ["a", "x"]}, why="owner b: put back") == verdict


def test_a_person_decides_a_held_field() -> None:
    """A pick wins over every rule, as long as that member still says something."""
    voices = [changed(A, "x"), changed(B, "y")]
    verdict = decide(REVIEW, ANY, H, voices, B)

    assert ("y", "picked by a person", {A: "x"}) == (verdict.hub and verdict.hub.value, verdict.hub and verdict.hub.rule, verdict.losers)
    assert decide(REVIEW, ANY, H, voices, C).conflict


@pytest.mark.parametrize(("rule", "speakers"), [(ANY, {A, B, C}), (OWNED, {B}), (ONE_WAY, {A})])
def test_whose_edits_count(rule: FieldRule, speakers: set[MemberName]) -> None:
    """An owner alone, the sources of a direction, or everybody."""
    assert speakers == {each for each in (A, B, C) if may_speak(rule, each)}
