"""What a kind of connector says about itself before any account is connected.

`Kind` is one row of the registry: settings, member options, what can be done, which fields are known, and how to open it.
The rule that keeps it true: everything in a kind is known without a network, so that a configuration can be checked offline.
It must not know: which kinds there are, or what the configuration file looks like.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from syncd.connectors.address import check_base_url
from syncd.connectors.base import Capabilities, Connector, FieldSpec, Schema
from syncd.connectors.catalogue import Catalogue
from syncd.connectors.clock import Clock
from syncd.connectors.credential import Keeper
from syncd.connectors.http import Session
from syncd.connectors.quota import Quota
from syncd.core.errors import ConnectorError, UserError
from syncd.core.record import CollectionName, Json, Micros, SystemName


class Secret(SecretStr):
    """A setting that is never shown nor pickled; the configuration hands it over already resolved."""

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _known: object) -> Self:
        return self


class Settings(BaseModel):
    """What every system's own section holds. `base_url` is the vendor's unless an emulator stands in for it.

    `timeout_s` bounds one call from its start to the last byte of its answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    HOSTS: ClassVar[frozenset[str]] = frozenset()
    """The vendor's own; empty where it has none of its own, as what is reached through hooks."""

    base_url: str
    timeout_s: float = Field(default=45.0, ge=0.1, le=600)

    @field_validator("base_url")
    @classmethod
    def _callable_address(cls, value: str) -> str:
        try:
            return str(check_base_url(value, cls.HOSTS))
        except UserError as error:
            raise ValueError(str(error)) from error


