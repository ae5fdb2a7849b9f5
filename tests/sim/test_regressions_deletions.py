"""What the simulator has found before, each as a short script that must pass for ever: deletions, beside edits, doubts and other deletions.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

import pytest

from tests.sim.script import Act, Strike
from tests.sim.story import holds, story


def test_an_ended_link_still_owes_its_deletes():
    """Deleted in one of three; the second turned out to be gone as well: the third was let live, and nobody was told."""
    holds(story(
        Act(kind="delete", at=300, system=1), Act(kind="delete", at=302, system=2),
        habits=({}, {"webhooks": "hint"}, {}),
    ))  # fmt: skip


@pytest.mark.parametrize("delete", ["propagate", "archive", "unlink", "review"])
def test_a_write_to_a_record_that_is_going(delete):
    """An edit was owed to a record that had just been deleted: look, denied, plan, look, … for as long as the grace period lasts."""
    holds(story(
        Act(kind="edit", at=200, system=0), Act(kind="delete", at=200.5, system=1),
        habits=({"webhooks": "hint"}, {}), delete=delete,
    ))  # fmt: skip


@pytest.mark.parametrize("gap", [0.0, 2.0, 119.0, 121.0, 122.0, 123.0])
def test_both_sides_deleted(gap):
    """What an ended link owes to a record that a person deleted meanwhile is done, not tried for ever."""
    holds(story(Act(kind="delete", at=200, system=0), Act(kind="delete", at=200 + gap, system=1), habits=({"webhooks": "hint"}, {})))


@pytest.mark.parametrize("at", [340.0, 435.484, 463.9, 464.5, 465.5])
def test_an_edit_made_while_its_deletion_is_decided(at):
    """The deletion was decided, the edit came before it was sent: the record lived on unlinked, the edit went nowhere."""
    holds(story(Act(kind="delete", at=342.3, system=0), Act(kind="clear", at=at, system=1), habits=({"webhooks": "hint"}, {})))


def test_additions_of_others_outlive_a_deletion():
    """The record was deleted where additions of others had never arrived; it had spoken last itself, so they went down with it."""
    holds(story(
        Strike(kind="rejected", at=76, until=376, operation="update"), Act(kind="edit", at=172, system=0, path="tags"),
        Act(kind="tag", at=246, system=2, path="tags"), Act(kind="delete", at=248.5, system=2),
        habits=({"webhooks": "hint"}, {"webhooks": "hint"}, {"webhooks": "hint"}), fields=("tags",),
    ))  # fmt: skip


@pytest.mark.parametrize("conflict", ["review", "source_of_truth"])
def test_a_deletion_beside_an_open_question(conflict):
    """Names differed from the start and a person was to choose; one was edited; a deletion elsewhere took it, and the question, away."""
    holds(story(
        Act(kind="edit", at=92.969, system=0, salt=73931776), Act(kind="delete", at=308.257, system=1),
        habits=({"normalise": "title"}, {}), conflict=conflict,
        seed=1430,
    ))  # fmt: skip


def test_a_listing_that_overlaps_our_delete():
    """A page asked for while our delete travelled still listed the record, counted as newer, and brought the link back to life."""
    holds(story(
        Act(kind="edit", at=57.718, person=1, system=0, salt=1072849070), Act(kind="edit", at=57.718, person=2, system=0, salt=401653261),
        Act(kind="delete", at=120.918, person=2, system=0, path="note", salt=497641264),
        Act(kind="edit", at=241.335, person=1, system=1, path="note", salt=780729342),
        Act(kind="edit", at=440.097, person=0, system=1, salt=1034014145),
        habits=(
            {"page_size": 2, "paging": "offset", "incremental": True},
            {"page_size": 1, "lag": 20_000_000, "webhooks": "hint", "normalise": "title"},
        ),
        people=3, fields=("name", "note", "tags"), owner=0, shuffle=True, hops=5, latency=1.5, seed=10158,
    ))  # fmt: skip


def test_a_deletion_after_a_doubtful_update_that_had_arrived():
    """The daemon had read that the record had the edit, lost the answer of the write, and made the record again when a person deleted it."""
    holds(story(
        Strike(kind="timeout_after", at=83.065, until=173.065, most=5, operation="update", amount=40.0, salt=602667490),
        Act(kind="tag", at=83.065, path="tags", salt=208070020), Act(kind="tag", at=86.187, path="tags", salt=1046508954),
        Act(kind="delete", at=140.616, system=1, path="tags", salt=302898468),
        habits=({"webhooks": "hint"}, {"webhooks": "hint"}), fields=("tags",), delete="unlink", seed=538,
    ))  # fmt: skip


def test_a_deletion_before_the_first_value_arrived():
    """What one member was owed since the first link had never reached it; its deletion took the value away from everybody."""
    holds(story(
        Strike(kind="timeout_after", at=0, until=97.074, rate=0.5, most=1, system=1, salt=468368521),
        Act(kind="edit", at=30.578, person=2, system=0, salt=298861961), Act(kind="delete", at=45.721, person=2, system=2, salt=460625243),
        habits=({"webhooks": "hint"}, {}, {}), minutes=4.0, seed=130664,
    ))  # fmt: skip


def test_a_look_up_that_still_shows_what_we_deleted():
    """Of two deletions one gave way to an edit; the other record, just deleted, was found by an index that runs behind, joined, and missed: the edit was deleted."""
    holds(story(
        Strike(kind="lost", at=167.029, until=183.494, most=1, operation="delete", salt=329839186),
        Act(kind="delete", at=374.249, system=2, salt=511053905), Act(kind="edit", at=477.548, system=0, salt=357156763),
        habits=({}, {"lag": 20_000_000}, {"webhooks": "hint"}), owner=0, start="mixed", disk_s=0.02, seed=203913,
    ))  # fmt: skip


def test_a_deletion_beside_an_unreadable_answer():
    """One garbled answer of a third system passed for an edit, and brought back what a person had deleted."""
    holds(story(
        Strike(kind="garbled", at=86.224, until=296.078, rate=0.1, operation="page", salt=486873352),
        Act(kind="delete", at=86.789, person=1, system=1, salt=796593593),
        habits=({}, {"webhooks": "hint"}, {}), people=2, fields=("name", "note", "tags"), minutes=5.0, seed=202720,
    ))  # fmt: skip


def test_what_a_person_brings_back_while_it_is_made_again():
    """A deleted record waited at a gate to be made again, and came out of the bin moments before, unseen in an index that runs behind: the simulator called it a double."""
    holds(story(
        Act(kind="delete", at=3.588, person=1, system=1, salt=620159345), Act(kind="edit", at=47.266, person=1, system=0, salt=260752614),
        Act(kind="undelete", at=193.578, person=1, system=1, salt=783925068),
        habits=({}, {"lag": 20_000_000}, {}), people=4, delete="archive", tight=True, start="one", minutes=4.0, seed=302456,
    ))  # fmt: skip


def test_an_edit_wins_outside_the_filter():
    """Deleted at a member whose filter does not admit him, and edited elsewhere: the edit won and he was not made again; the simulator called it half a deletion."""
    holds(story(
        Act(kind="copy_edit", at=218.336, system=1, path="note", salt=37546128), Act(kind="delete", at=218.7, system=1, salt=765124192),
        habits=({}, {}), fields=("name", "note", "tags"), when=1, seed=306684,
    ))  # fmt: skip
