"""Assembling: from checked settings to an engine that can run.

Opens the store and the connectors, makes sure each system is still the account it was, resolves custom fields against what the vendors
have now, notices changed rules, and recovers what a crash left in the air.
The rule that keeps it true: a system that cannot be reached at start does not keep the others from working; what it last showed of its
fields is used until it answers.
It must not know: which command asked, or what the stages do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from random import Random

import anyio
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from syncd.config import Settings
from syncd.config.settings import SystemSettings
from syncd.connectors.base import Connector, Schema
from syncd.connectors.findings import Finding, Probing
from syncd.connectors.ledger import Bridging
from syncd.connectors.operating import CatalogueOperations, Operations
from syncd.connectors.quota import Quota
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.errors import ConnectorError, Unauthorized, UserError
from syncd.core.fields import load_everything
from syncd.core.record import DAY, Json, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.flow import clocks
from syncd.flow import schemas as schemas_of
from syncd.flow.answering import plan_everything
from syncd.flow.clock import SteadyClock
from syncd.flow.engine import Clock, Engine, Timing
from syncd.flow.forgetting import forget_again
from syncd.flow.home import database_path
from syncd.flow.pause import pause_system
from syncd.flow.rebase import FileMark, notice
from syncd.flow.soundness import look_over_times
from syncd.flow.stepping import ALERTS
from syncd.flow.work import begin_run, end_run
from syncd.store import control, holds, links, notices, observations, outbox, planning, runs
from syncd.store.bridge import BridgeLedger
from syncd.store.database import Connection, Database
from syncd.store.observations import Place
from syncd.store.retention import Keep
from syncd.store.tokens import Beside, Door, FormerKey, Keeping

PATIENCE_S = 1.5
WATCHED_AGO = DAY
"""A collection that a sync polled so recently need not be listed anew before automations are told of what turns up in it."""


@dataclass(slots=True, kw_only=True)
class Assembled:
    """An engine with the quotas its systems share."""

    engine: Engine
    quotas: Mapping[SystemName, Quota]


@asynccontextmanager
async def assemble(
    settings: Settings, database: Database, *, clock: Clock, random: Random, log: FilteringBoundLogger, reason: str
) -> AsyncIterator[Assembled]:
    """An engine over an open database for the length of the block. Raises UserError where going on would be unsafe."""
    load_everything()
    clock = SteadyClock(clock, floor=await database.read(observations.newest))
    async with AsyncExitStack() as stack:
        known = await database.read(control.systems)
        saved = {name: row.quota for name, row in known.items() if row.quota is not None}
        answers = {name: (row.detail or {}).get("answers", {}) for name, row in known.items()}
        operations: dict[SystemName, Operations] = {}
        connectors, quotas = await connect_systems(
            settings, clock, stack, saved, door=database, answers=answers, operations=operations
        )
        engine = Engine(
            database=database,
            connectors=connectors,
            syncs=settings.syncs,
            clock=clock,
            random=random,
            log=log,
            timing=timing_of(settings),
            automations=settings.automations,
            operations=operations,
            secrets=settings.secrets,
        )
        await _meet_systems(engine, settings)
        await notice(engine, FileMark(database.path))
        await forget_again(engine)
        await _resolve_fields(engine, settings)
        await database.write(lambda tx: _begin(engine, tx, settings, reason))
        await keep_measurements(engine, quotas)
        try:
            yield Assembled(engine=engine, quotas=quotas)
        finally:
            await keep_measurements(engine, quotas)
            await engine.tally.keep(database)
            await database.write(lambda tx: end_run(engine, tx))


def timing_of(settings: Settings) -> Timing:
    """The daemon's timing as configured."""
    daemon = settings.daemon
    return Timing(
        poll_min=daemon.poll_min,
        poll_max=daemon.poll_max,
        full_pass=daemon.full_pass,
        quiet=daemon.quiet,
        quiet_max=daemon.quiet_max,
        keep=Keep(events=daemon.keep_events, writes=daemon.keep_writes, story=daemon.keep_story),
    )


