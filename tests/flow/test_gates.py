"""Gates: the first run that waits for a person, and the guards against too much at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.errors import UserError
from syncd.core.rules import Cap, DeleteRule, FirstRun
from tests.flow.world import ADA, CRM, OPEN_GUARDS, opened, rules

BEN = {"email": "ben@example.com", "name": "Ben"}
THIRD = "third"

async def test_the_first_run_waits_for_a_person(tmp_path):
    """Everything is planned and parked; nothing is written before the approval, everything after it."""
    async with opened(tmp_path, rules(first_run=FirstRun.REVIEW)) as world:
        for each in (ADA, BEN):
            world.crm.create_as_user(each)
        await world.sync()
        assert ({"parked": 2}, {}) == (await world.counts(), world.mail.records())
        assert ["first_run"] == await world.asked()
        await world.answer("approve")
        await world.work()

        assert [ADA, BEN] == list(world.mail.records().values())
        assert ([], {"done": 2}) == (await world.asked(), await world.counts())


async def test_after_an_approval_nothing_waits_again(tmp_path):
    """The gate of a first run is passed once."""
    async with opened(tmp_path, rules(first_run=FirstRun.REVIEW)) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        await world.answer("approve")
        await world.work()
        world.crm.create_as_user(BEN)
        await world.poll()
        await world.work()

        assert 2 == len(world.mail.records())


GUARDED = replace(OPEN_GUARDS, updates=Cap(number=3, share=0.0))


async def guarded(world, count=8, edits=6):
    """Linked people, of whom so many are edited in the crm and a few in the mail list."""
    people = [{"email": f"p{n}@example.com", "name": f"P{n}"} for n in range(count)]
    for each in people:
        world.crm.create_as_user(each)
        world.mail.create_as_user(each)
    await world.sync()
    await world.plan()
    world.later(60)
    for n in range(edits):
        world.crm.edit_as_user(f"crm-{n + 1}", {"name": "Edited"})
    world.mail.edit_as_user(f"mail-{count}", {"name": "Elsewhere"})
    await world.poll()
    await world.work()


def edited(world):
    return sum(each["name"] == "Edited" for each in world.mail.records().values())


async def test_a_tripped_guard_parks_its_own_stream(tmp_path):
    """What is over the cap waits; the stream towards the other member goes on; a person sees a sample."""
    async with opened(tmp_path, rules(guards=GUARDED)) as world:
        await guarded(world)
        (asked,) = await world.holds()

        assert (3, "Elsewhere") == (edited(world), world.crm.records()["crm-8"]["name"])
        assert ("guard", "mail", 3) == (asked.kind.value, asked.member, len(asked.sides["sample"]))
        assert {"done": 4, "parked": 3} == await world.counts()


async def test_an_approval_frees_a_stream(tmp_path):
    """What was parked goes, and the count begins anew."""
    async with opened(tmp_path, rules(guards=GUARDED)) as world:
        await guarded(world)
        await world.answer("approve")
        await world.work()
        assert (6, []) == (edited(world), await world.asked())
        world.later(60)
        world.crm.edit_as_user("crm-7", {"name": "Edited"})
        await world.poll()
        await world.work()

        assert (7, []) == (edited(world), await world.asked())


async def test_a_frozen_stream_stays_frozen(tmp_path):
    """While nobody has answered, later writes of that stream wait too, even when the window has passed."""
    async with opened(tmp_path, rules(guards=GUARDED)) as world:
        await guarded(world)
        world.later(2 * 3600)
        world.crm.edit_as_user("crm-7", {"name": "Edited"})
        await world.poll()
        await world.work()

        assert (3, 4) == (edited(world), (await world.counts())["parked"])


async def test_an_ignored_guard_drops_its_writes(tmp_path):
    """They are not owed again until one of those records is edited."""
    async with opened(tmp_path, rules(guards=GUARDED)) as world:
        await guarded(world)
        await world.answer("ignore")
        await world.sync()
        assert (3, []) == (edited(world), await world.asked())
        world.later(2 * 3600)
        world.crm.edit_as_user("crm-6", {"phone": "+12125550123"})
        await world.poll()
        await world.work()

        assert (4, "+12125550123") == (edited(world), world.mail.records()["mail-6"]["phone"])


async def test_the_first_filling_is_no_alarm(tmp_path):
    """Creates and updates of a first run are what a person approved; the guards hold from then on."""
    few = replace(OPEN_GUARDS, creates=Cap(number=2, share=0.0))
    async with opened(tmp_path, rules(guards=few)) as world:
        for n in range(10):
            world.crm.create_as_user({"email": f"p{n}@example.com"})
        await world.sync()
        assert 10 == len(world.mail.records())
        world.later(2 * 3600)
        for n in range(10, 20):
            world.crm.create_as_user({"email": f"p{n}@example.com"})
        await world.poll()
        await world.work()

        assert (12, ["guard"]) == (len(world.mail.records()), await world.asked())


async def test_what_a_guard_stopped_is_put_back(tmp_path):
    """The changed values are written back where they were changed; what had passed before the trip stays."""
    async with opened(tmp_path, rules(guards=replace(GUARDED, updates=Cap(number=3, share=0.0)))) as world:
        await guarded(world)
        passed = {n for n in range(1, 7) if world.mail.records()[f"mail-{n}"]["name"] == "Edited"}
        world.later(2 * 3600)
        said = await world.answer("revert")
        await world.work()
        names = {n: world.crm.records()[f"crm-{n}"]["name"] for n in range(1, 7)}

        assert said.startswith("3 records are put back")
        assert {n: "Edited" if n in passed else f"P{n - 1}" for n in range(1, 7)} == names
        assert names == {n: world.mail.records()[f"mail-{n}"]["name"] for n in range(1, 7)}
        assert [] == await world.asked()


async def test_an_edit_made_since_is_not_put_back(tmp_path):
    """A newer word wins over putting back."""
    async with opened(tmp_path, rules(guards=GUARDED)) as world:
        await guarded(world)
        behind = next(n for n in range(1, 7) if world.mail.records()[f"mail-{n}"]["name"] != "Edited")
        world.later(2 * 3600)
        world.crm.edit_as_user(f"crm-{behind}", {"name": "Newer"})
        await world.answer("revert")
        await world.poll()
        await world.work()

        assert ("Newer", "Newer") == (world.crm.records()[f"crm-{behind}"]["name"], world.mail.records()[f"mail-{behind}"]["name"])


async def test_stopped_deletions_are_put_back(tmp_path):
    """The records that are gone are made again from what the others still have."""
    few = replace(OPEN_GUARDS, deletes=Cap(number=0, share=0.0), delete_grace=0)
    async with opened(tmp_path, rules(guards=few, delete=DeleteRule.PROPAGATE)) as world:
        crm, mail = await world.linked()
        world.later(60)
        world.crm.delete_as_user(crm)
        await world.hear(CRM)
        for _ in range(3):
            world.later(60)
            await world.reread()
            await world.work()
        assert (["guard"], [mail]) == (await world.asked(), list(world.mail.records()))
        world.later(2 * 3600)
        await world.answer("revert")
        await world.work()

        assert [ADA] == list(world.crm.records().values()) == list(world.mail.records().values())
        assert [] == await world.asked()


async def test_new_records_are_not_put_back(tmp_path):
    """That would delete them: it is refused with what to do instead."""
    few = replace(OPEN_GUARDS, creates=Cap(number=0, share=0.0))
    async with opened(tmp_path, rules(guards=few)) as world:
        await world.sync()
        world.later(2 * 3600)
        world.crm.create_as_user(ADA)
        await world.poll()
        await world.work()
        with pytest.raises(UserError, match="not put back"):
            await world.answer("revert")

        assert (["guard"], {}) == (await world.asked(), world.mail.records())


async def test_only_gates_can_be_put_back(tmp_path):
    """A question about a value has nothing waiting behind it."""
    async with opened(tmp_path, rules(first_run=FirstRun.REVIEW)) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        with pytest.raises(UserError, match="could be put back"):
            await world.answer("revert")
