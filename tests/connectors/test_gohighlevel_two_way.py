"""GoHighLevel's collections kept equal with a system in memory, engine and all: made, edited and deleted on both sides."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from syncd.connectors.base import Capabilities, FieldSpec
from syncd.connectors.clock import SystemClock
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
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
from tests.connectors.conftest import PATIENT_S
from tests.connectors.record_bench import RecordBench
from tests.flow.world import CONTACTS, CRM, EMAIL, OPEN_GUARDS, S, Watch, opened

GHL = SystemName("bench")
THINGS, X = CollectionName("things"), SyncName("things")
TITLE, TEXT, CHOSEN, PERSON, START = (FieldName(each) for each in ("title", "text", "chosen", "person", "start"))
SIDES = frozenset(MemberName(each) for each in (CRM, GHL))
TWO_WAY = ["opportunities", "tasks", "notes", "appointments", "businesses", "calendars", "users", "blocked_slots", "invoices"]
WITH_CHILDREN = ["opportunities", "tasks", "notes", "appointments"]


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
            for name in (X, S):
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
async def told(tmp_path, open_bench, collection, match=(), **vendor):
    """A story about one collection; its contact is the same person on both sides. `vendor` are the emulator's options."""
    clock = Watch(SystemClock().now())
    time = {"clock": lambda: clock.at / SECOND} if vendor else {}
    contacts = await open_bench("gohighlevel", timeout_s=PATIENT_S, settings={"calls_per_window": 10_000}, **time, **vendor)
    bench = RecordBench(contacts, collection)
    far = {CRM: MemorySystem(clock, id_prefix="crm-")}
    more = {path: FieldSpec(path=path, type=FieldType.TEXT) for path in ("title", "text", "chosen", "person", "start")}
    memory = MemoryConnector(CRM, far[CRM], fields={**FIELDS, **more}, capabilities=Capabilities(modified_time=True, modified_resolution=1))
    async with opened(tmp_path, *agreements(bench, match), far=far, clock=clock, connectors={CRM: memory, GHL: bench.connector}) as world:
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


@pytest.mark.parametrize("collection", TWO_WAY)
async def test_a_collection_is_kept_equal_both_ways(collection, tmp_path, open_bench):
    """Made, edited and deleted on either side, and then nothing more is written."""
    async with told(tmp_path, open_bench, collection) as story:
        bench, crm = story.bench, story.crm
        one, two, three = (titled(number, collection) for number in (1, 2, 3))
        first, second = bench.plan_values
        bench.create_as_user(email=one, name="text", plan=first)
        crm.create_as_user(like(2, bench), THINGS)
        await story.sync()
        made = sorted([(one, "text", first), (two, "text", first)])

        assert [] == await story.world.asked()
        assert made == story.here() == story.there()

        bench.edit_as_user(story.record(two), name="from there")
        crm.edit_as_user(story.thing(one), {"text": "from here", "chosen": second}, THINGS)
        await story.sync()
        edited = sorted([(one, "from here", second), (two, "from there", first)])

        assert edited == story.there() == story.here()

        crm.create_as_user(like(3, bench), THINGS)
        await story.sync()
        bench.delete_as_user(story.record(one))
        crm.delete_as_user(story.thing(two), THINGS)
        await story.sync()

        assert [three] == [each[0] for each in story.here()] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()

        before = story.by_us()
        await story.sync()

        assert before == story.by_us()


@pytest.mark.parametrize("collection", WITH_CHILDREN)
async def test_a_child_waits_for_its_contact(collection, tmp_path, open_bench):
    """The contact is made last: what belongs to it is held back without a question, and then made under it."""
    async with told(tmp_path, open_bench, collection) as story:
        story.crm.create_as_user({**like(1, story.bench), "person": "crm-3"}, THINGS)
        await story.sync(1)

        assert ([], []) == (story.there(), await story.world.asked())

        assert "crm-3" == story.crm.create_as_user({"email": "late@example.com"})
        await story.sync()
        (late,) = [each["id"] for each in story.bench.vendor.contacts() if each["email"] == "late@example.com"]
        (made,) = story.bench.vendor.records.rows(collection)

        assert late == made["contactId"]
        assert [] == await story.world.asked()


