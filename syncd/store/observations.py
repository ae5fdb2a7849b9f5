"""Observations: what every record last showed.

The rule that keeps it true: a newer look wins over an older one, whatever order they arrive in; of two that overlap in time and differ,
neither is taken for the newer one: the record is read again; a tombstone is stored with its evidence or not at all.
It must not know: what the fields mean, or what follows from a change. Those that look deleted are looked after by `suspects`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from syncd.core.link import Interval
from syncd.core.record import HOUR, MINUTE, CollectionName, Json, MemberName, Micros, Record, RecordId, Ref, SyncName, SystemName
from syncd.core.translate import change_interval
from syncd.store import claims, forgotten, notices, suspects
from syncd.store.codec import fingerprint, mark_of, pack, seal, unseal
from syncd.store.database import Connection
from syncd.store.inbox import Arrival, accept
from syncd.store.planning import PlanItem, enqueue

STALE_MAX: Micros = 15 * MINUTE
"""A vendor's caches and replicas are never longer behind than this: a modified time that went back further in the past is believed."""

ALONE_MAX: Micros = HOUR
"""Polls look at everything: no single record is the last one to be seen for longer than this."""

Place = tuple[SystemName, CollectionName]
Routes = Mapping[Place, Sequence[tuple[SyncName, MemberName]]]
"""Which syncs, as which member, read a collection."""


class Order(Enum):
    """How a look stands to what is known: of the two, which one shows the later state."""

    NEWER = "newer"
    OLDER = "older"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One record as it was just read.

    `seen_at` is when the reading began, on our clock, and `read_at` when it was answered. `unchanged_at`: the last moment at which the
    listing it came from would have shown an earlier change. `happened_at` is when an event says that the change was made, on the vendor's
    clock. `skew` and `error` place the vendor's times on our clock. `pass_id` marks the pass. `lag` is how far the listing it came from may
    run behind the vendor's own store (None: it was read by itself). `settles`: a write of ours is settled upon it.
    """

    record: Record
    seen_at: Micros
    read_at: Micros
    unchanged_at: Micros | None = None
    happened_at: Micros | None = None
    skew: Micros = 0
    error: Micros = 0
    pass_id: int = 0
    lag: Micros | None = None
    settles: bool = False

    @property
    def as_of(self) -> Micros:
        """The moment whose state this surely shows, or a later one."""
        return self.seen_at - (self.lag or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a record last showed: `fields` by vendor path, or None when it is confirmed gone, for the `evidence` given.

    The state shown is of some moment between `seen_at` and `read_at`.
    """

    ref: Ref
    fields: Mapping[str, Json] | None
    changed: Mapping[str, Interval] = field(default_factory=dict)
    seen_at: Micros
    read_at: Micros
    modified_at: Micros | None = None
    evidence: tuple[str, ...] = ()


