"""What automations are told: what happened, once, and who caused it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.connectors.memory import FIELDS, FaultKind
from syncd.core.automation import WebhookTrigger
from syncd.core.happening import What
from syncd.core.record import HOUR
from syncd.flow.automate import advance_once, automate_once
from syncd.flow.write import write_once
from syncd.store import continuity
from syncd.store.continuity import Standing
from tests.flow.automating import BACKFILL, SYNC, automated, automation, message, on_hub, on_record
from tests.flow.world import ADA, CRM, MAIL

CREATED = automation(on_record(CRM, What.CREATED), message("hello"))
RENAMED = automation(on_record(CRM, What.UPDATED, "name"), message("renamed to {event.name}, once {event.before.name}"))
ANY = automation(on_record(MAIL, What.UPDATED), message("changed", MAIL), origins=frozenset({SYNC}))


async def test_what_a_first_listing_shows_is_no_news(tmp_path: Path) -> None:
    """Records that were there before are the backlog: nothing is done about them."""
    async with automated(tmp_path, CREATED, listed=False) as found:
        found.world.crm.create_as_user(ADA)
        await found.settle()

        assert ([], []) == (await found.runs(), found.sent)


async def test_a_backlog_is_told_to_whom_it_is_meant_for(tmp_path: Path) -> None:
    """An automation may ask for what was there before."""
    wanted = automation(on_record(CRM, What.CREATED), message("hello"), origins=frozenset({BACKFILL}))
    async with automated(tmp_path, wanted, listed=False) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()

        assert ([(ada, "hello")], ["backfill"]) == (found.sent, await found.origins())


async def test_a_new_record_is_told_once(tmp_path: Path) -> None:
    """However often it is polled, and however often its webhook comes."""
    async with automated(tmp_path, CREATED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.hear(CRM, times=3)
        for _ in range(3):
            await found.settle()
            found.world.later(60)

        assert ([(ada, "hello")], ["person"]) == (found.sent, await found.origins())


async def test_a_change_is_told_with_what_was_before(tmp_path: Path) -> None:
    """Of the watched field; another field's change is nothing."""
    async with automated(tmp_path, RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.settle()
        assert [] == found.sent
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        await found.settle()

        assert [(ada, "renamed to Ada L, once Ada")] == found.sent


async def test_two_changes_are_two(tmp_path: Path) -> None:
    """To and back again is told twice."""
    async with automated(tmp_path, RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        for name in ("B", "Ada"):
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": name})
            await found.settle()

        assert [(ada, "renamed to B, once Ada"), (ada, "renamed to Ada, once B")] == found.sent


async def test_changes_seen_before_anybody_was_told_are_each_told(tmp_path: Path) -> None:
    """What is told is what was seen, not what is there when somebody comes round to telling it."""
    async with automated(tmp_path, RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        for name in ("B", "C"):
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": name})
            await found.world.poll()
        await found.settle()

        assert [(ada, "renamed to B, once Ada"), (ada, "renamed to C, once B")] == found.sent


async def test_a_first_value_is_a_change(tmp_path: Path) -> None:
    """From blank to a value: of a record's field, of whatever changed of a record, and of a hub's."""
    phone = "+15550001111"
    automations = (
        automation(on_record(CRM, What.UPDATED, "phone"), message("{event.phone}"), name="field"),
        automation(on_record(CRM, What.UPDATED), message("any"), name="any"),
        automation(on_hub(What.UPDATED, "phone", phone), message("hub", to="{link.crm.id}"), name="hub"),
    )
    async with automated(tmp_path, *automations) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        assert [] == found.sent
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"phone": phone})
        await found.settle()

        assert {(ada, "any"), (ada, "hub"), (ada, phone)} == set(found.sent)


async def test_a_first_value_of_a_field_that_was_just_defined_is_a_change(tmp_path: Path) -> None:
    """The vendor shows its own fields all together: one that turns up among the others was defined since."""
    wanted = automation(on_record(CRM, What.UPDATED, "custom.size"), message("a size"))
    async with automated(tmp_path, wanted) as found:
        ada = found.world.crm.create_as_user(ADA)
        found.world.crm.create_as_user({"email": "bob@example.com", "name": "Bob"})
        await found.settle()
        found.engine.connectors[CRM]._fields = {**FIELDS, "custom.size": replace(FIELDS["custom.plan"], path="custom.size")}
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"custom.size": "L"})
        await found.settle()

        assert [(ada, "a size")] == found.sent


