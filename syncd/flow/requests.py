"""Requests: does what the operator asked through a row in the store, and says how far it is.

The daemon looks for rows whenever another process has committed; without a daemon the command runs this same code itself.
The rule that keeps it true: a request is answered exactly once, with a result or with the error in words; work itself is done by the
other stages. It must not know: the command line.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from syncd.core.errors import PlanMoved, StoreError, UserError
from syncd.core.record import Json, LinkId, Micros, Ref, SyncName, SystemName
from syncd.flow.answering import answer_failures, answer_hold
from syncd.flow.applying import let_go, result_of
from syncd.flow.asked import BY_HAND, note_asked
from syncd.flow.auditing import as_json, audit
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.forgetting import forget, overwrite
from syncd.flow.pause import resume_system
from syncd.flow.planfile import from_json
from syncd.flow.putting_back import put_back
from syncd.flow.removing import begin_removing, remove_all
from syncd.flow.running import answer_run, answer_timer
from syncd.flow.undoing import Undoing, draft
from syncd.flow.work import Backlog, backlog, begin_run, outcome_sums
from syncd.store import control, cursors, drifts, persons, removals
from syncd.store.control import Request
from syncd.store.cursors import PassMode
from syncd.store.database import Connection
from syncd.store.observations import Place

FOLLOW_S = 0.25


async def answer_forever(engine: Engine) -> None:
    """Answers requests until cancelled, each in a task of its own: one that takes long keeps no other waiting."""
    version, attended = -1, set[int]()
    async with anyio.create_task_group() as tasks:
        while True:
            now_at = await engine.database.version()
            if now_at != version:
                version = now_at
                for request in await engine.database.read(control.open_requests):
                    if request.id not in attended:
                        attended.add(request.id)
                        tasks.start_soon(_attend, engine, request)
                engine.bus.ring(Bell.PLAN, Bell.OUTBOX, Bell.INBOX)
            await engine.bus.wait(Bell.REQUESTS, FOLLOW_S)


async def answer_once(engine: Engine) -> None:
    """Answers what is open now, one after the other; a reconcile goes on until there is nothing left to do."""
    for request in await engine.database.read(control.open_requests):
        await _attend(engine, request)


async def answer_one(engine: Engine, number: int) -> None:
    """Answers one request to its end."""
    request = await engine.database.read(lambda tx: control.get_request(tx, number))
    assert request is not None, "a request row was removed"
    await _attend(engine, request)


async def _attend(engine: Engine, request: Request) -> None:
    if request.state == "new":
        await engine.database.write(lambda tx: note_asked(engine, tx, request.by, request.kind, request.arguments))
    try:
        result = await _answer(engine, request)
    except (UserError, StoreError) as error:
        await _report(engine, request, "failed", result=_refusal(error))
    except (KeyError, TypeError, ValueError) as error:
        said = {"error": f"this is no {request.kind} request: {error!r}", "hint": "use the commands of this syncd's own version"}
        await _report(engine, request, "failed", result=said)
    else:
        await _report(engine, request, "done", result=result)


def _refusal(error: UserError | StoreError) -> dict[str, Json]:
    problems = list(error.problems) if isinstance(error, UserError) else []
    return {"error": error.message, "hint": error.hint, "problems": problems, "moved": isinstance(error, PlanMoved)}


async def _answer(engine: Engine, request: Request) -> Json:
    arguments = request.arguments
    match request.kind:
        case "reconcile":
            return await _reconcile(engine, request)
        case "hold":
            number, choice = int(arguments["hold"]), str(arguments["choice"])
            said = await engine.database.write(lambda tx: answer_hold(engine, tx, number, choice))
        case "failures":
            ids, choice = [int(each) for each in arguments["ids"]], str(arguments["choice"])
            said = await engine.database.write(lambda tx: answer_failures(engine, tx, ids, choice))
        case "automation" if "run" in arguments:
            number, choice = int(arguments["run"]), str(arguments["choice"])
            said = await engine.database.write(lambda tx: answer_run(engine, tx, number, choice))
        case "automation":
            name, choice = str(arguments["automation"]), str(arguments["choice"])
            said = await engine.database.write(lambda tx: answer_timer(engine, tx, name, choice))
        case "resume":
            await resume_system(engine, SystemName(str(arguments["system"])))
            said = f"{arguments['system']} is used again"
        case "forget":
            if arguments.get("at_vendors") or await engine.database.read(lambda tx: removals.is_begun(tx, request.id)):
                return await _forget_everywhere(engine, request)
            said = await _forget(engine, request)
        case "apply":
            return await _apply(engine, request)
        case "audit":
            return await _audit(engine, request)
        case "undo":
            return await _undo(engine, request)
        case kind if kind in BY_HAND:
            said = f"{kind} is noted"
        case _:
            raise UserError(f"this syncd knows no request {request.kind!r}", hint="restart the daemon with the same version")
    engine.bus.ring(*Bell)
    engine.log.info("request.done", kind=request.kind, said=said)
    return {"said": said}


async def _forget(engine: Engine, request: Request) -> str:
    """Erases somebody, and then whom this request names too."""
    refs, numbers = [Ref(*each) for each in request.arguments["refs"]], [LinkId(int(each)) for each in request.arguments["links"]]

    def commit(tx: Connection) -> str:
        said = forget(engine, tx, refs, numbers)
        persons.blank_request(tx, request.id)
        return said

    said = await engine.database.write(commit)
    return said + ("" if await overwrite(engine.database) else "; their pages are overwritten at the next start")


async def _forget_everywhere(engine: Engine, request: Request) -> Json:
    """Erases somebody, has their records deleted at the systems, and erases what was needed for that. Goes on where a stop cut it short."""
    if not await engine.database.read(lambda tx: removals.is_begun(tx, request.id)):
        refs, numbers = [Ref(*each) for each in request.arguments["refs"]], [LinkId(int(each)) for each in request.arguments["links"]]
        left = {Ref(*ref): str(why) for ref, why in request.arguments["left"]}
        await engine.database.write(lambda tx: begin_removing(engine, tx, request.id, refs, numbers, left))
        await overwrite(engine.database)
    result = await remove_all(engine, request.id)
    is_overwritten = await overwrite(engine.database)
    return result if is_overwritten else {**result, "said": f"{result['said']}; the pages are overwritten at the next start"}


async def _reconcile(engine: Engine, request: Request) -> Json:
    """Has every collection of the syncs listed completely, and follows until nothing is left to do."""
    began = engine.clock.now()
    names = _wanted(engine, request.arguments)
    engine.run_id = await engine.database.write(lambda tx: _begin(engine, tx, names, began))
    engine.bus.ring(*Bell)
    while True:
        left = await engine.database.read(lambda tx: backlog(engine, tx))
        listed = await engine.database.read(lambda tx: _listed(engine, tx, names))
        await _report(engine, request, "running", progress=left.as_json(engine))
        if listed and left.idle:
            return await _result(engine, left)
        if left.stuck(engine):
            return await _result(engine, left)
        await engine.bus.wait(Bell.REQUESTS, FOLLOW_S)


async def _apply(engine: Engine, request: Request) -> Json:
    """Has everything listed and planned, then lets the writes of a plan go if it still stands, and follows them to their end."""
    plan = from_json(request.arguments["plan"])
    await engine.database.write(lambda tx: control.forget_arguments(tx, request.id))
    names = [name for name in plan.digests if name in engine.syncs]
    began = engine.clock.now()
    engine.run_id = await engine.database.write(lambda tx: _begin(engine, tx, names, began, kind="apply"))
    engine.bus.ring(*Bell)
    await _until_planned(engine, request, names)
    applied = await engine.database.write(lambda tx: let_go(engine, tx, plan))
    while True:
        engine.bus.ring(Bell.OUTBOX)
        result = await result_of(engine, applied)
        if result["over"]:
            run, engine.run_id = engine.run_id, await engine.database.write(lambda tx: begin_run(engine, tx, "live", "after a plan was applied"))
            return {"run": run, **result}
        await _report(engine, request, "running", progress={"writes": result["left"]})
        await engine.bus.wait(Bell.REQUESTS, FOLLOW_S)


async def _audit(engine: Engine, request: Request) -> Json:
    """Has everything listed, so that what is compared is of now, and compares it."""
    names, began = _wanted(engine, {}), engine.clock.now()
    engine.run_id = await engine.database.write(lambda tx: _begin(engine, tx, names, began, kind="audit"))
    engine.bus.ring(*Bell)
    await _until_planned(engine, request, names)
    found = await audit(engine)
    engine.run_id = await engine.database.write(lambda tx: begin_run(engine, tx, "live", "after an audit"))
    return as_json(found, await engine.database.read(drifts.since))


async def _undo(engine: Engine, request: Request) -> Json:
    """Has everything listed, so that edits made since are known, then puts back what was shown and still can be, and follows it to the end."""
    first, last = int(request.arguments["first"]), int(request.arguments["last"])
    shown = [str(each) for each in request.arguments["names"]]
    began, names = engine.clock.now(), list(engine.syncs)
    engine.run_id = await engine.database.write(lambda tx: _begin(engine, tx, names, began, kind="undo", reason=f"#{first} to #{last}"))
    engine.bus.ring(*Bell)
    await _until_planned(engine, request, names)

    def commit(tx: Connection) -> Undoing:
        undoing = draft(tx, engine.syncs, first, last).only(shown)
        put_back(engine, tx, undoing)
        return undoing

    undoing, run = await engine.database.write(commit), engine.run_id
    engine.bus.ring(*Bell)
    while not ((left := await engine.database.read(lambda tx: backlog(engine, tx))).idle or left.stuck(engine)):
        await _report(engine, request, "running", progress=left.as_json(engine))
        await engine.bus.wait(Bell.REQUESTS, FOLLOW_S)
    result = await _result(engine, left)
    engine.run_id = await engine.database.write(lambda tx: begin_run(engine, tx, "live", f"after the undo {run}"))
    done = set(undoing.names)
    return {**result, "run": run, "fields": len(undoing.fields), "records": len(undoing.removals), "left": [each for each in shown if each not in done]}


async def _until_planned(engine: Engine, request: Request, names: list[SyncName]) -> None:
    """Returns when every collection of these syncs has been listed anew and nothing is left to plan."""
    while True:
        left = await engine.database.read(lambda tx: backlog(engine, tx))
        listed = await engine.database.read(lambda tx: _listed(engine, tx, names))
        if (listed and not left.events and not left.plans) or left.stuck(engine):
            return
        await _report(engine, request, "running", progress=left.as_json(engine))
        await engine.bus.wait(Bell.REQUESTS, FOLLOW_S)


def _wanted(engine: Engine, arguments: Mapping[str, Json]) -> list[SyncName]:
    name = arguments.get("sync")
    if name is None:
        return list(engine.syncs)
    if name not in engine.syncs:
        raise UserError(f"no sync is called {name!r}", hint=f"configured: {', '.join(engine.syncs)}")
    return [SyncName(str(name))]


def _begin(engine: Engine, tx: Connection, names: list[SyncName], at: Micros, kind: str = "reconcile", reason: str = "") -> int:
    """Asks for complete passes. One under way is taken for it where it is dear; elsewhere it does not count what was listed before the asking."""
    for place in _places(engine, names):
        is_dear = engine.connectors[place[0]].capabilities(place[1]).pass_every is not None
        if not (is_dear and cursors.load(tx, place).mode is PassMode.COMPLETE):
            cursors.ask_complete(tx, place, at)
    return begin_run(engine, tx, kind, reason or ", ".join(names))


def _places(engine: Engine, names: list[SyncName]) -> list[Place]:
    return sorted({place for name in names for place in engine.syncs[name].places})


def _listed(engine: Engine, tx: Connection, names: list[SyncName]) -> bool:
    return all(not cursors.is_asked(tx, place) for place in _places(engine, names) if place not in engine.closed)


async def _result(engine: Engine, left: Backlog) -> dict[str, Json]:
    outcomes = await engine.database.read(lambda tx: outcome_sums(tx, engine.run_id))
    return {"run": engine.run_id, "outcomes": outcomes, **left.as_json(engine)}


async def _report(engine: Engine, request: Request, state: str, *, progress: Json = None, result: Json = None) -> None:
    at = engine.clock.now() if state in ("done", "failed") else None
    await engine.database.write(
        lambda tx: control.report(tx, request.id, state, progress=progress, result=result, at=at)
    )
