"""Poll: what a cursor may pass, what a pass proves, and what is done about a listing nobody can believe."""

from __future__ import annotations

import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.errors import Unavailable
from syncd.core.record import MINUTE, SECOND
from syncd.flow.poll import Pace, _due_mode, _is_due
from syncd.store import arrivals, cursors, outbox, writes
from syncd.store.arrivals import Hearing
from syncd.store.cursors import PassMode
from tests.flow.world import ADA, CONTACTS, CRM, MAIL, S, Watch, opened, rules, systems


def people(system, count, start=0):
    return [system.create_as_user({"email": f"p{n}@example.com", "name": f"P{n}"}) for n in range(start, start + count)]


async def test_a_pass_reads_every_page(tmp_path):
    """All records are observed, and the pass is recorded as a complete one."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        people(world.crm, 25)

        assert 25 == await world.poll(CRM)
        assert ["page"] * 3 == world.calls(CRM)
        cursor = await world.cursor()
        assert cursor.complete_at == cursor.complete_tried_at == cursor.polled_at is not None
        assert (None, None) == (cursor.mode, cursor.token)


async def test_the_last_page_ends_the_pass_in_its_own_commit(tmp_path):
    """One commit a page: what the last one shows and what the pass proves are known together or not at all."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        people(world.crm, 25)
        before = world.engine.database.commits
        await world.poll(CRM)

        assert 3 == world.engine.database.commits - before


async def test_the_cursor_does_not_pass_what_was_not_committed(tmp_path):
    """A pass that fails between pages leaves the cursor where it was; what it committed is kept."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        people(world.crm, 25)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=2)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        cursor = await world.cursor()

        assert (None, None, 20) == (cursor.cursor, cursor.complete_at, cursor.listed)
        assert PassMode.COMPLETE is cursor.mode


async def test_a_pass_goes_on_after_a_crash(tmp_path):
    """After a restart in the middle of a pass the next one begins with the page that was not committed, and proves what a whole one does."""
    clock = Watch()
    far = systems(clock, crm={"page_size": 10})
    async with opened(tmp_path, far=far) as world:
        people(world.crm, 25)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=2)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        before = await world.cursor()
    async with opened(tmp_path, far=far) as world:
        world.calls(CRM)

        assert 5 == await world.poll(CRM)
        assert ["page"] == world.calls(CRM)
        after = await world.cursor()
        assert (before.pass_id, before.started_at, 25) == (after.pass_id, after.complete_at, after.listed)
        assert [] == await world.suspects()


async def test_the_cursor_never_passes_the_start_of_its_pass(tmp_path):
    """A record edited while pages were read does not carry the cursor over edits of those that had been read before."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 1})) as world:
        first, second = people(world.crm, 2)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=1)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        for each in (first, second):
            world.later(60)
            world.crm.edit_as_user(each, {"name": "Edited"})
        await world.poll(CRM)
        cursor = await world.cursor()
        await world.poll(CRM)

        assert cursor.cursor <= cursor.polled_at
        assert ["Edited"] * 2 == [(await world.observed(each)).fields["name"] for each in (first, second)]


async def test_the_cursor_is_the_newest_committed_time(tmp_path):
    """Not the moment of the pass: a record that shows up late with an older time is still looked for."""
    async with opened(tmp_path) as world:
        record = people(world.crm, 3)[-1]
        newest = world.crm.current("contacts", record).modified_at
        world.later(3600)
        await world.poll(CRM)

        assert newest == (await world.cursor()).cursor


async def test_without_modified_times_a_pass_goes_back_to_where_the_last_began(tmp_path):
    """Records that do not say when they changed still need not all be listed each time, where the vendor can list what changed."""
    async with opened(tmp_path, capabilities={CRM: {"modified_time": False}}) as world:
        people(world.crm, 2)
        world.later(60)
        began = world.clock.at
        await world.poll(CRM)
        cursor = await world.cursor()
        modes = [(await world.cursor()).complete_at]
        await world.poll(CRM)

        assert began - 2 * SECOND < cursor.cursor <= cursor.polled_at
        assert modes == [(await world.cursor()).complete_at]


async def test_incremental_passes_look_back(tmp_path):
    """A record that the vendor's index shows later than a younger one is found, because a pass looks back by the index's lag."""
    async with opened(tmp_path, capabilities={CRM: {"index_lag": 20 * SECOND}}) as world:
        world.later(60)
        late = people(world.crm, 1)[0]
        world.later(10)
        people(world.crm, 1, start=1)
        world.later(5)
        listed = world.crm.listed
        world.crm.listed = lambda collection: [each for each in listed(collection) if each.id != late]
        await world.poll(CRM)
        assert None is await world.observed(late)
        world.crm.listed = listed
        world.later(5)
        await world.poll(CRM, mode=PassMode.INCREMENTAL)

        assert None is not await world.observed(late)


