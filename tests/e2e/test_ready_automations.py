"""The ready automations, as they come, through the daemon's own process and real HTTP: what each is for comes to be, once, and nothing else.

All of them run in one daemon, so each also shows that it leaves alone what the others do. Only how patient they are is changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from syncd import recipes
from syncd.core.outcome import HoldKind
from syncd.sandbox.people import ghl_fields, octopus_fields
from tests.e2e.world import Someone, World

ANSWERS = {
    "REPLACE_ME_SUBJECT": "Welcome",
    "REPLACE_ME_HTML": "<p>Hello {event.firstName|there}</p>",
    "REPLACE_ME_TICKET": "Answer them",
    "REPLACE_ME_PIPELINE": "SandboxPipeline00001",
    "REPLACE_ME_STAGE": "SandboxStage000000001",
    "REPLACE_ME_NAME": "New conversation",
    "REPLACE_ME_FIELD": "plan",
    "REPLACE_ME_TAG": "spring-fair",
    "REPLACE_ME_WORKFLOW": "SandboxWorkflow00001",
    "REPLACE_ME_SOURCE": "website",
    "REPLACE_ME_BUSINESS": "Vance Photography",
    "REPLACE_ME_CURRENCY": "USD",
    "REPLACE_ME_CAMPAIGN": "SandboxCampaign00001",
}
SOONER = {'wait = "10m"': 'wait = "1s"', 'wait = "10s"': 'wait = "1s"', "daily 03:00 UTC": "every 10s", "{now-30d.ms}": "{now-2s.ms}"}


@asynccontextmanager
async def flow() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A flow of the operator's: its address, and what it was posted."""
    posted: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        posted.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/enrich", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/enrich", posted
    finally:
        await runner.cleanup()


def ready(names: list[str], **answers: str) -> str:
    """These automations, filled in."""
    text = "\n".join(recipes.fill(recipes.read_automation(name), {**ANSWERS, **answers}) for name in names)
    for usual, sooner in SOONER.items():
        text = text.replace(usual, sooner)
    return text


def rows(world: World, collection: str, **where: Any) -> list[dict[str, Any]]:
    """The records of the vendor's that hold these values."""
    return world.sandbox.ghl.records.rows(collection, where)


def tags(world: World, each: Someone) -> set[str]:
    """A contact's tags."""
    return set(world.ghl(each.ghl)["tags"])


def write_in(world: World, contact_id: str, direction: str, **message: Any) -> dict[str, Any]:
    """A message as a person sends it, in a conversation that it begins."""
    ghl = world.sandbox.ghl
    talk = ghl.create_record_as_user(
        "conversations", {"contactId": contact_id, "type": 1, "unreadCount": 1, "starred": True, "inbox": True, "deleted": False, "lastMessageAt": ghl.records.now_ms()}
    )
    return ghl.create_record_as_user(
        "messages",
        {
            "conversationId": talk["id"], "contactId": contact_id, "type": 2, "messageType": "TYPE_SMS", "body": "Are you free in May?", "direction": direction,
            "status": "delivered", "contentType": "text/plain", "attachments": [], "source": "app", **message,
        },
    )  # fmt: skip


def talk(world: World, *contacts: str) -> tuple[str, str]:
    """Two write in, one of them twice and with an automatic answer; one is written to and one called. The conversations that wait, and that do not."""
    create = world.sandbox.ghl.create_record_as_user
    waiting = write_in(world, contacts[1], "inbound")["conversationId"]
    replied = write_in(world, contacts[3], "inbound")
    create("messages", {**replied, "id": None})
    create("messages", {**replied, "id": None, "direction": "outbound", "body": "We are closed."})
    answered = write_in(world, contacts[4], "outbound")["conversationId"]
    create("messages", {**write_in(world, contacts[5], "outbound"), "id": None, "messageType": "TYPE_CALL", "body": "We agreed on May."})
    return waiting, answered


ALL = [each.name for each in recipes.list_automations()]


