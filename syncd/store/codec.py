"""Values to bytes and back: the one place where what is stored takes its form.

What may lead to a write at a vendor, or tells of a person, is sealed with the vault of the connection, for one row of one table.
The rule that keeps it true: equal values are packed to equal bytes, what was packed unpacks to the same value, and a sealed value whose bytes
or whose row changed by themselves is never handed out.
It must not know: which tables there are, or what the values mean.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode

import orjson

from syncd.core.errors import StoreError
from syncd.core.record import Json
from syncd.store.connection import Connection
from syncd.store.vault import number_of

_SEALED_TEXT = "~"
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS


class DamagedError(StoreError):
    """A stored row is not what was stored: `table` and `row`, its key columns as they are read now, say which."""

    def __init__(self, table: str, row: tuple[Json, ...]) -> None:
        super().__init__(
            f"a row of {table} is damaged: {', '.join(map(str, row))}",
            hint="nothing is written because of it; check the disk, and put a copy of the database back if there are more",
        )
        self.table = table
        self.row = row


def pack(value: Json) -> bytes:
    """JSON with sorted keys."""
    return orjson.dumps(value, option=_OPTIONS)


def unpack(data: bytes | None) -> Json:
    """What was packed; None for NULL."""
    return None if data is None else orjson.loads(data)


def seal(tx: Connection, value: Json, table: str, *row: Json) -> bytes:
    """The value, sealed for this row of this table only."""
    return tx.vault.seal(tx, pack(value), _bound(table, row))


def seal_packed(tx: Connection, data: bytes, table: str, *row: Json) -> bytes:
    """As `seal`, of what is packed already."""
    return tx.vault.seal(tx, data, _bound(table, row))


def unseal(tx: Connection, sealed: bytes | None, table: str, *row: Json) -> Json:
    """What was sealed; None for NULL. Raises DamagedError when it does not fit."""
    return None if sealed is None else orjson.loads(_opened(tx, sealed, table, row))


def check(tx: Connection, sealed: bytes, table: str, *row: Json) -> None:
    """As `unseal`, for who wants to know whether it fits and not what it says."""
    _opened(tx, sealed, table, row)


def seal_text(tx: Connection, text: str | None, table: str, *row: Json) -> str | None:
    """A text, sealed as `seal` does, for a column of texts; None for None."""
    return None if text is None else _SEALED_TEXT + b64encode(seal(tx, text, table, *row)).decode()


def unseal_text(tx: Connection, sealed: str | None, table: str, *row: Json) -> str | None:
    """What `seal_text` sealed; a text of our own that was not sealed, as it is. Raises DamagedError when it does not fit."""
    if sealed is None or not sealed.startswith(_SEALED_TEXT):
        return sealed
    try:
        held = b64decode(sealed.removeprefix(_SEALED_TEXT), validate=True)
    except ValueError:
        raise DamagedError(table, row) from None
    return str(unseal(tx, held, table, *row))


def told_text(tx: Connection, sealed: str | None, table: str, *row: Json) -> str | None:
    """As `unseal_text`, of a text that is only shown: one that does not fit says so, and stops nothing."""
    try:
        return unseal_text(tx, sealed, table, *row)
    except DamagedError:
        return "(what stood here is damaged)"


def key_of_text(sealed: str) -> int | None:
    """The number of the key that a text is sealed with; None where it is not sealed, or not readably."""
    try:
        return number_of(b64decode(sealed.removeprefix(_SEALED_TEXT), validate=True)) if sealed.startswith(_SEALED_TEXT) else None
    except ValueError:
        return None


def blind(tx: Connection, text: str) -> str:
    """What stands for a text that is looked up, and would name a person: the same for the same text."""
    return tx.vault.blind(tx, text.encode()).hex()


def mark_of(tx: Connection, value: Json) -> bytes:
    """A fingerprint to be stored: it tells nothing of the value to who has not the key."""
    return tx.vault.blind(tx, fingerprint(value))


def fingerprint(value: Json) -> bytes:
    """Sixteen bytes that are equal for equal values."""
    return hashlib.blake2b(pack(value), digest_size=16).digest()


def _opened(tx: Connection, sealed: bytes, table: str, row: tuple[Json, ...]) -> bytes:
    data = tx.vault.unseal(tx, sealed, _bound(table, row))
    if data is None:
        raise DamagedError(table, row)
    return data


def _bound(table: str, row: tuple[Json, ...]) -> bytes:
    return orjson.dumps([table, *row])
