"""Seeded lives with 17hats: everybody is edited somewhere, while flows are down, asleep, silent, doubled or late, and posts overtake each other."""

from __future__ import annotations

from random import Random

import pytest

from syncd.sandbox import DeliveryMode
from syncd.store.outbox import State
from tests.connectors.test_bridge_sync import NEW, telling

ROUNDS, PEOPLE = 6, 6
MOODS = (
    {}, {"off": True}, {"asleep": True}, {"acks": 0}, {"acks": 2}, {"holds_acks": True}, {"acks": 2, "holds_acks": True},
)  # fmt: skip


def disturb(story, random) -> None:
    """The flows change their mood; what they kept back or put off may come now."""
    mood = {"acks": 1, "holds_acks": False, "asleep": False, "off": False} | random.choice(MOODS)
    if random.random() < 0.5:
        story.flows.wake()
    if random.random() < 0.5:
        story.flows.release()
    for name, value in mood.items():
        setattr(story.flows.mood, name, value)
    story.flows.webhooks.mode = DeliveryMode(copies=random.choice((1, 1, 2)), shuffle=random.random() < 0.3)


def edit(story, random, number, wanted) -> None:
    """Somebody is edited on one side; each person has one side all along, so that no two edits contradict."""
    name, email = f"N{random.randrange(1_000)}", f"p{number}@b.co"
    if number % 2:
        story.crm.edit_as_user(story.crm_id(email), {"name": name})
    else:
        story.flows.edit_as_user(story.hats_id(email), {"first_name": name})
    wanted[email] = name


@pytest.mark.parametrize("seed", (2, 10, 38, 39, 46, 56))
async def test_whatever_the_flows_do_both_sides_end_alike(tmp_path, seed):
    """No edit is lost, nobody is made twice, nothing stays in doubt, and then there is rest."""
    random = Random(seed)
    async with telling(tmp_path, ack_wait_s=0, asks_first=True) as story:
        wanted = {}
        for number in range(PEOPLE):
            wanted[f"p{number}@b.co"] = f"P{number}"
            if number % 2:
                story.crm.create_as_user({"email": f"p{number}@b.co", "name": f"P{number}"})
            else:
                story.flows.create_as_user({**NEW, "email": f"p{number}@b.co", "first_name": f"P{number}"})
        await story.sync(2)
        for turn in range(ROUNDS):
            disturb(story, random)
            for number in random.sample(range(PEOPLE), 3):
                edit(story, random, number, wanted)
            email = f"new{turn}@b.co"
            story.crm.create_as_user({"email": email, "name": "New"})
            wanted[email] = "New"
            await story.sync(random.randrange(1, 4), every_s=random.choice((60, 1_800, 20_000)))
        for name, value in {"acks": 1, "holds_acks": False, "asleep": False, "off": False}.items():
            setattr(story.flows.mood, name, value)
        story.flows.webhooks.mode = DeliveryMode()
        story.flows.wake()
        await story.flows.idle()
        story.flows.release()
        await story.sync(30, every_s=3_600)
        written = story.flows.stats.writes_by_api, len(story.crm.log)
        await story.sync(2)

        assert wanted == {email: row[0] for email, row in story.crm_rows().items()}
        assert wanted == {email: row[0] for email, row in story.hats_rows().items()}
        assert len(wanted) == len(story.crm.records()) == len(story.flows.contacts())
        assert ([], []) == (await story.world.asked(), await story.world.outbox(State.DEAD, State.UNKNOWN, State.SENT, State.PENDING))
        assert written == (story.flows.stats.writes_by_api, len(story.crm.log))
