"""What records behind bridges last showed.

A record goes by the system's own id where flows tell it. Where they do not (a line of an exported file), it goes by its natural keys, and
takes the system's id on when a flow tells that later.
The rule that keeps it true: two candidates are never guessed between; what was said earlier never overwrites what was said later; a field that
was not said stays as it was.
It must not know: hand-offs, or who spoke.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncd.core.handoff import Said, Shown
from syncd.core.record import CollectionName, Json, Micros, RecordId, Ref, SystemName
from syncd.store import forgotten
from syncd.store.codec import blind, fingerprint, seal, seal_text, unseal, unseal_text
from syncd.store.database import Connection

_COLUMNS = "r.record_id, r.vendor_name, r.fields, r.changed_at, r.shown_at, r.said_at"


def get(tx: Connection, system: SystemName, collection: CollectionName, record_id: RecordId) -> Shown | None:
    """One record."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bridge_records AS r WHERE system = ? AND collection = ? AND record_id = ?",  # noqa: S608
        (system, collection, record_id),
    ).fetchall()
    return _shown(tx, system, collection, rows[0]) if rows else None


def listed(
    tx: Connection,
    system: SystemName,
    collection: CollectionName,
    *,
    since: Micros | None = None,
    after: tuple[Micros, str] | None = None,
    limit: int = 1_000_000,
) -> list[Shown]:
    """Records that are there, by the time they changed; from `since`, and behind the place `after`."""
    at, behind = after if after is not None else (since if since is not None else 0, "")
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bridge_records AS r WHERE system = ? AND collection = ? AND fields IS NOT NULL"  # noqa: S608
        " AND (changed_at, record_id) > (?, ?) ORDER BY changed_at, record_id LIMIT ?",
        (system, collection, at, behind, limit),
    )
    return [_shown(tx, system, collection, row) for row in rows.fetchall()]


