"""What the connectors' tests share: a bench for each connector, and virtual time.

A bench is one connected connector, the far side it speaks to, and a person's hands on that side. All benches speak of the same four
fields by neutral names, so that one contract can be asked of every connector.
"""

from __future__ import annotations

import asyncio
import selectors
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from time import time
from typing import Any, ClassVar

import pytest
from aiohttp import web

from syncd.connectors import memory
from syncd.connectors.base import Connector, Page
from syncd.connectors.clock import SystemClock
from syncd.connectors.kind import Opened
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.fields import as_set
from syncd.core.record import CollectionName, RecordId, Ref, SystemName
from syncd.sandbox import ActiveTrailOptions, EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.store.database import Database
from tests.connectors.bridge_bench import DECLARED, BridgeHands, Door, held_open, open_bridge

TIMEOUT_S, PATIENT_S = 1.0, 10.0
Delivery = tuple[dict[str, str], bytes]


class Bench(ABC):
    """One connector and its far side. `paths` maps neutral names to the vendor's; `plan_values` are two values of the choice.

    `signed` says that the vendor's webhooks prove their bodies, and `signature` which header does; an unsigned one has a secret there.
    `asks` says that reading is a call to the vendor.
    """

    connector: Connector
    collection: CollectionName
    paths: Mapping[str, str]
    plan_values: tuple[str, str]
    signature: str
    signed: bool = True
    asks: bool = True

    def ref(self, record_id: str) -> Ref:
        return Ref(self.connector.system, self.collection, RecordId(record_id))

    def fields(self, **neutral: Any) -> dict[str, Any]:
        """Vendor paths for neutral names."""
        return {self.paths[name]: value for name, value in neutral.items()}

    def neutral(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What a record shows, by neutral names; sets in their normal form."""
        shown = {name: fields.get(path, "not shown") for name, path in self.paths.items()}
        return {**shown, "tags": as_set(shown["tags"]) if isinstance(shown["tags"], list) else shown["tags"]}

    async def pages(self, since: int | None = None) -> list[Page]:
        """A whole pass."""
        pages = [await self.connector.page(self.collection, since=since)]
        while pages[-1].next is not None:
            pages.append(await self.connector.page(self.collection, token=pages[-1].next))
        return pages

    async def listed(self, since: int | None = None) -> dict[str, dict[str, Any]]:
        """A whole pass, by id and neutral names."""
        return {record.ref.id: self.neutral(record.fields) for page in await self.pages(since) for record in page.records}

    @abstractmethod
    def create_as_user(self, **neutral: Any) -> str: ...

    @abstractmethod
    def edit_as_user(self, record_id: str, **neutral: Any) -> None: ...

    @abstractmethod
    def delete_as_user(self, record_id: str) -> None: ...

    @abstractmethod
    def truth(self) -> dict[str, dict[str, Any]]:
        """Every record as it truly is, by id and neutral names."""

    @abstractmethod
    async def deliveries(self) -> list[Delivery]:
        """The webhook deliveries owed."""

    @abstractmethod
    def fault(self, kind: str, operation: str) -> None:
        """Orders one fault, by the sandbox's name for it, on create, get, update, delete or page."""

    @abstractmethod
    def calls(self) -> int:
        """How many calls the far side has seen."""


class MemoryBench(Bench):
    paths: ClassVar = {"email": "email", "name": "name", "tags": "tags", "plan": "custom.plan"}
    plan_values = ("gold", "silver")
    signature = memory.connector.SIGNATURE
    _faults: ClassVar = {
        "rate_limited": "rate_limited",
        "unauthorized": "unauthorized",
        **dict.fromkeys(("error_before", "hang_before", "reset_before", "html"), "timeout_before"),
        **dict.fromkeys(("error_after", "hang_after", "reset_after", "bad_json"), "timeout_after"),
        "empty_listing": "empty_listing",
    }

    def __init__(self) -> None:
        self.world = memory.MemorySystem(SystemClock(), unique=frozenset({"email"}), page_size=3)
        self.connector = memory.MemoryConnector(SystemName("bench"), self.world)
        self.collection = CollectionName("contacts")

    def create_as_user(self, **neutral: Any) -> str:
        return self.world.create_as_user(self.fields(**neutral))

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self.world.edit_as_user(RecordId(record_id), self.fields(**neutral))

    def delete_as_user(self, record_id: str) -> None:
        self.world.delete_as_user(RecordId(record_id))

    def truth(self) -> dict[str, dict[str, Any]]:
        blank = dict.fromkeys(self.paths.values())
        return {record_id: self.neutral({**blank, **fields}) for record_id, fields in self.world.records().items()}

    async def deliveries(self) -> list[Delivery]:
        return [self.connector.deliver()]  # type: ignore[attr-defined]

    def fault(self, kind: str, operation: str) -> None:
        self.world.faults.add(memory.FaultKind(self._faults[kind]), operation, retry_after_s=0.0)

    def calls(self) -> int:
        return len(self.world.calls)


class VendorBench(Bench):
    """A bench whose far side is an emulated vendor."""

    operations: Mapping[str, str]

    def __init__(self, vendor: Any, opened: Opened, collection: str, inbox: list[Delivery]) -> None:
        self.vendor = vendor
        self.connector = opened.connector
        self.quota = opened.quota
        self.collection = CollectionName(collection)
        self._inbox = inbox

    def delete_as_user(self, record_id: str) -> None:
        self.vendor.delete_as_user(record_id)

    async def deliveries(self) -> list[Delivery]:
        await self.vendor.webhooks.flush()
        got, self._inbox[:] = list(self._inbox), []
        return got

    def fault(self, kind: str, operation: str) -> None:
        details = {"retry_after_s": 0} if kind == "rate_limited" else {}
        self.vendor.faults.add(self.operations[operation], kind, **details)

    def calls(self) -> int:
        return self.vendor.stats.requests.total()


class GoHighLevelBench(VendorBench):
    paths: ClassVar = {"email": "email", "name": "firstName", "tags": "tags", "plan": "custom.plan"}
    plan_values = ("gold", "silver")
    signature = "x-ghl-signature"
    operations: ClassVar = {
        "create": "create-contact",
        "get": "get-contact",
        "update": "update-contact",
        "delete": "delete-contact",
        "page": "search-contacts",
    }

    def create_as_user(self, **neutral: Any) -> str:
        return self.vendor.create_as_user(self._typed(neutral))["id"]

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self.vendor.edit_as_user(record_id, self._typed(neutral))

    def truth(self) -> dict[str, dict[str, Any]]:
        blank = dict.fromkeys(self.paths.values())
        return {
            row["id"]: self.neutral({**blank, **row, "custom.plan": row["custom"].get("plan")}) for row in self.vendor.contacts()
        }

    def _typed(self, neutral: dict[str, Any]) -> dict[str, Any]:
        fields = self.fields(**neutral)
        custom = {path.removeprefix("custom."): fields.pop(path) for path in list(fields) if path.startswith("custom.")}
        return {**fields, "custom": custom} if custom else fields


class EmailOctopusBench(VendorBench):
    paths: ClassVar = {"email": "email_address", "name": "fields.FirstName", "tags": "tags", "plan": "fields.Plan"}
    plan_values = ("Gold", "Silver")
    signature = "emailoctopus-signature"
    operations: ClassVar = {
        "create": "create-contact",
        "get": "get-contact",
        "update": "update-contact",
        "delete": "delete-contact",
        "page": "list-contacts",
    }

    def create_as_user(self, **neutral: Any) -> str:
        return self.vendor.create_as_user(self._typed(neutral))["id"]

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self.vendor.edit_as_user(record_id, self._typed(neutral))

    def truth(self) -> dict[str, dict[str, Any]]:
        blank = dict.fromkeys(self.paths.values())
        return {
            row["id"]: self.neutral(
                {**blank, **row, **{f"fields.{tag}": value for tag, value in row["fields"].items()}, "tags": row["tags"] or None}
            )
            for row in self.vendor.contacts()
        }

    def _typed(self, neutral: dict[str, Any]) -> dict[str, Any]:
        fields = self.fields(**neutral)
        own = {path.removeprefix("fields."): fields.pop(path) for path in list(fields) if path.startswith("fields.")}
        return {**fields, "fields": own} if own else fields


class ActiveTrailBench(VendorBench):
    paths: ClassVar = {"email": "email", "name": "first_name", "tags": "groups", "plan": "custom.ext1"}
    plan_values = ("Gold", "Silver")
    signature = "x-syncd-secret"
    signed = False
    operations: ClassVar = {
        "create": "create-contact",
        "get": "get-contact",
        "update": "update-contact",
        "delete": "delete-contact",
        "page": "list-contacts",
    }

    def create_as_user(self, **neutral: Any) -> str:
        return self.vendor.create_as_user(self._typed(neutral))["id"]

    def edit_as_user(self, record_id: str, **neutral: Any) -> None:
        self.vendor.edit_as_user(record_id, self._typed(neutral))

    def truth(self) -> dict[str, dict[str, Any]]:
        blank = dict.fromkeys(self.paths.values())
        return {
            row["id"]: self.neutral({**blank, **row, "custom.ext1": row.get("ext1"), "groups": row["groups"] or None})
            for row in self.vendor.contacts()
        }

    def _typed(self, neutral: dict[str, Any]) -> dict[str, Any]:
        return {path.removeprefix("custom."): value for path, value in self.fields(**neutral).items()}


class BridgeBench(BridgeHands, VendorBench):
    """A system behind flows."""

    def __init__(self, vendor: Any, opened: Opened, database: Database, door: Door) -> None:
        super().__init__(vendor, opened, "people", [])
        assert database.path is not None
        self.path, self.door = database.path, door
        door.takes_news = False


OTHER_ANSWERS = {"first_page": 0, "from_date": "changed", "manual_event": "contact_change", "deletes": "hard"}
"""The other answer to everything that ActiveTrail's documentation leaves open."""
OpenBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def open_bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[OpenBench]:
    """Opens a bench by the connector's name; options go to the emulated vendor, `settings` to the connector.

    Only a test whose fault, its `kind`, is that something hangs has a short time-out: a busy machine fails none of the others.
    """
    params = getattr(request.node, "callspec", None)
    hangs = params is not None and str(params.params.get("kind", "")).startswith("hang")
    usual_s = TIMEOUT_S if hangs else PATIENT_S
    async with AsyncExitStack() as stack:

        async def open_one(
            name: str,
            *,
            quotas: bool = False,
            settings: dict[str, Any] | None = None,
            timeout_s: float = usual_s,
            clock: Callable[[], float] = time,
            **options: Any,
        ) -> Bench:
            if name == "memory":
                return MemoryBench()
            if name == "bridge":
                database = await held_open(stack, tmp_path / "bridge.db")
                deeds, triggers = ("create", "update", "delete"), ("created", "updated", "deleted")
                section = {"collections": {"people": DECLARED}, "timeout_s": timeout_s, "ack_wait_s": PATIENT_S, "trigger_delay_s": 0}
                chosen_bridge = {"collections": ("people",), "deeds": deeds, "triggers": triggers, "required": (), "fields": tuple(BridgeHands.paths), **options}
                vendor, opened, door = await open_bridge(
                    stack, database, kind="bridge", settings={**section, **(settings or {})}, **chosen_bridge
                )
                return BridgeBench(vendor, opened, database, door)
            name, _, others = name.partition(" ")
            trail = {**(OTHER_ANSWERS if others else {}), **options} if name == "activetrail" else None
            ghl = {"index_lag_s": 0.0, "allow_duplicates": False, **(options if name == "gohighlevel" else {})}
            octopus = {"buffer_s": 0.0, **(options if name == "emailoctopus" else {})}
            chosen = SandboxOptions(
                ghl=GoHighLevelOptions(**ghl),
                octopus=EmailOctopusOptions(**octopus),
                trail=None if trail is None else ActiveTrailOptions(**trail),
                quotas=quotas,
                clock=clock,
            )
            sandbox = await stack.enter_async_context(Sandbox(chosen))
            (vendor,) = [each for each in sandbox.vendors if each.name == name]
            inbox = await _inbox(stack, vendor)
            kind = KINDS[name]
            section = {**account(vendor), "timeout_s": timeout_s, **(settings or {})}
            opened = await stack.enter_async_context(
                open_connector(kind, SystemName("bench"), kind.settings(**section), clock=SystemClock())
            )
            if name == "gohighlevel":
                return GoHighLevelBench(vendor, opened, "contacts", inbox)
            if name == "activetrail":
                return ActiveTrailBench(vendor, opened, "contacts", inbox)
            return EmailOctopusBench(vendor, opened, f"contacts@{sandbox.octopus.list_id}", inbox)

        yield open_one


def account(vendor: Any) -> dict[str, Any]:
    """The settings that reach an emulated vendor."""
    told = vendor.describe()
    if vendor.name == "gohighlevel":
        return {
            "base_url": told["base_url"],
            "token": told["token"],
            "location_id": told["location_id"],
            "webhook_keys": (told["webhook_public_key_pem"],),
        }
    if vendor.name == "activetrail":
        return {**told, "allow_delete": True, "calls_per_s": 10_000, "calls_per_s_max": 10_000}
    return {"base_url": told["base_url"], "api_key": told["api_key"], "webhook_secret": told["webhook_secret"]}


async def _inbox(stack: AsyncExitStack, vendor: Any) -> list[Delivery]:
    """Where an emulated vendor's webhooks arrive."""
    got: list[Delivery] = []

    async def take(request: web.Request) -> web.Response:
        got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response()

    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    # What is still being sent is given up before the place it is sent to closes.
    stack.push_async_callback(vendor.webhooks.stop)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.webhooks.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    return got


@pytest.fixture(params=["memory", "gohighlevel", "emailoctopus", "activetrail", "activetrail (other answers)", "bridge"])
async def bench(request: pytest.FixtureRequest, open_bench: OpenBench) -> Bench:
    """One bench after another: the contract holds for each."""
    return await open_bench(request.param)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, its time jumps to the next thing due."""

    def __init__(self) -> None:
        super().__init__(_NoWaiting(self))
        self.virtual_s = 1_000.0

    def time(self) -> float:
        return self.virtual_s


class _NoWaiting(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("nothing will ever happen: everybody waits")
        self._loop.virtual_s += max(0.0, timeout)
        return super().select(0)


class VirtualClock:
    """The clock of a virtual loop; the wall stands `wall_s` ahead of it."""

    def __init__(self, wall_s: float = 1_700_000_000.0) -> None:
        self.wall_s = wall_s

    def now(self) -> int:
        return int((self.wall_s + self.monotonic()) * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
def in_virtual_time() -> Callable[[Callable[[VirtualClock], Coroutine[Any, Any, Any]]], Any]:
    """Runs a coroutine function, given the clock, in virtual time."""

    def run(world: Callable[[VirtualClock], Coroutine[Any, Any, Any]]) -> Any:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(world(VirtualClock()))

    return run
