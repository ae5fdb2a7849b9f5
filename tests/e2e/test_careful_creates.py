"""What is made once and cannot be taken back: members of staff with their password, messages, and whoever a vendor keeps quiet about."""

from __future__ import annotations

from pathlib import Path

from syncd.sandbox import GoHighLevelOptions
from syncd.sandbox.people import ghl_fields, octopus_fields
from tests.e2e.locations import opened
from tests.e2e.world import World

USERS = """\
[syncs.users]
match = ["email"]
source_of_truth = "here"
first_run = "auto"
[syncs.users.members]
here = { collection = "users" }
there = { collection = "users", create = { role = "user"PASSWORD } }
[syncs.users.fields]
email = { type = "email", here = "email", there = "email", direction = "here -> there" }
first_name = { here = "firstName", there = "firstName", direction = "here -> there" }
last_name = { here = "lastName", there = "lastName", direction = "here -> there" }
"""
MESSAGES = """\
[syncs.messages]
match = ["contact+body"]
source_of_truth = "here"
first_run = "auto"
delete = "unlink"
[syncs.messages.members]
here = { collection = "messages" }
there = { collection = "messages", create = { type = "SMS" } }
[syncs.messages.fields]
contact = { type = "ref", to = "contacts", here = "contactId", there = "contactId", direction = "here -> there" }
body = { here = "body", there = "body", direction = "here -> there" }
"""
STAFF = {"locationIds": ["SandboxLocation00001"], "firstName": "Ada", "lastName": "Vance", "email": "ada@example.com", "roles": {"type": "account", "role": "admin"}}


async def test_a_user_is_made_with_the_password_of_the_configuration(tmp_path: Path) -> None:
    """It comes from a file, and is afterwards neither in the database nor in the log; a user with a blank name waits, and is told of."""
    syncs = USERS.replace("PASSWORD", ', password = { file = "password" }')
    async with opened(tmp_path, syncs=syncs, burst=10_000) as world:
        (tmp_path / "password").write_text("correct-horse-battery\n")
        (tmp_path / "password").chmod(0o600)
        world.here.records.furnish("users", world.here.records.new_id(), STAFF)
        world.here.records.furnish("users", world.here.records.new_id(), {**STAFF, "email": "blank@example.com", "lastName": ""})
        async with world.daemon():
            await world.until(lambda: world.there.records.rows("users"), "the user is made")
            outcomes = (await world.status())["outcomes"]["each"]
        kept = b"".join(each.read_bytes() for each in (tmp_path / "state").iterdir() if each.is_file())

        assert [("ada@example.com", "user")] == [(row["email"], row["roles"]["role"]) for row in world.there.records.rows("users")]
        assert b"correct-horse-battery" not in kept + (tmp_path / "daemon.log").read_bytes()
        assert ["no record is made in there: it needs last_name"] == [
            each["reason"] for each in outcomes if each["sync"] == "users" and "is made" in each["reason"]
        ]


async def test_without_a_password_no_user_is_made(tmp_path: Path) -> None:
    """The configuration is refused, with the place and the way to mend it."""
    async with opened(tmp_path, syncs=USERS.replace("PASSWORD", "")) as world:
        said = await world.syncd("check", code=3)

        assert 'there makes no users without "password"' in said


async def test_a_message_is_sent_once_and_never_changed(tmp_path: Path) -> None:
    """A message whose sending was answered by an error may have gone out: it is held, not sent again, also after a kill. An edited text and a
    vanished message change nothing on the other side."""
    async with opened(tmp_path, syncs=MESSAGES, burst=10_000, daemon='poll_min = "200ms"\npoll_max = "200ms"\nfull_pass = "500ms"') as world:
        world.settle(1)
        here, _ = world.ids["person1@example.com"]
        told = {"contactId": here, "messageType": "TYPE_SMS", "type": 2, "direction": "outbound", "status": "delivered"}
        first, second = world.here.records.new_id(), world.here.records.new_id()
        world.there.faults.add("send-message", "error_after", count=1)
        world.here.records.furnish("messages", first, {**told, "body": "Hello"})
        async with world.daemon() as daemon:
            await world.until(lambda: world.there.records.rows("messages"), "the message goes out")
            await world.until(lambda: daemon.said("write.failed"), "the error is taken in")
            await daemon.kill()
            await daemon.start()
            world.here.records.furnish("messages", second, {**told, "body": "Once more"})
            await world.until(lambda: len(world.there.records.rows("messages")) == 2, "the next one goes out")
            world.here.edit_record_as_user("messages", second, {"body": "Edited"})
            world.here.delete_record_as_user("messages", first)
            passes = world.here.stats.requests["export-messages"]
            await world.until(lambda: world.here.stats.requests["export-messages"] >= passes + 12, "all is listed again and again")
            sent = world.there.stats.requests["send-message"]

        assert 2 == sent
        assert ["Hello", "Once more"] == [row["body"] for row in world.there.records.rows("messages")]


async def test_who_is_entered_on_both_sides_at_once_is_not_doubled(tmp_path: Path) -> None:
    """GoHighLevel takes doubles, its search does not show the newcomer yet and no webhook told of them: they are asked for before they are made."""
    async with World.open(tmp_path, ghl=GoHighLevelOptions(index_lag_s=3.0)) as world:
        world.settle()
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.webhooks.url = None
            person = world.invent()
            made = world.sandbox.ghl.create_as_user(ghl_fields(person))
            world.sandbox.octopus.create_as_user(octopus_fields(person))
            await world.cycles(6)
            await world.until(lambda: made["id"] in world.sandbox.ghl.location.index.visible(), "search shows the newcomer")
            await world.converge()

    assert 1 == len(world.ghl_by_email(person.email))
    assert 1 == len(world.octopus_by_email(person.email))
    world.assert_agree()
