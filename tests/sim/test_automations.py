"""Automations in simulated worlds: many seeds, a crash at every commit, and every planted bug noticed."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import pytest

from tests.sim.drawn_automations import automated, call, loop, told
from tests.sim.planted import planted
from tests.sim.planted_automations import BUGS
from tests.sim.rules import CARRIED
from tests.sim.script import Act, Script, Strike, draw
from tests.sim.story import story
from tests.sim.ways import KINDS, way
from tests.sim.world import Failure, run

LOTS, LOT, STRIDE = 6, 10, 3
HINT = ({"webhooks": "hint"}, {"webhooks": "hint"})
EDITS = tuple(Act(kind="edit", at=at, system=0) for at in (100.0, 160.0, 220.0))
SENDS = told("first", "0", [call(1, "send", "first")], ("person",))
PUTS = told("first", "0", [call(1, "put-note", "first")], ("person",))
WATCHES = [told(f"watch {n}", str(n), [call(n, "put-note", f"watch {n}")], field=CARRIED[0]) for n in (0, 1)]


def scene(*items: Act | Strike, automations=(SENDS,), **options) -> Script:
    """One person, known to two systems that tell of every change at once, and these automations."""
    return story(*items, habits=HINT, carried=CARRIED, automations=list(automations), **options)


def strike(kind: str, operation: str, *, at: float = 99.0, amount: float = 0.0, most: int = 1) -> Strike:
    return Strike(kind=kind, at=at, until=at + 30, most=most, operation=operation, amount=amount)


CRASHES = [scene(*EDITS, strike("crash", "in_call", at=100.0, amount=amount)) for amount in range(4)]
SETS = told("mark", "hub", [{"set": {CARRIED[0]: "{event.after.name}"}}])
CROWD = tuple(Act(kind="edit", at=100.0 + number / 10, person=number, system=0) for number in range(6))


def ways_scene(kind: str, *items: Act | Strike, draws: int = 0, operation: str = "put-note", **options) -> Script:
    """As `scene`, with one automation of this kind."""
    return scene(*items, automations=[way(kind, 0, 1, operation, Random(draws))], **options)


SCENES: dict[str, list[Script]] = {
    "run_key_of_the_record": [scene(*EDITS)],
    "run_key_ever_new": [scene(*EDITS)],
    "own_write_not_known": [scene(*EDITS, automations=[told("first", "1", [call(1, "send", "first")], ("person",))])],
    "own_call_not_known": [
        scene(*EDITS, automations=[told("mark", "0", [call(0, "put-field", "mark", note="{event.after.name}")]), *WATCHES])
    ],
    "call_sent_not_committed": CRASHES,
    "lost_call_made_again": CRASHES,
    "lost_answer_made_again": [scene(*EDITS, strike("timeout_after", "send"))],
    "no_order": [scene(*EDITS, strike("rate", "send", amount=200.0))],
    "depth_not_counted": [scene(EDITS[0], automations=loop())],
    "backlog_is_news": [scene(automations=[told("first", "0", [call(1, "send", "first")], what="created")])],
    "failed_run_blocks": [scene(*EDITS, strike("rejected", "send"))],
    "condition_ignored": [ways_scene("condition", *EDITS, draws=draws) for draws in range(2)],
    "way_turned_round": [ways_scene("choice", *EDITS)],
    "loop_one_short": [ways_scene("loop", *EDITS)],
    "loop_one_too_few": [ways_scene("loop", *EDITS)],
    "poll_marks_kept_late": [ways_scene("poll", EDITS[0], Strike(kind="term", at=140, until=150, most=1))],
    "webhook_ever_new": [ways_scene("webhook", EDITS[0], copies=2)],
    "moment_skipped": [ways_scene("schedule", minutes=12.0)],
    "bulk_believed": [ways_scene("bulk", *CROWD, people=6)],
}


@cache
def drawn(seed: int) -> tuple[Failure | None, Counter[str]]:
    """What came of a drawn world."""
    report = run(automated(draw(seed)))
    return report.failure, report.facts


def failures(scripts) -> dict[int, object]:
    found = {number: run(script).failure for number, script in enumerate(scripts)}
    return {number: failure for number, failure in found.items() if failure is not None}


@pytest.mark.parametrize("lot", range(LOTS))
def test_seeds(lot):
    """Whatever happens, each automation does what it should, once; a failure names the seed to replay with ``--automated``."""
    seeds = range(20_000 + lot * LOT, 20_000 + (lot + 1) * LOT)

    assert {} == {seed: failure for seed in seeds if (failure := drawn(seed)[0]) is not None}


@pytest.mark.slow
def test_many_seeds(request):
    """As above, as many as asked for."""
    seeds = range(200_000, 200_000 + 50 * request.config.getoption("worlds"))

    assert {} == {seed: failure for seed in seeds if (failure := run(automated(draw(seed))).failure) is not None}


@pytest.mark.parametrize("name", sorted(SCENES))
def test_planted_bug_is_caught(name):
    """With the bug in, one of its scenes fails; without it, all pass."""
    with planted(name, BUGS):
        caught = failures(SCENES[name])

    assert caught, f"{name} is not noticed any more"
    assert {} == failures(SCENES[name])


def test_every_planted_bug_has_its_scene():
    """None is left out."""
    assert set(BUGS) == set(SCENES)


@pytest.mark.parametrize("automation", [SENDS, PUTS, SETS, told("first", "0", [call(1, "send", "first"), {"wait": 5_000_000}, call(1, "put-note", "first", "two")])])
def test_a_crash_at_every_commit(automation):
    """Killed at each commit in turn: once at most what must not be made twice, once in effect everything else, and what is lost is asked about."""
    script = scene(EDITS[0], automations=[automation], minutes=4.0)
    commits = run(script, crash_at=1 << 30).commits

    assert commits > 20
    assert {} == {at: failure for at in range(1, commits + 1) if (failure := run(script, crash_at=at).failure) is not None}


def test_every_automation_has_work():
    """The check of what must have been done is one: in the drawn worlds there is something for it to check."""
    facts = sum((drawn(seed)[1] for seed in range(20_000, 20_000 + LOTS * LOT)), Counter[str]())

    assert facts["automations due"] > 10
    assert [] == [each for each in ("loops", "tagged in bulk", "webhooks heard", "polled items due", "moments told") if not facts[each]]


def test_a_seed_is_the_same_world_with_and_without():
    """Automations are drawn apart: what a seed was before, it is."""
    plain, more = draw(5), automated(draw(5))

    assert "automations" not in plain.options
    assert plain.habits == more.habits
    assert {act.at for act in plain.acts} <= {act.at for act in more.acts}


def test_a_doubtful_update_whose_record_moved_on():
    """The answer of a write was lost, its value was seen, and a person edited the record before it was looked at: the value was told as a person's."""
    lost = Strike(kind="timeout_after", at=100.793, until=190.793, rate=0.5, most=5, operation="update", amount=40.0, salt=753913821)
    edits = (Act(kind="clear", at=113.597, system=2), Act(kind="edit", at=150.594, system=2))
    script = story(
        lost, *edits, habits=({}, {}, {"webhooks": "full"}), seed=3293, minutes=4.0, owner=1, backlog=True, carried=CARRIED,
        automations=[told("first", "2", [call(2, "send", "first")], ("person",))],
    )  # fmt: skip

    assert run(script).failure is None


