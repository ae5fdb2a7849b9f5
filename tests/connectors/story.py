"""A system in memory and a location of GoHighLevel with the engine between them, moved a turn at a time.

`told` gives a `Story`; `agreements` are the rules for one of the bench's collections, `row` and `rules` make others.
The rule that keeps it true: engine, store and connectors are the product's own; what is asserted is read from both far sides.
It must not know: any test.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

from syncd.connectors.base import Capabilities, FieldSpec
from syncd.connectors.clock import SystemClock
from syncd.connectors.memory import FIELDS, Actor, MemoryConnector, MemorySystem
from syncd.core.fields import FieldType
from syncd.core.record import SECOND, CollectionName, FieldName, MemberName, SyncName, SystemName
from syncd.core.rules import DeleteRule, FieldRule, FirstRun, Guards, MemberField, MemberRule, SyncRules
from syncd.flow.poll import run_pass
from syncd.flow.reread import reread_once
from syncd.flow.write import write_once
from syncd.store import inbox
from syncd.store.cursors import PassMode
from syncd.store.inbox import Arrival
from tests.connectors.record_bench import RecordBench
from tests.flow.world import CONTACTS, CRM, EMAIL, OPEN_GUARDS, S, Watch, opened

GHL = SystemName("bench")
THINGS, X = CollectionName("things"), SyncName("things")
TITLE, TEXT, CHOSEN, PERSON, START = (FieldName(each) for each in ("title", "text", "chosen", "person", "start"))
SIDES = frozenset(MemberName(each) for each in (CRM, GHL))


def row(name, crm, ghl, kind=FieldType.TEXT, **other) -> FieldRule:
    members = {MemberName(CRM): MemberField(paths=(crm,), **other), MemberName(GHL): MemberField(paths=(ghl,), **other)}
    if other:
        members = {side: MemberField(paths=held.paths, parent=side) for side, held in members.items()}
    return FieldRule(name=name, type=kind, members=members, sources=SIDES, targets=SIDES, to=S if other else None)


def rules(name, collections, rows, match, create) -> SyncRules:
    members = {
        MemberName(CRM): MemberRule(name=MemberName(CRM), system=CRM, collection=collections[0]),
        MemberName(GHL): MemberRule(name=MemberName(GHL), system=GHL, collection=collections[1], create=create),
    }
    return SyncRules(
        name=name, members=members, fields={each.name: each for each in rows}, match=match, source_of_truth=MemberName(CRM),
        first_run=FirstRun.AUTO, guards=OPEN_GUARDS, delete=DeleteRule.PROPAGATE,
    )  # fmt: skip


def agreements(bench, match=()) -> tuple[SyncRules, ...]:
    """Contacts, and the bench's own collection, told apart as `match` says; what a new record needs besides is written down as constants."""
    mapped = (*bench.paths.values(), "contactId", *(["startTime"] if START in "+".join(match).split("+") else []))
    create = {name: value for name, value in bench.fields(email="").items() if name not in mapped}
    if bench.collection == "users":
        create["firstName"] = "Cy"
    kinds = {path: each.spec.type for path, each in bench.row.fields.items()}
    paths = bench.paths
    rows = [row(TITLE, "title", paths["email"]), row(TEXT, "text", paths["name"]), row(CHOSEN, "chosen", paths["plan"], kinds[paths["plan"]])]
    of_contact = "contactId" in bench.fields(email="")
    if of_contact:
        rows.append(row(PERSON, "person", "contactId", FieldType.REF, parent=True))
    if "startTime" in mapped:
        rows.append(row(START, "start", "startTime", FieldType.INSTANT))
    match = match or ((FieldName("person+title"),) if of_contact else (TITLE,))
    contacts = rules(S, (CONTACTS, CONTACTS), [row(EMAIL, "email", "email", FieldType.EMAIL)], (EMAIL,), {})
    return contacts, rules(X, (THINGS, bench.collection), rows, match, create)


