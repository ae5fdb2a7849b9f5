"""Write: exactly one effect for every owed write, whatever the vendor does to the call."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.errors import Rejected
from syncd.core.record import SECOND
from syncd.core.rules import DeleteRule
from syncd.flow.engine import Timing
from syncd.flow.write import write_forever
from syncd.store import journal
from syncd.store.outbox import State
from tests.flow.hands import Slow, by_us, edited
from tests.flow.world import ADA, CRM, MAIL, Watch, opened, rules, systems, until

# ---- looking before writing


async def test_a_stale_target_is_read_first(tmp_path):
    """What was not looked at recently is looked at before it is written; what was just listed is not."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        await edited(world, crm, name="one")
        await world.write(MAIL)
        assert ["get", "update"] == world.calls(MAIL)
        await world.work()
        await edited(world, crm, name="two")
        await world.poll(MAIL)
        await world.write(MAIL)

        assert ["page", "update"] == world.calls(MAIL)


async def test_a_users_edit_meanwhile_is_kept(tmp_path):
    """The target moved in another field: both edits stand in the end, everywhere."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.edit_as_user(mail, {"phone": "+12125550123"})
        await world.work()
        expected = {**ADA, "name": "Ada L", "phone": "+12125550123"}

        assert [expected, expected] == [world.crm.records()[crm], world.mail.records()[mail]]


async def test_a_moved_target_is_planned_again(tmp_path):
    """The target moved in the very field: the write is taken back and the rule decides, instead of overwriting what nobody had seen."""
    async with opened(tmp_path, rules(source_of_truth=MAIL)) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="from crm")
        world.mail.edit_as_user(mail, {"name": "from mail"})
        await world.work()

        assert ["from mail", "from mail"] == [world.crm.records()[crm]["name"], world.mail.records()[mail]["name"]]
        assert [] == by_us(world.mail)
        assert State.CANCELLED in {each.state for each in await world.outbox()}


async def test_a_target_dated_earlier_but_as_expected_is_written(tmp_path):
    """A look that is dated before what is known, by a coarser clock say, and shows just what the write rests on holds up nothing."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await world.engine.database.write(lambda tx: tx.execute("UPDATE observations SET modified_at = modified_at + 5000 WHERE record_id = ?", (mail,)).rowcount)
        await edited(world, crm, name="Ada L")
        await world.write(MAIL)

        assert "Ada L" == world.mail.records()[mail]["name"]


async def test_what_the_target_holds_already_is_not_written(tmp_path):
    """Somebody made the same edit there: nothing is sent, and all agree."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.edit_as_user(mail, {"name": "Ada L"})
        await world.work()
        await world.sync()

        assert [] == by_us(world.mail)
        assert {"done": 1} == await world.counts()


async def test_a_target_that_vanished_is_a_suspect(tmp_path):
    """Not found when it was to be written: nothing is made again on the spot, the absence is followed up."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.delete_as_user(mail)
        await world.write(MAIL)

        assert [mail] == await world.suspects()
        assert {} == world.mail.records()


async def test_a_set_is_changed_by_its_elements(tmp_path):
    """An element added there between our look and our write stays."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked({**ADA, "tags": ["one"]})
        await edited(world, crm, tags=["one", "two"])
        await world.poll(MAIL)
        world.mail.edit_as_user(mail, {"tags": ["one", "three"]})
        await world.write(MAIL)

        assert ["one", "three", "two"] == sorted(world.mail.records()[mail]["tags"])


# ---- failures


async def test_one_poisoned_row_does_not_spoil_a_batch(tmp_path):
    """Of many updates in one call one is refused: the others are done, and the refused one, alone, is a dead letter."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock)) as world:
        ids = [world.crm.create_as_user({"email": f"p{n}@example.com", "name": f"P{n}"}) for n in range(8)]
        await world.sync()
        poison = world.engine.connectors[MAIL]
        check = poison._check

        def refuse(fields):
            if fields.get("name") == "poison":
                raise Rejected("no such name", system=MAIL, status=422)
            check(fields)

        poison._check = refuse
        world.later(60)
        for n, each in enumerate(ids):
            world.crm.edit_as_user(each, {"name": "poison" if n == 3 else f"Q{n}"})
        await world.poll()
        world.calls(MAIL)
        for _ in range(3):
            await world.work()
            world.later(5)
        await world.work()
        names = sorted(each["name"] for each in world.mail.records().values())

        assert sorted(["P3", *(f"Q{n}" for n in range(8) if n != 3)]) == names
        assert 2 == world.calls(MAIL).count("update")
        (dead,) = await world.outbox(State.DEAD)
        assert "no such name" in dead.error


