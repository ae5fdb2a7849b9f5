"""The state as a whole, read from the store alone: what `status` tells.

The rule that keeps it true: one snapshot, nothing called, nothing written; the daemon may run or not.
It must not know: how it is shown.
"""

from __future__ import annotations

from syncd.cli import hearing
from syncd.cli.passes import facts_of, pass_every, passes_of, places_of
from syncd.cli.quotas import eta_s, quota_of
from syncd.cli.text import iso
from syncd.config import Settings
from syncd.connectors.registry import KINDS
from syncd.core.automation import Verdict
from syncd.core.record import Json, Micros, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.flow.engine import relisted_after
from syncd.flow.work import is_ready, outcome_sums
from syncd.store import (
    arrivals,
    automations,
    bridge,
    continuity,
    control,
    cursors,
    forgotten,
    holds,
    inbox,
    journal,
    observations,
    overview,
    planning,
    runs,
    timers,
    writes,
)
from syncd.store.cursors import Cursor
from syncd.store.database import Connection
from syncd.store.observations import Place


def state_of(tx: Connection, settings: Settings) -> dict[str, Json]:
    """Everything, as JSON-able values."""
    rebasing = continuity.rebasing(tx)
    return {
        "rebasing": None if rebasing is None else rebasing.value,
        "systems": {name: _system(tx, settings, name) for name in settings.systems},
        "collections": {f"{place[0]}/{place[1]}": _collection(tx, settings, place) for place in places_of(settings)},
        "syncs": {name: _sync(tx, name, rules) for name, rules in settings.syncs.items()},
        "events_waiting": inbox.count_waiting(tx),
        "looking_deleted": overview.count_suspects(tx),
        "writes": writes.counts(tx),
        "failures": writes.counts(tx).get("dead", 0),
        "holds": holds.counts(tx),
        "requests": [{"number": each.id, "kind": each.kind, "state": each.state} for each in control.open_requests(tx)],
        "forgotten": dict(zip(("people", "kept_out"), forgotten.counts(tx), strict=True)),
        "outcomes": _outcomes(tx),
        "automations": _automations(tx, settings),
    }


def _system(tx: Connection, settings: Settings, name: SystemName) -> dict[str, Json]:
    row = control.systems(tx).get(name)
    quota = quota_of(tx, settings, name).snapshot()
    return {
        "kind": settings.systems[name].kind,
        "account": row.identity if row is not None else None,
        "paused": row.paused if row is not None else None,
        "quota": {
            "limit": quota.limit,
            "remaining": quota.remaining,
            "daily_limit": quota.daily_limit,
            "daily_remaining": quota.daily_remaining,
            "refused_for_s": round(quota.paused_s, 1),
            "known_at": iso(_kept_at(row.quota)) if row is not None else None,
        },
        "webhooks": hearing.as_data(arrivals.heard_from(tx, name)),
        "findings": (row.detail or {}).get("findings", []) if row is not None else [],
        "writes_owed": overview.owed_by_system(tx).get(name, 0),
    }


def _kept_at(quota: Json) -> Micros | None:
    return quota["at"] if isinstance(quota, dict) else None


def _collection(tx: Connection, settings: Settings, place: Place) -> dict[str, Json]:
    cursor = cursors.load(tx, place)
    told = bridge.standing(tx, *place) if KINDS[settings.systems[place[0]].kind].name in ("17hats", "bridge") else None
    return {
        "paused": control.paused_collections(tx).get(place),
        "unverified_since": None if told is None else told.unverified_since,
        "heard_at": None if told is None else told.heard_at,
        "not_acknowledged": None if told is None else told.silent,
        "not_accepted": None if told is None else told.refused,
        "left_out": control.left_out(tx, *place),
        "records": observations.count_alive(tx, place),
        "polled_at": cursor.polled_at,
        "complete_at": cursor.complete_at,
        "not_believed": cursor.doubted,
        "listed_again_at": _listed_again_at(settings, place, cursor),
        "cursor_at": cursor.cursor,
        "reading": None if cursor.mode is None else _reading(tx, settings, place, cursor),
        "passes": passes_of(settings, place, tx).as_json(),
        "misses": facts_of(settings, place).misses,
    }


def _listed_again_at(settings: Settings, place: Place, cursor: Cursor) -> Micros | None:
    """When a collection of which no listing was ever believed is listed again."""
    if cursor.complete_at is not None or not cursor.doubted or cursor.complete_tried_at is None:
        return None
    return cursor.complete_tried_at + relisted_after(cursor.doubted, settings.daemon.poll_min, pass_every(settings, place))


def _reading(tx: Connection, settings: Settings, place: Place, cursor: Cursor) -> dict[str, Json]:
    """How far a listing is; `left_s` is about how long the quota makes the rest take."""
    left = cursor.calls_left
    return {
        "mode": cursor.mode.value if cursor.mode is not None else None,
        "listed": cursor.listed,
        "calls": cursor.calls,
        "calls_left": left,
        "left_s": None if left is None else round(eta_s(tx, settings=settings, system=place[0], calls=left), 1),
    }


def _sync(tx: Connection, name: SyncName, rules: SyncRules) -> dict[str, Json]:
    return {
        "members": {member: f"{each.system}/{each.collection}" for member, each in rules.members.items()},
        "links": overview.links_by_state(tx, name),
        "plans_waiting": planning.waiting(tx, name),
        "listed_completely": is_ready(tx, rules),
        "first_run": rules.first_run.value,
        "approved_at": control.approved_at(tx, name),
        "first_run_over": control.settled(tx, name),
    }


def _automations(tx: Connection, settings: Settings) -> dict[str, Json]:
    """What each automation was told of and what came of it; every event is in `begun` or under one reason of `set_nothing_off`."""
    known, counts, outcomes = timers.load(tx), runs.counts(tx), automations.outcomes(tx)
    found: dict[str, Json] = {}
    for name in settings.automations:
        became, states = dict(outcomes.get(name, {})), counts.get(name, {})
        begun = became.pop(Verdict.FIRES.value, 0)
        found[name] = {
            "paused": known[name].paused if name in known else None,
            "events": begun + sum(became.values()),
            "begun": begun,
            "done": states.get("done", 0),
            "waiting": states.get("running", 0),
            "failed": states.get("failed", 0),
            "held": states.get("parked", 0),
            "skipped": states.get("skipped", 0),
            "set_nothing_off": became,
        }
    return found


def _outcomes(tx: Connection) -> dict[str, Json]:
    """The named outcomes with their sum: whatever was looked at is in it once."""
    each = outcome_sums(tx)
    looked = journal.looked(tx)
    return {"looked": looked, "sum": sum(one["count"] for one in each if one["outcome"] != "failed"), "each": each}
