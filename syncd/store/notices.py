"""What automations are to be told: the list that everything which shows a change adds to, in the transaction in which it is kept.

The rule that keeps it true: a row is here exactly when what a record showed became something else (or a hub did, or a webhook came in for the
first time), so that nothing is told twice and nothing is told that did not happen; it leaves the list with the runs that it began.
It must not know: automations, or who caused what; it keeps what others need to find that out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from syncd.core.happening import What
from syncd.core.record import CollectionName, FieldName, Json, LinkId, MemberName, Micros, Ref, SyncName, SystemName
from syncd.store import continuity
from syncd.store.codec import pack, seal, unseal
from syncd.store.database import Connection

_COLUMNS = "id, kind, system, collection, record_id, sync, link_id, content, claims, at"


class Kind(Enum):
    """What a notice is about. UNCLEAR: a record, as a reading shows it of which only the next one tells whether it was the newest."""

    RECORD = "record"
    UNCLEAR = "unclear"
    HUB = "hub"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A write of a sync that settled upon what a record shows: the hub fields behind the values, by vendor path."""

    sync: SyncName
    link: LinkId
    backfill: bool
    made: bool
    values: Mapping[str, Json]
    fields: Mapping[str, FieldName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One row of the list.

    `origin` is set where it is known beforehand, as the words of a cause; `sources` are, for a hub, the values by vendor path of those members
    that gave its changed fields; `word`, `key` and `carried` are a webhook's. It was seen until `at`, and surely shows what was at `as_of`. `passed`
    are readings between `before` and `after`, with the instants they ended at, that nobody is told of: they may have been late, or hubs took them over.
    """

    id: int
    kind: Kind
    what: What
    at: Micros
    as_of: Micros
    ref: Ref | None = None
    sync: SyncName | None = None
    link: LinkId | None = None
    before: Mapping[str, Json] | None = None
    after: Mapping[str, Json] | None = None
    origin: tuple[str, int, str] | None = None
    ours: tuple[Ours, ...] = ()
    sources: Mapping[FieldName, Mapping[MemberName, tuple[Ref, Mapping[str, Json]]]] = field(default_factory=dict)
    word: str = ""
    key: str = ""
    carried: Mapping[str, Json] | None = None
    passed: tuple[tuple[Micros, Mapping[str, Json]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A record that shows something new, by a reading that surely shows what was at `as_of` and ended at `at`.

    `before` is None where it was not known, or gone. `unclear`: another reading, which overlapped this one, shows something else.
    """

    ref: Ref
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    as_of: Micros
    at: Micros
    unclear: bool = False


def watch(tx: Connection, places: Iterable[tuple[SystemName, CollectionName]], at: Micros, *, recent: Micros, backlog: bool) -> None:
    """These places, and no others, are watched from now on; `backlog`: somebody wants to be told of what is there already, too.

    One that was not watched is to be listed first, unless it was polled since `recent` for another's sake.
    """
    wanted = pack(sorted(places)).decode()
    tx.execute(
        "DELETE FROM watched_places WHERE (system, collection) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))", (wanted,)
    )
    tx.execute(
        "INSERT INTO watched_places (system, collection, since, listed, backlog) SELECT value ->> 0, value ->> 1, ?2, EXISTS (SELECT 1 FROM cursors AS c"
        " WHERE c.system = value ->> 0 AND c.collection = value ->> 1 AND c.complete_at IS NOT NULL AND c.polled_at >= ?3), ?4"
        " FROM json_each(?1) WHERE true ON CONFLICT (system, collection) DO UPDATE SET backlog = excluded.backlog",
        (wanted, at, recent, int(backlog)),
    )


def _watched(tx: Connection) -> dict[tuple[str, str], tuple[bool, bool]]:
    """The places that are watched: whether what turns up there is new, and whether anybody wants the backlog."""
    rows = tx.execute(
        "SELECT w.system, w.collection, w.backlog, w.listed OR EXISTS (SELECT 1 FROM cursors AS c WHERE c.system = w.system"
        " AND c.collection = w.collection AND c.complete_at >= w.since) FROM watched_places AS w"
    )
    return {(system, collection): (bool(listed), bool(backlog)) for system, collection, backlog, listed in rows}


def sighted(tx: Connection, sights: Sequence[Sight], cause: str) -> None:
    """Records show something new: those in watched places are put on the list.

    What a first listing brings, and what is read again after a copy of the database was put back, is the backlog and no news.
    """
    places = _watched(tx)
    told = [sight for sight in sights if (sight.ref.system, sight.ref.collection) in places]
    if not told:
        return
    rebasing = continuity.rebasing(tx) is not None
    lost = _unsighted(tx, [each.ref for each in told if each.before is None])
    unclear = {each.ref: each for each in _take_unclear(tx, [sight.ref for sight in told])}
    for sight in told:
        earlier = unclear.get(sight.ref)
        passed = () if earlier is None else (*earlier.passed, *([(earlier.at, earlier.after)] if earlier.after is not None else []))
        if earlier is not None:
            # Whatever that reading showed is passed over: what was told before it is what this one is compared with.
            sight = replace(sight, before=earlier.before)  # noqa: PLW2901
            if sight.before is None and sight.after is None:
                continue
        if sight.ref in lost and sight.after is not None:
            continue
        listed, wanted = places[sight.ref.system, sight.ref.collection]
        backlog = rebasing or (not listed and (sight.before is None or cause.startswith("pass")))
        if backlog and not wanted:
            continue
        what = What.DELETED if sight.after is None else What.CREATED if sight.before is None else What.UPDATED
        content = {"what": what.value, "before": sight.before, "after": sight.after, "as_of": sight.as_of, "passed": passed}
        kind, origin = Kind.UNCLEAR if sight.unclear else Kind.RECORD, ("backfill", 0, "") if backlog else None
        number, ours = (earlier.id, earlier.ours) if earlier is not None else (None, ())
        _add(tx, kind, content, at=sight.at, ref=sight.ref, origin=origin, ours=ours, number=number)


def confirmed(tx: Connection, refs: Iterable[Ref]) -> None:
    """These records were read again and still show what they did: what was unclear about them is so."""
    if tx.execute("SELECT 1 FROM to_notice LIMIT 1").fetchone() is None:
        return
    for each in _take_unclear(tx, refs):
        content = {"what": each.what.value, "before": each.before, "after": each.after, "as_of": each.as_of, "passed": each.passed}
        _add(tx, Kind.RECORD, content, at=each.at, ref=each.ref, origin=each.origin, ours=each.ours, number=each.id)


def _take_unclear(tx: Connection, refs: Iterable[Ref]) -> list[Notice]:
    """What is unclear about these records, off the list. Whatever it turns out to be takes its place there, before the hubs that took it over."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM (SELECT value FROM json_each(?)) AS wanted CROSS JOIN to_notice AS n ON n.system = wanted.value ->> 0"  # noqa: S608
        " AND n.record_id = wanted.value ->> 2 AND n.collection = wanted.value ->> 1 AND n.kind = 'unclear' ORDER BY n.id",
        (pack([[ref.system, ref.collection, ref.id] for ref in refs]).decode(),),
    ).fetchall()
    done(tx, [row[0] for row in rows])
    return [_notice(tx, row) for row in rows]


def lose_sight(tx: Connection, ref: Ref) -> None:
    """What a record last showed is lost: when it is seen again, that is nothing new."""
    tx.execute("INSERT INTO unsighted (system, collection, record_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (ref.system, ref.collection, ref.id))


def _unsighted(tx: Connection, refs: Iterable[Ref]) -> set[Ref]:
    rows = tx.execute(
        "DELETE FROM unsighted WHERE (system, collection, record_id) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))"
        " RETURNING system, collection, record_id",
        (pack([[ref.system, ref.collection, ref.id] for ref in refs]).decode(),),
    )
    return {Ref(*row) for row in rows.fetchall()}


def about(tx: Connection, ref: Ref) -> list[Notice]:
    """What waits on the list about a record, or (where `ref.id` is empty) about any of its place, oldest first."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM to_notice WHERE kind IN ('record', 'unclear') AND system = ?1 AND collection = ?2 AND (?3 = '' OR record_id = ?3) ORDER BY id",  # noqa: S608
        (ref.system, ref.collection, ref.id),
    )
    return [_notice(tx, row) for row in rows.fetchall()]


