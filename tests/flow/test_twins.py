"""A double on a record's own side is no answer to who it is."""

from __future__ import annotations

import pytest

from syncd.core.errors import UserError
from tests.flow.world import ADA, opened


async def test_a_twin_cannot_be_picked(tmp_path):
    """The hold about one of two equal records refuses the other one, says what would help, and links nothing."""
    async with opened(tmp_path) as world:
        twins = [world.mail.create_as_user(ADA) for _ in range(2)]
        world.crm.create_as_user(ADA)
        await world.sync()
        (asked,) = [each for each in await world.holds() if each.record_id == twins[0]]
        with pytest.raises(UserError, match="double on the same side"):
            await world.answer(twins[1], asked.id)
        await world.work()

        assert ([], 1, 2) == (await world.links(), len(world.crm.records()), len(world.mail.records()))
