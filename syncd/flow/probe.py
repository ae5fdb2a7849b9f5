"""Probing: looks for a record before it is made (again).

A create whose outcome is unknown is looked for by its natural keys once the vendor's index has had time to show it, twice; then it is
adopted, tried again, or held. The rule that keeps it true: what cannot be looked for is never tried twice; what is gone is not found.
It must not know: how writes are scheduled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.connectors.base import Capabilities
from syncd.core.fields import Unreadable, equal, is_blank
from syncd.core.match import parts_of
from syncd.core.record import MINUTE, FieldName, Json, Micros, Record, Ref
from syncd.core.rules import FieldRule
from syncd.core.translate import from_hub, to_hub
from syncd.flow.binding import bind_for, bound_for
from syncd.flow.bus import Bell
from syncd.flow.engine import FIRST, Engine
from syncd.flow.likeness import could_be_ours, made_of
from syncd.flow.settle import (
    settle_adopted,
    settle_dead,
    settle_done,
    settle_gone,
    settle_held,
    settle_owed_still,
)
from syncd.store import cursors, links, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.outbox import Owed, State

FIRST_SYNC_GOOD_FOR: Micros = 2 * MINUTE
"""In a first sync, which makes many, a listing this young stands for a look-up each: polls go on meanwhile."""
LOOKED_ONCE = "looked for once: "
REJECTED = "rejected: "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """The vendor's path and value to look for, and the fields in which what is found must agree; several where a match key joins them."""

    path: str
    value: Json
    rows: tuple[FieldRule, ...]


async def is_there_already(engine: Engine, owed: Owed, *, refused_doubles: bool = True) -> tuple[Record, Micros] | None:
    """The record this create would double, if the vendor has it and would not say so itself, and the moment that it is surely shown as of.

    Not asked where the vendor refuses doubles by itself (unless `refused_doubles` says that it will not, of many at once), nor where the question
    would take a listing. A listing of just now
    stands for the question in a first sync, whose people are old, and where at worst a record is written over; it does not elsewhere: of somebody
    entered on two sides at once a listing that runs behind shows nothing. Several records: the first that matches all keys is not guessed at; the
    caller's adoption holds it if it belongs to another link.
    """
    facts = engine.connectors[owed.ref.system].capabilities(owed.ref.collection)
    keys = await _keys(engine, owed, facts.find_keys - facts.find_lists)
    detected = any(key.path in facts.create_detects for key in keys)
    if not keys or (refused_doubles and detected):
        return None
    if (owed.priority >= FIRST or detected) and await _was_listed(engine, owed, facts):
        return None
    seen_at = engine.clock.now() - facts.index_lag
    found, _ = await _find(engine, owed, keys)
    return (found[0], seen_at) if len(found) == 1 else None


async def _was_listed(engine: Engine, owed: Owed, facts: Capabilities) -> bool:
    """Whether a listing of this life would have shown the record, had it been there a moment before."""
    good_for = FIRST_SYNC_GOOD_FOR if owed.priority >= FIRST else engine.timing.fresh_many
    looked_at = await engine.database.read(lambda tx: cursors.load(tx, (owed.ref.system, owed.ref.collection)).looked_at)
    return looked_at is not None and looked_at >= engine.started_at and engine.clock.now() - looked_at <= good_for + facts.index_lag


async def probe_create(engine: Engine, owed: Owed) -> None:
    """Finds out what became of a create, and settles it or says when to look again."""
    connector = engine.connectors[owed.ref.system]
    facts = connector.capabilities(owed.ref.collection)
    known = await engine.database.read(lambda tx: links.load(tx, [owed.link])[owed.link].members.get(owed.member))
    if known is not None and known.ref is not None:
        # It was seen and matched meanwhile: nothing is left to look for.
        seen_at = engine.clock.now()
        record = await connector.get(known.ref)
        if record is not None:
            ours = could_be_ours(await bound_for(engine, owed, record.fields), owed, record)
            settle = settle_done if ours else settle_adopted
            await engine.database.write(lambda tx: settle(engine, tx, owed, record, seen_at, "seen and matched meanwhile"))
        else:
            ref = known.ref
            await engine.database.write(lambda tx: settle_gone(engine, tx, owed, ref))
            engine.bus.ring(Bell.INBOX)
        return
    keys = await _keys(engine, owed, facts.find_keys)
    if not keys:
        reason = f"the create may or may not have happened, and nothing in it can be looked for: {_wanting(owed, facts)}"
        await engine.database.write(lambda tx: settle_held(engine, tx, owed, reason))
        return
    # What is found by a key is shown as the vendor's index has it.
    seen_at = engine.clock.now() - facts.index_lag
    found, others = await _find(engine, owed, keys)
    await engine.database.write(lambda tx: _conclude(engine, tx, owed, found, others, seen_at, facts.index_lag))


