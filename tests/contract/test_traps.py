"""What is odd about GoHighLevel's operations: each oddity is handled in the call, and said where one reads of the operation.

The walk in `test_walk` calls every operation; here are those that are not like others, by name, so that none is lost.
"""

from __future__ import annotations

import pytest

from syncd.connectors.calling import call
from syncd.connectors.catalogue import Place, prepare
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.operations import CATALOGUE
from tests.contract.stage import stage

BODIES = {"remove-tags-from-contact", "remove-contact-followers", "remove-followers", "remove-from-workflow", "delete-event"}
DEPRECATED = {"list-contacts-deprecated", "list-users-by-location"}
MISSPELT = ("succeded", "buiseness")


def test_the_deletions_with_bodies_are_these() -> None:
    """Five, and each is said to be one."""
    found = {name for name, row in CATALOGUE.items() if row.operation.method == "DELETE" and row.body}

    assert found == BODIES
    assert [] == [name for name in found if not any("DELETE with a JSON body" in note for note in CATALOGUE[name].notes)]


@pytest.mark.parametrize("name", sorted(BODIES))
async def test_a_deletion_carries_its_body(name: str) -> None:
    """As JSON, with every value that goes in it; one that has none is an empty object."""
    row = CATALOGUE[name]
    async with stage() as on:
        values = on.values(row)
        await call(on.session, prepare(CATALOGUE, row, values, on.known))
        [asked] = on.vendor.asked

    assert ("DELETE", "application/json") == (asked.method, asked.headers["Content-Type"].partition(";")[0])
    assert asked.json() == {each.name: values[each.name] for each in row.parameters if each.place is Place.BODY}


def test_the_deprecated_say_what_to_use() -> None:
    """No collection is listed or kept by one, but for the one that lists all staff at once."""
    assert {name for name, row in CATALOGUE.items() if row.deprecated} == DEPRECATED
    assert [] == [name for name in DEPRECATED if not any("Deprecated, and gone in v3: use " in note for note in CATALOGUE[name].notes)]
    for kind in COLLECTIONS.values():
        assert not {kind.list, kind.get, kind.create, kind.update, kind.delete, kind.children, kind.of_contact} & DEPRECATED


def test_misspelt_names_are_said_and_read_as_they_are_spelt() -> None:
    """Whoever looks for `succeeded` or `business` in an answer is told why it is not there."""
    for word in MISSPELT:
        rows = {name: row for name, row in CATALOGUE.items() if word in row.answers}

        assert rows
        assert [] == [name for name, row in rows.items() if not any(f"`{word}`" in note for note in row.notes)]
    assert {"create-business", "update-business"} == {name for name, row in CATALOGUE.items() if row.object == "buiseness"}


async def test_find_contact_is_put_together_of_three() -> None:
    """By id it is read, by address or number it is looked up, else it is searched for; each time one call, and the same contact."""
    row, found = CATALOGUE["find-contact"], {}
    async with stage() as on:
        contact = on.ids["contactId"]
        for given in ({"contactId": contact}, {"email": "ada@example.com"}, {"number": "+12025550123"}, {"query": "ada", "pageLimit": 20}):
            before = len(on.vendor.asked)
            answer = await call(on.session, prepare(CATALOGUE, row, given, on.known))
            (asked,) = on.vendor.asked[before:]
            body = answer.body
            found[next(iter(given))] = (asked.method, asked.path, (body.get("contact") or body["contacts"][0])["id"])

    assert found == {
        "contactId": ("GET", f"/contacts/{contact}", contact),
        "email": ("GET", "/contacts/search/duplicate", contact),
        "number": ("GET", "/contacts/search/duplicate", contact),
        "query": ("POST", "/contacts/search", contact),
    }