async def test_a_batch_that_fails_as_a_whole_is_tried_alone(tmp_path):
    """A call refused for all its rows is taken apart; nothing is given up that could have been done."""
    async with opened(tmp_path) as world:
        ids = [world.crm.create_as_user({"email": f"p{n}@example.com", "name": f"P{n}"}) for n in range(4)]
        await world.sync()
        world.later(60)
        for each in ids:
            world.crm.edit_as_user(each, {"name": "new"})
        await world.poll()
        world.mail.faults.add(FaultKind.REJECTED, "update")
        for _ in range(3):
            await world.work()
            world.later(5)
        await world.work()

        assert ["new"] * 4 == [each["name"] for each in world.mail.records().values()]
        assert {"done": 8} == await world.counts()


@pytest.mark.parametrize("fault", [FaultKind.TIMEOUT_AFTER, FaultKind.TIMEOUT_BEFORE])
async def test_an_update_without_an_answer_is_done_once(tmp_path, fault):
    """Looked at again: what is there already is not sent again, what is not is."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.faults.add(fault, "update")
        for _ in range(4):
            await world.work()
            world.later(5)

        assert ("Ada L", 1) == (world.mail.records()[mail]["name"], len(by_us(world.mail)))
        assert {"done": 1} == await world.counts()


async def test_a_users_edit_after_a_doubtful_update_is_kept(tmp_path):
    """Between the lost answer and our next look somebody edited the field: the edit is heard, not overwritten unseen."""
    async with opened(tmp_path, rules(source_of_truth=MAIL)) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "update")
        await world.write(MAIL)
        world.later(5)
        world.mail.edit_as_user(mail, {"name": "by hand"})
        for _ in range(3):
            world.later(5)
            await world.work()

        assert ["by hand"] * 2 == [world.crm.records()[crm]["name"], world.mail.records()[mail]["name"]]


async def test_a_busy_vendor_is_given_time(tmp_path):
    """As long as it asked for, and then the write goes through."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.faults.add(FaultKind.RATE_LIMITED, "update", retry_after_s=120)
        await world.write(MAIL)
        world.calls(MAIL)
        world.later(100)
        await world.write(MAIL)
        assert [] == world.calls(MAIL)
        world.later(30)
        await world.work()

        assert "Ada L" == world.mail.records()[mail]["name"]


async def test_a_stale_answer_is_planned_again(tmp_path):
    """A record that is not what it was is looked at and decided anew, not written blind."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        world.mail.faults.add(FaultKind.STALE, "update")
        await world.work()
        world.later(3)
        await world.reread(MAIL)
        await world.work()

        assert ("Ada L", []) == (world.mail.records()[mail]["name"], await world.suspects())


async def test_a_refused_write_is_a_dead_letter(tmp_path):
    """It is kept with its error, is not sent again by itself, and a newer edit takes its place."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="bad")
        world.mail.faults.add(FaultKind.REJECTED, "update")
        for _ in range(3):
            await world.work()
            world.later(100)
        await world.sync()
        assert (1, {"dead": 1}) == (world.calls(MAIL).count("update"), await world.counts())
        await edited(world, crm, name="good")
        await world.work()

        assert "good" == world.mail.records()[mail]["name"]


