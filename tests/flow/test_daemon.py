"""The daemon: all stages together, a vendor that hangs, a store that fails, signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import asynccontextmanager

import anyio
import pytest

from syncd.connectors.clock import SystemClock
from syncd.connectors.memory import FaultKind, MemoryConnector
from syncd.core.record import SECOND
from syncd.flow import daemon
from syncd.flow.assemble import Assembled
from syncd.flow.daemon import stages
from syncd.flow.engine import Timing
from syncd.store import inbox
from tests.flow.world import ADA, CRM, MAIL, logger, opened, systems, until

QUICK = Timing(poll_min=SECOND // 5, poll_max=SECOND // 2, quiet=SECOND // 50, quiet_max=SECOND // 10, tick_s=0.05)


@asynccontextmanager
async def running(tmp_path, far, **other):
    async with opened(tmp_path, far=far, timing=QUICK, **other) as world, stages(Assembled(engine=world.engine, quotas={})) as (tasks, _):
        yield world
        world.engine.stop_within(0.5)
        tasks.cancel_scope.cancel()


def shows(system, expected):
    async def check():
        return sorted(map(str, system.records().values())) == sorted(map(str, expected))

    return check


async def test_changes_travel_by_themselves(tmp_path):
    """Made here, it appears there; edited there, it changes here; and then there is rest."""
    far = systems(SystemClock())
    async with running(tmp_path, far) as world:
        world.crm.create_as_user(ADA)
        await until(shows(world.mail, [ADA]))
        world.mail.edit_as_user("mail-1", {"name": "Ada L"})
        await until(shows(world.crm, [{**ADA, "name": "Ada L"}]))
        written = len(world.crm.log), len(world.mail.log)
        await anyio.sleep(0.7)

        assert written == (len(world.crm.log), len(world.mail.log))


class Hanging(MemoryConnector):
    """Takes writes and never answers; does not even let go when it is asked to."""

    def __init__(self, *given, **other):
        super().__init__(*given, **other)
        self.struck = anyio.Event()

    async def create(self, collection, fields):
        await super().create(collection, fields)
        self.struck.set()
        await anyio.sleep_forever()


async def test_a_hanging_vendor_does_not_keep_us(tmp_path):
    """Told to stop while a call hangs, everything is over within the grace, and the call is looked into after the restart."""
    far = systems(SystemClock())
    speaker = Hanging(MAIL, far[MAIL])
    began = 0.0
    async with opened(tmp_path, far=far, timing=QUICK, connectors={MAIL: speaker}) as world:
        async with stages(Assembled(engine=world.engine, quotas={})) as (tasks, _):
            world.crm.create_as_user(ADA)
            with anyio.fail_after(5):
                await speaker.struck.wait()
            began = time.monotonic()
            world.engine.stop_within(0.5)
            tasks.cancel_scope.cancel()
        took = time.monotonic() - began
        assert took < 1.0
        assert {"sent": 1} == await world.counts()
    async with running(tmp_path, far) as world:

        async def settled():
            return {"done": 1} == await world.counts()

        await until(settled)
        assert [ADA] == list(world.mail.records().values())


def test_the_grace_is_within_the_limit():
    """SIGTERM to exit takes five seconds at most, and half of them are for closing things on a busy disk."""
    assert daemon.STOP_GRACE_S <= 2.5


async def test_a_store_that_fails_rests_the_stages(tmp_path):
    """While nothing can be committed nothing is written to any vendor; when it can be again, everything goes on by itself."""
    far = systems(SystemClock())
    async with running(tmp_path, far) as world:
        world.crm.create_as_user(ADA)
        await until(shows(world.mail, [ADA]))
        writer = world.engine.database._writer
        await writer.call(lambda connection: connection.execute("PRAGMA query_only=ON"))
        world.crm.edit_as_user("crm-1", {"name": "Ada L"})

        async def noticed():
            return bool(world.log("store.failed"))

        await until(noticed)
        await anyio.sleep(0.3)
        assert "Ada" == world.mail.records()["mail-1"]["name"]
        await writer.call(lambda connection: connection.execute("PRAGMA query_only=OFF"))
        await until(shows(world.mail, [{**ADA, "name": "Ada L"}]), within_s=10)

        assert 2 == len(world.mail.log)


@pytest.mark.parametrize("operation", ["page", "get", "create", "update", "find"])
async def test_a_vendor_that_refuses_everything_stops_nobody(tmp_path, operation):
    """Whatever a vendor refuses, the stages of the other system go on."""
    far = systems(SystemClock())
    far[MAIL].faults.add(FaultKind.REJECTED, operation, count=10_000)
    async with running(tmp_path, far) as world:
        world.crm.create_as_user(ADA)
        world.mail.create_as_user({"email": "ben@example.com"})

        async def crm_is_read():
            return await world.observed("crm-1") is not None

        await until(crm_is_read)
        await anyio.sleep(0.5)
        world.crm.create_as_user({"email": "eve@example.com"})

        async def crm_is_read_again():
            return await world.observed("crm-2") is not None

        await until(crm_is_read_again)


async def test_a_key_that_does_not_fit_is_said_once(tmp_path):
    """The paused system is left alone; the other one is read."""
    far = systems(SystemClock())
    far[MAIL].faults.add(FaultKind.UNAUTHORIZED, "*", count=10_000)
    async with running(tmp_path, far) as world:

        async def paused():
            return MAIL in world.engine.paused

        await until(paused)
        world.calls(MAIL)
        world.crm.create_as_user(ADA)
        await anyio.sleep(0.5)

        assert ([], 1) == (world.calls(MAIL), len(world.log("system.paused")))
        assert await world.observed("crm-1", CRM) is not None


async def test_webhooks_travel_through_all_stages(tmp_path):
    """From the inbox to the other system without a poll in between."""
    far = systems(SystemClock())
    slow = Timing(poll_min=60 * SECOND, poll_max=60 * SECOND, quiet=SECOND // 50, quiet_max=SECOND // 10, tick_s=0.05)
    async with opened(tmp_path, far=far, timing=slow) as world, stages(Assembled(engine=world.engine, quotas={})) as (tasks, _):

        async def listed():
            return all([(await world.cursor(each)).complete_at for each in far])

        await until(listed)
        world.crm.create_as_user(ADA)
        await world.hear(CRM)
        await until(shows(world.mail, [ADA]))
        assert 0 == await world.read(inbox.count_waiting)
        tasks.cancel_scope.cancel()


# ---- signals


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, (True, False)), (signal.SIGINT, (True, False)), (signal.SIGHUP, (False, True))])
async def test_signals_are_heard_from_the_first_moment(number, expected):
    """TERM and INT stop, HUP reloads; one that comes before anybody waits is not lost, and a stop ends a start under way."""
    log, _ = logger()
    told = daemon._Told(log)
    async with anyio.create_task_group() as tasks:
        await tasks.start(told.listen)
        with anyio.CancelScope() as starting:
            told.starting = starting
            os.kill(os.getpid(), number)
            with anyio.fail_after(3):
                await told.anything()
            await anyio.sleep(0)
        tasks.cancel_scope.cancel()

    assert expected == (told.stop, told.reload)
    assert told.stop == starting.cancel_called


@pytest.mark.parametrize(
    ("table", "column"), [("observations", "fields"), ("links", "hub"), ("link_members", "base"), ("outbox", "payload"), ("events", "payload")]
)
async def test_a_damaged_row_is_told_and_does_no_harm(tmp_path, table, column):
    """Bytes that changed by themselves are never written to a vendor; the row is made good, and everything goes on."""
    far = systems(SystemClock())
    async with opened(tmp_path, far=far, timing=QUICK) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        world.crm.edit_as_user("crm-1", {"name": "Ada L"})
        if table == "outbox":
            await world.poll(CRM)
            await world.plan()
        if table == "events":
            await world.hear(CRM)

        def spoil(tx):
            tx.create_function("spoilt", 1, lambda data: data and data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
            return tx.execute(f"UPDATE {table} SET {column} = spoilt({column}) WHERE {column} <> spoilt({column})").rowcount

        assert 0 < await world.engine.database.write(spoil)
    async with running(tmp_path, far) as world:

        async def told():
            return [table] == sorted({each["table"] for each in world.log("row.damaged")})

        await until(shows(world.mail, [{**ADA, "name": "Ada L"}]), within_s=10)
        await until(told)

        assert {"Ada", "Ada L"} >= {each["name"] for each in (*world.crm.records().values(), *world.mail.records().values())}


async def test_a_commit_that_does_not_end_is_no_progress(tmp_path, monkeypatch):
    """The thread that writes hangs: it is known after a while, and is over with it; a file that is written anew is waited for."""
    monkeypatch.setattr(daemon, "STALLED_S", 0.2)
    held, begun = threading.Event(), threading.Event()
    async with opened(tmp_path) as world, anyio.create_task_group() as tasks:
        assert daemon._stalled(world.engine) is None
        tasks.start_soon(world.engine.database.write, lambda _tx: (begun.set(), held.wait(30)))
        try:
            with anyio.fail_after(20):
                while daemon._stalled(world.engine) is None:
                    await anyio.sleep(0.02)
            said = daemon._stalled(world.engine)
            world.engine.database.is_shrinking = True
            shrinking = daemon._stalled(world.engine)
            world.engine.database.is_shrinking = False
        finally:
            held.set()
    assert ("commit", None, None, True) == (said, shrinking, daemon._stalled(world.engine), begun.is_set())