async def test_a_deletion_is_told(tmp_path: Path) -> None:
    """Once it is proven."""
    gone = automation(on_record(CRM, What.DELETED), {"alert": {"text": "{event.name} is gone"}})
    async with automated(tmp_path, gone) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.crm.delete_as_user(ada)
        await found.hear(CRM)
        assert [] == await found.runs()
        found.world.later(HOUR / 1_000_000)
        await found.world.reread(CRM)
        await found.settle(poll=False)

        assert (["done"], ["person"]) == (await found.states(), await found.origins())


async def test_what_the_sync_wrote_is_told_as_the_syncs(tmp_path: Path) -> None:
    """Its webhook and the next poll show nothing new."""
    made = automation(on_record(MAIL, What.CREATED), message("welcome", MAIL), name="made")
    async with automated(tmp_path, made, ANY) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        await found.settle()
        await found.hear(MAIL, times=2)
        await found.settle()

        (there,) = found.world.mail.records()
        assert [(there, "welcome"), (there, "changed")] == found.sent
        assert ["sync", "sync"] == await found.origins()


async def test_the_first_run_of_a_sync_is_backlog_on_the_far_side_too(tmp_path: Path) -> None:
    """What it makes there is no news, whoever looks first: the writer, a webhook or a poll."""
    made = automation(on_record(MAIL, What.CREATED), message("welcome", MAIL))
    async with automated(tmp_path, made, listed=False) as found:
        found.world.crm.create_as_user(ADA)
        await found.settle()
        await found.hear(MAIL)
        await found.settle()

        assert (1, []) == (len(found.world.mail.records()), found.sent)


async def test_the_links_of_a_first_run_are_backlog(tmp_path: Path) -> None:
    """What is linked and agreed then has long been so."""
    new = automation(on_hub(What.CREATED), message("new", to="{link.crm.id}"))
    async with automated(tmp_path, new, listed=False) as found:
        found.world.crm.create_as_user(ADA)
        found.world.mail.create_as_user(ADA)
        await found.settle()

        assert ([], []) == (found.sent, await found.runs())


async def test_a_webhook_that_overtakes_the_answer_is_still_the_syncs(tmp_path: Path) -> None:
    """A write is in the air when its effect is seen: nothing is told before it is known whose doing it is."""
    made = automation(on_record(MAIL, What.CREATED), message("welcome", MAIL))
    renamed = automation(on_record(MAIL, What.UPDATED, "name"), message("renamed", MAIL), name="renamed")
    async with automated(tmp_path, made, renamed) as found:
        found.world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "create")
        ada = found.world.crm.create_as_user(ADA)
        await found.world.poll()
        await found.world.plan()
        await write_once(found.engine, MAIL)
        await found.hear(MAIL)
        await found.told()
        assert (1, []) == (await found.waiting(), await found.runs())
        found.world.later(120)
        await found.settle()
        assert ["sync"] == await found.origins()
        found.world.later(60)
        found.world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "update")
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        await found.world.poll(CRM)
        await found.world.plan()
        await write_once(found.engine, MAIL)
        await found.hear(MAIL)
        await found.told()
        found.world.later(120)
        await found.settle()

        assert ["sync", "sync"] == await found.origins()


@pytest.mark.parametrize("operation", ["create", "update"])
async def test_an_edit_of_what_a_doubtful_write_left_is_a_persons(tmp_path: Path, operation: str) -> None:
    """Nobody heard what became of a write; it shows, and somebody edits it, before it is looked for: the one is the sync's, the other a person's."""
    made = automation(on_record(MAIL, What.CREATED), message("made", MAIL), name="made")
    renamed = automation(on_record(MAIL, What.UPDATED, "name"), message("{event.name}", MAIL), name="renamed")
    async with automated(tmp_path, made, renamed) as found:
        ada = found.world.crm.create_as_user(ADA)
        if operation == "update":
            await found.settle()
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        found.world.mail.faults.add(FaultKind.TIMEOUT_AFTER, operation)
        await found.world.poll()
        await found.world.plan()
        await write_once(found.engine, MAIL)
        await found.hear(MAIL)
        found.world.mail.edit_as_user(next(iter(found.world.mail.records())), {"name": "Lady L"})
        await found.hear(MAIL)
        await found.told()
        before = await found.runs()
        found.world.later(120)
        await found.settle()
        await found.settle()

        assert (operation == "update") == bool(before)
        assert [run.cause.origin.value for run in await found.runs() if run.event["after"]["name"] == "Lady L"] == ["person"]
        assert {"sync"} == {run.cause.origin.value for run in await found.runs() if run.event["after"]["name"] != "Lady L"}


