"""Derived fields on their way: children are read as anything else is, and what they come to reaches the other side."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

from syncd.connectors.base import FieldSpec
from syncd.connectors.memory import FIELDS, MemoryConnector
from syncd.core.conditions import compile_condition
from syncd.core.derive import Derivation, Take, derived_path
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, FieldName, MemberName
from syncd.core.rules import FieldRule, MemberField
from syncd.flow.poll import run_pass
from syncd.store import journal, links
from tests.flow.world import ADA, CRM, MAIL, Watch, opened, rules, systems

TASKS = CollectionName("tasks")
OPEN, NEXT = FieldName("open"), FieldName("next")
OPEN_ONES = compile_condition({"field": "done", "op": "ne", "value": True})
AT_NINE, AT_TEN = "2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"
"""The clock of these worlds begins at 2027-01-15T08:00:00Z."""


def derived(name, kind, take, **other):
    crm, mail = MemberName(CRM), MemberName(MAIL)
    derivation = Derivation(member=crm, system=CRM, collection=TASKS, by="contactId", take=take, where=OPEN_ONES, **other)
    held = {crm: MemberField(paths=(derived_path(name),), writable=False, creatable=False), mail: MemberField(paths=(name,))}
    given = {"owner": crm, "sources": frozenset({crm}), "targets": frozenset({mail}), "derived": derivation}
    return FieldRule(name=name, type=kind, members=held, **given)


ROWS = (derived(OPEN, FieldType.NUMBER, Take.COUNT), derived(NEXT, FieldType.INSTANT, Take.NEXT, path="due"))


@asynccontextmanager
async def deriving(tmp_path, far=None):
    """A crm with tasks, and a mail list that is told of them."""
    far = far or systems(Watch())
    more = {"open": FieldType.NUMBER, "next": FieldType.TEXT, "contactId": FieldType.TEXT, "done": FieldType.BOOL, "due": FieldType.TEXT}
    specs = {**FIELDS, **{path: FieldSpec(path=path, type=kind) for path, kind in more.items()}}
    spoken = {each: MemoryConnector(each, far[each], fields=specs) for each in far}
    async with opened(tmp_path, rules(*ROWS), far=far, connectors=spoken) as world:
        yield world


async def sync(world, *, passes=2):
    for _ in range(passes):
        world.later(5)
        for place in world.engine.places:
            await run_pass(world.engine, place)
        await world.work()


def told(world):
    """What the mail list says of each contact's tasks."""
    shown = [each.fields for each in world.mail.listed(CollectionName("contacts"))]
    return sorted((each["email"], each.get("open"), each.get("next")) for each in shown)


def task(world, contact, **fields):
    return world.crm.create_as_user({"contactId": contact, "done": False, "due": None, **fields}, collection=TASKS)


async def test_what_the_children_come_to_arrives(tmp_path):
    """A new contact is made with it, in one write; a new child, an edit and a deletion are told; a child of nobody's makes nobody."""
    async with deriving(tmp_path) as world:
        ada = world.crm.create_as_user(ADA)
        call = task(world, ada, due=AT_NINE)
        task(world, "crm-99")
        await sync(world)

        assert [("ada@example.com", 1, "2027-01-15T09:00:00.000Z")] == told(world)
        assert 1 == len(world.mail.log)

        task(world, ada)
        await sync(world)
        assert 2 == told(world)[0][1]
        world.crm.edit_as_user(call, {"done": True}, collection=TASKS)
        await sync(world)
        assert [("ada@example.com", 1, None)] == told(world)
        world.crm.edit_as_user(call, {"done": False}, collection=TASKS)
        await sync(world)
        world.crm.delete_as_user(call, collection=TASKS)
        await world.hear()
        for _ in range(3):
            world.later(700)
            await world.reread()
        await world.work()
        assert [("ada@example.com", 1, None)] == told(world)


async def test_a_child_is_heard_by_webhook(tmp_path):
    """No poll is needed."""
    async with deriving(tmp_path) as world:
        ada = world.crm.create_as_user(ADA)
        await sync(world)
        await world.hear()
        await world.reread()
        task(world, ada)
        assert 1 == await world.hear(CRM)
        world.later(20)
        await world.reread()
        await world.work()

        assert 1 == told(world)[0][1]


