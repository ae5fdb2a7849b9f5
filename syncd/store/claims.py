"""Claims: what automations did, kept until it shows, so that it is not taken for somebody else's doing.

A claim stands at a place (a system, for its records; a sync, for its hubs; a system's webhooks) under a subject there.
The rule that keeps it true: a claim is good for one sight of its subject that was had after the call, and void with the first such sight that
shows nothing of it: only the very value that was written, at the first opportunity, is ours.
It must not know: how values are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncd.core.happening import Cause, Claim, Origin
from syncd.core.record import Json, LinkId, Micros, SyncName, SystemName
from syncd.store.codec import pack, seal, unseal
from syncd.store.database import Connection

Key = tuple[str, str]
"""The place and the subject of a claim."""


def of_record(system: SystemName, record_id: str) -> Key:
    """Where what was done to a record is kept, until the record shows it."""
    return (system, record_id)


def of_source(system: SystemName, record_id: str) -> Key:
    """Where it is kept that a record shows something that an automation did, until the hub has it from there."""
    return (f"source {system}", record_id)


def of_hub(sync: SyncName, link: LinkId) -> Key:
    """Where it is kept that a hub has something from an automation, as long as it has it."""
    return (f"sync {sync}", str(link))


def of_webhook(system: SystemName, record_id: str) -> Key:
    """Where what was done to a record is kept, until its webhook comes in."""
    return (f"webhook {system}", record_id)


def add(tx: Connection, key: Key, claim: Claim, at: Micros) -> None:
    """Keeps a claim."""
    content = [claim.cause.origin.value, claim.cause.depth, claim.cause.by, {name: list(each) for name, each in claim.values.items()}, claim.made]
    tx.execute("INSERT INTO claims (place, subject, content, at) VALUES (?, ?, ?, ?)", (*key, seal(tx, content, "claims", *key), at))


def load(tx: Connection, keys: Iterable[Key]) -> dict[Key, list[Claim]]:
    """The claims under these keys, oldest first."""
    rows = tx.execute(
        "SELECT c.place, c.subject, c.id, c.content, c.at FROM json_each(?) AS wanted CROSS JOIN claims AS c ON c.place = wanted.value ->> 0"
        " AND c.subject = wanted.value ->> 1 ORDER BY c.id",
        (pack(sorted(set(keys))).decode(),),
    )
    found: dict[Key, list[Claim]] = {}
    for place, subject, number, sealed, at in rows:
        found.setdefault((place, subject), []).append(_claim(number, unseal(tx, sealed, "claims", place, subject), at))
    return found


def void(tx: Connection, ids: Iterable[int]) -> None:
    """These have shown."""
    tx.executemany("DELETE FROM claims WHERE id = ?", [(each,) for each in ids])


def unseen(tx: Connection, sights: Sequence[tuple[SystemName, str, Micros]]) -> None:
    """These records (system, id) were looked at, as of an instant, and show nothing new: what was claimed before that had no effect."""
    if tx.execute("SELECT 1 FROM claims LIMIT 1").fetchone() is None:
        return
    tx.executemany(
        "DELETE FROM claims WHERE place = ? AND subject = ? AND at <= ? AND NOT EXISTS (SELECT 1 FROM to_notice AS n"
        " WHERE n.system = claims.place AND n.record_id = claims.subject)",
        sights,
    )


def forget(tx: Connection, before: Micros) -> None:
    """Those that never showed."""
    tx.execute("DELETE FROM claims WHERE at < ?", (before,))


def drop_damaged(tx: Connection, row: Sequence[Json]) -> None:
    """A claim that cannot be read is none."""
    tx.execute("DELETE FROM claims WHERE place = ? AND subject = ?", tuple(row))


def _claim(number: int, content: Sequence[Json], at: Micros) -> Claim:
    origin, depth, by, values, made = content
    shown: Mapping[str, Sequence[Json]] = values
    return Claim(id=number, cause=Cause(Origin(origin), depth, by), values=shown, made=made, at=at)
