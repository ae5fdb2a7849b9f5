"""Likeness: whether what a record shows is what a write of ours made of it.

The rule that keeps it true: values are compared in the hub's form, and a vendor may tidy a text up, cut it short or round a number; what is neither
is somebody else's.
It must not know: what follows from it.
"""

from __future__ import annotations

from syncd.core.fields import FieldType, Unreadable, alike, elements, equal
from syncd.core.match import parts_of
from syncd.core.outcome import Operation
from syncd.core.record import FieldName, Json, Record
from syncd.core.rules import SyncRules
from syncd.core.translate import to_hub
from syncd.store.outbox import Owed

CUT_MIN = 8
"""A text that a vendor cut short is at least this long."""
PLACES_MAX = 7
"""A number that a vendor rounded keeps fewer decimal places than this."""
MINUTE_OF = len("2026-01-31T12:34")
"""An instant that a vendor made coarser is still of the same minute."""


def differs_from_expected(rules: SyncRules, owed: Owed, record: Record) -> bool:
    """Whether the target shows, in any field of this write, something else than it did when the write was decided."""
    shown = to_hub(rules, rules.members[owed.member], record.fields)
    return any(
        name in shown and (isinstance(shown[name], Unreadable) or not equal(_kind(rules, name), shown[name], expected))
        for name, expected in owed.expected.items()
    )


def already_holds(rules: SyncRules, owed: Owed, record: Record) -> bool:
    """Whether the target shows every value of this write already."""
    shown = to_hub(rules, rules.members[owed.member], record.fields)
    return all(
        name in shown and not isinstance(shown[name], Unreadable) and equal(_kind(rules, name), shown[name], value)
        for name, value in owed.values.items()
    )


def could_be_ours(rules: SyncRules, owed: Owed, record: Record) -> bool:
    """Whether the record shows just what a vendor may make of this write: its values, tidied up or cut short.

    Of a record that we made only the match keys need to be as sent: somebody may have edited the rest before it was found.
    """
    keys = {part for name in rules.match for part in parts_of(name)}
    shown = to_hub(rules, rules.members[owed.member], record.fields)
    return all(
        name in shown and not isinstance(shown[name], Unreadable) and made_of(_kind(rules, name), shown[name], value)
        for name, value in owed.values.items()
        if owed.operation is not Operation.CREATE or name in keys
    )


def arrived(kind: FieldType, shown: Json, sent: Json) -> bool:
    """Whether a new record shows what it was made with; a set may have grown since."""
    return elements(sent).keys() <= elements(shown).keys() if kind is FieldType.SET else made_of(kind, shown, sent)


def made_of(kind: FieldType, shown: Json, sent: Json) -> bool:
    """Whether a vendor may show this of a value that was sent: itself, tidied up, or cut short."""
    if equal(kind, shown, sent) or alike(shown, sent):
        return True
    if isinstance(shown, (int, float)) and isinstance(sent, (int, float)):
        return any(round(sent, places) == shown for places in range(PLACES_MAX))
    if kind is FieldType.INSTANT:
        return str(shown)[:MINUTE_OF] == str(sent)[:MINUTE_OF]
    return isinstance(shown, str) and isinstance(sent, str) and len(shown) >= CUT_MIN and sent.casefold().startswith(shown.casefold())


def _kind(rules: SyncRules, name: FieldName) -> FieldType:
    return rules.fields[name].type if name in rules.fields else FieldType.TEXT
