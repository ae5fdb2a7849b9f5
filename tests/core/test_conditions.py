"""Structured conditions: what is admitted, and what is refused when it is written."""

from __future__ import annotations

import pytest

from syncd.core.conditions import ALWAYS, ConditionError, compile_condition, parts
from syncd.core.record import Json

RECORD = {"name": "Ada", "tags": ["VIP", "new"], "age": 36, "vip": True, "mail": None}


def when(field: str, op: str, *value: Json) -> dict[str, Json]:
    return {"field": field, "op": op} | ({"value": value[0]} if value else {})


ADMITS = [
    (when("name", "exists"), True),
    (when("mail", "exists"), False),
    (when("nowhere", "exists"), False),
    (when("nowhere", "blank"), True),
    (when("name", "eq", "ADA"), True),
    (when("vip", "eq", True), True),
    (when("vip", "eq", 1), False),
    (when("mail", "ne", "x"), True),
    (when("name", "in", ["bob", "ada"]), True),
    (when("mail", "in", [None]), True),
    (when("tags", "contains", "vip"), True),
    (when("tags", "contains", "vi"), False),
    (when("name", "contains", "D"), True),
    (when("age", "contains", 3), False),
    (when("name", "starts_with", "a"), True),
    (when("name", "ends_with", "A"), True),
    (when("mail", "starts_with", ""), False),
    (when("age", "gt", 35), True),
    (when("age", "ge", 36), True),
    (when("age", "lt", "40"), False),
    (when("name", "le", "Bob"), True),
    (when("mail", "lt", 5), False),
    ({"not": when("mail", "exists")}, True),
    ({"all": [when("name", "exists"), when("mail", "exists")]}, False),
    ({"any": [when("name", "exists"), when("mail", "exists")]}, True),
    ({"not": {"any": [when("mail", "exists"), {"all": [when("age", "gt", 1), when("vip", "eq", True)]}]}}, False),
]

REFUSED = [
    ("name exists", "is a table"),
    ({}, "needs `field`"),
    (when("a", "like", "x"), "`op` is one of"),
    (when("a", "eq"), "takes a `value`"),
    (when("a", "exists", 1), "takes no `value`"),
    (when("a", "in", "abc"), "takes a list"),
    ({"all": []}, "at least one"),
    ({"all": when("a", "exists")}, "at least one"),
    ({"any": [when("a", "exists")], "all": [when("a", "exists")]}, "does not belong"),
    ({"not": when("a", "exists"), "field": "a"}, "does not belong"),
    ({"field": "a", "op": "exists", "is": 1}, "does not belong"),
    ({"all": [when("a", "exists"), {"field": 5}]}, "needs `field`"),
]


@pytest.mark.parametrize(("written", "expected"), ADMITS)
def test_a_condition_answers_for_a_record(written: Json, expected: bool) -> None:
    """Each test compares as its name says; an absent field is blank."""
    assert expected == compile_condition(written).admits(RECORD)


@pytest.mark.parametrize(("written", "why"), REFUSED)
def test_a_wrong_condition_is_refused_with_its_part(written: Json, why: str) -> None:
    """What is no condition is refused when it is written, not when a record comes by."""
    with pytest.raises(ConditionError, match=why):
        compile_condition(written)


def test_a_condition_names_its_fields_and_reads_as_text() -> None:
    """All field names are known for checking, and the text says the whole condition."""
    compiled = compile_condition({"all": [when("a", "exists"), {"not": when("b", "eq", 1)}]})

    assert (frozenset({"a", "b"}), "(a exists) and (not (b eq 1))") == (compiled.fields, compiled.text)


def test_always_admits() -> None:
    """No condition admits everything and reads nothing."""
    assert (True, frozenset()) == (ALWAYS.admits({}), ALWAYS.fields)


@pytest.mark.parametrize(("written", "expected"), ADMITS)
def test_the_whole_is_the_first_part(written: Json, expected: bool) -> None:
    """And it came to what the condition itself says."""
    assert expected == next(parts(written, RECORD)).met


def test_each_part_says_what_it_read() -> None:
    """With its depth, whether it was met, and the value."""
    found = list(parts({"any": [when("x", "exists"), {"not": when("y", "eq", 1)}]}, {"y": 1}))

    assert [(0, False, "", None), (1, False, "x", None), (1, False, "", None), (2, True, "y", 1)] == [
        (part.depth, part.met, part.reads, part.found) for part in found
    ]
