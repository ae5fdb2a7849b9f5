"""What follows from a call that failed, by the kind of its error.

The rule that keeps it true: what may have happened is never taken for not having happened; one record's refusal is nobody else's.
It must not know: what was being written, or why.
"""

from __future__ import annotations

from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.outcome import Operation
from syncd.core.retry import delay, exhausted
from syncd.flow.engine import Engine
from syncd.flow.pause import pause_system
from syncd.flow.settle import settle_dead
from syncd.store import links, observations, outbox
from syncd.store.database import Connection
from syncd.store.outbox import Owed, State


async def record_failure(engine: Engine, owed: Owed, error: ConnectorError, *, sent: bool, alone: bool = True) -> None:
    """What follows from a failed call, by the kind of its error. `alone`: it travelled by itself, so the refusal is its own."""
    now = engine.clock.now()
    attempts = owed.attempts + 1
    wish_s = error.retry_after_s if isinstance(error, Unavailable) else None
    wait = delay(attempts, spread=engine.random.random(), wish_s=wish_s)
    doubtful = sent and error.effect is Effect.MAYBE
    facts = engine.connectors[owed.ref.system].capabilities(owed.ref.collection)
    if isinstance(error, Unauthorized):
        await pause_system(engine, owed.ref.system, error, owed.ref.collection)
    engine.log.warning(
        "write.failed",
        system=owed.ref.system,
        link=owed.link,
        operation=owed.operation.value,
        error=error.message,
        attempt=attempts,
        doubtful=doubtful,
    )

    def commit(tx: Connection) -> None:
        if owed.state is State.UNKNOWN and not sent:
            # We could not look what became of it: it stays as doubtful as it was.
            outbox.settle(tx, owed, State.UNKNOWN, now, error=owed.error, due_at=now + wait, attempted=True)
        elif doubtful:
            lag = facts.index_lag if owed.operation is Operation.CREATE else 0
            due_at = now if lag and _has_turned_up(tx, owed) else now + max(lag, wait)
            outbox.settle(tx, owed, State.UNKNOWN, now, error=_worded(error), due_at=due_at)
        elif isinstance(error, Stale):
            observations.suspect(tx, [owed.ref] if owed.ref.id else [], f"the vendor said: {error.message}", now)
            outbox.settle(tx, owed, State.PENDING, now, error=_worded(error), due_at=now + wait)
        elif (isinstance(error, Rejected) and alone) or exhausted(attempts):
            settle_dead(engine, tx, owed, str(error))
        else:
            outbox.settle(tx, owed, State.PENDING, now, error=_worded(error), due_at=now + wait, attempted=not sent)

    await engine.database.write(commit)


def _has_turned_up(tx: Connection, owed: Owed) -> bool:
    """Whether what a create made was seen and linked before we heard that its answer is lost: then nothing needs to be waited for."""
    member = links.load(tx, [owed.link])[owed.link].members.get(owed.member)
    return member is not None and member.ref is not None


def _worded(error: ConnectorError) -> str:
    """The error as it is kept beside the write; a refusal is marked, so that the probe after it knows not to try again."""
    return f"rejected: {error}" if isinstance(error, Rejected) else str(error)
