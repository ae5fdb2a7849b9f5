"""Requests: each answered once, in words; a reconcile is followed to its end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from syncd.connectors.clock import SystemClock
from syncd.connectors.memory import FaultKind
from syncd.core.errors import Unauthorized, Unavailable
from syncd.core.outcome import HoldKind
from syncd.core.record import SECOND, CollectionName, SyncName
from syncd.core.rules import FirstRun
from syncd.flow.assemble import Assembled
from syncd.flow.daemon import stages
from syncd.flow.engine import Timing
from syncd.flow.pause import is_paused, pause_system, resume_system
from syncd.flow.requests import _begin, answer_once
from syncd.store import control, cursors, visiting
from syncd.store.holds import HoldState
from tests.flow.world import ADA, CONTACTS, CRM, MAIL, S, opened, rules, systems, until

QUICK = Timing(poll_min=60 * SECOND, poll_max=60 * SECOND, quiet=SECOND // 50, quiet_max=SECOND // 10, tick_s=0.05)


async def asked(world, kind, **arguments):
    return await world.engine.database.write(lambda tx: control.ask(tx, kind, arguments, world.clock.now()))


async def answered(world, number):
    return await world.read(lambda tx: control.get_request(tx, number))


@asynccontextmanager
async def running(tmp_path, *given, far=None):
    """A world whose stages run by themselves, on the machine's own clock."""
    async with opened(tmp_path, *given, far=far or systems(SystemClock()), timing=QUICK) as world, stages(Assembled(engine=world.engine, quotas={})) as (tasks, _):
        yield world
        world.engine.stop_within(0.5)
        tasks.cancel_scope.cancel()


async def finished(world, number, within_s=8.0):
    async def over():
        return (await answered(world, number)).state in ("done", "failed")

    await until(over, within_s=within_s)
    return await answered(world, number)


async def test_a_request_is_answered_once(tmp_path):
    """With what was done, in words; a second look finds nothing to do."""
    async with opened(tmp_path, rules(first_run=FirstRun.REVIEW)) as world:
        world.crm.create_as_user(ADA)
        await world.sync()
        (held,) = await world.holds()
        number = await asked(world, "hold", hold=held.id, choice="approve")
        await answer_once(world.engine)
        await answer_once(world.engine)
        found = await answered(world, number)

        assert ("done", "the first run of contacts goes ahead: 1 writes") == (found.state, found.result["said"])


@pytest.mark.parametrize(
    ("kind", "arguments", "error"),
    [
        ("hold", {"hold": 99, "choice": "approve"}, "no open hold 99"),
        ("failures", {"ids": [99], "choice": "retry"}, "no failed write 99"),
        ("reconcile", {"sync": "nope"}, "no sync is called 'nope'"),
        ("dance", {}, "knows no request 'dance'"),
    ],
)
async def test_what_cannot_be_done_fails_in_words(tmp_path, kind, arguments, error):
    """With a hint, and the next request is answered all the same."""
    async with opened(tmp_path) as world:
        numbers = [await asked(world, kind, **arguments), await asked(world, "resume", system="crm")]
        await answer_once(world.engine)
        first, second = [await answered(world, each) for each in numbers]

        assert ("failed", "done") == (first.state, second.state)
        assert error in first.result["error"]
        assert first.result["hint"]


async def test_a_broken_request_does_not_stop_the_rest(tmp_path):
    """A row that lacks its arguments is answered as failed."""
    async with opened(tmp_path) as world:
        numbers = [await asked(world, "hold"), await asked(world, "resume", system="crm")]
        await answer_once(world.engine)

        assert ["failed", "done"] == [(await answered(world, each)).state for each in numbers]


async def test_a_paused_system_goes_on(tmp_path):
    """On a person's word."""
    async with opened(tmp_path) as world:
        await pause_system(world.engine, MAIL, Unauthorized("the key does not fit", system=MAIL), CONTACTS)
        number = await asked(world, "resume", system="mail")
        await answer_once(world.engine)

        assert ({}, "done") == (world.engine.paused, (await answered(world, number)).state)
        assert None is (await world.read(control.systems))[MAIL].paused


async def test_a_reconcile_is_followed_to_the_end(tmp_path):
    """Everything is listed, planned and written before it is done, and its result says what became of what."""
    async with running(tmp_path) as world:
        await finished(world, await asked(world, "reconcile"))
        for n in range(30):
            world.crm.create_as_user({"email": f"p{n}@example.com"})
        number = await asked(world, "reconcile")
        found = await finished(world, number)

        assert ("done", 30) == (found.state, len(world.mail.records()))
        assert (0, 0, 0, []) == tuple(found.result[name] for name in ("events", "plans", "writes", "reading"))
        assert found.result["outcomes"]
        run = await world.read(lambda tx: tx.execute("SELECT kind FROM runs WHERE id = ?", (found.result["run"],)).fetchone())
        assert ("reconcile",) == run


