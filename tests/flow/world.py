"""A small world to move things in: two systems in memory, a real database file, an engine made by hand, a clock in our hands.

`opened` gives a `World`; its methods run the stages one turn at a time, so that a test says what happens when.
The rule that keeps it true: the stages, the planner, the store and the connectors are the product's own; only the clock is ours.
It must not know: any test.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import structlog
from structlog.testing import CapturingLogger

from syncd.connectors.base import Capabilities, WebhookRefused
from syncd.connectors.clock import Clock
from syncd.connectors.memory import CAPABILITIES, FIELDS, MemoryConnector, MemorySystem
from syncd.core.fields import FieldType
from syncd.core.record import (
    MINUTE,
    SECOND,
    CollectionName,
    FieldName,
    Json,
    MemberName,
    Micros,
    RecordId,
    Ref,
    SyncName,
    SystemName,
)
from syncd.core.rules import Cap, FieldRule, FirstRun, Guards, MemberField, MemberRule, SyncRules
from syncd.flow.answering import answer_hold
from syncd.flow.engine import Engine, Timing
from syncd.flow.poll import run_pass
from syncd.flow.reconcile import reconcile_once
from syncd.flow.reread import reread_once
from syncd.flow.write import write_once
from syncd.store import control, holds, inbox, journal, links, observations, outbox, planning, suspects, writes
from syncd.store.cursors import Cursor, PassMode
from syncd.store.cursors import load as load_cursor
from syncd.store.database import open_database
from syncd.store.holds import Held, HoldState
from syncd.store.inbox import Arrival
from syncd.store.observations import Place
from syncd.store.outbox import Owed, State

S = SyncName("contacts")
CRM, MAIL = SystemName("crm"), SystemName("mail")
CONTACTS = CollectionName("contacts")
EMAIL, NAME, PHONE, TAGS, PLAN = (FieldName(each) for each in ("email", "name", "phone", "tags", "plan"))
PATHS = {EMAIL: "email", NAME: "name", PHONE: "phone", TAGS: "tags", PLAN: "custom.plan"}
WIDE = Cap(number=10_000, share=1.0)
OPEN_GUARDS = Guards(deletes=WIDE, updates=WIDE, creates=WIDE, blanks=WIDE, delete_grace=10 * MINUTE)
ADA = {"email": "ada@example.com", "name": "Ada"}


class Watch:
    """A clock that stands still but for a millisecond a glance, until it is moved."""

    def __init__(self, at: Micros = 1_800_000_000 * SECOND) -> None:
        self.at = at

    def now(self) -> Micros:
        self.at += 1_000
        return self.at

    def monotonic(self) -> float:
        return self.at / SECOND

    def pass_by(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


def row(name: FieldName, among: Iterable[SystemName] = (CRM, MAIL), **other: Any) -> FieldRule:
    members = frozenset(MemberName(each) for each in among)
    held = {each: MemberField(paths=(PATHS[name],)) for each in members}
    return FieldRule(name=name, **({"type": FIELDS[PATHS[name]].type, "members": held, "sources": members, "targets": members} | other))


def rules(*rows: FieldRule, among: Iterable[SystemName] = (CRM, MAIL), members: Mapping[SystemName, Mapping[str, Any]] | None = None, **other: Any) -> SyncRules:
    """A sync of contacts: every field both ways, matched by e-mail, the crm the source of truth, guards wide open."""
    fields = {each: row(each, among) for each in (EMAIL, NAME, PHONE, TAGS)} | {each.name: each for each in rows}
    sides = {
        MemberName(each): MemberRule(name=MemberName(each), system=each, collection=CONTACTS, **(members or {}).get(each, {}))
        for each in among
    }  # fmt: skip
    given = {"name": S, "match": (EMAIL,), "source_of_truth": MemberName(CRM), "first_run": FirstRun.AUTO, "guards": OPEN_GUARDS}
    return SyncRules(members=sides, fields=fields, **(given | other))


def logger() -> tuple[Any, CapturingLogger]:
    """A logger and what it was told."""
    kept = CapturingLogger()
    return structlog.make_filtering_bound_logger(logging.DEBUG)(kept, [], {}), kept


@dataclass(kw_only=True)
class World:
    """One running syncd and the systems it speaks to."""

    engine: Engine
    far: Mapping[SystemName, MemorySystem]
    clock: Clock
    logged: CapturingLogger
    path: Path
    deliveries: list[int] = field(default_factory=list)

    @property
    def crm(self) -> MemorySystem:
        return self.far[CRM]

    @property
    def mail(self) -> MemorySystem:
        return self.far[MAIL]

    def place(self, system: SystemName) -> Place:
        return (system, CONTACTS)

    # ---- stages, a turn at a time

    async def poll(self, *systems: SystemName, mode: PassMode | None = None) -> int:
        """One pass over each system (all of them unless named)."""
        return sum([await run_pass(self.engine, self.place(each), mode) for each in systems or self.far])

    async def hear(self, *systems: SystemName) -> int:
        """Takes in the webhooks owed, as the listener would; answers how many were new."""
        count = 0
        for system in systems or self.far:
            connector = self.engine.connectors[system]
            assert isinstance(connector, MemoryConnector)
            headers, body = connector.deliver()
            events = connector.receive(headers, body, self.clock.now())
            assert not isinstance(events, WebhookRefused)
            at = self.clock.now()
            arrivals = [
                Arrival(
                    ref=each.ref, dedupe_key=each.dedupe_key, deleted=each.change.value == "deleted", fields=each.fields,
                    full=each.full, occurred_at=each.occurred_at, received_at=at,
                )
                for each in events
            ]  # fmt: skip
            count += await self.engine.database.write(lambda tx, arrivals=arrivals: inbox.accept(tx, arrivals))
        return count

    async def reread(self, *systems: SystemName) -> None:
        """Looks after what is ripe now."""
        for system in systems or self.far:
            await reread_once(self.engine, system)

    async def plan(self, sync: SyncName = S) -> None:
        """Plans until nothing is left to plan."""
        for _ in range(100):
            if not await reconcile_once(self.engine, sync):
                return
        raise AssertionError("planning does not come to an end")

    async def write(self, *systems: SystemName) -> None:
        """Carries out what is due now, in one turn a system."""
        for system in systems or self.far:
            await write_once(self.engine, system)

    async def work(self, turns: int = 10) -> None:
        """Plans and writes until nothing is due."""
        for _ in range(turns):
            await self.plan()
            if not any([await write_once(self.engine, each) for each in self.far]):
                return
        raise AssertionError("writing does not come to an end")

    async def sync(self) -> None:
        """A complete pass over everything, and whatever follows."""
        await self.poll(mode=PassMode.COMPLETE)
        await self.work()

    def later(self, seconds: float) -> None:
        assert isinstance(self.clock, Watch)
        self.clock.pass_by(seconds)

    # ---- looking

    async def read(self, job: Any) -> Any:
        return await self.engine.database.read(job)

    async def holds(self, *states: HoldState) -> list[Held]:
        return await self.read(lambda tx: holds.select(tx, states or (HoldState.OPEN,)))

    async def asked(self) -> list[str]:
        """The kinds of all open holds."""
        return sorted(each.kind.value for each in await self.holds())

    async def outbox(self, *states: State) -> list[Owed]:
        return await self.read(lambda tx: writes.select(tx, states or State))

    async def counts(self) -> dict[str, int]:
        return await self.read(writes.counts)

    async def cursor(self, system: SystemName = CRM) -> Cursor:
        return await self.read(lambda tx: load_cursor(tx, self.place(system)))

    async def suspects(self) -> list[RecordId]:
        return [
            each.ref.id
            for system in (CRM, MAIL)
            for each in await self.read(lambda tx, system=system: suspects.due(tx, system, 2**62, 100))
        ]

    async def observed(self, record_id: RecordId, system: SystemName = CRM) -> Any:
        ref = self.ref(record_id, system)
        return (await self.read(lambda tx: observations.load(tx, [ref]))).get(ref)

    async def links(self) -> list[dict[str, RecordId]]:
        """The records of every link, whatever its state."""

        def load(tx: Any) -> list[dict[str, RecordId]]:
            numbers = [number for (number,) in tx.execute("SELECT id FROM links ORDER BY id")]
            return [{name: each.ref.id for name, each in sorted(link.members.items()) if each.ref} for link in links.load(tx, numbers).values()]

        return await self.read(load)

    async def waiting(self) -> int:
        return await self.read(lambda tx: planning.waiting(tx, S))

    async def sums(self) -> dict[str, int]:
        """The outcomes by name."""
        found: dict[str, int] = {}
        for _, outcome, _, count in await self.read(journal.sums):
            found[outcome] = found.get(outcome, 0) + count
        return found

    async def told(self) -> list[str]:
        """The kinds of all journal rows."""
        return [each.kind for each in await self.read(lambda tx: journal.after(tx, 0))]

    async def answer(self, choice: str, number: int | None = None) -> str:
        """Answers the only open hold, or the one that is named."""
        if number is None:
            (held,) = await self.holds()
            number = held.id
        return await self.engine.database.write(lambda tx: answer_hold(self.engine, tx, number, choice))

    def ref(self, record_id: RecordId, system: SystemName = CRM) -> Ref:
        return Ref(system, CONTACTS, record_id)

    def calls(self, system: SystemName) -> list[str]:
        """The calls made since this was last asked."""
        made = list(self.far[system].calls)
        self.far[system].calls.clear()
        return made

    def log(self, event: str) -> list[dict[str, Any]]:
        """What was logged under this name."""
        return [each.kwargs for each in self.logged.calls if each.kwargs.get("event") == event]

    async def linked(self, crm: Mapping[str, Json] | None = None, mail: Mapping[str, Json] | None = None) -> tuple[RecordId, RecordId]:
        """The same person in both systems, linked and agreed."""
        ids = self.crm.create_as_user(crm or ADA), self.mail.create_as_user(mail or crm or ADA)
        await self.sync()
        assert {"crm": ids[0], "mail": ids[1]} in await self.links()
        for system in self.far:
            self.far[system].news.clear()
            self.calls(system)
        return ids


def systems(clock: Clock, **other: Mapping[str, Any]) -> dict[SystemName, MemorySystem]:
    """The crm and the mail list; more about one of them by its name."""
    return {each: MemorySystem(clock, id_prefix=f"{each}-", **other.get(each, {})) for each in (CRM, MAIL)}


@asynccontextmanager
async def opened(
    folder: Path,
    *given: SyncRules,
    far: Mapping[SystemName, MemorySystem] | None = None,
    clock: Clock | None = None,
    capabilities: Mapping[SystemName, Mapping[str, Any]] | None = None,
    timing: Timing | None = None,
    connectors: Mapping[SystemName, Any] | None = None,
) -> AsyncIterator[World]:
    """A world over the database in `folder`. Opened again with the same `far`, it is the same world after a restart."""
    clock = clock or (next(iter(far.values())).clock if far else Watch())
    far = systems(clock) if far is None else far
    log, logged = logger()
    async with unwrapped(), open_database(folder / "syncd.db") as database:
        spoken = {
            each: MemoryConnector(each, far[each], capabilities=replace(CAPABILITIES, **(capabilities or {}).get(each, {}))) for each in far
        }
        engine = Engine(
            database=database,
            connectors={**spoken, **(connectors or {})},
            syncs={each.name: each for each in given or (rules(among=far),)},
            clock=clock,
            random=Random(1),
            log=log,
            timing=timing or Timing(),
        )

        def begin(tx: Any) -> None:
            for system in engine.connectors:
                control.meet_system(tx, system, f"memory {system}", clock.now())
            for sync in engine.syncs:
                control.meet_sync(tx, sync, "one")
            engine.run_id = journal.start_run(tx, "live", "test", clock.now())
            for system in (CRM, MAIL):
                outbox.recover(tx, system, clock.now())

        await database.write(begin)
        yield World(engine=engine, far=far, clock=clock, logged=logged, path=folder / "syncd.db")


@asynccontextmanager
async def unwrapped() -> AsyncIterator[None]:
    """What a test raises comes out as it is, not in a group of one."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


async def until(check: Any, *, within_s: float = 5.0) -> None:
    """Waits until an async check says yes."""
    with anyio.fail_after(within_s):
        while not await check():
            await anyio.sleep(0.01)


__all__ = [
    "ADA",
    "CONTACTS",
    "CRM",
    "EMAIL",
    "MAIL",
    "NAME",
    "OPEN_GUARDS",
    "PHONE",
    "PLAN",
    "TAGS",
    "Capabilities",
    "FieldType",
    "S",
    "Watch",
    "World",
    "logger",
    "opened",
    "row",
    "rules",
    "systems",
    "until",
    "unwrapped",
]  # fmt: skip
