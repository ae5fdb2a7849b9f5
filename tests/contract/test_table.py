"""The packaged tables: complete, sound, and still what the vendor's specification says."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path

import pytest

from syncd.connectors.catalogue import Place
from syncd.connectors.gohighlevel.operations import CATALOGUE
from tests.contract import specs, surface, table

ROWS = table.read()["operations"]
TWICE_IS_ONCE = {"add-tags-to-contact"}
"""Writes by POST that leave the same behind however often they are made: tags are a set."""


def test_the_catalogue_is_complete() -> None:
    """A hundred and twenty-four operations that the product names, in eight groups, and those its guides name beside them."""
    listed = Counter(raw["group"] for raw in ROWS if "listed" in raw)
    more = {raw["slug"] for raw in ROWS if "listed" not in raw}

    assert {
        "Contacts": 28,
        "Calendars & Appointments": 34,
        "Opportunities": 10,
        "Users": 7,
        "Conversations & Messages": 10,
        "Businesses": 5,
        "Workflows & Campaigns": 8,
        "Other Operations": 22,
    } == dict(listed)
    assert {"trigger": 55, "action": 69} == dict(Counter(raw["listed"] for raw in ROWS if "listed" in raw))
    assert more >= {
        "send-message", "add-inbound-message", "cancel-scheduled-message", "cancel-scheduled-email", "create-conversation",
        "update-conversation", "delete-conversation", "import-courses", "create-invoice", "get-invoice", "list-invoices", "update-invoice",
        "delete-invoice", "void-invoice", "send-invoice", "record-invoice-payment", "create-snapshot-share-link",
    }  # fmt: skip
    assert {"upsert-contact", "upsert-opportunity", "update-message-status", "get-message-recording"} <= set(CATALOGUE)
    assert len(ROWS) == len({raw["slug"] for raw in ROWS}) == len(CATALOGUE)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_row_is_sound(name: str) -> None:
    """Its path's names are its parameters, reads leave nothing in doubt, creates always do, and it says which version it speaks."""
    row = CATALOGUE[name]
    in_path = {part[1:-1] for part in row.operation.path.split("/") if part.startswith("{")}

    assert in_path == {each.name for each in row.parameters if each.place is Place.PATH}
    assert all(each.required for each in row.parameters if each.place is Place.PATH)
    assert row.version in ("2021-07-28", "2021-04-15")
    assert {"Version": row.version} == row.operation.headers
    assert row.replay_safe == (not row.operation.writes or row.operation.method in ("PUT", "DELETE") or name in TWICE_IS_ONCE)
    assert not (row.operation.writes and row.operation.method == "GET")
    assert row.body or not [each for each in row.parameters if each.place is Place.BODY]
    assert len(row.parameters) == len({each.name for each in row.parameters})
    if row.paging is not None:
        assert row.collection
        assert row.paging.sources.keys() <= {each.name for each in row.parameters}
    for given, use in row.use_instead:
        assert given in {each.name for each in CATALOGUE[use].parameters}


@specs.needed
def test_the_tables_are_what_the_specification_says() -> None:
    """Made anew, neither the client's table nor the emulator's changes."""
    packaged, fresh = json.loads(surface.PATH.read_text("utf-8")), surface.surface()

    assert [] == [raw["slug"] for raw in ROWS if raw != table.whole(raw)]
    assert [] == [name for name in fresh.keys() | packaged.keys() if fresh.get(name) != packaged.get(name)]


@specs.needed
def test_a_changed_specification_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter that becomes required, a scope that goes and a path that moves all show."""
    contacts = copy.deepcopy(specs.read("contacts"))
    note = contacts["paths"].pop("/contacts/{contactId}/notes")
    note["post"]["security"] = []
    contacts["paths"]["/contacts/{contactId}/remarks"] = note
    contacts["components"]["schemas"]["NotesDTO"]["required"] = ["body", "userId"]
    (tmp_path / "contacts.json").write_text(json.dumps(contacts), "utf-8")
    monkeypatch.setenv("SYNCD_GHL_SPECS", str(tmp_path))
    specs.read.cache_clear()
    try:
        [row] = [raw for raw in ROWS if raw["slug"] == "create-contact-note"]
        fresh = table.whole(row)
        changed = {key for key in row.keys() | fresh.keys() if row.get(key) != fresh.get(key)}

        assert {"call", "parameters", "token", "scopes"} <= changed
    finally:
        specs.read.cache_clear()
