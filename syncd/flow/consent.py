"""Having a person let us in: from the address where he agrees to tokens that are kept.

`obtain` does it all. The person comes back to an address of ours on this machine (`coming_back`), or brings along where he was sent
(`code_in`).
The rule that keeps it true: a code counts only with the state that was sent out with it, and tokens are sealed and committed before
anything else is done with them.
It must not know: any vendor, or how the person is spoken to.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from pydantic import BaseModel

from syncd.config import Settings
from syncd.connectors.address import is_loopback
from syncd.connectors.kind import Consent, Obtained
from syncd.connectors.registry import KINDS
from syncd.core.errors import UserError
from syncd.core.record import SystemName
from syncd.flow.engine import Clock
from syncd.flow.home import database_path
from syncd.store import tokens
from syncd.store.database import is_owned, open_database, owning
from syncd.store.tokens import Beside

CODE_MAX = 2_048
_DONE = "<!doctype html><title>syncd</title><p>syncd has been let in. You may close this page."
_REFUSED = "<!doctype html><title>syncd</title><p>This does not belong to what syncd asked for; it was not taken."
Code = Callable[[], Awaitable[str]]


async def obtain(settings: Settings, system: SystemName, code: str, clock: Clock) -> Obtained:
    """Makes tokens of a code and keeps them. Raises ConnectorError, StoreError, or UserError where the database's key cannot be had."""
    consent, options = consent_of(settings, system)
    kind = KINDS[settings.systems[system].kind]
    async with kind.session(system, options, clock, kind.quota(system, options, clock)) as session:
        obtained = await consent.redeem(options, session, code)
    await _keep(settings, system, obtained, clock)
    return obtained


def consent_of(settings: Settings, system: SystemName) -> tuple[Consent, BaseModel]:
    """How a system is let in to, with its options. Raises UserError where nobody has to agree to anything."""
    configured = settings.systems[system]
    kind = KINDS[configured.kind]
    if kind.consent is None or not kind.renews(configured.options):
        raise UserError(
            f"{system} has a credential of its own, and nobody has to agree to anything",
            hint="only systems with a `client_id` are let in this way; `syncd doctor` tells whether the credential is good",
        )
    return kind.consent, configured.options


async def _keep(settings: Settings, system: SystemName, obtained: Obtained, clock: Clock) -> None:
    path = database_path(settings)
    if is_owned(path):
        await Beside(path).write(lambda tx: tokens.save(tx, system, obtained.tokens, clock.now()))
        return
    with owning(path):
        async with open_database(path) as database:
            await database.write(lambda tx: tokens.save(tx, system, obtained.tokens, clock.now()))


def code_in(brought: str, state: str) -> str:
    """The code in what a person brought along: the address he was sent to, whose state is checked, or the code alone. Raises UserError."""
    text = brought.strip()
    if "=" not in text:
        if not text or len(text) > CODE_MAX or not text.isprintable() or " " in text:
            raise UserError("this is no code", hint="bring the whole address that you were sent to, or the code in it")
        return text
    return _checked(parse_qs(urlsplit(text).query or text), state)


def _checked(query: dict[str, list[str]], state: str) -> str:
    if not hmac.compare_digest((query.get("state") or [""])[0].encode(), state.encode()):
        raise UserError("this answer belongs to another request", hint="run `syncd auth` again, and use the address that it shows")
    if "error" in query:
        raise UserError("you were sent back without leave: nobody agreed")
    code = (query.get("code") or [""])[0]
    if not code or len(code) > CODE_MAX:
        raise UserError("this answer has no code", hint="bring the whole address that you were sent to")
    return code


def can_come_back(redirect_uri: str) -> bool:
    """Whether the person can be sent back to this very process."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


@asynccontextmanager
async def coming_back(redirect_uri: str, state: str) -> AsyncIterator[Code]:
    """Listens at the redirect address for the length of the block; gives what waits for the code. Raises UserError where it cannot."""
    parts = urlsplit(redirect_uri)
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(request: web.Request) -> web.Response:
        try:
            code = _checked(parse_qs(request.query_string), state)
        except UserError as error:
            if "error" in request.query and not came.done() and hmac.compare_digest(request.query.get("state", "").encode(), state.encode()):
                came.set_exception(error)
            return web.Response(status=400, text=_REFUSED, content_type="text/html", headers={"Connection": "close"})
        if not came.done():
            came.set_result(code)
        return web.Response(text=_DONE, content_type="text/html", headers={"Connection": "close"})

    app = web.Application(client_max_size=CODE_MAX)
    app.router.add_get(parts.path or "/", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
        try:
            await web.TCPSite(runner, host, parts.port or 80).start()
        except OSError as error:
            raise UserError(f"{parts.hostname}:{parts.port or 80} cannot be listened at: {error.strerror}", hint="add --paste") from error
        yield lambda: asyncio.shield(came)
    finally:
        if came.done() and not came.cancelled():
            came.exception()
        came.cancel()
        await runner.cleanup()