async def test_what_each_is_for(tmp_path: Path) -> None:
    """Every one of them at work in one daemon."""
    async with flow() as (url, posted), World.open(tmp_path, more=ready(ALL, REPLACE_ME_FLOW_URL=url)) as world:
        old = world.settle_many(6)
        ghl = world.sandbox.ghl
        # Search leaves blanks out; that it shows a place at all is known once somebody has one.
        ghl.seed({**ghl_fields(world.invent()), "state": "NV"})
        async with world.daemon():
            await world.converge()
            assert not rows(world, "messages")
            assert not any(tag.startswith(("status-", "state-")) for each in old for tag in tags(world, each))

            # A new client on either side, one of them in an imported list.
            there = world.sandbox.octopus.create_as_user(octopus_fields(client := world.invent(plan="free")))
            guest = ghl.create_as_user({**ghl_fields(listed := world.invent(tags=("spring-fair",))), "state": "TX", "source": "fair"})
            # A status, a place and a tag that change; a deal that begins and one that is won; who writes, who is written to, and a call.
            deal = ghl.create_record_as_user(
                "opportunities", {"contactId": old[2].ghl, "pipelineId": "SandboxPipeline00001", "pipelineStageId": "SandboxStage000000001", "name": "Wedding", "status": "open", "monetaryValue": 1200}
            )
            ghl.edit_as_user(old[0].ghl, {"custom": {"plan": "silver"}})
            ghl.edit_as_user(old[1].ghl, {"state": "CA"})
            ghl.edit_as_user(old[5].ghl, {"tags": ["customer", "spring-fair"]})
            waiting, answered = talk(world, *(each.ghl for each in old))

            await world.until(lambda: len(rows(world, "emails")) >= 2, "both are written to")
            await world.until(lambda: len(rows(world, "tasks") + rows(world, "opportunities", name="New conversation")) >= 4, "tickets of either kind")
            await world.until(lambda: rows(world, "notes"), "the transcript is noted")
            await world.until(lambda: rows(world, "campaigns_contacts", contactId=old[2].ghl), "enrolled in the campaign")
            await world.until(lambda: len(rows(world, "workflows_contacts")) == 2, "both are in the workflow")
            await world.until(lambda: "status-silver" in tags(world, old[0]), "the status is a tag")
            await world.until(lambda: "state-ca" in tags(world, old[1]), "the place is a tag")
            await world.until(lambda: len(posted) == 2, "the flow is told of both")
            await world.until(lambda: not ghl.records.get("conversations", answered)["unreadCount"], "the finished thread is read", within_s=60)
            await world.until(lambda: "thread-closed" in tags(world, old[4]), "its contact is tagged")

            # What changes again takes its old tag along.
            ghl.edit_as_user(old[0].ghl, {"custom": {"plan": "free"}})
            ghl.edit_as_user(old[1].ghl, {"state": "WA"})
            ghl.edit_record_as_user("opportunities", deal["id"], {"status": "won"})
            await world.until(lambda: rows(world, "invoices"), "an invoice")
            await world.until(lambda: not rows(world, "campaigns_contacts", contactId=old[2].ghl), "out of the campaign")
            await world.until(lambda: "status-free" in tags(world, old[0]) and "state-wa" in tags(world, old[1]), "the new tags")
            await world.until(lambda: "state-tx" in world.ghl(guest["id"])["tags"], "the new client's place")
            await world.until(lambda: "status-gold" in world.ghl(guest["id"])["tags"], "the new client's status")
            await world.until(lambda: "status-free" in world.octopus(there["id"])["tags"], "the status, a tag on the other side")
            await world.converge()
            await world.cycles(3)

        made = world.ghl_by_email(client.email)[0]
        assert {made["id"], guest["id"]} == {row["contactId"] for row in rows(world, "emails")}
        assert {f"<p>Hello {each.first_name}</p>" for each in (client, listed)} == {row["body"] for row in rows(world, "emails")}
        assert 2 == len(rows(world, "emails"))
        asking = sorted([old[1].ghl, old[3].ghl])
        assert {("Answer them", "Are you free in May?")} == {(row["title"], row["body"]) for row in rows(world, "tasks")}
        assert [asking, asking] == [sorted(row["contactId"] for row in found) for found in (rows(world, "tasks"), rows(world, "opportunities", name="New conversation"))]
        (note,) = rows(world, "notes")
        assert (old[5].ghl, True) == (note["contactId"], note["body"].endswith(": We agreed on May."))
        assert {guest["id"], old[5].ghl} == {row["contactId"] for row in rows(world, "workflows_contacts")}
        (invoice,) = rows(world, "invoices")
        assert (1200, "draft", old[2].ghl, old[2].email) == (invoice["total"], invoice["status"], invoice["contactDetails"]["id"], invoice["contactDetails"]["email"])
        assert {f"{made['id']} {client.email}", f"{guest['id']} {listed.email}"} == {each["text"] for each in posted}
        assert ("website", "fair") == (world.ghl(made["id"])["source"], world.ghl(guest["id"])["source"])
        assert {"status-silver", "state-ca"}.isdisjoint(tags(world, old[0]) | tags(world, old[1]))
        assert [(0, False), (1, True)] == [(row["unreadCount"], row["starred"]) for row in (ghl.records.get("conversations", each) for each in (answered, waiting))]
        assert world.holds() == []
        assert [entry for entry in world.journal() if entry.kind == "automation.failed"] == []


async def test_a_lost_answer_sends_nothing_twice(tmp_path: Path) -> None:
    """The e-mail went out and its answer was lost: a person is asked, and nothing more is sent."""
    async with World.open(tmp_path, more=ready(["onboarding-email"])) as world:
        world.settle_many(2)
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.faults.add("send-message", "reset_after", count=1)
            world.sandbox.ghl.create_as_user(ghl_fields(world.invent()))
            await world.held(HoldKind.UNKNOWN_STEP)
            await world.cycles(3)

        assert 1 == len(rows(world, "emails"))
