"""Templates: values with ``{paths}`` in them, filled from what a run knows.

A lone ``{path}`` becomes the value itself, of whatever type; with text around it, text. ``{path|word}`` stands for `word` where the value
is blank, ``{{`` and ``}}`` are braces. ``{now}`` is this moment, ``{now+7d.ms}`` one a week later in milliseconds.
The rule that keeps it true: a path that leads nowhere is said, never filled with nothing; nothing is evaluated as code.
It must not know: what a run knows, or what the values are for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd.core.record import DAY, HOUR, MINUTE, SECOND, Json, Micros

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_@:-]+)*")
_NOW = re.compile(r"now(?:([+-])(\d{1,6})(s|m|h|d))?(?:\.(ms|s|iso|date))?")
_UNITS: Mapping[str, Micros] = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


class Missing(Exception):  # noqa: N818 (named for what it says)
    """A path leads nowhere; the message names it."""


class TemplateError(ValueError):
    """The text is no template; the message says which part."""


class _Nothing:
    """What is not there."""


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One ``{…}``: its dotted path, and what stands for a blank (None: nothing does)."""

    path: str
    otherwise: str | None = None

    @property
    def root(self) -> str:
        """The first part."""
        return self.path.partition(".")[0]


def tokens(written: Json) -> Iterator[Token]:
    """Every path in a value, however deep. Raises TemplateError."""
    if isinstance(written, str):
        yield from (part for part in _parts(written) if isinstance(part, Token))
    elif isinstance(written, Mapping):
        for each in written.values():
            yield from tokens(each)
    elif isinstance(written, list):
        for each in written:
            yield from tokens(each)


def render(written: Json, known: Mapping[str, Json]) -> Json:
    """The value with every path filled in. `known` maps the first parts of paths to what is beneath; ``now`` to the moment. Raises Missing."""
    if isinstance(written, str):
        parts = _parts(written)
        if len(parts) == 1 and isinstance(parts[0], Token):
            return _value(parts[0], known)
        return "".join(part if isinstance(part, str) else as_text(_value(part, known)) for part in parts)
    if isinstance(written, Mapping):
        return {name: render(each, known) for name, each in written.items()}
    if isinstance(written, list):
        return [render(each, known) for each in written]
    return written


def look_up(known: Json, path: str) -> Json:
    """The value at a dotted path, or NOTHING. A key may itself hold dots, and a place in a list is a number."""
    if not path:
        return known
    if isinstance(known, list):
        place, _, rest = path.partition(".")
        return look_up(known[int(place)], rest) if place.isdigit() and int(place) < len(known) else NOTHING
    if not isinstance(known, Mapping):
        return NOTHING
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        if (key := ".".join(parts[:count])) in known:
            found = look_up(known[key], ".".join(parts[count:]))
            if found is not NOTHING:
                return found
    return NOTHING


def as_text(value: Json) -> str:
    """A value within a text: a blank is nothing, a list of texts its elements."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def moment(path: str, now: Micros) -> Json:
    """What a path that begins with ``now`` stands for, or NOTHING where it is none: an instant in ISO form unless it says otherwise."""
    match = _NOW.fullmatch(path)
    if match is None:
        return NOTHING
    sign, count, unit, form = match.groups()
    at = now + (int(count) * _UNITS[unit] * (-1 if sign == "-" else 1) if count else 0)
    if form in ("ms", "s"):
        return at // (1_000 if form == "ms" else SECOND)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return when.date().isoformat() if form == "date" else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(token: Token, known: Mapping[str, Json]) -> Json:
    found = moment(token.path, known["now"]) if token.path.startswith("now") and "now" in known else NOTHING
    found = look_up(known, token.path) if found is NOTHING else found
    if token.otherwise is not None and (found is NOTHING or found in (None, "")):
        return token.otherwise
    if found is NOTHING:
        raise Missing(f"there is no {{{token.path}}}")
    return found


def _parts(text: str) -> list[str | Token]:
    parts: list[str | Token] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        at = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise TemplateError(f"a lone `{match[0]}`: write `{match[0] * 2}` for a brace")
        else:
            parts.append(_token(match[1]))
    if at < len(text):
        parts.append(text[at:])
    return parts


def _token(inner: str) -> Token:
    path, bar, otherwise = inner.partition("|")
    path = path.strip()
    if not _PATH.fullmatch(path) and not _NOW.fullmatch(path):
        raise TemplateError(f"`{{{inner}}}` is no path: write {{event.email}}, or `{{{{` for a brace")
    return Token(path=path, otherwise=otherwise if bar else None)