async def keep_measurements(engine: Engine, quotas: Mapping[SystemName, Quota]) -> None:
    """Keeps what is spent of every quota, so that a restart does not spend it twice, and what was found out about vendors."""
    now = engine.clock.now()
    found = {name: each.findings() for name, each in engine.connectors.items() if isinstance(each, Probing)}

    def commit(tx: Connection) -> None:
        known = control.systems(tx)
        for system, quota in quotas.items():
            if system in known:
                detail = _with_findings(known[system].detail, found[system]) if system in found else known[system].detail
                control.note_system(tx, system, quota=quota.save(), detail=detail, at=now)

    await engine.database.write(commit)


def _with_findings(detail: Json, found: Sequence[Finding]) -> Json:
    """What is kept of a system, with what is known now of what its vendor leaves open; what was learnt by the way is used again."""
    learnt = {each.setting: each.answer for each in found if each.answer is not None and not each.asked_anew}
    told = [
        {"question": each.question, "setting": each.setting, "answer": each.answer, "consequence": each.consequence} for each in found
    ]
    return {**(detail or {}), "answers": {**(detail or {}).get("answers", {}), **learnt}, "findings": told}


async def connect_systems(
    settings: Settings,
    clock: Clock,
    stack: AsyncExitStack,
    saved: Mapping[SystemName, Json] | None = None,
    *,
    door: Door | None = None,
    answers: Mapping[SystemName, Mapping[str, Json]] | None = None,
    operations: dict[SystemName, Operations] | None = None,
) -> tuple[dict[SystemName, Connector], dict[SystemName, Quota]]:
    """Opens every system's connector for the life of `stack`; those of one credential share a quota, going on from what was `saved`.

    `door` leads to the database, where tokens are kept (without one, beside the daemon); `answers` are what was found out about systems.
    What can be called by name is put into `operations`.
    """
    shared: dict[str, Quota] = {}
    connectors: dict[SystemName, Connector] = {}
    quotas: dict[SystemName, Quota] = {}
    for name, system in settings.systems.items():
        kind = KINDS[system.kind]
        key = kind.quota_key(system.options)
        options = answered(system.options, (answers or {}).get(name, {}))
        keeper = keeper_of(settings, name, clock, door)
        opened = await stack.enter_async_context(
            open_connector(kind, name, options, clock=clock, quota=shared.get(key), keeper=keeper)  # type: ignore[arg-type]
        )
        if operations is not None and kind.operations is not None:
            operations[name] = CatalogueOperations(opened.session, kind.operations, kind.known_values(system.options), kind.between)
        if isinstance(opened.connector, Bridging):
            opened.connector.keep_in(BridgeLedger(door or Beside(database_path(settings))))
        if key not in shared and saved is not None and name in saved:
            opened.quota.restore(saved[name])
        shared[key] = opened.quota
        connectors[name], quotas[name] = opened.connector, opened.quota
    return connectors, quotas


def keeper_of(settings: Settings, system: SystemName, clock: Clock, door: Door | None = None) -> Keeping | None:
    """Who keeps a system's tokens; None where it has none that are replaced. Raises UserError where its `token_key` is none."""
    configured = settings.systems[system]
    kind = KINDS[configured.kind]
    if not kind.renews(configured.options):
        return None
    former = kind.token_key(configured.options)
    key = FormerKey(former.get_secret_value()) if former is not None else None
    return Keeping(door or Beside(database_path(settings)), system, clock.now, key)


def answered(options: BaseModel, answers: Mapping[str, Json]) -> BaseModel:
    """The options with what was found out, where the operator does not say it."""
    open_ones = {name: value for name, value in answers.items() if value is not None and getattr(options, name, "") is None}
    return type(options).model_validate({**dict(options), **open_ones}) if open_ones else options


def identity_of(system: SystemSettings) -> str:
    """Which account a system is, as it is kept."""
    return f"{system.kind} {KINDS[system.kind].identity(system.options)}".strip()


async def _meet_systems(engine: Engine, settings: Settings) -> None:
    """A system that is suddenly another account would look as if every record had been deleted: refuse."""

    def commit(tx: Connection) -> None:
        for name, system in settings.systems.items():
            identity = identity_of(system)
            other = control.meet_system(tx, name, identity, engine.clock.now())
            if other is not None:
                raise UserError(
                    f"{name} used to be {other} and is now {identity}",
                    hint="give the new account another system name, or start with an empty state directory",
                )
            control.pause(tx, name, None, engine.clock.now())

    await engine.database.write(commit)


