"""Links with their hubs, members and bases; loaded and saved by the hundred.

The rule that keeps it true: one record belongs to at most one link of a sync (the schema says so too), and a link is saved whole.
It must not know: how a link comes to be what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.core.link import HubField, Interval, Link, LinkMember, LinkState
from syncd.core.record import FieldName, LinkId, MemberName, Micros, RecordId, Ref, SyncName
from syncd.store import codec, planning
from syncd.store.codec import DamagedError, pack, seal, unseal
from syncd.store.database import Connection
from syncd.store.planning import PlanItem


def links_of(tx: Connection, items: Iterable[PlanItem]) -> dict[PlanItem, LinkId]:
    """The links that records belong to, for those that have one."""
    rows = tx.execute(
        "SELECT m.sync, m.member, m.record_id, m.link_id FROM json_each(?) AS wanted CROSS JOIN link_members AS m"
        " ON m.sync = wanted.value ->> 0 AND m.member = wanted.value ->> 1 AND m.record_id = wanted.value ->> 2",
        (pack([[item.sync, item.member, item.record_id] for item in items]).decode(),),
    )
    return {PlanItem(sync, member, record_id): LinkId(link) for sync, member, record_id, link in rows}


def load(tx: Connection, ids: Iterable[LinkId]) -> dict[LinkId, Link]:
    """These links, whole."""
    wanted = (pack(sorted(set(ids))).decode(),)
    members: dict[int, dict[MemberName, LinkMember]] = {}
    named: dict[int, set[SyncName]] = {}
    for link, member, system, collection, record_id, gone, base, agreed, sync in tx.execute(
        "SELECT m.link_id, m.member, m.system, m.collection, m.record_id, m.gone, m.base, m.agreed, m.sync"
        " FROM json_each(?) AS wanted CROSS JOIN link_members AS m ON m.link_id = wanted.value",
        wanted,
    ):
        row = (link, member, system, collection, record_id, gone)
        named.setdefault(link, set()).add(sync)
        members.setdefault(link, {})[member] = LinkMember(
            ref=Ref(system, collection, record_id),
            base=unseal(tx, base, "link_members", *row),
            agreed=unseal(tx, agreed, "link_members", *row),
            gone=bool(gone),
        )
    found: dict[LinkId, Link] = {}
    for link, sync, revision, state, sealed in tx.execute(
        "SELECT l.id, l.sync, l.revision, l.state, l.hub FROM json_each(?) AS wanted CROSS JOIN links AS l ON l.id = wanted.value",
        wanted,
    ):
        own = members.get(link, {})
        hub = _hub_out(unseal(tx, sealed, "links", link, sync, revision, state, _listed(own)))
        found[LinkId(link)] = Link(
            id=LinkId(link), sync=sync, revision=revision, state=LinkState(state), hub=hub, members=own
        )
        if any(each != sync for each in named.get(link, ())):
            raise DamagedError("link_members", (link,))
    return found


def check(tx: Connection, sync: SyncName, after: int, limit: int) -> int | None:
    """Looks whether the records of the next links are still theirs; the number of the last one, None at the end. Raises DamagedError."""
    rows = tx.execute(
        "SELECT m.link_id, m.member, m.system, m.collection, m.record_id, m.gone, m.base, m.sync = ?1 FROM"
        " (SELECT id FROM links WHERE sync = ?1 AND id > ?2 ORDER BY id LIMIT ?3) AS l JOIN link_members AS m ON m.link_id = l.id",
        (sync, after, limit),
    ).fetchall()
    for *row, base, is_ours in rows:
        codec.check(tx, base, "link_members", *row)
        if not is_ours:
            raise DamagedError("link_members", tuple(row))
    (last,) = tx.execute("SELECT max(id) FROM (SELECT id FROM links WHERE sync = ? AND id > ? ORDER BY id LIMIT ?)", (sync, after, limit)).fetchone()
    return None if last is None else int(last)


def create(tx: Connection, sync: SyncName, refs: Mapping[MemberName, Ref], at: Micros) -> Link:
    """A new link over these records, with nothing agreed yet."""
    cursor = tx.execute(
        "INSERT INTO links (sync, revision, state, hub, created_at, updated_at) VALUES (?, 0, 'live', x'', ?, ?)",
        (sync, at, at),
    )
    assert cursor.lastrowid is not None
    members = {name: LinkMember(ref=ref) for name, ref in refs.items()}
    link = Link(id=LinkId(cursor.lastrowid), sync=sync, members=members)
    save(tx, [link], at)
    return link


def save(tx: Connection, links: Sequence[Link], at: Micros) -> None:
    """Writes links back as they are now; records that refer to one that is new in its link are put on the list to plan."""
    fresh = _newly_linked(tx, links) if planning.has_children(tx) else []
    tx.executemany(
        "UPDATE links SET revision = ?, state = ?, hub = ?, updated_at = ? WHERE id = ?",
        [(link.revision, link.state.value, _sealed_hub(tx, link), at, link.id) for link in links],
    )
    # A member may move to another record (a merge, a record made again): its old row goes first.
    tx.executemany(
        "DELETE FROM link_members WHERE link_id = ? AND (member, record_id) NOT IN"
        " (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
        [(link.id, pack([[n, m.ref.id] for n, m in link.members.items() if m.ref]).decode()) for link in links],
    )
    tx.executemany(
        "INSERT INTO link_members (link_id, sync, member, system, collection, record_id, base, agreed, gone)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (link_id, member) DO UPDATE SET"
        " base = excluded.base, agreed = excluded.agreed, gone = excluded.gone",
        [
            (link.id, link.sync, name, each.ref.system, each.ref.collection, each.ref.id,
             *_sealed_agreement(tx, link.id, name, each.ref, each), int(each.gone))
            for link in links
            for name, each in link.members.items()
            if each.ref is not None
        ],
    )
    planning.wake_children(tx, fresh, at)


def _newly_linked(tx: Connection, links: Sequence[Link]) -> list[PlanItem]:
    """The records of those links that are about to get a record they did not have: to a child, each of them is its parent."""
    known = {
        (link, member, record_id)
        for link, member, record_id in tx.execute(
            "SELECT m.link_id, m.member, m.record_id FROM json_each(?) AS wanted CROSS JOIN link_members AS m ON m.link_id = wanted.value",
            (pack([link.id for link in links]).decode(),),
        )
    }
    return [
        item
        for link in links
        if any(each.ref is not None and (link.id, name, each.ref.id) not in known for name, each in link.members.items())
        for item in items_of(link)
    ]


def _sealed_hub(tx: Connection, link: Link) -> bytes:
    return seal(tx, _hub_in(link.hub), "links", link.id, link.sync, link.revision, link.state.value, _listed(link.members))


def _listed(members: Mapping[MemberName, LinkMember]) -> str:
    """Which records a link has: sealed with its hub, so that none can go missing unseen."""
    return "|".join(f"{name}={each.ref.id}" for name, each in sorted(members.items()) if each.ref is not None)


def _sealed_agreement(tx: Connection, link: LinkId, name: MemberName, ref: Ref, member: LinkMember) -> tuple[bytes, bytes]:
    row = (link, name, ref.system, ref.collection, ref.id, int(member.gone))
    return seal(tx, member.base, "link_members", *row), seal(tx, member.agreed, "link_members", *row)


def live_after(tx: Connection, sync: SyncName, after: LinkId, limit: int) -> list[LinkId]:
    """The next live links of a sync."""
    rows = tx.execute("SELECT id FROM links WHERE sync = ? AND state = 'live' AND id > ? ORDER BY id LIMIT ?", (sync, after, limit))
    return [LinkId(number) for (number,) in rows]


def newest(tx: Connection) -> int:
    """The number of the newest link; 0 where there is none."""
    (number,) = tx.execute("SELECT coalesce(max(id), 0) FROM links").fetchone()
    return int(number)


def count_live(tx: Connection, sync: SyncName) -> int:
    """How many links of a sync are kept equal."""
    (count,) = tx.execute("SELECT count(*) FROM links WHERE sync = ? AND state = 'live'", (sync,)).fetchone()
    return int(count)


def find_record(tx: Connection, system: str, record_id: str) -> list[tuple[LinkId, MemberName]]:
    """The links a record belongs to, in whatever sync and collection."""
    return tx.execute(
        "SELECT link_id, member FROM link_members WHERE system = ? AND record_id = ? ORDER BY link_id", (system, record_id)
    ).fetchall()


def items_of(link: Link) -> list[PlanItem]:
    """The link's records as items of the list to plan; one is enough to have the link planned."""
    return [PlanItem(link.sync, name, each.ref.id) for name, each in link.members.items() if each.ref is not None]


