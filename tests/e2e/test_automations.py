"""Automations through the daemon's own process and real HTTP: what people do sets them off, once, and what syncd does itself does not."""

from __future__ import annotations

from pathlib import Path

from syncd.sandbox.people import octopus_fields
from tests.e2e.world import World

NOTE = '{ call = "ghl.create-contact-note", with = { contactId = "{link.ghl.id}", body = "%s" } }'


def noted(world: World) -> int:
    """How many notes were written."""
    return world.sandbox.ghl.stats.requests["create-contact-note"]


async def test_a_new_contact_is_greeted_once(tmp_path: Path) -> None:
    """A person who turns up on one side sets the automation off once; those who were there before do not."""
    more = f"""
[automations.greet]
on = "octopus/contacts created"
do = [ {NOTE % "hello {event.email_address}"} ]
"""
    async with World.open(tmp_path, more=more) as world:
        world.settle_many(3)
        async with world.daemon() as daemon:
            await world.converge()
            assert noted(world) == 0
            world.sandbox.octopus.create_as_user(octopus_fields(world.invent()))
            await world.until(lambda: noted(world), "a note")
            await world.cycles(5)
            print(daemon.tail(20))

    assert noted(world) == 1
