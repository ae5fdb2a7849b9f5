"""Whatever is written, checking it gives findings and never a traceback."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.config import KindFacts, check

ODD = [
    "",
    "x",
    "crm",
    "email",
    "a -> b",
    "->",
    0,
    -1,
    2.5,
    True,
    [],
    {},
    ["email"],
    [[]],
    [{}],
    {"path": []},
    {"x": {"y": 1}},
    {"": ""},
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere(
    data: st.DataObject, good: str, kinds: Mapping[str, KindFacts], environ: dict[str, str], tmp_path: Path
) -> None:
    """Any value of the good configuration replaced by any other, or taken away, is reported or accepted; nothing is raised."""
    tree = tomllib.loads(good)
    for _ in range(data.draw(st.integers(1, 3))):
        ways = list(_ways(tree))
        table, key = data.draw(st.sampled_from(ways)) if ways else (tree, "x")
        value = data.draw(st.sampled_from([None, *ODD]))
        if value is None:
            table.pop(key, None)
        else:
            table[key] = json.loads(json.dumps(value))
    path = tmp_path / "syncd.toml"
    path.write_text("\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in tree.items()))
    report = check(path, kinds, environ=environ)

    assert (report.settings is None) == bool(report.problems)
    for rules in report.settings.syncs.values() if report.settings is not None else ():
        assert {member.system for member in rules.members.values()} <= report.settings.systems.keys()


def _ways(tree: dict[str, object]) -> Iterator[tuple[dict[str, object], str]]:
    for key, value in tree.items():
        yield tree, key
        if isinstance(value, dict):
            yield from _ways(value)


def _toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return json.dumps(value)
