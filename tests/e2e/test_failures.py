"""What cannot be written, what may not be entered, what is too much: each stops itself alone and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from syncd.core.outcome import HoldKind
from tests.e2e.world import World


async def set_octopus_plans(world: World, choices: list[str]) -> None:
    """What somebody does in EmailOctopus's own screens: change the choices of the list's plan field."""
    octopus = world.sandbox.octopus
    url = f"{octopus.base_url}/lists/{octopus.list_id}/fields/Plan"
    body = {"label": "Plan", "tag": "Plan", "type": "choice_single", "choices": choices}
    async with ClientSession(headers={"Authorization": f"Bearer {octopus.token}"}) as session, session.put(url, json=body) as response:
        assert response.status == 200, await response.text()


def set_ghl_plans(world: World, options: tuple[str, ...]) -> None:
    """The same in GoHighLevel."""
    fields: dict[str, Any] = world.sandbox.ghl.location.fields
    for field_id, defined in list(fields.items()):
        if defined.field.key == "plan":
            fields[field_id] = replace(defined, field=replace(defined.field, options=options))


async def test_a_poisoned_record_blocks_no_other(tmp_path: Path) -> None:
    """A record that EmailOctopus always refuses, made or changed, beside others in one batch: they arrive, it ends among the
    failures, and is written when the cause is mended and it is tried again."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(6)
        async with world.daemon():
            await world.converge()
            await set_octopus_plans(world, ["Gold", "Free"])
            for each in people:
                world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Changed"})
            poisoned = people[2]
            world.sandbox.ghl.edit_as_user(poisoned.ghl, {"custom": {"plan": "silver"}})
            bad = world.sandbox.ghl.create_as_user({"email": "bad@example.com", "firstName": "Bad", "custom": {"plan": "silver"}})
            good = world.sandbox.ghl.create_as_user({"email": "good@example.com", "firstName": "Good", "custom": {"plan": "gold"}})
            await world.agree(apart=[poisoned.email, bad["email"]])
            await world.until(lambda: len(world.failures()) == 2, "both end among the failures")
            await world.cycles(3)
            failures = [(owed.operation.value, owed.error) for owed in world.failures()]
            attempts = world.sandbox.octopus.stats.statuses[422]
            await world.cycles(3)

            assert world.sandbox.octopus.stats.statuses[422] == attempts

            await set_octopus_plans(world, ["Gold", "Silver", "Free"])
            await world.retry_failures()
            await world.converge()
            left = world.failures()

    assert sorted(operation for operation, _ in failures) == ["create", "update"]
    assert all("Plan" in (error or "") or "choice" in (error or "") for _, error in failures)
    assert left == []
    assert len(world.octopus_by_email(good["email"])) == len(world.octopus_by_email(bad["email"])) == 1
    assert world.octopus(poisoned.octopus)["fields"]["Plan"] == "Silver"


