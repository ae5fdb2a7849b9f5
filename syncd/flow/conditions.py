"""What an operator should be told of, as it is now: each with a sentence and the next command to type.

The rule that keeps it true: it looks at the store and at the engine, never calls anybody, and says nothing that a record contains.
It must not know: who is told, or when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncd.connectors.ledger import Bridging
from syncd.connectors.quota import Quota
from syncd.core.alert import Condition
from syncd.core.outcome import HoldKind
from syncd.core.record import DAY, HOUR, Micros, SystemName
from syncd.flow.engine import Engine
from syncd.store import bridge, control, drifts, holds, overview, runs
from syncd.store.database import Connection
from syncd.store.holds import HoldState
from syncd.store.runs import RunState

SILENT_AFTER: Micros = DAY
"""A bridge whose flows said nothing for so long is not known to be what it was."""
_TRIPPED = {HoldKind.GUARD, HoldKind.LISTING, HoldKind.OSCILLATION}
_HELD_MAX = 1000


def conditions(engine: Engine, tx: Connection, quotas: Mapping[SystemName, Quota], drift_after: Micros = HOUR) -> list[Condition]:
    """Everything that is so now; a difference that nothing explains once it is older than `drift_after`."""
    return [
        *_unwritable(engine),
        *_paused(tx),
        *_tripped(tx),
        *_failed(tx),
        *_stopped(tx),
        *_spent(quotas),
        *_unverified(engine, tx),
        *_drifted(tx, engine.clock.now() - drift_after),
    ]


def _unwritable(engine: Engine) -> Iterator[Condition]:
    if engine.database.trouble is not None:
        yield Condition(
            kind="database", subject="database", sentence=f"nothing can be committed: {engine.database.trouble}", mend="df -h; syncd doctor"
        )


def _paused(tx: Connection) -> Iterator[Condition]:
    for name, row in control.systems(tx).items():
        if row.paused is not None:
            yield Condition(
                kind="paused", subject=name, sentence=f"{name} is not used: {row.paused}", mend=f"mend its credential, then `syncd resume {name}`"
            )
    for (system, collection), reason in control.paused_collections(tx).items():
        yield Condition(
            kind="paused",
            subject=f"{system}/{collection}",
            sentence=f"{collection} of {system} is not used, and the rest goes on: {reason}",
            mend=f"let the credential open it, then `syncd resume {system}`",
        )


def _tripped(tx: Connection) -> Iterator[Condition]:
    for held in holds.select(tx, [HoldState.OPEN], limit=_HELD_MAX, kinds=_TRIPPED):
        about = " ".join(str(each) for each in (held.sync, held.member, held.link and f"link {held.link}") if each)
        options = f"syncd holds approve {held.id}" if held.kind is HoldKind.LISTING else f"syncd holds approve|revert|ignore {held.id}"
        what = f"{held.field} goes to and fro" if held.field is not None else held.reason
        yield Condition(kind="guard", subject=f"{held.kind.value} {held.key}", sentence=f"{about}: {what}", mend=f"syncd plan; {options}")


def _failed(tx: Connection) -> Iterator[Condition]:
    for system, count in overview.dead_by_system(tx).items():
        writes = "a write" if count == 1 else f"{count:,} writes"
        yield Condition(kind="dead_letters", subject=system, sentence=f"{writes} to {system} failed for good", mend="syncd failures")


def _stopped(tx: Connection) -> Iterator[Condition]:
    """Automations of which runs were given up or wait for a person; and those that set themselves off."""
    for name, found in runs.stopped(tx).items():
        failed, parked = found.get(RunState.FAILED, 0), found.get(RunState.PARKED, 0)
        said = [f"{_runs(failed)} failed for good" if failed else "", f"{_runs(parked)} {'waits' if parked == 1 else 'wait'} for you" if parked else ""]
        yield Condition(
            kind="automation",
            subject=name,
            sentence=f"{name}: {' and '.join(each for each in said if each)}",
            mend=f"syncd automations runs {name}" + ("; syncd holds" if parked else ""),
        )
    for held in holds.select(tx, [HoldState.OPEN], limit=_HELD_MAX, kinds={HoldKind.AUTOMATION_LOOP}):
        if held.sides.get("run") is None:
            yield Condition(kind="automation", subject=f"{held.kind.value} {held.key}", sentence=f"{held.sync} was stopped: it sets itself, or others, off", mend=f"syncd holds approve {held.id}")


def _runs(count: int) -> str:
    return "a run" if count == 1 else f"{count:,} runs"


def _drifted(tx: Connection, before: Micros) -> Iterator[Condition]:
    for sync, count in drifts.count_older(tx, before).items():
        what = "a difference" if count == 1 else f"{count:,} differences"
        yield Condition(kind="drift", subject=sync, sentence=f"{what} in {sync} that nothing explains", mend="syncd audit")


def _spent(quotas: Mapping[SystemName, Quota]) -> Iterator[Condition]:
    for system, quota in quotas.items():
        now = quota.snapshot()
        if now.daily_limit and not now.daily_remaining:
            yield Condition(
                kind="quota",
                subject=system,
                sentence=f"today's {now.daily_limit:,} calls to {system} are spent; work goes on by itself as calls come free",
                mend=f"syncd doctor {system}",
            )


def _unverified(engine: Engine, tx: Connection) -> Iterator[Condition]:
    now = engine.clock.now()
    for system, collection in engine.places:
        if not isinstance(engine.connectors[system], Bridging):
            continue
        known = bridge.standing(tx, system, collection)
        since = known.silent_since if known.heard_at is None else known.heard_at
        if since is not None and now - since > SILENT_AFTER:
            yield Condition(
                kind="bridge",
                subject=f"{system}/{collection}",
                sentence=f"no flow has said anything of {collection} of {system} for {(now - since) // HOUR} h; nothing there is verified",
                mend=f"syncd bridge guide {system}",
            )
