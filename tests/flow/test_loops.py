"""A record that is written again and again."""

from __future__ import annotations

from syncd.core.guard import WRITES_AN_HOUR_MAX
from tests.flow.world import opened


async def fought_over(world, crm, mail, rounds):
    """Something at the second vendor writes its own value back each time ours arrives."""
    for each in range(rounds):
        world.later(20)
        world.crm.edit_as_user(crm, {"name": f"Ours {each}"})
        await world.poll()
        await world.work()
        world.later(5)
        world.mail.edit_as_user(mail, {"name": "Theirs"})
        await world.poll()
        await world.work()


async def test_a_fight_over_a_field_is_stopped_and_told(tmp_path):
    """After so many writes within an hour the record waits for a person; nothing is lost, and approving lets it go on."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await fought_over(world, crm, mail, WRITES_AN_HOUR_MAX + 5)
        written = sum(1 for each in world.mail.log if each.actor.value == "syncd")

        assert ["oscillation"] == list(dict.fromkeys(await world.asked()))
        assert written <= WRITES_AN_HOUR_MAX

        for held in await world.holds():
            await world.answer("approve", held.id)
        await world.work()

        assert world.crm.records()[crm]["name"] == world.mail.records()[mail]["name"]


async def to_and_fro(world, crm, mail, turns):
    """The first vendor says one thing and the second the other, again and again."""
    for _ in range(turns):
        world.later(20)
        if world.crm.records()[crm]["name"] == "Countess":
            world.mail.edit_as_user(mail, {"name": "Ada"})
        else:
            world.crm.edit_as_user(crm, {"name": "Countess"})
        await world.poll()
        await world.work()


async def test_a_field_that_goes_to_and_fro_is_held(tmp_path):
    """Set back more than twice: the next write waits, with an alert; approving lets it go, and the count starts anew."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        await to_and_fro(world, crm, mail, 3)
        assert [] == await world.asked()
        await to_and_fro(world, crm, mail, 4)
        (held,) = await world.holds()

        assert ("oscillation", "name", "crm", "Countess") == (held.kind.value, held.field, held.member, world.crm.records()[crm]["name"])
        assert [["name"]] == [each["fields"] for each in world.log("record.fought_over")]

        await world.answer("approve", held.id)
        await world.work()

        assert ([], "Ada", "Ada") == (await world.asked(), world.crm.records()[crm]["name"], world.mail.records()[mail]["name"])


async def test_one_person_may_change_their_mind(tmp_path):
    """Edits of one side alone are no fight, whatever they say."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        for each in range(6):
            world.later(20)
            world.crm.edit_as_user(crm, {"name": "Ada" if each % 2 else "Countess"})
            await world.poll()
            await world.work()

        assert ([], "Ada") == (await world.asked(), world.mail.records()[mail]["name"])