async def _resolve_fields(engine: Engine, settings: Settings) -> None:
    """Finds the vendor's own paths of custom fields, and what may be written, from the vendors' schemas as they are now."""
    schemas: dict[Place, Schema] = {}

    async def ask(place: Place) -> None:
        schema = await _schema(engine, place)
        if schema is not None:
            schemas[place] = schema

    async with anyio.create_task_group() as tasks:
        for place in engine.places:
            tasks.start_soon(ask, place)
    resolved: dict[SyncName, SyncRules] = {}
    asked: list[tuple[holds.Question, bool]] = []
    for name, rules in settings.syncs.items():
        resolved[name], questions = schemas_of.resolve(rules, settings, schemas)
        asked += questions
    engine.syncs = resolved
    engine.automations = {name: schemas_of.resolve_automation(each, settings, schemas) for name, each in settings.automations.items()}
    for question, is_lost in asked:
        if is_lost:
            engine.log.warning(
                "field.unknown", sync=question.sync, member=question.member, field=question.field, reason=question.reason
            )

    def commit(tx: Connection) -> None:
        holds.ask(tx, [question for question, is_lost in asked if is_lost], engine.clock.now())
        for question, is_lost in asked:
            if not is_lost:
                holds.close(tx, question.key, engine.clock.now())

    await engine.database.write(commit)


async def _schema(engine: Engine, place: Place) -> Schema | None:
    system, collection = place
    known = (await engine.database.read(schemas_of.kept)).get(place)
    try:
        # A vendor that is slow now does not keep us from starting with what it last said.
        with anyio.fail_after(PATIENCE_S if known is not None else None):
            schema = await engine.connectors[system].discover(collection)
    except TimeoutError:
        engine.log.warning("discovery.slow", system=system)
    except Unauthorized as error:
        await pause_system(engine, system, error, collection)
    except ConnectorError as error:
        engine.log.warning("discovery.failed", system=system, error=error.message)
    else:
        await engine.database.write(lambda tx: schemas_of.keep(tx, system, schema, engine.clock.now()))
        return schema
    return known


def _leave(engine: Engine, tx: Connection, rules: SyncRules) -> None:
    """A member that was pointed at another collection has left the old one: its links let go of those records, and nothing is deleted there."""
    for member in rules.members.values():
        left = links.moved_away(tx, rules.name, member.name, (member.system, member.collection))
        for link in links.load(tx, left).values():
            members = {name: each for name, each in link.members.items() if name != member.name}
            outbox.cancel(tx, [(link.id, member.name)], engine.clock.now())
            links.save(tx, [replace(link, members=members, revision=link.revision + 1)], engine.clock.now())
        if left:
            engine.log.warning("member.moved", sync=rules.name, member=member.name, links=len(left), now=f"{member.system}/{member.collection}")


def _begin(engine: Engine, tx: Connection, settings: Settings, reason: str) -> None:
    """A new run; what a crash left in the air is of unknown outcome; changed rules are applied to everything."""
    now = engine.clock.now()
    notices.watch(tx, engine.watched, now, recent=now - WATCHED_AGO, backlog=engine.wants_backlog)
    clocks.start(engine, tx)
    runs.leave_lanes(tx, [ALERTS, *engine.operations], now)
    engine.run_id = begin_run(engine, tx, reason, ", ".join(settings.syncs))
    in_the_air = sum(outbox.recover(tx, system, engine.clock.now()) for system in engine.connectors)
    if in_the_air:
        engine.log.warning("writes.recovered", unknown=in_the_air)
    look_over_times(engine, tx)
    for name, digest in settings.digest.items():
        if not control.meet_sync(tx, name, digest):
            continue
        engine.log.info("rules.changed", sync=name)
        _leave(engine, tx, engine.syncs[name])
        plan_everything(engine, tx, engine.syncs[name])
        for place in sorted(engine.syncs[name].places):
            refs = observations.all_refs(tx, place)
            planning.enqueue(tx, observations.routed(refs, engine.routes), engine.clock.now(), "rules changed")