class MemberOptions(BaseModel):
    """What a member of a sync may say beyond what every member may."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """What a person's consent brought: `tokens` as they are to be kept, whose they are, what they open, and until when."""

    tokens: Json = field(repr=False)
    holder: str
    account: str
    scopes: frozenset[str]
    expires_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """How a person lets us in. `url` is where he does, for these scopes and this state; `redirect_uri` is where he is sent back to with a
    code, and `redeem` makes tokens of that code, or raises a ConnectorError.
    """

    url: Callable[[Any, Iterable[str], str], str]
    redirect_uri: Callable[[Any], str]
    redeem: Callable[[Any, Session, str], Awaitable[Obtained]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """Who we are to a vendor: the account's name, whose token we have, and what that opens until when (None: the vendor does not tell)."""

    name: str
    holder: str = ""
    scopes: frozenset[str] | None = None
    expires_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Something of an account that a configuration or a value may name: a calendar, say. `parts` are what it consists of."""

    id: str
    name: str
    about: str = ""
    parts: tuple[Named, ...] = ()


Surveyed: TypeAlias = Mapping[str, Sequence[Named] | ConnectorError]
"""What an account has besides its records, by what they are called together; or why that cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedField:
    """A field of a collection that the parameters of a call name, at a place among them: by its `path`, or by the vendor's `id` of it."""

    collection: CollectionName
    where: tuple[str | int, ...]
    path: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of system.

    `secret_fields` are the settings that hold secrets. `collection_name` gives a member's full collection name from its options.
    `fields` are the paths known before discovery; a path that begins with one of `open_prefixes` only discovery can check, and
    `resolve` turns the way an operator may write such a path into the path records really have (None: there is none).
    `quota_key` is equal for settings that draw on the same quota at the vendor, which must then share one `Quota`.
    `identity` says which account the settings lead to, as far as they tell (a key may be renewed, an account not exchanged).
    `operations` is the vendor's catalogue, where there is one; `known_values` are the parameters of its operations that the settings tell.
    `renews` says whether these settings live by tokens that the vendor replaces; `credential` then gives a session the credential that
    replaces them, for the length of a block, and `consent` is how the first ones are had. `token_key` is the setting with the key of their own
    that such tokens were once sealed with, where it is still there. `scopes` are those
    that reading a collection needs, and those that writing it needs besides. `introduce` asks the vendor who we are, and
    `survey` what the account has besides records.
    `unable` says why these settings do not let a record of a collection be deleted (``delete``; ``erase``: for good) or marked instead
    (``archive``); None where they do, or where that cannot be told.
    `named_fields` are the fields that only discovery can check and the parameters of an operation name as they stand.
    `webhook_words` are what it
    calls its webhooks, as far as that is known (None: its webhooks have no kinds, or there are none). `between` stands between a parent's id and a
    record's own in the ids of records that are addressed by both.
    """

    name: str
    about: str
    settings: type[Settings]
    secret_fields: frozenset[str]
    member: type[MemberOptions]
    collections: tuple[str, ...]
    collection_name: Callable[[str, Any], CollectionName]
    capabilities: Callable[[str], Capabilities]
    fields: Callable[[str], Mapping[str, FieldSpec]]
    open_prefixes: tuple[str, ...]
    resolve: Callable[[Schema, str], str | None]
    quota_key: Callable[[Any], str]
    identity: Callable[[Any], str]
    quota: Callable[[SystemName, Any, Clock], Quota]
    session: Callable[[SystemName, Any, Clock, Quota], Session]
    connect: Callable[[SystemName, Any, Session], Connector]
    operations: Catalogue | None = None
    known_values: Callable[[Any], Mapping[str, Json]] = lambda _settings: {}
    renews: Callable[[Any], bool] = lambda _settings: False
    token_key: Callable[[Any], Secret | None] = lambda _settings: None
    credential: Callable[[Any, Session, Keeper], AbstractAsyncContextManager[None]] | None = None
    scopes: Callable[[str], tuple[frozenset[str], frozenset[str]]] = lambda _collection: (frozenset(), frozenset())
    consent: Consent | None = None
    introduce: Callable[[Any, Session], Awaitable[Introduction]] | None = None
    survey: Callable[[Any, Session], Awaitable[Surveyed]] | None = None
    unable: Callable[[Any, str, str], str | None] = lambda _settings, _collection, _deed: None
    named_fields: Callable[[str, Mapping[str, Json]], Iterable[NamedField]] = lambda _operation, _given: ()
    webhook_words: frozenset[str] | None = None
    between: str = ""


def matching_path(schema: Schema, path: str, *, prefix: str) -> str | None:
    """The path of the schema that is meant: itself, else the only one under `prefix` with this name or label in any spelling."""
    if path in schema.fields:
        return path
    if not path.startswith(prefix):
        return None
    wanted = path.removeprefix(prefix).casefold()
    open_ones = [spec for spec in schema.fields.values() if spec.path.startswith(prefix)]
    names = [spec.path for spec in open_ones if spec.path.removeprefix(prefix).casefold() == wanted]
    found = names or [spec.path for spec in open_ones if spec.label.casefold() == wanted]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A connected system, with the quota its calls are made within and the session that carries them."""

    connector: Connector
    quota: Quota
    session: Session


@asynccontextmanager
async def open_connector(
    kind: Kind, system: SystemName, settings: Settings, *, clock: Clock, quota: Quota | None = None, keeper: Keeper | None = None
) -> AsyncIterator[Opened]:
    """Connects a system for the length of the block. Give the `quota` of another with the same `quota_key`, if there is one, and a
    `keeper` where the settings live by tokens that are replaced.
    """
    shared = quota if quota is not None else kind.quota(system, settings, clock)
    async with kind.session(system, settings, clock, shared) as session, _renewing(kind, settings, session, keeper):
        yield Opened(connector=kind.connect(system, settings, session), quota=shared, session=session)


def _renewing(kind: Kind, settings: Settings, session: Session, keeper: Keeper | None) -> AbstractAsyncContextManager[None]:
    if kind.credential is None or not kind.renews(settings):
        return nullcontext()
    if keeper is None:
        raise UserError(f"{session.system}: its tokens are kept in the database, which was not opened", hint="this is a fault in syncd")
    return kind.credential(settings, session, keeper)
