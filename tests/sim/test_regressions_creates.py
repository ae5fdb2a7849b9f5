"""What the simulator has found before, each as a short script that must pass for ever: creates whose answer was lost, that were refused, or that somebody else made meanwhile.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

import pytest

from tests.sim.script import Act, Strike
from tests.sim.story import holds, story


@pytest.mark.parametrize("spelling", ["title", "cut"])
def test_the_vendors_spelling_after_a_lost_create(spelling):
    """The same for a record that was made again, found by its keys after a doubtful create."""
    holds(story(
        Strike(kind="reset_after", at=256, until=480, most=1, operation="create"),
        Act(kind="edit", at=258.2, system=1), Act(kind="delete", at=259.8, system=0),
        habits=({"normalise": spelling}, {}),
    ))  # fmt: skip


@pytest.mark.parametrize("fault", ["e422_after", "timeout_after", "e500_after"])
def test_a_held_create_is_not_made_again(fault):
    """A doubtful create that nothing can be looked for by was held, and made once more as soon as another member's create was done."""
    holds(story(
        Strike(kind=fault, at=0, until=3, most=1, system=1, operation="create"), Act(kind="edit", at=200, system=0),
        habits=({}, {"find": False}, {}), start="one",
    ))  # fmt: skip


def test_a_dead_create_is_not_revived_beside_its_successor():
    """A create was refused, a newer one succeeded, and a person's retry sent the old one again: two records."""
    holds(story(
        Strike(kind="rejected", at=0, until=318, rate=0.9, most=1, system=1, salt=109217978),
        habits=({}, {}, {}), people=2, fields=("tags",), delete="review", operator=True, start="mixed", seed=40159,
    ))  # fmt: skip


def test_an_addition_while_a_create_is_doubtful():
    """A tag that a person added to a record whose create was still in doubt was taken for the vendor's own filling and stayed there."""
    holds(story(
        Strike(kind="timeout_after", at=0, until=3, most=5, operation="create", salt=572676641),
        Act(kind="tag", at=42.357, system=1, path="note", salt=401490731), fields=("name", "note", "tags"), delete="unlink", start="one",
        seed=41231,
    ))  # fmt: skip


@pytest.mark.parametrize("spelling", ["title", "cut"])
def test_the_vendors_spelling_after_a_held_create(spelling):
    """A doubtful create was held, its record seen at the next poll and joined by key: the vendor's spelling won over what was typed."""
    holds(story(
        Strike(kind="reset_after", at=0, until=3, most=2, operation="create"),
        habits=({}, {"find": False, "normalise": spelling}), truth=1, start="one", seed=41217,
    ))  # fmt: skip


@pytest.mark.parametrize("find", [True, False])
@pytest.mark.parametrize("spelling", ["title", "cut"])
def test_another_field_is_edited_while_a_create_is_doubtful(spelling, find):
    """One field of the new record was edited, so none of it was taken for ours, and the vendor's spelling of another went back."""
    holds(story(
        Strike(kind="timeout_after", at=0, until=3, most=5, operation="create", salt=236584658),
        Act(kind="edit", at=20.044, system=1, path="note", salt=837521830),
        habits=({}, {"normalise": spelling, "find": find}), fields=("name", "note", "tags"), delete="unlink", truth=1, start="one", seed=80915,
    ))  # fmt: skip


def test_a_held_create_that_a_hint_had_shown():
    """The record was seen while its create was in doubt, the create given up as dead, and then it was joined as a stranger's."""
    holds(story(
        Strike(kind="reset_after", at=0, until=3, rate=0.5, most=5, operation="create", salt=749985740),
        habits=({}, {"lag": 3_000_000, "webhooks": "hint", "find": False, "normalise": "title"}, {"find": False}),
        people=4, delete="archive", truth=1, shuffle=True, start="one", disk_s=0.2, seed=2188,
    ))  # fmt: skip


def test_a_person_makes_the_record_while_our_create_is_doubtful():
    """What was found passed for our own record; its tags counted as agreed though it had none of them, and they never arrived."""
    holds(story(
        Strike(kind="crash", at=0, until=3, most=1, operation="in_call", amount=2, salt=866283042),
        Act(kind="create", at=6.463, person=1, system=1, salt=501732874), habits=({}, {"unique": True}), people=5, fields=("name", "tags"),
        hops=5, start="one", minutes=4.0, seed=110881,
    ))  # fmt: skip


def test_a_record_that_goes_while_its_create_is_doubtful():
    """The record of a doubtful create was seen, joined, and deleted by a person: it was looked for without pause, for ever."""
    holds(story(
        Strike(kind="reset_after", at=0, until=3, most=2, operation="create", salt=47236204),
        Act(kind="recreate", at=58.415, person=1, system=1, salt=198451004),
        habits=({}, {"webhooks": "full", "find": False}), delete="review", start="one", minutes=4.0, seed=131530,
    ))  # fmt: skip


def test_a_key_moves_while_a_create_is_doubtful():
    """A create was given up as doubtful, its link got another address, and the record then turned up under the old one: it passed for a stranger and was made everywhere again."""
    holds(story(
        Strike(kind="e500_after", at=0, until=3, rate=0.5, most=5, operation="create", salt=951990571),
        Act(kind="email", at=24.062, system=0, salt=598594812),
        habits=({}, {}, {"find": False}), people=4, start="one", minutes=4.0, seed=204732,
    ))  # fmt: skip


def test_somebody_made_anew_under_another_address():
    """Deleted in one system and made in another at the same moment, under another address, while the first run waited for a word: the simulator called it a double."""
    holds(story(
        Act(kind="create", at=11.93, system=0, salt=390241337), Act(kind="delete", at=11.93, system=2, salt=128046242),
        habits=({"webhooks": "full"}, {}, {}), start="mixed", first_run="review", shuffle=True, hops=2, disk_s=0.002, backlog=True,
        minutes=4.0, seed=420148,
    ))  # fmt: skip
