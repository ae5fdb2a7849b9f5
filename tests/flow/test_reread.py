"""Reread: which events cost a call, which are an observation by themselves, and when a deletion is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.connectors.base import News
from syncd.connectors.memory import FaultKind
from syncd.core.errors import Unauthorized, Unavailable
from syncd.core.record import MINUTE
from syncd.flow.engine import Timing
from syncd.store import inbox
from syncd.store.cursors import PassMode
from tests.flow.world import ADA, CRM, MAIL, opened

HINT = {CRM: {"webhooks": News.HINT}}
GRACE_S = 10 * 60


async def outcomes(world):
    return [name for (name,) in await world.read(lambda tx: tx.execute("SELECT outcome FROM events ORDER BY id").fetchall())]


async def test_hints_become_one_reading(tmp_path):
    """Many events about one record, once they are quiet, cost one read, and all of them leave the inbox."""
    async with opened(tmp_path, capabilities=HINT) as world:
        crm, _ = await world.linked()
        for n in range(5):
            world.crm.edit_as_user(crm, {"name": f"Ada {n}"})
            await world.hear(CRM)
        await world.reread(CRM)
        assert [] == world.calls(CRM)
        world.later(3)
        await world.reread(CRM)

        assert ["get"] == world.calls(CRM)
        assert ["read"] * 5 == await outcomes(world)
        assert "Ada 4" == (await world.observed(crm)).fields["name"]


async def test_a_record_that_never_rests_is_read_at_last(tmp_path):
    """Events that keep coming do not put the reading off for ever."""
    async with opened(tmp_path, capabilities=HINT) as world:
        crm, _ = await world.linked()
        for n in range(12):
            world.crm.edit_as_user(crm, {"name": f"Ada {n}"})
            await world.hear(CRM)
            world.later(1)
            await world.reread(CRM)

        assert 1 <= len(world.calls(CRM)) <= 2


async def test_a_repeat_of_what_is_known_costs_no_call(tmp_path):
    """An echo, or old news that a poll brought already, needs no reading and is no news."""
    async with opened(tmp_path, capabilities=HINT) as world:
        crm, _ = await world.linked()
        world.crm.edit_as_user(crm, {"phone": "+12125550123"})
        world.crm.edit_as_user(crm, {"email": ADA["email"], "name": "Ada", "phone": None, "tags": None})
        world.crm.news.pop(0)
        await world.poll(CRM)
        world.calls(CRM)
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)

        assert [] == world.calls(CRM)
        assert ["no news"] == await outcomes(world)


async def test_our_own_write_coming_back_costs_nothing(tmp_path):
    """The webhook of our own write is told apart by its values alone: no call, no plan, no write."""
    async with opened(tmp_path, capabilities=HINT | {MAIL: {"webhooks": News.HINT}}) as world:
        crm, _ = await world.linked()
        world.crm.edit_as_user(crm, {"name": "Ada L"})
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)
        await world.work()
        assert "update" in world.calls(MAIL)
        written = len(world.mail.log)
        await world.hear(MAIL)
        world.later(3)
        await world.reread(MAIL)
        await world.work()

        assert ([], written) == (world.calls(MAIL), len(world.mail.log))


async def test_a_full_newest_event_is_an_observation(tmp_path):
    """One event that carries the whole record and is newer than all we know need not be read again."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "Ada L"})
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)

        assert [] == world.calls(CRM)
        assert ["observed"] == await outcomes(world)
        assert "Ada L" == (await world.observed(crm)).fields["name"]


async def test_a_new_record_comes_with_its_event(tmp_path):
    """A record nobody knew is observed from its first full event."""
    async with opened(tmp_path) as world:
        await world.linked()
        crm = world.crm.create_as_user({"email": "ben@example.com", "name": "Ben"})
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)

        assert ([], "Ben") == (world.calls(CRM), (await world.observed(crm)).fields["name"])


async def test_events_out_of_order_are_read(tmp_path):
    """Two full events, or one that may be older than what we know, are only hints: the record itself decides."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "first"})
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "second"})
        world.crm.news.reverse()
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)

        assert ["get"] == world.calls(CRM)
        assert "second" == (await world.observed(crm)).fields["name"]


async def test_an_old_full_event_does_not_undo_a_newer_look(tmp_path):
    """An event that was delayed for long costs a look and changes nothing."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "first"})
        late = world.crm.news.pop()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "second"})
        await world.poll(CRM)
        world.crm.news[:] = [late]
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)

        assert "second" == (await world.observed(crm)).fields["name"]


async def test_tripled_and_shuffled_events_change_nothing(tmp_path):
    """The same deliveries, three times and in another order, end in the same state without another write."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        for n in range(4):
            world.later(60)
            world.crm.edit_as_user(crm, {"name": f"Ada {n}"})
        news = list(world.crm.news)
        for order in (news, news[::-1], news[2:] + news[:2]):
            world.crm.news[:] = order
            await world.hear(CRM)
            world.later(30)
            await world.reread(CRM)
            await world.work()

        assert "Ada 3" == world.mail.records()[mail]["name"]
        assert 1 == world.calls(MAIL).count("update")


# ---- deletions


async def test_a_deletion_is_believed_after_two_denials_a_grace_apart(tmp_path):
    """Announced, denied by id, denied again when the grace period is over: then there is a tombstone with all its evidence."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.crm.delete_as_user(crm)
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)
        assert [crm] == await world.suspects()
        assert (await world.observed(crm)).fields is not None
        world.later(GRACE_S - 5)
        await world.reread(CRM)
        assert (["get"], [crm]) == (world.calls(CRM), await world.suspects())
        world.later(10)
        await world.reread(CRM)
        found = await world.observed(crm)

        assert (None, 3, []) == (found.fields, len(found.evidence), await world.suspects())
        assert "announced as deleted" == found.evidence[0]
        assert all("not found by id" in each for each in found.evidence[1:])


