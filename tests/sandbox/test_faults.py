"""Faults: each kind, what it does to the caller, and what it does to the state.

Rule: every test looks at both sides, the answer and the truth.

It must not know where in the gate a fault is carried out.
"""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientError, ClientTimeout

CREATE = {"email": "ada@example.com"}


async def create(world, **rest):
    return await world.ghl("POST", "/contacts/", {"locationId": world.location, **CREATE}, **rest)


@pytest.mark.parametrize(("kind", "made"), [("error_before", 0), ("error_after", 1)])
async def test_errors(world, kind, made):
    """An error before has no effect; an error after has its full effect all the same."""
    world.sandbox.ghl.faults.add("create-contact", kind, status=422, message="Unprocessable Entity")

    reply = await create(world)

    assert (reply.status, reply.body["message"]) == (422, ["Unprocessable Entity"])
    assert len(world.sandbox.ghl.contacts()) == made
    assert world.sandbox.ghl.stats.faults_served == {kind: 1}


@pytest.mark.parametrize(("kind", "made"), [("hang_before", 0), ("hang_after", 1)])
async def test_hangs(world, kind, made):
    """A hanging request is never answered; only the later kind has its effect."""
    world.sandbox.ghl.faults.add("create-contact", kind, seconds=30)

    with pytest.raises(TimeoutError):
        await create(world, timeout=ClientTimeout(total=0.1))

    assert len(world.sandbox.ghl.contacts()) == made


@pytest.mark.parametrize(("kind", "made"), [("reset_before", 0), ("reset_after", 1)])
async def test_resets(world, kind, made):
    """A reset drops the connection without an answer; only the later kind has its effect."""
    world.sandbox.ghl.faults.add("create-contact", kind)

    with pytest.raises((ClientError, ConnectionError)):
        await create(world)

    assert len(world.sandbox.ghl.contacts()) == made


async def test_empty_listing(world):
    """A listing that exists comes back empty, once, in both vendors."""
    await world.ghl_create(**CREATE)
    await world.octopus_create("ada@example.com")
    world.sandbox.ghl.faults.add("search-contacts", "empty_listing")
    world.sandbox.octopus.faults.add("list-contacts", "empty_listing")

    ghl, octopus = await world.search(), await world.octopus("GET", world.contacts)

    assert (ghl.status, ghl.body["contacts"], ghl.body["total"]) == (200, [], 0)
    assert (octopus.body["data"], octopus.body["paging"]) == ([], {"next": None})
    assert (await world.search()).body["total"] == 1


async def test_truncated_listing(world):
    """Only a first page is shown and it claims to be all."""
    for number in range(5):
        world.sandbox.ghl.seed({"email": f"{number}@example.com"}, at=1_700_000_000 + number)
        world.sandbox.octopus.seed({"email_address": f"{number}@example.com"}, at=1_700_000_000 + number)
    world.sandbox.ghl.faults.add("search-contacts", "truncated_listing", count=2)
    world.sandbox.octopus.faults.add("list-contacts", "truncated_listing")

    first = await world.search(pageLimit=2)
    second = await world.search(pageLimit=2, searchAfter=first.body["contacts"][-1]["searchAfter"])
    octopus = await world.octopus("GET", world.contacts, params={"limit": "2"})

    assert (len(first.body["contacts"]), first.body["total"]) == (1, 1)
    assert second.body["contacts"] == []
    assert (len(octopus.body["data"]), octopus.body["paging"]["next"]) == (2, None)


async def test_page_skip(world):
    """One page's rows are missing while paging goes on behind them."""
    for number in range(6):
        world.sandbox.ghl.seed({"email": f"{number}@example.com"}, at=1_700_000_000 + number)
        world.sandbox.octopus.seed({"email_address": f"{number}@example.com"}, at=1_700_000_000 + number)
    world.sandbox.ghl.faults.add("search-contacts", "page_skip", skip=1)
    world.sandbox.octopus.faults.add("list-contacts", "page_skip")
    sort = [{"field": "dateAdded", "direction": "asc"}]

    first = (await world.search(pageLimit=2, sort=sort)).body["contacts"]
    second = (await world.search(pageLimit=2, sort=sort, searchAfter=first[-1]["searchAfter"])).body["contacts"]
    octopus = (await world.octopus("GET", world.contacts, params={"limit": "2"})).body

    assert [row["email"][0] for row in first + second] == ["0", "1", "4", "5"]
    assert [row["email_address"][0] for row in octopus["data"]] == ["2", "3"]
    assert octopus["paging"]["next"] is not None


