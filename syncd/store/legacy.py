"""What stored values were like before they were sealed: behind a checksum, or plain. For migrations only.

The rule that keeps it true: a value that does not fit its checksum is not sealed as if it did; what follows finds it damaged, as before.
It must not know: which tables there are.
"""

from __future__ import annotations

import hashlib

import orjson

from syncd.core.record import Json
from syncd.store.codec import seal_packed, seal_text
from syncd.store.connection import Connection

_SUM_BYTES = 8
_DAMAGED = b""


def teach(tx: Connection) -> None:
    """Gives a connection the functions that migrations use; each row is given as (table, key columns …).

    `seal` puts a checksum before a value, as earlier schemas had it; `opened` takes it off again, and `enclose` seals with the vault what was
    opened or plain. `enclose_text` does so for a column of texts, `blind` for one that is looked up, `blind_mark` for a fingerprint.
    """
    tx.create_function("seal", -1, lambda data, *row: None if data is None else summed(data, *row), deterministic=True)
    tx.create_function("opened", -1, _opened, deterministic=True)
    tx.create_function("enclose", -1, lambda data, *row: data if not data else seal_packed(tx, _bytes(data), *row))
    tx.create_function("enclose_text", -1, lambda text, *row: seal_text(tx, text, *row))
    tx.create_function("blind", 1, lambda text: None if text is None else tx.vault.blind(tx, text.encode()).hex(), deterministic=True)
    tx.create_function("blind_mark", 1, lambda mark: tx.vault.blind(tx, mark), deterministic=True)
    tx.create_function("side_mark", 1, lambda data: tx.vault.blind(tx, hashlib.blake2b(data, digest_size=16).digest()), deterministic=True)
    tx.create_function("blind_keys", 1, lambda keys: orjson.dumps([_key(tx, key) for key in orjson.loads(keys)]).decode())
    tx.create_function("with_keys", 2, lambda fields, keys: fields and b"[%b,%b]" % (fields, keys.encode()), deterministic=True)
    tx.create_function("blind_key", 1, lambda key: _key(tx, key), deterministic=True)


def summed(data: bytes, table: str, *row: Json) -> bytes:
    """A value behind a checksum that fits this row of this table only."""
    return _sum(data, table, row) + data


def _opened(data: bytes | None, table: str, *row: Json) -> bytes | None:
    if data is None:
        return None
    return data[_SUM_BYTES:] if data[:_SUM_BYTES] == _sum(data[_SUM_BYTES:], table, row) else _DAMAGED


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _key(tx: Connection, key: str) -> str:
    path, _, value = key.partition("=")
    return f"{path}={tx.vault.blind(tx, value.encode()).hex()}"


def _sum(data: bytes, table: str, row: tuple[Json, ...]) -> bytes:
    return hashlib.blake2b(b"%b\0%b" % (orjson.dumps([table, *row]), data), digest_size=_SUM_BYTES).digest()
