"""Reading the body of a webhook whose sender has been verified.

`read` decodes JSON within bounds of size, depth and width; `moment` reads a vendor's ISO time.
The rule that keeps it true: a body is either read whole within the bounds or not at all, and nothing here ever raises.
It must not know: signatures, vendors, or what the body means.
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from syncd.core.record import SECOND, Json, Micros

BODY_BYTES_MAX = 4 * 1024 * 1024
_DEPTH_MAX = 32
_WIDTH_MAX = 2_000
_NODES_MAX = 200_000


class _Unreadable:
    """The sole value that stands for a body that cannot be read; JSON itself has a None."""


UNREADABLE = _Unreadable()


def read(body: bytes) -> Json | _Unreadable:
    """The body's JSON, or UNREADABLE when it is none or is larger, deeper or wider than any honest one."""
    if len(body) > BODY_BYTES_MAX:
        return UNREADABLE
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return UNREADABLE
    return value if _is_bounded(value) else UNREADABLE


def _is_bounded(value: Json) -> bool:
    level, nodes = [value], 0
    for _ in range(_DEPTH_MAX):
        below: list[Json] = []
        for item in level:
            if isinstance(item, (dict, list)):
                if len(item) > _WIDTH_MAX:
                    return False
                below.extend(item.values() if isinstance(item, dict) else item)
        nodes += len(below)
        if nodes > _NODES_MAX:
            return False
        if not below:
            return True
        level = below
    return False


def moment(text: Json) -> Micros | None:
    """An ISO time with an offset, in microseconds; None when it is missing or anything else."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None:
            return None
        since = parsed - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def iso(at: Micros) -> str:
    """The same moment as text, with milliseconds and a Z."""
    seconds, micros = divmod(at, SECOND)
    stamp = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{micros // 1_000:03d}Z"
