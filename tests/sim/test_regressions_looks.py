"""What the simulator has found before, each as a short script that must pass for ever: what a look, a listing, an event or an answer shows, and what it does not.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

import pytest

from tests.sim.script import Act, Strike
from tests.sim.story import EVER, holds, story
from tests.sim.world import run


@pytest.mark.parametrize("seconds", [-7200, -60, 7200])
def test_the_wall_clock_is_set(seconds):
    """Set back, every look seemed old: two members overwrote each other every few seconds until the clock had caught up."""
    holds(story(
        Strike(kind="jump", at=100, until=EVER, most=1, amount=seconds),
        Act(kind="edit", at=150, system=0), Act(kind="edit", at=350, system=1),
        habits=({"webhooks": "hint"}, {"webhooks": "hint"}),
    ))  # fmt: skip


@pytest.mark.parametrize("at", range(40, 60, 2))
def test_a_lagging_listing_is_no_look_at_the_record(at):
    """A listing that runs 20 s behind counted as a look of now, and an edit it could not show was overwritten unread."""
    holds(story(
        Act(kind="clear", at=at - 0.5, system=2), Act(kind="edit", at=at, system=0),
        habits=({"lag": 20_000_000}, {}, {}),
    ))  # fmt: skip


def test_one_system_paused_beside_a_suspect():
    """A suspect of a paused system made the others' rereading spin."""
    holds(story(
        Strike(kind="unauthorized", at=286, until=470, most=3, system=0), Act(kind="delete", at=270, system=0),
        habits=({}, {"webhooks": "hint"}),
    ))  # fmt: skip


def test_a_late_full_event_without_a_modified_time():
    """An hour old event carried the whole record as it was; it was believed, and old values came back on both sides."""
    holds(story(
        Strike(kind="hook_late", at=225, until=339, system=1, amount=3600),
        Act(kind="edit", at=243, system=0), Act(kind="email", at=463, system=0),
        habits=({}, {"modified_time": False, "webhooks": "full"}),
    ))  # fmt: skip


@pytest.mark.parametrize("fault", ["e500_after", "timeout_after", "reset_after", "garbage"])
@pytest.mark.parametrize("spelling", ["title", "cut", "lower"])
def test_the_vendors_spelling_after_a_lost_answer(fault, spelling):
    """What the vendor made of our own write, its answer lost, was taken for news and written over what the person had typed."""
    holds(story(
        Strike(kind=fault, at=85, until=300, most=1, system=1, operation="update"), Act(kind="edit", at=81.7, system=0),
        habits=({}, {"normalise": spelling}), truth=1,
    ))  # fmt: skip


def test_looks_that_fail_are_spaced_out():
    """A vendor that is down was asked every second, for every write owed to it."""
    report = run(story(
        Strike(kind="refused", at=100, until=EVER, system=1, operation="get"), Act(kind="edit", at=150, system=0),
        habits=({"webhooks": "hint"}, {}), minutes=40,
    ))  # fmt: skip

    assert report.failure is None
    assert report.logged["write.failed"] < 60


def test_a_removal_survives_a_look_without_the_field():
    """A look that did not show the tags made a removal look like no change."""
    holds(story(
        Act(kind="untag", at=187.315, person=2, system=2, salt=647323381),
        Strike(kind="masked", at=198.208, until=480, rate=0.5, operation="get", salt=635050219),
        habits=({}, {"page_size": 1, "webhooks": "full", "normalise": "lower"}, {}), fields=("name", "tags"), people=3, seed=704,
    ))  # fmt: skip


@pytest.mark.parametrize("at", [150.0 + step * 0.02 for step in range(40)])
def test_a_listing_that_overlaps_our_update(at):
    """A page or a look served before our update took effect, but asked for after it had left, was taken for somebody's undoing it."""
    holds(story(
        Act(kind="edit", at=at, system=1), Act(kind="bump", at=at + 0.3, system=0),
        habits=({"modified_time": False, "webhooks": "hint"}, {"webhooks": "hint"}, {}), hops=5, shuffle=True, seed=int(at * 100),
    ))  # fmt: skip


def test_an_events_time_is_not_the_records():
    """The event's own time was kept as the record's modified time, so every look after it seemed older, and a suspect was never cleared."""
    holds(story(
        Strike(kind="stale409", at=115.71, until=364.639, most=1, system=1, operation="update", salt=430544833),
        Act(kind="edit", at=116.961, system=1, salt=58673713), Act(kind="edit", at=117.052, person=2, salt=177699450),
        Act(kind="edit", at=117.38, person=1, system=1, salt=293323856), Act(kind="edit", at=119.136, person=2, system=2, salt=1037724656),
        habits=(
            {"resolution": 1, "paging": "modified", "incremental": True, "unique": True, "find": False, "batch": 10, "normalise": "cut"},
            {"page_size": 1, "lag": 3_000_000, "incremental": True, "webhooks": "full", "find": False, "batch": 10, "bumps": False},
            {"resolution": 1_000_000, "incremental": True, "webhooks": "hint", "unique": True, "find": False, "normalise": "lower"},
        ),
        people=3, start="one", delete="archive", truth=1, hops=5, shuffle=True, seed=22257,
    ))  # fmt: skip


