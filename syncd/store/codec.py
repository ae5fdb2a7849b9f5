"""Values to bytes and back: the one place where what is stored takes its form.

The rule that keeps it true: equal values give equal bytes, and what was packed unpacks to the same value.
It must not know: tables, or what the values mean.
"""

from __future__ import annotations

import hashlib

import orjson

from syncd.core.record import Json

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS


def pack(value: Json) -> bytes:
    """JSON with sorted keys."""
    return orjson.dumps(value, option=_OPTIONS)


def unpack(data: bytes | None) -> Json:
    """What was packed; None for NULL."""
    return None if data is None else orjson.loads(data)


def fingerprint(value: Json) -> bytes:
    """Sixteen bytes that are equal for equal values."""
    return hashlib.blake2b(pack(value), digest_size=16).digest()