async def test_what_waits_keeps_only_its_own_waiting(tmp_path: Path) -> None:
    """While it is not known whose doing a change was, what came later about the same link waits too, and nobody else's does."""
    renamed = automation(on_record(CRM, What.UPDATED, "name"), message("now {event.name}"))
    async with automated(tmp_path, renamed) as found:
        ada, _ = await found.world.linked()
        bob = found.world.crm.create_as_user({"email": "bob@example.com", "name": "Bob"})
        await found.settle()
        found.world.later(60)
        found.world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "update")
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.world.poll(CRM)
        await found.world.plan()
        await write_once(found.engine, MAIL)
        await found.hear(MAIL)
        for each, name in ((ada, "Ada L"), (bob, "Rob")):
            found.world.crm.edit_as_user(each, {"name": name})
        await found.world.poll(CRM)
        await found.told()
        await advance_once(found.engine)
        await automate_once(found.engine, CRM)
        assert [(bob, "now Rob")] == found.sent
        found.world.later(120)
        await found.settle()

        assert [(bob, "now Rob"), (ada, "now Ada L")] == found.sent


async def test_a_persons_edit_beside_a_write_is_a_persons(tmp_path: Path) -> None:
    """Only the values that were written are the sync's."""
    by_people = automation(on_record(MAIL, What.UPDATED, "name", "phone"), message("{event.changed}", MAIL), origins=frozenset({SYNC, *CREATED.origins}))
    async with automated(tmp_path, by_people) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        await found.world.poll(CRM)
        await found.world.plan()
        found.world.mail.edit_as_user(there, {"phone": "+15550001111"})
        await found.settle(poll=False)
        await found.settle()

        assert {("sync", "name"), ("person", "phone")} == {(run.cause.origin.value, *run.event["changed"]) for run in await found.runs()}


async def test_a_hub_is_told_as_it_moves(tmp_path: Path) -> None:
    """A link that comes to be, a field that comes to a value; by the person who edited it."""
    new = automation(on_hub(What.CREATED), message("new {hub.name}", to="{link.crm.id}"), name="new")
    moved = automation(on_hub(field="name", to="Ada L"), message("moved", to="{link.crm.id}"), name="moved")
    async with automated(tmp_path, new, moved) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        for name in ("B", "Ada L"):
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": name})
            await found.settle()
        found.world.later(60)
        await found.settle()

        assert [(ada, "new Ada"), (ada, "moved")] == found.sent
        assert ["person", "person"] == await found.origins()


async def test_a_raw_webhook_sets_off_once(tmp_path: Path) -> None:
    """Whatever it is about; delivered again it is the same; and our own echo is nobody's."""
    hook = automation(WebhookTrigger(system=MAIL, word="contact.changed"), message("heard", MAIL), origins=CREATED.origins - {SYNC})
    async with automated(tmp_path, hook) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        await found.settle()
        await found.hear(MAIL)
        await found.settle()
        assert ([], {"of an origin that is not meant (sync)": 1}) == (found.sent, await found.outcomes())
        found.world.mail.edit_as_user(there, {"phone": "+15550001111"})
        await found.hear(MAIL, times=3)
        await found.settle()

        assert [(there, "heard")] == found.sent


async def test_an_older_copy_of_the_database_is_no_news(tmp_path: Path) -> None:
    """What is read anew after a restore was told before, or may have been."""
    async with automated(tmp_path, RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        await found.engine.database.write(lambda tx: continuity.begin_rebasing(tx, Standing.RESTORED))
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"name": "B"})
        await found.world.poll()
        await found.told()

        assert [] == await found.runs()
