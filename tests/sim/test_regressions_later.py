"""More of what the simulator has found, each as a short script that must pass for ever: deletions and doubtful writes.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

import pytest

from tests.sim.automating import PING
from tests.sim.drawn_automations import loop, told
from tests.sim.rules import CARRIED
from tests.sim.script import Act, Strike
from tests.sim.story import holds, story
from tests.sim.world import run

LAG = 20_000_000


def test_a_look_up_that_runs_behind_finds_an_address_that_was_given_up():
    """Somebody's address was changed and another person made with it: the look-up before the create still showed it with the first, who was taken out of his link."""
    holds(story(
        Act(kind="delete", at=79.037, system=1), Act(kind="create_both", at=211.691, system=1, salt=709705754),
        Act(kind="email", at=225.761, system=0), habits=({"lag": LAG, "webhooks": "hint"}, {"webhooks": "hint"}),
        delete="unlink", minutes=4.0, seed=51964,
    ))  # fmt: skip


def test_a_deletion_where_an_edit_was_not_kept():
    """A vendor said yes to an edit and kept the old value, its record was deleted by somebody who had never seen the edit, and the edited one was deleted as well."""
    holds(story(
        Strike(kind="partial", at=188, until=250, operation="update", most=5),
        Act(kind="edit", at=190, system=0), Act(kind="delete", at=243, system=1),
        habits=({"webhooks": "full"}, {"webhooks": "hint"}),
    ))  # fmt: skip


@pytest.mark.parametrize("delete", ["propagate", "review"])
def test_what_an_automation_set_is_nobodys_edit(delete):
    """An automation gave a field a value, the record was deleted before it came there, and was made again as if a person had edited it elsewhere."""
    holds(story(
        Strike(kind="delete_during", at=151, until=480, system=0, operation="update", most=1), Act(kind="edit", at=154.633, system=0),
        habits=({}, {}), delete=delete, start="one", carried=CARRIED, automations=[told("start", "hub", [{"set": {CARRIED[0]: PING}}])],
    ))  # fmt: skip


def test_a_record_that_is_deleted_everywhere_while_automations_set_a_field():
    """Deleted in all three while each was looked at, after an edit in the first: made again in the first too, for a value that only automations had set."""
    holds(story(
        Strike(kind="delete_during", at=56.968, until=86.626, rate=0.9, operation="get", salt=753805364), Act(kind="clear", at=57.659, system=0),
        habits=({}, {}, {}), delete="review", start="one", disk_s=0.2, backlog=True, minutes=4.0, seed=50425,
        carried=CARRIED, automations=loop(),
    ))  # fmt: skip


@pytest.mark.parametrize("conflict", ["last_modified", "review"])
@pytest.mark.parametrize("spelling", ["title", "cut"])
def test_a_doubtful_update_of_a_record_that_a_person_edits(spelling, conflict):
    """An update's answer was lost and its target edited in another field: what the vendor had made of our own words (cut short) was taken for an edit, and won."""
    report = run(story(
        Strike(kind="e422_after", at=100, until=300, operation="update", system=1, most=1),
        Act(kind="edit", at=200, system=0), Act(kind="tag", at=200, system=0), Act(kind="tag", at=203.1, system=1),
        habits=({"webhooks": "hint"}, {"normalise": spelling, "webhooks": "hint"}), fields=("name", "tags"), conflict=conflict, truth=1, start="one", seed=4,
    ))  # fmt: skip

    assert report.failure is None, report.failure
    assert (0, 1) == (report.facts["people held"], report.facts["people equal"])


@pytest.mark.parametrize("conflict", ["last_modified", "source_of_truth"])
def test_a_record_out_of_the_bin_in_the_vendors_spelling(conflict):
    """Deleted and brought back unchanged: the vendor's spelling of our own words counted as the newest edit, and was written over what a person had written."""
    holds(story(
        Act(kind="delete", at=16, system=1), Act(kind="undelete", at=174, system=1),
        habits=({}, {"normalise": "lower", "webhooks": "hint"}), delete="archive", start="one", conflict=conflict, truth=1, minutes=4.0, seed=2,
    ))  # fmt: skip


def test_an_edit_that_left_the_records_modified_time_where_it_was():
    """The later of two edits did not move its record's time, which stood where our own write before it had put it: it counted as old as that, and lost."""
    holds(story(
        Act(kind="edit", at=175.537, system=1), Act(kind="edit", at=217.327, system=1), Act(kind="edit", at=218.371, system=0),
        habits=({"bumps": False}, {"webhooks": "hint"}), conflict="last_modified", minutes=4.0,
    ))  # fmt: skip