async def test_two_denials_in_a_row_are_one(tmp_path):
    """Hinted at again within the grace period, a record that is denied again is not gone yet."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.crm.delete_as_user(crm)
        (news,) = world.crm.news
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)
        world.crm.news.append(replace(news, key="again"))
        await world.hear(CRM)
        world.later(GRACE_S // 2)
        await world.reread(CRM)
        assert ["get", "get"] == world.calls(CRM)
        assert ((await world.observed(crm)).fields is not None, [crm]) == (True, await world.suspects())
        world.later(GRACE_S // 2 + 1)
        await world.reread(CRM)

        assert None is (await world.observed(crm)).fields


async def test_absence_from_a_listing_is_followed_by_id(tmp_path):
    """What a complete pass lacks is asked for by id, twice, before it is gone."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        world.crm.create_as_user({"email": "ben@example.com"})
        world.crm.delete_as_user(crm)
        await world.poll(CRM, mode=PassMode.COMPLETE)
        world.calls(CRM)
        await world.reread(CRM)
        world.later(GRACE_S + 1)
        await world.reread(CRM)

        assert ["get", "get"] == world.calls(CRM)
        assert "complete pass" in (await world.observed(crm)).evidence[0]


async def test_a_record_that_is_back_clears_itself(tmp_path):
    """Denied once and then shown again: it was never gone, and the count begins anew."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked()
        versions = world.crm._versions["contacts"]
        hidden = versions.pop(crm)
        world.crm.news.clear()
        await world.poll(CRM, mode=PassMode.COMPLETE)
        await world.answer("approve")
        await world.poll(CRM, mode=PassMode.COMPLETE)
        await world.reread(CRM)
        assert [crm] == await world.suspects()
        versions[crm] = hidden
        world.later(GRACE_S + 1)
        await world.reread(CRM)

        assert ([], "Ada") == (await world.suspects(), (await world.observed(crm)).fields["name"])


async def test_a_false_announcement_deletes_nothing(tmp_path):
    """A forged or mistaken "deleted" costs one look."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        before = list(world.crm._versions["contacts"][crm])
        world.crm.delete_as_user(crm)
        world.crm._versions["contacts"][crm] = before
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)
        world.later(GRACE_S + 1)
        await world.reread(CRM)
        await world.work()

        assert ([], ["get"]) == (await world.suspects(), world.calls(CRM))
        assert mail in world.mail.records()


# ---- trouble


@pytest.mark.parametrize(("fault", "error"), [(FaultKind.REFUSED_CONNECTION, Unavailable), (FaultKind.UNAUTHORIZED, Unauthorized)])
async def test_what_cannot_be_read_now_stays(tmp_path, fault, error):
    """While the vendor cannot be asked the events stay in the inbox; the readings that were made are kept."""
    async with opened(tmp_path, capabilities=HINT) as world:
        crm, _ = await world.linked()
        world.crm.edit_as_user(crm, {"name": "Ada L"})
        await world.hear(CRM)
        world.later(3)
        world.crm.faults.add(fault, "get")
        with pytest.raises(error):
            await world.reread(CRM)
        assert 1 == await world.read(inbox.count_waiting)
        await world.reread(CRM)

        assert (0, "Ada L") == (await world.read(inbox.count_waiting), (await world.observed(crm)).fields["name"])


async def test_a_refused_reading_ends_the_event(tmp_path):
    """A record the vendor will not show is not asked for again and again; the others are read."""
    async with opened(tmp_path, capabilities=HINT) as world:
        await world.linked()
        ids = [world.crm.create_as_user({"email": f"{n}@example.com"}) for n in range(3)]
        await world.hear(CRM)
        world.later(3)
        world.crm.faults.add(FaultKind.REJECTED, "get")
        await world.reread(CRM)

        assert 0 == await world.read(inbox.count_waiting)
        assert 2 == len([each for each in ids if await world.observed(each)])


async def test_trouble_at_one_system_does_not_touch_another(tmp_path):
    """A vendor that is down keeps only its own events waiting."""
    async with opened(tmp_path, capabilities=HINT | {MAIL: {"webhooks": News.HINT}}) as world:
        crm, mail = await world.linked()
        world.crm.edit_as_user(crm, {"name": "A"})
        world.mail.edit_as_user(mail, {"phone": "+12125550123"})
        await world.hear()
        world.later(3)
        world.crm.faults.add(FaultKind.REFUSED_CONNECTION, "get", count=99)
        with pytest.raises(Unavailable):
            await world.reread(CRM)
        await world.reread(MAIL)

        assert 1 == await world.read(inbox.count_waiting)
        assert "+12125550123" == (await world.observed(mail, MAIL)).fields["phone"]


async def test_a_suspect_that_cannot_be_asked_for_waits(tmp_path):
    """A vendor that does not answer has denied nothing."""
    async with opened(tmp_path, timing=Timing(quiet_max=MINUTE)) as world:
        crm, _ = await world.linked()
        world.crm.delete_as_user(crm)
        await world.hear(CRM)
        world.later(3)
        await world.reread(CRM)
        world.later(GRACE_S + 1)
        world.crm.faults.add(FaultKind.REFUSED_CONNECTION, "get")
        with pytest.raises(Unavailable):
            await world.reread(CRM)
        assert (await world.observed(crm)).fields is not None
        world.later(61)
        await world.reread(CRM)

        assert None is (await world.observed(crm)).fields
