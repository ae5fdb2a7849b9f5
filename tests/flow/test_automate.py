"""Runs of automations: every step once in effect, in order, through failures, crashes and persons' answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.automation import RUNS_AN_HOUR_MAX
from syncd.core.happening import What
from syncd.core.record import HOUR, SECOND
from syncd.flow.automate import advance_once, automate_once, recover
from syncd.flow.pause import resume_system
from syncd.flow.running import answer_run, answer_timer
from syncd.store import runs
from syncd.store.runs import RunState
from tests.flow.automating import BACKFILL, automated, automation, message, on_hub, on_record
from tests.flow.world import ADA, CRM, MAIL

CREATED = on_record(CRM, What.CREATED)
GREET = automation(CREATED, message("hello"))
BOB = {"email": "bob@example.com", "name": "Bob"}


async def begun(found, *people, **other):
    """People turn up, and their runs have begun."""
    ids = [found.world.crm.create_as_user(each) for each in people or (ADA,)]
    await found.world.poll(CRM)
    await found.told()
    return ids


async def test_steps_go_one_after_the_other(tmp_path: Path) -> None:
    """A later step knows what an earlier one was answered, by its name."""
    steps = [message("one", name="first"), message("two, after {steps.first.number}")]
    async with automated(tmp_path, automation(CREATED, *steps)) as found:
        (ada,) = await begun(found)
        await found.settle()

        assert [(ada, "one"), (ada, "two, after 1")] == found.sent
        assert ["done"] == await found.states()


async def test_a_choice_is_made_once(tmp_path: Path) -> None:
    """What decided it may change while its steps are carried out: the run stays on its way."""
    choice = {
        "if": {"field": "members.crm.name", "op": "eq", "value": "Ada"},
        "then": [{"wait": HOUR}, message("then")],
        "else": [message("else")],
    }
    async with automated(tmp_path, automation(CREATED, choice, message("after"))) as found:
        (ada,) = await begun(found)
        await found.settle()
        found.world.later(30)
        await found.settle()
        assert [] == found.sent
        found.world.crm.edit_as_user(ada, {"name": "B"})
        await found.settle()
        found.world.later(2 * HOUR / SECOND)
        await found.settle()

        assert [(ada, "then"), (ada, "after")] == found.sent


async def test_a_stop_ends_the_run(tmp_path: Path) -> None:
    """Wherever it stands."""
    steps = [{"if": {"field": "name", "op": "eq", "value": "Ada"}, "then": [{"stop": True}], "else": []}, message("after")]
    async with automated(tmp_path, automation(CREATED, *steps)) as found:
        await begun(found, ADA, BOB)
        await found.settle()

        assert ["after"] == [text for _, text in found.sent]
        assert ["done", "done"] == await found.states()


async def test_a_loop_goes_over_what_was_there(tmp_path: Path) -> None:
    """Each item once, in order; more than `max` is given up before anything is done."""
    loop = {"for_each": "{event.tags}", "do": [message("{item}")], "max": 2}
    async with automated(tmp_path, automation(CREATED, loop)) as found:
        ada, _ = await begun(found, {**ADA, "tags": ["a", "b"]}, {**BOB, "tags": ["a", "b", "c"]})
        await found.settle()

        assert [(ada, "a"), (ada, "b")] == found.sent
        assert ["done", "failed"] == await found.states()


async def test_a_wait_outlives_a_restart(tmp_path: Path) -> None:
    """It ends when it would have ended."""
    steps = [message("one"), {"wait": 2 * HOUR}, message("two")]
    async with automated(tmp_path, automation(CREATED, *steps)) as found:
        (ada,) = await begun(found)
        await found.settle()
        far, operations = found.world.far, found.operations
    far[CRM].clock.pass_by(HOUR / SECOND)
    async with automated(tmp_path, automation(CREATED, *steps), far=far, operations=operations) as found:
        await found.settle()
        assert [(ada, "one")] == found.sent
        found.world.later(HOUR / SECOND + 60)
        await found.settle()

        assert [(ada, "one"), (ada, "two")] == found.sent


async def test_a_record_may_yet_be_linked(tmp_path: Path) -> None:
    """A step that needs the other side waits until it is made, and then goes on."""
    async with automated(tmp_path, automation(on_record(MAIL, What.CREATED), message("hello", to="{link.crm.id}"))) as found:
        found.world.mail.create_as_user(ADA)
        await found.world.poll(MAIL)
        await found.told()
        await advance_once(found.engine)
        assert [] == found.sent
        await found.settle()
        found.world.later(30)
        await found.settle()

        assert [next(iter(found.world.crm.records()))] == [to for to, _ in found.sent]


async def test_a_record_that_is_never_linked_is_asked_about(tmp_path: Path) -> None:
    """After a while; until then nobody is troubled."""
    async with automated(tmp_path, automation(on_record(MAIL, What.CREATED), message("hello", to="{link.crm.id}"))) as found:
        found.world.mail.create_as_user({"name": "No Address"})
        for _ in range(3):
            await found.settle()
            assert ([], ["running"]) == (await found.world.asked(), await found.states())
            found.world.later(200)
        found.world.later(600)
        await found.settle()

        assert (["missing_value"], ["parked"], []) == (await found.world.asked(), await found.states(), found.sent)


async def test_what_never_comes_is_asked_about(tmp_path: Path) -> None:
    """Nothing is called with a hole in it; a person skips the step, or tries again."""
    async with automated(tmp_path, automation(CREATED, message("{event.nothing}"), message("after"))) as found:
        (ada,) = await begun(found)
        await found.settle()
        assert (["missing_value"], ["parked"], []) == (await found.world.asked(), await found.states(), found.sent)
        await found.world.answer("ignore")
        await found.settle()

        assert [(ada, "after")] == found.sent
        assert ([], ["done"]) == (await found.world.asked(), await found.states())


@pytest.mark.parametrize("fault", [FaultKind.RATE_LIMITED, FaultKind.REFUSED_CONNECTION])
async def test_what_had_no_effect_is_tried_again(tmp_path: Path, fault: FaultKind) -> None:
    """Later, and once in effect."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        found.world.crm.faults.add(fault, "send-message", count=2)
        for _ in range(4):
            await found.settle()
            found.world.later(60)

        assert [(ada, "hello")] == found.sent