@pytest.mark.parametrize("collection", ["opportunities", "notes", "appointments", "invoices"])
async def test_webhooks_alone_carry_creates_edits_and_deletions(collection, tmp_path, open_bench):
    """No poll is needed where the vendor announces everything; several events of one change end in one reading."""
    async with told(tmp_path, open_bench, collection) as story:
        bench, title = story.bench, titled(1, collection)
        await story.sync(1)
        await bench.deliveries()
        record_id = bench.create_as_user(email=title, name="text", plan=bench.plan_values[0])
        await story.hear()

        assert [title] == [each[0] for each in story.here()]

        bench.edit_as_user(record_id, name="other", plan=bench.plan_values[1])
        before = bench.calls()
        events = await story.hear()

        assert ("other",) == tuple(each[1] for each in story.here())
        assert 1 == bench.calls() - before
        assert events == (3 if collection == "opportunities" else 1)

        bench.delete_as_user(record_id)
        await story.hear()
        story.world.later(Guards().delete_grace / 1_000_000 + 1)
        await story.settle()

        assert [] == story.here()


@pytest.mark.parametrize("collection", ["opportunities", "notes", "appointments"])
async def test_the_echo_of_our_own_write_brings_nothing_about(collection, tmp_path, open_bench):
    """It is announced like any change, and found to be no news."""
    async with told(tmp_path, open_bench, collection) as story:
        story.crm.create_as_user(like(1, story.bench), THINGS)
        await story.sync(2)
        before = story.by_us()
        assert await story.hear() > 0

        assert before == story.by_us()
        assert 1 == len(story.here()) == len(story.there())


async def test_a_lost_answer_to_a_message_is_held_for_a_person(tmp_path, open_bench):
    """It may have gone out, so it is not sent a second time, whatever time passes."""
    async with told(tmp_path, open_bench, "notes") as story:
        contacts, _ = agreements(story.bench)
        rows = [row(TITLE, "title", "body"), row(PERSON, "person", "contactId", FieldType.REF, parent=True)]
        messages = rules(X, (THINGS, CollectionName("messages")), rows, (FieldName("person+title"),), {"type": "SMS"})
        story.world.engine.syncs = {S: contacts, X: messages}
        await story.sync(1)
        story.crm.create_as_user({"title": "Hello", "person": "crm-1"}, THINGS)
        story.bench.vendor.faults.add("send-message", "error_after")
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        for _ in range(6):
            await story.settle()
            story.world.later(600)

        assert ["Hello"] == [each["body"] for each in story.bench.vendor.records.rows("messages")]
        assert ["unknown_create"] == await story.world.asked()


FINDABLE = {
    "opportunities at their contact": ("opportunities", ()),
    "tasks at their contact": ("tasks", ()),
    "notes at their contact": ("notes", ()),
    "appointments at their contact": ("appointments", ()),
    "appointments around a time": ("appointments", (FieldName("title+start"),)),
    "blocked slots around a time": ("blocked_slots", (FieldName("title+start"),)),
    "invoices among them all": ("invoices", ()),
}
TOGETHER = [name for name in FINDABLE if name != "invoices among them all"]
"""Those whose match key joins what is asked for with what is only compared."""
LOST = {"took effect": "error_after", "broke off": "reset_after", "had no effect": "error_before"}