def settled(tx: Connection, ref: Ref, ours: Ours) -> None:
    """A write of a sync took effect: whatever of this record waits on the list came about while it was in the air, or by it."""
    lay(tx, [(each, ours) for each in about(tx, ref)])


def lay(tx: Connection, shares: Iterable[tuple[Notice, Ours]]) -> None:
    """Lays to these rows about records what a write of a sync may have done of them."""
    told = []
    for notice, ours in shares:
        assert notice.ref is not None
        row = (notice.kind.value, notice.ref.system, notice.ref.collection, notice.ref.id, None, None)
        told.append((_claims_in(tx, (*notice.ours, ours), row), notice.id))
    tx.executemany("UPDATE to_notice SET claims = ? WHERE id = ?", told)


def hub_moved(
    tx: Connection,
    sync: SyncName,
    link: LinkId,
    what: What,
    *,
    before: Mapping[FieldName, Json],
    after: Mapping[FieldName, Json],
    sources: Mapping[FieldName, Mapping[MemberName, tuple[Ref, Mapping[str, Json]]]],
    origin: tuple[str, int, str] | None,
    at: Micros,
) -> None:
    """A link came to be, ended, or agreed on other values."""
    given = {
        name: {member: [ref.system, ref.collection, ref.id, dict(values)] for member, (ref, values) in each.items()}
        for name, each in sources.items()
    }
    content = {"what": what.value, "before": dict(before), "after": dict(after), "sources": given}
    _add(tx, Kind.HUB, content, at=at, sync=sync, link=link, origin=origin)