def observe(tx: Connection, looks: Sequence[Look], routes: Routes, cause: str) -> set[Ref]:
    """Stores looks; answers the refs that show something new, which are then put on the list of links to plan."""
    looks = _kept_out(tx, looks)
    known = load(tx, [look.record.ref for look in looks])
    first = dict(known)
    fresh: dict[Ref, tuple[Look, Mapping[str, Json], Mapping[str, Interval]]] = {}
    present: list[Look] = []
    same: list[Look] = []
    unclear: list[Look] = []
    for look in looks:
        ref = look.record.ref
        before = known.get(ref)
        order = Order.NEWER if before is None else _order(look, before)
        if before is None or look.as_of >= before.seen_at:
            present.append(look)
        if order is Order.OLDER:
            continue
        fields = _laid_over(look.record.fields, before)
        if before is not None and before.fields is not None and fingerprint(fields) == fingerprint(before.fields):
            same.append(look)
            continue
        if order is Order.UNCLEAR and _contradicts(look, before):
            unclear.append(look)
            if not look.settles:
                continue
        fresh[ref] = (look, fields, _intervals(look, fields, before))
        known[ref] = Observation(
            ref=ref, fields=fields, seen_at=look.as_of, read_at=look.read_at, modified_at=look.record.modified_at
        )
    _tell(tx, [(look, fields, first.get(ref)) for ref, (look, fields, _) in fresh.items()], same, unclear, cause)
    _list(tx, looks)
    _touch(tx, same)
    _tell_apart(tx, unclear)
    tx.executemany(
        "INSERT INTO observations (system, collection, record_id, fields, fingerprint, changed, seen_at, read_at, modified_at, pass_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (system, collection, record_id) DO UPDATE SET fields = excluded.fields,"
        " fingerprint = excluded.fingerprint, changed = excluded.changed, seen_at = excluded.seen_at, read_at = excluded.read_at,"
        " evidence = NULL, modified_at = excluded.modified_at,"
        " pass_id = max(observations.pass_id, excluded.pass_id)",
        [
            (
                *_key(ref),
                seal(tx, fields, "observations", *_key(ref)),
                mark_of(tx, fields),
                seal(tx, {path: [each.since, each.until] for path, each in changed.items()}, "observations", *_key(ref)),
                look.as_of,
                look.read_at,
                look.record.modified_at,
                look.pass_id,
            )
            for ref, (look, fields, changed) in fresh.items()
        ],
    )
    _clear_proven(tx, present)
    if fresh:
        enqueue(tx, routed(fresh, routes), max(look.seen_at for look, _, _ in fresh.values()), cause)
    return set(fresh)


def _tell(
    tx: Connection,
    fresh: Sequence[tuple[Look, Mapping[str, Json], Observation | None]],
    same: Sequence[Look],
    unclear: Sequence[Look],
    cause: str,
) -> None:
    """Automations are told what shows something new."""
    claims.unseen(tx, [(look.record.ref.system, look.record.ref.id, look.as_of) for look in same])
    notices.confirmed(tx, [look.record.ref for look in same])
    sights = [
        notices.Sight(
            ref=look.record.ref,
            before=before.fields if before is not None else None,
            after=fields,
            as_of=look.as_of,
            at=look.read_at,
            unclear=look in unclear,
        )
        for look, fields, before in fresh
    ]
    if sights:
        notices.sighted(tx, sights, cause)


def bury(tx: Connection, ref: Ref, evidence: Sequence[str], *, seen_at: Micros, read_at: Micros, routes: Routes) -> None:
    """Stores a confirmed deletion with its proof."""
    key = _key(ref)
    before = load(tx, [ref]).get(ref)
    if before is not None and before.fields is not None:
        notices.sighted(tx, [notices.Sight(ref=ref, before=before.fields, after=None, as_of=seen_at, at=read_at)], "deletion")
    tx.execute(
        "INSERT INTO observations (system, collection, record_id, fields, fingerprint, changed, seen_at, read_at, evidence)"
        " VALUES (?, ?, ?, NULL, x'', ?, ?, ?, ?)"
        " ON CONFLICT (system, collection, record_id) DO UPDATE SET fields = NULL, fingerprint = x'', changed = excluded.changed,"
        " seen_at = excluded.seen_at, read_at = excluded.read_at, evidence = excluded.evidence",
        (*key, seal(tx, {}, "observations", *key), seen_at, read_at, seal(tx, list(evidence), "observations", *key)),
    )
    suspects.clear(tx, [ref])
    enqueue(tx, routed([ref], routes), read_at, "deletion")


def load(tx: Connection, refs: Iterable[Ref]) -> dict[Ref, Observation]:
    """The observations of these records, those that have one."""
    keys = [_key(ref) for ref in set(refs)]
    if not keys:
        return {}
    rows = tx.execute(
        "SELECT o.system, o.collection, o.record_id, o.fields, o.changed, o.seen_at, o.read_at, o.modified_at, o.evidence"
        " FROM json_each(?) AS wanted CROSS JOIN observations AS o ON o.system = wanted.value ->> 0"
        " AND o.collection = wanted.value ->> 1 AND o.record_id = wanted.value ->> 2",
        (pack(keys).decode(),),
    )
    found = {}
    for system, collection, record_id, fields, changed, seen_at, read_at, modified_at, evidence in rows:
        ref, key = Ref(system, collection, record_id), (system, collection, record_id)
        found[ref] = Observation(
            ref=ref,
            fields=unseal(tx, fields, "observations", *key),
            changed=_changed_out(unseal(tx, changed, "observations", *key)),
            seen_at=seen_at,
            read_at=read_at,
            modified_at=modified_at,
            evidence=tuple(unseal(tx, evidence, "observations", *key) or ()),
        )
    return found


