"""One daemon after another over the same database: started as the daemon starts its stages, killed at any point, started again.

The database is a plain connection in memory, and a job over it is simply called: what was committed is there after a kill, what was not
is not.
The rule that keeps it true: the stages, the store and the planner are the product's own; nothing of a killed run is used again.
It must not know: vendors, or what the run is to prove.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from syncd.core.errors import StoreError, UserError
from syncd.flow import clocks, daemon, rebase
from syncd.flow.answering import plan_everything
from syncd.flow.assemble import WATCHED_AGO
from syncd.flow.automate import advance_forever, automate_forever
from syncd.flow.clock import SteadyClock
from syncd.flow.engine import Engine, Timing
from syncd.flow.notice import notice_forever
from syncd.flow.poll import poll_forever
from syncd.flow.reconcile import reconcile_forever
from syncd.flow.requests import answer_forever
from syncd.flow.reread import reread_forever
from syncd.flow.soundness import look_over_times
from syncd.flow.stepping import ALERTS
from syncd.flow.work import begin_run
from syncd.flow.write import write_forever
from syncd.store import control, notices, observations, outbox, planning
from syncd.store.database import Connection, over_engines
from tests.sim.connector import SimConnector
from tests.sim.database import FullDisk, Mark, copy, emptied, let_go, template, watch
from tests.sim.loop import Ordered, in_life
from tests.sim.operations import SimOperations

if TYPE_CHECKING:
    from tests.sim.world import World

GRACE_S = 2.5
READS_THAT_TAKE_TIME = 0.2
FLIPPED = (("links", "hub"), ("link_members", "base"), ("link_members", "agreed"), ("outbox", "payload"), ("observations", "fields"), ("events", "payload"))


class QuietLog:
    """A log that nobody reads, but for how often which event was told."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _tell(self, event: str, **_facts: Any) -> None:
        self._world.logged[event] += 1

    debug = info = warning = error = exception = _tell


class LoopEngine:
    """Calls jobs where it stands, with the turns of the loop that a thread would have taken."""

    def __init__(self, process: Process, *, writes: bool) -> None:
        self._process = process
        self._writes = writes

    async def call(self, job: Callable[[Any], Any]) -> Any:
        process = self._process
        if process.takes_time and (self._writes or process.world.rng.random() < READS_THAT_TAKE_TIME):
            await process.hop()
        if not self._writes:
            return job(process.connection)
        if process.may_die:
            await process.point("before_commit")
        if process.world.disk_is_full():
            process.world.breaks.append(process.world.loop.vt)
            return job(FullDisk(process.connection))
        result = job(process.connection)
        process.commits += 1
        process.look_for_unplanned()
        if process.may_die:
            await process.point("after_commit")
        if process.hops:
            await process.hop()
        return result


