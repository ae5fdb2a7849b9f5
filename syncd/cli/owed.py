"""What is owed: the writes of a rehearsed database, grouped and told.

The rule that keeps it true: every write that would be made is in it once, with what is there now and what would be.
It must not know: how the rehearsal was made, or how this is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.connectors.quota import Quota
from syncd.core.outcome import Operation
from syncd.core.record import FieldName, Json, MemberName, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.flow.engine import Engine
from syncd.flow.work import outcome_sums
from syncd.store import holds, links, overview, planning, writes
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState
from syncd.store.outbox import Owed, State

OPEN = (State.PENDING, State.PARKED, State.SENT, State.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write that would be made. `gate` is why it waits for a person first, if it does."""

    owed: Owed
    label: str
    gate: str | None

    def as_json(self) -> dict[str, Json]:
        """Everything about it."""
        return {
            "system": self.owed.ref.system,
            "sync": self.owed.sync,
            "member": self.owed.member,
            "operation": self.owed.operation.value,
            "ref": str(self.owed.ref) if self.owed.ref.id else None,
            "link": self.owed.link,
            "about": self.label,
            "fields": {
                name: {"now": self.owed.expected.get(name), "then": value, "shown": name in self.owed.expected}
                for name, value in self.owed.values.items()
            },
            "waits_behind": self.gate,
            "key": self.owed.key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """All that would happen."""

    changes: list[Change]
    links_before: Mapping[SyncName, int]
    links_after: Mapping[SyncName, int]
    holds: list[Held]
    outcomes: list[dict[str, Json]]
    looking_deleted: int
    in_the_air: int
    failures: int
    calls: Mapping[SystemName, int]
    eta_s: Mapping[SystemName, float]

    def of(self, sync: SyncName) -> Preview:
        """One sync's share. Calls and times stay those of all, for they share their quotas."""
        return replace(
            self,
            changes=[each for each in self.changes if each.owed.sync == sync],
            links_before={sync: self.links_before.get(sync, 0)},
            links_after={sync: self.links_after[sync]},
            holds=[each for each in self.holds if each.sync == sync],
            outcomes=[each for each in self.outcomes if each["sync"] == sync],
        )

    def as_json(self) -> dict[str, Json]:
        """Everything."""
        return {
            "pending": bool(self.changes),
            "changes": [each.as_json() for each in self.changes],
            "links": {
                name: {"before": self.links_before.get(name, 0), "after": after} for name, after in self.links_after.items()
            },
            "holds": [
                {"kind": each.kind.value, "sync": each.sync, "reason": each.reason, "field": each.field, "link": each.link,
                 "member": each.member, "record": each.record_id, "sides": dict(each.sides)}
                for each in self.holds
            ],
            "outcomes": self.outcomes,
            "looking_deleted": self.looking_deleted,
            "in_the_air": self.in_the_air,
            "failures": self.failures,
            "calls_at_most": dict(self.calls),
            "about_seconds": {name: round(seconds, 1) for name, seconds in self.eta_s.items()},
        }


def preview(
    tx: Connection, engine: Engine, quotas: Mapping[SystemName, Quota], links_before: Mapping[SyncName, int]
) -> Preview:
    """What the outbox of a rehearsed database comes to."""
    owed = writes.select(tx, OPEN, limit=1_000_000)
    whole = links.load(tx, [each.link for each in owed])
    held = holds.select(tx, [HoldState.OPEN], limit=1_000_000)
    gates = {each.key: each.reason for each in held}
    calls = _calls(engine, owed)
    return Preview(
        changes=[
            Change(
                owed=each,
                label=label_of(engine.syncs.get(each.sync), {**whole[each.link].values(), **each.values}),
                gate=gates.get(each.gate) if each.gate else None,
            )
            for each in owed
        ],
        links_before=links_before,
        links_after={name: links.count_live(tx, name) for name in engine.syncs},
        holds=held,
        outcomes=outcome_sums(tx, engine.run_id),
        looking_deleted=overview.count_suspects(tx),
        in_the_air=sum(each.state in (State.SENT, State.UNKNOWN) for each in owed)
        + sum(planning.waiting(tx, name) for name in engine.syncs),
        failures=writes.counts(tx).get(State.DEAD.value, 0),
        calls=calls,
        eta_s={system: quotas[system].eta_s(count) for system, count in calls.items()},
    )


def label_of(rules: SyncRules | None, values: Mapping[FieldName, Json]) -> str:
    """What a person would call a link: its first match key that is not blank."""
    keys = rules.match if rules is not None else ()
    return next((str(values[name]) for name in keys if values.get(name) is not None), "")


def _calls(engine: Engine, owed: list[Owed]) -> dict[SystemName, int]:
    """The calls at most: a look and a write each, updates in as few calls as the vendor takes."""
    calls: dict[SystemName, int] = {}
    updates: dict[tuple[SystemName, MemberName, SyncName], int] = {}
    for each in owed:
        system = each.ref.system
        if each.operation is Operation.UPDATE:
            lane = (system, each.member, each.sync)
            updates[lane] = updates.get(lane, 0) + 1
            calls[system] = calls.get(system, 0) + 1
        else:
            calls[system] = calls.get(system, 0) + 2
    for (system, member, sync), count in updates.items():
        collection = engine.syncs[sync].members[member].collection
        together = max(1, engine.connectors[system].capabilities(collection).batch_update_max)
        calls[system] += -(-count // together)
    return calls
