"""How a person lets us into a GoHighLevel location, and who we are once we are in.

`CONSENT` makes the address where he agrees and redeems the code he comes back with; `introduce` asks for the location's name.
The rule that keeps it true: tokens for another location are never kept, and no vendor's word is passed on that could hold a code or a token.
It must not know: how the person is reached, or where tokens are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from yarl import URL

from syncd.connectors.gohighlevel import operations
from syncd.connectors.gohighlevel.grants import COMPANY, LOCATION_TOKEN, TOKEN, Grant, read_grant, word_of
from syncd.connectors.gohighlevel.oauth import OAuth
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.connectors.http import Session
from syncd.connectors.kind import Consent, Introduction, Obtained
from syncd.core.errors import Unauthorized, Unavailable

_EXCHANGE_SCOPE = "oauth.write"


def _url(settings: GoHighLevelSettings, scopes: Iterable[str], state: str) -> str:
    """GHL: docs, OAuth: scopes are separated by spaces. That `state` comes back is OAuth's own rule."""
    wanted = {*scopes, *settings.scopes, *([_EXCHANGE_SCOPE] if settings.user_type == COMPANY else [])}
    query = {
        "response_type": "code",
        "redirect_uri": _redirect_uri(settings),
        "client_id": settings.client_id or "",
        "scope": " ".join(sorted(wanted)),
        "state": state,
    }
    return str(URL(settings.authorize_url).with_query({**query, **({"version_id": settings.version_id} if settings.version_id else {})}))


def _redirect_uri(settings: GoHighLevelSettings) -> str:
    assert settings.redirect_uri is not None, "the settings were checked"
    return settings.redirect_uri


async def _redeem(settings: GoHighLevelSettings, session: Session, code: str) -> Obtained:
    """The tokens for a code. Raises Unauthorized where there are none, or where they are not for this location."""
    assert settings.client_secret is not None, "the settings were checked"
    form = {
        "client_id": settings.client_id or "",
        "client_secret": settings.client_secret.get_secret_value(),
        "grant_type": "authorization_code",
        "code": code,
        "user_type": settings.user_type,
        "redirect_uri": _redirect_uri(settings),
    }
    answer = await session.ask(TOKEN, form, {})
    grant = read_grant(answer.body, session.clock.now()) if answer.status == 200 else None
    if grant is None and (answer.status >= 500 or answer.status in (200, 429)):
        raise Unavailable(f"no tokens were made out: the vendor answered {answer.status}", system=session.system, hint="ask again")
    if grant is None:
        raise _shut(session, f"the code was not redeemed ({word_of(answer) or answer.status})", "a code is good once and not for long: ask again")
    if grant.holder != settings.user_type:
        raise _shut(session, f"the tokens are a {grant.holder}'s, and `user_type` is {settings.user_type}", "choose the other when you agree")
    if grant.holder == COMPANY:
        await _prove(settings, session, grant)
    elif grant.location_id not in ("", settings.location_id):
        raise _shut(session, f"the tokens are for location {grant.location_id}, and the configuration names {settings.location_id}", "choose that one")
    return Obtained(
        tokens=grant.as_json(),
        holder=grant.holder,
        account=grant.location_id or grant.company_id,
        scopes=frozenset(grant.scopes),
        expires_at=grant.expires_at,
    )


async def _prove(settings: GoHighLevelSettings, session: Session, grant: Grant) -> None:
    """A company's tokens are of use only where they are exchanged for the location's."""
    form = {"companyId": grant.company_id, "locationId": settings.location_id}
    answer = await session.ask(LOCATION_TOKEN, form, {"Authorization": grant.header})
    if answer.status not in (200, 201):
        what = f"the company's tokens open no location {settings.location_id}"
        raise _shut(session, what, "install the app in that location; it needs the scope oauth.write")


def _shut(session: Session, what: str, hint: str) -> Unauthorized:
    return Unauthorized(what, system=session.system, hint=hint)


async def introduce(settings: GoHighLevelSettings, session: Session) -> Introduction:
    """The location's name, and what is known of the token. GHL: what a private integration token opens cannot be asked."""
    answer = await session.call(operations.LOCATION, ids={"locationId": settings.location_id})
    location = answer.body.get("location") if isinstance(answer.body, dict) else None
    name = location.get("name") if isinstance(location, dict) else None
    if not isinstance(name, str):
        raise session.unexpected(operations.LOCATION, "no location")
    if not isinstance(session.credential, OAuth):
        return Introduction(name=name, holder="a private token")
    grant = await session.credential.grant()
    return Introduction(name=name, holder=f"OAuth, {grant.holder}", scopes=frozenset(grant.scopes), expires_at=grant.expires_at)


CONSENT: Final = Consent(url=_url, redirect_uri=_redirect_uri, redeem=_redeem)
