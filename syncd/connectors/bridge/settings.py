"""What the operator says about a system that is reached through flows, and the limits its hooks are called within.

`BridgeSettings` is the system's section; `HookSession` calls hooks at whatever address each has.
The rule that keeps it true: an address of a hook opens a door for whoever has it, so it is a secret, and is told to nobody but its host.
It must not know: what is handed off, or what comes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator
from yarl import URL

from syncd.connectors.address import check_base_url
from syncd.connectors.base import FieldSpec
from syncd.connectors.bridge.shapes import OPEN, Shape
from syncd.connectors.budgets import BucketBudget, number
from syncd.connectors.clock import Clock
from syncd.connectors.http import Answer, Dialect, Operation, Session
from syncd.connectors.keys import Key, keys_of
from syncd.connectors.kind import MemberOptions, Secret, Settings
from syncd.connectors.quota import Limits, Quota
from syncd.core.errors import UserError
from syncd.core.fields import FieldType
from syncd.core.record import SECOND, CollectionName, Json, Micros, SystemName

_DAY_S = 86_400
_SECRET_CHARACTERS_MIN = 24
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_ -]{0,63}$"


class Deed(StrEnum):
    """What a hook does. One that archives stands in for one that deletes, where the system cannot be made to."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ARCHIVE = "archive"


class DeclaredField(BaseModel):
    """One field of a collection: its type, what it is called, and the only values it takes, where there are such."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: FieldType = FieldType.TEXT
    label: str = ""
    options: tuple[str, ...] = ()


class DeclaredCollection(BaseModel):
    """One collection: its fields, which of them tell records apart (first things first), and whether a flow says when one is deleted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: Mapping[str, DeclaredField] = Field(default_factory=dict)
    keys: tuple[str, ...] = ()
    tells_deletes: bool = False

    @field_validator("fields", mode="before")
    @classmethod
    def _type_alone(cls, value: Json) -> Json:
        """A field's type may stand by itself."""
        if not isinstance(value, dict):
            return value
        return {name: {"type": each} if isinstance(each, str) else each for name, each in value.items()}


class BridgeSettings(Settings):
    """One system behind flows.

    `hooks` is a secret of several lines, each ``COLLECTION.DEED ADDRESS``. `secret` signs what goes out and what comes in; `header_secret` is
    the weaker way for flows that cannot sign: it comes with each post as it is, and proves neither contents nor time.
    A write waits `ack_wait_s` for its acknowledgement before it is put aside; one that is silent for `ack_timeout_s` is handed off again.
    `calendar_url` is the address of a calendar that can be subscribed to, read as the collection ``events`` from `calendar_back_days` ago to
    `calendar_ahead_days` ahead; times in it without a zone are in `calendar_timezone`.
    `trigger_delay_s` is how long after a change its trigger may fire. A post signed more than `window_s` ago is refused.
    """

    base_url: str = "https://hooks.zapier.com"
    hooks: Secret | None = None
    secret: Secret | None = None
    secret_previous: Secret | None = None
    header_secret: Secret | None = None
    header_secret_previous: Secret | None = None
    window_s: int = Field(default=300, ge=10, le=3_600)
    ack_wait_s: float = Field(default=15.0, ge=0.0, le=120.0)
    ack_timeout_s: int = Field(default=3_600, ge=60, le=7 * _DAY_S)
    trigger_delay_s: int = Field(default=900, ge=0, le=_DAY_S)
    calendar_url: Secret | None = None
    calendar_timezone: str = "UTC"
    calendar_back_days: int = Field(default=30, ge=0, le=3_660)
    calendar_ahead_days: int = Field(default=365, ge=1, le=3_660)
    calls_per_s: float = Field(default=5.0, ge=0.1, le=1_000)
    collections: Mapping[str, DeclaredCollection] = Field(default_factory=dict)

    @field_validator("calendar_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {value!r}; write one such as America/New_York") from error
        return value

    @property
    def ack_timeout(self) -> Micros:
        return self.ack_timeout_s * SECOND

    @property
    def trigger_delay(self) -> Micros:
        return self.trigger_delay_s * SECOND

    def signing_keys(self) -> tuple[Key, ...]:
        """The secrets a signature may be made with, the one in use first. Raises UserError for one that could be guessed."""
        return _long_enough(secret=self.secret, secret_previous=self.secret_previous)

    def header_keys(self) -> tuple[Key, ...]:
        """The secrets that may stand in a header. Raises UserError for one that could be guessed."""
        return _long_enough(header_secret=self.header_secret, header_secret_previous=self.header_secret_previous)

    def hook_addresses(self) -> dict[tuple[CollectionName, Deed], URL]:
        """Where each deed of each collection is handed off. Raises UserError for a line that says nothing of the kind."""
        text = "" if self.hooks is None else self.hooks.get_secret_value()
        found: dict[tuple[CollectionName, Deed], URL] = {}
        for place, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                collection, deed, address = _hook(line, place)
                found[collection, deed] = URL(self.base_url + address, encoded=True) if address.startswith("/") else URL(address)
        return found

    def calendar_address(self) -> URL | None:
        """Where the calendar is. Raises UserError where that is no address that may be called; the message does not tell it."""
        if self.calendar_url is None:
            return None
        text = self.calendar_url.get_secret_value().strip()
        text = "https://" + text.removeprefix("webcal://") if text.startswith("webcal://") else text
        try:
            url = URL(text)
            check_base_url(str(url.with_query(None).with_fragment(None)))
        except (UserError, ValueError, TypeError) as error:
            raise UserError(
                "the `calendar_url` is no address that may be called", hint="it begins with https:// or webcal:// and has no user in it"
            ) from error
        return url

    def shape(self, collection: str, built_in: Mapping[str, Shape]) -> Shape | None:
        """A collection as it is built in, as it is declared, or both; None where it is neither."""
        known, declared = built_in.get(collection), self.collections.get(collection)
        if declared is None:
            return known
        fields = {f"{OPEN}{name}": _spec(name, each) for name, each in declared.fields.items()}
        own = known or Shape(fields={})
        by_word = {**own.by_word, **{path.removeprefix(OPEN): path for path in fields}}
        return Shape(
            fields={**own.fields, **fields},
            keys=tuple(by_word.get(name, name) for name in declared.keys) or own.keys,
            required=own.required,
            tells_deletes=declared.tells_deletes,
        )


