"""Planted bugs of automations, as `planted` plants them: each is one small change that the oracle of automations must notice.

The rule that keeps it true: as there: a name is replaced where it is used, and put back.
It must not know: by which check it will be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from syncd.core import automation, steps
from syncd.flow import automate, beginning, clocks, notice, stepping
from syncd.store import notices, runs, timers
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


def condition_ignored(put: Put) -> None:
    """Whatever is told sets an automation off."""
    put(automation, "_admits", lambda *_arguments: True)


def way_turned_round(put: Put) -> None:
    """A choice goes the other way."""
    genuine = steps.compile_condition

    def compiled(written: Any) -> Any:
        found = genuine(written)
        return replace(found, admits=lambda fields: not found.admits(fields))

    put(steps, "compile_condition", compiled)


def loop_one_short(put: Put) -> None:
    """A loop leaves the last of its items out."""
    genuine = steps._over

    def over(step: Any, path: str, done: Any, scope: Any) -> Any:
        return genuine(step, path, {**done, path: (done[path] or [])[:-1]}, scope)

    put(steps, "_over", over)


def loop_one_too_few(put: Put) -> None:
    """A loop with as many items as it may have is too long."""
    genuine = stepping._Stepper._items

    def items(self: Any, over: Any, most: int, known: Any) -> Any:
        return genuine(self, over, most - 1, known)

    put(stepping._Stepper, "_items", items)


def poll_marks_kept_late(put: Put) -> None:
    """What a poll's answer held is kept with the next one: a life that ends in between tells it twice."""
    genuine, owed = timers.find_news, dict[str, Any]()

    def find_news(tx: Any, name: Any, items: Any) -> Any:
        life, before = owed.get(name, (None, {}))
        if life == tx.world.process.life:
            genuine(tx, name, before)
        tx.execute("SAVEPOINT marks")
        news = genuine(tx, name, items)
        tx.execute("ROLLBACK TO marks")
        tx.execute("RELEASE marks")
        owed[name] = (tx.world.process.life, items)
        return news

    put(timers, "find_news", find_news)


def webhook_ever_new(put: Put) -> None:
    """Each delivery of a webhook is another event."""
    genuine, count = notices.came_in, iter(range(1 << 30))
    put(notices, "came_in", lambda tx, ref, word, key, **more: genuine(tx, ref, word, f"{key} {next(count)}", **more))


def moment_skipped(put: Put) -> None:
    """Every other moment of a schedule is let pass."""
    genuine = clocks.latest

    def latest(schedule: Any, since: Any, now: Any) -> Any:
        found = genuine(schedule, since, now)
        return found if found is not None and found.at // schedule.every % 2 else None

    put(clocks, "latest", latest)


def bulk_believed(put: Put) -> None:
    """Of calls that travelled together all are taken for done, whatever the answer says."""

    class Everything:
        def __contains__(self, _each: object) -> bool:
            return True

    put(automate, "dealt_with", lambda _bulk, _answer: Everything())


BUGS: dict[str, Callable[[Put], None]] = {
    each.__name__: each
    for each in (
        run_key_of_the_record, run_key_ever_new, own_write_not_known, own_call_not_known, call_sent_not_committed, lost_call_made_again,
        lost_answer_made_again, no_order, depth_not_counted, backlog_is_news, failed_run_blocks, condition_ignored, way_turned_round,
        loop_one_short, loop_one_too_few, poll_marks_kept_late, webhook_ever_new, moment_skipped, bulk_believed,
    )
}  # fmt: skip
