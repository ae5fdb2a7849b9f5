"""Creates that travel together: each is made once and answered for by itself, whatever becomes of the call."""

from __future__ import annotations

import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.errors import Rejected
from syncd.store.outbox import State
from tests.flow.world import MAIL, opened

TOGETHER = {MAIL: {"batch_create_max": 10}}


async def settled(world) -> None:
    """Turns, until nothing is owed any more."""
    for _ in range(12):
        await world.sync()
        world.later(30)


def many(world, count) -> None:
    for number in range(count):
        world.crm.create_as_user({"email": f"p{number}@example.com", "name": f"P{number}"})


def addresses(world) -> list[str]:
    return sorted(str(row["email"]) for row in world.mail.records().values())


async def test_many_are_made_in_one_call(tmp_path):
    """As many as the vendor takes, each linked to its own."""
    async with opened(tmp_path, capabilities=TOGETHER) as world:
        many(world, 25)
        await world.sync()
        calls = world.calls(MAIL)

        assert (3, 0) == (calls.count("create_many"), calls.count("create"))
        assert 25 == len(addresses(world)) == len(set(addresses(world)))
        assert {"done": 25} == await world.counts()
        assert {2} == {len(each) for each in await world.links()}
        await settled(world)
        assert 25 == len(world.mail.records())


@pytest.mark.parametrize("poisoned", [1, 3])
async def test_a_refused_call_is_made_in_halves(tmp_path, poisoned):
    """Until what is wrong stands alone: it is a dead letter, and everybody else is there."""
    async with opened(tmp_path, capabilities=TOGETHER) as world:
        many(world, 10)
        connector = world.engine.connectors[MAIL]
        check = connector._check

        def refuse(fields):
            if fields.get("name") in {f"P{number}" for number in range(poisoned)}:
                raise Rejected("no such name", system=MAIL, status=422)
            check(fields)

        connector._check = refuse
        await world.sync()
        await settled(world)

        assert [f"p{number}@example.com" for number in range(poisoned, 10)] == addresses(world)
        assert poisoned == len(await world.outbox(State.DEAD))


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT_AFTER, FaultKind.TIMEOUT_BEFORE])
async def test_a_lost_answer_leaves_each_in_doubt(tmp_path, kind):
    """Whether it took effect or not: each is looked for by its keys, and is there once in the end."""
    async with opened(tmp_path, capabilities=TOGETHER) as world:
        many(world, 8)
        world.mail.faults.add(kind, "create_many")
        await world.poll()
        await world.plan()
        await world.write(MAIL)
        assert {"unknown": 8} == await world.counts()
        await settled(world)

        assert [f"p{number}@example.com" for number in range(8)] == addresses(world)
        assert {"done": 8} == await world.counts()


async def test_who_is_there_meanwhile_is_not_made(tmp_path):
    """Of many at once a vendor refuses no doubles, so each is looked for where no listing is recent."""
    async with opened(tmp_path, capabilities={MAIL: {"batch_create_max": 10, "create_detects": frozenset({"email"})}}) as world:
        many(world, 4)
        await world.poll()
        await world.plan()
        world.mail.create_as_user({"email": "p2@example.com", "name": "Theirs"})
        world.later(3_600)
        await world.write(MAIL)
        await settled(world)

        assert [f"p{number}@example.com" for number in range(4)] == addresses(world)
