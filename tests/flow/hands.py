"""Hands for the tests of writing: an edit that is owed, what programs did, a vendor that takes its time.

The rule that keeps it true: everything goes through the world's own stages.
It must not know: any test.
"""

from __future__ import annotations

import anyio

from syncd.connectors.memory import Actor, MemoryConnector
from tests.flow.world import CRM


async def edited(world, crm, **changes):
    """Somebody edits the crm's record, and it is planned."""
    world.later(60)
    world.crm.edit_as_user(crm, changes)
    await world.poll(CRM)
    await world.plan()


def by_us(system):
    """What programs did to it."""
    return [(each.id, dict(each.after) if each.after is not None else None) for each in system.log if each.actor is Actor.API]


class Slow(MemoryConnector):
    """Takes its time over writes: the effect first, the answer when it is let go."""

    def __init__(self, *given, **other):
        super().__init__(*given, **other)
        self.struck = anyio.Event()
        self.let_go = anyio.Event()

    async def update(self, updates):
        answers = await super().update(updates)
        self.struck.set()
        await self.let_go.wait()
        return answers

    async def create(self, collection, fields):
        answer = await super().create(collection, fields)
        self.struck.set()
        await self.let_go.wait()
        return answer
