"""Whose records are whose, and what wants planning when a moment has passed."""

from __future__ import annotations

from syncd.core.record import MemberName, RecordId
from syncd.store import children, planning
from tests.store.build import A, S, item, linked, planned

TASKS = MemberName("sys/tasks")
BY = "contactId"


def say(tx, number, name=None, parent=None):
    """A child names these as its parent, or nobody."""
    child = planning.PlanItem(S, TASKS, RecordId(number))
    planning.enqueue(tx, [child], 5, "test")
    due = [each for each in planning.unindexed(tx, S, 10) if each.item == child]
    children.index(tx, [(each, {BY: RecordId(name)} if name else {}) for each in due], {TASKS: A} if parent is None else parent, 6)


def of(tx, *parents):
    found = children.of(tx, S, TASKS, BY, [RecordId(each) for each in parents])
    return {number: sorted(each) for number, each in found.items()}


def test_children_are_found_by_their_parent(tx):
    """All of one parent's, and nobody else's."""
    for child, parent in (("c1", "1"), ("c2", "1"), ("c3", "2")):
        say(tx, child, parent)

    assert {"1": ["c1", "c2"], "2": ["c3"]} == of(tx, "1", "2", "9")


def test_the_parents_are_planned_the_child_is_not(tx):
    """The one it had and the one it has, those that are linked; whatever the child showed; a parent nobody linked is left alone."""
    linked(tx, "1")
    linked(tx, "2")
    say(tx, "c1", "1")
    assert [item("1")] == planned(tx)
    planning.done(tx, planning.due(tx, S, 10))
    say(tx, "c1", "2")
    assert [item("1"), item("2")] == sorted(planned(tx))
    planning.done(tx, planning.due(tx, S, 10))
    say(tx, "c1", "2")
    assert [item("2")] == planned(tx)
    planning.done(tx, planning.due(tx, S, 10))
    say(tx, "c1")
    assert [item("2")] == planned(tx)
    assert {} == of(tx, "1", "2")
    planning.done(tx, planning.due(tx, S, 10))
    say(tx, "c2", "99")
    assert [] == planned(tx)


def test_children_that_nobody_asks_for_are_forgotten(tx):
    """Of a collection that no field is derived from any more nothing stays."""
    say(tx, "c1", "1")
    say(tx, "c1", "1", parent={})

    assert {} == of(tx, "1")
    assert [] == planned(tx)


def test_what_is_due_later(tx):
    """It comes on the list when its time has come, once; a later word replaces an earlier one, and none takes it back."""
    children.plan_later(tx, {item("1"): 10, item("2"): 20, item("3"): 10})
    children.plan_later(tx, {item("1"): 15, item("3"): None})
    assert not children.any_passed(tx, S, 14)
    assert children.any_passed(tx, S, 15)
    children.wake_passed(tx, S, 15)
    assert [item("1")] == planned(tx)
    assert not children.any_passed(tx, S, 19)
    children.wake_passed(tx, S, 30)
    assert [item("1"), item("2")] == sorted(planned(tx))
