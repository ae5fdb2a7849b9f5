"""A vendor that hands out tokens, a real file to keep them in, and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from syncd.connectors.gohighlevel import KIND, operations
from syncd.connectors.http import Session
from syncd.core.record import SECOND, SystemName
from syncd.sandbox import GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.store import tokens
from syncd.store.database import Database, open_database
from syncd.store.tokens import Keeping

GHL = SystemName("ghl")


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1_700_000_000 * SECOND

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / SECOND


@dataclass
class Town:
    """The vendor, the database, the configuration's options, and sessions to call with."""

    sandbox: Sandbox
    database: Database
    clock: HandClock
    options: object
    stack: AsyncExitStack

    @property
    def oauth(self):
        return self.sandbox.ghl.oauth

    @property
    def requests(self):
        return self.sandbox.ghl.stats.requests

    async def session(self) -> Session:
        """Another session, as another process would have it."""
        keeper = Keeping(self.database, GHL, self.clock.now)
        quota = KIND.quota(GHL, self.options, self.clock)
        session = await self.stack.enter_async_context(KIND.session(GHL, self.options, self.clock, quota))
        await self.stack.enter_async_context(KIND.credential(self.options, session, keeper))
        return session

    async def consent(self, *, keep=True, scopes=None):
        """A person agrees; the tokens are kept."""
        quota = KIND.quota(GHL, self.options, self.clock)
        asked = scopes or {"contacts.readonly", "contacts.write", "locations.readonly", "locations/customFields.readonly", "companies.readonly"}
        async with KIND.session(GHL, self.options, self.clock, quota) as session, ClientSession() as browser:
            async with browser.get(KIND.consent.url(self.options, asked, "state"), allow_redirects=False) as answer:
                code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
            obtained = await KIND.consent.redeem(self.options, session, code)
        if keep:
            await self.database.write(lambda tx: tokens.save(tx, GHL, obtained.tokens, self.clock.now()))
        return obtained

    async def kept(self):
        return await self.database.read(lambda tx: tokens.load(tx, GHL))


async def opened_beside(stack: AsyncExitStack, path: Path) -> Database:
    """The database, open in a task of its own, for a fixture begins in one task and ends in another."""
    opened, done = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold() -> None:
        async with open_database(path) as database:
            opened.set_result(database)
            await done.wait()

    task = asyncio.create_task(hold())

    async def close() -> None:
        done.set()
        await task

    stack.push_async_callback(close)
    return await opened


async def build_town(stack: AsyncExitStack, folder: Path, *, consent: bool = True, **options) -> Town:
    """A town for the life of `stack`."""
    clock = HandClock()
    sandbox = await stack.enter_async_context(
        Sandbox(SandboxOptions(ghl=GoHighLevelOptions(index_lag_s=0.0), quotas=False, clock=lambda: clock.at / SECOND))
    )
    database = await opened_beside(stack, folder / "syncd.db")
    town = Town(sandbox, database, clock, settings(sandbox.ghl, **options), stack)
    if consent:
        await town.consent()
    return town


def settings(vendor, **options):
    oauth = vendor.oauth
    return KIND.settings(**{
        "base_url": vendor.base_url, "location_id": vendor.options.location_id, "client_id": oauth.client_id,
        "client_secret": oauth.client_secret, "redirect_uri": oauth.redirect_uri,
        "authorize_url": vendor.base_url + "/v2/oauth/chooselocation", "timeout_s": 5, "calls_per_window": 10_000, **options,
    })


async def look(session: Session):
    """A read."""
    return await session.call(operations.LOCATION, ids={"locationId": "SandboxLocation00001"})


async def write(session: Session, email="a@example.com"):
    """A write that a second time would double."""
    return await session.call(operations.CREATE, body={"locationId": "SandboxLocation00001", "email": email})
