"""Rest: what is no change makes no write, and looking costs as little as the vendors allow."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.world import World


async def test_another_spelling_is_no_change(tmp_path: Path) -> None:
    """A phone retyped in another format, an address in capitals, tags in another order or case: no write, ever."""
    async with World.open(tmp_path) as world:
        people = [world.settle(tags=("customer", "newsletter")) for _ in range(4)]
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            for each in people:
                digits = each.person.phone[2:]
                world.sandbox.octopus.edit_as_user(each.octopus, {"Phone": f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"})
                world.sandbox.octopus.edit_as_user(each.octopus, {"email_address": each.email.upper()})
                world.sandbox.octopus.edit_as_user(each.octopus, {"tags": ["newsletter", "customer"]})
                world.sandbox.ghl.edit_as_user(each.ghl, {"phone": f"{digits[:3]}.{digits[3:6]}.{digits[6:]}"})
                world.sandbox.ghl.edit_as_user(each.ghl, {"email": each.email.title()})
                world.sandbox.ghl.edit_as_user(each.ghl, {"tags": ["Newsletter", "Customer"]})
            await world.until(lambda: not world.webhooks_pending(), "the webhooks arrive")
            await world.cycles(4)

    assert world.writes(begin) == []
    world.assert_agree()


async def test_spelling_that_the_first_sync_meets_is_no_change(tmp_path: Path) -> None:
    """People whose records differ in spelling only are linked at the first sync without a single write."""
    async with World.open(tmp_path) as world:
        for _ in range(5):
            person = world.invent(tags=("customer", "vip"))
            digits = person.phone[2:]
            world.sandbox.ghl.seed({
                "email": person.email, "firstName": person.first_name, "lastName": person.last_name, "phone": person.phone,
                "source": person.source, "tags": ["vip", "customer"], "custom": {"plan": "gold"},
            })
            world.sandbox.octopus.seed({
                "email_address": person.email.upper(), "tags": ["customer", "vip"],
                "fields": {"FirstName": person.first_name, "LastName": person.last_name, "Phone": f"{digits[:3]}-{digits[3:6]}-{digits[6:]}",
                           "Plan": "Gold", "Source": person.source},
            })
        begin = world.mark()
        async with world.daemon():
            await world.agree()
            await world.cycles(4)

    assert world.writes(begin) == []


async def test_at_rest_nothing_is_written_and_little_is_read(tmp_path: Path) -> None:
    """When all agree, a poll costs GoHighLevel one search and EmailOctopus three listings, one a status, and nothing else."""
    async with World.open(tmp_path) as world:
        world.settle_many(30)
        world.settle("ghl")
        world.settle("octopus")
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.stats.reset()
            world.sandbox.octopus.stats.reset()
            await world.cycles(5)
            ghl, octopus = dict(world.sandbox.ghl.stats.requests), dict(world.sandbox.octopus.stats.requests)

    assert world.writes(begin) == []
    assert set(ghl) == {"search-contacts"}
    assert set(octopus) == {"list-contacts"}


async def test_polls_at_rest_come_no_faster_than_configured(tmp_path: Path) -> None:
    """Between two polls of one collection at least `poll_min` passes, so requests at rest are bounded by time."""
    async with World.open(tmp_path, daemon={"poll_min": '"500ms"', "poll_max": '"500ms"'}) as world:
        world.settle_many(3)
        async with world.daemon():
            await world.agree()
            world.sandbox.ghl.stats.reset()
            world.sandbox.octopus.stats.reset()
            await world.seconds(1.5)
            searches = world.sandbox.ghl.stats.requests["search-contacts"]
            listings = world.sandbox.octopus.stats.requests["list-contacts"]

    assert 1 <= searches <= 4
    assert 3 <= listings <= 12
