"""The gate every vendor request passes: count, authenticate, charge the quota, meet a fault, answer.

It turns an aiohttp request into a `Call`, runs the handler, and carries out whatever fault was ordered.

Rule: the order is fixed (count, token, quota, fault, handler), so a fault never hides a missing token, and every
request that is let in has been charged.

It must not know what an operation means; shapes of errors and headers come from the vendor.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from aiohttp import web

from syncd.sandbox.calls import Answer, Call, Refusal, Route
from syncd.sandbox.faults import Fault, FaultKind

if TYPE_CHECKING:
    from syncd.sandbox.vendor import Vendor

_ABRUPT_CLOSE: Final = struct.pack("ii", 1, 0)
_HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_SHAPED_BY_HANDLER = frozenset({FaultKind.EMPTY_LISTING, FaultKind.TRUNCATED_LISTING, FaultKind.PAGE_SKIP, FaultKind.STALE_READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What the quota said: let in or not, with the headers that tell the caller."""

    allowed: bool
    headers: Mapping[str, str]
    wait_s: float = 0.0


class Gate:
    """Serves the routes of one vendor."""

    def __init__(self, vendor: Vendor, random: Random) -> None:
        self._vendor = vendor
        self._request_ids = (str(UUID(int=random.getrandbits(96) << 32 | number)) for number in count(1))
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let every hanging request go."""
        self._closing.set()

    async def serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Answer one request of a known route."""
        vendor = self._vendor
        vendor.stats.arrived(route.operation)
        call = await self._read(request)
        refused = vendor.authorise(call)
        if refused is not None:
            return self._respond(call, refused)
        spend = vendor.spend()
        if not spend.allowed:
            return self._respond(call, vendor.too_many(spend.wait_s), spend.headers)
        fault = vendor.faults.take(route.operation, route.reach)
        if fault is None:
            return self._respond(call, self._run(route, call), spend.headers)
        vendor.stats.faults_served[fault.kind.value] += 1
        return await self._fail(fault, route, call, request, spend.headers)

    @web.middleware
    async def unmatched(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Give paths and methods nobody serves the vendor's own error shape."""
        try:
            response: web.StreamResponse = await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            if request.path.startswith("/_sandbox/"):
                raise
            self._vendor.stats.arrived("unknown")
            return self._respond(await self._read(request), self._vendor.error(error.status))
        return response

    async def _read(self, request: web.Request) -> Call:
        return Call(
            request_id=next(self._request_ids),
            method=request.method,
            path=request.path,
            params=request.match_info,
            query=request.query,
            headers=request.headers,
            raw=await request.read(),
            base_url=self._vendor.base_url,
        )

    def _run(self, route: Route, call: Call) -> Answer:
        try:
            return route.handler(call)
        except Refusal as refusal:
            return refusal.answer

    def _respond(self, call: Call, answer: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
        """Write an answer out, with the vendor's last touch and the quota's headers."""
        vendor = self._vendor
        answer = vendor.finish(call, answer)
        vendor.stats.statuses[answer.status] += 1
        if answer.status == 429:
            vendor.stats.rate_limited += 1
        merged = {**(headers or {}), **answer.headers}
        if answer.payload is None:
            return web.Response(status=answer.status, headers=merged)
        if isinstance(answer.payload, bytes):
            return web.Response(status=answer.status, body=answer.payload, headers=merged)
        body = orjson.dumps(answer.payload)
        return web.Response(status=answer.status, body=body, headers=merged, content_type="application/json")

    async def _fail(
        self, fault: Fault, route: Route, call: Call, request: web.Request, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Carry out one fault; every kind has its branch here."""
        vendor = self._vendor
        kind = fault.kind
        if kind in _SHAPED_BY_HANDLER:
            return self._respond(call, self._run(route, replace(call, shaping=kind)), headers)
        if kind in (FaultKind.ERROR_AFTER, FaultKind.HANG_AFTER, FaultKind.RESET_AFTER):
            # The effect is real; only the news of it is lost.
            self._run(route, call)
        match kind:
            case FaultKind.ERROR_BEFORE | FaultKind.ERROR_AFTER:
                return self._respond(call, vendor.error(fault.status, fault.message), headers)
            case FaultKind.HANG_BEFORE | FaultKind.HANG_AFTER:
                await self._pause(fault.seconds)
                return self._drop(request)
            case FaultKind.SLOW:
                await self._pause(fault.seconds)
                return self._respond(call, self._run(route, call), headers)
            case FaultKind.UNAUTHORIZED:
                return self._respond(call, vendor.error(401), headers)
            case FaultKind.RATE_LIMITED:
                return self._respond(call, _rate_limited(vendor, fault), headers)
            case FaultKind.HTML:
                # A proxy in front of the vendor spoke; the vendor never saw the request.
                return web.Response(status=200, text=_HTML, content_type="text/html", headers=headers)
            case FaultKind.BAD_JSON:
                return _torn(self._respond(call, self._run(route, call), headers))
            case _:
                return self._drop(request)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _drop(self, request: web.Request) -> web.StreamResponse:
        """Close the connection without an answer; the lingering option makes it a reset, not a goodbye."""
        transport = request.transport
        if transport is not None:
            raw = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT_CLOSE)
            transport.abort()
        return web.Response(status=500)


def _rate_limited(vendor: Vendor, fault: Fault) -> Answer:
    answer = vendor.error(429)
    if fault.retry_after_s is None:
        return answer
    return Answer(
        status=429,
        payload=answer.payload,
        headers={**answer.headers, vendor.retry_after_name: str(fault.retry_after_s)},
    )


def _torn(response: web.Response) -> web.Response:
    whole = response.body
    half = whole[: len(whole) // 2] if isinstance(whole, bytes) and whole else b'{"contact":{"id"'
    headers = {name: value for name, value in response.headers.items() if name not in ("Content-Length", "Content-Type")}
    return web.Response(status=200, body=half, headers=headers, content_type="application/json")