async def doubtful(story, fault) -> None:
    """A thing is made in the memory system, and the answer to its create in GoHighLevel is lost; no listing or webhook is there to help."""
    await story.sync(1)
    story.crm.create_as_user(like(1, story.bench), THINGS)
    story.bench.vendor.faults.add(COLLECTIONS[story.bench.collection].create, fault, count=1)
    await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
    await story.settle()


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("found", FINDABLE)
async def test_a_create_in_doubt_is_looked_for(found, lost, tmp_path, open_bench):
    """One record in the end, linked, and nobody is asked; it is made again only where it was not there."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        await doubtful(story, LOST[lost])
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert [titled(1, collection)] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()

        story.crm.edit_as_user(story.thing(titled(1, collection)), {"text": "edited"}, THINGS)
        await story.sync()

        assert [(titled(1, collection), "edited")] == [each[:2] for each in story.there()] == [each[:2] for each in story.here()]


@pytest.mark.parametrize("lag_s", [25.0, 50.0])
@pytest.mark.parametrize("found", FINDABLE)
async def test_a_listing_that_runs_behind_is_waited_for(found, lag_s, tmp_path, open_bench):
    """As far behind as listings are taken to be, and nearly twice as far: it is looked for twice, so that it is never made twice."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match, record_lag_s=lag_s) as story:
        await doubtful(story, "error_after")
        for _ in range(30):
            story.world.later(5)
            await story.settle()

            assert [titled(1, collection)] == [each[0] for each in story.there()]

        assert [] == await story.world.asked()

        story.crm.edit_as_user(story.thing(titled(1, collection)), {"text": "edited"}, THINGS)
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        await story.settle()

        assert [(titled(1, collection), "edited")] == [each[:2] for each in story.there()]


@pytest.mark.parametrize("found", TOGETHER)
async def test_what_changed_before_it_was_found_is_not_made_again(found, tmp_path, open_bench):
    """What the create may have made is called otherwise by now: nobody has seen it before, so a person is asked."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        await doubtful(story, "error_after")
        (made,) = story.bench.truth()
        story.bench.edit_as_user(made, email="Renamed meanwhile")
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert [made] == list(story.bench.truth())
        assert ["unknown_create"] == await story.world.asked()


@pytest.mark.parametrize("found", FINDABLE)
async def test_siblings_that_were_there_before_are_not_taken_for_it(found, tmp_path, open_bench):
    """Others of the same contact or the same hour, seen in a listing, raise no doubt: the lost one is made again, once."""
    collection, match = FINDABLE[found]
    async with told(tmp_path, open_bench, collection, match) as story:
        story.bench.create_as_user(email="Sibling", name="text", plan=story.bench.plan_values[0])
        await doubtful(story, "error_before")
        for _ in range(3):
            story.world.later(60)
            await story.settle()

        assert ["Sibling", titled(1, collection)] == [each[0] for each in story.there()]
        assert [] == await story.world.asked()


async def test_what_cannot_be_looked_for_is_held_and_says_why(tmp_path, open_bench):
    """A blocked slot known by its title alone: one of it stays, and a person is told what a match key would have to hold."""
    async with told(tmp_path, open_bench, "blocked_slots") as story:
        await doubtful(story, "error_after")
        for _ in range(3):
            story.world.later(60)
            await story.settle()
        (held,) = await story.world.holds()

        assert [titled(1, "blocked_slots")] == [each[0] for each in story.there()]
        assert "unknown_create" == held.kind.value
        assert "bench/blocked_slots finds by assignedUserId, calendarId, startTime alone, which no match key holds" in held.reason


async def test_nothing_is_listed_before_a_create_that_is_in_no_doubt(tmp_path, open_bench):
    """A look-up that takes a listing is made after a lost answer, and not before every create."""
    async with told(tmp_path, open_bench, "invoices") as story:
        await story.sync(1)
        listed = story.bench.vendor.stats.requests["list-invoices"]
        story.crm.create_as_user(like(1, story.bench), THINGS)
        await run_pass(story.world.engine, (CRM, THINGS), PassMode.COMPLETE)
        await story.settle()

        assert [titled(1, "invoices")] == [each[0] for each in story.there()]
        assert listed == story.bench.vendor.stats.requests["list-invoices"]