def _changed_out(stored: Mapping[str, Sequence[Json]]) -> dict[str, Interval]:
    """The intervals by path; the many paths that came to their values together share one."""
    spans = {span: Interval(*span) for span in set(map(tuple, stored.values()))}
    return {path: spans[tuple(span)] for path, span in stored.items()}


def missing(tx: Connection, place: Place, pass_id: int, started_at: Micros) -> tuple[list[Ref], int]:
    """The records that a finished complete pass did not list, and how many records were known at its start."""
    rows = tx.execute(
        "SELECT record_id FROM observations WHERE system = ? AND collection = ? AND fields IS NOT NULL"
        " AND pass_id < ? AND seen_at < ? ORDER BY record_id",
        (*place, pass_id, started_at),
    ).fetchall()
    return [Ref(*place, RecordId(record_id)) for (record_id,) in rows], count_alive(tx, place)


def newest(tx: Connection) -> Micros:
    """The latest moment anything was seen; 0 where nothing was. A single row that is far ahead of all others is damaged: it is not believed."""
    times = [at for (at,) in tx.execute("SELECT read_at FROM observations ORDER BY read_at DESC LIMIT 2")]
    alone = len(times) > 1 and times[0] - times[1] > ALONE_MAX
    return int(times[alone]) if times else 0


def distrust(tx: Connection, now: Micros) -> list[Ref]:
    """Takes what was seen later than now, which cannot be, for seen long ago, so that the next look at it counts; answers those records."""
    rows = tx.execute(
        "UPDATE observations SET seen_at = 0, read_at = 0 WHERE read_at > ?1 OR seen_at > ?1 RETURNING system, collection, record_id", (now,)
    ).fetchall()
    return [Ref(*row) for row in rows]


def count_alive(tx: Connection, place: Place) -> int:
    """How many records of a collection are known and not gone."""
    (count,) = tx.execute(
        "SELECT count(*) FROM observations WHERE system = ? AND collection = ? AND fields IS NOT NULL", place
    ).fetchone()
    return int(count)


def all_refs(tx: Connection, place: Place) -> list[Ref]:
    """Every record ever observed in a collection, gone ones included."""
    rows = tx.execute("SELECT record_id FROM observations WHERE system = ? AND collection = ?", place)
    return [Ref(*place, RecordId(record_id)) for (record_id,) in rows]


def suspect(tx: Connection, refs: Iterable[Ref], evidence: str, due_at: Micros) -> None:
    """Notes that records look deleted; more evidence is added to what there is. Known tombstones are left alone."""
    wanted = list(refs)
    gone = {ref for ref, each in load(tx, wanted).items() if each.fields is None}
    suspects.add(tx, [ref for ref in wanted if ref not in gone], evidence, due_at)


def _clear_proven(tx: Connection, looks: Sequence[Look]) -> None:
    """Records that are there are no suspects any more; a listing that runs behind proves that only for the time before its lag."""
    denied = suspects.missing_since(tx, {look.record.ref for look in looks})
    shown = [look for look in looks if look.record.ref in denied]
    suspects.clear(tx, [look.record.ref for look in shown if _proves_there(look, denied[look.record.ref])])


def _proves_there(look: Look, missing_at: Micros | None) -> bool:
    if missing_at is None:
        return look.lag is None
    return look.as_of > missing_at


def routed(refs: Iterable[Ref], routes: Routes) -> list[PlanItem]:
    """The refs as the members of the syncs that read them."""
    return [
        PlanItem(sync=sync, member=member, record_id=ref.id)
        for ref in refs
        for sync, member in routes.get((ref.system, ref.collection), ())
    ]


