"""Reading the JSON that others send.

`read` decodes the body of a verified webhook within bounds of size, depth, width, length and number, `is_deeper` bounds depth alone; `moment` reads a vendor's ISO time.
The rule that keeps it true: a body is either read whole within the bounds or not at all, no string has a NUL in it, and nothing here
raises but for want of memory.
It must not know: signatures, vendors, or what the body means.
"""

from __future__ import annotations

from datetime import UTC, datetime
from mmap import mmap

import orjson

from syncd.core.record import SECOND, Json, Micros

BODY_BYTES_MAX = 4 * 1024 * 1024
_DEPTH_MAX = 32
_WIDTH_MAX = 2_000
_NODES_MAX = 200_000
STRING_MAX = 64 * 1024
_NUMBER_MAX = 2**53
"""Beyond it a number is no longer exact everywhere, so it would be another one elsewhere."""
_NUL = "\0"
_NO_ROOM = "Not enough memory"
_GROWN = 32
"""``{},`` is three bytes, and becomes an object of 64 and its place in a list."""
_ROOM = 2 * 1024 * 1024
"""Python takes memory from the system by the mebibyte."""


class _Unreadable:
    """The sole value that stands for a body that cannot be read; JSON itself has a None."""


UNREADABLE = _Unreadable()


def read(body: bytes, *, string_max: int = STRING_MAX) -> Json | _Unreadable:
    """The body's JSON without NULs, or UNREADABLE when it is none or is larger, deeper, wider or longer than any honest one."""
    if len(body) > BODY_BYTES_MAX:
        return UNREADABLE
    need_room(len(body))
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith(_NO_ROOM):
            # That is nobody's fault but ours: it is to be sent again.
            raise MemoryError(error.msg) from error
        return UNREADABLE
    if not _is_bounded(value, string_max):
        return UNREADABLE
    # JSON can only write a NUL as an escape; what merely looks like one costs a walk and no more.
    return _without_nul(value) if b"\\u0000" in body else value


def need_room(size: int) -> None:
    """Raises MemoryError where there is no room for what JSON of so many bytes may become: what decodes it does not look, and ends the process."""
    try:
        mmap(-1, _ROOM + _GROWN * size).close()
    except OSError as error:
        raise MemoryError(f"no room for a body of {size} bytes") from error


def is_deeper(value: Json, levels: int) -> bool:
    """Whether lists and objects are nested in more than so many levels."""
    level = [value]
    for _ in range(levels + 1):
        within = [each for each in level if isinstance(each, (dict, list))]
        if not within:
            return False
        level = [below for each in within for below in (each.values() if isinstance(each, dict) else each)]
    return True


def _is_bounded(value: Json, string_max: int) -> bool:
    level, nodes = [value], 0
    for _ in range(_DEPTH_MAX):
        below: list[Json] = []
        for item in level:
            if isinstance(item, str):
                if len(item) > string_max:
                    return False
            elif isinstance(item, (dict, list)):
                if len(item) > _WIDTH_MAX:
                    return False
                if isinstance(item, dict):
                    below.extend(item)
                below.extend(item.values() if isinstance(item, dict) else item)
            elif isinstance(item, (int, float)) and not -_NUMBER_MAX <= item <= _NUMBER_MAX:
                return False
        nodes += len(below)
        if nodes > _NODES_MAX:
            return False
        if not below:
            return True
        level = below
    return False


def _without_nul(value: Json) -> Json:
    """The value with no NUL in any string or name; its depth is bounded."""
    if isinstance(value, str):
        return value.replace(_NUL, "")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {name.replace(_NUL, ""): _without_nul(each) for name, each in value.items()}
    return value


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
