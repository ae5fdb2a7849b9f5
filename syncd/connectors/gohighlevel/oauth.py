"""GoHighLevel's OAuth: tokens that expire in a day, and refresh tokens that are good for one use.

`OAuth` is the credential of a session; `renewing` gives one to a session for the length of a block. A company's token is exchanged for
the location's, which has no refresh token of its own.
The rule that keeps it true: one refresh at a time, whoever asks and in whatever process; that it begins is committed before it begins, and
what it brings is committed before it is used. A caller that is cancelled does not cancel it. What cannot be renewed is an Unauthorized that
says what to type; it is never an answer about records.
It must not know: what the calls are for, or where tokens are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

import anyio

from syncd.connectors.credential import Keeper, Kept
from syncd.connectors.gohighlevel.grants import COMPANY, LOCATION_TOKEN, TOKEN, Grant, read_grant, word_of
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.connectors.http import Answer, Session
from syncd.core.errors import Effect, StoreError, Unauthorized, Unavailable, UserError

CLOSING_S = 1.0
"""How long a session that is closed waits for a refresh in the air, so that its answer is not lost."""
_WAIT_S = 0.1
_BACKOFF_S, _BACKOFF_MAX_S = 5.0, 300.0
_SHUT_S = 60.0
"""How long a refused refresh is believed without asking again."""


@dataclass(frozen=True, slots=True)
class _Held:
    grant: Grant
    version: int


@dataclass(frozen=True, slots=True)
class _Later:
    """It could not be done now."""

    message: str
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class _Shut:
    """It cannot be done without a person."""

    message: str


_Outcome = _Held | _Later | _Shut


@asynccontextmanager
async def renewing(settings: GoHighLevelSettings, session: Session, keeper: Keeper) -> AsyncIterator[None]:
    """Gives the session its credential for the length of the block."""
    credential = OAuth(settings, session, keeper)
    session.credential = credential
    try:
        yield
    finally:
        session.credential = None
        await credential.close()


class OAuth:
    """The tokens of one system."""

    def __init__(self, settings: GoHighLevelSettings, session: Session, keeper: Keeper) -> None:
        self._settings = settings
        self._session = session
        self._keeper = keeper
        self._held: _Held | None = None
        self._unsaved: _Held | None = None
        self._renewing: asyncio.Task[_Outcome] | None = None
        self._failed: tuple[_Later | _Shut, float] | None = None
        self._failures = 0
        self._location: Grant | None = None
        self._exchanging = anyio.Lock()

    async def header(self, operation: str) -> str:
        """The header with a token that is not known to have expired."""
        held = await self._present()
        row = CATALOGUE.get(operation)
        if held.grant.holder != COMPANY or (row is not None and row.token == "agency"):  # noqa: S105 - whose token, not a token
            return held.grant.header
        return (await self._exchanged(held)).header

    async def renewed(self, refused: str, *, expired: bool) -> bool:
        """Renews what was refused, once for all who ask; where nothing expired, looks whether a person has put another token there."""
        if not expired:
            return await self._replaced(refused)
        if self._location is not None and self._location.header == refused:
            self._location = None
            return True
        if self._held is not None and self._held.grant.header == refused:
            await self._renew(self._held)
        return True

    def veil(self, text: str) -> str:
        """The text without our tokens or the app's secret."""
        secret = self._settings.client_secret
        grants = [self._held.grant if self._held is not None else None, self._location]
        tokens = [each for grant in grants if grant is not None for each in (grant.access, grant.refresh)]
        for each in (*tokens, secret.get_secret_value() if secret is not None else ""):
            text = text.replace(each, "…") if each else text
        return text

    async def grant(self) -> Grant:
        """The tokens that are used now, with what they were granted for."""
        return (await self._present()).grant

    async def close(self) -> None:
        """Lets a refresh in the air come home, for a while."""
        if (task := self._renewing) is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task}, timeout=CLOSING_S)
                task.cancel()
                await asyncio.wait({task})

    async def _present(self) -> _Held:
        """The tokens as they are to be used now. One that soon expires is renewed; should that fail for now, it still serves."""
        held = self._held or await self._loaded()
        now = self._session.clock.now()
        if not held.grant.is_old(now):
            return held
        try:
            return await self._renew(held)
        except Unavailable:
            if held.grant.expires_at > now:
                return held
            raise

    async def _loaded(self) -> _Held:
        """What is kept, read anew."""
        kept = await self._kept()
        if isinstance(kept, _Shut):
            raise self._unauthorized(kept)
        self._held = kept
        return kept

    async def _kept(self) -> _Held | _Shut:
        found = await self._from_keeper()
        if found is None:
            return _Shut("there are no tokens yet")
        grant = Grant.from_json(found.tokens) if found.tokens is not None else None
        if grant is None:
            return _Shut(found.trouble or "the kept tokens are not what they should be")
        if grant.location_id not in ("", self._settings.location_id):
            return _Shut(f"the kept tokens are for location {grant.location_id}, and the configuration names {self._settings.location_id}")
        return _Held(grant, found.version)

    async def _from_keeper(self) -> Kept | None:
        try:
            return await self._keeper.load()
        except (StoreError, UserError) as error:
            raise self._unavailable(_Later(f"the tokens cannot be read: {error.message}", _BACKOFF_S)) from error

    async def _replaced(self, refused: str) -> bool:
        held = self._held
        fresh = await self._kept()
        if held is None or isinstance(fresh, _Shut) or fresh.version == held.version:
            return False
        self._held, self._location, self._failed = fresh, None, None
        return fresh.grant.header != refused

    async def _renew(self, held: _Held) -> _Held:
        """What replaces `held`, from the one refresh that is under way for all."""
        if self._held is not None and self._held.version != held.version:
            return self._held
        if self._renewing is None and (outcome := await self._remembered(held)) is not None:
            return self._told(outcome)
        return self._told(await asyncio.shield(self._under_way(held)))

    def _under_way(self, held: _Held) -> asyncio.Task[_Outcome]:
        """The one refresh, begun where none is under way."""
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._settled(held))
        return self._renewing

    async def _remembered(self, held: _Held) -> _Outcome | None:
        """The last failure while it is fresh, unless somebody has replaced the tokens since."""
        failed = self._failed
        if failed is None or self._session.clock.monotonic() >= failed[1]:
            return None
        fresh = await self._kept()
        if isinstance(fresh, _Held) and fresh.version != held.version:
            self._held, self._failed = fresh, None
            return fresh
        return failed[0]

    async def _settled(self, held: _Held) -> _Outcome:
        """The refresh with what follows from it; nobody can see it done before that is so."""
        try:
            outcome = await self._refresh(held)
        finally:
            self._renewing = None
        now = self._session.clock.monotonic()
        match outcome:
            case _Held():
                self._held, self._failed, self._failures = outcome, None, 0
            case _Later():
                self._failures += 1
                rest_s = max(outcome.retry_after_s, min(_BACKOFF_MAX_S, _BACKOFF_S * 2 ** (self._failures - 1)))
                outcome = _Later(outcome.message, rest_s)
                self._failed = (outcome, now + rest_s)
            case _Shut():
                self._failed = (outcome, now + _SHUT_S)
            case _:
                assert_never(outcome)
        return outcome

    def _told(self, outcome: _Outcome) -> _Held:
        """Everybody who waited is told in an error of his own."""
        match outcome:
            case _Held():
                return outcome
            case _Later():
                raise self._unavailable(outcome)
            case _Shut():
                raise self._unauthorized(outcome)
            case _:
                assert_never(outcome)

    def _unavailable(self, why: _Later) -> Unavailable:
        return Unavailable(
            why.message, system=self._session.system, hint="it is tried again by itself", retry_after_s=why.retry_after_s
        )

    def _unauthorized(self, why: _Shut) -> Unauthorized:
        return Unauthorized(why.message, system=self._session.system, hint=f"type `syncd auth {self._session.system}`")

    async def _refresh(self, held: _Held) -> _Outcome:
        """The one refresh: claimed, made, kept."""
        try:
            if self._unsaved is not None:
                return await self._save(self._unsaved)
            claimed = await self._claim(held)
            if not isinstance(claimed, int):
                return claimed
            try:
                answer = await self._session.ask(TOKEN, self._form(held.grant), {})
            except Unavailable as error:
                await self._keeper.let_go(held.version, undone=error.effect is Effect.NONE)
                return _Later(f"the tokens could not be refreshed: {error.message}", 0)
            return await self._judged(answer, held, earlier_tries=claimed)
        except (StoreError, UserError) as error:
            return _Later(f"the tokens cannot be kept: {error.message}", 0)

    async def _claim(self, held: _Held) -> int | _Outcome:
        """The right to refresh, with the number of refreshes that were begun and never heard of; or what somebody else's refresh brought."""
        timeout_s = self._settings.timeout_s
        with anyio.move_on_after(min(timeout_s, 10.0)):
            while True:
                kept = await self._keeper.load()
                fresh = await self._kept()
                if kept is None or isinstance(fresh, _Shut) or fresh.version != held.version:
                    return fresh
                if await self._keeper.claim(held.version, for_s=timeout_s + 5):
                    return kept.tries
                await anyio.sleep(_WAIT_S)
        return _Later("the tokens are being refreshed by another process", 0)

    async def _judged(self, answer: Answer, held: _Held, *, earlier_tries: int) -> _Outcome:
        grant = read_grant(answer.body, self._session.clock.now(), before=held.grant) if answer.status == 200 else None
        if grant is not None:
            return await self._save(_Held(grant, held.version))
        if answer.status in (400, 401, 403, 422) and isinstance(answer.body, dict):
            await self._keeper.let_go(held.version, undone=True)
            return self._refused(answer, earlier_tries)
        # A 429 was turned away at the door; of anything else nothing is known.
        await self._keeper.let_go(held.version, undone=answer.status == 429)
        return _Later(f"the tokens could not be refreshed: the vendor answered {answer.status}", answer.retry_after_s or 0)

    async def _save(self, replacement: _Held) -> _Outcome:
        """Keeps new tokens; before that is committed nobody sees them. What could not be kept is tried again before anything else."""
        self._unsaved = replacement
        kept = await self._keeper.keep(replacement.grant.as_json(), replaces=replacement.version)
        self._unsaved = None
        if not kept:
            # A person had others made out meanwhile; those are the ones to use.
            return await self._kept()
        return _Held(replacement.grant, replacement.version + 1)

    def _refused(self, answer: Answer, earlier_tries: int) -> _Shut:
        word = word_of(answer)
        if "client" in word:
            return _Shut(f"the app is not known to GoHighLevel ({word}): check `client_id` and `client_secret`")
        if earlier_tries:
            return _Shut("the answer to a token refresh was lost, and the vendor does not take the refresh token a second time")
        return _Shut("the vendor refused the refresh token: it was revoked, used elsewhere, or this is an older copy of the database")

    def _form(self, grant: Grant) -> dict[str, str]:
        assert self._settings.client_id is not None, "the settings were checked"
        assert self._settings.client_secret is not None, "the settings were checked"
        return {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
            "grant_type": "refresh_token",
            "refresh_token": grant.refresh,
            "user_type": grant.holder,
        }

    async def _exchanged(self, held: _Held) -> Grant:
        """The location's token, from the company's; one exchange for all who wait."""
        async with self._exchanging:
            now = self._session.clock.now()
            if self._location is None or self._location.is_old(now):
                answer = await self._ask_for_location(held)
                if answer.status == 401 and word_of(answer).startswith("invalid token"):
                    answer = await self._ask_for_location(await self._renew(held))
                self._location = self._location_grant(answer, held.grant)
            return self._location

    async def _ask_for_location(self, held: _Held) -> Answer:
        form = {"companyId": held.grant.company_id, "locationId": self._settings.location_id}
        return await self._session.ask(LOCATION_TOKEN, form, {"Authorization": held.grant.header})

    def _location_grant(self, answer: Answer, company: Grant) -> Grant:
        grant = read_grant(answer.body, self._session.clock.now(), before=company) if answer.status in (200, 201) else None
        if grant is not None and grant.location_id == self._settings.location_id:
            return grant
        if answer.status in (400, 401, 403, 404, 422):
            raise self._unauthorized(
                _Shut(f"the company's token is not exchanged for location {self._settings.location_id}: is the app installed there?")
            )
        raise self._unavailable(_Later(f"the location's token was not made out: the vendor answered {answer.status}", answer.retry_after_s or 0))
