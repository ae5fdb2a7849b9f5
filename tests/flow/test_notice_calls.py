"""Whose doing a change is that a call of an automation may have caused: its own, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.core.happening import Cause, Claim, Origin, What
from syncd.core.record import SECOND, Ref
from syncd.flow.automate import advance_once, automate_once
from syncd.store import claims, notices
from syncd.store.database import Connection
from syncd.store.notices import Sight
from tests.flow.automating import AUTOMATION, PERSON, SYNC, automated, automation, message, on_hub, on_record
from tests.flow.world import ADA, CONTACTS, CRM, MAIL, S

RENAMED = automation(on_record(CRM, What.UPDATED, "name"), message("renamed to {event.name}, once {event.before.name}"))


async def test_a_calls_own_effect_is_an_automations(tmp_path: Path) -> None:
    """The record that it changed, the hub that takes it over, the other side that gets it: all one automation's doing, a step deeper."""
    tags = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "Dame {event.before.name}"}}
    mine = automation(on_record(CRM, What.UPDATED, "phone"), tags, name="mine")
    seen = [
        automation(trigger, message("seen", *to), name=name, origins=frozenset({AUTOMATION, PERSON, SYNC}))
        for name, trigger, to in (
            ("crm", on_record(CRM, What.UPDATED, "name"), (CRM,)),
            ("hub", on_hub(field="name"), (CRM, "{link.crm.id}")),
            ("mail", on_record(MAIL, What.UPDATED, "name"), (MAIL,)),
        )
    ]
    async with automated(tmp_path, mine, *seen) as found:
        ada, there = await found.world.linked()
        await found.settle()
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.settle()
        found.world.later(60)
        await found.settle()
        await found.hear(CRM)
        await found.settle()

        causes = {run.automation: (run.cause.origin.value, run.cause.depth, run.cause.by) for run in await found.runs()}
        assert "Dame Ada" == found.world.mail.records()[there]["name"]
        assert ("person", 0, "") == causes.pop("mine")
        assert {"crm", "hub", "mail"} == causes.keys()
        assert {("automation", 1, "mine")} == set(causes.values())


@pytest.mark.parametrize("between", [None, {"email": "dame@example.com"}], ids=["nothing seen", "something else seen"])
async def test_a_call_that_changed_nothing_claims_nothing(tmp_path: Path, between: dict[str, str] | None) -> None:
    """What it would have written is a person's, when a person writes it after the record was seen once more."""
    same = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "{event.name}"}}
    async with automated(tmp_path, automation(on_record(CRM, What.UPDATED, "phone"), same, name="same"), RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.settle()
        found.world.later(60)
        if between is not None:
            found.world.crm.edit_as_user(ada, between)
        await found.settle()
        for name in ("B", "Ada"):
            found.world.later(60)
            found.world.crm.edit_as_user(ada, {"name": name})
            await found.settle()

        assert 2 == len(found.sent)


async def test_a_persons_edit_that_a_calls_answer_shows_is_a_persons(tmp_path: Path) -> None:
    """The vendor answers with the whole record: what the call did not write is somebody else's."""
    step = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "Dame"}}
    mine = automation(on_record(CRM, What.UPDATED, "phone"), step, name="mine")
    plan = automation(on_record(CRM, What.UPDATED, "custom.plan"), message("now {event.custom.plan}"))
    async with automated(tmp_path, mine, plan) as found:
        ada = found.world.crm.create_as_user({**ADA, "custom.plan": "free"})
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.world.poll()
        found.world.crm.edit_as_user(ada, {"custom.plan": "gold"})
        await found.settle(poll=False)
        found.world.later(60)
        await found.settle()

        assert [(ada, "now gold")] == found.sent


async def test_a_claim_waits_for_a_reading_that_can_show_it(tmp_path: Path) -> None:
    """What was read before the call was answered says nothing about its effect; the first reading after it does."""
    step = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "Dame"}}
    mine = automation(on_record(CRM, What.UPDATED, "phone"), step, name="mine")
    async with automated(tmp_path, mine, RENAMED) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"phone": "+15550001111"})
        await found.world.poll()
        await found.told()
        await advance_once(found.engine)
        found.world.crm.edit_as_user(ada, {"phone": "+15550002222"})
        await found.world.poll()
        await automate_once(found.engine, CRM)
        await found.told()
        found.world.later(60)
        await found.settle()

        assert ([], "Dame") == (found.sent, found.world.crm.records()[ada]["name"])


async def test_each_call_of_an_automation_is_looked_for_by_itself(tmp_path: Path) -> None:
    """A reading that shows the first of its calls, and was begun before the second, leaves the second to be shown: it is no person's."""
    watching = automation(on_record(CRM, What.UPDATED, "phone"), message("changed"), name="watching")
    async with automated(tmp_path, watching) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        now = found.world.clock.now()

        def called(tx, name: str, value: str, at: int) -> None:
            claims.add(tx, claims.of_record(CRM, ada), Claim(cause=Cause(Origin.AUTOMATION, 1, "marking"), values={name: [value]}), at)

        found.world.crm.edit_as_user(ada, {"name": "Eve"})
        await found.engine.database.write(lambda tx: called(tx, "name", "Eve", now))
        found.world.later(10)
        await found.world.poll(CRM)
        await found.engine.database.write(lambda tx: called(tx, "phone", "+12125550199", found.world.clock.now() + SECOND))
        await found.told()
        found.world.later(10)
        found.world.crm.edit_as_user(ada, {"phone": "+12125550199"})
        await found.settle()

        assert {"of an origin that is not meant (automation)": 1} == await found.outcomes("watching")


