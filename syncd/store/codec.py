"""Values to bytes and back: the one place where what is stored takes its form.

What may lead to a write at a vendor is sealed: a checksum over the value, the table and the row it belongs to stands before it.
The rule that keeps it true: equal values give equal bytes, what was packed unpacks to the same value, and a sealed value whose bytes or
whose row changed by themselves is never handed out.
It must not know: which tables there are, or what the values mean.
"""

from __future__ import annotations

import hashlib

import orjson

from syncd.core.errors import StoreError
from syncd.core.record import Json

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
_SUM_BYTES = 8


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


def seal(value: Json, table: str, *row: Json) -> bytes:
    """The packed value behind a checksum that fits this row of this table only."""
    return seal_packed(pack(value), table, *row)


def seal_packed(data: bytes, table: str, *row: Json) -> bytes:
    """As `seal`, of what is packed already."""
    return _sum(data, table, row) + data


def unseal(sealed: bytes | None, table: str, *row: Json) -> Json:
    """What was sealed; None for NULL. Raises DamagedError when it does not fit."""
    if sealed is None:
        return None
    data = sealed[_SUM_BYTES:]
    if sealed[:_SUM_BYTES] != _sum(data, table, row):
        raise DamagedError(table, row)
    return orjson.loads(data)


def check(sealed: bytes, table: str, *row: Json) -> None:
    """As `unseal`, for who wants to know whether it fits and not what it says."""
    if sealed[:_SUM_BYTES] != _sum(sealed[_SUM_BYTES:], table, row):
        raise DamagedError(table, row)


def fingerprint(value: Json) -> bytes:
    """Sixteen bytes that are equal for equal values."""
    return hashlib.blake2b(pack(value), digest_size=16).digest()


def _sum(data: bytes, table: str, row: tuple[Json, ...]) -> bytes:
    return hashlib.blake2b(b"%b\0%b" % (orjson.dumps([table, *row]), data), digest_size=_SUM_BYTES).digest()
