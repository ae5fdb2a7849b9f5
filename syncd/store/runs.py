"""Runs of automations and their steps: what is to be done, and how far it has come.

A step is `pending → sent → done`, or `unknown` where a call may have had an effect and must not be made again (it is then parked), `dead`
where it can never work, `parked` where a person decides, `skipped` on a person's word.
The rule that keeps it true: a happening begins one run of an automation, however often it is told; *sent* is committed before a call; runs of one
automation about one subject go one after the other; a fence keeps a worker that lost its lease from recording anything.
It must not know: what steps do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from syncd.core.automation import AutomationName
from syncd.core.happening import Cause, Origin
from syncd.core.record import Json, LinkId, Micros, SyncName, SystemName
from syncd.store.codec import pack, seal, seal_text, told_text, unseal
from syncd.store.database import Connection


class RunState(Enum):
    """Where a run is. RUNNING waits for nothing but its time; PARKED for a person; FAILED was given up; SKIPPED had nothing to do."""

    RUNNING = "running"
    PARKED = "parked"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class StepState(Enum):
    """Where a step is."""

    PENDING = "pending"
    SENT = "sent"
    DONE = "done"
    UNKNOWN = "unknown"
    DEAD = "dead"
    PARKED = "parked"
    SKIPPED = "skipped"


FINISHED = frozenset({StepState.DONE, StepState.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it is kept. `event` is the happening as its steps see it; `lane` the system whose call it waits for, if it does (``""``: one that is no system's)."""

    id: int
    automation: AutomationName
    event_key: str
    subject: str
    edition: str
    sync: SyncName | None
    link: LinkId | None
    event: Mapping[str, Json]
    cause: Cause
    state: RunState
    lane: str | None
    error: str | None
    due_at: Micros
    fence: int
    created_at: Micros
    done_at: Micros | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step as it is kept. `payload` is what is sent, rendered; `replay`: it may be sent again where its outcome is not known.

    `sent_at` (of the last attempt) and `done_at` are noted by `put` itself.
    """

    run: int
    path: str
    name: str = ""
    kind: str
    state: StepState
    system: SystemName | None = None
    payload: Json = None
    result: Json = None
    replay: bool = False
    attempts: int = 0
    error: str | None = None
    created_at: Micros = 0
    sent_at: Micros | None = None
    done_at: Micros | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that is to begin."""

    automation: AutomationName
    event_key: str
    subject: str
    edition: str
    sync: SyncName | None
    link: LinkId | None
    event: Mapping[str, Json]
    cause: Cause
    state: RunState = RunState.RUNNING
    error: str | None = None


_COLUMNS = (
    "id, automation, event_key, subject, edition, sync, link_id, event, origin, depth, state, system, error, due_at, fence, created_at, done_at"
)
_FREE = (
    "r.state = 'running'"
    " AND NOT EXISTS (SELECT 1 FROM automations AS a WHERE a.name = r.automation AND a.paused IS NOT NULL)"
    " AND NOT EXISTS (SELECT 1 FROM automation_runs AS older WHERE older.automation = r.automation AND older.subject = r.subject"
    " AND older.id < r.id AND older.state IN ('running', 'parked'))"
)
_READY = f"r.due_at <= ?1 AND coalesce(r.lease_until, 0) <= ?1 AND {_FREE}"
_STEP = "run_id, path, name, kind, state, system, payload, result, replay, attempts, error, created_at, sent_at, done_at"


def begin(tx: Connection, begun: Sequence[Begun], at: Micros) -> list[int]:
    """Begins runs; those that were begun before are left as they are. Answers the numbers of the new ones."""
    made = []
    for each in begun:
        row = (each.automation, each.event_key, each.subject, each.edition, each.sync, each.link)
        found = tx.execute(
            "INSERT INTO automation_runs (automation, event_key, subject, edition, sync, link_id, event, origin, depth, state, error, due_at,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (automation, event_key) DO NOTHING RETURNING id",
            (*row, seal(tx, [each.event, each.cause.by], "automation_runs", *row), each.cause.origin.value,
             each.cause.depth, each.state.value, seal_text(tx, each.error, "automation_runs", each.automation, each.event_key), at, at),
        ).fetchone()
        if found is not None:
            made.append(int(found[0]))
    return made


def count_since(tx: Connection, automation: AutomationName, subject: str, since: Micros) -> int:
    """How many runs of an automation about a subject began since an instant."""
    (count,) = tx.execute(
        "SELECT count(*) FROM automation_runs WHERE automation = ? AND subject = ? AND created_at >= ?", (automation, subject, since)
    ).fetchone()
    return int(count)


def begun_since(tx: Connection, since: Micros) -> dict[str, int]:
    """How many runs of each automation began since an instant."""
    rows = tx.execute("SELECT automation, count(*) FROM automation_runs WHERE created_at >= ? GROUP BY automation", (since,))
    return {automation: int(count) for automation, count in rows}


