"""Making many: creates that travel in one call, where the vendor takes them so.

Each is looked for first, *sent* is committed for all before the call, and each is settled by its own answer. A call that was refused as a
whole, and surely did nothing, is made again in halves, until whatever the vendor does not take stands alone.
The rule that keeps it true: what is true of one create is true of each in a batch: a lost answer leaves every one of them in doubt, to be
looked for by its keys, and what one record does wrong is no other's failure.
It must not know: how writes are scheduled, or a vendor's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from syncd.connectors.base import Created, CreatesMany, Exists
from syncd.core.errors import ConnectorError, Effect, Rejected, Unavailable
from syncd.core.record import Json, Record, Ref
from syncd.flow.binding import bound_for
from syncd.flow.engine import Engine
from syncd.flow.failing import record_failure
from syncd.flow.prepare import LOOKERS, is_wanted, native
from syncd.flow.probe import is_there_already
from syncd.flow.settle import settle_adopted, settle_done
from syncd.store import outbox
from syncd.store.database import Connection
from syncd.store.outbox import Owed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A create that is still wanted and that nobody was found for, in the vendor's words."""

    owed: Owed
    fields: dict[str, Json]


async def create_many(engine: Engine, group: Sequence[Owed]) -> None:
    """Creates of one collection, each to its recorded outcome."""
    ready = await _prepare_all(engine, group)
    with engine.finishing():
        sent = await engine.database.write(lambda tx: outbox.mark_sent(tx, [each.owed for each in ready], engine.clock.now()))
        held = {each.id for each in sent}
        await _make(engine, [each for each in ready if each.owed.id in held])


async def adopt(engine: Engine, owed: Owed, answer: Exists) -> None:
    """The vendor refused to make a second record and named the first: it is read, and joins the link."""
    seen_at = engine.clock.now()
    try:
        record = await engine.connectors[owed.ref.system].get(Ref(owed.ref.system, owed.ref.collection, answer.id))
    except ConnectorError as error:
        await record_failure(engine, owed, error, sent=True)
        return
    if record is None:
        trouble = Unavailable(f"{owed.ref.system} names {answer.id} as existing and does not show it", system=owed.ref.system)
        await record_failure(engine, owed, trouble, sent=True)
        return
    await engine.database.write(
        lambda tx: settle_adopted(engine, tx, owed, record, seen_at, f"the vendor had it, by {answer.key}")
    )


async def _prepare_all(engine: Engine, group: Sequence[Owed]) -> list[_Ready]:
    """Looks for each, side by side; who is there already is adopted, and who cannot be looked for now is put back."""
    ready: list[_Ready] = []
    queue = iter(group)

    async def prepare() -> None:
        for owed in queue:
            try:
                if not await is_wanted(engine, owed):
                    continue
                there = await is_there_already(engine, owed, refused_doubles=False)
            except ConnectorError as error:
                await record_failure(engine, owed, error, sent=False, alone=False)
                continue
            if there is None:
                ready.append(_Ready(owed=owed, fields=native(await bound_for(engine, owed), owed, {})))
            else:
                await _settle_found(engine, owed, *there)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(LOOKERS, len(group))):
            tasks.start_soon(prepare)
    return ready


async def _settle_found(engine: Engine, owed: Owed, record: Record, seen_at: int) -> None:
    await engine.database.write(lambda tx: settle_adopted(engine, tx, owed, record, seen_at, "found by its keys"))


async def _make(engine: Engine, ready: list[_Ready]) -> None:
    """One call for all of these, which are marked as sent; in halves where it is refused."""
    if not ready:
        return
    ref = ready[0].owed.ref
    connector = engine.connectors[ref.system]
    assert isinstance(connector, CreatesMany), "a connector that takes many creates in one call says so"
    seen_at = engine.clock.now()
    answers: Sequence[Created | Exists | ConnectorError]
    try:
        answers = await connector.create_many(ref.collection, [each.fields for each in ready])
    except Rejected as error:
        if error.effect is Effect.NONE and len(ready) > 1:
            await _make(engine, ready[: len(ready) // 2])
            await _make(engine, ready[len(ready) // 2 :])
            return
        answers = [error] * len(ready)
    except ConnectorError as error:
        answers = [error] * len(ready)
    await _settle(engine, ready, answers, seen_at)


async def _settle(
    engine: Engine, ready: Sequence[_Ready], answers: Sequence[Created | Exists | ConnectorError], seen_at: int
) -> None:
    made = [(each.owed, answer.record) for each, answer in zip(ready, answers, strict=True) if isinstance(answer, Created)]

    def commit(tx: Connection) -> None:
        for owed, record in made:
            settle_done(engine, tx, owed, record, seen_at, "created, with others")

    if made:
        await engine.database.write(commit)
    for each, answer in zip(ready, answers, strict=True):
        if isinstance(answer, Exists):
            await adopt(engine, each.owed, answer)
        elif isinstance(answer, ConnectorError):
            await record_failure(engine, each.owed, answer, sent=True, alone=len(ready) == 1)
