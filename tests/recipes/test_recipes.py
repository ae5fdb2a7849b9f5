"""Every recipe works: its placeholders are explained, and with them filled in nothing is wrong."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from syncd import recipes
from syncd.config import check
from syncd.core.errors import UserError

NAMES = [recipe.name for recipe in recipes.list_recipes()]
ANSWERS = {
    "REPLACE_ME_LOCATION_ID": "ve9EPM428h8vShlRW1KT",
    "REPLACE_ME_LIST_ID": "00000000-0000-0000-0000-000000000000",
}


@pytest.fixture
def kinds():
    """The connectors' own kinds: a recipe is for them or for nobody."""
    return pytest.importorskip("syncd.connectors.registry", exc_type=ImportError).KINDS


def test_list() -> None:
    """Every recipe says what it is for."""
    assert "ghl-emailoctopus" in NAMES
    assert all(len(recipe.about) > 20 for recipe in recipes.list_recipes())


@pytest.mark.parametrize("name", NAMES)
def test_every_placeholder_is_explained(name: str) -> None:
    """What must be filled in is a text by itself, and a comment says with what."""
    text = recipes.read(name)
    held = set(re.findall(r"REPLACE_ME_\w+", repr(tomllib.loads(text))))

    assert held == set(recipes.questions(text))
    assert all(f'"{placeholder}"' in text for placeholder in held)


@pytest.mark.parametrize("name", NAMES)
def test_unmodified(name: str, kinds, tmp_path: Path) -> None:
    """As it comes, a recipe lacks its answers and its secrets, and nothing else; each problem says what to put there."""
    path = tmp_path / "syncd.toml"
    text = recipes.read(name)
    path.write_text(text)
    report = check(path, kinds, environ={"HOME": str(tmp_path)})
    left = [found for found in report.problems if "CREDENTIALS_DIRECTORY is not set" not in found.what]

    assert [f"still holds the placeholder {placeholder}" for placeholder in recipes.questions(text)] == [
        found.what for found in left
    ]
    assert [f"put there {about}" for about in recipes.questions(text).values()] == [found.mend for found in left]


@pytest.mark.parametrize("name", NAMES)
def test_filled_in(name: str, kinds, tmp_path: Path) -> None:
    """With its answers a recipe has no problems."""
    path = tmp_path / "syncd.toml"
    path.write_text(recipes.fill(recipes.read(name), ANSWERS))
    report = check(path, kinds, environ={"HOME": str(tmp_path)}, resolve_secrets=False)

    assert () == report.problems


def test_fill_keeps_what_it_cannot_answer() -> None:
    """A placeholder without an answer stays; comments keep theirs; an answer cannot break out of its quotes."""
    text = '# REPLACE_ME_A: what it is\na = "REPLACE_ME_A"\nb = "REPLACE_ME_B"\n'
    filled = recipes.fill(text, {"REPLACE_ME_A": 'x"\\\n'})

    assert filled.startswith("# REPLACE_ME_A: what it is\n")
    assert {"a": 'x"\\\n', "b": "REPLACE_ME_B"} == tomllib.loads(filled)


def test_unknown_recipe() -> None:
    """A misspelt name gives the one that was meant."""
    with pytest.raises(UserError, match="did you mean `ghl-emailoctopus`"):
        recipes.read("ghl-emailoctopuss")