def came_in(tx: Connection, ref: Ref, word: str, key: str, *, told: Json, carried: Json, at: Micros) -> None:
    """A webhook that some automation waits for, about this record as far as it is about one."""
    content = {"what": What.WEBHOOK.value, "before": None, "after": told, "word": word, "key": f"{ref.system} {key}", "carried": carried}
    _add(tx, Kind.WEBHOOK, content, at=at, ref=ref)


def _add(
    tx: Connection,
    kind: Kind,
    content: Json,
    *,
    at: Micros,
    ref: Ref | None = None,
    sync: SyncName | None = None,
    link: LinkId | None = None,
    origin: tuple[str, int, str] | None = None,
    ours: Sequence[Ours] = (),
    number: int | None = None,
) -> None:
    row = (kind.value, ref.system if ref else None, ref.collection if ref else None, ref.id if ref else None, sync, link)
    tx.execute(
        "INSERT INTO to_notice (id, kind, system, collection, record_id, sync, link_id, content, claims, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *row, seal(tx, {**content, "origin": origin}, "to_notice", *row), _claims_in(tx, ours, row) if ours else None, at),
    )


def _claims_in(tx: Connection, ours: Iterable[Ours], row: tuple[Json, ...]) -> bytes:
    return seal(tx, [[each.sync, each.link, each.backfill, each.made, dict(each.values), dict(each.fields)] for each in ours], "to_notice", *row)


