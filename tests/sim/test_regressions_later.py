"""More of what the simulator has found, each as a short script that must pass for ever: deletions and doubtful writes.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

from tests.sim.script import Act, Strike
from tests.sim.test_regressions import holds, story

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