async def test_a_child_that_moves_changes_both(tmp_path):
    """The parent it had and the parent it has."""
    async with deriving(tmp_path) as world:
        ada, ben = world.crm.create_as_user(ADA), world.crm.create_as_user({"email": "ben@example.com"})
        call = task(world, ada)
        await sync(world)
        world.crm.edit_as_user(call, {"contactId": ben}, collection=TASKS)
        await sync(world)

        assert [("ada@example.com", 0, None), ("ben@example.com", 1, None)] == told(world)


async def test_the_next_passes(tmp_path):
    """When its moment has come, the one after it is the next, without anybody's doing; also over a restart."""
    async with deriving(tmp_path) as world:
        ada = world.crm.create_as_user(ADA)
        task(world, ada, due=AT_NINE)
        task(world, ada, due=AT_TEN)
        await sync(world)
        assert "2027-01-15T09:00:00.000Z" == told(world)[0][2]
        world.later(3600)
        await world.work()
        assert "2027-01-15T10:00:00.000Z" == told(world)[0][2]
        far = world.far
    async with deriving(tmp_path, far) as world:
        world.later(3600)
        await world.work()
        assert None is told(world)[0][2]
        before = len(world.mail.log)
        world.later(3600)
        await world.work()
        assert before == len(world.mail.log)


async def test_an_edit_of_it_is_put_back(tmp_path):
    """It is not anybody's to edit; the journal keeps what was said, and names the derivation."""
    async with deriving(tmp_path) as world:
        ada = world.crm.create_as_user(ADA)
        task(world, ada)
        await sync(world)
        (person,) = world.mail.listed(CollectionName("contacts"))
        world.mail.edit_as_user(person.id, {"open": 7})
        await sync(world)

        assert 1 == told(world)[0][1]
        decided = [each.detail for each in await world.read(lambda tx: journal.after(tx, 0)) if each.kind == "field.decided"]
        last = [each for each in decided if each["field"] == OPEN][-1]
        assert ("derived: count crm/tasks: put back", {"mail": 7}) == (last["rule"], last["losers"])


async def test_until_all_children_are_known_nothing_is_said(tmp_path):
    """A first sync waits for them; one that is under way goes on without, and tells once they are known."""
    async with deriving(tmp_path) as world:
        world.crm.create_as_user(ADA)
        await world.poll()
        await world.work()
        assert [] == told(world)
        await run_pass(world.engine, (CRM, TASKS))
        await world.work()
        assert [("ada@example.com", 0, None)] == told(world)


async def test_a_sync_under_way_goes_on_without(tmp_path):
    """Its contacts are kept equal while the children are listed for the first time; a value that is there stays until they are."""
    far = systems(Watch())
    async with opened(tmp_path, rules(), far=far) as world:
        await world.linked({**ADA, "name": "Ada"}, {**ADA, "open": 5})
    async with deriving(tmp_path, far) as world:
        (person,) = world.crm.listed(CollectionName("contacts"))
        world.crm.edit_as_user(person.id, {"name": "Countess"})
        await world.poll()
        await world.work()
        (mailed,) = world.mail.listed(CollectionName("contacts"))
        assert ("Countess", 5) == (mailed.fields["name"], mailed.fields["open"])
        await sync(world)
        assert 0 == told(world)[0][1]


async def test_children_of_a_collection_that_is_not_read_any_more(tmp_path):
    """They are taken off the list; nothing stumbles over them."""
    far = systems(Watch())
    async with deriving(tmp_path, far) as world:
        task(world, world.crm.create_as_user(ADA))
        await run_pass(world.engine, (CRM, TASKS))
        assert 1 == await world.waiting()
    async with opened(tmp_path, rules(), far=far) as world:
        await world.sync()
        assert 0 == await world.waiting()
        assert [None] == [each.fields.get("open") for each in world.mail.listed(CollectionName("contacts"))]


async def test_planning_again_writes_nothing(tmp_path):
    """Once all is equal, looking again at everything is no work; the children are no records to link."""
    async with deriving(tmp_path) as world:
        task(world, world.crm.create_as_user(ADA))
        await sync(world)
        before = len(world.mail.log), len(world.crm.log)
        await world.engine.database.write(lambda tx: links.save(tx, list(links.load(tx, [1]).values()), world.clock.now()))
        await sync(world)

        assert before == (len(world.mail.log), len(world.crm.log))
        assert 1 == len(await world.links())
        assert [] == await world.asked()
        assert replace(rules(*ROWS)).children == {"crm/tasks": (CRM, TASKS)}
