"""Records that belong to others: each side names the parent by its own id, and waits for it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from syncd.connectors.base import FieldSpec
from syncd.connectors.memory import FIELDS, MemoryConnector
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, FieldName, MemberName, SyncName
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules
from syncd.flow.poll import run_pass
from syncd.store import links
from tests.flow.world import ADA, CRM, MAIL, OPEN_GUARDS, FirstRun, S, Watch, opened, rules, systems

TASKS, T = CollectionName("tasks"), SyncName("tasks")
CONTACT, TITLE = FieldName("contact"), FieldName("title")
SIDES = frozenset(MemberName(each) for each in (CRM, MAIL))
BEN = {"email": "ben@example.com", "name": "Ben"}


def tasks():
    """A sync of tasks: whose it is, and what it says."""
    fields = {
        CONTACT: FieldRule(
            name=CONTACT,
            type=FieldType.REF,
            to=S,
            members={side: MemberField(paths=("contactId" if side == CRM else "person",), parent=side) for side in SIDES},
            sources=SIDES,
            targets=SIDES,
        ),
        TITLE: FieldRule(
            name=TITLE, type=FieldType.TEXT, members={side: MemberField(paths=("title",)) for side in SIDES}, sources=SIDES, targets=SIDES
        ),
    }
    members = {side: MemberRule(name=side, system=side, collection=TASKS) for side in SIDES}
    given = {"source_of_truth": MemberName(CRM), "first_run": FirstRun.AUTO, "guards": OPEN_GUARDS}
    return SyncRules(name=T, members=members, fields=fields, match=(FieldName("contact+title"),), **given)


@asynccontextmanager
async def belonging(tmp_path):
    """Two systems with contacts and tasks, and both kept equal."""
    far = systems(Watch())
    more = {path: FieldSpec(path=path, type=FieldType.TEXT) for path in ("contactId", "person", "title")}
    spoken = {each: MemoryConnector(each, far[each], fields={**FIELDS, **more}) for each in far}
    async with opened(tmp_path, rules(), tasks(), far=far, connectors=spoken) as world:
        yield world


async def sync(world, *, passes=3):
    for _ in range(passes):
        world.later(60)
        for place in world.engine.places:
            await run_pass(world.engine, place)
        for _ in range(4):
            for name in (T, S):
                await world.plan(name)
            await world.write()


def held(system):
    """The tasks of a system: whose, and what."""
    shown = [each.fields for each in system.listed(TASKS)]
    return sorted((str(each.get("contactId", each.get("person"))), each["title"]) for each in shown)


async def test_a_task_finds_its_contact(tmp_path):
    """It is made under the contact that is the same person there, by that side's own id; and edits travel both ways."""
    async with belonging(tmp_path) as world:
        for person in (BEN, ADA):
            world.mail.create_as_user(person)
        ada = world.crm.create_as_user(ADA)
        task = world.crm.create_as_user({"contactId": ada, "title": "Call"}, collection=TASKS)
        await sync(world)
        there = next(each for each in world.mail.records() if world.mail.records()[each]["email"] == ADA["email"])

        assert [(there, "Call")] == held(world.mail)

        world.crm.edit_as_user(task, {"title": "Call back"}, collection=TASKS)
        await sync(world)
        assert [(there, "Call back")] == held(world.mail)
        (other,) = [each.id for each in world.mail.listed(TASKS)]
        world.mail.edit_as_user(other, {"title": "Done"}, collection=TASKS)
        await sync(world)

        assert [(ada, "Done")] == held(world.crm)
        assert [] == await world.asked()


async def test_a_task_waits_for_its_contact(tmp_path):
    """The contact is not there yet, or not linked: nothing is made, nothing is asked; it comes when the contact has come."""
    async with belonging(tmp_path) as world:
        world.crm.create_as_user({"contactId": "crm-2", "title": "Call"}, collection=TASKS)
        await sync(world)
        assert ([], []) == (held(world.mail), await world.asked())
        assert "crm-2" == world.crm.create_as_user(ADA)
        await sync(world)

        assert [("mail-1", "Call")] == held(world.mail)
        assert [] == await world.asked()


async def test_the_same_task_on_both_sides_is_linked(tmp_path):
    """The same title at the same contact is one task; at another contact it is another."""
    async with belonging(tmp_path) as world:
        for person in (ADA, BEN):
            world.crm.create_as_user(person)
            world.mail.create_as_user(person)
        world.crm.create_as_user({"contactId": "crm-1", "title": "Call"}, collection=TASKS)
        world.crm.create_as_user({"contactId": "crm-2", "title": "Call"}, collection=TASKS)
        world.mail.create_as_user({"person": "mail-1", "title": "Call"}, collection=TASKS)
        await sync(world)

        assert [("crm-1", "Call"), ("crm-2", "Call")] == held(world.crm)
        assert [("mail-1", "Call"), ("mail-2", "Call")] == held(world.mail)


async def test_a_task_that_is_moved_to_another_contact(tmp_path):
    """The reference is a field like any other: it travels, in each side's ids."""
    async with belonging(tmp_path) as world:
        for person in (ADA, BEN):
            world.crm.create_as_user(person)
            world.mail.create_as_user(person)
        task = world.crm.create_as_user({"contactId": "crm-1", "title": "Call"}, collection=TASKS)
        await sync(world)
        world.crm.edit_as_user(task, {"contactId": "crm-2"}, collection=TASKS)
        await sync(world)

        assert [("mail-2", "Call")] == held(world.mail)


@pytest.mark.parametrize("contact_first", [True, False])
async def test_nothing_is_written_once_all_is_equal(tmp_path, contact_first):
    """References are no news, in whatever order things were linked."""
    async with belonging(tmp_path) as world:
        if contact_first:
            world.crm.create_as_user(ADA)
            await sync(world)
        world.crm.create_as_user({"contactId": "crm-1" if contact_first else "crm-2", "title": "Call"}, collection=TASKS)
        if not contact_first:
            world.crm.create_as_user(ADA)
        await sync(world)
        before = len(world.crm.log), len(world.mail.log)
        await sync(world)

        assert before == (len(world.crm.log), len(world.mail.log))
        assert 2 == len(await world.read(lambda tx: links.load(tx, [1, 2])))