def due(tx: Connection, now: Micros, limit: int) -> list[Run]:
    """Runs that wait for nobody's call and are due, oldest first, none of a paused automation and none before an older one of its subject."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM automation_runs AS r WHERE r.system IS NULL AND {_READY} ORDER BY r.due_at, r.id LIMIT ?2",  # noqa: S608
        (now, limit),
    )
    return [_run(tx, row) for row in rows.fetchall()]


def lease(tx: Connection, lane: str, now: Micros, *, until: Micros, limit: int) -> list[Run]:
    """Takes runs whose next call is a system's (``""``: is to nobody's system) and is due, as `due` does; the lease ends at `until`."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM automation_runs AS r WHERE r.system = ?2 AND {_READY} ORDER BY r.due_at, r.id LIMIT ?3",  # noqa: S608
        (now, lane, limit),
    )
    taken = [_run(tx, row) for row in rows.fetchall()]
    tx.executemany("UPDATE automation_runs SET lease_until = ?, fence = fence + 1 WHERE id = ?", [(until, run.id) for run in taken])
    return [replace(run, fence=run.fence + 1) for run in taken]


def next_due(tx: Connection, lane: str | None) -> Micros | None:
    """When the next run of a lane (None: of those that wait for no call) falls due that none of its subject keeps waiting."""
    (at,) = tx.execute(
        f"SELECT min(max(r.due_at, coalesce(r.lease_until, 0))) FROM automation_runs AS r WHERE r.system IS ? AND {_FREE}",  # noqa: S608
        (lane,),
    ).fetchone()
    return None if at is None else int(at)


def leave_lanes(tx: Connection, there: Iterable[str], at: Micros) -> None:
    """Runs that wait for the call of a system which is there no more are looked at anew."""
    tx.execute(
        "UPDATE automation_runs SET system = NULL, due_at = ?1, lease_until = NULL, fence = fence + 1 WHERE state = 'running' AND system IS NOT NULL"
        " AND system NOT IN (SELECT value FROM json_each(?2))",
        (at, pack(sorted(there)).decode()),
    )


def release(
    tx: Connection, run: Run, state: RunState, at: Micros, *, due_at: Micros, lane: str | None = None, error: str | None = None
) -> bool:
    """Gives a run back, as it now is; False when its lease was lost and nothing may be recorded."""
    final = state in (RunState.DONE, RunState.FAILED, RunState.SKIPPED)
    return bool(tx.execute(
        "UPDATE automation_runs SET state = ?, due_at = ?, system = ?, error = ?, lease_until = NULL, done_at = ? WHERE id = ? AND fence = ?"
        " AND state = 'running'",
        (state.value, due_at, lane, seal_text(tx, error, "automation_runs", run.automation, run.event_key), at if final else None, run.id, run.fence),
    ).rowcount)


def holds_lease(tx: Connection, run: Run) -> bool:
    """Whether a run is still ours to go on with."""
    return tx.execute(
        "SELECT 1 FROM automation_runs WHERE id = ? AND fence = ? AND state = 'running'", (run.id, run.fence)
    ).fetchone() is not None


def put(tx: Connection, step: StepRow, at: Micros) -> None:
    """Keeps a step as it now is."""
    row = (step.run, step.path, step.kind)
    payload = None if step.payload is None else seal(tx, step.payload, "automation_steps", *row)
    result = None if step.result is None else seal(tx, step.result, "automation_steps", *row)
    error = seal_text(tx, step.error, "automation_steps", step.run, step.path)
    finished = at if step.state in FINISHED or step.state is StepState.DEAD else None
    tx.execute(
        "INSERT INTO automation_steps (run_id, path, name, kind, state, system, payload, result, replay, attempts, error, created_at, sent_at,"
        " done_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, path) DO UPDATE SET name = excluded.name,"
        " kind = excluded.kind, state = excluded.state, system = excluded.system, payload = excluded.payload, result = excluded.result,"
        " replay = excluded.replay, attempts = excluded.attempts, error = excluded.error, done_at = excluded.done_at,"
        " sent_at = coalesce(excluded.sent_at, automation_steps.sent_at)",
        (step.run, step.path, step.name, step.kind, step.state.value, step.system, payload, result, int(step.replay), step.attempts, error, at,
         at if step.state is StepState.SENT else None, finished),
    )


