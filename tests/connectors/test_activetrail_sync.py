"""A whole sync with ActiveTrail, engine and all, under both answers to each question that its documentation leaves open."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import product

import pytest

from syncd.connectors.clock import SystemClock
from syncd.connectors.memory import MemorySystem
from syncd.core.fields import FieldType, as_set
from syncd.core.record import FieldName, MemberName, SystemName
from syncd.core.rules import DeleteRule, FieldRule, Guards, MemberField
from syncd.flow.poll import run_pass
from syncd.flow.reread import reread_once
from syncd.flow.write import write_once
from syncd.store import inbox
from syncd.store.cursors import PassMode
from syncd.store.inbox import Arrival
from syncd.store.outbox import State
from tests.flow.world import CRM, EMAIL, NAME, OPEN_GUARDS, PLAN, TAGS, Watch, opened, rules

TRAIL = SystemName("bench")
MARK = FieldName("mark")
PATHS = {EMAIL: ("email", "email"), NAME: ("name", "first_name"), TAGS: ("tags", "groups"), PLAN: ("custom.plan", "custom.ext1")}
WORLDS = list(product((0, 1), ("changed", "registered"), ("contact_change", "by_hand"), ("hard", "soft")))


def held(name, kind, crm, trail, *, one_way=False) -> FieldRule:
    sides = {MemberName(CRM): MemberField(paths=(crm,)), MemberName(TRAIL): MemberField(paths=(trail,))}
    return FieldRule(
        name=name,
        type=kind,
        members=sides,
        sources=frozenset({MemberName(CRM)} if one_way else sides),
        targets=frozenset({MemberName(TRAIL)} if one_way else sides),
    )


def agreement():
    """Contacts both ways, deletions too; the mark goes one way, for it cannot be read."""
    kinds = {EMAIL: FieldType.EMAIL, TAGS: FieldType.SET}
    rows = [held(name, kinds.get(name, FieldType.TEXT), *paths) for name, paths in PATHS.items()]
    mark = held(MARK, FieldType.TEXT, "phone", "external_id", one_way=True)
    whole = rules(*rows, mark, among=(CRM, TRAIL), delete=DeleteRule.PROPAGATE, guards=OPEN_GUARDS)
    return whole.__class__(**{**{name: getattr(whole, name) for name in whole.__slots__}, "fields": {row.name: row for row in [*rows, mark]}})


class Story:
    """The engine between a system in memory and ActiveTrail, moved a turn at a time."""

    def __init__(self, world, bench) -> None:
        self.world, self.bench, self.crm = world, bench, world.crm

    async def sync(self) -> None:
        """Everything is listed, doubts are looked into until they are settled, and everything that follows is done."""
        for _ in range(3):
            for system in (CRM, TRAIL):
                await run_pass(self.world.engine, self.world.place(system), PassMode.COMPLETE)
            for system in (CRM, TRAIL):
                await reread_once(self.world.engine, system)
            await self.work()
            self.world.later(Guards().delete_grace / 1_000_000 + 1)

    async def work(self) -> None:
        for _ in range(20):
            await self.world.plan()
            if not any([await write_once(self.world.engine, each) for each in (CRM, TRAIL)]):
                return
        raise AssertionError("writing does not come to an end")

    async def hear(self) -> int:
        """Takes in what ActiveTrail announced."""
        now, count = self.world.clock.now(), 0
        for headers, body in await self.bench.deliveries():
            arrivals = [
                Arrival(ref=each.ref, dedupe_key=each.dedupe_key, deleted=False, fields=None, full=False, occurred_at=None, received_at=now)
                for each in self.bench.connector.receive(headers, body, self.world.clock.now())
            ]
            count += await self.world.engine.database.write(lambda tx, arrivals=arrivals: inbox.accept(tx, arrivals))
        self.world.later(20)
        await reread_once(self.world.engine, TRAIL)
        await self.work()
        return count

    def crm_rows(self) -> dict[str, tuple]:
        return {
            str(row["email"]): (row.get("name"), as_set(row.get("tags") or []), row.get("custom.plan")) for row in self.crm.records().values()
        }

    def trail_rows(self) -> dict[str, tuple]:
        return {str(row["email"]): (row["name"], row["tags"], row["plan"]) for row in self.bench.truth().values()}

    def crm_id(self, email):
        return next(number for number, row in self.crm.records().items() if row["email"] == email)

    def trail_id(self, email):
        return next(number for number, row in self.bench.truth().items() if row["email"] == email)


async def live(story) -> None:
    """Both sides meet, are edited, and lose people."""
    crm, bench = story.crm, story.bench
    at = bench.vendor.account.clock() - 500 * 86_400
    for number in range(5):
        crm.create_as_user({"email": f"p{number}@b.co", "name": f"P{number}", "tags": ["vip"], "phone": f"mark-{number}"})
    for number in range(3, 8):
        bench.vendor.seed({"email": f"p{number}@b.co", "first_name": f"P{number}", "groups": ["customer"]}, at=at)
    await story.sync()
    assert story.crm_rows() == story.trail_rows()

    crm.edit_as_user(story.crm_id("p0@b.co"), {"name": "Ours", "tags": ["vip", "fresh"], "custom.plan": "Gold"})
    crm.edit_as_user(story.crm_id("p5@b.co"), {"name": None})
    bench.edit_as_user(story.trail_id("p1@b.co"), name="Theirs", tags=[])
    bench.edit_as_user(story.trail_id("p3@b.co"), email="moved@b.co")
    await story.sync()
    bench.edit_as_user(story.trail_id("p6@b.co"), plan="Silver")
    assert await story.hear() > 0
    assert "Silver" == story.crm_rows()["p6@b.co"][2]

    crm.delete_as_user(story.crm_id("p2@b.co"))
    bench.delete_as_user(story.trail_id("p7@b.co"))
    await story.sync()


@asynccontextmanager
async def telling(open_bench, folder, **options):
    """The two sides and the engine between them."""
    bench = await open_bench("activetrail", **options)
    await bench.connector.discover(bench.collection)
    clock = Watch(SystemClock().now())
    crm = MemorySystem(clock, id_prefix="crm-")
    async with opened(folder, agreement(), far={CRM: crm}, clock=clock, connectors={TRAIL: bench.connector}) as world:
        yield Story(world, bench)


END = {
    "p0@b.co": ("Ours", ["fresh", "vip"], "Gold"),
    "p1@b.co": ("Theirs", None, None),
    "moved@b.co": ("P3", ["customer", "vip"], None),
    "p4@b.co": ("P4", ["customer", "vip"], None),
    "p5@b.co": (None, ["customer"], None),
    "p6@b.co": ("P6", ["customer"], "Silver"),
}


@pytest.mark.parametrize(("first_page", "from_date", "manual_event", "deletes"), WORLDS)
async def test_both_sides_end_alike_and_then_rest(open_bench, tmp_path, first_page, from_date, manual_event, deletes):
    """Whatever the answers: the same end, every mark left, nothing held or given up, and no write once everything agrees."""
    options = {"first_page": first_page, "from_date": from_date, "manual_event": manual_event, "deletes": deletes}
    async with telling(open_bench, tmp_path, **options) as story:
        world, bench, crm = story.world, story.bench, story.crm
        await live(story)
        held_up = (await world.asked(), await world.outbox(State.DEAD, State.UNKNOWN, State.SENT))
        written = (bench.vendor.stats.writes_by_api, len(crm.log))
        await story.hear()
        await story.sync()

        assert END == story.crm_rows() == story.trail_rows()
        # A mark that cannot be read is left when a contact is made.
        assert {f"mark-{number}" for number in range(3)} == {mark for _, mark in bench.vendor.account.marks}
        assert ([], []) == held_up
        assert written == (bench.vendor.stats.writes_by_api, len(crm.log))


@pytest.mark.parametrize("deletes", ["hard", "soft", "hidden"])
async def test_who_was_deleted_and_is_made_again_is_there_again(open_bench, tmp_path, deletes):
    """Once on each side, though ActiveTrail may bring back the contact that it kept."""
    async with telling(open_bench, tmp_path, deletes=deletes) as story:
        for name in "abcde":
            story.crm.create_as_user({"email": f"{name}@b.co", "name": name})
        await story.sync()
        story.bench.delete_as_user(story.trail_id("a@b.co"))
        await story.sync()
        assert 4 == len(story.crm_rows()) == len(story.trail_rows())
        story.crm.create_as_user({"email": "a@b.co", "name": "Again"})
        await story.sync()

        assert 5 == len(story.crm.records()) == len(story.bench.truth())
        assert ("Again", None, None) == story.crm_rows()["a@b.co"] == story.trail_rows()["a@b.co"]