async def test_a_lost_answer_is_asked_about(tmp_path: Path) -> None:
    """A message may have been sent: it is not sent again but on a person's word."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        found.world.crm.faults.add(FaultKind.TIMEOUT_AFTER, "send-message")
        for _ in range(3):
            await found.settle()
            found.world.later(600)
        assert ([(ada, "hello")], ["unknown_step"], ["parked"]) == (found.sent, await found.world.asked(), await found.states())
        await found.world.answer("ignore")
        await found.settle()
        assert ([(ada, "hello")], ["done"]) == (found.sent, await found.states())


async def test_a_lost_answer_is_approved(tmp_path: Path) -> None:
    """The person saw that it had not been sent."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        found.world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "send-message")
        await found.settle()
        assert ([], ["parked"]) == (found.sent, await found.states())
        await found.world.answer("approve")
        await found.settle()

        assert ([(ada, "hello")], ["done"], []) == (found.sent, await found.states(), await found.world.asked())


async def test_what_does_no_harm_twice_is_made_again(tmp_path: Path) -> None:
    """An update whose answer was lost."""
    step = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "Dame"}}
    async with automated(tmp_path, automation(CREATED, step)) as found:
        (ada,) = await begun(found)
        found.world.crm.faults.add(FaultKind.TIMEOUT_AFTER, "update-contact")
        await found.settle()
        found.world.later(60)
        await found.settle()

        assert ("Dame", ["done"], []) == (found.world.crm.records()[ada]["name"], await found.states(), await found.world.asked())