def steps_of(tx: Connection, runs: Iterable[int]) -> dict[int, list[StepRow]]:
    """The steps of these runs that were begun, in the order in which they were."""
    rows = tx.execute(
        f"SELECT {_STEP} FROM automation_steps WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, created_at, path",  # noqa: S608
        (pack(sorted(set(runs))).decode(),),
    )
    found: dict[int, list[StepRow]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(_step(tx, row))
    return found


def recover(tx: Connection, lane: str) -> list[StepRow]:
    """When nobody makes a lane's calls: every lease is void. Answers the steps that were in the air, whose outcome is not known."""
    tx.execute("UPDATE automation_runs SET lease_until = NULL, fence = fence + 1 WHERE system = ? AND lease_until IS NOT NULL", (lane,))
    rows = tx.execute(
        f"UPDATE automation_steps SET state = 'unknown' WHERE state = 'sent' AND system = ? RETURNING {_STEP}",  # noqa: S608
        (lane,),
    ).fetchall()
    return [_step(tx, row) for row in rows]


def load(tx: Connection, ids: Iterable[int]) -> list[Run]:
    """These runs."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM automation_runs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",  # noqa: S608
        (pack(list(ids)).decode(),),
    )
    return [_run(tx, row) for row in rows.fetchall()]


def select(tx: Connection, states: Iterable[RunState], *, automation: str | None = None, limit: int = 1000) -> list[Run]:
    """Runs in these states, newest first; of one automation if it is named."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM automation_runs WHERE state IN (SELECT value FROM json_each(?1))"  # noqa: S608
        " AND (?2 IS NULL OR automation = ?2) ORDER BY id DESC LIMIT ?3",
        (pack([state.value for state in states]).decode(), automation, limit),
    )
    return [_run(tx, row) for row in rows.fetchall()]


def counts(tx: Connection) -> dict[str, dict[str, int]]:
    """How many runs of each automation are in each state."""
    found: dict[str, dict[str, int]] = {}
    for automation, state, count in tx.execute("SELECT automation, state, count(*) FROM automation_runs GROUP BY automation, state"):
        found.setdefault(automation, {})[state] = count
    return found


def stopped(tx: Connection) -> dict[str, dict[RunState, int]]:
    """How many runs of each automation were given up, and how many wait for a person; whatever the number of those that went well."""
    found: dict[str, dict[RunState, int]] = {}
    for state, automation, count in tx.execute(
        "SELECT state, automation, count(*) FROM automation_runs WHERE state IN ('failed', 'parked') GROUP BY state, automation"
    ):
        found.setdefault(automation, {})[RunState(state)] = count
    return dict(sorted(found.items()))


def reopen(tx: Connection, run: int, at: Micros, state: RunState = RunState.RUNNING) -> None:
    """A run that was parked or failed goes on, or ends, on a person's word."""
    done_at = at if state is RunState.SKIPPED else None
    tx.execute(
        "UPDATE automation_runs SET state = ?, due_at = ?, error = NULL, system = NULL, lease_until = NULL, fence = fence + 1, done_at = ?"
        " WHERE id = ? AND state IN ('parked', 'failed', 'running')",
        (state.value, at, done_at, run),
    )


def prune(tx: Connection, before: Micros) -> None:
    """Forgets runs that ended before an instant (until then they keep late repeats out), and the steps nobody needs any more."""
    tx.execute(
        "DELETE FROM automation_steps WHERE run_id IN (SELECT id FROM automation_runs WHERE done_at < ? AND state IN ('done', 'skipped'))", (before,)
    )
    tx.execute("DELETE FROM automation_runs WHERE done_at < ? AND state IN ('done', 'skipped')", (before,))
    tx.execute("DELETE FROM automation_newest WHERE at < ?", (before,))
    tx.execute("DELETE FROM automation_rules WHERE edition NOT IN (SELECT edition FROM automation_runs)")


def count_doable(tx: Connection, now: Micros) -> int:
    """How many runs a machine can go on with now, or is going on with."""
    (count,) = tx.execute(
        f"SELECT count(*) FROM automation_runs AS r WHERE r.due_at <= ? AND {_FREE}",  # noqa: S608
        (now,),
    ).fetchone()
    return int(count)


def _run(tx: Connection, row: tuple[Json, ...]) -> Run:
    event, by = unseal(tx, row[7], "automation_runs", *row[1:7])
    return Run(
        id=row[0],
        automation=AutomationName(row[1]),
        event_key=row[2],
        subject=row[3],
        edition=row[4],
        sync=row[5],
        link=None if row[6] is None else LinkId(row[6]),
        event=event,
        cause=Cause(Origin(row[8]), row[9], by),
        state=RunState(row[10]),
        lane=row[11],
        error=told_text(tx, row[12], "automation_runs", row[1], row[2]),
        due_at=row[13],
        fence=row[14],
        created_at=row[15],
        done_at=row[16],
    )


def _step(tx: Connection, row: tuple[Json, ...]) -> StepRow:
    return StepRow(
        run=row[0],
        path=row[1],
        name=row[2],
        kind=row[3],
        state=StepState(row[4]),
        system=row[5],
        payload=unseal(tx, row[6], "automation_steps", row[0], row[1], row[3]),
        result=unseal(tx, row[7], "automation_steps", row[0], row[1], row[3]),
        replay=bool(row[8]),
        attempts=row[9],
        error=told_text(tx, row[10], "automation_steps", row[0], row[1]),
        created_at=row[11],
        sent_at=row[12],
        done_at=row[13],
    )