@pytest.mark.parametrize("find", [True, False])
@pytest.mark.parametrize("acts", [(), (Act(kind="edit", at=45.0, system=1),)])
@pytest.mark.parametrize("what", ["created", "updated"])
def test_a_doubtful_create_is_ours(find, acts, what):
    """The answer of a create was lost: the record, looked for or simply turned up later, was told as one that a person made; an edit of it is a person's."""
    lost = Strike(kind="timeout_after", at=0, until=3, rate=0.5, most=5, operation="create", salt=1034990315)
    told_of = told("first", "1", [call(1, "send", "first")], ("person",), what=what)
    report = run(story(lost, *acts, habits=({}, {"find": find}), start="one", people=4, delete="unlink", carried=CARRIED, automations=[told_of]))

    assert report.failure is None
    assert report.hits["timeout_after"] == 1


def test_an_answer_that_was_overtaken_is_no_change():
    """The answer of a write took 40 s, and an edit made meanwhile was known by then: to what the write had left, and back again, was told as two changes."""
    slow = Strike(kind="slow", at=104.867, until=194.867, rate=0.5, most=1, operation="update", amount=40.0, salt=186891586)
    acts = (Act(kind="tag", at=104.928, system=0, salt=1038821689), Act(kind="edit", at=118.716, system=1, salt=934137634))
    report = run(story(
        slow, *acts, habits=({"webhooks": "full"}, {"webhooks": "full"}), seed=43110, minutes=4.0, carried=CARRIED,
        automations=[told("first", "1", [call(1, "put-note", "first")])],
    ))  # fmt: skip

    assert report.failure is None
    assert report.hits["slow"] == 1


def test_a_call_whose_outcome_died_with_its_life_is_its_own_doing():
    """A slow call was under way when the process was killed: what it wrote showed after the start, before it was made again, and was told as a person's."""
    puts = told("mark", "0", [call(0, "put-field", "mark", note="{event.after.name}")])
    script = scene(EDITS[0], Strike(kind="slow", at=99, until=300, most=1, operation="put-field", amount=10), automations=[puts, *WATCHES], minutes=4.0)
    commits = run(script, crash_at=1 << 30).commits

    assert {} == {at: failure for at in range(60, commits, 2) if (failure := run(script, crash_at=at).failure) is not None}


@pytest.mark.parametrize("kind", sorted({*KINDS}))
def test_a_crash_at_every_commit_of_every_way(kind):
    """Killed at commits all along the way, each time at others: whatever is being done, it comes out as it should."""
    script = ways_scene(kind, EDITS[0], draws=3, operation="send", minutes=6.0 if kind == "schedule" else 4.0)
    commits = run(script, crash_at=1 << 30).commits

    assert commits > 10
    assert {} == {at: failure for at in range(1 + len(kind) % STRIDE, commits + 1, STRIDE) if (failure := run(script, crash_at=at).failure) is not None}
