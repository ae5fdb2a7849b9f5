"""Holds: decisions waiting for a person.

The rule that keeps it true: a hold is named by what it is about, so that asking again finds the same one; a hold whose reason is gone
closes itself; an answer is kept. It must not know: how a question is decided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from syncd.core.outcome import HoldKind
from syncd.core.record import FieldName, Json, LinkId, MemberName, Micros, RecordId, SyncName
from syncd.store.codec import mark_of, pack, seal, seal_text, told_text, unseal
from syncd.store.database import Connection


class HoldState(Enum):
    """Open, answered by a person (and not yet carried out), ignored on a person's word, or over."""

    OPEN = "open"
    ANSWERED = "answered"
    IGNORED = "ignored"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One hold as it is kept. `choice` is a person's answer: a member's name, ``approve``, or a ref."""

    id: int
    key: str
    sync: SyncName
    link: LinkId | None
    member: MemberName | None
    record_id: RecordId | None
    field: FieldName | None
    kind: HoldKind
    reason: str
    sides: Mapping[str, Json]
    state: HoldState
    choice: str | None
    created_at: Micros
    updated_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A hold as it is asked: the same question is the same hold."""

    sync: SyncName
    kind: HoldKind
    reason: str
    sides: Mapping[str, Json]
    link: LinkId | None = None
    member: MemberName | None = None
    record_id: RecordId | None = None
    field: FieldName | None = None
    scope: str = ""

    @property
    def key(self) -> str:
        """What it is about, in short."""
        about = [self.sync, self.kind.value, self.link, self.member, self.record_id, self.field, self.scope]
        return hashlib.blake2b(pack(about), digest_size=8).hexdigest()


_COLUMNS = "id, key, sync, link_id, member, record_id, field, kind, reason, sides, state, choice, created_at, updated_at"


def ask(tx: Connection, questions: Iterable[Question], at: Micros) -> None:
    """Opens holds. One that was ignored stays ignored while its sides stay the same; a closed one opens again."""
    tx.executemany(
        "INSERT INTO holds (key, sync, link_id, member, record_id, field, kind, reason, sides, sides_mark, state, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?) ON CONFLICT (key) DO UPDATE SET reason = excluded.reason,"
        " sides = excluded.sides, sides_mark = excluded.sides_mark, updated_at = excluded.updated_at, choice = CASE WHEN holds.state = 'answered' THEN holds.choice END,"
        " state = CASE WHEN holds.state = 'answered' THEN 'answered'"
        " WHEN holds.state = 'ignored' AND holds.sides_mark = excluded.sides_mark THEN 'ignored' ELSE 'open' END",
        [
            (each.key, each.sync, each.link, each.member, each.record_id, each.field, each.kind.value, seal_text(tx, each.reason, "holds", each.key),
             seal(tx, each.sides, "holds", each.key), mark_of(tx, each.sides), at, at)
            for each in questions
        ],
    )


def close_others(tx: Connection, links: Mapping[LinkId, Sequence[Question]], at: Micros) -> None:
    """Closes the holds of these links whose question is no longer asked."""
    keep = {each.key for asked in links.values() for each in asked}
    rows = tx.execute(
        "SELECT h.id, h.key FROM json_each(?) AS wanted CROSS JOIN holds AS h ON h.link_id = wanted.value"
        " WHERE h.state IN ('open', 'answered') AND h.kind NOT IN ('unknown_create', 'not_stored', 'oscillation')",
        (pack(list(links)).decode(),),
    ).fetchall()
    tx.executemany(
        "UPDATE holds SET state = 'closed', updated_at = ? WHERE id = ?", [(at, number) for number, key in rows if key not in keep]
    )


def close_record(tx: Connection, sync: SyncName, member: MemberName, record_id: RecordId, at: Micros) -> None:
    """Closes what was asked about an unlinked record."""
    tx.execute(
        "UPDATE holds SET state = 'closed', updated_at = ? WHERE sync = ? AND member = ? AND record_id = ? AND link_id IS NULL"
        " AND state IN ('open', 'answered')",
        (at, sync, member, record_id),
    )


def close(tx: Connection, key: str, at: Micros) -> None:
    """The reason for this hold is gone."""
    tx.execute("UPDATE holds SET state = 'closed', updated_at = ? WHERE key = ? AND state <> 'closed'", (at, key))


