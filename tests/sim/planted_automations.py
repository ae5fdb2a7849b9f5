"""Planted bugs of automations, as `planted` plants them: each is one small change that the oracle of automations must notice.

The rule that keeps it true: as there: a name is replaced where it is used, and put back.
It must not know: by which check it will be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from syncd.flow import automate, beginning, notice
from syncd.store import notices, runs
from tests.sim.planted import Put


def run_key_of_the_record(put: Put) -> None:
    """A run goes by its record instead of by what happened to it."""
    genuine = notice._happening
    put(notice, "_happening", lambda each, *rest, **more: replace(genuine(each, *rest, **more), key=f"change {each.ref or each.link}"))


def run_key_ever_new(put: Put) -> None:
    """What happened is told, stays on the list, and has another key when it is told again."""
    genuine, told = notices.done, set[int]()

    def done(tx: Any, ids: Any) -> None:
        ids = list(ids)
        genuine(tx, [each for each in ids if each in told])
        told.update(ids)

    happening, count = notice._happening, iter(range(1 << 30))
    put(notices, "done", done)
    put(notice, "_happening", lambda *arguments, **more: replace(happening(*arguments, **more), key=f"change {next(count)}"))


def own_write_not_known(put: Put) -> None:
    """A write of the sync that settled is not laid to the sync."""
    put(notices, "settled", lambda *_arguments: None)


def own_call_not_known(put: Put) -> None:
    """What an automation did to a record is not laid to it."""
    put(automate, "claim", lambda *_arguments: None)


def call_sent_not_committed(put: Put) -> None:
    """A call is made before it is on disk that it is."""
    put(automate, "_mark_sent", lambda _engine, tx, group: all(runs.holds_lease(tx, each.run) for each in group))


def lost_call_made_again(put: Put) -> None:
    """What was in the air when the process died is made again, whatever it is."""
    genuine = runs.recover
    put(runs, "recover", lambda tx, lane: [replace(each, replay=True) for each in genuine(tx, lane)])


def lost_answer_made_again(put: Put) -> None:
    """A call that got no answer is made again, whatever it is."""
    genuine = automate._fail_one

    def fail_one(engine: Any, tx: Any, owed: Any, error: Any, **more: Any) -> None:
        genuine(engine, tx, replace(owed, step=replace(owed.step, replay=True)), error, **more)

    put(automate, "_fail_one", fail_one)


def no_order(put: Put) -> None:
    """Runs about one record do not wait for each other."""
    free = "r.state = 'running'"
    put(runs, "_FREE", free)
    put(runs, "_READY", f"r.due_at <= ?1 AND coalesce(r.lease_until, 0) <= ?1 AND {free}")


def depth_not_counted(put: Put) -> None:
    """However many automations led to it, another begins."""
    genuine: Callable[..., Any] = beginning.judge
    put(beginning, "judge", lambda automation, happening: genuine(replace(automation, depth_max=1 << 30), happening))
    put(beginning, "RUNS_AN_HOUR_MAX", 1 << 30)


def backlog_is_news(put: Put) -> None:
    """What was there before anybody looked is told as new."""
    genuine = notices._watched
    put(notices, "_watched", lambda tx: dict.fromkeys(genuine(tx), (True, True)))


def failed_run_blocks(put: Put) -> None:
    """A run that was given up keeps the later ones of its record waiting for ever."""
    genuine = runs._FREE.replace("('running', 'parked')", "('running', 'parked', 'failed')")
    put(runs, "_FREE", genuine)
    put(runs, "_READY", f"r.due_at <= ?1 AND coalesce(r.lease_until, 0) <= ?1 AND {genuine}")


BUGS: dict[str, Callable[[Put], None]] = {
    each.__name__: each
    for each in (
        run_key_of_the_record, run_key_ever_new, own_write_not_known, own_call_not_known, call_sent_not_committed, lost_call_made_again,
        lost_answer_made_again, no_order, depth_not_counted, backlog_is_news, failed_run_blocks,
    )
}  # fmt: skip