def test_a_slow_answer_is_no_fresh_look():
    """The read-back of a write took 40 s to arrive and then counted as a look of that moment: the next write overwrote an edit unread."""
    holds(story(
        Act(kind="edit", at=219.95, system=0), Strike(kind="slow", at=219.95, until=309.95, most=1, operation="update", amount=40.0),
        Act(kind="edit", at=234.161, system=0), Act(kind="edit", at=248.19, system=1), habits=({"webhooks": "full"}, {}),
    ))  # fmt: skip


def test_an_event_later_than_the_records_time():
    """An edit that does not move the modified time, after an event that has a later one, was read again and again and never believed."""
    holds(story(
        Act(kind="copy_edit", at=184.179, system=1), Act(kind="edit", at=191.28, system=0),
        habits=({"resolution": 60_000_000, "webhooks": "full", "bumps": False}, {}), delete="review", seed=43219,
    ))  # fmt: skip


def test_a_lagging_listing_after_a_full_event():
    """A listing 20 s behind had a later modified time than the one kept from before the event, and its old value was written everywhere."""
    holds(story(
        Act(kind="untag", at=25.357, system=1, path="note", salt=378336598),
        Act(kind="edit", at=48.69, system=1, path="note", salt=472661917),
        habits=({}, {"lag": 20_000_000, "webhooks": "full"}), fields=("name", "note", "tags"), delete="unlink", seed=70802,
    ))  # fmt: skip


def test_an_ignored_write_beside_an_edit():
    """The vendor kept nothing of a write, a person wrote something else meanwhile, and that passed for the vendor's spelling of ours."""
    holds(story(
        Strike(kind="partial", at=0, until=152.836, most=2, system=0, operation="update", salt=565170055),
        Strike(kind="edit_during", at=76.091, until=135.023, operation="update", salt=924429197),
        Act(kind="edit", at=77.975, system=0, salt=263193988), habits=({"webhooks": "hint"}, {}), owner=1, seed=90569,
    ))  # fmt: skip


@pytest.mark.parametrize("spelling", ["", "lower"])
def test_an_edit_beside_a_write_that_was_not_kept(spelling):
    """The vendor dropped our value while somebody edited the field: the edit passed for the vendor's spelling of our value, went nowhere, and nobody was told."""
    holds(story(
        *(Strike(kind=each, at=100, until=EVER, most=1, system=0, operation="update") for each in ("partial", "edit_during")),
        Act(kind="edit", at=150, system=1), habits=({"normalise": spelling}, {}),
    ))  # fmt: skip


def test_a_doubtful_write_to_a_system_that_is_down_for_good():
    """A write's answer was lost and its target could not be asked any more: the two other records of the link were not kept equal either."""
    holds(story(
        Strike(kind="timeout_after", at=172.71, until=262.71, most=1, operation="update", amount=40.0, salt=57470942),
        Strike(kind="stall", at=203.128, until=206.4, rate=0.9, most=1, system=2, operation="page", amount=300, salt=314646287),
        Act(kind="tag", at=173.016, system=2, path="tags", salt=728929632), Act(kind="copy_edit", at=272.938, system=1, path="tags", salt=235891129),
        habits=({}, {}, {"webhooks": "hint"}), fields=("tags",), delete="archive", heal="paused", minutes=5.0, seed=300436,
    ))  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("heard", ["full", "none"])
def test_one_word_in_two_spellings_is_no_conflict(seed, heard):
    """The same words given to two vendors, of which one writes everything small and one in capitals, were held as a conflict."""
    report = run(story(
        Act(kind="copy_edit", at=200), habits=({"normalise": "title", "webhooks": heard}, {"normalise": "lower", "webhooks": heard}),
        conflict="review", seed=seed,
    ))  # fmt: skip

    assert report.failure is None, report.failure
    assert (0, 1) == (report.facts["people held"], report.facts["people equal"])


def test_reads_that_run_behind_are_not_asked_again_at_once():
    """A vendor showed its record as it had been before our last write: the next one was planned, looked for and planned again without a rest."""
    script = story(
        Strike(kind="stale_get", at=21, until=164, most=1000, operation="get"), Act(kind="edit", at=23, system=2), Act(kind="edit", at=43, system=2),
        habits=({"lag": 20_000_000}, {}, {"webhooks": "hint"}), latency=0.02, minutes=4, delete="unlink",
    )  # fmt: skip
    report = run(script)

    assert report.failure is None, report.failure
    assert report.facts["call get"] < 100
