"""Stand-in kinds of systems, a configuration that is right, and a way to check one that is not.

The kinds are plain values that fulfil `KindFacts`, as the connectors' own do; none of them is anybody's vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from syncd.config import KindFacts, Report, check
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName


class Seen(Enum):
    """Where a deletion shows."""

    WEBHOOK = "webhook"
    NEVER = "never"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CrmSettings(Strict):
    location_id: str = Field(min_length=3, description="the account's own id")
    token: SecretStr
    base_url: str = "https://crm.example"


class MailerSettings(Strict):
    api_key: SecretStr


class ListOptions(Strict):
    list: str


class NoOptions(Strict):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Can:
    can_list: bool = True
    can_get: bool = True
    can_create: bool = True
    can_update: bool = True
    can_delete: bool = True
    required_on_create: frozenset[str] = frozenset()
    deletes_visible: Seen = Seen.WEBHOOK
    told_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A parameter."""

    name: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """An operation."""

    name: str
    operation: Made = Made()
    parameters: tuple[Taken, ...] = ()
    use_instead: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    path: str
    type: FieldType = FieldType.TEXT
    readable: bool = True
    writable: bool = True
    creatable: bool = True
    options: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A kind. `specs` and `can` hold one entry a collection."""

    name: str
    about: str = ""
    settings: type[BaseModel]
    secret_fields: frozenset[str]
    member: type[BaseModel] = NoOptions
    open_prefixes: tuple[str, ...] = ()
    specs: Mapping[str, tuple[Spec, ...]]
    can: Mapping[str, Can] = field(default_factory=dict)
    operations: Mapping[str, Op] | None = None
    known_values: Callable[[BaseModel], Mapping[str, object]] = lambda _settings: {}
    webhook_words: frozenset[str] | None = None

    @property
    def collections(self) -> tuple[str, ...]:
        return tuple(self.specs)

    def unable(self, settings: BaseModel, collection: str, deed: str, /) -> str | None:
        return None

    def collection_name(self, collection: str, options: BaseModel, /) -> CollectionName:
        scope = getattr(options, "list", None)
        return CollectionName(f"{collection}@{scope}" if scope else collection)

    def capabilities(self, collection: str, /) -> Can:
        return self.can.get(collection, Can())

    def fields(self, collection: str, /) -> Mapping[str, Spec]:
        return {spec.path: spec for spec in self.specs[collection]}


CRM = StandIn(
    name="crm",
    settings=CrmSettings,
    secret_fields=frozenset({"token"}),
    open_prefixes=("custom.",),
    specs={
        "contacts": (
            Spec(path="email", type=FieldType.EMAIL),
            Spec(path="firstName"),
            Spec(path="lastName"),
            Spec(path="phone", type=FieldType.PHONE),
            Spec(path="tags", type=FieldType.SET),
            Spec(path="dnd", type=FieldType.BOOL),
            Spec(path="source", writable=False),
            Spec(path="dateAdded", type=FieldType.INSTANT, writable=False, creatable=False),
            Spec(path="pin", readable=False),
            Spec(path="password", readable=False, writable=False, secret=True),
        ),
        "companies": (Spec(path="name"), Spec(path="email", type=FieldType.EMAIL)),
        "jobs": (
            Spec(path="contactId"),
            Spec(path="title"),
            Spec(path="done", type=FieldType.BOOL),
            Spec(path="due", type=FieldType.INSTANT),
            Spec(path="labels", type=FieldType.SET),
        ),
        "whispers": (Spec(path="contactId"),),
    },
    can={"whispers": Can(can_list=False), "companies": Can(deletes_visible=Seen.NEVER)},
    operations={
        each.name: each
        for each in (
            Op(name="get-slots", parameters=(Taken(name="calendarId", required=True), Taken(name="from"))),
            Op(
                name="create-note", operation=Made(writes=True),
                parameters=(Taken(name="contactId", required=True), Taken(name="body", required=True), Taken(name="locationId", required=True)),
            ),
        )
    },
    known_values=lambda settings: {"locationId": settings.location_id},
    webhook_words=frozenset({"ContactTagUpdate"}),
)
MAILER = StandIn(
    name="mailer",
    settings=MailerSettings,
    secret_fields=frozenset({"api_key"}),
    member=ListOptions,
    open_prefixes=("fields.",),
    specs={
        "contacts": (
            Spec(path="email_address", type=FieldType.EMAIL),
            Spec(path="status", type=FieldType.CHOICE, options=("subscribed", "unsubscribed")),
            Spec(path="tags", type=FieldType.SET),
            Spec(path="id", writable=False, creatable=False),
        )
    },
    can={"contacts": Can(can_delete=False, required_on_create=frozenset({"email_address"}))},
)
GOOD = """\
[systems.crm]
kind = "crm"
location_id = "ABC123"
token = { credential = "crm-token" }
region = "GB"

[systems.mail]
kind = "mailer"
api_key = { file = "mail.key" }

[syncs.people]
match = ["email", "phone"]
source_of_truth = "crm"
conflict = "last_modified"

[syncs.people.members]
crm = { collection = "contacts", when = { field = "email", op = "exists" }, archive = { dnd = true } }
mail = { collection = "contacts", list = "L1", create = { status = "subscribed" }, archive = { status = "unsubscribed" } }

[syncs.people.fields]
email = { type = "email", crm = "email", mail = "email_address" }
name = { crm = { path = ["firstName", "lastName"], transform = "split_name" }, mail = "fields.Name" }
phone = { type = "phone", crm = "phone", mail = "fields.Phone", owner = "crm" }
tags = { type = "set", crm = "tags", mail = "tags" }
plan = { type = "choice", crm = "custom.plan", mail = "fields.Plan", values = { gold = { mail = "Gold" }, free = {} } }
since = { type = "instant", crm = "dateAdded", mail = "fields.Since", direction = "crm -> mail" }
"""


@pytest.fixture
def kinds() -> Mapping[str, KindFacts]:
    return MappingProxyType({"crm": CRM, "mailer": MAILER})


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which the good configuration finds its secrets."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "crm-token").write_text("crm-secret-text\n")
    key = tmp_path / "mail.key"
    key.write_text("mail-secret-text\n")
    key.chmod(0o600)
    return {"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(credentials)}


Checking = Callable[[str], Report]


@pytest.fixture
def checking(tmp_path: Path, kinds: Mapping[str, KindFacts], environ: dict[str, str]) -> Checking:
    """Checks a text as if it were ``syncd.toml``."""

    def run(text: str) -> Report:
        path = tmp_path / "syncd.toml"
        path.write_text(text)
        return check(path, kinds, environ=environ)

    return run