async def test_a_record_poisoned_in_gohighlevel_blocks_no_other(tmp_path: Path) -> None:
    """The same the other way, where every write is a call of its own; editing the record anew also ends its failure."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(5)
        async with world.daemon():
            await world.converge()
            set_ghl_plans(world, ("gold", "free"))
            for each in people:
                world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "Changed"})
            poisoned = people[1]
            world.sandbox.octopus.edit_as_user(poisoned.octopus, {"Plan": "Silver"})
            await world.agree(apart=[poisoned.email])
            await world.until(lambda: len(world.failures()) == 1, "it ends among the failures")
            world.sandbox.octopus.edit_as_user(poisoned.octopus, {"Plan": "Free"})
            await world.converge()

    assert world.ghl(poisoned.ghl)["custom"]["plan"] == "free"
    assert world.ghl(poisoned.ghl)["firstName"] == "Changed"


async def test_a_revoked_token_pauses_that_system_alone(tmp_path: Path) -> None:
    """A 401 stops GoHighLevel being used, and says so; EmailOctopus goes on being read, nothing is deleted, and with a new token
    and SIGHUP everything that waited goes on."""
    async with World.open(tmp_path, daemon={"full_pass": '"1s"'}) as world:
        people = world.settle_many(5)
        async with world.daemon() as daemon:
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.token = "a-new-token"
            world.sandbox.octopus.edit_as_user(people[0].octopus, {"FirstName": "Waits"})
            await world.until(lambda: daemon.said("system.paused"), "it says that it is paused")
            refused = world.sandbox.ghl.stats.statuses[401]
            listings = world.sandbox.octopus.stats.requests["list-contacts"]
            await world.until(lambda: world.sandbox.octopus.stats.requests["list-contacts"] >= listings + 12, "EmailOctopus is read on")
            world.sandbox.ghl.edit_as_user(people[1].ghl, {"firstName": "Unseen"})

            assert [line["system"] for line in daemon.said("system.paused")] == ["ghl"]
            assert world.sandbox.ghl.stats.statuses[401] <= refused + 3
            assert world.writes(begin) == []

            world.configuration.keep_secret("ghl-token", "a-new-token")
            daemon.reload()
            await world.converge()

    assert world.ghl(people[0].ghl)["firstName"] == "Waits"
    assert world.octopus(people[1].octopus)["fields"]["FirstName"] == "Unseen"
    assert len(world.sandbox.octopus.contacts()) == len(people)
    assert {row["status"] for row in world.sandbox.octopus.contacts()} == {"subscribed"}


async def test_a_token_revoked_before_the_start(tmp_path: Path) -> None:
    """A daemon that starts with a token that opens nothing is ready all the same, says so, and goes on after SIGHUP with a new one."""
    async with World.open(tmp_path) as world:
        people = world.settle_many(3)
        newcomer = world.settle("octopus")
        world.sandbox.ghl.token = "a-new-token"
        async with world.daemon() as daemon:
            await world.until(lambda: daemon.said("system.paused"), "it says that it is paused")
            world.configuration.keep_secret("ghl-token", "a-new-token")
            daemon.reload()
            await world.converge()

    assert len(world.ghl_by_email(newcomer.email)) == 1
    assert len(world.sandbox.ghl.contacts()) == len(people) + 1


async def test_a_bad_new_configuration_keeps_the_old_one(tmp_path: Path) -> None:
    """SIGHUP with a configuration full of mistakes is refused with all of them, and the daemon goes on as it was; with a good one
    it is used."""
    async with World.open(tmp_path) as world:
        each = world.settle()
        path = world.configuration.path
        good = path.read_text()
        async with world.daemon() as daemon:
            await world.converge()
            path.write_text(good.replace('type = "phone"', 'type = "telephone"').replace("source_of_truth", "source_of_thruth"))
            daemon.reload()
            [refused] = await world.until(lambda: daemon.said("reload.refused"), "it refuses")
            world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Old Rules"})
            await world.converge()
            path.write_text(good.replace('first_name = { ghl = "firstName", octopus', 'first_name = { owner = "ghl", ghl = "firstName", octopus'))
            daemon.reload()
            await world.until(lambda: daemon.said("reload.accepted"), "it accepts")
            await daemon.wait_ready()
            await world.rest()
            world.sandbox.octopus.edit_as_user(each.octopus, {"FirstName": "Not Mine To Say"})
            await world.until(lambda: world.octopus(each.octopus)["fields"]["FirstName"] == "Old Rules", "the owner's value is put back")
            await world.converge()

    assert len(refused["problems"]) >= 2
    assert world.ghl(each.ghl)["firstName"] == "Old Rules"


async def test_reloads_in_quick_succession(tmp_path: Path) -> None:
    """SIGHUP again and again, also while the last one is still being carried out, never ends the daemon; SIGTERM in the middle of
    a reload ends it with exit code 0."""
    async with World.open(tmp_path) as world:
        each = world.settle()
        daemon = world.new_daemon()
        await daemon.start()
        try:
            await world.agree()
            # A reload asks the vendors for their fields; they take their time.
            world.sandbox.ghl.faults.add("get-location", "slow", seconds=0.2, probability=1.0)
            for _ in range(8):
                daemon.reload()
                await world.seconds(0.05)
            world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": "Reloaded"})
            await world.converge()
            daemon.reload()
            await world.until(lambda: len(daemon.said("reload.accepted")) >= 2, "it reloads")
            code, _ = await daemon.stop()
        finally:
            await daemon.kill()

    assert code == 0


async def test_a_guard_stops_a_bulk_edit(tmp_path: Path) -> None:
    """Sixty percent of the records edited at once trip the guard: no more than the cap is written and it is held; other streams go
    on; approval lets all of it go."""
    sync = {"guards": '{ updates = { number = 5, share = 0.0 }, delete_grace = "500ms" }'}
    async with World.open(tmp_path, sync=sync) as world:
        people = world.settle_many(20)
        async with world.daemon() as daemon:
            await world.converge()
            begin = world.mark()
            for each in people[:12]:
                world.sandbox.ghl.edit_as_user(each.ghl, {"lastName": "Import"})
            [held] = await world.held(HoldKind.GUARD)
            world.sandbox.octopus.edit_as_user(people[19].octopus, {"FirstName": "Other Way"})
            await world.until(lambda: world.ghl(people[19].ghl)["firstName"] == "Other Way", "the other direction goes on")
            await world.cycles(4)
            written = world.writes(begin, "octopus")

            assert len(written) <= 5
            assert (held.member, bool(held.sides["sample"])) == ("octopus", True)
            assert daemon.said("guard.tripped")

            await world.answer(held, "approve")
            await world.converge()
            left = world.holds()

    assert {world.octopus(each.octopus)["fields"]["LastName"] for each in people[:12]} == {"Import"}
    assert left == []


async def test_a_guard_that_is_ignored_drops_what_waited(tmp_path: Path) -> None:
    """What a person ignores behind a guard is never written, and an edit afterwards travels as usual."""
    sync = {"guards": '{ updates = { number = 3, share = 0.0 }, delete_grace = "500ms" }'}
    async with World.open(tmp_path, sync=sync) as world:
        people = world.settle_many(10)
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            for each in people[:8]:
                world.sandbox.ghl.edit_as_user(each.ghl, {"lastName": "Mistake"})
            [held] = await world.held(HoldKind.GUARD)
            await world.rest()
            await world.answer(held, "ignore")
            await world.cycles(4)
            written = len(world.writes(begin))
            world.sandbox.ghl.edit_as_user(people[9].ghl, {"lastName": "Meant"})
            await world.until(lambda: world.octopus(people[9].octopus)["fields"]["LastName"] == "Meant", "the next edit travels")

    assert written <= 3
