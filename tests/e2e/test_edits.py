"""Edits on both sides: they merge, or the rule decides, and nothing that anybody did is lost."""

from __future__ import annotations

from pathlib import Path

from syncd.core.outcome import HoldKind
from tests.e2e.world import World

# A record that was looked at within the last two seconds may be written to without another look.
JUST_SEEN_S = 2.2
SELDOM = {"poll_min": '"60s"', "poll_max": '"60s"'}


async def test_different_fields_merge(tmp_path: Path) -> None:
    """The first name edited here and the last name edited there at the same time both arrive on both sides."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(5)
        async with world.daemon():
            await world.converge()
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Here", "custom": {"plan": "silver"}})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": "There", "Phone": "212-555-0177"})
            await world.converge()

    for each in people:
        row = world.ghl(each.ghl)
        found = (row["firstName"], row["lastName"], row["phone"], row["custom"]["plan"])

        assert found == ("Here", "There", "+12125550177", "silver")


async def test_tags_added_here_and_removed_there_both_survive(tmp_path: Path) -> None:
    """Tags are merged one by one: an addition on one side and a removal on the other are both kept."""
    async with World.open(tmp_path) as world:
        people = [world.settle(tags=("customer", "newsletter")) for _ in range(3)]
        async with world.daemon():
            await world.converge()
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"tags": ["customer", "newsletter", "met in person"]})
                world.sandbox.octopus.edit_as_user(each.octopus, {"tags": {"customer": False, "vip": True}})
            await world.converge()

    for each in people:
        assert set(world.ghl(each.ghl)["tags"]) == {"newsletter", "met in person", "vip"}
        assert set(world.octopus(each.octopus)["tags"]) == {"newsletter", "met in person", "vip"}


async def test_overlapping_edits_follow_the_source_of_truth(tmp_path: Path) -> None:
    """Where nobody can know which edit of one field was later, the source of truth wins on both sides, though it is heard last.

    The records have been left alone for a while, so that the daemon has to look again before it writes.
    """
    async with World.open(tmp_path, daemon=SELDOM, sync={"source_of_truth": '"octopus"'}) as world:
        people = world.settle_many(3)
        async with world.daemon():
            await world.agree()
            await world.seconds(JUST_SEEN_S)
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "GoHighLevel"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "EmailOctopus"})
            await world.agree()
            await world.quiet_for(1.0)

    assert {world.ghl(each.ghl)["firstName"] for each in people} == {"EmailOctopus"}
    assert {world.octopus(each.octopus)["fields"]["FirstName"] for each in people} == {"EmailOctopus"}


async def test_under_review_overlapping_edits_are_held(tmp_path: Path) -> None:
    """With `conflict = "review"` two edits of one field are held: neither is written over until a person picks one."""
    async with World.open(tmp_path, daemon=SELDOM, sync={"conflict": '"review"'}) as world:
        each = world.settle()
        async with world.daemon():
            await world.agree()
            await world.seconds(JUST_SEEN_S)
            world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Here", "lastName": "Travels"})
            world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "There"})
            [held] = await world.held(HoldKind.CONFLICT)
            await world.until(lambda: world.octopus(each.octopus)["fields"]["LastName"] == "Travels", "the other field travels")
            await world.quiet_for(0.5)

            assert world.ghl(each.ghl)["firstName"] == "Here"
            assert world.octopus(each.octopus)["fields"]["FirstName"] == "There"

            await world.answer(held, "octopus")
            await world.agree()
            await world.quiet_for(0.5)

    assert world.ghl(each.ghl)["firstName"] == "There"


async def test_the_later_of_clearly_separate_edits_wins(tmp_path: Path) -> None:
    """An edit made after the other side was edited, and seen without it after that, is the later one and wins, even over the
    source of truth. GoHighLevel's webhook is lost, so its earlier edit is only seen when it is about to be written over.
    """
    async with World.open(tmp_path, daemon=SELDOM) as world:
        each = world.settle(source="")
        async with world.daemon():
            await world.agree()
            await world.quiet_for(0.5)
            world.sandbox.ghl.webhooks.url = None
            world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Earlier"})
            # Vendors keep times in seconds, clocks are known to a second or two, and an event shows its record as of when it happened: the
            # edits stand well apart.
            await world.seconds(7.0)
            # A field that only flows the other way: EmailOctopus's webhook shows the record, GoHighLevel is not written to.
            world.sandbox.octopus.edit_as_user(each.octopus, {"Source": "seen meanwhile"})
            await world.until(lambda: not world.webhooks_pending(), "the webhook is delivered")
            await world.quiet_for(0.5)
            world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "Later"})
            await world.until(lambda: world.ghl(each.ghl)["firstName"] == "Later", "the later edit wins")
            await world.quiet_for(1.0)

    assert world.ghl(each.ghl)["firstName"] == "Later"
    assert world.octopus(each.octopus)["fields"]["FirstName"] == "Later"


async def test_an_email_change_is_an_edit(tmp_path: Path) -> None:
    """A changed address travels to the linked record; no second contact is made and no link is lost, in either direction."""
    async with World.open(tmp_path) as world:
        here, there = world.settle(), world.settle()
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.edit_as_user(here.ghl, {"email": "moved.here@example.com"})
            world.sandbox.octopus.edit_as_user(there.octopus, {"email_address": "moved.there@example.com"})
            await world.converge()
            world.sandbox.octopus.edit_as_user(here.octopus, {"FirstName": "Still"})
            world.sandbox.ghl.edit_as_user(there.ghl, {"firstName": "Linked"})
            await world.converge()
            holds = world.holds()

    assert world.octopus(here.octopus)["email_address"] == "moved.here@example.com"
    assert world.ghl(there.ghl)["email"] == "moved.there@example.com"
    assert world.ghl(here.ghl)["firstName"] == "Still"
    assert world.octopus(there.octopus)["fields"]["FirstName"] == "Linked"
    assert len(world.sandbox.ghl.contacts()) == len(world.sandbox.octopus.contacts()) == 2
    assert holds == []


async def test_an_unsubscribed_contact_is_never_subscribed_again(tmp_path: Path) -> None:
    """Somebody who unsubscribed stays so, while edits of their record go on travelling both ways."""
    async with World.open(tmp_path) as world:
        before, during = world.settle(), world.settle()
        world.announce_to_daemon(on=False)
        world.sandbox.octopus.edit_as_user(before.octopus, {"status": "unsubscribed"})
        world.announce_to_daemon(on=True)
        async with world.daemon():
            await world.converge()
            world.sandbox.octopus.edit_as_user(during.octopus, {"status": "unsubscribed"})
            for number, each in enumerate((before, during)):
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": f"Again{number}", "tags": ["customer", "vip"]})
                world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": f"Anew{number}"})
            await world.converge()
            world.sandbox.ghl.edit_as_user(during.ghl, {"email": "new.address@example.com"})
            await world.converge()

    for each in (before, during):
        statuses = [
            entry.fields["status"]["after"] for entry in world.sandbox.octopus.truth.since() if entry.id == each.octopus and "status" in entry.fields
        ]

        assert statuses == ["subscribed", "unsubscribed"]


async def test_a_value_without_a_word_there_is_held_and_the_rest_travels(tmp_path: Path) -> None:
    """A choice that the other side has no word for is held on that field alone: other fields travel, nothing is blanked."""
    async with World.open(tmp_path) as world:
        each = world.settle(plan="gold")
        newcomer = world.settle("ghl", plan="platinum")
        async with world.daemon():
            await world.converge(apart=[newcomer.email])
            world.sandbox.ghl.edit_as_user(each.ghl, {"custom": {"plan": "platinum"}, "firstName": "Travels"})
            await world.until(lambda: world.octopus(each.octopus)["fields"]["FirstName"] == "Travels", "the first name travels")
            world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": "Too"})
            await world.until(lambda: world.ghl(each.ghl)["lastName"] == "Too", "the last name travels")
            await world.rest()
            held = world.holds(HoldKind.UNMAPPABLE, HoldKind.UNREADABLE)
            fields = {hold.field for hold in held}
            count = len(held)
            # A word that has a counterpart ends it.
            world.sandbox.ghl.edit_as_user(each.ghl, {"custom": {"plan": "free"}})
            world.sandbox.ghl.edit_as_user(newcomer.ghl, {"custom": {"plan": "silver"}})
            begin = world.sandbox.octopus.truth.since()
            await world.converge()
            left = world.holds()

    plans = [entry.fields["fields"]["after"].get("Plan") for entry in begin if entry.id == each.octopus and "fields" in entry.fields]

    assert (fields, count) == ({"plan"}, 2)
    assert set(plans) == {"Gold"}
    assert world.octopus(each.octopus)["fields"]["Plan"] == "Free"
    assert left == []