async def test_an_incremental_pass_asks_for_what_changed(tmp_path):
    """Only the records from the cursor on travel; nothing missing is concluded from it."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        ids = people(world.crm, 40)
        world.later(60)
        await world.poll(CRM)
        world.calls(CRM)
        world.later(60)
        world.crm.edit_as_user(ids[3], {"name": "Edited"})

        assert 1 == await world.poll(CRM)
        assert ["page"] == world.calls(CRM)
        assert (await world.cursor()).listed < 10
        assert [] == await world.suspects()


async def test_a_complete_pass_comes_round(tmp_path):
    """After `full_pass` without one, or without an incremental listing, the whole is listed."""
    async with opened(tmp_path, capabilities={MAIL: {"incremental": False}}) as world:
        people(world.crm, 1)
        people(world.mail, 1)
        await world.poll()
        modes = [_due_mode(world.engine, world.place(each), await world.cursor(each)) for each in (CRM, MAIL)]
        world.later(24 * 3600)
        modes.append(_due_mode(world.engine, world.place(CRM), await world.cursor()))

        assert [PassMode.INCREMENTAL, PassMode.COMPLETE, PassMode.COMPLETE] == modes


async def test_a_window_is_no_look_at_everything(tmp_path):
    """What lies outside the window may have changed since the last complete pass, however often the window was opened: absence from it
    proves nothing, the edit is not taken for a younger one than it can be, and a write looks at its target first."""
    for windowed in (False, True):
        folder = tmp_path / str(windowed)
        folder.mkdir()
        async with opened(folder, capabilities={CRM: {"windowed": windowed, "modified_time": False}}) as world:
            ada, at_mail = await world.linked()
            world.later(600)
            listed, world.crm.listed = world.crm.listed, lambda _collection: []
            before = (await world.cursor()).complete_at
            world.later(60)
            edited_at = world.clock.now()
            world.crm.edit_as_user(ada, {"name": "There"})
            world.later(60)
            await world.poll(CRM, mode=PassMode.INCREMENTAL)
            cursor = await world.cursor()
            world.calls(CRM)
            world.mail.edit_as_user(at_mail, {"phone": "+12025550123"})
            await world.poll(MAIL)
            await world.work()
            calls = world.calls(CRM)
            world.crm.listed = listed
            await world.poll(CRM, mode=PassMode.COMPLETE)

            assert [] == await world.suspects()
            assert (before if windowed else cursor.polled_at) == cursor.looked_at
            if windowed:
                assert calls.index("get") < calls.index("update")
                assert (await world.observed(ada)).changed["name"].since <= edited_at
            else:
                assert "get" not in calls


async def test_a_dear_listing_waits_until_it_is_due(tmp_path):
    """Where a poll can only list everything, it comes as often as the member says, also after a restart; a wish, or a pass that was cut,
    is not kept waiting. A listing of changes is never held back."""
    dear = {CRM: {"incremental": False, "pass_every": 24 * 60 * MINUTE}}
    far = systems(Watch())
    async with opened(tmp_path, far=far, capabilities=dear) as world:
        people(world.crm, 3)
        assert [True, True] == [await _is_due(world.engine, world.place(each)) for each in (CRM, MAIL)]
        await world.poll()
        assert [False, True] == [await _is_due(world.engine, world.place(each)) for each in (CRM, MAIL)]
    hourly = rules(members={CRM: {"pass_every": 60 * MINUTE}})
    async with opened(tmp_path, hourly, far=far, capabilities=dear) as world:
        place = world.place(CRM)
        assert not await _is_due(world.engine, place)
        world.later(3600)
        assert await _is_due(world.engine, place)
        await world.poll(CRM)
        assert not await _is_due(world.engine, place)
        await world.engine.database.write(lambda tx: cursors.ask_complete(tx, place, world.clock.now()))
        assert await _is_due(world.engine, place)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page")
        with pytest.raises(Unavailable):
            await world.poll(CRM)

        assert await _is_due(world.engine, place)


async def test_a_pass_counts_its_calls(tmp_path):
    """How many it made, before and after a restart, is kept as what the last complete one took."""
    far = systems(Watch(), crm={"page_size": 10})
    async with opened(tmp_path, far=far) as world:
        people(world.crm, 25)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=2)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        assert (2, None) == ((await world.cursor()).calls, (await world.cursor()).complete_calls)
    async with opened(tmp_path, far=far) as world:
        await world.poll(CRM)
        await world.poll(CRM, mode=PassMode.INCREMENTAL)

        assert 3 == (await world.cursor()).complete_calls


async def test_a_record_that_is_not_listed_is_a_suspect(tmp_path):
    """No more than that: it is not gone, and nothing is planned."""
    async with opened(tmp_path) as world:
        ids = people(world.crm, 10)
        await world.poll(CRM)
        world.crm.delete_as_user(ids[4])
        await world.poll(CRM)
        assert [] == await world.suspects()
        await world.poll(CRM, mode=PassMode.COMPLETE)

        assert [ids[4]] == await world.suspects()
        assert (await world.observed(ids[4])).fields is not None


async def test_a_record_that_was_read_during_the_pass_is_no_suspect(tmp_path):
    """A record made while pages were read, and known otherwise, is not missed."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 5})) as world:
        people(world.crm, 10)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=1)
        with pytest.raises(Unavailable):
            await world.poll(CRM, mode=PassMode.COMPLETE)
        late = people(world.crm, 1, start=50)[0]
        await world.hear(CRM)
        world.later(60)
        await world.reread(CRM)
        assert await world.observed(late) is not None
        await world.poll(CRM)

        assert [] == await world.suspects()


