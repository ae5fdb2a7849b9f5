"""What the store keeps for automations: notices, claims, runs and their steps, and what becomes of a damaged row of them."""

from __future__ import annotations

import pytest

from syncd.core.guard import Direction
from syncd.core.happening import PERSON, Cause, Claim, Origin, What
from syncd.core.outcome import Operation
from syncd.core.record import DAY
from syncd.store import automations, claims, cursors, damage, notices, observations, outbox, runs, timers
from syncd.store.codec import DamagedError
from syncd.store.cursors import Cursor
from syncd.store.runs import Begun, RunState, StepRow, StepState
from syncd.store.timers import Novelty
from tests.store.build import ROUTES, linked, look, observe, ref, write

PLACE = ("a", "contacts")
MINE = Cause(Origin.AUTOMATION, 1, "mine")


def watched(tx, *, listed=True, backlog=False):
    """The place is watched, and was listed before."""
    if listed:
        cursors.save(tx, PLACE, Cursor(complete_at=1, polled_at=DAY))
    notices.watch(tx, [PLACE], DAY, recent=DAY - 1, backlog=backlog)


def told(tx):
    return [(each.what, each.before, each.after, each.origin) for each in notices.waiting(tx, 100)]


def begun(key="k", subject="s", name="greet", **other):
    given = {"edition": "1", "sync": None, "link": None, "event": {"id": "7"}, "cause": PERSON, **other}
    return Begun(automation=name, event_key=key, subject=subject, **given)


def step(run, path="0", state=StepState.PENDING, **other):
    return StepRow(run=run, path=path, kind="crm.send", state=state, **other)


def test_nothing_is_told_of_what_nobody_watches(tx):
    """And a place that is watched no more is forgotten."""
    observe(tx, look(at=1))
    watched(tx)
    notices.watch(tx, [], DAY, recent=0, backlog=False)
    observe(tx, look(at=2, fields={"name": "B"}))

    assert [] == told(tx)


def test_what_shows_something_new_is_told_with_what_was_before(tx):
    """Made, changed, gone; and a look that shows the same, nothing."""
    watched(tx)
    for at, name in ((1, "A"), (2, "A"), (3, "B")):
        observe(tx, look(at=at, fields={"name": name}))
    observations.bury(tx, ref(), ["it is gone"], seen_at=4, read_at=4, routes=ROUTES)

    assert [What.CREATED, What.UPDATED, What.DELETED] == [each[0] for each in told(tx)]
    (made, _, first, _), (changed, *_), (gone, last, nothing, _) = told(tx)
    assert (What.CREATED, What.UPDATED, What.DELETED, None) == (made, changed, gone, nothing)
    assert (first, last) == (dict(observe_fields("A")), dict(observe_fields("B")))


def observe_fields(name):
    return look(at=1, fields={"name": name}).record.fields


def test_a_first_listing_is_backlog(tx):
    """Told only where somebody wants it, until a complete pass that began after the place was watched."""
    watched(tx, listed=False)
    observe(tx, look(at=1))
    assert [] == told(tx)
    notices.watch(tx, [PLACE], DAY, recent=0, backlog=True)
    observe(tx, look("2", at=2))
    cursors.save(tx, PLACE, Cursor(complete_at=DAY + 1))
    observe(tx, look("3", at=3))

    assert [("backfill", 0, ""), None] == [each[3] if each[3] is None else tuple(each[3]) for each in told(tx)]


def test_a_record_whose_row_was_lost_is_nothing_new(tx):
    """It is read again, and nobody is told that it was made."""
    watched(tx)
    observe(tx, look(at=1))
    notices.done(tx, [each.id for each in notices.waiting(tx, 9)])
    tx.execute("UPDATE observations SET fields = x'00'")
    damage.mend(tx, DamagedError("observations", ("a", "contacts", "1")), ROUTES, 9)
    observe(tx, look(at=10, fields={"name": "B"}))
    assert [] == told(tx)
    observe(tx, look(at=11, fields={"name": "C"}))

    assert [What.UPDATED] == [each[0] for each in told(tx)]


