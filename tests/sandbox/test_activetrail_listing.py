"""ActiveTrail's listings under every answer to what its documentation leaves open: the first page's number, and what FromDate compares.

Rule: rows are told by their addresses, so that a row which is missing or doubled shows.

It must not know how the emulator keeps contacts.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

DAY_S = 86_400
EVER = {"CustomerStates": "ALL", "FromDate": "2000-01-01T00:00:00"}


def ago(vendor, days) -> float:
    return vendor.account.clock() - days * DAY_S


def iso(at) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


async def addresses(call, **query) -> list[str]:
    reply = await call("GET", "/contacts", params={**EVER, "Limit": "100", **query})
    assert reply.status == 200, reply
    return [row["email"] for row in reply.body]


async def full(trailed, count=7, **options):
    vendor, call = await trailed(**options)
    for number in range(count):
        vendor.seed({"email": f"p{number}@b.co"}, at=ago(vendor, 10))
    return vendor, call


@pytest.mark.parametrize(
    ("first", "zero", "page_0", "page_1"),
    [
        (0, "refused", ["p0", "p1", "p2"], ["p3", "p4", "p5"]),
        (1, "first", ["p0", "p1", "p2"], ["p0", "p1", "p2"]),
        (1, "empty", [], ["p0", "p1", "p2"]),
    ],
)
async def test_the_first_page_has_either_number(trailed, first, zero, page_0, page_1):
    """Where it is 1, page 0 may be many things."""
    _, call = await full(trailed, first_page=first, page_zero=zero)
    pages = [await addresses(call, Page=str(number), Limit="3") for number in (0, 1)]

    assert [[f"{name}@b.co" for name in page] for page in (page_0, page_1)] == pages


async def test_page_0_may_be_refused(trailed):
    """As may a page below it, and a limit out of bounds."""
    _, call = await full(trailed, first_page=1)
    wrong = [{"Page": "0"}, {"Page": "-1"}, {"Limit": "0"}, {"Limit": "101"}, {"Page": "x"}, {"FromDate": "soon"}, {"CustomerStates": "ANY"}]
    statuses = [(await call("GET", "/contacts", params={"Page": "1", **EVER, **each})).status for each in wrong]

    assert [400] * len(wrong) == statuses


async def test_twenty_rows_and_three_months_are_what_is_not_asked_for(trailed):
    """Without Limit and FromDate; only those who are subscribed without CustomerStates."""
    vendor, call = await full(trailed, count=30)
    vendor.seed({"email": "old@b.co"}, at=ago(vendor, 100))
    vendor.seed({"email": "left@b.co", "status": 2}, at=ago(vendor, 10))
    usual = (await call("GET", "/contacts", params={"Page": "1"})).body
    second = (await call("GET", "/contacts", params={"Page": "2"})).body

    assert (20, 10) == (len(usual), len(second))
    assert not {"old@b.co", "left@b.co"} & {row["email"] for row in usual + second}
    assert {"old@b.co", "left@b.co"} < set(await addresses(call))


@pytest.mark.parametrize(("meaning", "expected"), [("changed", ["p0@b.co", "new@b.co"]), ("registered", ["new@b.co"])])
async def test_from_date_compares_either(trailed, meaning, expected):
    """An old contact that changed is listed, or is not."""
    vendor, call = await full(trailed, from_date=meaning)
    vendor.edit_as_user(vendor.contacts()[0]["id"], {"first_name": "A"})
    vendor.create_as_user({"email": "new@b.co"})

    assert expected == await addresses(call, FromDate=iso(ago(vendor, 1)))


async def test_a_search_finds_parts_of_what_people_are_known_by(trailed):
    """Addresses, numbers and names."""
    vendor, call = await trailed()
    vendor.seed({"email": "ada@b.co", "sms": "0501234567"})
    vendor.seed({"email": "bob@b.co", "first_name": "Adam"})

    assert ["ada@b.co", "bob@b.co"] == await addresses(call, SearchTerm="ada")
    assert ["ada@b.co"] == await addresses(call, SearchTerm="1234567")


async def test_hidden_contacts_make_pages_short(trailed):
    """A page that is not full need not be the last."""
    vendor, call = await full(trailed, deletes="hidden")
    vendor.delete_as_user(vendor.contacts()[1]["id"])
    pages = [await addresses(call, Page=str(number), Limit="3") for number in (1, 2, 3, 4)]

    assert [2, 3, 1, 0] == [len(page) for page in pages]


async def test_campaigns_are_listed(trailed):
    """By the same numbers as everything else."""
    _, call = await trailed(first_page=0)
    reply = await call("GET", "/campaigns", params={"Page": "0", "Limit": "1"})

    assert ["Welcome"] == [row["name"] for row in reply.body]
