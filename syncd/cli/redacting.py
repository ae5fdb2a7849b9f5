"""Redacting: what is shown, with nobody in it, for a screenshot or a report.

Letters become x and digits 0 wherever a value of a record stands, and in every e-mail address and telephone number; lengths, marks and the
structure stay.
The rule that keeps it true: it is decided once, before a command begins, and everything that is shown goes through here.
It must not know: any command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer

from syncd.core.record import Json

_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"\+?\d[\d ()./-]{6,}\d")
_CONTENTS = frozenset(
    {"value", "values", "expected", "fields", "base", "agreed", "losers", "shown", "before", "after", "sides", "label", "asked", "changed", "hub", "about", "shows",
     "event", "sent", "answered", "would", "templates", "read", "now", "then", "found", "text"}
)
"""Keys beneath which every text is of a record."""


@dataclass(slots=True)
class _State:
    on: bool = False


_STATE = _State()


def begin() -> None:
    """A command begins; until it says otherwise, everything is shown."""
    _STATE.on = False


def turn(on: bool) -> bool:
    """Shows nobody from here on, where that is wished."""
    _STATE.on = _STATE.on or on
    return on


RedactOption = Annotated[
    bool, typer.Option("--redact", callback=turn, help="Mask names, addresses, numbers and all other values, for a screenshot.")
]


def is_on() -> bool:
    """Whether nobody is to be shown."""
    return _STATE.on


def masked(text: str) -> str:
    """A value without what it says."""
    return "".join("0" if each.isdigit() else "x" if each.isalpha() else each for each in text)


def line(text: str) -> str:
    """A line as it may be shown: addresses and telephone numbers masked."""
    if not _STATE.on:
        return text
    return _NUMBER.sub(lambda found: masked(found[0]), _ADDRESS.sub(lambda found: masked(found[0]), text))


def value(held: Json) -> Json:
    """A value of a record as it may be shown."""
    if not _STATE.on:
        return held
    match held:
        case str():
            return masked(held)
        case list():
            return [value(each) for each in held]
        case dict():
            return {name: value(each) for name, each in held.items()}
        case _:
            return held


def data(held: Json) -> Json:
    """JSON as it may be shown: all that is of a record masked, the rest line by line."""
    if not _STATE.on:
        return held
    match held:
        case str():
            return line(held)
        case list():
            return [data(each) for each in held]
        case dict():
            return {name: value(each) if name in _CONTENTS and not _tells_of_fields(name, each) else data(each) for name, each in held.items()}
        case _:
            return held


def _tells_of_fields(name: str, held: Json) -> bool:
    """Whether this is not a record's fields but what is known of each: its value is masked there, and its rule stays."""
    return name == "fields" and isinstance(held, dict) and any(isinstance(each, dict) for each in held.values())
