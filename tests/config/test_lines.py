"""The locator names the keys that tomllib finds, each with its line."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.config.lines import Where, line_of, locate, spell

DOCUMENT = '''\
# a comment with [a.table] and key = "value"
top = 1
"quoted key" = "a # no comment" # one
dotted.key."with dot.s" = [1, [2, 3], "]"]

[ table . inner ]
text = """
not = "a key"
""\\"" more
[not.a.table]
"""
literal = \'\'\'
it's = [ not a list
\'\'\'
after = 1979-05-27 07:32:00
list = [
  "one", # a comment, with a comma
  { two = 2, deep.three = [
    3,
  ] },
]

[[people]]
name = "Ada"

  [people.address]
  town = "Ely"

[[people]]
[[people.pets]]
name = """"Rex\\""""

[table]
late = {}
'''

LINES = {
    ("top",): 2,
    ("quoted key",): 3,
    ("dotted", "key", "with dot.s"): 4,
    ("dotted", "key", "with dot.s", 1, 1): 4,
    ("table", "inner"): 6,
    ("table", "inner", "text"): 7,
    ("table", "inner", "literal"): 12,
    ("table", "inner", "after"): 15,
    ("table", "inner", "list"): 16,
    ("table", "inner", "list", 0): 17,
    ("table", "inner", "list", 1, "two"): 18,
    ("table", "inner", "list", 1, "deep", "three", 0): 19,
    ("people",): 23,
    ("people", 0, "name"): 24,
    ("people", 0, "address", "town"): 27,
    ("people", 1): 29,
    ("people", 1, "pets", 0): 30,
    ("people", 1, "pets", 0, "name"): 31,
    ("table",): 33,
    ("table", "late"): 34,
}


@pytest.mark.parametrize(("where", "line"), LINES.items(), ids=lambda each: spell(each) if isinstance(each, tuple) else "")
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
def test_line_of_a_key(where: Where, line: int, ending: str) -> None:
    """Every way of writing a key is found on the line it starts on."""
    lines = locate(DOCUMENT.replace("\n", ending))

    assert line == lines[where]


def test_same_keys_as_tomllib() -> None:
    """The document's keys and list places are those tomllib finds."""
    assert _ways(tomllib.loads(DOCUMENT)) == set(locate(DOCUMENT))


def test_line_of_what_is_not_there() -> None:
    """A missing key is reported where its table stands, a missing table at the top."""
    lines = locate(DOCUMENT)

    assert 26 == line_of(lines, ("people", 0, "address", "street", 4))
    assert 1 == line_of(lines, ("nowhere", "at all"))


def test_spell() -> None:
    """A way is written as it could be in the file."""
    assert 'syncs."a b".match[0].x' == spell(("syncs", "a b", "match", 0, "x"))


_KEYS = st.one_of(
    st.text("abc-_1", min_size=1, max_size=3),
    st.text("a .#\"'=[]{},\té☃", max_size=3).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'
    ),
    st.text('a .#"=[]{},é', max_size=3).map(lambda text: f"'{text}'"),
)
_DOTTED = st.lists(_KEYS, min_size=1, max_size=3).map(" . ".join)
_ANY = "ab \"'#=[]{},.\n\\é"
_SCALARS = st.one_of(
    st.sampled_from(["1", "-0.5e3", "true", "inf", "1979-05-27 07:32:00", "07:32:00", "''", '""', '""""""', "''''''"]),
    st.text(_ANY, max_size=8).map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'),
    st.text(_ANY, max_size=8).map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"""', '""\\"') + '"""'),
    st.text(_ANY, max_size=8).map(lambda text: f"'''{text}'''"),
    st.text(_ANY, max_size=8).map(lambda text: f"'{text}'"),
)
_BLANKS = st.sampled_from(["", " ", "\n", " # ]},\n", "\n\n\t"])


def _lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(_BLANKS, values, _BLANKS).map("".join), max_size=3)
    return st.tuples(items, st.sampled_from(["", ","]), _BLANKS).map(
        lambda parts: "[" + ",".join(parts[0]) + (parts[1] if parts[0] else "") + parts[2] + "]"
    )


def _inline(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(_DOTTED, values).map(" = ".join), max_size=3)
    return pairs.map(lambda each: "{ " + ", ".join(each) + " }")


_VALUES = st.recursive(_SCALARS, lambda values: _lists(values) | _inline(values), max_leaves=4)
_STATEMENTS = st.one_of(
    st.tuples(_DOTTED, _VALUES).map(" = ".join),
    _DOTTED.map(lambda key: f"[{key}]"),
    _DOTTED.map(lambda key: f"[[ {key} ]]"),
    st.sampled_from(["", "# x = 1", "   # [y]"]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_STATEMENTS, max_size=9))
def test_agrees_with_tomllib(statements: list[str]) -> None:
    """On any valid TOML the locator does not crash, and finds the same keys as tomllib, on lines that exist."""
    text = ""
    for statement in statements:
        longer = text + statement + "\n"
        try:
            tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue
        text = longer
    lines = locate(text)

    assert _ways(tomllib.loads(text)) == set(lines)
    assert all(1 <= line <= text.count("\n") for line in lines.values())


def _ways(value: object, where: Where = ()) -> set[Where]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {where} if where else set()
    return found.union(*(_ways(each, (*where, key)) for key, each in inner))
