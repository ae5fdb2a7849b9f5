"""Between one member's words and the hub's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.fields import FieldType, Unreadable, equal
from syncd.core.link import Interval
from syncd.core.record import FieldName, Json
from syncd.core.rules import FieldRule, MemberField
from syncd.core.translate import change_interval, from_hub, see, to_hub
from tests.core.build import TAGS, A, F, row, sync

CHOICES = frozenset({"gold", "silver"})


def held(**other: Json) -> dict[str, Json]:
    return {"members": {A: MemberField(**({"paths": ("f",)} | other))}}


GOLD = row(type=FieldType.CHOICE, choices=CHOICES, **held(values={"gold": "Or"}))
NAME = row(**held(paths=("first", "last"), transform="split_name"))
LOUD = row(type=FieldType.CHOICE, choices=CHOICES, **held(values={"gold": "OR"}, transform="lower"))
SET = row(TAGS, **held(paths=("tags",), values={"vip": "Very Important"}))

TO_HUB = [
    (row(), {"f": " Ada "}, {F: "Ada"}),
    (row(), {"f": None}, {F: None}),
    (row(), {"g": "x"}, {}),
    (row(among="b"), {"f": "x"}, {}),
    (NAME, {"first": "Ada", "last": "Vance"}, {F: "Ada Vance"}),
    (NAME, {"first": "Ada"}, {}),
    (GOLD, {"f": "or"}, {F: "gold"}),
    (GOLD, {"f": "SILVER"}, {F: "silver"}),
    (GOLD, {"f": ""}, {F: None}),
    (SET, {"tags": ["very important", "New"]}, {TAGS: ["New", "vip"]}),
]

FROM_HUB = [
    (row(), "Ada", {}, {"f": "Ada"}),
    (row(), None, {}, {"f": None}),
    (NAME, "Ada de la Vance", {}, {"first": "Ada de la", "last": "Vance"}),
    (NAME, None, {}, {"first": None, "last": None}),
    (GOLD, "gold", {}, {"f": "Or"}),
    (GOLD, "silver", {}, {"f": "silver"}),
    (LOUD, "gold", {}, {"f": "OR"}),
    (SET, None, {"tags": ["x"]}, {"tags": []}),
    (SET, ["new", "x"], {"tags": ["New"]}, {"tags": ["New", "x"]}),
    (SET, ["VIP"], {}, {"tags": ["Very Important"]}),
    (SET, ["vip"], {"tags": ["VERY important"]}, {"tags": ["VERY important"]}),
    (SET, ["x"], {"tags": [{"no": 1}]}, {"tags": ["x"]}),
]


@pytest.mark.parametrize(("rule", "record", "expected"), TO_HUB)
def test_a_record_in_the_hubs_words(rule: FieldRule, record: dict[str, Json], expected: dict[FieldName, Json]) -> None:
    """Values are read in normal form; a field of which any path is missing was not shown."""
    rules = sync(rule)

    assert expected == to_hub(rules, rules.members[A], record)


def test_an_unlisted_choice_is_unreadable() -> None:
    """A word the table does not know is held, not passed on."""
    rules = sync(GOLD)

    assert isinstance(to_hub(rules, rules.members[A], {"f": "wood"})[F], Unreadable)


@pytest.mark.parametrize(("rule", "value", "before", "expected"), FROM_HUB)
def test_a_hub_value_in_the_members_words(rule: FieldRule, value: Json, before: dict[str, Json], expected: dict[str, Json]) -> None:
    """The member's own word by the map, its own spelling of elements it has; a blank clears every path."""
    rules = sync(rule)

    assert expected == from_hub(rule, rules.members[A], value, before)


@pytest.mark.parametrize("rule", [GOLD, LOUD])
def test_a_value_without_a_word_is_not_written(rule: FieldRule) -> None:
    """A hub value that is no longer listed has no words anywhere, through a transform or not."""
    rules = sync(rule)

    assert isinstance(from_hub(rule, rules.members[A], "platinum", {}), Unreadable)


@pytest.mark.parametrize(("rule", "value"), [(row(), "Ada"), (NAME, "Ada Vance"), (GOLD, "gold"), (GOLD, "silver"), (LOUD, "silver"), (SET, ["new", "vip"])])
def test_what_is_written_reads_back_the_same(rule: FieldRule, value: Json) -> None:
    """Out and back through a member's words changes nothing."""
    rules = sync(rule)
    written = from_hub(rule, rules.members[A], value, {})
    assert not isinstance(written, Unreadable)

    assert equal(rule.type, value, to_hub(rules, rules.members[A], written)[rule.name])


def test_a_field_of_several_paths_changed_when_the_last_of_them_did() -> None:
    """The change intervals of paths become one of the field."""
    rules = sync(NAME)
    shown = see(rules, rules.members[A], {"first": "A", "last": "V"}, {"first": Interval(1, 2), "last": Interval(3, 4)})

    assert {F: Interval(3, 4)} == shown.changed


INTERVALS = [
    ("no modified time", {"since": 100, "until": 200, "modified": None}, Interval(100, 200)),
    ("cut on both sides", {"since": 100, "until": 200, "modified": 150, "error": 10}, Interval(139, 160)),
    ("first look", {"since": None, "until": 200, "modified": 150, "error": 10}, Interval(139, 160)),
    ("cut by the looks", {"since": 145, "until": 155, "modified": 150, "error": 10}, Interval(145, 155)),
    ("the vendor's clock runs ahead", {"since": 100, "until": 200, "modified": 1150, "skew": 1000, "error": 10}, Interval(139, 160)),
    ("in the future", {"since": 100, "until": 200, "modified": 250, "error": 10}, Interval(100, 200)),
    ("before the last look", {"since": 100, "until": 200, "modified": 80, "error": 10}, Interval(100, 200)),
    ("exact", {"since": None, "until": 200, "modified": 150}, Interval(149, 150)),
]


@pytest.mark.parametrize(("given_times", "expected"), [case[1:] for case in INTERVALS], ids=[case[0] for case in INTERVALS])
def test_when_it_changed(given_times: dict[str, int | None], expected: Interval) -> None:
    """Between two looks, cut by the vendor's time where that can be true."""
    times: dict[str, Json] = {"skew": 0, "error": 0} | given_times

    assert expected == change_interval(**times)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 5))
def test_the_same_moment_is_never_later_than_itself(modified: int, other: int, error: int) -> None:
    """Two changes with equal vendor times are not ordered, however exact the times."""
    left = change_interval(since=None, until=200, modified=modified, skew=0, error=error)
    right = change_interval(since=None, until=200, modified=other, skew=0, error=error)

    assert left.surely_after(right) == (modified - other > 2 * error)