def _conclude(
    engine: Engine, tx: Connection, owed: Owed, found: list[Record], others: list[Record], seen_at: Micros, lag: Micros
) -> None:
    now = engine.clock.now()
    own = links.load(tx, [owed.link])[owed.link].members.get(owed.member)
    if own is not None and own.ref is not None:
        found = [each for each in found if each.ref == own.ref] or found
    if len(found) == 1 and could_be_ours(bind_for(tx, engine.syncs[owed.sync], owed, found[0].fields), owed, found[0]) and _is_free(tx, owed, found[0]):
        # It was not there before: it is what we made, in the vendor's own spelling.
        settle_done(engine, tx, owed, found[0], seen_at, "found after a doubtful create")
    elif len(found) == 1:
        settle_adopted(engine, tx, owed, found[0], seen_at, "found after a doubtful create")
    elif found:
        refs = [each.ref for each in found]
        settle_held(engine, tx, owed, f"the create was doubtful and {len(found)} records match it", *refs)
    elif strangers := [each.ref for each in others if _is_free(tx, owed, each)]:
        reason = "the create was doubtful, and what it may have made differs in one of the match keys"
        settle_held(engine, tx, owed, reason, *strangers)
    elif not (owed.error or "").startswith(LOOKED_ONCE):
        error = LOOKED_ONCE + (owed.error or "no answer")
        outbox.settle(tx, owed, State.UNKNOWN, now, error=error, due_at=now + lag)
    elif (owed.error or "").removeprefix(LOOKED_ONCE).startswith(REJECTED):
        settle_dead(engine, tx, owed, (owed.error or "").removeprefix(LOOKED_ONCE))
    else:
        settle_owed_still(engine, tx, owed, owed.error)


def _is_free(tx: Connection, owed: Owed, record: Record) -> bool:
    """Whether the record belongs to no link, or to this one."""
    item = planning.PlanItem(owed.sync, owed.member, record.ref.id)
    return links.links_of(tx, [item]).get(item, owed.link) == owed.link


def _wanting(owed: Owed, facts: Capabilities) -> str:
    """What a match key would have to hold for this create to be found."""
    place = f"{owed.ref.system}/{owed.ref.collection}"
    return f"{place} finds by {', '.join(sorted(facts.find_keys))} alone, which no match key holds" if facts.find_keys else f"{place} finds nothing"


async def _keys(engine: Engine, owed: Owed, findable: frozenset[str]) -> list[_Key]:
    """What the record can be looked for by, in the order of the match keys, of the vendor's paths that may be asked for."""
    rules, member = engine.syncs[owed.sync], engine.rule(owed.sync, owed.member)
    parts = [parts_of(name) for name in rules.match]
    askable = [
        each
        for each in parts
        if all(part in rules.fields and owed.values.get(part) is not None and member.name in rules.fields[part].members for part in each)
    ]
    fields = (await bound_for(engine, owed)).fields if askable else {}
    keys = []
    for names in askable:
        rows = tuple(fields[name] for name in names)
        words: dict[str, Json] = {}
        for row in rows:
            said = from_hub(row, member, owed.values[row.name], {})
            words |= {} if isinstance(said, Unreadable) else said
        paths = [path for path, value in words.items() if path in findable and value is not None]
        # Of several fields together the vendor is asked for one, and what it shows is compared in all.
        keys += [_Key(path=path, value=words[path], rows=rows) for path in (paths if len(rows) == 1 else paths[:1])]
    return keys


async def _find(engine: Engine, owed: Owed, keys: Sequence[_Key]) -> tuple[list[Record], list[Record]]:
    """Records that match by the first key that finds any and contradict none of the earlier ones; and those that do contradict one.

    Where a vendor is asked for one field of several, it shows the siblings too: one that nobody has seen before may be what we made, in a
    form that we do not know again.
    """
    member, connector = engine.rule(owed.sync, owed.member), engine.connectors[owed.ref.system]
    others: dict[Ref, Record] = {}
    for position, key in enumerate(keys):
        records = await _there(engine, owed, key, await connector.find(owed.ref.collection, key.path, key.value))
        known = await engine.database.read(lambda tx: observations.load(tx, [record.ref for record in records]))  # noqa: B023 (awaited at once)
        rules = await bound_for(engine, owed, *(record.fields for record in records))
        found = []
        for record in records:
            shown = to_hub(rules, member, record.fields)
            if not _shows(key, shown, owed):
                others |= {record.ref: record} if len(key.rows) > 1 and record.ref not in known else {}
            elif any(_contradicts(each, shown, owed) for each in keys[:position]):
                others[record.ref] = record
            else:
                found.append(record)
        if found:
            return found, []
    return [], list(others.values())


async def _there(engine: Engine, owed: Owed, key: _Key, found: Sequence[Record]) -> list[Record]:
    """What was found, as it is now: a look-up may run behind, so a record known to be gone, or to have another key, is asked for by id."""
    known = await engine.database.read(lambda tx: observations.load(tx, [record.ref for record in found]))
    rules, member = await bound_for(engine, owed, *(last.fields for last in known.values() if last.fields)), engine.rule(owed.sync, owed.member)
    there: list[Record] = []
    for record in found:
        last = known.get(record.ref)
        is_doubted = last is not None and (last.fields is None or not _shows(key, to_hub(rules, member, last.fields), owed))
        shown = await engine.connectors[record.ref.system].get(record.ref) if is_doubted else record
        there += [shown] if shown is not None else []
    return there


def _shows(key: _Key, shown: Mapping[FieldName, Json | Unreadable], owed: Owed) -> bool:
    alike = equal if len(key.rows) == 1 else made_of
    values = [(row, shown.get(row.name)) for row in key.rows]
    return all(not isinstance(value, Unreadable) and alike(row.type, value, owed.values[row.name]) for row, value in values)


def _contradicts(key: _Key, shown: Mapping[FieldName, Json | Unreadable], owed: Owed) -> bool:
    """Whether the record has another value of this key: it is somebody else, who shares a later key (a family's telephone)."""
    values = [(row, shown.get(row.name)) for row in key.rows]
    if any(not isinstance(value, Unreadable) and is_blank(value) for _, value in values):
        return False
    return any(isinstance(value, Unreadable) or not equal(row.type, value, owed.values[row.name]) for row, value in values)