def every_item(tx: Connection, sync: SyncName) -> list[PlanItem]:
    """One item for each live link of a sync."""
    rows = tx.execute(
        "SELECT m.sync, min(m.member), m.record_id FROM link_members AS m JOIN links AS l ON l.id = m.link_id"
        " WHERE l.sync = ? AND l.state = 'live' GROUP BY m.link_id",
        (sync,),
    )
    return [PlanItem(sync_name, member, RecordId(record_id)) for sync_name, member, record_id in rows]


def moved_away(tx: Connection, sync: SyncName, member: MemberName, place: tuple[str, str]) -> list[LinkId]:
    """The links whose record of this member is in another system or collection than the member is now."""
    rows = tx.execute(
        "SELECT link_id FROM link_members WHERE sync = ? AND member = ? AND (system, collection) <> (?, ?)", (sync, member, *place)
    )
    return [LinkId(link) for (link,) in rows]


def _hub_in(hub: Mapping[FieldName, HubField]) -> dict[str, list[object]]:
    return {
        name: [
            each.value,
            each.winner,
            each.rule,
            each.interval.since if each.interval else None,
            each.interval.until if each.interval else None,
        ]
        for name, each in hub.items()
    }


def _hub_out(stored: Mapping[str, list[object]]) -> dict[FieldName, HubField]:
    return {
        FieldName(name): HubField(
            value=value,
            winner=winner,  # type: ignore[arg-type]
            rule=rule,  # type: ignore[arg-type]
            interval=None if until is None else Interval(since, until),  # type: ignore[arg-type]
        )
        for name, (value, winner, rule, since, until) in stored.items()
    }
