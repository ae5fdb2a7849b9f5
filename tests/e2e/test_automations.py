"""Automations through the daemon's own process and real HTTP: what people do sets them off, once, and what syncd does itself does not."""

from __future__ import annotations

from pathlib import Path

from syncd.core.outcome import HoldKind
from syncd.sandbox.people import octopus_fields
from syncd.sandbox.webhooks import DeliveryMode
from tests.e2e.world import World

NOTE = '{ call = "ghl.create-contact-note", with = { contactId = "{link.ghl.id}", body = "%s" } }'
TRIPLED = DeliveryMode(copies=3, shuffle=True)
GREET = f"""
[automations.greet]
on = "octopus/contacts created"
do = [ {NOTE % "hello {event.email_address}"} ]

[automations.welcome]
on = "syncs/contacts created"
do = [ {NOTE % "welcome {hub.email}"} ]

[automations.golden]
on = "syncs/contacts plan changed to gold"
do = [ {NOTE % "gold {hub.email}"}, {{ set = {{ first_name = "Golden" }} }} ]
"""


def notes(world: World) -> list[str]:
    """What the notes say that were written, in order."""
    return [
        str(entry.fields["body"]["after"]) for entry in world.sandbox.ghl.truth.since(0) if entry.collection == "notes" and entry.operation == "create"
    ]


def tripled(world: World) -> None:
    """From now on every webhook comes three times, in any order."""
    world.sandbox.ghl.webhooks.mode = world.sandbox.octopus.webhooks.mode = TRIPLED


async def test_each_change_is_answered_once(tmp_path: Path) -> None:
    """However often webhooks come and polls look; not those who were there before, and not what the sync itself made or wrote."""
    async with World.open(tmp_path, more=GREET) as world:
        old = world.settle_many(3)
        world.settle("ghl")
        async with world.daemon():
            await world.converge()
            assert notes(world) == []
            tripled(world)
            fresh = world.invent(plan="free")
            world.sandbox.octopus.create_as_user(octopus_fields(fresh))
            world.sandbox.ghl.edit_as_user(old[0].ghl, {"custom": {"plan": "silver"}})
            await world.until(lambda: len(notes(world)) >= 2, "a greeting and a welcome")
            world.sandbox.ghl.edit_as_user(old[0].ghl, {"custom": {"plan": "gold"}})
            await world.until(lambda: world.octopus(old[0].octopus)["fields"]["FirstName"] == "Golden", "the hub's value on the far side")
            await world.until(lambda: not world.webhooks_pending(), "all webhooks are delivered")
            await world.converge()
            await world.cycles(3)

    assert sorted(notes(world)) == sorted([f"hello {fresh.email}", f"welcome {fresh.email}", f"gold {old[0].email}"])
    assert world.ghl(old[0].ghl)["firstName"] == "Golden"


async def test_a_crash_between_sent_and_settled_is_asked_about(tmp_path: Path) -> None:
    """Killed while a note was being written: it is not written again; a person says how to go on."""
    async with World.open(tmp_path, more=GREET, timeout_s=60.0) as world:
        world.settle_many(2)
        daemon = world.new_daemon()
        try:
            await daemon.start()
            await world.converge()
            world.sandbox.ghl.faults.add("create-contact-note", "hang_after", seconds=60.0)
            world.sandbox.octopus.create_as_user(octopus_fields(world.invent(plan="free")))
            await world.until(lambda: len(notes(world)) == 2, "both notes, one of them unanswered")
            # The other one's answer may still be on its way into the store, and a kill would leave two in doubt.
            await world.until(lambda: any(entry.kind == "automation.step" for entry in world.journal()), "the other note is settled")
        finally:
            await daemon.kill()
        world.sandbox.ghl.faults.clear()
        async with world.daemon():
            (held,) = await world.held(HoldKind.UNKNOWN_STEP)
            await world.cycles(3)
            assert len(notes(world)) == 2
            await world.answer(held, "ignore")
            await world.cycles(3)

    assert len(notes(world)) == 2
    assert world.holds() == []


