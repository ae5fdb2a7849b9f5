"""Rotation: another key in the place of the present one, while the database is used.

A new data key is added first, and seals whatever is written from then on; then every row is sealed anew, so many at a time; then the old data
keys go. Another master key locks the same data keys up beside the present one, until it has taken its place.
The rule that keeps it true: at every moment each row can be read with exactly one of the keys that the database holds; a key goes only when
nothing is sealed with it.
It must not know: which columns are sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import orjson

from syncd.core.record import Json
from syncd.store import chain, vault
from syncd.store.codec import DamagedError
from syncd.store.database import Connection, ask_to_shrink
from syncd.store.master import MasterKey
from syncd.store.sealed import SEALED, Sealed

T = TypeVar("T")
BATCH = 500


def begin(tx: Connection) -> int:
    """Adds a data key; its number. One that was added by a rotation that did not end is taken."""
    tx.vault.open(tx)
    rows = tx.execute("SELECT DISTINCT number FROM vault_keys WHERE number > 0").fetchall()
    return tx.vault.newest if len(rows) > 1 else tx.vault.add_key(tx)


def reseal_some(tx: Connection, each: Sealed, after: list[Json] | None) -> list[Json] | None:
    """Seals the next rows of a column with the newest key; behind which row to go on, None at the end. A damaged row stays as it is."""
    key = ", ".join(each.key)
    begun = "1" if after is None else f"({key}) > ({', '.join('?' * len(each.key))})"
    rows = tx.execute(
        f"SELECT {each.column}, json_array({', '.join(each.bound)}), {key} FROM {each.table} WHERE {begun} ORDER BY {key} LIMIT {BATCH}",  # noqa: S608
        after or [],
    ).fetchall()
    place = " AND ".join(f"{name} = ?" for name in each.key)
    tx.executemany(
        f"UPDATE {each.table} SET {each.column} = ? WHERE {place}",  # noqa: S608
        [(fresh, *number) for held, bound, *number in rows if (fresh := _fresh(tx, each, held, orjson.loads(bound))) is not None],
    )
    if each.table == "journal":
        chain.amend_ours(tx, [number for *_, number in rows], 0)
    return list(rows[-1][2:]) if len(rows) == BATCH else None


def _fresh(tx: Connection, each: Sealed, held: Json, bound: list[Json]) -> Json:
    """The value under the newest key; None where it is so already, or there is none, or it cannot be opened."""
    if not held or each.key_of(held) in (None, tx.vault.newest):
        return None
    try:
        return each.close(tx, each.open(tx, held, bound), bound)
    except DamagedError:
        return None


class Write(Protocol):
    """Runs a function in one short transaction."""

    def __call__(self, job: Callable[[Connection], T], /) -> T: ...


def rotate(write: Write) -> int:
    """The whole of it, in short transactions; how many old data keys went. Killed at any point, it can be done again."""
    newest = write(begin)
    for each in SEALED:
        after: list[Json] | None = None
        while True:
            after = write(partial(reseal_some, each=each, after=after))
            if after is None:
                break
    return write(partial(_end, newest=newest))


def _end(tx: Connection, newest: int) -> int:
    """Drops what is not needed any more; the pages it was on are overwritten at the next start."""
    ask_to_shrink(tx)
    return vault.retire(tx, newest)


def welcome(tx: Connection, text: str) -> str:
    """Locks the keys of the vault up with another master key too; its id."""
    master = MasterKey(text)
    tx.vault.lock_with(tx, master)
    return master.id


def part_with_others(tx: Connection) -> list[str]:
    """What only the present master key need open from now on; the ids of those that are not needed any more."""
    return vault.forget_masters(tx, keep=tx.vault.source.get().id)
