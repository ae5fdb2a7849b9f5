"""The collections behind a bridge: which fields they have, which of them tell records apart, and what their values look like on the way.

The rule that keeps it true: what a flow says of a field is put into one form here, whatever program it came through (they send everything
as text, and nothing as empty text); a natural key is the same for every spelling.
It must not know: hooks, signatures, or what a record is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.connectors.base import FieldSpec
from syncd.core.fields import FieldType, Unreadable, as_set, elements, is_blank, read
from syncd.core.record import Json

OPEN = "fields."
"""Begins the path of a field that the operator declared."""
_PHONE_DIGITS = 9
_PHONE_DIGITS_MIN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One collection. `keys` are the paths of the natural keys, first things first; `tells_deletes`: a flow says when a record is deleted."""

    fields: Mapping[str, FieldSpec]
    keys: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    tells_deletes: bool = False
    by_word: Mapping[str, str] = field(init=False)
    """The paths by the words that flows use for them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_word", {word(path): path for path in self.fields})

    def taken(self, said: Mapping[str, Json]) -> dict[str, Json]:
        """What a flow said, by path; words that mean nothing here are passed over."""
        return {path: taken(self.fields[path], raw) for name, raw in said.items() if (path := self.by_word.get(name)) is not None}

    def natural_keys(self, fields: Mapping[str, Json]) -> tuple[str, ...]:
        """The natural keys among these fields, first things first."""
        found = (self.key(path, fields.get(path)) for path in self.keys)
        return tuple(each for each in found if each is not None)

    def key(self, path: str, value: Json) -> str | None:
        """``path=value``, the same for every spelling; None where the value tells nobody apart.

        Of a telephone number only the end counts: not everybody writes the beginning. Whoever finds by one looks again.
        """
        if value is None or isinstance(value, (bool, dict, list)):
            return None
        text = str(value).strip().casefold()
        if self.fields[path].type is FieldType.PHONE:
            digits = "".join(each for each in text if each.isdigit())
            text = digits[-_PHONE_DIGITS:] if len(digits) >= _PHONE_DIGITS_MIN else ""
        return f"{path}={text}" if text else None


def word(path: str) -> str:
    """What flows call a field."""
    return path.removeprefix(OPEN)


def taken(spec: FieldSpec, raw: Json) -> Json:
    """A value as it is kept: None where it says nothing, a list for a set; what cannot be read is kept as it is, for others to see."""
    if raw is None or raw in ("", []) or (isinstance(raw, str) and not raw.strip()):
        return None
    if spec.type not in (FieldType.SET, FieldType.BOOL):
        return raw.strip() if isinstance(raw, str) else raw
    value = read(spec.type, raw)
    return raw if isinstance(value, Unreadable) else value


def merged(spec: FieldSpec, wanted: Json, before: Json, held: Json) -> Json:
    """A set that is to be written: what others put in since stays, what they took out stays out."""
    if spec.type is not FieldType.SET:
        return wanted
    new, old, now = (elements(read(FieldType.SET, each)) for each in (wanted, before, held))
    kept = [item for key, item in now.items() if key in new or key not in old]
    return as_set([*kept, *(item for key, item in new.items() if key not in old)])


def blank_words(shape: Shape, fields: Mapping[str, Json]) -> dict[str, Json]:
    """The fields in the words of flows."""
    return {word(path): None if is_blank(value) else value for path, value in fields.items() if path in shape.fields}
