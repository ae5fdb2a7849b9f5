"""A vendor's operations as automations use them: items of every read, calls that travel together, and whom a call was about."""

from __future__ import annotations

import pytest

from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.operating import dealt_with, items_of, subjects, together

READS = [name for name in CATALOGUE if not CATALOGUE[name].operation.writes]


@pytest.mark.parametrize("name", READS)
def test_every_read_has_items(name):
    """Whatever can be read can be polled: what it lists is items, each under a key that stays its own while the item does."""
    row = CATALOGUE[name]
    record = {(row.id or "label"): "7", "name": "x"}
    if row.items:
        body = {"2027-01-01": {"slots": ["10:00", "11:00"]}, "2027-01-02": {"slots": ["10:00"]}, "traceId": "t"}
        expected = 3
    elif row.collection:
        body, expected = [record] if row.collection == "[]" else {row.collection: [record], "total": 1}, 1
    elif row.media:
        body, expected = b"RIFF", 1
    else:
        body, expected = {row.object: record} if row.object else record, 1
    first, again = dict(items_of(row, body)), dict(items_of(row, body))

    assert (expected, first) == (len(first), again)
    assert all(isinstance(key, str) for key in first)


def test_slots_are_items_of_their_days():
    """The same hour on another day is another slot."""
    found = dict(items_of(CATALOGUE["get-free-slots"], {"2027-01-01": {"slots": ["10:00"]}, "2027-01-02": {"slots": ["10:00"]}}))

    assert [{"under": "2027-01-01", "value": "10:00"}, {"under": "2027-01-02", "value": "10:00"}] == list(found.values())


@pytest.mark.parametrize(("name", "kind"), [("add-tags-to-contact", "add"), ("remove-tags-from-contact", "remove")])
def test_tags_of_many_travel_together(name, kind):
    """As one operation of the same catalogue, which takes what is put together."""
    bulk = CATALOGUE[name].bulk
    assert bulk is not None
    values = together(bulk, [{"contactId": "1", "tags": ["a"]}, {"contactId": "2", "tags": ["a"]}])
    named = {each.name for each in CATALOGUE[bulk.use].parameters}

    assert {"type": kind, "tags": ["a"], "contacts": ["1", "2"]} == values
    assert values.keys() <= named
    assert {bulk.collect} <= {each.name for each in CATALOGUE[name].parameters}


def test_each_has_an_outcome_of_its_own():
    """In the form of the vendor's example, and in the plain one."""
    bulk = CATALOGUE["add-tags-to-contact"].bulk
    told = [{"contactId": "1", "type": "success"}, {"contactId": "2", "type": "error", "message": "contact is deleted"}]

    assert {"1"} == dealt_with(bulk, {"succeded": True, "errorCount": 1, "responses": told})
    assert {"1", "2"} == dealt_with(bulk, {"responses": ["1", "2"]})
    assert set() == dealt_with(bulk, {"errorCount": 2}) == dealt_with(bulk, None)


@pytest.mark.parametrize(
    ("name", "values", "answer", "found"),
    [
        ("update-contact", {"contactId": "c", "firstName": "x", "assignedTo": "u"}, {"contact": {"id": "c"}}, {"c": False}),
        ("delete-contact", {"contactId": "c"}, {}, {"c": True}),
        ("create-contact", {"email": "x"}, {"contact": {"id": "new"}}, {"new": True}),
        ("create-contact-note", {"contactId": "c", "body": "x"}, {"note": {"id": "n"}}, {"c": False, "n": True, "c:n": True}),
        ("delete-contact-note", {"contactId": "c", "id": "n"}, {}, {"c": False, "n": True, "c:n": True}),
        ("bulk-update-contact-tags", {"type": "add", "contacts": ["a", "b"], "tags": ["t"]}, {}, {"add": False, "a": False, "b": False}),
        ("add-tags-to-contact", {"contactId": "c", "tags": ["t"]}, None, {"c": False}),
    ],
)
def test_whom_a_call_was_about(name, values, answer, found):
    """Whose ids it was given, and what it made or removed; below its parent as well, where records are addressed so."""
    assert found == subjects(CATALOGUE[name], values, answer, ":")
