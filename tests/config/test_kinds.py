"""The connectors' own registry is what a configuration needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from syncd.config import KindFacts, check
from syncd.config.kinds import CollectionFacts, PathFacts
from syncd.core.fields import FieldType


@pytest.fixture
def registry() -> Mapping[str, KindFacts]:
    return pytest.importorskip("syncd.connectors.registry", exc_type=ImportError).KINDS


CONFIG = """\
[systems.ghl]
kind = "gohighlevel"
location_id = "ve9EPM428h8vShlRW1KT"
token = { credential = "ghl-token" }

[systems.octopus]
kind = "emailoctopus"
api_key = { credential = "octopus-key" }

[syncs.contacts]
match = ["email"]
source_of_truth = "ghl"

[syncs.contacts.members]
ghl = { collection = "contacts" }
octopus = { collection = "contacts", list = "00000000-0000-0000-0000-000000000000", archive = { status = "unsubscribed" } }

[syncs.contacts.fields]
email = { type = "email", ghl = "email", octopus = "email_address" }
"""


def test_smallest_configuration(registry: Mapping[str, KindFacts], tmp_path: Path) -> None:
    """The smallest sync of two real kinds has no problems, and its list is part of its collection."""
    path = tmp_path / "syncd.toml"
    path.write_text(CONFIG)
    report = check(path, registry, environ={"HOME": str(tmp_path)}, resolve_secrets=False)

    assert () == report.problems
    assert "contacts@00000000-0000-0000-0000-000000000000" == report.settings.syncs["contacts"].members["octopus"].collection
    assert {"email"} == report.settings.syncs["contacts"].members["octopus"].required


def test_misspelt_settings(registry: Mapping[str, KindFacts], tmp_path: Path) -> None:
    """The connectors' own models refuse what they do not know, and the suggestion comes from them."""
    path = tmp_path / "syncd.toml"
    path.write_text(
        CONFIG.replace("location_id", "locationid").replace("list =", "lst =").replace('"email_address"', '"email_addres"')
    )
    report = check(path, registry, environ={"HOME": str(tmp_path)}, resolve_secrets=False)

    assert [(3, "location_id"), (16, "list"), (19, "email_address")] == [
        (found.line, found.suggestion) for found in report.problems
    ]


def test_every_kind_is_sound(registry: Mapping[str, KindFacts]) -> None:
    """Secrets are settings, what is required can be given, and every field is known by its own path."""
    for kind in registry.values():
        assert kind.secret_fields <= set(kind.settings.model_fields)
        for collection in kind.collections:
            facts = CollectionFacts(kind=kind, collection=collection)

            assert all(path == spec.path for path, spec in kind.fields(collection).items())
            assert all(
                found is not None and found.creatable
                for path in facts.abilities.required_on_create
                if (found := facts.path(path))
            )


def test_path_facts(kinds) -> None:
    """A known path has its kind's facts, a custom one is open, and a collection that takes no edits has no writable path."""
    crm = CollectionFacts(kind=kinds["crm"], collection="contacts")

    assert PathFacts(type=FieldType.TEXT, writable=False) == crm.path("source")
    assert PathFacts() == crm.path("custom.plan")
    assert None is crm.path("custom.")
    assert None is crm.path("nothing")