async def test_a_refusal_ends_one_run_and_no_other(tmp_path: Path) -> None:
    """Others go on; the refused one is tried again on a person's word."""
    async with automated(tmp_path, GREET) as found:
        found.world.crm.faults.add(FaultKind.REJECTED, "send-message")
        ada, bob = await begun(found, ADA, BOB)
        await found.settle()
        assert ({"failed", "done"}, 1) == (set(await found.states()), len(found.sent))
        (failed,) = await found.runs(RunState.FAILED)
        await found.engine.database.write(lambda tx: answer_run(found.engine, tx, failed.id, "retry"))
        await found.settle()

        assert {ada, bob} == {to for to, _ in found.sent}


async def test_runs_about_one_record_keep_their_order(tmp_path: Path) -> None:
    """A run that is stuck keeps the later ones of its record waiting, and nobody else's."""
    renamed = automation(on_record(CRM, What.UPDATED, "name"), message("now {event.name}"))
    async with automated(tmp_path, renamed) as found:
        ada, bob = await begun(found, ADA, BOB)
        await found.settle()
        found.world.crm.faults.add(FaultKind.TIMEOUT_AFTER, "send-message")
        for name in ("B", "C"):
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": name})
            await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(bob, {"name": "Rob"})
        await found.settle()
        assert [(ada, "now B"), (bob, "now Rob")] == found.sent
        await found.world.answer("ignore")
        await found.settle()

        assert [(ada, "now B"), (bob, "now Rob"), (ada, "now C")] == found.sent


@pytest.mark.parametrize("strikes", ["before the call", "after the call"])
async def test_a_crash_between_sent_and_settled_is_asked_about(tmp_path: Path, strikes: str) -> None:
    """Whatever the vendor did, the message is not sent a second time by itself."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        await found.settle()
        far, operations = found.world.far, found.operations
        operations[CRM].messages.clear()
        # As the database is when the process dies there.
        await found.engine.database.write(
            lambda tx: [
                tx.execute("UPDATE automation_runs SET state = 'running', system = 'crm', done_at = NULL, lease_until = 9e18"),
                tx.execute("UPDATE automation_steps SET state = 'sent', result = NULL, done_at = NULL"),
            ]
        )
        if strikes == "after the call":
            operations[CRM].messages.append((ada, "hello"))
    async with automated(tmp_path, GREET, far=far, operations=operations, listed=False) as found:
        await found.engine.database.write(lambda tx: recover(found.engine, tx, CRM))
        await found.settle()
        assert (["parked"], ["unknown_step"]) == (await found.states(), await found.world.asked())
        await found.world.answer("ignore" if found.sent else "approve")
        await found.settle()

        assert ([(ada, "hello")], ["done"]) == (found.sent, await found.states())


async def test_a_lost_lease_records_nothing(tmp_path: Path) -> None:
    """Another worker has the run: this one neither sends nor records."""
    async with automated(tmp_path, GREET) as found:
        await begun(found)
        await advance_once(found.engine)
        taken = found.engine.operations[CRM].call

        async def call(prepared, leaving):
            await found.engine.database.write(lambda tx: tx.execute("UPDATE automation_runs SET fence = fence + 1"))
            return await taken(prepared, leaving)

        found.engine.operations[CRM].call = call
        await automate_once(found.engine, CRM)

        assert [] == found.sent


async def test_a_call_that_outlives_its_lease_is_asked_about(tmp_path: Path) -> None:
    """Nobody knows what became of it: it is not made a second time."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        await advance_once(found.engine)
        engine, call = found.engine, found.engine.operations[CRM].call

        async def slow(prepared, leaving):
            answer = await call(prepared, leaving)
            found.world.later(2 * engine.timing.lease / SECOND)
            await automate_once(engine, CRM)
            return answer

        engine.operations[CRM].call = slow
        await automate_once(engine, CRM)
        engine.operations[CRM].call = call
        await found.settle()

        assert ([(ada, "hello")], ["parked"], ["unknown_step"]) == (found.sent, await found.states(), await found.world.asked())