class Process:
    """The daemon's process, life after life."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.life = 0
        self.engine: Engine | None = None
        self.commits = 0
        self.restarts = 0
        self._asked = 0
        self.connection = emptied(world)
        self.other_account = False
        self.mark = Mark()
        self.backups: list[tuple[float, Connection]] = []
        self._countdown: dict[str, int] = {}
        self._scope: anyio.CancelScope | None = None
        self.hops = world.options["hops"]
        self.disk_s: float = world.options["disk_s"]
        self.takes_time = bool(self.hops or self.disk_s)
        self.may_die = world.crash_at is not None or world.script.has("crash")

    def look_for_unplanned(self) -> None:
        """S21: whatever showed something new in a commit is on the list with it, or was planned in it."""
        rows = self.connection.execute("SELECT record_id FROM shown").fetchall()
        if rows:
            lost = self.connection.execute(
                "SELECT record_id FROM shown WHERE record_id NOT IN (SELECT record_id FROM to_plan) ORDER BY record_id"
            ).fetchall()
            if lost:
                self.world.fail("S21", f"{lost} showed something new, and nothing is to come of it")
            self.connection.execute("DELETE FROM shown")

    # ---- being run

    def start(self) -> None:
        """A new life over whatever the database holds."""
        self.life += 1
        self.world.loop.create_task(self._run(self.life), context=in_life(self.life))

    def down(self, after_s: float = 1.0) -> None:
        """Drops the present life where it stands, and starts another after a while."""
        self.world.loop.kill(self.life)
        self.engine = None
        self._scope = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.world.monitors.process_died()
        self.world.breaks.append(self.world.loop.vt)
        self.restarts += 1
        self._start_in(after_s)

    def _start_in(self, after_s: float) -> None:
        """Starts the next life in a while, unless another start was asked for since."""
        self._asked += 1
        asked = self._asked
        self.world.later(after_s, lambda: self.start() if asked == self._asked else None)

    def terminate(self) -> None:
        """SIGTERM: the daemon stops by itself within its grace; one that sleeps hears of it when it wakes."""
        self.world.loop.call_soon(self._stop, context=in_life(self.life))

    def _stop(self) -> None:
        if self.engine is None or self._scope is None:
            return
        self.engine.stop_within(GRACE_S)
        self._scope.cancel()
        self.world.breaks.append(self.world.loop.vt)
        life = self.life

        def check() -> None:
            if self.life == life and self.engine is not None and not self.world.script.has("stall", "suspend"):
                self.world.fail("S9", "SIGTERM: the daemon had not stopped after 5 s")

        self.world.later(5.0, check)

    def reconfigure(self, salt: int) -> None:
        """Other rules from the next life on: killed with the old ones, or stopped as a reload stops it."""
        world = self.world
        world.reconfigure(salt)
        if salt % 2 or self.engine is None:
            self.down(0.5)
        else:
            self.terminate()

    def swap_account(self) -> None:
        """The next start finds another account behind a credential; it must not serve it."""
        self.other_account = True
        self.down(0.5)
        self.world.later(3.0, lambda: setattr(self, "other_account", False))

    def flip(self, salt: int) -> None:
        """A bit of a stored row has turned between two lives."""
        self.down(0.5)
        table, column = FLIPPED[salt % len(FLIPPED)]
        where = " AND state IN ('pending', 'sent', 'unknown')" if table == "outbox" else ""
        rows = self.connection.execute(f"SELECT {column} FROM {table} WHERE length({column}) > 0{where} ORDER BY 1").fetchall()
        if rows:
            (held,) = rows[salt // 7 % len(rows)]
            turned = bytearray(held)
            turned[salt // 49 % len(turned)] ^= 1 << salt % 8
            self.connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (bytes(turned), held))
            # What it held is lost, as after a restore.
            self.world.restored_at.append(self.world.loop.vt)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps; the vendors and the people do not."""
        now = self.world.loop.vt
        self.world.breaks.append(now)
        self.world.frozen.append((now, now + seconds))
        self.world.loop.suspend(self.life, seconds)

    def restore(self, age_s: float) -> None:
        """The database is replaced by a copy of a while ago."""
        old = [data for at, data in self.backups if at <= self.world.loop.vt - age_s] or [data for _, data in self.backups[:1]]
        if not old:
            return
        self.down(2.0)
        self._replace(old[-1])
        self.world.operator.forget()
        self.world.restored_at.append(self.world.loop.vt)

    def lose(self) -> None:
        """The database is gone, and a new one is made in its place."""
        self.down(2.0)
        self._replace(template())
        self.world.operator.forget()
        self.world.restored_at.append(self.world.loop.vt)

    def _replace(self, source: Connection) -> None:
        let_go(self.connection)
        random = self.connection.vault.random
        self.connection = watch(copy(source), self.world)
        self.connection.vault.random = random

    def end(self) -> None:
        """The run is over, and has been judged."""
        let_go(self.connection)

    def back_up(self) -> None:
        """A copy as it would be made while the daemon runs."""
        self.backups.append((self.world.loop.vt, copy(self.connection)))

    async def hop(self) -> None:
        """The time a disk takes, in which others go on, and now and then a few turns of the loop: what a thread would have taken."""
        draw = self.world.rng.random() * 3
        if self.disk_s:
            await asyncio.sleep(self.disk_s * draw)
        for _ in range(int(draw * self.hops) if draw < 1 else 0):
            await asyncio.sleep(0)

    async def point(self, where: str) -> None:
        """A place where the process may die. Does not return if it does."""
        if not self.may_die:
            return
        world = self.world
        if world.crash_at is not None and where.endswith("_commit"):
            world.commit_points += 1
            if world.commit_points == world.crash_at:
                await self._die()
        hit = world.faults.roll("crash", None, where)
        if hit is not None:
            self._countdown["any" if hit.operation == "any" else where] = int(hit.amount)
        for name in ("any", where):
            left = self._countdown.get(name)
            if left is not None:
                if left <= 0:
                    del self._countdown[name]
                    await self._die()
                self._countdown[name] = left - 1

    async def _die(self) -> None:
        self.down(self.world.rng.choice((0.1, 1.0, 20.0)))
        await self.world.loop.create_future()

    # ---- one life

    async def _run(self, life: int) -> None:
        world = self.world
        try:
            async with over_engines(LoopEngine(self, writes=True), LoopEngine(self, writes=False)) as database:
                database.version = self._version  # type: ignore[method-assign] (one connection sees no other commit)
                clock = SteadyClock(world.clock, floor=await database.read(observations.newest))
                engine = Engine(
                    database=database,
                    connectors={name: SimConnector(world, vendor, clock) for name, vendor in world.vendors.items()},
                    syncs={each.name: each for each in (world.rules,)},
                    clock=clock,
                    random=Random(world.script.seed + life),
                    log=QuietLog(world),
                    timing=Timing(**world.timing),
                    shields=Ordered(),  # type: ignore[arg-type]
                )
                if world.automated:
                    engine.automations = world.automated.automations
                    engine.operations = {name: SimOperations(world, each) for name, each in engine.connectors.items()}  # type: ignore[arg-type]
                await self._begin(engine)
                self.engine = engine
                await self._stages(engine)
        except BaseException as error:
            if isinstance(_innermost(error), UserError) and world.hits["swapped"]:
                world.facts["another account refused"] += 1
            elif isinstance(error, BaseExceptionGroup) and not error.subgroup(lambda each: not isinstance(each, StoreError)):
                self.world.breaks.append(world.loop.vt)
            elif not isinstance(error, anyio.get_cancelled_exc_class()):
                world.fail("crash", f"{_innermost(error)!r}", error)
        if self.life == life:
            self.engine = self._scope = None
            self.restarts += 1
            world.monitors.process_died()
            self._start_in(1.0)

    async def _version(self) -> int:
        return self.world.requests

    async def _begin(self, engine: Engine) -> None:
        now = engine.clock.now()

        def begin(tx: Connection) -> None:
            known = control.systems(tx)
            for name in engine.connectors:
                # A new database has nothing to tell another account by: whoever is there then is the one it will know.
                account = f"{'another' if self.other_account and name in known else 'pretended'} {name}"
                if control.meet_system(tx, name, account, now) is not None:
                    raise UserError("another account")
                control.pause(tx, name, None, now)
            if self.world.automated:
                notices.watch(tx, engine.watched, now, recent=now - WATCHED_AGO, backlog=engine.wants_backlog)
                clocks.start(engine, tx)
            engine.run_id = begin_run(engine, tx, "live", "simulated")
            for system in engine.connectors:
                outbox.recover(tx, system, now)
            look_over_times(engine, tx)
            if control.meet_sync(tx, self.world.rules.name, self.world.digest):
                plan_everything(engine, tx, self.world.rules)
                for place in engine.places:
                    planning.enqueue(tx, observations.routed(observations.all_refs(tx, place), engine.routes), now, "rules changed")

        while True:
            try:
                await rebase.notice(engine, self.mark)
                await engine.database.write(begin)
                return
            except StoreError:
                await anyio.sleep(1.0)

    async def _stages(self, engine: Engine) -> None:
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            for place in engine.places:
                tasks.start_soon(daemon._keep_going, engine, poll_forever, engine, place)
            for system in sorted({system for system, _ in engine.places}):
                tasks.start_soon(daemon._keep_going, engine, reread_forever, engine, system)
                tasks.start_soon(daemon._keep_going, engine, write_forever, engine, system)
            tasks.start_soon(daemon._keep_going, engine, reconcile_forever, engine)
            tasks.start_soon(daemon._keep_going, engine, answer_forever, engine)
            if self.world.automated:
                for stage in (notice_forever, clocks.watch_clocks_forever, advance_forever):
                    tasks.start_soon(daemon._keep_going, engine, stage, engine)
                for lane in (ALERTS, *sorted(engine.operations)):
                    tasks.start_soon(daemon._keep_going, engine, automate_forever, engine, lane)
            if self.world.script.has("restore", "lost"):
                # Nobody looks at the mark where nothing is put back.
                tasks.start_soon(daemon._keep_going, engine, rebase.mark_forever, engine, self.mark)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
