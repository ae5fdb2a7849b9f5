"""Every catalogued operation, through the real client, against the emulator: called as the vendor's specification has it, and answered so.

The emulator refuses a query or a body that is not the specification's, and sends no member that its shapes do not name; where the
vendor's own files are here, both are held against those as well.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from syncd.connectors.calling import call
from syncd.connectors.catalogue import Place, Row, prepare
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.http import Answer
from syncd.sandbox.calls import Call
from syncd.sandbox.gohighlevel.shapes import SURFACE, shaped
from tests.contract import schema, specs, table
from tests.contract.stage import NOT_TOGETHER, stage

# What answers are known to say and their schemas forgot.
_TOLERATED = re.compile(r"answer\.(traceId|meta)|answer\.contact\.timezone")
_ROWS = {raw["slug"]: raw for raw in table.read()["operations"]}
# Find contact is put together from others.
_ENTRIES = {name: SURFACE["search-contacts" if name == "find-contact" else name] for name in CATALOGUE}
every = pytest.mark.parametrize("name", list(CATALOGUE))


async def walk(name: str) -> tuple[Call, Answer, dict[str, Any]]:
    """Calls an operation with a value for every parameter: what arrived, what was answered, what was given."""
    row = CATALOGUE[name]
    async with stage() as on:
        values = on.values(row)
        answer = await call(on.session, prepare(CATALOGUE, row, values, on.known))
        [asked] = on.vendor.asked
    return asked, answer, values


@every
async def test_each_value_arrives_where_it_belongs(name: str) -> None:
    """Method, path, version, and every parameter there is; and the answer has its status and its shape."""
    asked, answer, values = await walk(name)
    entry, row = _ENTRIES[name], CATALOGUE[name]

    assert (entry.method, True) == (asked.method, _is_at(entry.path, asked.path))
    assert (entry.version or row.version) == asked.headers["Version"]
    assert [] == _lost(row, values, asked)
    assert entry.status == answer.status == row.success
    if entry.answer is not None and row.group != "Contacts":
        assert _without_trace(shaped(entry.answer, answer.body)) == _without_trace(answer.body)


@every
@specs.needed
async def test_called_and_answered_as_the_vendors_files_say(name: str) -> None:
    """Parameters, headers and bodies fit the specification, and so does the answer: nothing missing, nothing of another type, nothing more."""
    file, _, operation_id = _ROWS[name]["source"].partition(" ")
    method, path, described = specs.operation(file, operation_id)
    status, answered = specs.success_of(file, described)
    asked, answer, _ = await walk(name)

    assert (method, True, status) == (asked.method, _is_at(path, asked.path), answer.status)
    assert [] == _wrong(asked, described, file)
    if answered is not None:
        assert [] == list(schema.problems(file, answered, answer.body))
        assert [] == [each for each in schema.strangers(file, answered, answer.body) if not _TOLERATED.match(each)]


def _is_at(path: str, asked: str) -> bool:
    return bool(re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), asked))


def _lost(row: Row, values: dict[str, Any], asked: Call) -> list[str]:
    """Parameters that were given no value, or whose value did not arrive."""
    body = asked.json() if asked.raw else {}
    carried = body[0] if isinstance(body, list) else body
    lost = [each.name for each in row.parameters if each.name not in values and each.name not in NOT_TOGETHER.get(row.name, [])]
    for each in row.parameters:
        wanted = values.get(each.name)
        texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
        match each.place:
            case _ if wanted is None:
                arrived = True
            case Place.PATH:
                arrived = asked.params[each.name] == texts[0]
            case Place.QUERY:
                arrived = asked.query.getall(each.name) == texts  # type: ignore[attr-defined]
            case Place.BODY:
                arrived = carried.get(each.name) == wanted
        lost += [] if arrived else [each.name]
    return lost


def _wrong(asked: Call, described: Any, file: str) -> list[str]:
    """What of a call the specification does not allow."""
    found = []
    declared = {each["name"]: each for each in described.get("parameters", ())}
    for name, each in declared.items():
        given = {"header": asked.headers, "query": asked.query, "path": asked.params}[each["in"]]
        if name in given and "enum" in each.get("schema", {}) and given[name] not in map(str, each["schema"]["enum"]):
            found.append(f"{name} is {given[name]!r}")
        if each.get("required") and name not in given:
            found.append(f"{name} is missing")
    found += [f"{name} is unknown" for name in asked.query if name not in declared]
    body = specs.body_of(file, described)
    if body is None:
        return [*found, "a body that nobody asked for"] if asked.raw else found
    return [*found, *schema.problems(file, body, asked.json(), "body"), *schema.strangers(file, body, asked.json(), "body")]


def _without_trace(body: Any) -> Any:
    return {name: value for name, value in body.items() if name != "traceId"} if isinstance(body, dict) else body