async def test_a_closed_door_keeps_runs_waiting(tmp_path: Path) -> None:
    """The system is paused, nothing is lost, and it goes on when the door is open again."""
    async with automated(tmp_path, GREET) as found:
        (ada,) = await begun(found)
        found.world.crm.faults.add(FaultKind.UNAUTHORIZED, "send-message")
        await advance_once(found.engine)
        await automate_once(found.engine, CRM)
        assert CRM in found.engine.paused
        await resume_system(found.engine, CRM)
        await found.settle()

        assert ([(ada, "hello")], ["done"]) == (found.sent, await found.states())


async def test_a_paused_automation_loses_nothing(tmp_path: Path) -> None:
    """What sets it off meanwhile waits."""
    async with automated(tmp_path, GREET) as found:
        await found.engine.database.write(lambda tx: answer_timer(found.engine, tx, "greet", "pause"))
        (ada,) = await begun(found)
        await found.settle()
        assert ([], ["running"]) == (found.sent, await found.states())
        await found.engine.database.write(lambda tx: answer_timer(found.engine, tx, "greet", "resume"))
        await found.settle()

        assert [(ada, "hello")] == found.sent


async def test_a_run_ends_by_the_steps_it_began_with(tmp_path: Path) -> None:
    """Whatever the configuration says meanwhile; even where the automation is gone from it."""
    old = automation(CREATED, {"wait": HOUR}, message("old"))
    async with automated(tmp_path, old) as found:
        (ada,) = await begun(found)
        await found.settle()
        far, operations = found.world.far, found.operations
    far[CRM].clock.pass_by(2 * HOUR / SECOND)
    async with automated(tmp_path, automation(CREATED, message("new")), far=far, operations=operations) as found:
        await found.settle()

        assert [(ada, "old")] == found.sent


async def test_a_call_to_a_system_that_is_gone_is_said(tmp_path: Path) -> None:
    """The run does not wait for ever."""
    async with automated(tmp_path, GREET) as found:
        await begun(found)
        await advance_once(found.engine)
        del found.engine.operations[CRM]
        await found.engine.database.write(lambda tx: runs.leave_lanes(tx, ["", MAIL], 1))
        await advance_once(found.engine)

        (failed,) = await found.runs(RunState.FAILED)
        assert "there is no system crm any more" in str(failed.error)


async def test_calls_alike_travel_together(tmp_path: Path) -> None:
    """One call for many; each run goes on by its own outcome."""
    tag = {"call": "crm.add-tags", "with": {"contactId": "{event.id}", "tags": ["vip"]}}
    async with automated(tmp_path, automation(CREATED, tag, message("tagged"))) as found:
        ids = await begun(found, *({"email": f"p{n}@example.com", "name": "P"} for n in range(12)))
        found.world.crm.delete_as_user(ids[3])
        found.world.calls(CRM)
        await found.settle(poll=False)

        tagged = {to for to, _ in found.sent}
        calls = found.world.calls(CRM)
        assert set(ids) - {ids[3]} == tagged == {each for each, held in found.world.crm.records().items() if held.get("tags") == ["vip"]}
        assert (2, 1) == (calls.count("bulk-add-tags"), calls.count("add-tags"))
        assert ["failed"] == [run.state.value for run in await found.runs() if run.subject.endswith(f"/{ids[3]}")]


async def test_a_value_for_the_hub_goes_to_every_side(tmp_path: Path) -> None:
    """By the sync's own plan: written once to each, and no echo of it sets the automation off again."""
    vip = automation(on_hub(field="phone"), {"set": {"name": "Dame {event.name}"}})
    async with automated(tmp_path, vip) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        for _ in range(3):
            await found.settle()
            found.world.later(60)

        assert ("Dame Ada", "Dame Ada") == (found.world.crm.records()[ada]["name"], found.world.mail.records()[there]["name"])
        assert ["done"] == await found.states()


