"""All that is kept of one person: to be shown, and to be erased.

The rule that keeps it true: what is shown and what is erased is found by the same words; every table is named here, or known to hold nothing of
anybody. A person whose record is just being written is not erased.
It must not know: how a person is named, or what their records mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from syncd.core.errors import UserError
from syncd.core.record import CollectionName, FieldName, Json, LinkId, Micros, RecordId, Ref, SyncName, SystemName
from syncd.store import chain, forgotten
from syncd.store.codec import DamagedError, pack, seal
from syncd.store.database import Connection, ask_to_shrink
from syncd.store.observations import Routes
from syncd.store.planning import BELONGS
from syncd.store.sealed import SEALED

_BY_REF = "(system, collection, record_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:refs))"
_BY_ITEM = "(sync, member, record_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:items))"
_BY_LINK = "link_id IN (SELECT value FROM json_each(:links))"
_BY_RUN = (
    f"({_BY_LINK} OR EXISTS (SELECT 1 FROM json_each(:refs) AS ref WHERE subject = (ref.value ->> 0) || '/' || (ref.value ->> 2)"  # noqa: S608 (constants)
    " OR subject = (ref.value ->> 0) || '/' || (ref.value ->> 1) || '/' || (ref.value ->> 2)))"
)
_OWED_THERE = (
    "(system, collection, record_id) IN (SELECT system, collection, record_id FROM removals WHERE state = 'owed')"
)
"""What a bridge knows of a record is needed until the record is deleted there."""
_KEPT: Final = {
    "events": _BY_REF,
    "suspects": _BY_REF,
    "observations": _BY_REF,
    "to_plan": _BY_ITEM,
    "match_keys": _BY_ITEM,
    "to_plan_later": _BY_ITEM,
    "drifts": _BY_LINK,
    "to_notice": f"{_BY_REF} OR {_BY_LINK}",
    "unsighted": _BY_REF,
    "claims": "EXISTS (SELECT 1 FROM json_each(:refs) AS ref WHERE subject = ref.value ->> 2"
    " AND place IN (ref.value ->> 0, 'source ' || (ref.value ->> 0), 'webhook ' || (ref.value ->> 0)))"
    " OR (place LIKE 'sync %' AND subject IN (SELECT CAST(value AS TEXT) FROM json_each(:links)))",
    "automation_steps": f"run_id IN (SELECT id FROM automation_runs WHERE {_BY_RUN})",  # noqa: S608 (constants)
    "automation_runs": _BY_RUN,
    "holds": f"{_BY_LINK} OR {_BY_ITEM} OR id IN (SELECT value FROM json_each(:holds))",  # noqa: S608 (constants)
    "journal": f"{_BY_LINK} OR {_BY_ITEM}",
    "outbox": f"{_BY_LINK} OR {_BY_REF}",
    "link_members": f"{_BY_LINK} OR {_BY_REF}",
    "links": "id IN (SELECT value FROM json_each(:links))",
    "bridge_handoffs": f"{_BY_REF} OR (system, collection, made_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:refs))"  # noqa: S608 (constants)
    " OR EXISTS (SELECT 1 FROM json_each(bridge_handoffs.keys) AS own JOIN json_each(:told) AS theirs ON own.value = theirs.value ->> 2"
    " AND bridge_handoffs.system = theirs.value ->> 0 AND bridge_handoffs.collection = theirs.value ->> 1)",
    "bridge_posts": "EXISTS (SELECT 1 FROM json_each(records) AS named JOIN json_each(:refs) AS ref ON ref.value ->> 0 = system"
    " AND ref.value ->> 2 = named.value)",
    "bridge_keys": _BY_REF,
    "bridge_records": _BY_REF,
    "removals": _BY_REF,
}
"""Which rows of a table are kept of a person; in the order in which they can be erased."""
_ERASED: Final = {
    table: f"({where}) AND NOT {_OWED_THERE}" if table in ("bridge_handoffs", "bridge_keys", "bridge_records") else where
    for table, where in _KEPT.items()
    if table != "removals"
}
"""Of these, what is erased: what is to be deleted at a system itself stays noted until that is answered."""
NOBODY: Final = frozenset(
    {"meta", "cursors", "runs", "outcomes", "requests", "systems", "syncs", "tokens", "heard", "pauses", "vault_keys", "forgotten", "watched_places",
     "automations", "automation_rules", "automation_outcomes", "automation_newest", "polled_items",
     "alerts", "journal_chain", "journal_amends"}
)
"""Tables that hold nothing of anybody; of requests, what is answered goes when somebody is erased, and so do the newest events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Everything that belongs together: records, whether linked or not, and links."""

    refs: frozenset[Ref]
    links: frozenset[LinkId]


def gather(tx: Connection, refs: Iterable[Ref], links: Iterable[LinkId]) -> Person:
    """The person to whom these belong, over all syncs."""
    found = Person(refs=frozenset(refs), links=frozenset(links))
    while True:
        rows = tx.execute(
            "SELECT link_id, system, collection, record_id FROM link_members WHERE link_id IN (SELECT value FROM json_each(:links))"
            " OR (system, collection, record_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:refs))",
            {"links": _json(sorted(found.links)), "refs": _json(_listed(found.refs))},
        ).fetchall()
        wider = Person(
            refs=found.refs | {Ref(system, collection, RecordId(record_id)) for _, system, collection, record_id in rows},
            links=found.links | {LinkId(link) for link, *_ in rows},
        )
        if wider == found:
            return Person(refs=found.refs | _belonging(tx, found.refs), links=found.links)
        found = wider


def _belonging(tx: Connection, refs: Iterable[Ref]) -> set[Ref]:
    """The records that belong to these, as far as a derived field is made from them."""
    rows = tx.execute(
        "SELECT DISTINCT k.member, k.record_id FROM match_keys AS k JOIN json_each(?) AS ref ON k.value = ref.value ->> 2"
        " AND substr(k.key, 1, 3) = ? AND k.member LIKE (ref.value ->> 0) || '/%'",
        (_json(_listed(refs)), BELONGS),
    )
    return {Ref(SystemName(place.partition("/")[0]), CollectionName(place.partition("/")[2]), RecordId(number)) for place, number in rows}


def kept_of(tx: Connection, person: Person, routes: Routes) -> dict[str, list[dict[str, Json]]]:
    """Every row that is kept of a person, by table, opened; hashes and numbers of ours are left out."""
    terms = _terms(tx, person, routes)
    return {table: rows for table, where in _KEPT.items() if (rows := _rows(tx, table, where, terms))}


def erase(
    tx: Connection, person: Person, routes: Routes, first_keys: Mapping[SyncName, Sequence[FieldName]], at: Micros, *, known_as: int | None = None
) -> dict[str, int]:
    """Erases a person; how many rows of each table went. The pages they were on are overwritten by `shrink`, which is asked for.

    `first_keys` are the match keys of each sync, in order: the first that a record shows is remembered as a mark. Raises UserError while a
    write is in the air; but of who was forgotten before, `known_as` that number, nothing is in the air any more.
    """
    terms = _terms(tx, person, routes)
    if known_as is None and tx.execute(f"SELECT 1 FROM outbox WHERE ({_KEPT['outbox']}) AND state = 'sent'", terms).fetchone():  # noqa: S608
        raise UserError("a record of this person is just being written", hint="try again in a minute")
    forgotten.add(tx, _marks(tx, person, terms, first_keys), known_as or forgotten.next_number(tx), at)
    told = [number for (number,) in tx.execute(f"SELECT id FROM journal WHERE {_KEPT['journal']}", terms)]  # noqa: S608
    gone = {table: tx.execute(f"DELETE FROM {table} WHERE {where}", terms).rowcount for table, where in _ERASED.items()}  # noqa: S608
    chain.amend_ours(tx, told, at)
    # The sums over the index are taken anew; requests that were answered may tell of anybody. The newest's number must not be given again.
    tx.execute("DELETE FROM meta WHERE key LIKE 'match\\_keys %' ESCAPE '\\'")
    tx.execute("DELETE FROM automation_newest")
    tx.execute("DELETE FROM requests WHERE state IN ('done', 'failed') AND id < (SELECT max(id) FROM requests)")
    for (number,) in tx.execute("SELECT id FROM requests WHERE state IN ('done', 'failed')").fetchall():
        blank_request(tx, number)
    ask_to_shrink(tx)
    return {table: count for table, count in gone.items() if count}


def blank_request(tx: Connection, number: int) -> None:
    """Takes out of a request whom it was about."""
    tx.execute("UPDATE requests SET arguments = ?, progress = NULL, result = CASE WHEN done_at IS NULL THEN result END WHERE id = ?", (seal(tx, {}, "requests", number), number))


def _marks(tx: Connection, person: Person, terms: Mapping[str, str], first_keys: Mapping[SyncName, Sequence[FieldName]]) -> set[str]:
    marks = {forgotten.mark_of_ref(tx, ref) for ref in person.refs}
    shown: dict[tuple[str, str, str], dict[str, str]] = {}
    for sync, member, record_id, name, value in tx.execute(
        f"SELECT sync, member, record_id, key, value FROM match_keys WHERE {_BY_ITEM}", terms  # noqa: S608
    ):
        shown.setdefault((sync, member, record_id), {})[name] = value
    for (sync, _, _), keys in shown.items():
        first = next((name for name in first_keys.get(SyncName(sync), ()) if name in keys), None)
        if first is not None:
            marks.add(forgotten.mark_of_key(tx, SyncName(sync), first, keys[first]))
    return marks | {forgotten.mark_of_told(tx, system, collection, key) for system, collection, key in orjson.loads(terms["told"])}


def _terms(tx: Connection, person: Person, routes: Routes) -> dict[str, str]:
    refs = _listed(person.refs)
    items = [[sync, member, ref.id] for ref in sorted(person.refs) for sync, member in routes.get((ref.system, ref.collection), ())]
    told = tx.execute(
        f"SELECT system, collection, key FROM bridge_keys WHERE {_BY_REF} ORDER BY 1, 2, 3", {"refs": _json(refs)}  # noqa: S608
    ).fetchall()
    return {
        "refs": _json(refs),
        "links": _json(sorted(person.links)),
        "items": _json(items),
        "told": _json([list(each) for each in told]),
        "holds": _json(_holds_that_name(tx, person.refs)),
    }


def _holds_that_name(tx: Connection, refs: frozenset[Ref]) -> list[int]:
    """Holds about others in which one of these records is a candidate."""
    named = {str(ref) for ref in refs}
    opened = next(each for each in SEALED if (each.table, each.column) == ("holds", "sides"))
    found = []
    for number, key, sides in tx.execute("SELECT id, key, sides FROM holds").fetchall():
        told = opened.open(tx, sides, (key,))
        if any(str(each) in named for value in told.values() for each in (value if isinstance(value, list) else [value])):
            found.append(int(number))
    return found


def _rows(tx: Connection, table: str, where: str, terms: Mapping[str, str]) -> list[dict[str, Json]]:
    sealed = {each.column: each for each in SEALED if each.table == table}
    bound = "".join(f", json_array({', '.join(each.bound)}) AS \"bound {column}\"" for column, each in sealed.items())
    cursor = tx.execute(f"SELECT *{bound} FROM {table} WHERE {where}", terms)  # noqa: S608
    names = [each[0] for each in cursor.description]
    out = []
    for row in cursor.fetchall():
        held = dict(zip(names, row, strict=True))
        for column, each in sealed.items():
            try:
                held[column] = each.open(tx, held[column], orjson.loads(held[f"bound {column}"]))
            except DamagedError:
                held[column] = "(damaged)"
        out.append({name: value for name, value in held.items() if not name.startswith("bound ") and not isinstance(value, bytes)})
    return out


def _listed(refs: Iterable[Ref]) -> list[list[str]]:
    return [[ref.system, ref.collection, ref.id] for ref in sorted(refs)]


def _json(value: Json) -> str:
    return pack(value).decode()
