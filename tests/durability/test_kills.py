"""The daemon is killed at a commit, or at a call to a vendor: nothing acknowledged is lost, nothing is made twice, and the end is the same."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.durability.killing import WORKS, Series

# It is usually ready in less than one; this only says that it does come back, on a busy machine too.
READY_S = 10.0


def judge(series: Series) -> None:
    """What must be true of every life, however it was cut short."""
    killed = [life for life in series.lives if life.killed]
    ready = sorted(life.ready_s for life in killed)
    print(
        f"{series.name}: {len(killed)} kills in {len(series.lives)} lives, {sum(life.doubtful for life in killed)} writes left in doubt,"
        f" {sum(life.acknowledged for life in killed)} events acknowledged before;"
        f" ready again after {ready[len(ready) // 2]:.2f} s (median), {ready[-1]:.2f} s (longest)"
    )

    assert [] == [f"{life.moment}: {life.kept} of {life.acknowledged}" for life in killed if life.kept < life.acknowledged]
    assert [] == [f"{life.moment}: {life.end} instead of {series.calm.end}" for life in series.lives if life.end != series.calm.end]
    assert [] == [f"{life.moment}: {life.left_over}" for life in series.lives if life.left_over]
    assert ready[len(ready) // 2] <= READY_S


@pytest.mark.parametrize("name", WORKS)
def test_killed_at_a_commit_or_a_call(some_kills: Future[dict[str, Series]], name: str) -> None:
    """At every tenth moment of a piece of work SIGKILL loses no acknowledged event, and after a restart the vendors show what they
    would have shown anyhow, made by as many creates and deletes."""
    series = some_kills.result()[name]

    judge(series)
    assert len(series.lives) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_killed_at_every_commit_and_call(all_kills: Future[dict[str, Series]], name: str) -> None:
    """The same at every moment; some of the kills leave writes of unknown outcome."""
    series = all_kills.result()[name]

    judge(series)
    assert sum(life.doubtful for life in series.lives) > 0
