"""The packaged table of GoHighLevel's operations, made anew from the vendor's OpenAPI files.

A row has two kinds of columns. What a person judged stays as it is (`JUDGED`, and parameters marked `beyond`, which the specification does
not declare); all else is derived here from the specification. ``python -m tests.contract.table`` rewrites the table in place.
It must not know: what the client does with a row.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.contract import specs

PATH = specs.ROOT / "syncd" / "connectors" / "gohighlevel" / "operations.json"
JUDGED = (
    "slug", "name", "group", "listed", "source", "writes", "replay", "collection", "object", "id", "created", "updated", "paging", "any_of", "waived", "unsaid", "bulk", "items", "notes",
)
DERIVED = ("about", "call", "version", "token", "scopes", "deprecated", "success", "answers", "media", "body", "parameters")
ABOUT_MAX = 160
_TAG = re.compile(r"<[^>]*>|[*`_]{2,}")
Json = Any


def read() -> Json:
    """The packaged table."""
    return json.loads(PATH.read_text("utf-8"))


def derived(row: Json) -> Json:
    """The columns that the specification decides; where it is silent, and the row says so under `unsaid`, the row's own word stays."""
    name, _, operation_id = row["source"].partition(" ")
    method, path, described = specs.operation(name, operation_id)
    status, answer = specs.success_of(name, described)
    headers = {each["name"]: each for each in described.get("parameters", ()) if each["in"] == "header"}
    version = headers["Version"]["schema"]["enum"][0] if "Version" in headers else None
    unsaid = {key: row[key] for key in row.get("unsaid", ())}
    body = specs.body_of(name, described)
    declared = [*_addressed(described), *_carried(name, body)]
    beyond = [each for each in row.get("parameters", ()) if each.get("beyond")]
    return {
        "about": about(described.get("description") or described.get("summary", "")),
        "call": f"{method} {path}",
        "version": version or unsaid.get("version"),
        "token": _token(described) or "not stated",
        "scopes": _scopes(described) or unsaid.get("scopes", []),
        "deprecated": bool(described.get("deprecated")),
        "success": status,
        "answers": sorted(_properties(name, answer)) if answer else [],
        "media": None if answer else _media(row, described["responses"][str(status)]),
        "body": None if body is None else "array" if body.get("type") == "array" else "object",
        "parameters": [*declared, *(each for each in beyond if each["name"] not in {one["name"] for one in declared})],
    }


def whole(row: Json) -> Json:
    """A row with its derived columns made anew, in the table's order; empty columns are left out."""
    made = {**{key: row[key] for key in JUDGED if key in row}, **derived(row)}
    order = [*JUDGED[:5], *DERIVED[:-1], *JUDGED[5:], "parameters"]
    return {key: made[key] for key in order if made.get(key) not in (None, [], {}, "", False) or key in ("writes", "parameters")}


def about(text: str) -> str:
    """The first sentence or two of a description, without markup."""
    plain = " ".join(_TAG.sub(" ", text).split())
    if len(plain) <= ABOUT_MAX:
        return plain
    cut = plain[:ABOUT_MAX].rpartition(". ")[0]
    return f"{cut}." if cut else plain[: ABOUT_MAX - 1].rpartition(" ")[0] + "…"


def kind_of(name: str, schema: Json) -> str:
    """The type of a value in one word: string, number, boolean, object, array<…>, or any."""
    schema = specs.resolved(name, schema)
    if said := specs.contradiction(schema):
        return "array<any>" if said == "array" else said
    if schema.get("type") == "array":
        return f"array<{kind_of(name, schema.get('items', {}))}>"
    if schema.get("type") in ("string", "number", "integer", "boolean", "object"):
        return str(schema["type"])
    return "object" if "properties" in schema else "any"


def text_of(table: Json) -> str:
    """The table as text: a row is a paragraph, a parameter a line."""
    rows = []
    for row in table["operations"]:
        lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in row.items() if key != "parameters"]
        parameters = ",\n".join(f"    {json.dumps(each, ensure_ascii=False)}" for each in row["parameters"])
        lines.append(f'  "parameters": [\n{parameters}\n  ]' if parameters else '  "parameters": []')
        rows.append("{\n" + ",\n".join(lines) + "\n}")
    head = json.dumps(table["about"], ensure_ascii=False)
    return f'{{"about": {head},\n"operations": [\n' + ",\n".join(rows) + "\n]}\n"


def _addressed(described: Json) -> list[Json]:
    """Path and query parameters, required ones first."""
    found = [each for each in described.get("parameters", ()) if each["in"] in ("path", "query")]
    rows = [_parameter(each["name"], each["in"], each.get("schema", {}), each, required=each["in"] == "path" or bool(each.get("required"))) for each in found]
    return sorted(rows, key=lambda row: (row["in"] != "path", "required" not in row))


def _carried(name: str, body: Json | None) -> list[Json]:
    """The body's properties, required ones first; of an array, those of its items."""
    if body is None:
        return []
    item = specs.resolved(name, body["items"]) if body.get("type") == "array" else body
    required = set(_required(name, item))
    rows = [
        _parameter(key, "body", {**specs.resolved(name, schema), "type": kind_of(name, schema)}, {**specs.resolved(name, schema), **schema}, required=key in required)
        for key, schema in _properties(name, item).items()
    ]
    return sorted(rows, key=lambda row: "required" not in row)


def _parameter(name: str, where: str, schema: Json, described: Json, *, required: bool) -> Json:
    kind = schema.get("type", "any")
    if kind == "array":
        kind = f"array<{schema.get('items', {}).get('type', 'any')}>"
    row: Json = {"name": name, "in": where, "type": kind}
    if required:
        row["required"] = True
    if options := schema.get("enum"):
        row["options"] = options
    if described.get("deprecated") or schema.get("deprecated"):
        row["deprecated"] = True
    if said := about(described.get("description", "")):
        row["about"] = said
    return row


def _properties(name: str, schema: Json | None) -> Json:
    found: Json = {}
    for part in (schema or {}).get("allOf", ()):
        found |= _properties(name, specs.resolved(name, part))
    return {**found, **(schema or {}).get("properties", {})}


def _required(name: str, schema: Json) -> list[str]:
    inherited = [key for part in schema.get("allOf", ()) for key in _required(name, specs.resolved(name, part))]
    return [*inherited, *schema.get("required", ())]


def _media(row: Json, response: Json) -> str | None:
    """What the answer is where it is no JSON; an answer that a person knows the keys of is JSON all the same."""
    if "Content-Type" in response.get("headers", {}):
        return str(response["headers"]["Content-Type"]["description"])
    return None if row.get("collection") or row.get("object") else "not stated"


def _scopes(described: Json) -> list[str]:
    return list(dict.fromkeys(scope for way in described.get("security", ()) for scopes in way.values() for scope in scopes))


def _token(described: Json) -> str:
    """Which class of token opens it: the specification's `bearer` and `Location-Access` are a location's, `Agency-Access` an agency's."""
    ways = {way for each in described.get("security", ()) for way in each}
    levels = ["location"] * bool(ways & {"bearer", "Location-Access", "Location-Access-Only"}) + ["agency"] * bool(ways & {"Agency-Access", "Agency-Access-Only"})
    return " or ".join(levels)


def main() -> None:
    """Rewrites the packaged table."""
    table = read()
    table["operations"] = [whole(row) for row in table["operations"]]
    PATH.write_text(text_of(table), "utf-8")


if __name__ == "__main__":
    main()