def waiting(tx: Connection, limit: int, *, after: int = 0) -> list[Notice]:
    """The oldest rows of the list, behind the number `after`; those that are unclear as well, for they keep others waiting."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM to_notice WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (after, limit),
    )
    return [_notice(tx, row) for row in rows.fetchall()]


def any_waiting(tx: Connection) -> bool:
    """Whether anything is on the list that can be told."""
    return tx.execute("SELECT 1 FROM to_notice WHERE kind <> 'unclear' LIMIT 1").fetchone() is not None


def count_waiting(tx: Connection) -> int:
    """How much is on the list."""
    (count,) = tx.execute("SELECT count(*) FROM to_notice").fetchone()
    return int(count)


def done(tx: Connection, ids: Iterable[int]) -> None:
    """These were told."""
    tx.executemany("DELETE FROM to_notice WHERE id = ?", [(each,) for each in ids])


def in_the_air(tx: Connection, notices: Iterable[Notice]) -> set[int]:
    """Of these, the ones that a call of ours may have caused which is still under way: who caused them can be told when it has come back."""
    wanted = pack([[each.id, *_where(each), each.at, int(each.what is What.CREATED)] for each in notices]).decode()
    rows = tx.execute(
        "SELECT DISTINCT w.value ->> 0 FROM json_each(?) AS w WHERE EXISTS (SELECT 1 FROM automation_steps AS s WHERE s.state = 'sent'"
        " AND s.system = w.value ->> 1 AND s.sent_at <= w.value ->> 4)"
        " OR EXISTS (SELECT 1 FROM outbox AS o WHERE o.system = w.value ->> 1 AND o.collection = w.value ->> 2"
        " AND o.record_id = w.value ->> 3 AND o.state IN ('sent', 'unknown') AND o.sent_at <= w.value ->> 4)"
        " OR EXISTS (SELECT 1 FROM outbox AS o WHERE o.system = w.value ->> 1 AND o.collection = w.value ->> 2"
        " AND o.operation = 'create' AND w.value ->> 5 AND o.state IN ('sent', 'unknown') AND o.sent_at <= w.value ->> 4)",
        (wanted,),
    )
    return {int(number) for (number,) in rows}


def is_moving(tx: Connection, link: LinkId) -> bool:
    """Whether a write is owed to any side of a link, or something about it is to be planned."""
    return tx.execute(
        "SELECT 1 FROM outbox WHERE link_id = ?1 AND state IN ('pending', 'sent', 'unknown') UNION ALL SELECT 1 FROM link_members AS m"
        " JOIN to_plan AS t ON t.sync = m.sync AND t.member = m.member AND t.record_id = m.record_id WHERE m.link_id = ?1 LIMIT 1",
        (link,),
    ).fetchone() is not None


def _where(notice: Notice) -> tuple[str | None, str | None, str | None]:
    return (notice.ref.system, notice.ref.collection, notice.ref.id) if notice.ref is not None else (None, None, None)


def _notice(tx: Connection, row: tuple[Json, ...]) -> Notice:
    number, kind, system, collection, record_id, sync, link, sealed, claims, at = row
    content = unseal(tx, sealed, "to_notice", *row[1:7])
    ours = [
        Ours(sync=of, link=LinkId(link_id), backfill=backfill, made=made, values=values, fields=fields)
        for of, link_id, backfill, made, values, fields in unseal(tx, claims, "to_notice", *row[1:7]) or ()
    ]
    sources = {
        FieldName(name): {MemberName(member): (Ref(*given[:3]), given[3]) for member, given in each.items()}
        for name, each in (content.get("sources") or {}).items()
    }
    return Notice(
        id=number,
        kind=Kind(kind),
        what=What(content["what"]),
        at=at,
        as_of=content.get("as_of", at),
        ref=Ref(system, collection, record_id) if system is not None else None,
        sync=sync,
        link=None if link is None else LinkId(link),
        before=content["before"],
        after=content["after"],
        origin=None if content["origin"] is None else tuple(content["origin"]),
        ours=tuple(ours),
        sources=sources,
        word=content.get("word", ""),
        key=content.get("key", ""),
        carried=content.get("carried"),
        passed=tuple((ended, fields) for ended, fields in content.get("passed") or ()),
    )
