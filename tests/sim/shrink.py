"""Shrinking: the shortest script that still breaks the same invariant.

Acts and faults are taken away in ever smaller lots, then the habits of the world are made plain, one at a time, as long as the run fails
with the same code.
The rule that keeps it true: a script is run as it stands; what is left is a script like any other and replays by itself.
It must not know: what any item does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.sim.script import Script
from tests.sim.world import run

T = TypeVar("T")
PLAIN_OPTIONS: dict[str, Any] = {
    "people": 1, "hops": 0, "shuffle": False, "operator": False, "heal": "all", "when": None, "full_pass": 20, "disk_s": 0, "gather_s": 0.0, "tight": False, "latency": 0.2, "owner": None,
    "direction": False, "first_run": "auto", "blank": "propagate", "start": "both", "conflict": "source_of_truth", "truth": 0,
    "fields": ("name",),
}  # fmt: skip
PLAIN_HABITS: dict[str, Any] = {
    "page_size": 50, "paging": "id", "lag": 0, "resolution": 1_000, "unique": False, "find": True, "batch": 1, "counts": True, "skew": 0,
    "normalise": "", "reorder": False, "bumps": True, "webhooks": "none", "incremental": False, "modified_time": True,
}  # fmt: skip


def fails_like(code: str) -> Callable[[Script], bool]:
    """Whether a script breaks the same invariant."""

    def check(script: Script) -> bool:
        failure = run(script).failure
        return failure is not None and failure.code == code

    return check


def shrink(script: Script, fails: Callable[[Script], bool], *, runs_max: int = 400) -> Script:
    """The smallest script found within so many runs."""
    left = [runs_max]

    def still(candidate: Script) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(candidate)

    size = None
    while left[0] > 0 and size != _size(script):
        size = _size(script)
        script = script.without(strikes=_fewer(script.strikes, lambda kept: still(script.without(strikes=kept))))  # noqa: B023
        script = script.without(acts=_fewer(script.acts, lambda kept: still(script.without(acts=kept))))  # noqa: B023
        script = _plainer(script, still)
    return script


def _size(script: Script) -> tuple[int, int, str]:
    return len(script.acts), len(script.strikes), str((script.options, script.habits))


def _fewer(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    kept = tuple(items)
    lot = len(kept)
    while lot >= 1:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + lot :]
            if len(fewer) < len(kept) and fails(fewer):
                kept = fewer
            else:
                start += lot
        lot //= 2
    return kept


def _plainer(script: Script, still: Callable[[Script], bool]) -> Script:
    for name, value in PLAIN_OPTIONS.items():
        if script.options[name] != value:
            candidate = replace(script, options={**script.options, name: value})
            script = candidate if still(candidate) else script
    for index in range(len(script.habits)):
        for name, value in PLAIN_HABITS.items():
            if script.habits[index][name] != value:
                habits = [dict(each) for each in script.habits]
                habits[index][name] = value
                candidate = replace(script, habits=habits)
                script = candidate if still(candidate) else script
    return script
