"""Probing: one record in the end, whatever became of the call that was to make it."""

from __future__ import annotations

import pytest

from syncd.connectors.memory import FaultKind, MemoryConnector
from syncd.core.errors import Effect, Rejected
from syncd.core.record import SECOND
from syncd.core.rules import DeleteRule
from tests.flow.world import ADA, CRM, EMAIL, MAIL, PHONE, Watch, opened, rules, systems

LAG = 20 * SECOND


@pytest.mark.parametrize("fault", [FaultKind.TIMEOUT_AFTER, FaultKind.TIMEOUT_BEFORE])
@pytest.mark.parametrize("lag", [0, LAG])
async def test_a_create_without_an_answer_makes_one_record(tmp_path, fault, lag):
    """Whether the lost call had its effect or not: it is looked for when the index has had time, and there is one record in the end."""
    clock = Watch()
    far = systems(clock, mail={"index_lag": lag})
    async with opened(tmp_path, far=far, capabilities={MAIL: {"index_lag": lag}}) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(fault, "create")
        await world.write(MAIL)
        assert {"unknown": 1} == await world.counts()
        for _ in range(6):
            world.later(30)
            await world.work()
        await world.sync()

        assert [ADA] == list(world.mail.records().values())
        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()
        assert (1 if fault is FaultKind.TIMEOUT_AFTER else 2) == world.calls(MAIL).count("create")
        assert [] == await world.asked()


async def test_a_doubtful_create_is_not_looked_for_before_the_index_shows_it(tmp_path):
    """A look within the lag would find nothing and prove nothing."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, mail={"index_lag": LAG}), capabilities={MAIL: {"index_lag": LAG}}) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "create")
        await world.write(MAIL)
        world.calls(MAIL)
        world.later(15)
        await world.write(MAIL)

        assert [] == world.calls(MAIL)


async def test_a_doubtful_create_is_looked_for_twice(tmp_path):
    """A vendor that shows it later than it said is given a second look before anything is sent again."""
    async with opened(tmp_path) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "create")
        await world.write(MAIL)
        find, looks = world.mail.find, []

        def shows_it_late(*given):
            looks.append(given)
            return [] if len(looks) == 1 else find(*given)

        world.mail.find = shows_it_late
        world.mail.listed = lambda _collection: []
        for _ in range(4):
            world.later(30)
            await world.poll(MAIL)
            await world.work()

        assert (2, [ADA]) == (len(looks), list(world.mail.records().values()))


class Unreliable(MemoryConnector):
    """Refuses a create that it has carried out all the same."""

    effective = True

    async def create(self, collection, fields):
        if not self.effective:
            self.world.calls.append("create")
        else:
            await super().create(collection, fields)
        raise Rejected("unprocessable", system=self.system, status=422, effect=Effect.MAYBE)


@pytest.mark.parametrize("effective", [True, False])
async def test_a_refused_create_that_may_have_worked_is_looked_for(tmp_path, effective):
    """Found: adopted. Not found, twice: it was refused indeed, a dead letter, and is not tried again."""
    clock = Watch()
    far = systems(clock)
    speaker = Unreliable(MAIL, far[MAIL])
    speaker.effective = effective
    async with opened(tmp_path, far=far, connectors={MAIL: speaker}) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        for _ in range(6):
            await world.work()
            world.later(30)
        await world.sync()

        assert 1 == world.calls(MAIL).count("create")
        assert ([{**ADA}] if effective else []) == list(world.mail.records().values())
        assert ({"done": 1} if effective else {"dead": 1}) == await world.counts()
        assert (2 if effective else 1) == len((await world.links())[0])


async def test_what_cannot_be_looked_for_is_held(tmp_path):
    """No key the vendor can find it by: it is not sent again, a person is asked, and an approval sends it once more."""
    async with opened(tmp_path, capabilities={MAIL: {"find_keys": frozenset()}}) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(FaultKind.TIMEOUT_BEFORE, "create")
        for _ in range(4):
            await world.work()
            world.later(30)
        assert (["unknown_create"], 1, {}) == (await world.asked(), world.calls(MAIL).count("create"), world.mail.records())
        await world.answer("approve")
        await world.work()

        assert ([ADA], []) == (list(world.mail.records().values()), await world.asked())


async def test_several_that_match_a_doubtful_create_are_held(tmp_path):
    """Which of them is ours nobody can say but a person, who picks one."""
    async with opened(tmp_path) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "create")
        await world.write(MAIL)
        world.mail.create_as_user(ADA)
        world.later(60)
        await world.write(MAIL)
        assert ["unknown_create"] == await world.asked()
        await world.answer("mail-2")
        await world.work()

        assert {"crm": "crm-1", "mail": "mail-2"} in await world.links()


async def test_an_existing_record_is_adopted(tmp_path):
    """The vendor refuses a second one and names the first, which no link holds: it joins, and differences are decided by the rules."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, mail={"unique": frozenset({"email"})}), capabilities={MAIL: {"create_detects": frozenset({"email"})}}) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.create_as_user({**ADA, "phone": "+12125550123"})
        await world.work()
        expected = {**ADA, "phone": "+12125550123"}

        assert [expected, expected] == [*world.crm.records().values(), *world.mail.records().values()]
        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()


