"""What the simulator has found of automations, each as a short script that must pass for ever.

Every test's docstring tells what went wrong once.
"""

from __future__ import annotations

from tests.sim.drawn_automations import call, told, watchers
from tests.sim.rules import CARRIED
from tests.sim.script import Act, Strike
from tests.sim.story import holds, story

(NOTE,) = CARRIED
MARKS_BY_CALL = [told("mark", "1", [call(1, "put-field", "mark", **{NOTE: "{event.after.name}"})], ("person",)), *watchers(2)]


def test_a_hub_that_took_over_what_only_the_next_reading_made_certain():
    """Two readings overlapped, so that who had changed the record was told after its hub: what an automation had written was taken for a person's."""
    holds(story(
        Act(kind="edit", at=126.693, salt=769326198), Act(kind="tag", at=147.327, person=1, salt=707580485),
        Act(kind="email", at=157.678, person=1, system=1, salt=930530889), Act(kind="untag", at=184.634, salt=674734280),
        Act(kind="edit", at=205.787, path="tags", salt=131190367), Act(kind="untag", at=228.594, system=1, salt=852841334),
        Act(kind="tag", at=228.594, person=1, salt=619788176), Act(kind="email", at=228.595, person=1, system=1, salt=572473886),
        Act(kind="edit", at=231.287, person=1, system=1, salt=453526506),
        habits=(
            {"page_size": 1, "webhooks": "hint", "incremental": True},
            {"page_size": 1, "webhooks": "hint", "modified_time": False, "unique": True},
        ),
        fields=("name", "tags"), people=2, delete="unlink", start="one", disk_s=0.02, latency=1.5, shuffle=True, backlog=True, minutes=4.0, seed=1100403,
        carried=CARRIED, automations=MARKS_BY_CALL,
    ))  # fmt: skip


def test_what_other_rules_make_of_old_values_is_the_backlogs():
    """The rule of conflicts was changed, and a question of long ago was decided by it: what was written for that was told of as of a live sync, and set off what is not meant for the backlog."""
    holds(story(
        Strike(kind="config", at=294.108, until=300.0, most=1, operation="update", salt=148014111),
        habits=({"normalise": "cut"}, {}), people=4, conflict="review", delete="archive", newcomers=1, minutes=5.0, seed=1281858, backlog=True,
        carried=CARRIED, automations=[told("first", "1", [call(0, "send", "first")])],
    ))  # fmt: skip