class NamedRecords(MemberOptions):
    """Which of the declared collections a member is."""

    name: str = Field(pattern=_NAME)


class NoOptions(MemberOptions):
    """A member needs nothing beyond what every member says."""


class HookSession(Session):
    """The connection to the hooks, wherever each of them is, and to the calendar."""

    async def fetch(self, operation: Operation, url: URL, *, accept: str, etag: str | None) -> tuple[bytes, str | None] | None:
        """What is at an address, and its ETag; None where it is as it was under `etag`. Anything else, a redirection too, is a ConnectorError."""
        assert self._wire is not None, "the session is not open"
        headers = {"Accept": accept, **({"If-None-Match": etag} if etag is not None else {})}
        async with (
            self.quota.slot() as slot,
            self._wire.request("GET", url, headers=headers, name=operation.name, writes=operation.writes) as response,
        ):
            slot.learn(DIALECT.limits(response.status, response.headers))
            if response.status == 304 and etag is not None:
                return None
            if response.status != 200:
                raise self.refusal(Answer(operation=operation, status=response.status, body=None))
            return await self._bounded(operation, response), response.headers.get("ETag")

    async def hand_off(self, operation: Operation, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Calls one hook when the quota has room. 2xx is an answer; all else is a ConnectorError, which does not tell the address."""
        async with self.quota.slot() as slot:
            return await self._exchange(operation, url, {"Content-Type": "application/json", **headers}, body, slot, ())


def quota_key(settings: BridgeSettings) -> str:
    """The same for the same hooks, without telling them."""
    hooks = "" if settings.hooks is None else settings.hooks.get_secret_value()
    return "bridge:" + hashlib.sha256(f"{settings.base_url}\0{hooks}".encode()).hexdigest()[:16]


def quota(system: SystemName, settings: BridgeSettings, clock: Clock) -> Quota:
    """As many calls as the operator allows; the programs that offer hooks bill by the run."""
    burst = max(10, round(2 * settings.calls_per_s))
    return Quota(system=system, clock=clock, budget=BucketBudget(burst=burst, per_s=settings.calls_per_s))


def session(system: SystemName, settings: BridgeSettings, clock: Clock, shared: Quota) -> Session:
    """The connection; what it carries proves itself by its signature."""
    return HookSession(
        system=system, base_url=settings.base_url, headers={}, dialect=DIALECT, quota=shared, clock=clock, timeout_s=settings.timeout_s
    )


def signed_body(body: Json) -> bytes:
    """The bytes that are sent, which are those that are signed."""
    return orjson.dumps(body)


def _hook(line: str, place: int) -> tuple[CollectionName, Deed, str]:
    """One line of the hooks. No message quotes it: it is a secret."""
    parts = line.split()
    name, _, deed = parts[0].rpartition(".")
    words = ", ".join(each.value for each in Deed)
    if len(parts) != 2 or not name or deed not in set(Deed):
        raise UserError(f"line {place} of `hooks` is not understood", hint=f"write COLLECTION.DEED ADDRESS, with a deed of {words}")
    try:
        if not parts[1].startswith("/"):
            check_base_url(parts[1])
    except UserError as error:
        raise UserError(
            f"line {place} of `hooks` has no address that may be called", hint="it begins with https:// and has no query"
        ) from error
    return CollectionName(name), Deed(deed), parts[1]


def _spec(name: str, declared: DeclaredField) -> FieldSpec:
    return FieldSpec(path=f"{OPEN}{name}", type=declared.type, label=declared.label or name, options=declared.options)


def _long_enough(**settings: Secret | None) -> tuple[Key, ...]:
    keys = keys_of(**settings)
    for key in keys:
        if len(key.secret) < _SECRET_CHARACTERS_MIN:
            raise UserError(
                f"the `{key.name}` is shorter than {_SECRET_CHARACTERS_MIN} characters",
                hint="it is all that tells your flows from a stranger; make one with `openssl rand -hex 32`",
            )
    return keys


def _limits(status: int, headers: Mapping[str, str]) -> Limits:
    return Limits(retry_after_s=number(headers, "Retry-After", most=_DAY_S), refused=status == 429)


def _message(body: Json) -> str:
    """A text, or an object that has one."""
    if isinstance(body, str):
        return body
    names: Sequence[str] = ("message", "error", "status")
    return str(next((body[name] for name in names if body.get(name)), "")) if isinstance(body, dict) else ""


DIALECT = Dialect(limits=_limits, message=_message)