async def test_bad_json_and_html(world):
    """A 200 may hold torn JSON, with the effect done, or a proxy's page, with no effect."""
    world.sandbox.ghl.faults.add("create-contact", "bad_json")
    torn = await create(world)
    world.sandbox.ghl.faults.add("create-contact", "html")
    page = await create(world)

    assert (torn.status, torn.body) == (200, None)
    assert torn.raw.startswith(b'{"contact"')
    assert (page.status, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert len(world.sandbox.ghl.contacts()) == 1


async def test_stale_read(world):
    """A stale read shows the version before the current one, in both vendors."""
    ghl = await world.ghl_create(firstName="Ada")
    octopus = await world.octopus_create("ada@example.com", fields={"FirstName": "Ada"})
    world.sandbox.ghl.edit_as_user(ghl["id"], {"firstName": "Bo"})
    world.sandbox.octopus.edit_as_user(octopus["id"], {"FirstName": "Bo"})
    world.sandbox.ghl.faults.add("get-contact", "stale_read")
    world.sandbox.octopus.faults.add("get-contact", "stale_read")

    async def names():
        left = (await world.ghl("GET", f"/contacts/{ghl['id']}")).body["contact"]["firstName"]
        right = (await world.octopus("GET", f"{world.contacts}/{octopus['id']}")).body["fields"]["FirstName"]
        return left, right

    assert await names() == ("Ada", "Ada")
    assert await names() == ("Bo", "Bo")


async def test_slow_unauthorized_rate_limited(world):
    """A slow answer comes after all; a 401 and a 429 look like the vendor's own, the wait only if asked for."""
    faults = world.sandbox.octopus.faults
    faults.add("list-lists", "slow", seconds=0.15)
    faults.add("list-lists", "unauthorized")
    faults.add("list-lists", "rate_limited", retry_after_s=7)
    faults.add("list-lists", "rate_limited")
    loop = asyncio.get_running_loop()

    start = loop.time()
    replies = [await world.octopus("GET", "/lists")]
    took = loop.time() - start
    replies += [await world.octopus("GET", "/lists") for _ in range(3)]

    assert took >= 0.15
    assert [reply.status for reply in replies] == [200, 401, 429, 429]
    assert replies[1].body["detail"] == "Invalid key."
    assert [reply.headers.get("X-RateLimit-Retry-After") for reply in replies[2:]] == ["7", None]
    assert world.sandbox.octopus.stats.rate_limited == 2


async def test_chance_is_seeded(opened):
    """The same seed meets the same faults; a fault by chance never runs out."""
    patterns = []
    for _ in range(2):
        world = await opened(seed=5)
        world.sandbox.ghl.faults.add("*", "error_before", probability=0.5, status=503)
        patterns.append([(await world.ghl("GET", "/contacts/x")).status for _ in range(12)])

    assert patterns[0] == patterns[1]
    assert {400, 503} == set(patterns[0])


async def test_mistakes_are_told(world):
    """An operation nobody serves, a kind nobody knows or a misspelt detail is an error when the fault is ordered."""
    faults = world.sandbox.ghl.faults

    for wrong in (("make-contact", "slow", {}), ("get-contact", "slwo", {})):
        with pytest.raises(ValueError, match=r"no operation|is not a valid"):
            faults.add(wrong[0], wrong[1], **wrong[2])
    with pytest.raises(TypeError):
        faults.add("get-contact", "slow", secs=3)

    faults.add("*", "error_before", count=3)
    faults.clear()
    assert (await create(world)).status == 201


async def test_listing_faults_wait_for_listings(world):
    """A fault of listings ordered for everything is not spent on other requests."""
    world.sandbox.octopus.faults.add("*", "empty_listing")
    await world.octopus_create("ada@example.com")

    assert (await world.octopus("GET", world.contacts)).body["data"] == []
