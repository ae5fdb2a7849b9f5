"""Fields of systems behind flows that no flow ever showed: what would go there waits until one does.

The rule that keeps it true: a field was shown where any record ever showed it, as empty too; one that only goes there waits for nobody.
It must not know: how flows tell, or who asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from syncd.config import Settings
from syncd.core.deliver import goes_unseen, receives
from syncd.core.fields import FieldType
from syncd.store.bridge_records import listed
from syncd.store.database import Connection
from syncd.store.observations import Place


def unshown(settings: Settings, tx: Connection) -> dict[str, list[str]]:
    """The paths of each collection that no record ever showed and that are therefore not written; of collections with records alone."""
    waiting: dict[Place, set[str]] = {}
    for place, path in _waiting(settings):
        waiting.setdefault(place, set()).add(path)
    found: dict[str, list[str]] = {}
    for place, paths in sorted(waiting.items()):
        rows = listed(tx, *place)
        left = set(paths)
        for row in rows:
            left -= (row.fields or {}).keys()
            if not left:
                break
        if rows and left:
            found[f"{place[0]}/{place[1]}"] = sorted(left)
    return found


def sentence(name: str, paths: list[str]) -> str:
    """What to do about it."""
    system = name.partition("/")[0]
    return (
        f"{name}: no flow and no file ever showed {', '.join(paths)}, so nothing is written there; let the flows that tell name it, as empty too"
        f" (`syncd bridge guide {system}`), or let it only go there: direction"
    )


def _waiting(settings: Settings) -> Iterator[tuple[Place, str]]:
    for sync in settings.syncs.values():
        for member in sync.members.values():
            for rule in sync.fields.values() if member.told_only else ():
                # Any value stands for all: what is asked is whether this row waits for being shown.
                waits = rule.type is FieldType.SET or not goes_unseen(rule, member, True)
                if receives(rule, member.name) and waits:
                    yield from (((member.system, member.collection), path) for path in rule.members[member.name].paths)
