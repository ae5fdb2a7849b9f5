"""Records in a few words, from what they last showed.

The rule that keeps it true: what is not known is not said.
It must not know: why somebody asks.
"""

from __future__ import annotations

from syncd.cli.text import value
from syncd.core.fields import Unreadable, is_blank
from syncd.core.record import CollectionName, RecordId, Ref, SystemName
from syncd.core.rules import SyncRules
from syncd.core.translate import to_hub
from syncd.store import observations
from syncd.store.database import Connection

_FIELDS_MAX = 5


def read_ref(written: str) -> Ref:
    """``system/collection/id`` as a ref."""
    system, collection, record_id = written.split("/", 2)
    return Ref(SystemName(system), CollectionName(collection), RecordId(record_id))


def record_in_words(tx: Connection, rules: SyncRules | None, written: str) -> str:
    """The first few fields that a record shows; empty where it was never seen."""
    ref = read_ref(written)
    seen = observations.load(tx, [ref]).get(ref)
    if seen is None or rules is None:
        return ""
    if seen.fields is None:
        return "gone"
    for member in rules.members.values():
        if (member.system, member.collection) == (ref.system, ref.collection):
            shown = to_hub(rules, member, seen.fields)
            told = [f"{name} {value(held)}" for name, held in shown.items() if not isinstance(held, Unreadable) and not is_blank(held)]
            return ", ".join(told[:_FIELDS_MAX])
    return ""
