"""Text fit for a terminal, and values, times and sizes in words.

Names, tags and error messages come from records that anybody may have filled in, so nothing is shown before it went through `safe`.
The rule that keeps it true: what `safe` returns moves no cursor, sets no title or clipboard, and reads in the order it is written.
It must not know: where anything is shown.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import orjson

from syncd.cli import redacting
from syncd.core.record import DAY, HOUR, MINUTE, SECOND, Json, Micros

_JOINERS = "\u200c\u200d"  # between letters of Persian or Hindi, and inside emoji
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_VALUE_MAX = 200
_SECRETS = ("password", "secret", "access_token", "accesstoken", "refresh_token", "refreshtoken", "api_key", "apikey", "authorization")


def safe(text: str) -> str:
    """The text in one line, without control characters, bidirectional marks or anything else that is not seen."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\t\n\r\u2028\u2029":
        return " "
    return "" if unicodedata.category(character) in _UNSEEN and character not in _JOINERS else character


def as_json(value: Json, *, lines: bool = False) -> str:
    """JSON for standard output: whole and exact, with every character that a terminal would obey written as an escape."""
    text = orjson.dumps(value, default=str, option=0 if lines else orjson.OPT_INDENT_2).decode()
    return "".join(each if each == "\n" or not _shown_unsafe(each) else _escape(each) for each in text)


def _shown_unsafe(character: str) -> bool:
    return (not character.isascii() and _shown(character) != character) or character == "\x7f"


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def value(held: Json) -> str:
    """A field's value as a person reads it."""
    held = redacting.value(held)
    if held is None:
        return "(blank)"
    if isinstance(held, str):
        return f'"{shortened(safe(held))}"'
    if isinstance(held, list) and all(isinstance(each, str) for each in held):
        return shortened(safe(", ".join(held))) or "(blank)"
    return shortened(safe(orjson.dumps(held, default=str).decode()))


def masked(held: Json) -> Json:
    """A value as it may be shown: what goes by the name of a password or a key stays between those who know it."""
    if isinstance(held, list):
        return [masked(each) for each in held]
    if not isinstance(held, dict):
        return held
    return {
        name: "…" if isinstance(value, str) and any(word in name.casefold() for word in _SECRETS) else masked(value)
        for name, value in held.items()
    }


def shortened(text: str, most: int = _VALUE_MAX) -> str:
    """The text, cut where it is longer than anybody reads."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def moment(at: Micros | None) -> str:
    """An instant as text: ``2026-01-31 09:15:00 UTC``."""
    return "never" if at is None else _instant(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at: Micros | None) -> str | None:
    """An instant as programs read it."""
    return None if at is None else _instant(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(at: Micros) -> datetime:
    return datetime.fromtimestamp(at / SECOND, tz=UTC)


def ago(at: Micros | None, now: Micros) -> str:
    """How long ago, in the largest fitting unit."""
    return "never" if at is None else f"{duration((now - at) / SECOND)} ago" if now - at >= SECOND else "just now"


def duration(seconds: float) -> str:
    """A length of time in words."""
    length = int(seconds * SECOND)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if length >= unit:
            rest, lower = length % unit, {"d": (HOUR, "h"), "h": (MINUTE, "min"), "min": (SECOND, "s")}[name]
            return f"{length // unit} {name}" + (f" {rest // lower[0]} {lower[1]}" if rest >= lower[0] else "")
    return f"{max(0, round(seconds))} s"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 write``, ``2 writes``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
