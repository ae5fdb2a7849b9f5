"""Forgetting a person: erases all that is kept of one, and keeps who was forgotten from coming in again.

The rule that keeps it true: a record that is linked is nobody who was forgotten; one that is not, and shows a key of somebody who was, is not
taken in either.
It must not know: which tables there are, or how a person is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.core.errors import StoreError
from syncd.core.record import FieldName, LinkId, Ref
from syncd.core.rules import SyncRules
from syncd.flow.engine import Engine
from syncd.flow.linking import ref_of
from syncd.store import forgotten, links, persons
from syncd.store.database import Connection, Database
from syncd.store.planning import DuePlan

TRIES = 4
Keyed = tuple[DuePlan, Mapping[FieldName, str]]


def forget(engine: Engine, tx: Connection, refs: Iterable[Ref], numbers: Iterable[LinkId]) -> str:
    """Erases whom these belong to; what was done, in words that name nobody."""
    person = persons.gather(tx, refs, numbers)
    first_keys = {name: rules.match for name, rules in engine.syncs.items()}
    gone = persons.erase(tx, person, engine.routes, first_keys, engine.clock.now())
    return f"{sum(gone.values())} rows of {len(person.refs)} records were erased"


def forget_rest(engine: Engine, tx: Connection, refs: Iterable[Ref]) -> None:
    """Erases what was still needed of somebody who was forgotten, until their records were deleted at the systems, and what came in since."""
    for ref, number in forgotten.numbers_of(tx, refs).items():
        persons.erase(tx, persons.gather(tx, [ref], []), engine.routes, {}, engine.clock.now(), known_as=number)


async def forget_again(engine: Engine) -> None:
    """At the start: erases whom an older database that was put back has brought back."""

    def commit(tx: Connection) -> bool:
        found = forgotten.returned(tx)
        for ref, number in found.items():
            persons.erase(tx, persons.gather(tx, [ref], []), engine.routes, {}, engine.clock.now(), known_as=number)
        return bool(found)

    if await engine.database.write(commit):
        await overwrite(engine.database)


async def overwrite(database: Database) -> bool:
    """Overwrites the pages of what was erased; False where readers are in the way, and the next start does it."""
    for _ in range(TRIES):
        try:
            await database.shrink()
        except StoreError:
            continue
        return True
    return False


def keep_out(engine: Engine, tx: Connection, rules: SyncRules, keyed: Sequence[Keyed]) -> list[Keyed]:
    """The items without those that are not linked and show a key of somebody who was to be forgotten; those are erased."""
    if not forgotten.is_anybody(tx):
        return list(keyed)
    marks = {
        forgotten.mark_of_key(tx, rules.name, name, value): due for due, keys in keyed for name, value in keys.items() if name in rules.match
    }
    known = forgotten.among(tx, marks)
    if not known:
        return list(keyed)
    linked = links.links_of(tx, [marks[mark].item for mark in known])
    out = {marks[mark].item: mark for mark in known if marks[mark].item not in linked}
    for item, mark in out.items():
        person = persons.gather(tx, [ref_of(rules, item)], [])
        persons.erase(tx, person, engine.routes, {}, engine.clock.now(), known_as=known[mark])
    forgotten.count_kept_out(tx, out.values())
    return [(due, keys) for due, keys in keyed if due.item not in out]
