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


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_cannot_be_done(name: str) -> None:
    """At its head, each with what stands in for it."""
    head = recipes.read(name).partition("\n\n")[0]

    assert "What cannot be done, and what stands in for it:" in head
    assert len(re.findall(r"^# \* ", head, re.MULTILINE)) >= 3


MATTERS = {"location_id", "token", "api_key", "hooks", "secret", "region", "match", "conflict", "delete", "first_run", "when", "archive", "list", "keys", "listen"}


@pytest.mark.parametrize("name", NAMES)
def test_every_line_that_matters_has_a_comment(name: str) -> None:
    """Where it comes first: right above it, or at the table that it stands in."""
    above, bare, seen = False, [], set()
    for line in recipes.read(name).splitlines():
        key = line.partition("=")[0].strip() if "=" in line and not line.startswith("#") else ""
        if key in MATTERS and key not in seen and not above:
            bare.append(line)
        seen |= {key}
        above = line.startswith("#") or (above and line.startswith("["))

    assert [] == bare
    assert {"match", "delete", "first_run", "token"} <= seen


PROMISED = {
    "ghl-emailoctopus": {"contacts": {"email", "first_name", "last_name", "phone", "tags", "plan", "open_tasks", "last_note", "next_appointment"}},
    "activetrail-ghl-users": {
        "contacts": {"email", "first_name", "last_name", "phone", "tags", "status", "lists", "mute", "open_tasks", "last_note", "next_appointment"},
        "staff": {"email", "first_name", "last_name", "phone", "role"},
    },
    "17hats-ghl-users": {
        "contacts": {"email", "first_name", "last_name", "phone", "tags", "lead_status", "deal_status", "pipeline_stage"},
        "staff": {"email", "first_name", "last_name", "phone", "role"},
    },
    "17hats-ghl-conversations": {
        "contacts": {"email", "first_name", "last_name", "phone"},
        "conversations": {"contact", "channel", "assigned_to", "unread", "starred", "last_message", "last_direction", "last_message_at"},
    },
    "17hats-ghl-snapshots": {
        "contacts": {"email", "first_name", "last_name", "phone", "tags"},
        "locations": {"name", "email", "phone", "address", "city", "state", "zip", "country", "website", "timezone"},
        "invoices": {"number", "contact", "name", "due_date", "issue_date", "currency", "status", "total", "amount_paid", "amount_due"},
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_what_its_guide_names(name: str) -> None:
    """Each sync with each field that the guide speaks of."""
    syncs = tomllib.loads(recipes.read(name))["syncs"]

    assert {sync: names - syncs[sync]["fields"].keys() for sync, names in PROMISED[name].items()} == {sync: set() for sync in PROMISED[name]}
    assert syncs.keys() == PROMISED[name].keys()


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
