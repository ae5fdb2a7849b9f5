"""More of what the simulator has found, each as a short script that must pass for ever: deletions and doubtful writes.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

from tests.sim.script import Act
from tests.sim.test_regressions import holds, story

LAG = 20_000_000


def test_a_look_up_that_runs_behind_finds_an_address_that_was_given_up():
    """Somebody's address was changed and another person made with it: the look-up before the create still showed it with the first, who was taken out of his link."""
    holds(story(
        Act(kind="delete", at=79.037, system=1), Act(kind="create_both", at=211.691, system=1, salt=709705754),
        Act(kind="email", at=225.761, system=0), habits=({"lag": LAG, "webhooks": "hint"}, {"webhooks": "hint"}),
        delete="unlink", minutes=4.0, seed=51964,
    ))  # fmt: skip