async def test_a_key_that_does_not_fit_pauses_its_system_only(tmp_path):
    """The writes stay owed, the reason is kept, the other system goes on; let go again, everything arrives."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        other = {"email": "ben@example.com", "name": "Ben"}
        world.mail.create_as_user(other)
        await world.poll(MAIL)
        await edited(world, crm, name="Ada L")
        world.mail.faults.add(FaultKind.UNAUTHORIZED, "*")
        await world.work()

        assert {MAIL} == set(world.engine.paused)
        assert other in world.crm.records().values()
        assert {"done": 1, "pending": 1} == await world.counts()
        world.engine.paused.clear()
        world.later(5)
        await world.work()
        assert "Ada L" == world.mail.records()[mail]["name"]


async def test_a_restart_forgets_no_lease(tmp_path):
    """A write that was leased and not sent when the process died is carried out after the restart, once."""
    far = systems(Watch())
    async with opened(tmp_path, far=far) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        far[MAIL].faults.add(FaultKind.REFUSED_CONNECTION, "get")
        await world.write(MAIL)
    async with opened(tmp_path, far=far) as world:
        world.later(5)
        await world.work()

        assert ("Ada L", 1) == (far[MAIL].records()[mail]["name"], len(by_us(far[MAIL])))


# ---- stopping in the middle


async def stopped(world, speaker, *, answers):
    """Stops the writer while a call is under way, as the daemon does."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.write, MAIL)
        await speaker.struck.wait()
        world.engine.stop_within(0.2)
        tasks.cancel_scope.cancel()
        if answers:
            asyncio.get_running_loop().call_later(0.05, speaker.let_go.set)


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("creates", [True, False])
async def test_a_stop_in_the_middle_of_a_call_loses_nothing(tmp_path, answers, creates):
    """Answered within the grace, the outcome is recorded; else it is of unknown outcome, and looked for after the restart: one effect."""
    far = systems(Watch())
    speaker = Slow(MAIL, far[MAIL])
    async with opened(tmp_path, far=far, connectors={MAIL: speaker}) as world:
        if creates:
            await world.sync()
            world.crm.create_as_user(ADA)
            await world.poll(CRM)
            await world.plan()
        else:
            crm, _ = await world.linked()
            await edited(world, crm, name="Ada L")
        before = len(world.mail.log)
        with anyio.fail_after(2):
            await stopped(world, speaker, answers=answers)

        assert ({"done": 1} if answers else {"sent": 1}) == await world.counts()
    async with opened(tmp_path, far=far) as world:
        assert ({"done": 1} if answers else {"unknown": 1}) == await world.counts()
        for _ in range(3):
            world.later(30)
            await world.work()

        assert {"done": 1} == await world.counts()
        assert 1 == len(world.mail.log) - before
        assert 2 == len((await world.links())[0])


async def test_a_lost_lease_records_nothing(tmp_path):
    """A worker that was away for longer than its lease leaves the outcome to whoever looks into it."""
    far = systems(Watch())
    speaker = Slow(MAIL, far[MAIL])
    async with opened(tmp_path, far=far, connectors={MAIL: speaker}, timing=Timing(lease=10 * SECOND)) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.write, MAIL)
            await speaker.struck.wait()
            world.later(11)
            await world.write(MAIL)
            assert {"done": 1} == await world.counts()
            speaker.let_go.set()

        assert (1, "Ada L") == (len(by_us(world.mail)), world.mail.records()[mail]["name"])
        assert 1 == (await world.told()).count("write.done")


async def test_writes_to_many_records_go_side_by_side(tmp_path):
    """Eight slow calls take as long as one, not as eight."""
    async with opened(tmp_path, capabilities={MAIL: {"batch_update_max": 1}}) as world:
        for n in range(8):
            world.crm.create_as_user({"email": f"p{n}@example.com"})
        speaker = Slow(MAIL, world.mail)
        world.engine.connectors[MAIL] = speaker
        await world.poll()
        await world.plan()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.write, MAIL)

            async def all_under_way():
                return len(world.mail.records()) == 8

            await until(all_under_way)
            speaker.let_go.set()

        assert {"done": 8} == await world.counts()