async def test_a_request_left_by_another_process_is_heard(tmp_path):
    """The daemon notices the commit of a stranger without being rung."""
    async with running(tmp_path) as world:
        first = await asked(world, "reconcile")
        await finished(world, first)
        world.crm.create_as_user(ADA)
        number = visiting.leave(world.path, lambda tx: control.ask(tx, "reconcile", {}, world.clock.now()))
        found = await finished(world, number)

        assert ("done", [ADA]) == (found.state, list(world.mail.records().values()))


async def test_a_reconcile_ends_where_a_person_is_needed(tmp_path):
    """What is parked is not waited for."""
    async with running(tmp_path, rules(first_run=FirstRun.REVIEW)) as world:
        world.crm.create_as_user(ADA)
        found = await finished(world, await asked(world, "reconcile"))

        assert ("done", 1, 1) == (found.state, found.result["parked"], found.result["holds"])


async def test_a_hold_can_be_answered_while_a_reconcile_is_followed(tmp_path):
    """A long reconcile does not make the other requests wait."""
    far = systems(SystemClock())
    async with running(tmp_path, rules(first_run=FirstRun.REVIEW), far=far) as world:
        world.crm.create_as_user(ADA)
        await finished(world, await asked(world, "reconcile"))
        (held,) = [each for each in await world.holds() if each.kind is HoldKind.FIRST_RUN]
        far[CRM].faults.add(FaultKind.REFUSED_CONNECTION, "page", count=1000)
        long = await asked(world, "reconcile")

        async def under_way():
            return (await answered(world, long)).state == "running"

        await until(under_way)
        number = await asked(world, "hold", hold=held.id, choice="approve")
        found = await finished(world, number, within_s=3.0)

        assert ("done", "running") == (found.state, (await answered(world, long)).state)
        assert [] == await world.holds(HoldState.OPEN)


async def test_a_reconcile_ends_when_a_system_is_paused(tmp_path):
    """It says so instead of waiting for ever."""
    far = systems(SystemClock())
    far[MAIL].faults.add(FaultKind.UNAUTHORIZED, "page")
    async with running(tmp_path, far=far) as world:
        world.crm.create_as_user(ADA)
        found = await finished(world, await asked(world, "reconcile"))

        assert ("done", ["mail"]) == (found.state, list(found.result["paused"]))


async def test_a_door_that_is_closed_alone_pauses_its_collection_alone(tmp_path):
    """Other collections of the system go on, the last one that is left pauses the system, and a person's word opens all again."""
    others = CollectionName("others")
    first = rules()
    second = replace(
        first, name=SyncName("others"), members={name: replace(each, collection=others) for name, each in first.members.items()}
    )
    async with opened(tmp_path, first, second) as world:
        closed = Unauthorized("a scope is missing", system=MAIL, narrow=True)
        for _ in range(2):
            await pause_system(world.engine, MAIL, closed, CONTACTS)

        assert ({}, {(MAIL, CONTACTS): "a scope is missing"}) == (world.engine.paused, world.engine.closed)
        assert {(MAIL, CONTACTS): "a scope is missing"} == await world.read(control.paused_collections)
        assert (True, False, False) == tuple(is_paused(world.engine, MAIL, each) for each in (CONTACTS, others, None))
        assert 1 == len(world.log("collection.paused"))

        await pause_system(world.engine, MAIL, closed, others)
        assert {MAIL: "a scope is missing"} == world.engine.paused

        await resume_system(world.engine, MAIL)
        assert ({}, {}, {}) == (world.engine.paused, world.engine.closed, await world.read(control.paused_collections))


@pytest.mark.parametrize("every", [None, 3_600 * SECOND], ids=["cheap", "dear"])
async def test_a_reconcile_takes_a_dear_pass_that_is_under_way(tmp_path, every):
    """What was listed before the asking is not listed again where that costs much; elsewhere it is. Where no pass is under way one is begun."""
    far = systems(SystemClock(), crm={"page_size": 1})
    facts = {each: {"incremental": False, "pass_every": every} for each in (CRM, MAIL)}
    async with opened(tmp_path, far=far, capabilities=facts) as world:
        for number in range(3):
            world.crm.create_as_user({**ADA, "email": f"p{number}@example.com"})
        world.crm.faults.add(FaultKind.TIMEOUT_BEFORE, "page", skip=1)
        with pytest.raises(Unavailable):
            await world.poll(CRM)
        await world.engine.database.write(lambda tx: _begin(world.engine, tx, [S], world.clock.now()))
        asked_for = [await world.read(lambda tx, each=each: cursors.is_asked(tx, world.place(each))) for each in (CRM, MAIL)]

        assert [every is None, True] == asked_for
