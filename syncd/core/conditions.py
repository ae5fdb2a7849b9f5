"""Structured conditions: `field/op/value` joined by `all`, `any` and `not`.

`compile_condition` turns the written form into a frozen value once; `Condition.admits` answers for one record.
The rule that keeps it true: nothing is evaluated as code, and a condition on an absent field treats it as blank.
It must not know: where the fields come from, or what follows from the answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.core.fields import elements
from syncd.core.record import Json


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. `fields` are all the field names it reads, for checking them against the sync's."""

    text: str
    fields: frozenset[str]
    admits: Callable[[Mapping[Any, Json]], bool]


ALWAYS = Condition(text="always", fields=frozenset(), admits=lambda _fields: True)


class ConditionError(ValueError):
    """The written condition is not one; the message says which part."""


def compile_condition(written: Json) -> Condition:
    """Compiles ``{field=…, op=…, value=…}``, ``{all=[…]}``, ``{any=[…]}`` or ``{not={…}}``.

    Raises ConditionError naming the part that is wrong.
    """
    if not isinstance(written, Mapping):
        raise ConditionError(f'a condition is a table such as {{ field = "email", op = "exists" }}, not {written!r}')
    if "all" in written or "any" in written:
        return _compile_group(written)
    if "not" in written:
        _only(written, {"not"})
        inner = compile_condition(written["not"])
        return Condition(f"not ({inner.text})", inner.fields, lambda fields: not inner.admits(fields))
    return _compile_test(written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a condition and what came of it. `depth` is 0 for the whole; `found` is what a test read, under `reads` ("": it is a group)."""

    depth: int
    text: str
    met: bool
    reads: str = ""
    found: Json = None


def parts(written: Json, fields: Mapping[Any, Json], depth: int = 0) -> Iterator[Part]:
    """Every part of a condition that compiles, the whole first, as it is for one record."""
    met = compile_condition(written).admits(fields)
    for word, text in (("all", "all of these"), ("any", "any of these")):
        if word in written:
            yield Part(depth=depth, text=text, met=met)
            for each in written[word]:
                yield from parts(each, fields, depth + 1)
            return
    if "not" in written:
        yield Part(depth=depth, text="not this", met=met)
        yield from parts(written["not"], fields, depth + 1)
    else:
        yield Part(depth=depth, text=compile_condition(written).text, met=met, reads=written["field"], found=fields.get(written["field"]))


def _compile_group(written: Mapping[str, Json]) -> Condition:
    word = "all" if "all" in written else "any"
    _only(written, {word})
    if not isinstance(written[word], list) or not written[word]:
        raise ConditionError(f"`{word}` takes a list of at least one condition")
    parts = [compile_condition(part) for part in written[word]]
    join = all if word == "all" else any
    return Condition(
        f" {'and' if word == 'all' else 'or'} ".join(f"({part.text})" for part in parts),
        frozenset().union(*(part.fields for part in parts)),
        lambda fields: join(part.admits(fields) for part in parts),
    )


def _compile_test(written: Mapping[str, Json]) -> Condition:
    _only(written, {"field", "op", "value"})
    name, op = written.get("field"), written.get("op")
    if not isinstance(name, str):
        raise ConditionError("a condition needs `field`, the name of a field of this sync")
    if not isinstance(op, str) or op not in _TESTS:
        raise ConditionError(f"`op` is one of {', '.join(sorted(_TESTS))}, not {op!r}")
    if (op in _UNARY) == ("value" in written):
        raise ConditionError(f"`op = \"{op}\"` takes {'no' if op in _UNARY else 'a'} `value`")
    test, wanted = _TESTS[op], written.get("value")
    if op == "in" and not isinstance(wanted, list):
        raise ConditionError(f'`op = "in"` takes a list as its `value`, not {wanted!r}')
    text = f"{name} {op}" + ("" if op in _UNARY else f" {wanted!r}")
    return Condition(text, frozenset({name}), lambda fields: test(fields.get(name), wanted))


def _only(written: Mapping[str, Json], allowed: set[str]) -> None:
    if extra := sorted(set(written) - allowed):
        raise ConditionError(f"`{extra[0]}` does not belong beside {', '.join(sorted(allowed))}")


def _same(have: Json, wanted: Json) -> bool:
    if isinstance(have, str) and isinstance(wanted, str):
        return have.casefold() == wanted.casefold()
    return bool(have == wanted) and isinstance(have, bool) == isinstance(wanted, bool)


def _contains(have: Json, wanted: Json) -> bool:
    if isinstance(have, list):
        return str(wanted).casefold() in elements(have)
    return isinstance(have, str) and str(wanted).casefold() in have.casefold()


def _ordered(compare: Callable[[Json, Json], bool]) -> Callable[[Json, Json], bool]:
    def test(have: Json, wanted: Json) -> bool:
        numbers = isinstance(have, (int, float)) and isinstance(wanted, (int, float))
        texts = isinstance(have, str) and isinstance(wanted, str)
        return (numbers or texts) and compare(have, wanted)

    return test


_UNARY = frozenset({"exists", "blank"})
_TESTS: dict[str, Callable[[Json, Json], bool]] = {
    "exists": lambda have, _: have is not None,
    "blank": lambda have, _: have is None,
    "eq": _same,
    "ne": lambda have, wanted: not _same(have, wanted),
    "in": lambda have, wanted: isinstance(wanted, list) and any(_same(have, each) for each in wanted),
    "contains": _contains,
    "starts_with": lambda have, wanted: isinstance(have, str) and have.casefold().startswith(str(wanted).casefold()),
    "ends_with": lambda have, wanted: isinstance(have, str) and have.casefold().endswith(str(wanted).casefold()),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
}
