"""Whose doing a change is: value by value."""

from __future__ import annotations

import pytest

from syncd.core.fields import FieldType
from syncd.core.happening import PERSON, Cause, Claim, Origin, differences, done_values, fits, leaves, same, split

MINE = Cause(Origin.AUTOMATION, 1, "mine")


def claim(**values):
    return Claim(cause=MINE, values=values)


@pytest.mark.parametrize(
    ("left", "right", "kind", "alike"),
    [
        ("a", "a", None, True),
        ("a", "b", None, False),
        (1, True, None, False),
        (None, "", None, True),
        (["a", "b"], ["B", "a"], None, True),
        (["a"], ["a", "b"], None, False),
        (["a"], None, None, False),
        ([], None, None, True),
        ("+1 212 555 0123", "(212) 555-0123", FieldType.PHONE, True),
        ("A@B.co", "a@b.co", FieldType.EMAIL, True),
        ("A@B.co", "a@b.co", None, False),
        ("not a phone", "(212) 555-0123", FieldType.PHONE, False),
        ("2.0", 2, FieldType.NUMBER, True),
    ],
)
def test_same(left, right, kind, alike):
    """Form is no change, where the type says what form is."""
    assert alike is same(left, right, kind) is same(right, left, kind)


def test_what_was_not_shown_is_no_difference():
    """A path that is new in a reading, or missing from it, tells nothing."""
    assert {"b"} == differences({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "d": 1})


def test_the_first_value_of_a_field_that_nobody_had_is_a_difference():
    """A defined field that appears among others of its kind was defined since; where none was shown before, this is a first look at them all."""
    before = {"name": "Ada", "custom.size": None, "fields.Plan": "gold"}

    assert {"custom.plan", "fields.Town"} == differences(before, {**before, "custom.plan": "gold", "custom.none": None, "fields.Town": "London"})
    assert set() == differences({"name": "Ada"}, {"name": "Ada", "custom.plan": "gold"})


@pytest.mark.parametrize(
    ("claimed", "path", "before", "after", "fitting"),
    [
        ({"name": ["Ada"]}, "name", "B", "Ada", True),
        ({"name": ["Ada"]}, "name", "B", "Eve", False),
        ({"name": ["Ada"]}, "phone", "B", "Ada", False),
        ({"": ["gold"]}, "custom.plan", None, "gold", True),
        ({"plan": ["gold"]}, "custom.plan", None, "gold", True),
        ({"tags": [["vip"]]}, "tags", ["a"], ["a", "vip"], True),
        ({"tags": [["vip"]]}, "tags", ["a", "vip"], ["a"], True),
        ({"tags": [["vip"]]}, "tags", ["a"], ["b", "vip"], False),
        ({"tags": [["vip"]]}, "tags", ["a"], ["a", "vip", "x"], False),
        ({"tags": ["vip"]}, "tags", None, ["vip"], True),
        ({}, "name", "B", "Ada", False),
    ],
)
def test_only_what_was_written_fits(claimed, path, before, after, fitting):
    """The very value; of a set, nothing but what was written came or went."""
    assert fitting is fits(claim(**claimed), path, before, after)


@pytest.mark.parametrize(("before", "after"), [(["a"], 7), (7, ["a"]), (7, None), (None, 7), ("a", None), (["a"], "a b"), ({"a": 1}, ["a"])])
def test_what_is_no_set_on_one_side_is_compared_as_a_whole(before, after):
    """A vendor shows anything where tags were, or nothing: that breaks nothing, and of a text its letters are no tags."""
    assert not fits(claim(x=["a", ["b"]]), "x", before, after)


def test_a_change_is_split_by_whose_it_is():
    """One who edits beside us is told apart."""
    before, after = {"name": "B", "phone": "1", "plan": "free"}, {"name": "Ada", "phone": "2", "plan": "gold"}

    assert {MINE: frozenset({"name", "plan"}), PERSON: frozenset({"phone"})} == split(
        before.keys(), before, after, [claim(name=["Ada"]), claim(plan=["gold"])]
    )


def test_the_newest_claim_is_believed():
    """Two wrote the same value: the later of them it was."""
    other = Cause(Origin.SYNC)

    assert {MINE} == split(["a"], {"a": 1}, {"a": 2}, [Claim(cause=other, values={"a": [2]}), claim(a=[2])]).keys()


def test_leaves_are_every_value_sent():
    """By the name they stand under; in lists of tables, whose names say little, under none as well."""
    sent = {"contactId": "1", "tags": ["a", "b"], "customFields": [{"id": "x", "value": "gold"}], "deep": {"name": None}}

    assert {"contactId": ["1"], "tags": [["a", "b"]], "id": ["x"], "value": ["gold"], "": ["x", "gold"], "name": [None]} == leaves(sent)


def test_an_answer_adds_forms_and_no_values():
    """Of what was sent it tells how the vendor keeps it; whatever else it shows, somebody else may just have written."""
    answer = {"contact": {"name": "ADA", "phone": "2", "tags": ["x", "vip"], "customFields": [{"id": "y", "value": "theirs"}]}}

    assert {"name": ["ada", "ADA"], "tags": [["vip"]]} == done_values({"name": "ada", "tags": ["vip"]}, answer)
