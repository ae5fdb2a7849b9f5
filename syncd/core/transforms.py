"""Named two-way transforms between what a member holds and what the hub holds.

Each is a pair of functions and the samples on which it must round-trip; `check` proves that before any record is touched.
The rule that keeps it true: `to_hub(from_hub(value)) == value` on every sample, and neither function raises on text.
It must not know: vendors, rules, or which field it is used on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from syncd.core.record import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A named pair. `arity` is how many vendor paths it joins; `to_hub` takes that many values and `from_hub` gives them."""

    name: str
    about: str
    arity: int
    to_hub: Callable[[Sequence[Json]], Json]
    from_hub: Callable[[Json], Sequence[Json]]
    samples: tuple[Json, ...]


def check(transform: Transform) -> list[str]:
    """The samples that do not survive the way out and back, in words; empty when the pair is sound."""
    return [
        f"{transform.name}: {sample!r} comes back as {back!r}"
        for sample in transform.samples
        if (back := transform.to_hub(transform.from_hub(sample))) != sample
    ]


def _join_name(parts: Sequence[Json]) -> Json:
    return " ".join(text for part in parts if part is not None and (text := str(part).strip())) or None


def _split_name(name: Json) -> Sequence[Json]:
    """The last word is the last name; a single word is a first name."""
    words = str(name).split() if name is not None else []
    if len(words) < 2:
        return (words[0] if words else None, None)
    return (" ".join(words[:-1]), words[-1])


def _each(change: Callable[[str], str]) -> Callable[[Sequence[Json]], Json]:
    return lambda parts: change(parts[0]) if isinstance(parts[0], str) else parts[0]


def _alone(value: Json) -> Sequence[Json]:
    return (value,)


def _negated(value: Json) -> Json:
    """Reads the words vendors use for truth; anything else passes unchanged, for the type to refuse."""
    word = str(value).strip().lower()
    return {"true": False, "yes": False, "1": False, "false": True, "no": True, "0": True}.get(word, value)


_ALL = (
    Transform(
        name="split_name",
        about="one full name here, a first and a last name there",
        arity=2,
        to_hub=_join_name,
        from_hub=_split_name,
        samples=("Ada Vance", "Ada", "Ada de la Vance", None),
    ),
    Transform(
        name="lower",
        about="kept in lower case in the hub",
        arity=1,
        to_hub=_each(str.lower),
        from_hub=_alone,
        samples=("ada", "", None),
    ),
    Transform(
        name="upper",
        about="kept in upper case in the hub",
        arity=1,
        to_hub=_each(str.upper),
        from_hub=_alone,
        samples=("GB", "", None),
    ),
    Transform(
        name="not",
        about="true here where it is false there",
        arity=1,
        to_hub=lambda parts: _negated(parts[0]),
        from_hub=lambda value: (_negated(value),),
        samples=(True, False, None),
    ),
)

TRANSFORMS: Mapping[str, Transform] = {transform.name: transform for transform in _ALL}
