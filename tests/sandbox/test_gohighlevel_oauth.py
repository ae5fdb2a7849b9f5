"""GoHighLevel's OAuth, pretended: consent, rotation, expiry, scopes, whose token.

Rule: every promise is asked for over HTTP, in the vendor's shapes.

It must not know how the emulator keeps tokens.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

SCOPES = "contacts.readonly contacts.write locations.readonly oauth.write"


async def consented(world, **more):
    """The code a person comes back with."""
    oauth = world.sandbox.ghl.oauth
    query = {"response_type": "code", "client_id": oauth.client_id, "redirect_uri": oauth.redirect_uri, "scope": SCOPES, "state": "s 1", **more}
    reply = await world.ghl("GET", "/v2/oauth/chooselocation", headers={}, params=query, allow_redirects=False)
    assert 302 == reply.status, reply
    back = parse_qs(urlsplit(reply.headers["Location"]).query)
    assert ["s 1"] == back["state"]
    return back["code"][0]


async def asked(world, **form):
    """The token endpoint's answer."""
    oauth = world.sandbox.ghl.oauth
    known = {"client_id": oauth.client_id, "client_secret": oauth.client_secret, "redirect_uri": oauth.redirect_uri}
    return await world.ghl("POST", "/oauth/token", headers={}, data={**known, **form})


async def tokens(world, user_type="Location"):
    return (await asked(world, grant_type="authorization_code", code=await consented(world), user_type=user_type)).body


def bearer(token):
    return {"Authorization": f"Bearer {token}", "Version": "2021-07-28"}


async def location(world, token):
    return await world.ghl("GET", f"/locations/{world.location}", headers=bearer(token))


async def test_a_code_is_good_once(world):
    """It gives tokens in the documented shape, which open the location."""
    code = await consented(world)
    first = await asked(world, grant_type="authorization_code", code=code, user_type="Location")
    again = await asked(world, grant_type="authorization_code", code=code, user_type="Location")

    assert {"access_token", "token_type", "expires_in", "refresh_token", "scope", "userType", "companyId", "userId", "locationId", "traceId"} == set(first.body)
    assert (86_399, "Location", world.location, SCOPES) == tuple(first.body[name] for name in ("expires_in", "userType", "locationId", "scope"))
    assert (401, "UnAuthorized!", "Authorization code not found") == (again.status, again.body["error"], again.body["error_description"])
    assert 200 == (await location(world, first.body["access_token"])).status


async def test_a_refresh_token_is_good_once(world):
    """The new one works, the old one does not, and a lost answer has rotated it all the same."""
    first = await tokens(world)
    second = await asked(world, grant_type="refresh_token", refresh_token=first["refresh_token"])
    again = await asked(world, grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert (200, 401) == (second.status, again.status)
    assert first["refresh_token"] != second.body["refresh_token"]
    world.sandbox.ghl.faults.add("get-access-token", "error_after", status=503)
    lost = await asked(world, grant_type="refresh_token", refresh_token=second.body["refresh_token"])
    retried = await asked(world, grant_type="refresh_token", refresh_token=second.body["refresh_token"])
    assert (503, 401) == (lost.status, retried.status)


async def test_expired_and_revoked_tokens_open_nothing(world):
    """An expired access token can be replaced, a revoked one cannot."""
    held = await tokens(world)
    world.sandbox.ghl.oauth.expire()
    expired = await location(world, held["access_token"])
    fresh = await asked(world, grant_type="refresh_token", refresh_token=held["refresh_token"])
    world.sandbox.ghl.oauth.revoke()

    assert (401, "Invalid token: access token is invalid") == (expired.status, expired.body["message"])
    assert 200 == fresh.status
    assert 401 == (await location(world, fresh.body["access_token"])).status
    assert 401 == (await asked(world, grant_type="refresh_token", refresh_token=fresh.body["refresh_token"])).status


async def test_a_company_s_token_is_exchanged(world):
    """It opens no location itself; what it is exchanged for does, and has no refresh token."""
    company = await tokens(world, "Company")
    form = {"companyId": company["companyId"], "locationId": world.location}
    direct = await location(world, company["access_token"])
    made = await world.ghl("POST", "/oauth/locationToken", headers=bearer(company["access_token"]), data=form)
    by_location = await world.ghl("POST", "/oauth/locationToken", headers=bearer(made.body["access_token"]), data=form)
    world.sandbox.ghl.oauth.installed = False
    uninstalled = await world.ghl("POST", "/oauth/locationToken", headers=bearer(company["access_token"]), data=form)

    assert "locationId" not in company
    assert (401, True) == (direct.status, direct.body["message"].startswith("This authClass type is not allowed"))
    assert "refresh_token" not in made.body
    assert 200 == (await location(world, made.body["access_token"])).status
    assert (401, "Token's user type mismatch!") == (by_location.status, by_location.body["message"])
    assert 400 == uninstalled.status


@pytest.mark.parametrize("private", [True, False], ids=["private token", "OAuth"])
async def test_a_scope_that_was_taken_away_is_missed(world, private):
    """By the operations that need it, and by no other."""
    token = world.sandbox.ghl.token if private else (await tokens(world))["access_token"]
    world.sandbox.ghl.oauth.narrow("contacts.write")
    refused = await world.ghl("POST", "/contacts/", {"locationId": world.location, "email": "a@b.c"}, headers=bearer(token))

    assert (401, "The token is not authorized for this scope.") == (refused.status, refused.body["message"])
    assert 200 == (await location(world, token)).status
    assert [] == world.sandbox.ghl.contacts()


async def test_another_location_s_token_is_refused(world):
    """With the words for that."""
    held = await tokens(world)
    world.sandbox.ghl.oauth.move("AnotherLocation00001")
    refused = await location(world, held["access_token"])

    assert (403, "The token does not have access to this location.") == (refused.status, refused.body["message"])


async def test_who_is_not_the_app_gets_nothing(world):
    """Neither with a wrong secret nor with another address to be sent back to."""
    code = await consented(world)
    wrong = await asked(world, grant_type="authorization_code", code=code, client_secret="guessed")
    elsewhere = await world.ghl(
        "GET", "/v2/oauth/chooselocation", headers={}, params={"client_id": world.sandbox.ghl.oauth.client_id, "redirect_uri": "https://evil.example"},
        allow_redirects=False,
    )

    assert (401, 400) == (wrong.status, elsewhere.status)
