"""Removing: deletes the records of a person who is to be forgotten at the systems themselves.

The person is erased here first, together with the note of what is to be deleted there; from then on no sync knows the records, so none brings
them back or answers their going. Each is looked up by its id before it is deleted, so a deletion whose answer was lost is not taken for a failure.
The rule that keeps it true: what is noted is deleted, or said to be left with why; a stop at any moment leaves it noted. Nothing is deleted
that was not shown.
It must not know: who asked, or how a system deletes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import anyio

from syncd.connectors.quota import Priority, priority
from syncd.core.errors import ConnectorError, Effect, Rejected, StoreError, Unauthorized, Unavailable, UserError
from syncd.core.record import SECOND, Json, LinkId, Ref
from syncd.core.retry import delay, exhausted
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.forgetting import forget, forget_rest
from syncd.flow.pause import is_paused, pause_system
from syncd.store import control, outbox, persons, removals
from syncd.store.database import Connection
from syncd.store.removals import Removal

REST_S = 1.0


def begin_removing(engine: Engine, tx: Connection, request: int, shown: Iterable[Ref], numbers: Iterable[LinkId], left: Mapping[Ref, str]) -> None:
    """Erases a person here and notes what is to be deleted at the systems. Raises UserError where more belongs to them than was shown."""
    person = persons.gather(tx, shown, numbers)
    if unseen := sorted(str(each) for each in person.refs - frozenset(shown)):
        raise UserError(f"more belongs to them than was shown: {', '.join(unseen)}; nothing was done", hint="look again, and say yes to all of it")
    for rules in engine.syncs.values():
        for member in rules.members:
            if any(each.link in person.links for each in outbox.doubtful_creates(tx, rules.name, member)):
                raise UserError(
                    f"whether a record of this person was made in {member} is not known yet; nothing was done",
                    hint="try again once it is found out: `syncd status`, `syncd holds`",
                )
    kept = {each: left[each] if each in left else _unable(engine, each) for each in person.refs}
    removals.note(tx, request, [each for each, why in kept.items() if why is None], {each: why for each, why in kept.items() if why}, engine.clock.now())
    forget(engine, tx, person.refs, person.links)
    persons.blank_request(tx, request)


def _unable(engine: Engine, ref: Ref) -> str | None:
    """Why this record cannot be deleted where it is; None where it can."""
    if ref.system not in engine.connectors or (ref.system, ref.collection) not in engine.places:
        return "it is not configured any more"
    facts = engine.connectors[ref.system].capabilities(ref.collection)
    if not facts.can_delete:
        return "it cannot be deleted from here"
    return None if facts.can_erase else "it can only be put away from here, which deletes nothing"


async def remove_all(engine: Engine, request: int) -> dict[str, Json]:
    """Deletes what is noted for a request, until nothing is owed; answers the request, and what was told."""
    while True:
        try:
            owed = await engine.database.read(lambda tx: removals.owed(tx, request))
            if not owed:
                return await engine.database.write(lambda tx: _end(engine, tx, request))
            now = engine.clock.now()
            for each in owed:
                if each.due_at <= now:
                    await _remove(engine, request, each)
            # What was due is looked at again at once; it is gone, or put off.
            wait_s = (owed[0].due_at - now) / SECOND
        except StoreError as error:
            engine.log.error("store.failed", stage="removing", error=error.message, retry_s=REST_S)  # noqa: TRY400
            await anyio.sleep(REST_S)
            continue
        if wait_s > 0:
            await engine.bus.wait(Bell.REQUESTS, min(wait_s, engine.timing.tick_s))


def _end(engine: Engine, tx: Connection, request: int) -> dict[str, Json]:
    found = removals.of_request(tx, request)
    forget_rest(engine, tx, removals.close(tx, request))
    result: dict[str, Json] = {
        "said": f"what was kept is erased; {found.done} of {found.done + len(found.left)} records were deleted at the systems",
        "deleted": found.done,
        "left": [{"ref": str(ref), "why": why} for ref, why in found.left.items()],
    }
    control.report(tx, request, "done", result=result, at=engine.clock.now())
    engine.log.info("forget.removed", removed=found.done, left=len(found.left))
    return result


async def _remove(engine: Engine, request: int, removal: Removal) -> None:
    """One record: looked up, deleted, and noted."""
    ref = removal.ref
    if (why := _unable(engine, ref)) is not None:
        await engine.database.write(lambda tx: removals.settle(tx, request, ref, why))
    elif is_paused(engine, ref.system, ref.collection):
        await _put_off(engine, request, removal, f"{ref.system} is not used")
    else:
        try:
            with priority(Priority.RETRY if removal.attempts else Priority.LIVE):
                await _delete(engine, request, ref)
        except ConnectorError as error:
            await _failed(engine, request, removal, error)


async def _delete(engine: Engine, request: int, ref: Ref) -> None:
    connector = engine.connectors[ref.system]
    if connector.capabilities(ref.collection).can_get and await connector.get(ref) is None:
        await engine.database.write(lambda tx: removals.settle(tx, request, ref))
        return
    with engine.finishing():
        await connector.delete(ref)
        await engine.database.write(lambda tx: removals.settle(tx, request, ref))


async def _failed(engine: Engine, request: int, removal: Removal, error: ConnectorError) -> None:
    engine.log.warning("forget.not_removed", system=removal.ref.system, error=type(error).__name__, attempt=removal.attempts + 1)
    if isinstance(error, Unauthorized):
        await pause_system(engine, removal.ref.system, error, removal.ref.collection)
    if isinstance(error, Rejected) and error.effect is Effect.NONE:
        await engine.database.write(lambda tx: removals.settle(tx, request, removal.ref, str(error)))
        return
    await _put_off(engine, request, removal, str(error), error.retry_after_s if isinstance(error, Unavailable) else None)


async def _put_off(engine: Engine, request: int, removal: Removal, why: str, wish_s: float | None = None) -> None:
    """It is tried again later; after days of that it is left."""
    if exhausted(removal.attempts + 1):
        await engine.database.write(lambda tx: removals.settle(tx, request, removal.ref, why))
        return
    due_at = engine.clock.now() + delay(removal.attempts + 1, spread=engine.random.random(), wish_s=wish_s)
    await engine.database.write(lambda tx: removals.put_off(tx, request, removal.ref, due_at))