class Story:
    """The engine between a system in memory and one collection of GoHighLevel, moved a turn at a time."""

    def __init__(self, world, bench) -> None:
        self.world, self.bench, self.crm = world, bench, world.crm

    async def sync(self, turns=3) -> None:
        """Everything is listed, doubts are looked into until they are settled, and everything that follows is done."""
        for _ in range(turns):
            for place in self.world.engine.places:
                await run_pass(self.world.engine, place, PassMode.COMPLETE)
            await self.settle()
            self.world.later(Guards().delete_grace / 1_000_000 + 1)

    async def settle(self) -> None:
        for system in (CRM, GHL):
            await reread_once(self.world.engine, system)
        for _ in range(20):
            for name in sorted(self.world.engine.syncs, reverse=True):
                await self.world.plan(name)
            if not any([await write_once(self.world.engine, each) for each in (CRM, GHL)]):
                return
        raise AssertionError("writing does not come to an end")

    async def hear(self) -> int:
        """Takes in what GoHighLevel announced, as the listener would, and does what follows."""
        now, count = self.world.clock.now(), 0
        for headers, body in await self.bench.deliveries():
            arrivals = [
                Arrival(
                    ref=each.ref, dedupe_key=each.dedupe_key, deleted=each.change.value == "deleted", fields=each.fields, full=each.full,
                    occurred_at=each.occurred_at, received_at=now,
                )
                for each in self.bench.connector.receive(headers, body, SystemClock().now())
                if (GHL, each.ref.collection) in self.world.engine.routes
            ]  # fmt: skip
            count += await self.world.engine.database.write(lambda tx, arrivals=arrivals: inbox.accept(tx, arrivals))
        self.world.later(20)
        await self.settle()
        return count

    def here(self) -> list[tuple]:
        """What the memory side holds."""
        return sorted((each.fields.get("title"), each.fields.get("text"), each.fields.get("chosen")) for each in self.crm.listed(THINGS))

    def there(self) -> list[tuple]:
        """What GoHighLevel holds."""
        return sorted(tuple(each.values()) for each in self.bench.truth().values())

    def thing(self, title):
        return next(each.id for each in self.crm.listed(THINGS) if each.fields["title"] == title)

    def record(self, title):
        return next(number for number, each in self.bench.truth().items() if each["email"] == title)

    def by_us(self) -> tuple[int, int]:
        """How many writes programs have made on either side."""
        return self.bench.vendor.stats.writes_by_api, len([each for each in self.crm.log if each.actor is Actor.API])


@asynccontextmanager
async def told(tmp_path, open_bench, collection, match=(), agreed=None, **vendor):
    """A story about one collection; its contact is the same person on both sides. `vendor` are the emulator's options.

    `agreed` are other agreements than those about the collection.
    """
    clock = Watch(SystemClock().now())
    time = {"clock": lambda: clock.at / SECOND} if vendor else {}
    contacts = await open_bench("gohighlevel", settings={"calls_per_window": 10_000}, **time, **vendor)
    bench = RecordBench(contacts, collection)
    far = {CRM: MemorySystem(clock, id_prefix="crm-")}
    kinds = dict.fromkeys(("title", "text", "chosen", "person", "start"), FieldType.TEXT) | {"starred": FieldType.BOOL, "unread": FieldType.NUMBER}
    more = {path: FieldSpec(path=path, type=kind) for path, kind in kinds.items()}
    memory = MemoryConnector(CRM, far[CRM], fields={**FIELDS, **more}, capabilities=Capabilities(modified_time=True, modified_resolution=1))
    async with opened(tmp_path, *(agreed or agreements(bench, match)), far=far, clock=clock, connectors={CRM: memory, GHL: bench.connector}) as world:
        assert "crm-1" == far[CRM].create_as_user({"email": "parent@example.com"})
        yield Story(world, bench)


def titled(number: int, collection: str) -> str:
    """What a record is called; a user by an address."""
    return f"p{number}@example.com" if collection == "users" else f"Thing {number}"


def like(number, bench) -> dict[str, str]:
    """A new thing as the memory side has it."""
    needs = bench.fields(email="")
    belongs = {"person": "crm-1"} if "contactId" in needs else {}
    starts = {"start": needs["startTime"]} if "startTime" in needs else {}
    return {"title": titled(number, bench.collection), "text": "text", "chosen": bench.plan_values[0], **belongs, **starts}