def found(tx: Connection, system: SystemName, collection: CollectionName, key: str) -> list[Shown]:
    """Records that are there and show this key."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM bridge_keys AS k JOIN bridge_records AS r ON r.system = k.system"  # noqa: S608
        " AND r.collection = k.collection AND r.record_id = k.record_id WHERE k.system = ? AND k.collection = ? AND k.key = ?",
        (system, collection, blind_key(tx, key)),
    )
    return [_shown(tx, system, collection, row) for row in rows.fetchall()]


def find_id(tx: Connection, system: SystemName, said: Said) -> RecordId | None:
    """The known record that was spoken of: by the system's id, else the only one with the first key that any has; None where it is new.

    A record that is known under another id is somebody else; so is one that shows another value of an earlier key, or where several fit.
    """
    if said.vendor_id is not None:
        row = tx.execute(
            "SELECT record_id FROM bridge_records WHERE system = ? AND collection = ? AND vendor_id = ?",
            (system, said.collection, blind(tx, said.vendor_id)),
        ).fetchone()
        if row is not None:
            return RecordId(row[0])
    for place, key in enumerate(said.keys):
        fitting = [each for each in found(tx, system, said.collection, key) if None in (said.vendor_id, each.vendor_id)]
        if fitting:
            only = fitting[0] if len(fitting) == 1 else None
            return None if only is None or _contradicts(tx, system, said, only, said.keys[:place]) else only.id
    return None


def _contradicts(tx: Connection, system: SystemName, said: Said, known: Shown, earlier: Sequence[str]) -> bool:
    """Whether the record shows another value of one of these keys: a family that shares a telephone is several people."""
    paths, blinded = {key.partition("=")[0] for key in earlier}, {blind_key(tx, key) for key in earlier}
    held = tx.execute(
        "SELECT key FROM bridge_keys WHERE system = ? AND collection = ? AND record_id = ?", (system, said.collection, known.id)
    ).fetchall()
    return any(key.partition("=")[0] in paths and key not in blinded for (key,) in held)


def show(tx: Connection, system: SystemName, said: Said, now: Micros, *, record_id: RecordId | None = None) -> RecordId:
    """Notes what was said of a record, which is `record_id` where that is known; the record."""
    known_id = record_id or find_id(tx, system, said)
    known = None if known_id is None else get(tx, system, said.collection, known_id)
    chosen = known_id or new_id(tx, system, said)
    if _is_forgotten(tx, system, said, chosen) and not (said.gone and known is not None):
        # That it is gone is wanted to be known, where it is kept only until then.
        return chosen
    late = known is not None and is_older(said, known)
    fields = _laid_over(said, known, late=late)
    unchanged = known is not None and _print(known.fields) == _print(fields)
    tx.execute(
        "INSERT INTO bridge_records (system, collection, record_id, vendor_id, vendor_name, fields, said_at, changed_at, shown_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (system, collection, record_id) DO UPDATE SET"
        " vendor_id = coalesce(bridge_records.vendor_id, excluded.vendor_id),"
        " vendor_name = coalesce(bridge_records.vendor_name, excluded.vendor_name), fields = excluded.fields,"
        " said_at = max(bridge_records.said_at, excluded.said_at), changed_at = excluded.changed_at,"
        " shown_at = max(bridge_records.shown_at, excluded.shown_at)",
        (system, said.collection, chosen, None if said.vendor_id is None else blind(tx, said.vendor_id),
         seal_text(tx, said.vendor_id, "bridge_records", system, said.collection, chosen, "vendor"),
         None if fields is None else seal(tx, fields, "bridge_records", system, said.collection, chosen),
         said.said_at, known.changed_at if unchanged and known is not None else now, now),
    )
    if not late:
        _index(tx, system, said, chosen)
    return chosen


def _is_forgotten(tx: Connection, system: SystemName, said: Said, record_id: RecordId) -> bool:
    """Whether what was said is of somebody who was to be forgotten."""
    if not forgotten.is_anybody(tx):
        return False
    place = (system, said.collection)
    marks = [forgotten.mark_of_ref(tx, Ref(*place, record_id)), *(forgotten.mark_of_told(tx, *place, blind_key(tx, key)) for key in said.keys[:1])]
    out = forgotten.among(tx, marks)
    forgotten.count_kept_out(tx, out)
    return bool(out)


def _laid_over(said: Said, known: Shown | None, *, late: bool) -> dict[str, Json] | None:
    """What the record shows now; None where it is said to be gone, and an earlier word does not bring it back."""
    if known is None or (known.fields is None and not late):
        return None if said.gone else dict(said.fields)
    if late:
        return None if known.fields is None else {**said.fields, **known.fields}
    return None if said.gone else {**(known.fields or {}), **said.fields}


def _print(fields: Json) -> bytes | None:
    return None if fields is None else fingerprint(fields)


def _index(tx: Connection, system: SystemName, said: Said, record_id: RecordId) -> None:
    """Keeps the keys of a record: those that were said replace the former values of the same paths; one that is gone has none."""
    place = (system, said.collection, record_id)
    keys = () if said.gone else said.keys
    paths = {key.partition("=")[0] for key in keys} | set(said.fields)
    held = tx.execute("SELECT key FROM bridge_keys WHERE system = ? AND collection = ? AND record_id = ?", place).fetchall()
    tx.executemany(
        "DELETE FROM bridge_keys WHERE system = ? AND collection = ? AND record_id = ? AND key = ?",
        [(*place, key) for (key,) in held if said.gone or key.partition("=")[0] in paths],
    )
    tx.executemany("INSERT INTO bridge_keys (system, collection, record_id, key) VALUES (?, ?, ?, ?)", [(*place, blind_key(tx, key)) for key in set(keys)])


def is_older(said: Said, known: Shown) -> bool:
    """Whether something was said before the latest that is known."""
    return said.said_at < known.said_at


def new_id(tx: Connection, system: SystemName, said: Said) -> RecordId:
    """An id for a record that was never spoken of: the system's own where it can stand in an address, else one made of what is known of it."""
    own = said.vendor_id
    if own is not None and len(own) <= 64 and all(each.isascii() and (each.isalnum() or each in "-_") for each in own):
        return RecordId(own)
    named = own if own is not None else (said.keys[0] if said.keys else repr(sorted(said.fields.items())))
    for number in range(1_000_000):
        digest = blind(tx, f"{said.collection}\0{named}\0{number}")[:24]
        record_id = RecordId(f"k-{digest}")
        # Somebody else with the same key has the first one.
        if get(tx, system, said.collection, record_id) is None:
            return record_id
    raise AssertionError("a million records share one key")


def blind_key(tx: Connection, key: str) -> str:
    """A natural key as it is looked up: its path stands, its value is blinded."""
    path, _, value = key.partition("=")
    return f"{path}={blind(tx, value)}"


def _shown(tx: Connection, system: SystemName, collection: CollectionName, row: Sequence[Json]) -> Shown:
    return Shown(
        id=row[0],
        vendor_id=unseal_text(tx, row[1], "bridge_records", system, collection, row[0], "vendor"),
        fields=unseal(tx, row[2], "bridge_records", system, collection, row[0]),
        changed_at=row[3],
        shown_at=row[4],
        said_at=row[5],
    )
