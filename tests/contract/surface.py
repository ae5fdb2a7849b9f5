"""The emulator's table of GoHighLevel's surface, made from the vendor's OpenAPI files alone.

For every operation: how it is called, and the shapes of its request and answer. A shape is ``"string"``, ``"number"``, ``"boolean"``,
``"object"`` or ``"any"``; ``{"one of": [...]}``; ``[shape]`` for an array; or an object of shapes, whose required names end in ``!``.
``python -m tests.contract.surface`` rewrites it in place.
It must not know: the client's own table beyond the names of the operations.
"""

from __future__ import annotations

import json
from typing import Any

from tests.contract import specs, table

PATH = specs.ROOT / "syncd" / "sandbox" / "gohighlevel" / "surface.json"
Json = Any


def surface() -> Json:
    """Every operation of the client's table, as the specification has it."""
    rows = table.read()["operations"]
    return {row["slug"]: _entry(*row["source"].split(" ")) for row in rows if "any_of" not in row}


def _entry(name: str, operation_id: str) -> Json:
    method, path, described = specs.operation(name, operation_id)
    status, answer = specs.success_of(name, described)
    body = specs.body_of(name, described)
    query = [each for each in described.get("parameters", ()) if each["in"] == "query"]
    entry: Json = {"call": f"{method} {path}", "status": status}
    versions = [each["schema"]["enum"][0] for each in described.get("parameters", ()) if each["name"] == "Version"]
    if versions:
        entry["version"] = versions[0]
    if query:
        entry["query"] = {_marked(each["name"], bool(each.get("required"))): _shape(name, each.get("schema", {}), ()) for each in query}
    if body is not None:
        entry["body"] = _shape(name, body, ())
    if answer is not None:
        entry["answer"] = _shape(name, answer, ())
    return entry


def _shape(name: str, schema: Json, above: tuple[str, ...]) -> Json:
    """What a value looks like; where a schema's own example contradicts its type, the example is believed."""
    if "$ref" in schema:
        if schema["$ref"] in above:
            return "object"
        above = (*above, schema["$ref"])
    schema = specs.resolved(name, schema)
    if said := specs.contradiction(schema):
        return said if said != "array" else ["any"]
    if schema.get("enum"):
        return {"one of": schema["enum"]}
    if schema.get("type") == "array":
        items = schema.get("items", {})
        # An array of arrays of nothing in particular is how this vendor writes an array it has not described.
        if items == {"type": "array"} or specs.contradiction({**items, "example": _first(schema.get("example"))}):
            return ["any"]
        return [_shape(name, items, above)]
    properties = table._properties(name, schema)
    if properties:
        required = set(table._required(name, schema))
        properties = {**properties, **{key: {} for key in sorted(required - properties.keys())}}
        return {_marked(key, key in required): _shape(name, each, above) for key, each in properties.items()}
    kind = schema.get("type", "any")
    return {"integer": "number"}.get(kind, kind) if isinstance(kind, str) else "any"


def _first(example: Json) -> Json:
    return example[0] if isinstance(example, list) and example else None


def _marked(name: str, required: bool) -> str:
    return f"{name}!" if required else name


def text_of(entries: Json) -> str:
    """The table as text, a line an operation."""
    lines = [f" {json.dumps(slug)}: {json.dumps(entry, ensure_ascii=False, separators=(',', ':'))}" for slug, entry in entries.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text_of(surface()), "utf-8")
