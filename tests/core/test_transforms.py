"""Named two-way transforms: each survives the way out and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.record import Json
from syncd.core.transforms import TRANSFORMS, Transform, check

TO_HUB = [
    ("split_name", ["Ada", "Vance"], "Ada Vance"),
    ("split_name", [" Ada ", None], "Ada"),
    ("split_name", [None, ""], None),
    ("lower", ["ADA"], "ada"),
    ("lower", [5], 5),
    ("upper", ["gb"], "GB"),
    ("not", ["true"], False),
    ("not", [0], True),
    ("not", ["perhaps"], "perhaps"),
]

FROM_HUB = [
    ("split_name", "Ada de la Vance", ("Ada de la", "Vance")),
    ("split_name", "Ada", ("Ada", None)),
    ("split_name", None, (None, None)),
    ("lower", "ada", ("ada",)),
    ("not", True, (False,)),
    ("not", None, (None,)),
]


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=lambda each: each.name)
def test_every_transform_is_sound(transform: Transform) -> None:
    """Each shipped pair round-trips on its samples, and its samples include blank."""
    assert [] == check(transform)
    assert None in transform.samples


def test_a_lossy_pair_is_named() -> None:
    """A pair that does not come back says which sample and as what."""
    bad = Transform(name="cut", about="", arity=1, to_hub=lambda parts: parts[0], from_hub=lambda value: (value[:1],), samples=("ada",))

    assert ["cut: 'ada' comes back as 'a'"] == check(bad)


@pytest.mark.parametrize(("name", "parts", "expected"), TO_HUB)
def test_to_the_hub(name: str, parts: list[Json], expected: Json) -> None:
    """The member's parts become one hub value; what is not understood passes for the type to refuse."""
    assert expected == TRANSFORMS[name].to_hub(parts)


@pytest.mark.parametrize(("name", "value", "expected"), FROM_HUB)
def test_from_the_hub(name: str, value: Json, expected: tuple[Json, ...]) -> None:
    """One hub value becomes as many parts as the transform joins."""
    assert expected == tuple(TRANSFORMS[name].from_hub(value))


@given(st.sampled_from(sorted(TRANSFORMS)), st.text(max_size=20) | st.none() | st.booleans() | st.integers())
def test_no_transform_raises_or_miscounts(name: str, value: Json) -> None:
    """Neither way raises on any text, and as many parts come out as go in."""
    transform = TRANSFORMS[name]
    parts = transform.from_hub(value)
    transform.to_hub(parts)

    assert transform.arity == len(parts)


@given(st.text(max_size=20))
def test_a_name_is_split_once(name: str) -> None:
    """A split name that is joined and split again is the same parts, so writing settles."""
    pair = TRANSFORMS["split_name"]
    parts = tuple(pair.from_hub(name))

    assert parts == tuple(pair.from_hub(pair.to_hub(parts)))