def _kept_out(tx: Connection, looks: Sequence[Look]) -> Sequence[Look]:
    """The looks without those at records that were to be forgotten."""
    if not forgotten.is_anybody(tx):
        return looks
    marks = {look.record.ref: forgotten.mark_of_ref(tx, look.record.ref) for look in looks}
    out = forgotten.among(tx, marks.values())
    forgotten.count_kept_out(tx, out)
    return [look for look in looks if marks[look.record.ref] not in out]


def _key(ref: Ref) -> tuple[str, str, str]:
    return (ref.system, ref.collection, ref.id)


def _contradicts(look: Look, before: Observation | None) -> bool:
    """Whether a look shows otherwise what is known: a path that was not shown before is no contradiction."""
    if before is None or before.fields is None:
        return True
    known = before.fields
    return any(path in known and known[path] != value for path, value in look.record.fields.items())


def _order(look: Look, before: Observation) -> Order:
    """Whether a look is newer than what we have: by the vendor's clock while a stale read may be the reason, else by ours."""
    shown, had = look.record.modified_at, before.modified_at
    if before.fields is not None and shown is not None and had is not None and shown != had and look.as_of < before.read_at + STALE_MAX:
        return Order.NEWER if shown > had else Order.OLDER
    if look.as_of >= before.read_at:
        return Order.NEWER
    return Order.OLDER if look.read_at <= before.seen_at else Order.UNCLEAR


def _tell_apart(tx: Connection, looks: Sequence[Look]) -> None:
    """Two readings that overlapped showed different things: which is the newer, only another one tells."""
    for look in looks:
        read_again(tx, look.record.ref, f"overlap {look.as_of} {look.read_at}", look.read_at)


def read_again(tx: Connection, ref: Ref, reason: str, at: Micros) -> None:
    """Has a record read as if an event had spoken of it; once for each reason."""
    arrival = Arrival(
        ref=ref, dedupe_key=f"{reason} {ref}", deleted=False, fields=None, full=False, occurred_at=None, received_at=at
    )  # fmt: skip
    accept(tx, [arrival])


def _laid_over(shown: Mapping[str, Json], before: Observation | None) -> Mapping[str, Json]:
    """A path that was not shown keeps what it last showed: not shown is not blank."""
    if before is None or not before.fields or before.fields.keys() <= shown.keys():
        return shown
    return {**before.fields, **shown}


def _intervals(look: Look, fields: Mapping[str, Json], before: Observation | None) -> dict[str, Interval]:
    had = before.fields if before is not None and before.fields is not None else None
    since: Micros | None = None
    if had is not None and before is not None:
        since = max(before.seen_at, look.unchanged_at or before.seen_at)
    # A modified time that stands where it stood before this change tells of another one.
    stands = had is not None and before is not None and look.record.modified_at == before.modified_at
    modified = look.happened_at if stands or look.record.modified_at is None else look.record.modified_at
    now = change_interval(since=since, until=look.read_at, modified=modified, skew=look.skew, error=look.error)
    old = before.changed if before is not None else {}
    return {
        path: old.get(path, now) if had is not None and path in had and had[path] == value else now
        for path, value in fields.items()
    }


def _list(tx: Connection, looks: Sequence[Look]) -> None:
    """A complete pass listed these records, whatever it showed of them."""
    tx.executemany(
        "UPDATE observations SET pass_id = max(pass_id, ?) WHERE system = ? AND collection = ? AND record_id = ?",
        [(look.pass_id, *_key(look.record.ref)) for look in looks if look.pass_id],
    )


def _touch(tx: Connection, looks: Sequence[Look]) -> None:
    """Looks that showed nothing new still prove when the record was there."""
    tx.executemany(
        "UPDATE observations SET seen_at = max(seen_at, ?), read_at = max(read_at, ?),"
        " modified_at = nullif(max(coalesce(modified_at, 0), coalesce(?, modified_at, 0)), 0)"
        " WHERE system = ? AND collection = ? AND record_id = ? AND fields IS NOT NULL",
        [(look.as_of, look.read_at, look.record.modified_at, *_key(look.record.ref)) for look in looks],
    )
