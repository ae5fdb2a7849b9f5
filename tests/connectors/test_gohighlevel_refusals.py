"""Why GoHighLevel lets a call not in, and whose tokens open what: scopes, locations, companies; and what is no token at all."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest
from pydantic import ValidationError

from syncd.connectors.gohighlevel import KIND, operations
from syncd.connectors.gohighlevel.grants import read_grant
from syncd.connectors.gohighlevel.refusals import closed
from syncd.connectors.http import Answer
from syncd.core.errors import Unauthorized
from syncd.core.record import DAY
from tests.connectors.town import Town, build_town, look, write


@pytest.fixture
async def build(tmp_path):
    """Builds the town; a person has agreed."""
    async with AsyncExitStack() as stack:
        yield partial(build_town, stack, tmp_path)


@pytest.fixture
async def town(build) -> Town:
    return await build()


async def test_a_missing_scope_is_named(town):
    """By its name and the operation's; nothing is renewed for it, and nothing is taken for empty or gone."""
    session = await town.session()
    town.oauth.narrow("contacts.write")
    with pytest.raises(Unauthorized) as caught:
        await write(session)

    assert "create-contact needs contacts.write" in caught.value.hint
    assert 200 == (await look(session)).status
    assert 0 == town.oauth.refreshes


async def test_a_scope_granted_later_is_used_without_a_restart(town):
    """After a person agreed anew, the next refused call finds the newer tokens and is made with them."""
    session = await town.session()
    town.oauth.narrow("contacts.write")
    with pytest.raises(Unauthorized):
        await write(session)
    await town.consent()

    assert 201 == (await write(session)).status


async def test_another_location_is_said_to_be_one(town):
    """Not an expired token, and not a missing contact."""
    session = await town.session()
    town.oauth.move("AnotherLocation00001")
    with pytest.raises(Unauthorized) as caught:
        await session.call(operations.GET, ids={"contactId": "c1"}, accept=(400, 404))

    assert "another location's" in caught.value.hint
    assert 0 == town.oauth.refreshes


async def test_tokens_for_another_location_are_never_kept(build):
    """Consent was given for the wrong one."""
    town = await build(consent=False)
    town.oauth.wrong_location = "AnotherLocation00001"
    with pytest.raises(Unauthorized, match="the tokens are for location AnotherLocation00001"):
        await town.consent()

    assert None is await town.kept()


async def test_a_wrong_class_of_token_is_said_to_be_one(town):
    """A location's token at an operation that is the agency's."""
    session = await town.session()
    with pytest.raises(Unauthorized) as caught:
        await session.call(operations.CATALOGUE["get-company"].operation, ids={"companyId": "c1"})

    assert "get-company is open to an agency's (company) token" in caught.value.hint
    assert 0 == town.oauth.refreshes


async def test_a_company_s_tokens_are_exchanged_once(build):
    """For all who wait; expired ones are exchanged anew, by a company's token that is renewed where need be."""
    town = await build(user_type="Company")
    session = await town.session()
    before = town.requests["get-location-access-token"]
    await asyncio.gather(*(look(session) for _ in range(30)))
    assert 1 == town.requests["get-location-access-token"] - before
    town.oauth.expire()
    await asyncio.gather(*(look(session) for _ in range(30)))

    # Once, then once in vain with the expired company's token, and once more.
    assert (3, 1) == (town.requests["get-location-access-token"] - before, town.oauth.refreshes)


async def test_a_company_whose_app_left_the_location_says_so(build):
    """The exchange is refused: a sentence, not a storm."""
    town = await build(user_type="Company")
    town.oauth.installed = False
    with pytest.raises(Unauthorized, match="is the app installed there"):
        await look(await town.session())


async def test_the_agency_s_operations_use_the_company_s_token(build):
    """What only an agency may do is done as one: the token is let in, and the company is not found."""
    town = await build(user_type="Company")
    session = await town.session()
    answer = await session.call(operations.CATALOGUE["get-company"].operation, ids={"companyId": town.oauth.company_id}, accept=(400, 404))

    assert answer.status in (200, 400, 404)
    assert 1 == town.requests["get-location-access-token"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, "`token` is missing, or what OAuth needs"),
        ({"token": "t", "client_id": "c"}, "`token` is one way in and `client_id` belongs to the other"),
        ({"client_id": "c", "client_secret": "hush-hush"}, "for OAuth `redirect_uri` is missing"),
        ({"token": "t", "token_key": "hush-hush"}, "`token` is one way in and `token_key` belongs to the other"),
        ({"token_key": "hush-hush"}, "for OAuth `client_id`, `client_secret`, `redirect_uri` is missing"),
        ({"token": "t", "redirect_uri": "http://example.com/back"}, "https"),
        ({"token": "t", "authorize_url": "http://example.com/agree"}, "https"),
        ({"token": "t", "user_type": "Agency"}, "Location"),
    ],
)
def test_a_section_that_is_neither_one_way_in_nor_the_other(section, said):
    """Every mistake is said at check time, and no secret with it."""
    with pytest.raises(ValidationError) as caught:
        KIND.settings(location_id="L1", **section)
    told = " ".join(error["msg"] for error in caught.value.errors(include_input=False))

    assert said in told
    assert "hush-hush" not in told


@pytest.mark.parametrize(
    ("answer", "expired"),
    [
        ((401, {"message": "Invalid token: access token is invalid"}), True),
        ((401, None), True),
        ((401, {"message": "The token is not authorized for this scope."}), False),
        ((401, {"message": "Token's user type mismatch!"}), False),
        ((401, {"message": "This authClass type is not allowed to access this scope. Please reach out"}), False),
        ((401, {"message": "This route is not yet supported by the IAM Service. Please update"}), False),
        ((401, {"message": "version header was not found."}), False),
        ((403, {"message": "The token does not have access to this location."}), False),
        ((403, None), False),
        ((401, {"message": ["not", "a", "text"]}), True),
    ],
)
def test_the_kinds_of_refusal_are_told_apart(answer, expired):
    """Only a token that is said to be invalid, or is turned away without a word, is renewed for it; each refusal says what to do."""
    status, body = answer
    read = closed(Answer(operation=operations.CREATE, status=status, body=body))

    assert (expired, True) == (read.expired, bool(read.hint))


@pytest.mark.parametrize(
    ("body", "usable"),
    [
        ({"access_token": "a", "refresh_token": "r", "expires_in": 60}, True),
        ({"access_token": "a", "refresh_token": "r", "expires_in": "soon"}, True),
        ({"access_token": "a", "refresh_token": "r", "expires_in": -1}, True),
        ({"access_token": "a"}, False),
        ({"refresh_token": "r"}, False),
        ({"access_token": "a b", "refresh_token": "r"}, False),
        ({"access_token": "a\r\nX: y", "refresh_token": "r"}, False),
        ({"access_token": "a" * 9_000, "refresh_token": "r"}, False),
        ({"access_token": 7, "refresh_token": "r"}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_is_no_grant_is_none(body, usable):
    """A 200 without what is needed to use and to renew it brings nothing; a life that is none is a day's."""
    grant = read_grant(body, 0)

    assert usable is (grant is not None)
    assert grant is None or 0 < grant.life <= DAY
