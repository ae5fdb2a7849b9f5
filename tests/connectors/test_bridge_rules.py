"""What a sync's rules make of 17hats behind its flows: fields that only go there, deletions that nobody can carry out, and a third member."""

from __future__ import annotations

import pytest

from syncd.core.record import SECOND
from syncd.core.rules import DeleteRule, Guards
from syncd.flow.conditions import conditions
from syncd.store.outbox import State
from tests.connectors.test_bridge_sync import NEW, agreement, telling


@pytest.mark.parametrize("one_way", [True, False])
async def test_what_no_flow_ever_shows_is_sent_one_way(tmp_path, one_way):
    """A field that only goes there is sent to whoever was known before, once for each value, and no blank is; one that goes both ways is left alone,
    for nobody has seen what stands there."""
    async with telling(tmp_path, triggers=(), sync=agreement(one_way=one_way)) as story:
        for name, notes in (("a", "theirs"), ("b", "theirs too")):
            row = story.flows.seed({**NEW, "email": f"{name}@b.co", "first_name": name, "notes": notes})
            told = {"collection": "contacts", "event": "updated", "id": row["id"], "fields": {"email": row["email"], "first_name": name}}
            assert await story.door.hear(*story.flows.post(told))
        story.crm.create_as_user({"email": "a@b.co", "name": "a", "custom.plan": "Ours"})
        story.crm.create_as_user({"email": "b@b.co", "name": "b"})
        await story.sync()
        first = {row["email"]: row["notes"] for row in story.flows.contacts()}
        story.crm.edit_as_user(story.crm_id("a@b.co"), {"custom.plan": "Ours anew"})
        await story.sync()

        second = {row["email"]: row["notes"] for row in story.flows.contacts()}
        assert {"a@b.co": "Ours" if one_way else "theirs", "b@b.co": "theirs too"} == first
        assert {"a@b.co": "Ours anew" if one_way else "theirs", "b@b.co": "theirs too"} == second
        assert [("update", "acked", 1)] * (2 if one_way else 0) == await story.handoffs()
        assert [] == await story.world.asked()


@pytest.mark.parametrize("rule", [DeleteRule.REVIEW, DeleteRule.ARCHIVE])
async def test_without_a_hook_a_deletion_is_a_persons_task_or_a_mark(tmp_path, rule):
    """Nothing is ever deleted there: a person is asked, or the contact is marked by the flow that changes it, and keeps everything else."""
    archive = {"type": "Other", "tags": ["deleted-in-ghl"]} if rule is DeleteRule.ARCHIVE else None
    async with telling(tmp_path, sync=agreement(delete=rule, archive=archive)) as story:
        for each in "abc":
            story.crm.create_as_user({"email": f"{each}@b.co", "name": each})
        await story.sync(2)
        story.crm.delete_as_user(story.crm_id("a@b.co"))
        await story.sync(4, every_s=Guards().delete_grace / SECOND + 1)
        rows = {row["email"]: (row["first_name"], row["type"], row["tags"]) for row in story.flows.contacts()}
        asked = await story.world.asked()

        assert {"a@b.co", "b@b.co", "c@b.co"} == rows.keys()
        assert rows["a@b.co"] == (("a", "Hot Lead", None) if archive is None else ("a", "Other", ["deleted-in-ghl"]))
        assert (["delete"] if archive is None else []) == asked
        assert {"create", "update"} >= {row[0] for row in await story.handoffs()}
        assert [] == await story.world.outbox(State.DEAD)


@pytest.mark.parametrize("how", ["off", "asleep"])
async def test_three_of_whom_the_flows_are_down(tmp_path, how):
    """The two others go on exchanging edits meanwhile; when the flows are back all three show the same, nobody twice."""
    async with telling(tmp_path, ack_wait_s=0, third=True) as story:
        crm, mail = story.crm, story.world.mail
        crm.create_as_user({"email": "a@b.co", "name": "A"})
        mail.create_as_user({"email": "b@b.co", "name": "B"})
        story.hats_create(email="c@b.co", first_name="C")
        await story.sync(4)
        assert 3 == len(crm.records()) == len(mail.records()) == len(story.flows.contacts())

        setattr(story.flows.mood, how, True)
        crm.edit_as_user(story.crm_id("a@b.co"), {"name": "Ours"})
        mail.edit_as_user(next(each for each, row in mail.records().items() if row["email"] == "b@b.co"), {"name": "Theirs"})
        mail.create_as_user({"email": "d@b.co", "name": "D"})
        await story.sync(6)
        between = [{str(row["email"]): row["name"] for row in each.records().values()} for each in (crm, mail)]
        there = {row["email"]: row["first_name"] for row in story.flows.contacts()}
        setattr(story.flows.mood, how, False)
        story.flows.wake()
        await story.sync(12)

        end = {"a@b.co": "Ours", "b@b.co": "Theirs", "c@b.co": "C", "d@b.co": "D"}
        assert [end, end] == between
        assert {"a@b.co": "A", "b@b.co": "B", "c@b.co": "C"} == there
        assert end == {row["email"]: row["first_name"] for row in story.flows.contacts()}
        assert [end, end] == [{str(row["email"]): row["name"] for row in each.records().values()} for each in (crm, mail)]
        assert (4, 4, 4) == (len(crm.records()), len(mail.records()), len(story.flows.contacts()))
        assert ([], []) == (await story.world.asked(), await story.world.outbox(State.DEAD, State.UNKNOWN, State.SENT, State.PENDING))


async def test_flows_that_never_spoke_are_told_of_after_a_day(tmp_path):
    """Also where nothing was ever heard: a hand-off that was accepted and not spoken of for so long needs a person."""
    async with telling(tmp_path, ack_wait_s=0) as story:
        story.flows.mood.asleep = True
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(2)

        async def told() -> list[str]:
            found = await story.world.read(lambda tx: conditions(story.world.engine, tx, {}))
            return [each.sentence for each in found if each.kind == "bridge"]

        early = await told()
        story.world.later(25 * 3_600)

        assert [] == early
        assert ["no flow has said anything of contacts of bench for 26 h; nothing there is verified"] == await told()
