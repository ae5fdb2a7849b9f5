"""GoHighLevel's search: required fields, filters, order, both ways to page, and the lag of the index.

Rule: what search shows is compared with the truth, never with another search.

It must not know how the index is kept.
"""

from __future__ import annotations

import asyncio

import pytest


async def test_location_and_limit_are_required(world):
    """Without locationId and pageLimit, or beyond 500 rows, the search is a 422."""
    empty = await world.ghl("POST", "/contacts/search", {})
    large = await world.search(pageLimit=501)
    deep = await world.search(pageLimit=500, page=21)

    assert (empty.status, len(empty.body["message"])) == (422, 2)
    assert large.status == 422
    assert deep.status == 422


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("field", ["dateUpdated", "dateAdded", "email"])
async def test_both_ways_to_page_show_everybody_once(world, field, direction):
    """Paging by page and by searchAfter both show every contact exactly once, in the same order."""
    for number in range(23):
        world.sandbox.ghl.seed({"email": f"p{number % 7}.{number}@example.com"}, at=1_700_000_000 + number // 3)
    sort = [{"field": field, "direction": direction}]

    by_page = []
    for page in range(1, 5):
        by_page += (await world.search(pageLimit=10, page=page, sort=sort)).body["contacts"]
    by_cursor, after = [], {}
    while rows := (await world.search(pageLimit=10, sort=sort, **after)).body["contacts"]:
        by_cursor += rows
        after = {"searchAfter": rows[-1]["searchAfter"]}

    assert [row["id"] for row in by_page] == [row["id"] for row in by_cursor]
    assert {row["id"] for row in by_cursor} == {row["id"] for row in world.sandbox.ghl.contacts()}
    assert len(by_cursor) == 23


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([{"field": "email", "operator": "eq", "value": "ADA@example.com"}], {"ada"}),
        ([{"field": "email", "operator": "not_eq", "value": "ada@example.com"}], {"bo", "cy"}),
        ([{"field": "email", "operator": "contains", "value": "example"}], {"ada", "bo"}),
        ([{"field": "email", "operator": "not_exists"}], {"cy"}),
        ([{"field": "tags", "operator": "eq", "value": "vip"}], {"ada", "cy"}),
        ([{"field": "tags", "operator": "exists"}, {"field": "email", "operator": "exists"}], {"ada"}),
        (
            [
                {
                    "group": "OR",
                    "filters": [
                        {"field": "firstNameLowerCase", "operator": "eq", "value": "bo"},
                        {"field": "firstNameLowerCase", "operator": "eq", "value": "cy"},
                    ],
                }
            ],
            {"bo", "cy"},
        ),
        ([{"field": "dateUpdated", "operator": "range", "value": {"gte": "2023-11-14T22:13:21.000Z"}}], {"bo", "cy"}),
        ([{"field": "dateUpdated", "operator": "range", "value": {"gt": 1_700_000_001_000}}], {"cy"}),
        ([{"field": "dateAdded", "operator": "range", "value": {"lt": 1_700_000_001_000}}], {"ada"}),
    ],
)
async def test_filters(world, filters, expected):
    """Each operator and group finds whom it should, whatever the order asked for."""
    ghl = world.sandbox.ghl
    ghl.seed({"firstName": "Ada", "email": "ada@example.com", "tags": ["vip"]}, at=1_700_000_000)
    ghl.seed({"firstName": "Bo", "email": "bo@example.com"}, at=1_700_000_001)
    ghl.seed({"firstName": "Cy", "tags": ["vip"]}, at=1_700_000_002)

    for sort in ([{"field": "dateUpdated", "direction": "asc"}], [{"field": "email", "direction": "desc"}]):
        reply = await world.search(filters=filters, sort=sort)

        assert {row["firstNameLowerCase"] for row in reply.body["contacts"]} == expected
        assert reply.body["total"] == len(expected)


@pytest.mark.parametrize(
    "body",
    [
        {"filters": [{"field": "shoeSize", "operator": "eq", "value": 1}]},
        {"filters": [{"field": "email", "operator": "like", "value": "a"}]},
        {"filters": [{"field": "email", "operator": "eq", "value": "a" * 76}]},
        {"sort": [{"field": "email", "direction": "up"}]},
        {"page": 1, "searchAfter": [1, "a"]},
        {"searchAfter": [1]},
        {"limit": 3},
    ],
)
async def test_mistakes_are_422(world, body):
    """A field, operator, order or cursor the vendor does not know is refused, not ignored."""
    assert (await world.search(**body)).status == 422


async def test_search_lags_behind_the_store(opened):
    """Creates, edits and deletes show in search only after the lag, while GET shows them at once."""
    world = await opened(ghl={"index_lag_s": 0.2})
    made = await world.ghl_create(firstName="Ada")

    hidden = await world.search()
    read = await world.ghl("GET", f"/contacts/{made['id']}")
    await asyncio.sleep(0.25)
    shown = await world.search()
    await world.ghl("PUT", f"/contacts/{made['id']}", {"firstName": "Bo"})
    old = await world.search()
    await world.ghl("DELETE", f"/contacts/{made['id']}")
    ghost = await world.search()
    world.sandbox.ghl.settle_index()
    gone = await world.search()

    assert read.status == 200
    assert [reply.body["total"] for reply in (hidden, shown, old, ghost, gone)] == [0, 1, 1, 1, 0]
    assert old.body["contacts"][0]["firstName"] == "Ada"


async def test_query_text(world):
    """The free-text query looks at name, e-mail and phone."""
    world.sandbox.ghl.seed({"firstName": "Ada", "lastName": "Vance"})
    world.sandbox.ghl.seed({"email": "vance@example.com"})
    world.sandbox.ghl.seed({"email": "bo@example.com"})

    assert (await world.search(query="VANCE")).body["total"] == 2
