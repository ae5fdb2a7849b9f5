"""Where a run has come to: the steps as a table."""

from __future__ import annotations

import pytest

from syncd.core.steps import ENDED, Reached, compile_rules, compile_steps, cost_of, reach

A, B = {"call": "crm.a", "name": "a"}, {"call": "crm.b"}
CHOICE = {"if": {"field": "x", "op": "exists"}, "then": [A, {"stop": True}], "else": [B]}
LOOP = {"for_each": "{event.tags}", "do": [{"call": "crm.a", "name": "inner"}, B]}
CASES = [
    ("the first", [A, B], {}, "0"),
    ("the second", [A, B], {"0": 1}, "1"),
    ("the end", [A, B], {"0": 1, "1": None}, None),
    ("nothing at all", [], {}, None),
    ("a choice", [CHOICE, B], {}, "0"),
    ("its one way", [CHOICE, B], {"0": True}, "0.then.0"),
    ("a stop in it", [CHOICE, B], {"0": True, "0.then.0": 1}, "0.then.1"),
    ("after the stop", [CHOICE, B], {"0": True, "0.then.0": 1, "0.then.1": True}, None),
    ("its other way", [CHOICE, B], {"0": False}, "0.else.0"),
    ("behind it", [CHOICE, B], {"0": False, "0.else.0": 1}, "1"),
    ("a loop", [LOOP, B], {}, "0"),
    ("its first item", [LOOP, B], {"0": ["x", "y"]}, "0.0.0"),
    ("its second item", [LOOP, B], {"0": ["x", "y"], "0.0.0": 1, "0.0.1": 1}, "0.1.0"),
    ("behind an empty loop", [LOOP, B], {"0": []}, "1"),
    ("a stop", [{"stop": True}, B], {"0": True}, None),
    ("a wait", [{"wait": 5}, B], {}, "0"),
]


@pytest.mark.parametrize(("steps", "done", "path"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_where_it_is(steps, done, path):
    """By what is done, and nothing else."""
    found = reach(compile_steps(steps), done)

    assert path == (found.path if isinstance(found, Reached) else None)
    assert isinstance(found, Reached) or found is ENDED


def test_results_are_known_by_name():
    """To the steps after them; those of a loop within it, for the same item; and the item itself."""
    steps = compile_steps([A, LOOP, B])
    inner = reach(steps, {"0": "first", "1": ["x", "y"], "1.0.0": "p", "1.0.1": None, "1.1.0": "q"})
    after = reach(steps, {"0": "first", "1": ["x"], "1.0.0": "p", "1.0.1": None})

    assert isinstance(inner, Reached)
    assert ("1.1.1", {"steps": {"a": "first", "inner": "q"}, "item": "y"}) == (inner.path, inner.known)
    assert isinstance(after, Reached)
    assert ("2", {"steps": {"a": "first"}}) == (after.path, after.known)


def test_rules_of_another_version_are_no_rules():
    """What is not understood is not guessed at."""
    with pytest.raises(ValueError, match="no step"):
        compile_rules({"steps": [{"dance": True}]})


CALL = {"call": "crm.x"}
COSTS = [
    ([CALL, {"call": "mail.x"}, CALL], {"crm": (2, 2), "mail": (1, 1)}),
    ([{"if": {"field": "a", "op": "exists"}, "then": [CALL, CALL], "else": []}], {"crm": (0, 2)}),
    ([{"if": {"field": "a", "op": "exists"}, "then": [CALL, CALL], "else": [CALL]}], {"crm": (1, 2)}),
    ([{"for_each": "{event.a}", "do": [CALL], "max": 7}, CALL], {"crm": (1, 8)}),
    ([{"if": {"field": "a", "op": "exists"}, "then": [{"stop": True}]}, CALL], {"crm": (0, 1)}),
    ([{"wait": 5}, {"alert": {"text": "x"}}], {}),
]


@pytest.mark.parametrize(("written", "cost"), COSTS)
def test_what_a_run_costs(written, cost) -> None:
    """The calls of each system, at least and at most: choices by their ways, loops by their bounds, nothing for sure behind what may end it."""
    assert cost == cost_of(compile_steps(written))