@pytest.mark.parametrize("fault", [FaultKind.EMPTY_LISTING, FaultKind.TRUNCATED_LISTING, FaultKind.SKIPPED_PAGE])
async def test_an_unbelievable_listing_proves_nothing(tmp_path, fault):
    """Empty, cut short or with a page missing: nobody is suspected, no complete pass is recorded, a person is asked once."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        people(world.crm, 30)
        await world.poll(CRM)
        before = await world.cursor()
        for _ in range(2):
            world.crm.faults.add(fault, "page")
            await world.poll(CRM, mode=PassMode.COMPLETE)

        assert [] == await world.suspects()
        assert ["listing"] == await world.asked()
        after = await world.cursor()
        assert (before.complete_at, True) == (after.complete_at, after.complete_tried_at > before.complete_tried_at)
        assert 2 == len(world.log("listing.not_believed"))


async def test_a_believable_listing_closes_the_question(tmp_path):
    """What healed by itself needs no person."""
    async with opened(tmp_path) as world:
        people(world.crm, 30)
        await world.poll(CRM)
        world.crm.faults.add(FaultKind.EMPTY_LISTING, "page")
        await world.poll(CRM, mode=PassMode.COMPLETE)
        await world.poll(CRM, mode=PassMode.COMPLETE)

        assert [] == await world.asked()


async def test_many_missing_are_believed_on_a_persons_word_once(tmp_path):
    """A share of deletions past the guard waits for approval; then each is still asked for by id, and the next such listing is doubted again."""
    async with opened(tmp_path) as world:
        ids = people(world.crm, 30)
        await world.poll(CRM)
        for each in ids[:15]:
            world.crm.delete_as_user(each)
        await world.poll(CRM, mode=PassMode.COMPLETE)
        assert [] == await world.suspects()
        await world.answer("approve")
        await world.poll(CRM, mode=PassMode.COMPLETE)
        assert sorted(ids[:15]) == sorted(await world.suspects())
        world.crm.faults.add(FaultKind.EMPTY_LISTING, "page")
        await world.poll(CRM, mode=PassMode.COMPLETE)

        assert ["listing"] == await world.asked()
        assert 15 == len(await world.suspects())


async def test_a_first_listing_cut_short_is_not_complete(tmp_path):
    """A vendor that counts more records than it listed has not shown who is missing elsewhere: nothing is made on its word."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10})) as world:
        people(world.crm, 30)
        people(world.mail, 30)
        world.crm.faults.add(FaultKind.TRUNCATED_LISTING, "page")
        await world.poll()
        await world.work()

        assert None is (await world.cursor()).complete_at
        assert 30 == len(world.crm.records())
        await world.sync()
        assert (30, 30) == (len(world.crm.records()), len(world.mail.records()))


async def minutes_until_due(world, place, most=3_000) -> int:
    """How long it is until the collection is listed again."""
    for minutes in range(most):
        if await _is_due(world.engine, place):
            return minutes
        world.later(60)
    raise AssertionError("it is never listed again")


async def test_a_first_listing_that_is_not_believed_is_made_again_ever_later(tmp_path):
    """Twice as long each time, no longer than the usual interval; one that is believed ends it."""
    clock = Watch()
    dear = {CRM: {"incremental": False, "pass_every": 60 * MINUTE}}
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10}), capabilities=dear) as world:
        people(world.crm, 30)
        place, waits = world.place(CRM), []
        for _ in range(9):
            world.crm.faults.add(FaultKind.TRUNCATED_LISTING, "page")
            await world.poll(CRM)
            waits.append(await minutes_until_due(world, place))
        doubted = await world.cursor()

        assert [1, 2, 4, 8, 16, 32, 60, 60, 60] == waits
        assert (9, None) == (doubted.doubted, doubted.complete_at)

        await world.poll(CRM)
        believed = await world.cursor()

        assert (0, True) == (believed.doubted, believed.complete_at is not None)
        assert 60 == await minutes_until_due(world, place)


