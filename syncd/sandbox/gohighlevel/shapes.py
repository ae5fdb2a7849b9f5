"""Shapes: what a request must look like, and an answer made to look as it must.

A shape is ``"string"``, ``"number"``, ``"boolean"``, ``"object"`` or ``"any"``; ``{"one of": [...]}``; ``[shape]`` for an array; or an
object of shapes, whose required names end in ``!``. `SURFACE` has those of every operation, as the vendor's specification has them.

Rule: an answer shows what is known and nothing invented; what must be there and is not known is blank.

It must not know what any operation does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import orjson

_BLANK: Mapping[str, Any] = {"string": "", "number": 0, "boolean": False, "object": {}, "any": None}
_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,), "object": (dict,)}
_ARTICLE = {"string": "a string", "number": "a number", "boolean": "a boolean value", "object": "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operation as the specification has it; a shape of None was not described, and a version of "" not declared."""

    name: str
    method: str
    path: str
    version: str
    status: int
    query: Mapping[str, Any]
    body: Any
    answer: Any

    @property
    def path_names(self) -> list[str]:
        """The names in the path, in order."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def _surface() -> dict[str, Entry]:
    raw = orjson.loads(resources.files(__package__).joinpath("surface.json").read_bytes())
    return {
        name: Entry(
            name=name,
            method=each["call"].partition(" ")[0],
            path=each["call"].partition(" ")[2],
            version=each.get("version", ""),
            status=each["status"],
            query=each.get("query", {}),
            body=each.get("body"),
            answer=each.get("answer"),
        )
        for name, each in raw.items()
    }


SURFACE: Final = _surface()


def named(shape: Mapping[str, Any]) -> Iterator[tuple[str, bool, Any]]:
    """The members of an object's shape: name, whether required, shape."""
    for key, inner in shape.items():
        yield key.removesuffix("!"), key.endswith("!"), inner


def is_object(shape: Any) -> bool:
    """Whether a shape names members."""
    return isinstance(shape, dict) and "one of" not in shape


def shaped(shape: Any, value: Any) -> Any:
    """The value as the shape wants it: members it does not name are left out, required ones that are missing are blank."""
    if isinstance(shape, list):
        return [shaped(shape[0], each) for each in value] if isinstance(value, list) else []
    if is_object(shape):
        known = value if isinstance(value, dict) else {}
        return {name: shaped(inner, known.get(name)) for name, must, inner in named(shape) if must or known.get(name) is not None}
    if isinstance(shape, dict):
        return value if value in shape["one of"] else shape["one of"][0]
    wanted = _TYPES.get(shape)
    if wanted is None:
        return value
    fits = isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))
    return value if fits else _BLANK[shape]


def problems_of(shape: Any, body: Any) -> list[str]:
    """What a 422 would say of a body, member by member."""
    if isinstance(shape, list):
        return [problem for each in body for problem in problems_of(shape[0], each)] if isinstance(body, list) else ["body must be an array"]
    if not isinstance(body, dict):
        return ["body must be an object"]
    if not is_object(shape):
        return []
    members = {name: (must, inner) for name, must, inner in named(shape)}
    found = [f"property {name} should not exist" for name in body if name not in members]
    for name, (must, inner) in members.items():
        if name not in body:
            found += [f"{name} should not be empty"] if must else []
        elif body[name] is not None and (problem := _problem(inner, body[name])):
            found.append(f"{name} {problem}")
    return found


def query_problems(entry: Entry, query: Mapping[str, str]) -> list[str]:
    """What a 422 would say of a query."""
    members = {name: (must, inner) for name, must, inner in named(entry.query)}
    found = [f"property {name} should not exist" for name in query if name not in members]
    for name, (must, inner) in members.items():
        if name not in query:
            found += [f"{name} should not be empty"] if must else []
        elif inner == "number" and not query[name].lstrip("-").replace(".", "", 1).isdigit():
            found.append(f"{name} must be a number string")
        elif isinstance(inner, dict) and query[name] not in map(str, inner["one of"]):
            found.append(f"{name} must be one of the following values: {', '.join(map(str, inner['one of']))}")
    return found


def _problem(shape: Any, value: Any) -> str:
    if isinstance(shape, list):
        return "" if isinstance(value, list) else "must be an array"
    if is_object(shape):
        return "" if isinstance(value, dict) else "must be an object"
    if isinstance(shape, dict):
        return "" if value in shape["one of"] else f"must be one of the following values: {', '.join(map(str, shape['one of']))}"
    wanted = _TYPES.get(shape)
    if wanted is None or (isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))):
        return ""
    return f"must be {_ARTICLE[shape]}"
