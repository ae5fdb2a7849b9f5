"""Runs that must end alike: sides swapped, another schedule, webhooks doubled or lost, polls lost, a crash at every commit, …

The people here take turns: each edit is synced before the next is made, so how a run ends does not depend on luck. Each test has been
seen red with a bug planted; which bug turns which test red is kept in `test_planted_bugs_break_them`.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.sim.planted import planted
from tests.sim.script import SYSTEMS, Act, Script, Strike, draw
from tests.sim.world import run

SEEDS = range(4)
KINDS = ("edit", "tag", "untag", "clear", "edit", "email", "delete")


def calm(seed: int, *, turns: int = 5, **options) -> Script:
    """A script without faults in which people wait for each other."""
    script = draw(seed)
    rng = Random(seed)
    people, systems = 2, script.options["systems"]
    acts = tuple(
        Act(
            kind=rng.choice(KINDS[: 7 if turn == turns - 1 else 6]), at=700.0 * (turn + 1), person=rng.randrange(people),
            system=rng.randrange(systems), path=rng.choice(("name", "note")), salt=rng.randrange(1 << 30),
        )
        for turn in range(turns)
    )  # fmt: skip
    settled = {
        "people": people, "newcomers": 0, "fields": ("name", "note", "tags"), "first_run": "auto", "tight": False, "operator": False, "heal": "all", "when": None,
        "start": "both", "owner": None, "direction": False, "conflict": "source_of_truth", "delete": "propagate", "latency": 0.2,
    }  # fmt: skip
    habits = [{**each, "normalise": "", "bumps": True, "skew": 0} for each in script.habits]
    return replace(
        script, acts=acts, strikes=(), minutes=(turns + 1) * 700 / 60, options={**script.options, **settled, **options}, habits=habits
    )


def end(script: Script, **how):
    report = run(script, **how)
    assert report.failure is None, (script.seed, report.failure)
    return report.end


def swapped(script: Script) -> Script:
    """The same world seen in a mirror: the last system is the first."""
    last = script.options["systems"] - 1
    return replace(
        script,
        habits=list(reversed(script.habits)),
        options={**script.options, "truth": last - script.options["truth"]},
        acts=tuple(replace(each, system=last - each.system) for each in script.acts),
    )


def rivals(seed: int) -> Script:
    """A calm script in which some edit at two places within a millisecond, and the source of truth is to win."""
    script = calm(seed)
    truth, systems = script.options["truth"], script.options["systems"]
    both = [
        Act(kind="edit", at=each.at + 60 + late, person=each.person, system=system, path=each.path, salt=each.salt)
        for each in script.acts[:2]
        for late, system in ((0, truth), (0.001, (truth + 1) % systems))
    ]
    return replace(script, acts=tuple(sorted([*script.acts, *both], key=lambda each: each.at)))


def mirrored(state, systems: int):
    names = dict(zip(SYSTEMS[:systems], reversed(SYSTEMS[:systems]), strict=True))
    return sorted((names[name], *rest) for name, *rest in state)


@pytest.mark.parametrize("seed", SEEDS)
def test_m1_sides_swapped(seed):
    """With the sides swapped, and the rules with them, the result is swapped and nothing else."""
    script = rivals(seed)

    assert end(script) == mirrored(end(swapped(script)), script.options["systems"])


@pytest.mark.parametrize("seed", SEEDS)
def test_m2_order(seed):
    """Another order of whatever is ready at the same moment, and other delays, end alike."""
    script = rivals(seed)
    schedules = ({"shuffle": False, "hops": 0}, {"shuffle": True, "hops": 0}, {"shuffle": True, "hops": 5, "latency": 1.5, "disk_s": 0.2})
    ends = [end(replace(script, options={**script.options, **each})) for each in schedules]

    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_m3_webhooks_tripled(seed):
    """Every webhook three times ends alike."""
    assert end(calm(seed)) == end(calm(seed, copies=3))


@pytest.mark.parametrize("seed", SEEDS)
def test_m4_no_webhooks(seed):
    """Polling alone ends alike, and nothing is left for the end."""
    report = run(calm(seed, no_hooks=True))

    assert report.failure is None
    assert end(calm(seed)) == report.end == report.early


@pytest.mark.parametrize("seed", SEEDS)
def test_m5_no_polls(seed):
    """Webhooks alone, and one sweep at the end, end alike, and nothing is left for the sweep."""
    script = calm(seed)
    script = replace(script, habits=[{**each, "webhooks": "full" if each["webhooks"] == "full" else "hint"} for each in script.habits])
    report = run(replace(script, options={**script.options, "no_polls": True}))

    assert report.failure is None
    assert end(script) == report.end == report.early


@pytest.mark.parametrize("seed", [0, 1])
def test_m6_crash_at_every_commit(seed):
    """A crash before or after any commit ends alike."""
    script = calm(seed, turns=2, hops=0, shuffle=False)
    expected = end(script)
    points = run(script, crash_at=1 << 40).commits
    assert points > 20

    for point in range(1, points, max(1, points // 30)):
        assert expected == end(script, crash_at=point), f"crash at commit point {point}"


@pytest.mark.parametrize("seed", SEEDS)
def test_m7_ids_renamed(seed):
    """With other ids, given in the other order, it ends alike."""
    assert end(calm(seed)) == end(calm(seed, first_id=5_000))


@pytest.mark.parametrize("seed", SEEDS)
def test_m8_clocks_shifted(seed):
    """All clocks an hour and a bit later, or a day earlier, end alike."""
    assert end(calm(seed)) == end(calm(seed, shift=3_700)) == end(calm(seed, shift=-86_400))


@pytest.mark.parametrize("seed", SEEDS)
def test_m9_page_size(seed):
    """Pages of one and of all end alike."""

    def paged(size):
        script = calm(seed)
        return replace(script, habits=[{**each, "page_size": size} for each in script.habits])

    assert end(paged(1)) == end(paged(50))


@pytest.mark.parametrize("seed", SEEDS)
def test_m10_others_do_not_matter(seed):
    """With more people about, the two end as they did."""

    def only(state):
        return [(name, person, [path for path, *_ in fields]) for name, person, fields in state if person < 2]

    assert only(end(calm(seed))) == only(end(calm(seed, people=5)))


@pytest.mark.parametrize("start", ["both", "one"])
@pytest.mark.parametrize("seed", [0, 1])
def test_m11_restored(seed, start):
    """A copy of the database of any moment, put back at the end, ends alike: nothing is made twice, nothing deleted comes back."""
    script = calm(seed, turns=2, start=start)
    script = replace(script, habits=[{**each, "find": True, "unique": False} for each in script.habits])
    expected, span = end(script), script.minutes * 60

    for age in range(60, int(span), 150):
        back = Strike(kind="restore", at=span - 10, until=span, most=1, amount=float(age))
        assert expected == end(script.without(strikes=(back,))), f"a copy {age} s old"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spelling", ["lower", "title", "trim", "cut"])
def test_m12_spelling_is_no_edit(seed, spelling):
    """A vendor that rewrites what it is given, so that it still means the same, changes nothing and costs no write."""
    plain = calm(seed, turns=3)
    rewriting = replace(plain, habits=[plain.habits[0], *({**each, "normalise": spelling} for each in plain.habits[1:])])
    first, second = run(plain), run(rewriting)

    assert (None, None) == (first.failure, second.failure)
    assert first.end == second.end


@pytest.mark.parametrize(
    ("bug", "relation", "arguments"),
    [
        ("wrong_tie_break", test_m1_sides_swapped, (3,)),
        ("wrong_tie_break", test_m2_order, (3,)),
        ("events_dropped", test_m3_webhooks_tripled, (0,)),
        ("second_page_ignored", test_m4_no_webhooks, (1,)),
        ("events_dropped", test_m5_no_polls, (0,)),
        ("sent_not_committed", test_m6_crash_at_every_commit, (0,)),
        ("second_page_ignored", test_m7_ids_renamed, (1,)),
        ("old_dates_refused", test_m8_clocks_shifted, (0,)),
        ("second_page_ignored", test_m9_page_size, (2,)),
        ("list_cleared", test_m10_others_do_not_matter, (0,)),
        ("links_forgotten", test_m11_restored, (1, "one")),
        ("base_not_updated", test_m12_spelling_is_no_edit, (1, "title")),
    ],
)
def test_planted_bugs_break_them(bug, relation, arguments):
    """Each relation can fail: with a bug in, it does."""
    with planted(bug), pytest.raises(AssertionError):
        relation(*arguments)
