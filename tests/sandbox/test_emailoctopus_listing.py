"""EmailOctopus's listing: statuses, cursors, time filters, and rows that move while somebody pages.

Rule: what listings show is compared with the truth, never with another listing.

It must not know how rows are ordered inside.
"""

from __future__ import annotations

import pytest

BASE = 1_700_000_000


async def rows_of(world, **params):
    """Every row, following the cursor to the end."""
    rows = []
    while True:
        body = (await world.octopus("GET", world.contacts, params=params)).body
        rows += body["data"]
        if not body["paging"]["next"]:
            return rows
        params = {**params, "starting_after": body["paging"]["next"]["starting_after"]}


async def test_pages_show_everybody_once(world):
    """By cursor or by URL, every subscribed contact is shown once, also where many share a second."""
    for number in range(25):
        world.sandbox.octopus.seed({"email_address": f"p{number}@example.com"}, at=BASE + number // 10)

    by_cursor = await rows_of(world, limit="7")
    by_url, url = [], f"{world.contacts}?limit=7"
    while url:
        body = (await world.octopus("GET", url)).body
        by_url += body["data"]
        url = body["paging"]["next"] and body["paging"]["next"]["url"]

    assert {row["id"] for row in by_cursor} == {row["id"] for row in world.sandbox.octopus.contacts()}
    assert [row["id"] for row in by_cursor] == [row["id"] for row in by_url]
    assert len(by_cursor) == 25


async def test_status_defaults_to_subscribed(world):
    """Without a status only subscribed contacts are shown; each other status is a pass of its own."""
    for status in ("subscribed", "unsubscribed", "pending"):
        await world.octopus_create(f"{status}@example.com", status=status)

    assert [row["status"] for row in await rows_of(world)] == ["subscribed"]
    assert [row["status"] for row in await rows_of(world, status="pending")] == ["pending"]
    assert [row["status"] for row in await rows_of(world, status="unsubscribed")] == ["unsubscribed"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"last_updated_at.gte": "2023-11-14T22:13:21+00:00"}, {"b", "c"}),
        ({"last_updated_at.lte": "2023-11-14T22:13:21Z"}, {"a", "b"}),
        ({"created_at.gte": "2023-11-14T22:13:22Z"}, {"c"}),
        ({"created_at.lte": "2023-11-14T22:13:20Z"}, {"a"}),
        ({"tag": "vip"}, {"a", "c"}),
        ({"tag": "vip", "limit": "1", "last_updated_at.gte": "2023-11-14T22:13:20Z"}, {"a", "c"}),
    ],
)
async def test_filters(world, params, expected):
    """Time filters include their bound, and filters combine."""
    for number, name in enumerate("abc"):
        tags = ["vip"] if name != "b" else []
        world.sandbox.octopus.seed({"email_address": f"{name}@example.com", "tags": tags}, at=BASE + number)

    rows = await rows_of(world, **params)

    assert {row["email_address"][0] for row in rows} == expected


async def test_updated_row_moves_behind_the_cursor(world):
    """A row updated while somebody pages is seen again at the end, so overlap and de-duplication are needed."""
    ids = [world.sandbox.octopus.seed({"email_address": f"{n}@example.com"}, at=BASE + n)["id"] for n in range(3)]
    first = (await world.octopus("GET", world.contacts, params={"limit": "2"})).body

    world.sandbox.octopus.edit_as_user(ids[0], {"FirstName": "Ada"})
    rest = await rows_of(world, starting_after=first["paging"]["next"]["starting_after"])

    assert [row["id"] for row in rest] == [ids[2], ids[0]]


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"limit": "101"}, {"status": "BOUNCED"}, {"starting_after": "%%"}, {"last_updated_at.gte": "soon"}],
)
async def test_bad_parameters(world, params):
    """A parameter that makes no sense is a 400 that names it."""
    reply = await world.octopus("GET", world.contacts, params=params)

    assert reply.status == 400
    assert reply.body["errors"][0]["parameter"] == next(iter(params))


@pytest.mark.parametrize(
    ("option", "expected"),
    [("null", {"next": None}), ("null_members", {"next": {"url": None, "starting_after": None}}), ("absent", {})],
)
async def test_last_page(opened, option, expected):
    """How the last page says so is an option, since nobody documents it."""
    world = await opened(octopus={"last_page_next": option})

    assert (await world.octopus("GET", world.contacts)).body["paging"] == expected