@pytest.mark.parametrize("stays", [True, False])
async def test_a_hub_is_told_after_the_reading_it_took_over(tmp_path: Path, stays: bool) -> None:
    """Of two readings that overlapped a third tells which was newer, and the hub had moved by then: whose doing it was comes first, also where the record
    showed it for a moment only.
    """
    watching = automation(on_hub(What.UPDATED, "name"), message("moved", to="{link.crm.id}"), name="watching")
    async with automated(tmp_path, watching) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        ref, now, (link,) = Ref(CRM, CONTACTS, ada), found.world.clock.now(), (await found.world.read(lambda tx: tx.execute("SELECT id FROM links").fetchone()))

        def overlapping(tx: Connection) -> None:
            for value in ("Eve", "Ada"):
                claims.add(tx, claims.of_record(CRM, ada), Claim(cause=Cause(Origin.AUTOMATION, 1, "marking"), values={"name": [value]}), now)
            notices.sighted(tx, [Sight(ref=ref, before=ADA, after={**ADA, "name": "Eve"}, as_of=now + 1, at=now + 2, unclear=True)], "event")
            notices.hub_moved(
                tx, S, link, What.UPDATED, before={"name": "Ada"}, after={"name": "Eve"}, sources={"name": {"crm": (ref, {"name": "Eve"})}}, origin=None, at=now + 3
            )

        def certain(tx: Connection) -> None:
            if stays:
                notices.confirmed(tx, [ref])
                return
            notices.sighted(tx, [Sight(ref=ref, before={**ADA, "name": "Eve"}, after=ADA, as_of=now + 4, at=now + 5)], "event")
            notices.hub_moved(
                tx, S, link, What.UPDATED, before={"name": "Eve"}, after={"name": "Ada"}, sources={"name": {"crm": (ref, {"name": "Ada"})}}, origin=None, at=now + 6
            )

        await found.engine.database.write(overlapping)
        await found.told()
        assert ({}, 2) == (await found.outcomes("watching"), await found.waiting())
        await found.engine.database.write(certain)
        await found.told()

        assert {"of an origin that is not meant (automation)": 1 if stays else 2} == await found.outcomes("watching")


@pytest.mark.parametrize("origin", [None, ("backfill", 0, "")])
async def test_a_new_link_passes_on_an_automations_value_as_the_automations(tmp_path: Path, origin: tuple[str, int, str] | None) -> None:
    """A record that a person made and an automation noted something in is linked: the link is a person's doing, or the backlog's, and the note the automation's still."""
    watching = automation(on_record(CRM, What.UPDATED, "phone"), message("noted"), name="watching")
    async with automated(tmp_path, watching) as found:
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        here, there, now, phone = Ref(CRM, CONTACTS, ada), Ref(MAIL, CONTACTS, "m-new"), found.world.clock.now(), "+12125550199"
        shown = {"name": {"mail": (there, {"name": "Ada"})}, "phone": {"mail": (there, {"phone": phone})}}

        def linked(tx: Connection) -> None:
            noted = Claim(cause=Cause(Origin.AUTOMATION, 1, "noting"), values={"phone": [phone]})
            claims.add(tx, claims.of_source(MAIL, there.id), noted, now)
            notices.hub_moved(tx, S, 77, What.CREATED, before={}, after={"name": "Ada", "phone": phone}, sources=shown, origin=origin, at=now + 1)
            known = {**ADA, "phone": None}
            notices.sighted(tx, [Sight(ref=here, before=known, after={**ADA, "phone": phone}, as_of=now + 2, at=now + 3)], "write")
            ours = notices.Ours(sync=S, link=77, backfill=False, made=False, values={"phone": phone}, fields={"phone": "phone"})
            notices.settled(tx, here, ours)

        await found.engine.database.write(linked)
        await found.told()

        assert {"of an origin that is not meant (automation)": 1} == await found.outcomes("watching")


async def test_two_automations_do_not_chase_each_other(tmp_path: Path) -> None:
    """With the usual origins neither is set off by the other; where they ask for it, they are cut off and that is said."""
    def pair(**other: object) -> list[object]:
        bump = {"call": "crm.update-contact", "with": {"contactId": "{event.id}", "name": "{event.name}x"}}
        return [
            automation(on_record(CRM, What.UPDATED, "name"), bump, name="one", **other),
            automation(on_record(CRM, What.UPDATED, "name"), bump, name="two", **other),
        ]

    async with automated(tmp_path, *pair()) as found:  # type: ignore[arg-type]
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"name": "B"})
        for _ in range(6):
            await found.settle()
            found.world.later(60)
        assert 2 == len(await found.runs())
    deep = tmp_path / "deep"
    async with automated(deep, *pair(origins=frozenset({AUTOMATION, PERSON, SYNC}))) as found:  # type: ignore[arg-type]
        ada = found.world.crm.create_as_user(ADA)
        await found.settle()
        found.world.later(60)
        found.world.crm.edit_as_user(ada, {"name": "B"})
        for _ in range(12):
            await found.settle()
            found.world.later(60)

        assert 3 == max(run.cause.depth for run in await found.runs())
        assert {"automation_loop"} == set(await found.world.asked())
        assert found.world.log("automation.cut")
