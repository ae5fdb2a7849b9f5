"""Whether a value is what a schema of the vendor's specification says.

The specification contradicts itself in places; where a schema's own example is not of its own type, either is taken.
It must not know: operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract import specs

Json = Any
_TYPES = {"string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "object": (dict,), "array": (list,)}


def problems(name: str, schema: Json, value: Json, where: str = "answer") -> Iterator[str]:
    """What is wrong with a value, place by place; `name` is the file that the schema's references start from."""
    schema = specs.resolved(name, schema)
    if value is None and schema.get("nullable"):
        return
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES and not _is(kind, value) and not _is(specs.contradiction(schema), value):
        yield f"{where}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"] and not isinstance(value, list):
        yield f"{where}: {value!r} is not one of {schema['enum']}"
    for part in schema.get("allOf", ()):
        yield from problems(name, part, value, where)
    for key in ("oneOf", "anyOf"):
        if key in schema and all(list(problems(name, part, value, where)) for part in schema[key]):
            yield f"{where}: {value!r} fits none of {key}"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        yield from (f"{where}: `{key}` is missing" for key in schema.get("required", ()) if key not in value)
        for key, inner in value.items():
            if key in properties:
                yield from problems(name, properties[key], inner, f"{where}.{key}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        placeholder = schema["items"] == {"type": "array"} or _contradicts_items(schema)
        for place, inner in enumerate(value if not placeholder else ()):
            yield from problems(name, schema["items"], inner, f"{where}[{place}]")


def strangers(name: str, schema: Json, value: Json, where: str = "answer") -> Iterator[str]:
    """What a value holds that its schema does not name; an object without any named property names everything."""
    schema = specs.resolved(name, schema)
    parts = [specs.resolved(name, part) for part in (schema, *schema.get("allOf", ()))]
    properties = {key: {} for part in parts for key in part.get("required", ())}
    properties |= {key: inner for part in parts for key, inner in part.get("properties", {}).items()}
    if isinstance(value, dict) and properties:
        for key, inner in value.items():
            if key not in properties:
                yield f"{where}.{key}"
            else:
                yield from strangers(name, properties[key], inner, f"{where}.{key}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict) and not _contradicts_items(schema):
        for place, inner in enumerate(value):
            yield from strangers(name, schema["items"], inner, f"{where}[{place}]")


def _is(kind: str | None, value: Json) -> bool:
    if kind == "any":
        return True
    wanted = _TYPES.get(kind or "", ())
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _contradicts_items(schema: Json) -> bool:
    example = schema.get("example")
    first = example[0] if isinstance(example, list) and example else None
    return specs.contradiction({**schema["items"], "example": first}) is not None