async def test_where_every_poll_lists_all_a_doubt_costs_no_change_its_way(tmp_path):
    """Nothing else would show one: such a collection is listed at the next poll, whatever was thought of the last."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10}), capabilities={CRM: {"incremental": False}}) as world:
        people(world.crm, 30)
        for _ in range(5):
            world.crm.faults.add(FaultKind.TRUNCATED_LISTING, "page")
            await world.poll(CRM)

            assert await _is_due(world.engine, world.place(CRM))


async def test_a_listing_that_a_person_vouches_for_is_made_at_once(tmp_path):
    """However long the pause has become."""
    clock = Watch()
    dear = {CRM: {"incremental": False, "pass_every": 24 * 60 * MINUTE}}
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 10}), capabilities=dear) as world:
        people(world.crm, 30)
        place = world.place(CRM)
        for _ in range(6):
            world.crm.faults.add(FaultKind.TRUNCATED_LISTING, "page")
            await world.poll(CRM)
        assert not await _is_due(world.engine, place)
        await world.answer("approve")
        assert await _is_due(world.engine, place)
        world.crm.faults.add(FaultKind.TRUNCATED_LISTING, "page")
        await world.poll(CRM)

        assert (await world.cursor()).complete_at is not None
        assert [] == await world.asked()


async def test_a_complete_pass_is_made_on_request(tmp_path):
    """Whoever asks for one gets one, though an incremental pass would be due; the wish is then met."""
    async with opened(tmp_path) as world:
        people(world.crm, 5)
        await world.poll(CRM)
        place = world.place(CRM)
        world.later(5)
        await world.engine.database.write(lambda tx: cursors.ask_complete(tx, place, world.clock.now()))
        await world.poll(CRM)

        assert 5 == (await world.cursor()).listed
        assert not await world.read(lambda tx: cursors.is_asked(tx, place))


async def test_a_wish_during_a_pass_is_met_by_the_next(tmp_path):
    """A pass that began before the wish does not fulfil it."""
    clock = Watch()
    async with opened(tmp_path, far=systems(clock, crm={"page_size": 2})) as world:
        people(world.crm, 5)
        place = world.place(CRM)
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=1)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        await world.engine.database.write(lambda tx: cursors.ask_complete(tx, place, world.clock.now()))
        await world.poll(CRM)
        assert await world.read(lambda tx: cursors.is_asked(tx, place))
        await world.poll(CRM)

        assert not await world.read(lambda tx: cursors.is_asked(tx, place))


async def test_a_quiet_pass_brings_nothing(tmp_path):
    """Listed again without a change, nothing is news and nothing is planned."""
    async with opened(tmp_path) as world:
        await world.linked()

        assert 0 == await world.poll(mode=PassMode.COMPLETE)
        assert 0 == await world.waiting()


async def test_two_syncs_share_one_pass(tmp_path):
    """A collection that two syncs read is listed once, and its news goes to both."""
    other = rules(name="other")
    async with opened(tmp_path, rules(), other) as world:
        world.crm.create_as_user(ADA)
        await world.poll()
        await world.plan()
        await world.plan("other")

        assert ["page"] == world.calls(CRM)
        assert [S, "other"] == [each.sync for each in await world.read(lambda tx: writes.select(tx, outbox.State))]


def test_the_pace_follows_the_news():
    """Often while polls find something, ever less while they do not, never beyond the bounds."""
    pace = Pace(interval=MINUTE)
    seen = []
    for news in (0, 0, 0, 0, 0, 0, 5, 0):
        pace.found(news, MINUTE, 5 * MINUTE)
        seen.append(pace.interval / MINUTE)

    assert [1.5, 2.25, 3.375, 5.0, 5.0, 5.0, 1.0, 1.5] == seen


async def test_what_no_webhook_announced_is_counted(tmp_path):
    """A change that a poll finds after the first listing, without word of it waiting or just dealt with; the first listing is none."""
    async with opened(tmp_path) as world:
        ada, ben = world.crm.create_as_user(ADA), world.crm.create_as_user({"email": "ben@example.com", "name": "Ben"})
        world.crm.news.clear()
        await world.poll()
        world.later(60)
        world.crm.edit_as_user(ada, {"name": "Unheard"})
        world.crm.news.clear()
        world.crm.edit_as_user(ben, {"name": "Heard"})
        await world.hear()
        await world.poll()
        await world.engine.tally.keep(world.engine.database)
        heard = await world.read(lambda tx: arrivals.heard_from(tx, CRM))

    assert [(Hearing.UNANNOUNCED, CONTACTS, 1)] == [(each.what, each.word, each.count) for each in heard.each]
