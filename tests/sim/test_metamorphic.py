"""Runs that must end alike: the same edits under another schedule, with webhooks doubled or lost, with a crash at every commit, …

The people here take turns: each edit is synced before the next is made, so how a run ends does not depend on luck.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.sim.script import Act, Script, draw
from tests.sim.world import run

SEEDS = range(5)
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
        "people": people, "fields": ("name", "note", "tags"), "first_run": "auto", "tight": False, "operator": False, "core_only": False,
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


@pytest.mark.parametrize("seed", SEEDS)
def test_m2_order(seed):
    """Another order of whatever is ready at the same moment, and other delays, end alike."""
    ends = [end(calm(seed, shuffle=shuffle, hops=hops)) for shuffle, hops in ((False, 0), (True, 0), (True, 5))]

    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_m3_webhooks_tripled(seed):
    """Every webhook three times ends alike."""
    assert end(calm(seed)) == end(calm(seed, copies=3))


@pytest.mark.parametrize("seed", SEEDS)
def test_m4_no_webhooks(seed):
    """Polling alone ends alike."""
    assert end(calm(seed)) == end(calm(seed, no_hooks=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_m6_crash_at_every_commit(seed):
    """A crash before or after any commit ends alike."""
    script = calm(seed, turns=2, hops=0, shuffle=False)
    expected = end(script)
    points = run(script, crash_at=1 << 40).commits
    assert points > 20

    for point in range(1, points, max(1, points // 40)):
        assert expected == end(script, crash_at=point), f"crash at commit point {point}"


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


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("spelling", ["lower", "title", "trim", "cut"])
def test_m12_spelling_is_no_edit(seed, spelling):
    """A vendor that rewrites what it is given, so that it still means the same, changes nothing and costs no write."""
    plain = calm(seed, turns=3)
    rewriting = replace(plain, habits=[plain.habits[0], *({**each, "normalise": spelling} for each in plain.habits[1:])])
    first, second = run(plain), run(rewriting)

    assert (None, None) == (first.failure, second.failure)
    assert first.end == second.end
