"""The vendor's own OpenAPI files, where they are on this machine.

They are not packaged: GoHighLevel publishes them in the `apps` folder of its highlevel-api-docs repository. They are looked for where
``SYNCD_GHL_SPECS`` says, else in ``specs/gohighlevel`` of any folder beside this checkout.
It must not know: which operations anybody wants.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
_JSON_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
METHODS = ("get", "post", "put", "patch", "delete")
Json = Any


def folder() -> Path | None:
    """Where the files are, if they are."""
    if named := os.environ.get("SYNCD_GHL_SPECS"):
        if not (Path(named) / "contacts.json").is_file():
            raise FileNotFoundError(f"SYNCD_GHL_SPECS: there is no contacts.json in {named}")
        return Path(named)
    found = sorted(path for path in ROOT.parent.glob("*/specs/gohighlevel") if (path / "contacts.json").is_file())
    return found[0] if found else None


needed = pytest.mark.skipif(
    folder() is None, reason="the vendor's OpenAPI files are not here: set SYNCD_GHL_SPECS to the folder that holds contacts.json"
)


@cache
def read(name: str) -> Json:
    """One file, by its name without the ending."""
    where = folder()
    assert where is not None, "there are no specifications"
    return json.loads((where / f"{name}.json").read_text("utf-8"))


def operation(name: str, operation_id: str) -> tuple[str, str, Json]:
    """Method, path and description of an operation; an id is unique within its file only."""
    found = [
        (method.upper(), path, described)
        for path, methods in read(name)["paths"].items()
        for method, described in methods.items()
        if method in METHODS and described["operationId"] == operation_id
    ]
    [only] = found
    return only


def resolved(name: str, schema: Json) -> Json:
    """The schema with its outermost reference followed; a lone `allOf` is what it holds."""
    while True:
        if "$ref" in schema:
            schema = _target(name, schema["$ref"])
        elif len(schema.get("allOf", ())) == 1:
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            schema = {**resolved(name, schema["allOf"][0]), **rest}
        else:
            return schema


def _target(name: str, reference: str) -> Json:
    file, _, path = reference.partition("#/")
    target = read(name if not file else f"../common/{Path(file).stem}")
    for step in path.split("/"):
        target = target[step]
    return target


def body_of(name: str, described: Json) -> Json | None:
    """The schema of a JSON request body."""
    content = described.get("requestBody", {}).get("content", {})
    return resolved(name, content["application/json"]["schema"]) if "application/json" in content else None


def success_of(name: str, described: Json) -> tuple[int, Json | None]:
    """The status of a success and the schema of its body, if it has one."""
    status = min(int(code) for code in described["responses"] if code.startswith("2"))
    content = described["responses"][str(status)].get("content", {}).get("application/json", {})
    return status, resolved(name, content["schema"]) if "schema" in content else None


def contradiction(schema: Json) -> str | None:
    """The type of an example that is not of the schema's own type."""
    if "example" not in schema or not isinstance(schema.get("type"), str) or schema["example"] is None:
        return None
    found = _JSON_TYPES[type(schema["example"])]
    declared = {"integer": "number"}.get(schema["type"], schema["type"])
    if found == declared or declared == "any":
        return None
    if "properties" in schema:
        return "any"
    # A number or a truth written in quotes is a slip of the pen; a time called an object is not.
    return found if declared == "object" or found == "object" else None