def answers(tx: Connection, links: Iterable[LinkId]) -> list[Held]:
    """What persons answered about these links, not yet carried out."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM holds WHERE state = 'answered' AND link_id IN (SELECT value FROM json_each(?))",  # noqa: S608
        (pack(list(links)).decode(),),
    )
    return [_held(tx, row) for row in rows]


def doubtful_creates(tx: Connection, links: Iterable[LinkId]) -> set[tuple[LinkId, MemberName]]:
    """The links and targets of which nobody but a person can say whether the record was made."""
    rows = tx.execute(
        "SELECT h.link_id, h.member FROM json_each(?) AS wanted CROSS JOIN holds AS h ON h.link_id = wanted.value"
        " AND h.kind = 'unknown_create' AND h.state <> 'closed'",
        (pack(sorted(set(links))).decode(),),
    )
    return {(LinkId(link), MemberName(member)) for link, member in rows}


def not_kept(tx: Connection, link: LinkId, member: MemberName) -> frozenset[FieldName]:
    """The fields of which a person is asked because this member accepted a value and did not keep it."""
    rows = tx.execute(
        "SELECT field FROM holds WHERE link_id = ? AND member = ? AND kind = 'not_stored' AND state = 'open' AND field IS NOT NULL", (link, member)
    )
    return frozenset(FieldName(name) for (name,) in rows)


def close_doubtful(tx: Connection, link: LinkId, member: MemberName, at: Micros) -> bool:
    """A record has turned up where it was not known whether it had been made; whether that was asked."""
    return bool(tx.execute(
        "UPDATE holds SET state = 'closed', updated_at = ? WHERE link_id = ? AND member = ? AND kind = 'unknown_create'"
        " AND state <> 'closed'",
        (at, link, member),
    ).rowcount)


def answers_about(tx: Connection, sync: SyncName) -> dict[tuple[MemberName, RecordId], Held]:
    """What persons answered about unlinked records of a sync."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM holds WHERE state = 'answered' AND sync = ? AND link_id IS NULL"  # noqa: S608
        " AND record_id IS NOT NULL",
        (sync,),
    )
    return {(each.member, each.record_id): each for each in (_held(tx, row) for row in rows) if each.member and each.record_id}


def find(tx: Connection, key: str) -> Held | None:
    """The hold with this key."""
    return find_all(tx, [key]).get(key)


def find_all(tx: Connection, keys: Iterable[str]) -> dict[str, Held]:
    """The holds with these keys, those there are."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM holds WHERE key IN (SELECT value FROM json_each(?))", (pack(list(keys)).decode(),))  # noqa: S608
    return {held.key: held for held in (_held(tx, row) for row in rows)}


def get(tx: Connection, number: int) -> Held | None:
    """The hold with this number."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM holds WHERE id = ?", (number,)).fetchone()  # noqa: S608
    return None if row is None else _held(tx, row)


def fields_asked(tx: Connection, links: Iterable[LinkId]) -> dict[LinkId, dict[FieldName | None, str]]:
    """Which fields of these links a person was asked about, and has not closed, with the kind of the question; None: the whole link."""
    rows = tx.execute(
        "SELECT h.link_id, h.field, h.kind FROM json_each(?) AS wanted CROSS JOIN holds AS h ON h.link_id = wanted.value"
        " AND h.state <> 'closed'",
        (pack(sorted(set(links))).decode(),),
    )
    found: dict[LinkId, dict[FieldName | None, str]] = {}
    for link, field, kind in rows:
        found.setdefault(LinkId(link), {})[field] = kind
    return found


def select(tx: Connection, states: Iterable[HoldState], limit: int = 1000, kinds: Iterable[HoldKind] | None = None) -> list[Held]:
    """Holds in these states, oldest first; of these kinds where they are given."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM holds WHERE state IN (SELECT value FROM json_each(?1))"  # noqa: S608
        " AND (?2 IS NULL OR kind IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?3",
        (
            pack([state.value for state in states]).decode(),
            None if kinds is None else pack(sorted(kind.value for kind in kinds)).decode(),
            limit,
        ),
    )
    return [_held(tx, row) for row in rows]


def answer(tx: Connection, number: int, state: HoldState, choice: str | None, at: Micros) -> None:
    """Records a person's answer."""
    tx.execute(
        "UPDATE holds SET state = ?, choice = ?, updated_at = ? WHERE id = ?", (state.value, choice, at, number)
    )


def counts(tx: Connection) -> dict[str, int]:
    """How many holds are open, by kind."""
    return dict(tx.execute("SELECT kind, count(*) FROM holds WHERE state = 'open' GROUP BY kind").fetchall())


def _held(tx: Connection, row: tuple[Json, ...]) -> Held:
    return Held(
        id=row[0],
        key=row[1],
        sync=row[2],
        link=row[3],
        member=row[4],
        record_id=row[5],
        field=row[6],
        kind=HoldKind(row[7]),
        reason=told_text(tx, row[8], "holds", row[1]) or "",
        sides=unseal(tx, row[9], "holds", row[1]),
        state=HoldState(row[10]),
        choice=row[11],
        created_at=row[12],
        updated_at=row[13],
    )
