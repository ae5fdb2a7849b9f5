"""A world with automations in it: written as the configuration would have them, carried out a turn at a time.

`automated` gives an `Automated`; `settle` runs every stage until nothing is left to do.
The rule that keeps it true: rules, stages and store are the product's own; only their writing down as values is done here.
It must not know: any test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd.config.automations import edition_of
from syncd.connectors.memory import MemoryConnector, MemoryOperations, MemorySystem
from syncd.core.automation import Automation, AutomationName, HubTrigger, RecordTrigger, Trigger
from syncd.core.fields import FieldType
from syncd.core.happening import Origin, What
from syncd.core.record import SystemName
from syncd.core.rules import SyncRules
from syncd.core.steps import compile_rules
from syncd.flow import clocks
from syncd.flow.automate import advance_once, automate_once
from syncd.flow.clocks import watch_clocks_once
from syncd.flow.notice import notice_once
from syncd.flow.reconcile import reconcile_once
from syncd.flow.write import write_once
from syncd.store import automations, claims, inbox, notices, runs
from syncd.store.inbox import Arrival
from syncd.store.runs import Run, RunState, StepRow
from tests.flow.world import CONTACTS, CRM, MAIL, S, World, opened, rules

PERSON, SYNC, BACKFILL, AUTOMATION = Origin.PERSON, Origin.SYNC, Origin.BACKFILL, Origin.AUTOMATION
NAME = AutomationName("greet")
LANES = ("", CRM, MAIL)


def message(text: str, system: SystemName = CRM, to: str = "{event.id}", **other: Any) -> dict[str, Any]:
    """A step that sends a message, which must not be sent twice."""
    return {"call": f"{system}.send-message", "with": {"contactId": to, "text": text}, **other}


def on_record(system: SystemName, what: What, *fields: str) -> RecordTrigger:
    """A change of a contact of one system."""
    return RecordTrigger(system=system, collection=CONTACTS, what=what, fields=dict.fromkeys(fields, FieldType.TEXT))


def on_hub(what: What = What.UPDATED, field: str | None = None, to: Any = None) -> HubTrigger:
    """A change of the agreed values."""
    return HubTrigger(sync=S, what=what, field=field, to=to)  # type: ignore[arg-type]


def automation(trigger: Trigger, *steps: Mapping[str, Any], name: str = NAME, when: Any = None, late: bool = False, **other: Any) -> Automation:
    """An automation as the configuration would make it."""
    written = {"when": when, "late": late, "steps": list(steps)}
    given = {"sync": S, "origins": frozenset({PERSON, SYNC}), **other}
    return Automation(
        name=AutomationName(name), trigger=trigger, rules=compile_rules(written), written=written, edition=edition_of(written), **given
    )


@dataclass(kw_only=True)
class Automated:
    """A world and its automations."""

    world: World
    operations: dict[SystemName, MemoryOperations] = field(default_factory=dict)

    @property
    def engine(self) -> Any:
        return self.world.engine

    @property
    def sent(self) -> list[tuple[str, str]]:
        """Every message that was sent in any system."""
        return [each for system in (CRM, MAIL) for each in self.operations[system].messages]

    async def settle(self, *, poll: bool = True, turns: int = 60) -> None:
        """Polls once, and then runs every stage until nothing is left to do now."""
        if poll:
            await self.world.poll()
        for _ in range(turns):
            if not any([
                await reconcile_once(self.engine, S),
                *[await write_once(self.engine, each) for each in self.world.far],
                await notice_once(self.engine),
                await watch_clocks_once(self.engine),
                await advance_once(self.engine),
                *[await automate_once(self.engine, lane) for lane in LANES],
            ]):
                return
        raise AssertionError("it does not come to an end")

    async def told(self) -> None:
        """Only tells automations what happened."""
        while await notice_once(self.engine):
            pass

    async def runs(self, *states: RunState, name: str | None = None) -> list[Run]:
        """The runs, oldest first."""
        return list(reversed(await self.world.read(lambda tx: runs.select(tx, states or RunState, automation=name))))

    async def states(self) -> list[str]:
        return [run.state.value for run in await self.runs()]

    async def origins(self) -> list[str]:
        return [run.cause.origin.value for run in await self.runs()]

    async def steps(self, run: int) -> list[StepRow]:
        return (await self.world.read(lambda tx: runs.steps_of(tx, [run]))).get(run, [])

    async def outcomes(self, name: str = NAME) -> dict[str, int]:
        return (await self.world.read(automations.outcomes)).get(name, {})

    async def waiting(self) -> int:
        return await self.world.read(notices.count_waiting)

    async def claimed(self) -> int:
        return await self.world.read(lambda tx: tx.execute("SELECT count(*) FROM claims").fetchone()[0])

    async def hear(self, system: SystemName, *, times: int = 1) -> None:
        """Takes in the webhooks owed, as the listener would, so many times."""
        connector = self.engine.connectors[system]
        headers, body = connector.deliver()
        events = connector.receive(headers, body, self.world.clock.now())
        at = self.world.clock.now()

        def commit(tx: Any) -> None:
            for each in events:
                if self.engine.awaits(system, each.word):
                    notices.came_in(tx, each.ref, each.word, each.dedupe_key, told=each.told, carried=each.fields, at=at)
            arrivals = [
                Arrival(ref=each.ref, dedupe_key=each.dedupe_key, deleted=each.change.value == "deleted", fields=each.fields, full=each.full,
                        occurred_at=each.occurred_at, received_at=at)
                for each in events
            ]
            inbox.accept(tx, arrivals)

        for _ in range(times):
            await self.engine.database.write(commit)
        self.world.later(15)
        await self.world.reread(system)


@asynccontextmanager
async def automated(
    folder: Path,
    *given: Automation,
    sync: SyncRules | None = None,
    far: Mapping[SystemName, MemorySystem] | None = None,
    operations: dict[SystemName, MemoryOperations] | None = None,
    listed: bool = True,
    **other: Any,
) -> AsyncIterator[Automated]:
    """A world with these automations. `listed`: what there is was listed once, so that what follows is news."""
    async with opened(folder, sync or rules(), far=far, **other) as world:
        spoken = {}
        for system, connector in world.engine.connectors.items():
            assert isinstance(connector, MemoryConnector)
            spoken[system] = (operations or {}).get(system) or MemoryOperations(connector)
        world.engine.operations = spoken
        world.engine.automations = {each.name: each for each in given}
        found = Automated(world=world, operations=spoken)
        await meet(found)
        if listed:
            await found.settle()
        yield found


async def meet(found: Automated) -> None:
    """What a start does about automations."""
    engine = found.engine

    def begin(tx: Any) -> None:
        now = engine.clock.now()
        notices.watch(tx, engine.watched, now, recent=now - 86_400_000_000, backlog=engine.wants_backlog)
        clocks.start(engine, tx)

    await engine.database.write(begin)


__all__ = ["AUTOMATION", "BACKFILL", "NAME", "PERSON", "SYNC", "Automated", "automated", "automation", "claims", "meet", "message", "on_hub", "on_record"]