async def test_a_value_for_the_hub_writes_over_no_edit(tmp_path: Path) -> None:
    """What a person wrote on one side, while the value was on its way there, stays, and a person is asked which it is to be."""
    vip = automation(on_hub(field="phone"), {"set": {"name": "Dame"}})
    async with automated(tmp_path, vip) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.world.poll(CRM)
        await found.world.plan()
        await found.told()
        await advance_once(found.engine)
        # The hub has the value, and somebody edits before it is written.
        await found.world.plan()
        found.world.mail.edit_as_user(there, {"name": "Countess"})
        for _ in range(4):
            await found.settle()
            found.world.later(60)
        assert ("Countess", ["conflict"]) == (found.world.mail.records()[there]["name"], await found.world.asked())
        await found.world.answer("mail")
        await found.settle()

        assert {"Countess"} == {found.world.crm.records()[ada]["name"], found.world.mail.records()[there]["name"]}


async def test_a_value_for_the_hub_waits_for_an_edit_that_was_seen(tmp_path: Path) -> None:
    """What is to be planned about the link is planned first; the value comes after it."""
    vip = automation(on_hub(field="phone"), {"set": {"name": "{hub.name} the First"}})
    async with automated(tmp_path, vip) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.world.poll(CRM)
        await found.world.plan()
        await found.told()
        found.world.mail.edit_as_user(there, {"name": "Countess"})
        await found.world.poll(MAIL)
        await advance_once(found.engine)
        assert ["running"] == await found.states()
        for _ in range(4):
            await found.settle()
            found.world.later(60)

        assert {"Countess the First"} == {found.world.crm.records()[ada]["name"], found.world.mail.records()[there]["name"]}


async def test_a_late_condition_is_asked_when_there_is_a_link(tmp_path: Path) -> None:
    """It reads the other side, which is made only after the record was seen."""
    when = {"field": "members.mail.email", "op": "exists"}
    late = automation(CREATED, message("hello"), when=when, late=True)
    async with automated(tmp_path, late) as found:
        (ada,) = await begun(found)
        await advance_once(found.engine)
        await found.world.plan()
        found.world.later(5)
        await advance_once(found.engine)
        assert ([], ["running"]) == (found.sent, await found.states())
        await found.settle()
        found.world.later(30)
        await found.settle()

        assert [(ada, "hello")] == found.sent
    never = automation(CREATED, message("hello"), when={"not": when}, late=True)
    async with automated(tmp_path / "never", never) as found:
        await begun(found)
        await found.settle()
        found.world.later(30)
        await found.settle()

        assert ([], ["skipped"]) == (found.sent, await found.states())


async def test_a_condition_that_is_not_met_is_counted(tmp_path: Path) -> None:
    """And begins nothing."""
    picky = automation(CREATED, message("hello"), when={"field": "event.name", "op": "eq", "value": "Bob"})
    async with automated(tmp_path, picky) as found:
        await begun(found, ADA, BOB)
        await found.settle()

        assert {"fired": 1, "its condition was not met": 1} == await found.outcomes()


async def test_one_record_does_not_set_it_off_for_ever(tmp_path: Path) -> None:
    """Something at the vendor sets it back each time: after a while a person is asked."""
    renamed = automation(on_record(CRM, What.UPDATED, "name"), message("again"))
    async with automated(tmp_path, renamed) as found:
        (ada,) = await begun(found)
        for number in range(RUNS_AN_HOUR_MAX + 5):
            found.world.later(30)
            found.world.crm.edit_as_user(ada, {"name": f"N{number}"})
            await found.settle()

        assert RUNS_AN_HOUR_MAX == len(found.sent)
        assert "automation_loop" in await found.world.asked()


async def test_a_backlog_begins_no_more_than_it_should(tmp_path: Path) -> None:
    """Restarted in the middle of a first listing, an automation that wants the backlog is told of each record once."""
    wanted = automation(CREATED, message("hello"), origins=frozenset({BACKFILL}))
    async with automated(tmp_path, wanted, listed=False) as found:
        people = [found.world.crm.create_as_user({"email": f"p{n}@example.com", "name": "P"}) for n in range(5)]
        await found.world.poll(CRM)
        far, operations = found.world.far, found.operations
    async with automated(tmp_path, wanted, far=far, operations=operations, listed=False) as found:
        await found.settle()

        assert sorted(people) == sorted(to for to, _ in found.sent)
