"""What a log line may say: keys that are known, and texts without what looks like a record's contents.

A key that is not on the list has its value replaced by a keyed hash, so that two lines can still be told to mean the same. A text that
others worded (a vendor's refusal, a library's line, the message of an exception) is told without what stands in quotes, e-mail addresses,
phone numbers and the queries of URLs. Exceptions are told with their places in our code, never with local variables.
The rule that keeps it true: whatever reaches a log line has passed here, whoever logged it; there is no log of bodies at all, and no way to
turn one on. It must not know: which events there are, or how a line is rendered.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any

LOGGABLE = frozenset({
    "attempt", "automation", "call", "channel", "collection", "config", "count", "counted", "done", "doubtful", "error", "event", "events", "exception", "field",
    "fields", "fresh", "held", "held_back", "hint", "host", "items", "key", "kind", "level", "link", "links", "listed", "listen", "logger", "looked",
    "member", "mode", "next", "now", "operation", "owed", "pid", "port", "problems", "reason", "ref", "retry_s", "row", "run", "runs", "said",
    "sentence", "signal", "size", "source", "stage", "subject", "sync", "syncs", "system", "table", "timestamp", "unknown", "version", "what", "why", "writes",
    "left", "removed",
})  # fmt: skip
"""Names, ids, counts, moments, and reasons in our own words or made discreet."""
_WORDED_BY_OTHERS = frozenset({"error", "reason", "sentence"})
_TEXT_MAX = 2_000
_QUOTED = re.compile(r"(?<![A-Za-z0-9])'[^'\n]*'(?![A-Za-z0-9])|\"[^\"\n]*\"")
_EMAIL = re.compile(r"[^\s\"'<>,;:()\[\]]+@[^\s\"'<>,;:()\[\]]+")
_PHONE = re.compile(r"(?<![\w.:/-])\+?\d[\d ().-]{6,}\d(?![\w:/-])")
_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]*")
_FRAME = re.compile(r"[\s|+-]*File \"")


class Discretion:
    """The processors that every line passes, with the key of this process's hashes."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def of_ours(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A line of our own: known keys only, and what others worded made discreet."""
        ours = {key: value if key in LOGGABLE else self.hidden(value) for key, value in event.items()}
        for key, value in ours.items():
            if isinstance(value, str) and key != "exception":
                ours[key] = _short(impersonal(value) if key in _WORDED_BY_OTHERS else _without_queries(value))
        return ours

    def of_libraries(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A line of a library's: what it says is its own wording, whatever it put into it."""
        event["event"] = impersonal(str(event.get("event", "")))
        return event

    def hidden(self, value: object) -> str:
        """A mark that is the same for the same value, in this process, and tells nothing else."""
        return "hidden:" + hashlib.blake2b(repr(value).encode("utf-8", "surrogateescape"), key=self._key, digest_size=6).hexdigest()


def impersonal(text: str) -> str:
    """A text without what stands in quotes, e-mail addresses, phone numbers and queries."""
    return _PHONE.sub("…", _EMAIL.sub("…", _QUOTED.sub("…", _QUERY.sub(r"\1?…", text))))


def _without_queries(text: str) -> str:
    return _QUERY.sub(r"\1?…", text)


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"


def told_exceptions(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts the exception of a line into words: where it was, of which kind, and its message made discreet."""
    given = event.pop("exc_info", None)
    found = _exception(given)
    if found is not None:
        event["exception"] = "\n".join(_lines(found))
    return event


def _exception(given: Any) -> BaseException | None:
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, TracebackType() | None):
            return error
        case _ if given:
            return _being_treated()
        case _:
            return None


def _being_treated() -> BaseException | None:
    return sys.exc_info()[1]


def _lines(error: BaseException) -> Iterator[str]:
    """The traceback, line by line; lines of code are our own text, all else is what somebody worded."""
    for chunk in traceback.TracebackException.from_exception(error, capture_locals=False, compact=True).format():
        lines = chunk.rstrip("\n").split("\n")
        # A frame is a chunk of its own; a message that only looks like one is not.
        yield from lines if _FRAME.match(lines[0]) else map(impersonal, lines)