def test_a_notice_waits_for_what_is_in_the_air(tx):
    """A write to its record, a create in its place, a call in its system; each only if it was sent before."""
    watched(tx)
    observe(tx, look(at=100), look("2", at=100, fields={"name": "Z"}))
    rows = notices.waiting(tx, 9)
    assert set() == notices.in_the_air(tx, rows)
    intent = outbox.Intent(
        link=linked(tx, "1", "9"), sync="s", revision=1, write=write(), target=ref(), stream=Direction.UPDATES, gate=None, priority=10, run_id=None
    )
    outbox.owe(tx, [intent], 0)
    (owed,) = outbox.lease(tx, "a", 1, until=10**9, limit=9)
    outbox.mark_sent(tx, [owed], 101)
    assert set() == notices.in_the_air(tx, rows)
    tx.execute("UPDATE outbox SET sent_at = 99")
    assert {each.id for each in rows if each.ref.id == "1"} == notices.in_the_air(tx, rows)
    tx.execute("UPDATE outbox SET operation = ?, record_id = NULL", (Operation.CREATE.value,))
    assert {each.id for each in rows} == notices.in_the_air(tx, rows)
    tx.execute("UPDATE outbox SET state = 'done'")
    (run,) = runs.begin(tx, [begun()], 1)
    runs.put(tx, step(run, state=StepState.SENT, system="a"), 99)
    assert {each.id for each in rows} == notices.in_the_air(tx, rows)
    runs.put(tx, step(run, state=StepState.DONE, system="a"), 99)
    assert set() == notices.in_the_air(tx, rows)


def test_a_claim_is_void_with_the_first_look_that_shows_nothing(tx):
    """A look that began before the claim says nothing about it."""
    watched(tx)
    observe(tx, look(at=10))
    notices.done(tx, [each.id for each in notices.waiting(tx, 9)])
    key = claims.of_record("a", "1")
    claims.add(tx, key, Claim(cause=MINE, values={"name": ["B"]}), 20)
    observe(tx, look(at=15))
    assert [MINE] == [each.cause for each in claims.load(tx, [key])[key]]
    observe(tx, look(at=25))

    assert {} == claims.load(tx, [key])


def test_a_run_begins_once(tx):
    """However often the same is told; and it comes back as it was kept."""
    first = runs.begin(tx, [begun(cause=MINE, link=None)], 5)
    assert [] == runs.begin(tx, [begun(event={"id": "other"})], 6)
    (run,) = runs.load(tx, first)

    assert (MINE, {"id": "7"}, RunState.RUNNING, 5) == (run.cause, run.event, run.state, run.created_at)


def test_runs_of_a_subject_go_in_order(tx):
    """One that waits, or is parked, keeps those behind it waiting, and nobody else's; one that failed does not."""
    one, two, other = runs.begin(tx, [begun("1"), begun("2"), begun("3", subject="else")], 1)
    for state, expected in ((RunState.RUNNING, [one, other]), (RunState.PARKED, [other]), (RunState.FAILED, [two, other])):
        tx.execute("UPDATE automation_runs SET state = ? WHERE id = ?", (state.value, one))
        assert expected == [run.id for run in runs.due(tx, 10, 9)]
        assert len(expected) == runs.count_doable(tx, 10)


def test_a_lease_fences_others_off(tx):
    """Who lost it records nothing."""
    (number,) = runs.begin(tx, [begun()], 1)
    (run,) = runs.due(tx, 1, 9)
    assert runs.release(tx, run, RunState.RUNNING, 1, due_at=2, lane="crm")
    assert ([], 2) == (runs.due(tx, 9, 9), runs.next_due(tx, "crm"))
    (mine,) = runs.lease(tx, "crm", 5, until=10, limit=9)
    assert [] == runs.lease(tx, "crm", 6, until=10, limit=9)
    (theirs,) = runs.lease(tx, "crm", 10, until=20, limit=9)

    assert (False, True) == (runs.holds_lease(tx, mine), runs.holds_lease(tx, theirs))
    assert not runs.release(tx, mine, RunState.DONE, 11, due_at=11)
    assert runs.release(tx, theirs, RunState.DONE, 11, due_at=11)
    assert [RunState.DONE] == [each.state for each in runs.load(tx, [number])]


def test_what_was_in_the_air_is_unknown(tx):
    """After a crash, for its own lane alone."""
    (run,) = runs.begin(tx, [begun()], 1)
    runs.put(tx, step(run, "0", StepState.DONE, system="crm", result={"a": 1}), 2)
    runs.put(tx, step(run, "1", StepState.SENT, system="crm", payload={"b": 2}), 3)

    assert [] == runs.recover(tx, "mail")
    assert [("1", StepState.UNKNOWN, {"b": 2})] == [(each.path, each.state, each.payload) for each in runs.recover(tx, "crm")]
    assert [{"a": 1}, None] == [each.result for each in runs.steps_of(tx, [run])[run]]