async def test_an_existing_record_of_another_link_is_held(tmp_path):
    """What belongs to somebody else is not taken."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, mail={"unique": frozenset({"email"})}), capabilities={MAIL: {"create_detects": frozenset({"email"})}}) as world:
        _, mail = await world.linked()
        world.crm.create_as_user({"email": "ben@example.com", "name": "Ben"})
        await world.poll(CRM)
        await world.plan()
        world.mail.edit_as_user(mail, {"email": "ben@example.com"})
        await world.write(MAIL)
        (asked,) = await world.holds()

        assert ("unknown_create", [f"mail/contacts/{mail}"]) == (asked.kind.value, asked.sides["candidates"])
        assert {"crm": "crm-1", "mail": mail} in await world.links()


async def test_who_is_still_there_is_not_taken_from_a_link_that_has_ended(tmp_path):
    """Who was unlinked keeps his record: somebody new with the same address is a question, also where only the look-up shows that it is the same."""
    async with opened(tmp_path, rules(delete=DeleteRule.UNLINK)) as world:
        crm, mail = await world.linked()
        world.crm.delete_as_user(crm)
        for seconds in (5, 700):
            await world.hear(CRM)
            world.later(seconds)
            await world.reread(CRM)
        await world.plan()
        world.mail.edit_as_user(mail, {"email": "ben@example.com"})
        await world.poll(MAIL)
        world.crm.create_as_user(ADA)
        await world.poll(CRM)
        await world.plan()
        world.mail.edit_as_user(mail, {"email": ADA["email"]})
        await world.write(MAIL)
        (asked,) = await world.holds()

        assert ("unknown_create", [f"mail/contacts/{mail}"]) == (asked.kind.value, asked.sides["candidates"])
        assert {"crm": crm, "mail": mail} in await world.links()


async def test_a_create_looks_before_it_doubles(tmp_path):
    """Somebody made the record there since the last listing, and no webhook said so: it is found and adopted, not doubled."""
    async with opened(tmp_path) as world:
        await world.sync()
        world.crm.create_as_user(ADA)
        world.later(60)
        world.mail.create_as_user(ADA)
        await world.poll(CRM)
        await world.work()

        assert 1 == len(world.mail.records())
        assert [{"crm": "crm-1", "mail": "mail-1"}] == await world.links()


@pytest.mark.parametrize(("made", "expected"), [(True, ["unknown_create"]), (False, [])], ids=["it was made", "it was not"])
async def test_a_key_that_was_edited_before_the_probe(tmp_path, made, expected):
    """What a doubtful create may have made has another e-mail by now, but the same telephone: a person is asked, it is not made again."""
    both = {**ADA, "phone": "+12125550123"}
    async with opened(tmp_path, rules(match=(EMAIL, PHONE)), capabilities={MAIL: {"find_keys": frozenset({"email", "phone"})}}) as world:
        await world.sync()
        world.crm.create_as_user(both)
        await world.poll(CRM)
        await world.plan()
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER if made else FaultKind.TIMEOUT_BEFORE, "create")
        await world.write(MAIL)
        if made:
            world.mail.edit_as_user("mail-1", {"email": "countess@example.com"})
        for _ in range(3):
            world.later(60)
            await world.write(MAIL)

        assert 1 == len(world.mail.records())
        assert expected == await world.asked()
