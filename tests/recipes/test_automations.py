"""Every ready automation works: its placeholders are explained, and added to any recipe it has no problems."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from syncd import recipes
from syncd.config import check
from syncd.connectors.registry import KINDS
from syncd.core.errors import UserError
from tests.recipes.test_recipes import ANSWERS

NAMES = [each.name for each in recipes.list_automations()]
FILLED = {
    "REPLACE_ME_FIELD": "first_name",
    "REPLACE_ME_FLOW_URL": "https://flows.example.com/enrich",
}


def filled(name: str) -> str:
    """One with every place filled in."""
    text = recipes.read_automation(name)
    return recipes.fill(text, {place: FILLED.get(place, "some-words") for place in recipes.questions(text)})


def test_list() -> None:
    """Each says what it is for, and all are there that are promised."""
    assert {
        "campaign-enrolment", "close-finished-threads", "enrich-new-contact", "import-to-workflow", "invoice-on-won", "onboarding-email",
        "segment-by-location", "status-to-tag", "ticket-from-conversation", "ticket-in-pipeline", "transcript-to-notes",
    } == set(NAMES)  # fmt: skip
    assert all(len(each.about) > 40 for each in recipes.list_automations())


@pytest.mark.parametrize("name", NAMES)
def test_every_placeholder_is_explained(name: str) -> None:
    """A comment says with what each place is to be filled, and what cannot be done is said; one section is named as the file is."""
    text = recipes.read_automation(name)
    tree = tomllib.loads(text)

    assert set(re.findall(r"REPLACE_ME_[A-Z0-9_]+", repr(tree))) == set(recipes.questions(text))
    assert "# What cannot be done, and what stands in for it:" in text
    assert {"automations"} == tree.keys()
    assert name in tree["automations"]


def report_of(text: str, folder: Path) -> list[tuple[str, str]]:
    """The problems of a configuration."""
    path = folder / "syncd.toml"
    path.write_text(text)
    report = check(path, KINDS, environ={"HOME": str(folder)}, resolve_secrets=False)
    return [(str(each.where), each.what) for each in report.problems]


@pytest.mark.parametrize("name", NAMES)
def test_filled_in(name: str, tmp_path: Path) -> None:
    """Added to a recipe and filled in, each has no problems; as it comes it lacks its answers and nothing else."""
    base = recipes.fill(recipes.read("ghl-emailoctopus"), ANSWERS)

    assert [] == report_of(f"{base}\n{filled(name)}", tmp_path)
    raw = recipes.read_automation(name)
    asked = {what for _, what in report_of(f"{base}\n{raw}", tmp_path)}
    assert {f"still holds the placeholder {place}" for place in recipes.questions(raw)} == asked


@pytest.mark.parametrize("recipe", [each.name for each in recipes.list_recipes()])
def test_all_of_them_together(recipe: str, tmp_path: Path) -> None:
    """Every recipe takes all of them at once."""
    base = recipes.fill(recipes.read(recipe), ANSWERS)

    assert [] == report_of("\n".join([base, *map(filled, NAMES)]), tmp_path)


def test_unknown() -> None:
    """A misspelt name gives the one that was meant."""
    with pytest.raises(UserError, match="did you mean `invoice-on-won`"):
        recipes.read_automation("invoice-on-one")