def test_runs_are_forgotten_when_they_are_old(tx):
    """Those that ended well; with their steps, and the rules nobody goes by any more."""
    done, failed = runs.begin(tx, [begun("1"), begun("2", edition="2")], 1)
    for edition in ("1", "2"):
        automations.keep_rules(tx, edition, {"steps": []})
    for number, state in ((done, RunState.DONE), (failed, RunState.FAILED)):
        runs.put(tx, step(number), 1)
        runs.release(tx, runs.load(tx, [number])[0], state, 5, due_at=5)
    runs.prune(tx, 5)
    assert 2 == len(runs.load(tx, [done, failed]))
    runs.prune(tx, 6)

    assert [failed] == [run.id for run in runs.load(tx, [done, failed])]
    assert ({failed}, None, {"steps": []}) == (runs.steps_of(tx, [done, failed]).keys(), automations.rules(tx, "1"), automations.rules(tx, "2"))


def test_a_polls_items_are_known_until_they_are_missing_thrice(tx):
    """One answer may be short: what comes back is new only after it was gone for good."""
    timers.meet(tx, "watch", "poll", 1, 1)
    seen = [timers.find_news(tx, "watch", items) for items in ({"a": b"1", "b": b"1"}, {"a": b"2"}, {"a": b"2", "b": b"1"})]
    assert [{"a": Novelty.NEW, "b": Novelty.NEW}, {"a": Novelty.CHANGED}, {}] == seen
    for _ in range(3):
        timers.find_news(tx, "watch", {"a": b"2"})

    assert {"b": Novelty.NEW} == timers.find_news(tx, "watch", {"a": b"2", "b": b"1"})


def test_a_clock_that_was_changed_begins_anew(tx):
    """One that was not goes on where it was; a pause outlives both."""
    timers.meet(tx, "watch", "poll", 1, 1)
    timers.rest(tx, "watch", since=5, due_at=9, polled=True)
    timers.pause(tx, "watch", "why")
    timers.meet(tx, "watch", "poll", 7, 7)
    assert (9, 1, "why") == (timers.load(tx)["watch"].due_at, timers.load(tx)["watch"].polled, timers.load(tx)["watch"].paused)
    timers.meet(tx, "watch", "another poll", 7, 7)

    assert (7, 0, "why") == (timers.load(tx)["watch"].due_at, timers.load(tx)["watch"].polled, timers.load(tx)["watch"].paused)


SEALED = {
    "to_notice": ("kind", "system", "collection", "record_id", "content"),
    "claims": ("place", "subject", "content"),
    "automation_runs": ("automation", "event_key", "subject", "edition", "sync", "link_id", "event"),
    "automation_steps": ("path", "kind", "payload", "result"),
    "automation_rules": ("edition", "written"),
}


def whole(tx):
    """One row in every table."""
    watched(tx)
    observe(tx, look(at=1))
    claims.add(tx, claims.of_record("a", "1"), Claim(cause=MINE, values={"name": ["B"]}), 20)
    (run,) = runs.begin(tx, [begun(sync="people", link=3)], 1)
    runs.put(tx, step(run, state=StepState.SENT, payload={"a": 1}, result={"b": 2}), 2)
    automations.keep_rules(tx, "1", {"steps": []})


def read_all(tx):
    notices.waiting(tx, 9)
    claims.load(tx, [tuple(row) for row in tx.execute("SELECT place, subject FROM claims")])
    numbers = [number for (number,) in tx.execute("SELECT id FROM automation_runs")]
    runs.load(tx, numbers)
    runs.steps_of(tx, numbers)
    for (edition,) in tx.execute("SELECT edition FROM automation_rules").fetchall():
        automations.rules(tx, edition)


def flipped(value):
    if isinstance(value, int):
        return value ^ 1
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[len(data) // 2] ^= 1
    return data.decode(errors="replace") if isinstance(value, str) else bytes(data)


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in SEALED.items() for column in columns])
def test_a_damaged_row_is_seen_and_put_out_of_use(tx, table, column):
    """Whatever of it changed by itself; and it keeps nothing else from going on."""
    whole(tx)
    read_all(tx)
    (before,) = tx.execute(f"SELECT {column} FROM {table}").fetchone()
    tx.execute(f"UPDATE {table} SET {column} = ?", (flipped(before),))
    with pytest.raises(DamagedError) as caught:
        read_all(tx)
    assert table == caught.value.table
    assert damage.mend(tx, caught.value, ROUTES, 9)
    read_all(tx)

    assert table in ("to_notice", "claims", "automation_rules") or [RunState.FAILED] == [
        run.state for run in runs.load(tx, [number for (number,) in tx.execute("SELECT id FROM automation_runs")])
    ]
