"""`syncd demo --recipe`: what it refuses, and its referee before rows that are not as they should be."""

from __future__ import annotations

import pytest

from syncd.cli.demo_expected import Expected, Step, standing
from tests.cli.world import World

ROWS = [
    {"email": "Ada@example.com", "tags": ["B", "a"], "phone": "+1 202-555-0101", "custom": {"plan": "Gold"}, "note": ""},
    {"email": "ben@example.com"},
    {"email": "ben@example.com"},
]


def expected(key: str, values: dict[str, object] | None = None, count: int = 1) -> Expected:
    return Expected(where="there", rows=lambda: ROWS, key=key, values=values or {}, count=count)


def test_what_it_refuses(world: World) -> None:
    """A recipe that is not there, and what is for the other demo."""
    unknown = world.here("demo", "--recipe", "ghl-emailoctopuss", "--once")
    chaotic = world.here("demo", "--recipe", "ghl-emailoctopus", "--once", "--chaos")

    assert (1, 1) == (unknown.code, chaotic.code)
    assert "did you mean `ghl-emailoctopus`" in unknown.err
    assert "not for --recipe" in chaotic.err


def test_spelling_is_no_difference() -> None:
    """Capitals, the order of a list, the way a number is typed, and how nothing is written."""
    shown = {"tags": ["A", "b"], "phone": "+12025550101", "custom.plan": "gold", "note": None, "other.thing": None}

    assert [] == expected("ada@example.com", shown).differences()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (expected("ada@example.com", {"custom.plan": "silver"}), "custom.plan is 'Gold', not 'silver'"),
        (expected("ada@example.com", {"tags": ["a"]}), "tags is ['B', 'a'], not ['a']"),
        (expected("ada@example.com", count=0), "ada@example.com is 1 times in there, not 0"),
        (expected("ben@example.com"), "ben@example.com is 2 times in there, not 1"),
        (expected("cleo@example.com"), "cleo@example.com is 0 times in there, not 1"),
    ],
)
def test_each_difference_is_told(given: Expected, said: str) -> None:
    """Another value, a record too many, one too few."""
    (told,) = given.differences()

    assert said in told


def test_the_last_word_counts() -> None:
    """Of one record and path; what nobody took back still stands."""
    first = Step(deed="create", system="a", told="", expected=[expected("ada", {"x": 1, "y": 1}), expected("ben")])
    second = Step(deed="update", system="a", told="", expected=[expected("ada", {"x": 2}), expected("ben", count=0)])
    ada, ben = standing([first, second])

    assert {"x": 2, "y": 1} == ada.values
    assert (0, {}) == (ben.count, ben.values)