async def test_a_batch_is_committed_before_its_call_and_after_it(tmp_path):
    """Lease, looks with the mark that all of it is sent, outcome: three commits, however many writes and however many looks."""
    async with opened(tmp_path) as world:
        ids = [world.crm.create_as_user({"email": f"p{n}@example.com", "name": f"P{n}"}) for n in range(8)]
        await world.sync()
        world.later(60)
        for n, each in enumerate(ids):
            world.crm.edit_as_user(each, {"name": f"Q{n}"})
        await world.poll(CRM)
        await world.plan()
        world.calls(MAIL)
        before = world.engine.database.commits
        await world.write(MAIL)

        assert 3 == world.engine.database.commits - before
        assert ["get"] * 8 + ["update"] == world.calls(MAIL)
        assert [f"Q{n}" for n in range(8)] == sorted(each["name"] for each in world.mail.records().values())


async def test_a_writer_with_nothing_due_commits_nothing(tmp_path):
    """It asks whether anything is due, again and again, and takes its turn at once when something is."""
    async with opened(tmp_path, timing=Timing(tick_s=0.01)) as world:
        crm, mail = await world.linked()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write_forever, world.engine, MAIL)
            await turned(world)
            before = world.engine.database.commits
            for _ in range(5):
                await turned(world)
            idle = world.engine.database.commits - before
            await edited(world, crm, name="Ada L")
            await until(lambda: holds(world, mail, "Ada L"), within_s=20)
            tasks.cancel_scope.cancel()

        assert 0 == idle


async def turned(world):
    """The writer comes round once more."""
    known = world.engine.progress.turns.get(f"write {MAIL}")
    world.later(1)

    async def again():
        return world.engine.progress.turns.get(f"write {MAIL}") != known

    await until(again, within_s=20)


async def holds(world, mail, name):
    return world.mail.records()[mail]["name"] == name


async def deleted(world):
    """A linked person is deleted in the crm, and the deletion is confirmed and decided."""
    crm, mail = await world.linked()
    world.later(60)
    world.crm.delete_as_user(crm)
    await world.hear(CRM)
    for _ in range(2):
        world.later(11 * 60)
        await world.reread()
    await world.plan()
    return crm, mail


async def test_a_deletion_carries_its_proof(tmp_path):
    """How its absence was noticed, that the vendor denied it twice, that its keys live on nowhere, and how near the guard was."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        await deleted(world)
        (owed,) = await world.outbox(State.PENDING)
        announced, first, second, merge, guard = owed.evidence

        assert ("announced as deleted", "its keys live on in no other record of crm") == (announced, merge)
        assert first.startswith("not found by id at ") and second.startswith("not found by id at ") and first != second
        assert guard.startswith("1 of at most ") and guard.endswith(" deletes within 60 min")

        await world.work()
        entries = await world.read(lambda tx: journal.after(tx, 0))
        (told,) = [each for each in entries if each.kind == "write.done" and each.detail["operation"] == "delete"]

        assert ({}, list(owed.evidence)) == (world.mail.records(), told.detail["evidence"])


async def test_a_deletion_without_proof_is_decided_anew(tmp_path):
    """One that was owed before proofs were kept is not carried out as it is."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        await deleted(world)
        await world.engine.database.write(lambda tx: tx.execute("UPDATE outbox SET evidence = NULL"))
        await world.write(MAIL)
        assert 1 == len(world.mail.records())
        await world.work()
        (done,) = [each for each in await world.outbox(State.DONE) if each.operation.value == "delete"]

        assert {} == world.mail.records()
        assert 5 == len(done.evidence)
