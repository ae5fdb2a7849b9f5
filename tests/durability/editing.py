"""People who go on editing, with values that never come twice.

The rule that keeps it true: the same seed makes the same edits in the same order; nobody waits for anything but the next edit.
It must not know: who looks on, or what is going on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

from syncd.sandbox.people import ghl_fields, octopus_fields
from tests.e2e.world import Someone, World

# Nobody is edited so often that it looks like a machine's doing: twenty times an hour would be held.
PAUSE_S = 0.1


@asynccontextmanager
async def editing(world: World, people: list[Someone], random: Random, *, arriving: bool = False) -> AsyncIterator[None]:
    """They change names on both sides for the length of the block, each in turn; `arriving`: one time in ten somebody new comes instead."""

    async def edit() -> None:
        for number in count():
            each = people[number // 2 % len(people)]
            match number % 20 if arriving else number % 2:
                case 8:
                    world.sandbox.ghl.create_as_user(ghl_fields(world.invent()))
                case 19:
                    world.sandbox.octopus.create_as_user(octopus_fields(world.invent()))
                case even if even % 2 == 0:
                    world.sandbox.ghl.edit_as_user(each.ghl, {"firstName": f"Nina {number}"})
                case _:
                    world.sandbox.octopus.edit_as_user(each.octopus, {"LastName": f"Newell {number}"})
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_S))

    task = asyncio.create_task(edit())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
