"""Calls to a vendor: bounded in time and size, within its quota, and with every failure named for the next step.

`Session` is one vendor account's connection, carried by `wire`; `Operation` is one row of a connector's table; `Dialect` is how the vendor
words its limits and refusals.
The rule that keeps it true: whatever comes over the wire becomes an `Answer` or one `ConnectorError` here and nowhere else, and an
error says truly whether the call may have had an effect. No error carries a body, an address with its query, or a credential.
It must not know: any vendor's paths, fields or header names; what a record is.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

import orjson
from yarl import URL

from syncd import __version__
from syncd.connectors.address import check_base_url, fill
from syncd.connectors.base import Skew
from syncd.connectors.clock import Clock, SkewMeter
from syncd.connectors.credential import Credential
from syncd.connectors.payload import is_deeper, need_room
from syncd.connectors.quota import Limits, Quota, Slot
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.record import Json, SystemName

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from syncd.connectors.wire import Wire

RESPONSE_BYTES_MAX = 8 * 1024 * 1024
DEPTH_MAX = 64
MESSAGE_MAX = 300
_CHUNK = 64 * 1024
_PERSONAL = re.compile(r"(?P<trace>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)|[^\s\"'<>]+@[^\s\"'<>]+|\+?\d[\d ().-]{6,}\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One vendor operation. `writes` says that it changes something, so that a lost answer leaves a doubt.

    `any_body` says that a success need not be answered with JSON: a file, or nothing at all. `may_say_nothing` says that a success is
    JSON or has no body; a page of some proxy's is then no success.
    """

    name: str
    method: str
    path: str
    writes: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    any_body: bool = False
    may_say_nothing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the vendor said. `body` is its JSON; None where there was no body, the bytes where `any_body` brought something else."""

    operation: Operation
    status: int
    body: Json
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why a door is closed (401, 403): `expired` where another token would open it, `hint` what a person can do about it.

    `narrow` says that only this operation is closed, and the credential is good for others.
    """

    expired: bool = False
    narrow: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one vendor words things that every vendor says: its limits in headers, and why it refuses in a body."""

    limits: Callable[[int, Mapping[str, str]], Limits]
    message: Callable[[Json], str]
    closed: Callable[[Answer], Closed] = lambda _answer: Closed()


class Session:
    """One account's connection. Use as `async with`; the socket pool is closed at its end.

    `credential` is there where the vendor replaces tokens; else the headers hold one that stays.
    """

    def __init__(
        self,
        *,
        system: SystemName,
        base_url: str,
        headers: Mapping[str, str],
        dialect: Dialect,
        quota: Quota,
        clock: Clock,
        timeout_s: float = 45.0,
    ) -> None:
        self.system = system
        self.quota = quota
        self.clock = clock
        self._base = check_base_url(base_url)
        self._headers = {"Accept": "application/json", "User-Agent": f"syncd/{__version__}", **headers}
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._skew = SkewMeter()
        self._wire: Wire | None = None
        self.credential: Credential | None = None

    async def __aenter__(self) -> Self:
        # Only who calls a vendor pays for the library that does it, which takes a fifth of a second to load.
        from syncd.connectors.wire import Wire

        self._wire = Wire(
            system=self.system, headers=self._headers, in_flight_max=self.quota.in_flight_max, timeout_s=self._timeout_s
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._wire is not None:
            await self._wire.close()

    def skew(self) -> Skew:
        """The vendor's clock as last measured."""
        return self._skew.skew()

    async def call(
        self,
        operation: Operation,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str | list[str]] | None = None,
        body: Json = None,
        accept: Collection[int] = (),
        leaving: Callable[[], Awaitable[None]] | None = None,
    ) -> Answer:
        """Makes one call when the quota has room. 2xx and the statuses in `accept` are answers; all else is a ConnectorError.

        `leaving` is done when the quota has granted the call and before anything is sent; what it raises keeps the call from being made.
        A call that is turned away because its token expired is made once more with a new one: turned away at the door, it had no effect.
        """
        path = fill(operation.path, ids or {}, system=self.system)
        url = self._base.with_path(self._base.path.rstrip("/") + path, encoded=True).with_query(query or {})
        headers = dict(operation.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else orjson.dumps(body)
        if self.credential is None:
            async with self.quota.slot() as slot:
                if leaving is not None:
                    await leaving()
                return await self._exchange(operation, url, headers, data, slot, accept)
        tried = ""
        while True:
            async with self.quota.slot() as slot:
                headers["Authorization"] = await self.credential.header(operation.name)
                if leaving is not None and not tried:
                    await leaving()
                answer = await self._exchange(operation, url, headers, data, slot, {*accept, 401, 403})
            if answer.status not in (401, 403) or answer.status in accept:
                return answer
            refused, expired = headers["Authorization"], self._dialect.closed(answer).expired
            if tried or not await self.credential.renewed(refused, expired=expired):
                raise self.refusal(answer)
            tried = refused

    async def ask(self, operation: Operation, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Makes one call about the credential itself: a form, outside the quota. Every status is an answer; raises Unavailable without one."""
        url = self._base.with_path(self._base.path.rstrip("/") + operation.path, encoded=True)
        form_headers = {"Content-Type": "application/x-www-form-urlencoded", **operation.headers, **headers}
        return await self._exchange(operation, url, form_headers, urlencode(form).encode(), None, range(100, 600))

    def refusal(self, answer: Answer, *, hint: str = "") -> ConnectorError:
        """The error that a status other than 2xx stands for; for connectors that looked into an accepted answer and found nothing."""
        operation, status = answer.operation, answer.status
        maybe = Effect.MAYBE if operation.writes else Effect.NONE
        message = f"{operation.name} was answered {status}"
        if said := clean(self._veiled(self._dialect.message(answer.body))):
            message = f"{message}: {said}"
        if status == 429:
            return Unavailable(
                message, system=self.system, hint="the quota waits", status=status, retry_after_s=answer.retry_after_s
            )
        if status >= 500 or status == 408:
            return Unavailable(
                message, system=self.system, hint=hint, effect=maybe, status=status, retry_after_s=answer.retry_after_s
            )
        if status in (401, 403):
            closed = self._dialect.closed(answer)
            hint = hint or closed.hint or "check the credential and its permissions"
            return Unauthorized(message, system=self.system, hint=hint, status=status, narrow=closed.narrow)
        if status in (409, 412):
            return Stale(message, system=self.system, hint=hint, status=status)
        if status < 400:
            hint = "the vendor points elsewhere, and credentials are not sent elsewhere; check `base_url`"
            return Rejected(message, system=self.system, hint=hint, effect=maybe, status=status)
        return Rejected(message, system=self.system, hint=hint, status=status)

    def unexpected(self, operation: Operation, what: str) -> Unavailable:
        """A 2xx whose body is not what it should be: nothing may be concluded from it, not even that nothing happened."""
        effect = Effect.MAYBE if operation.writes else Effect.NONE
        return Unavailable(f"{operation.name} was answered with {what}", system=self.system, effect=effect)

    async def _exchange(
        self, operation: Operation, url: URL, headers: Mapping[str, str], data: bytes | None, slot: Slot | None, accept: Collection[int]
    ) -> Answer:
        """One request and its response."""
        assert self._wire is not None, "the session is not open"
        sent_at = self.clock.monotonic()
        async with self._wire.request(
            operation.method, url, headers=headers, data=data, name=operation.name, writes=operation.writes
        ) as response:
            self._measure(response, sent_at)
            return await self._read(operation, response, slot, accept)

    async def _read(
        self, operation: Operation, response: ClientResponse, slot: Slot | None, accept: Collection[int]
    ) -> Answer:
        """Reads a response whose head has arrived; what the head says of limits is believed even if the body breaks off."""
        limits = self._dialect.limits(response.status, response.headers)
        if slot is not None:
            slot.learn(limits)
        raw = await self._bounded(operation, response)
        good = 200 <= response.status < 300
        if good and operation.any_body and response.content_type != "application/json":
            return Answer(operation=operation, status=response.status, body=raw or None, retry_after_s=limits.retry_after_s)
        silent = response.status == 204 or (operation.may_say_nothing and not raw)
        if good and not silent and not _may_be_json(response.content_type):
            raise self.unexpected(operation, f"a body of the type {clean(response.content_type)}")
        body = self._decode(operation, raw, must=good and not silent)
        answer = Answer(operation=operation, status=response.status, body=body, retry_after_s=limits.retry_after_s)
        if good or response.status in accept:
            return answer
        raise self.refusal(answer)

    async def _bounded(self, operation: Operation, response: ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            raw += chunk
            if len(raw) > RESPONSE_BYTES_MAX:
                raise self.unexpected(operation, f"more than {RESPONSE_BYTES_MAX} bytes")
        return bytes(raw)

    def _decode(self, operation: Operation, raw: bytes, *, must: bool) -> Json:
        """The JSON in a body. An error page need not hold any; a success must, or it was not the vendor who answered."""
        need_room(len(raw))
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            if must:
                raise self.unexpected(operation, "something that is no JSON") from error
            return None
        if is_deeper(body, DEPTH_MAX):
            raise self.unexpected(operation, f"JSON of more than {DEPTH_MAX} levels")
        return body

    def _veiled(self, text: str) -> str:
        """A vendor's words without our token, should it have repeated that."""
        secret = self._headers.get("Authorization", "").rpartition(" ")[2]
        text = text.replace(secret, "…") if secret else text
        return text if self.credential is None else self.credential.veil(text)

    def _measure(self, response: ClientResponse, sent_at: float) -> None:
        round_trip_s = self.clock.monotonic() - sent_at
        self._skew.measure(response.headers.get("Date"), answered_at=self.clock.now(), round_trip_s=round_trip_s)


def _may_be_json(content_type: str) -> bool:
    """A page or a picture is none, whatever it reads like. Some send JSON under no type, or under one that says nothing."""
    return content_type.endswith(("json", "text/plain", "application/octet-stream"))


def clean(text: str) -> str:
    """A vendor's message without what looks like an e-mail address or a phone number, and not too long; a UUID is what its support asks for."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return _PERSONAL.sub(lambda found: found["trace"] or "…", printable)[:MESSAGE_MAX].strip()