async def test_a_lost_answer_is_asked_about(tmp_path: Path) -> None:
    """The vendor wrote the note and its answer was lost: a second one is a person's to order."""
    async with World.open(tmp_path, more=GREET) as world:
        world.settle_many(2)
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.faults.add("create-contact-note", "reset_after", count=1)
            world.sandbox.octopus.create_as_user(octopus_fields(world.invent(plan="free")))
            (held,) = await world.held(HoldKind.UNKNOWN_STEP)
            await world.until(lambda: len(notes(world)) == 2, "the other automation's note")
            await world.cycles(3)
            assert len(notes(world)) == 2
            await world.answer(held, "approve")
            await world.until(lambda: len(notes(world)) == 3, "the note that was ordered")

    assert len(notes(world)) == 3


async def test_automations_do_not_chase_each_other(tmp_path: Path) -> None:
    """One writes on this side what sets off the other, which writes on that side: each runs once, for each edit of a person."""
    more = """
[automations.there]
on = "ghl/contacts updated"
fields = ["firstName", "source"]
do = [ { call = "ghl.update-contact", with = { contactId = "{event.id}", source = "{event.source|none}x" } } ]

[automations.back]
on = "octopus/contacts updated"
fields = ["fields.Source"]
do = [ { call = "ghl.update-contact", with = { contactId = "{link.ghl.id}", firstName = "{hub.first_name}y" } } ]
"""
    async with World.open(tmp_path, more=more) as world:
        (each, *_) = world.settle_many(2)
        async with world.daemon():
            await world.converge()
            tripled(world)
            before = world.sandbox.ghl.stats.requests["update-contact"]
            world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Ann"})
            await world.until(lambda: world.octopus(each.octopus)["fields"].get("Source", "").endswith("x"), "the far side has it")
            await world.until(lambda: not world.webhooks_pending(), "all webhooks are delivered")
            await world.converge()
            await world.cycles(3)
            calls = world.sandbox.ghl.stats.requests["update-contact"] - before

    assert calls == 1
    assert world.ghl(each.ghl)["firstName"] == "Ann"


async def test_calls_alike_travel_together(tmp_path: Path) -> None:
    """Twenty contacts get a tag in fewer calls than there are of them, and what that shows sets nothing off."""
    more = """
[automations.tagging]
on = "ghl/contacts updated"
fields = ["source", "tags"]
do = [ { call = "ghl.add-tags-to-contact", with = { contactId = "{event.id}", tags = ["seen"] } } ]
"""
    async with World.open(tmp_path, more=more) as world:
        people = world.settle_many(20)
        async with world.daemon():
            await world.converge()
            world.announce_to_daemon(on=False)
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"source": "fair"})
            await world.until(lambda: all("seen" in world.ghl(each.ghl)["tags"] for each in people), "everybody is tagged")
            await world.converge()
            await world.cycles(3)
            asked = world.sandbox.ghl.stats.requests

    assert asked["bulk-update-contact-tags"] >= 1
    assert asked["bulk-update-contact-tags"] + asked["add-tags-to-contact"] <= 10


async def test_webhooks_polls_and_moments_set_off_too(tmp_path: Path) -> None:
    """A kind of webhook that no collection knows, the items of any operation that reads, a moment that comes round; taken up at a reload."""
    more = """
[automations.hooked]
on = "ghl webhook NoteCreate"
do = [ { alert = { text = "note {event.body}" } } ]

[automations.polled]
poll = "ghl.list-location-tags"
every = "10s"
do = [ { alert = { text = "tag {event.name}" } } ]

[automations.timed]
schedule = "every 10s"
do = [ { alert = { text = "moment" } } ]
"""
    async with World.open(tmp_path) as world:
        (each, *_) = world.settle_many(2)
        async with world.daemon() as daemon:
            await world.converge()
            world.configuration.more = more
            world.configuration.write(world.sandbox)
            daemon.reload()
            await world.until(lambda: daemon.said("reload.accepted"), "the new configuration is read")
            await world.until(lambda: world.sandbox.ghl.stats.requests["get-location-tags"], "the first poll")
            tripled(world)
            world.sandbox.ghl.create_record_as_user("notes", {"contactId": each.ghl, "body": "by hand"})
            world.sandbox.ghl.edit_as_user(each.ghl, {"tags": ["brand-new"]})
            wanted = {"note by hand", "tag brand-new", "moment"}
            await world.until(lambda: wanted <= set(alerts(world)), "all three were told", within_s=60)

    assert alerts(world).count("note by hand") == 1
    assert alerts(world).count("tag brand-new") == 1


def alerts(world: World) -> list[str]:
    """What was told in the journal."""
    return [str(entry.detail["text"]) for entry in world.journal() if entry.kind == "automation.alert"]
