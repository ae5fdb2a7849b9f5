"""The wire: connections to one vendor account, as the HTTP library makes them.

The rule that keeps it true: nothing is sent twice, no redirect is followed, nobody is connected to who is not on the internet (or on this
machine, where that was asked for), and what breaks becomes one `Unavailable` that says truly whether anything may have happened.
It must not know: what is asked, what an answer means, or quotas.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from syncd.connectors.address import is_reachable
from syncd.core.errors import Effect, Unavailable
from syncd.core.record import SystemName


class Wire:
    """The connections of one account. Made where an event loop runs, and to be closed."""

    def __init__(self, *, system: SystemName, headers: Mapping[str, str], in_flight_max: int, timeout_s: float) -> None:
        self._system = system
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=in_flight_max, ssl=_trust(), resolver=_Resolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, 10), sock_read=min(timeout_s, 30)),
            trust_env=False,
            middlewares=(_once,),
        )

    async def close(self) -> None:
        """Ends all connections."""
        await self._client.close()

    @asynccontextmanager
    async def request(
        self, method: str, url: URL, *, headers: Mapping[str, str], data: bytes | None = None, name: str, writes: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; its response for the length of the block, in which the body may be read. Raises Unavailable where the whole did not
        arrive: under this `name`, and with a doubt where it `writes`.
        """
        try:
            async with self._client.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._broken(name, error, writes=writes) from error

    def _broken(self, name: str, error: Exception, *, writes: bool) -> Unavailable:
        """No whole response. Where no connection came about, nothing can have happened."""
        never_sent = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
        maybe = writes and not never_sent
        hint = "no connection could be made" if never_sent else ""
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _InsideError):
            hint = "its name leads into a private network, where no vendor is"
        elif isinstance(error, aiohttp.ClientConnectorCertificateError):
            hint = "its certificate does not hold: it has expired, is of another host, or nobody we trust made it out"
        return Unavailable(
            f"{name} got no answer: {error if isinstance(error, _LostError) else type(error).__name__}",
            system=self._system,
            hint=hint,
            effect=Effect.MAYBE if maybe else Effect.NONE,
        )


class _InsideError(OSError):
    """A name leads to where no vendor is."""


class _Resolver(aiohttp.ThreadedResolver):
    """Looks names up, and knows no address but of the internet, or of this machine where that was asked for.

    What is connected to is what was found here, at that moment: a name that leads elsewhere than it did before gains nothing.
    """

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The addresses of a name that may be connected to; raises OSError where there are others only."""
        found = await super().resolve(host, port, family)
        reachable = [each for each in found if is_reachable(each["host"], host)]
        if found and not reachable:
            raise _InsideError(f"{host} leads into a private network")
        return reachable


@cache
def _trust() -> ssl.SSLContext:
    """Certificates are verified, by the system's authorities, and nothing older than TLS 1.2 is spoken."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _LostError(aiohttp.ClientError):
    """The connection broke after the request was on its way."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps the library from sending a PUT or DELETE again when a connection breaks: the first may have taken effect, and somebody edited since."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _LostError(type(error).__name__) from error
