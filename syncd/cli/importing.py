"""What an exported file would tell, and taking it in: the work behind `syncd import`.

The rule that keeps it true: what is previewed is what is then taken in, in one transaction, and a record that the file does not have is never
taken for deleted.
It must not know: how a preview is shown, or how a file is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from syncd.config import Settings
from syncd.connectors.bridge.sheets import Line, Sheet
from syncd.core.handoff import Said
from syncd.core.record import CollectionName, Json, Micros, RecordId, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.flow.linking import keys_of
from syncd.flow.schemas import known_rules
from syncd.store import bridge, cursors, planning
from syncd.store.bridge_records import find_id, get, is_older, listed
from syncd.store.database import Connection, open_database, owning
from syncd.store.visiting import leave, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one line would do: to which record, and with which fields changed (none: it tells nothing new)."""

    line: int
    about: str
    record_id: RecordId | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a whole file would do. `absent` are records that are known and not in it.

    `matches` tells for each sync how many lines have a counterpart on another side, have none there, or have several.
    """

    new: tuple[Verdict, ...] = ()
    changed: tuple[Verdict, ...] = ()
    same: int = 0
    absent: tuple[str, ...] = ()
    matches: Mapping[SyncName, Mapping[str, int]]

    def as_json(self) -> dict[str, Json]:
        """Everything about it."""
        return {
            "new": [{"line": each.line, "about": each.about} for each in self.new],
            "changed": [
                {"line": each.line, "about": each.about, "record": each.record_id, "fields": list(each.changed)} for each in self.changed
            ],
            "same": self.same,
            "not_in_the_file": list(self.absent),
            "matches": {name: dict(counts) for name, counts in self.matches.items()},
        }


def foresee(settings: Settings, path: Path, system: SystemName, collection: CollectionName, sheet: Sheet) -> Foreseen:
    """What the file would do, from one snapshot of the database; where there is none yet, every line is new."""
    if not path.exists():
        new = tuple(Verdict(line=each.number, about=about(each.said), record_id=None, changed=()) for each in sheet.lines)
        return Foreseen(new=new, matches={})
    with reading(path) as read:
        return read(lambda tx: _foresee(tx, settings, system, collection, sheet.lines))


def _foresee(tx: Connection, settings: Settings, system: SystemName, collection: CollectionName, lines: Sequence[Line]) -> Foreseen:
    verdicts = [_judge(tx, system, each) for each in lines]
    met = {each.record_id for each in verdicts}
    known = [each for each in verdicts if each.record_id is not None]
    return Foreseen(
        new=tuple(each for each in verdicts if each.record_id is None),
        changed=tuple(each for each in known if each.changed),
        same=sum(1 for each in known if not each.changed),
        absent=tuple(each.id for each in listed(tx, system, collection) if each.id not in met),
        matches={
            name: _matches(tx, rules, system, collection, lines)
            for name, rules in known_rules(tx, settings).items()
            if any((member.system, member.collection) == (system, collection) for member in rules.members.values())
        },
    )


def _judge(tx: Connection, system: SystemName, line: Line) -> Verdict:
    record_id = find_id(tx, system, line.said)
    known = None if record_id is None else get(tx, system, line.said.collection, record_id)
    changed: tuple[str, ...] = ()
    if known is not None:
        held = known.fields or {}
        late = is_older(line.said, known)
        changed = tuple(
            path for path, value in line.said.fields.items() if held.get(path) != value and not (late and path in held)
        )
    return Verdict(line=line.number, about=about(line.said), record_id=record_id, changed=changed)


def _matches(
    tx: Connection, rules: SyncRules, system: SystemName, collection: CollectionName, lines: Sequence[Line]
) -> dict[str, int]:
    """How many lines have one counterpart on another side, none, or several, by the sync's own match keys."""
    member = next(each for each in rules.members.values() if (each.system, each.collection) == (system, collection))
    counts = Counter({"one": 0, "none": 0, "several": 0})
    for line in lines:
        keys = planning.blinded(tx, keys_of(rules, member, line.said.fields))
        for name in rules.match:
            found = [each for each in planning.kin(tx, rules.name, [(name, keys[name])] if name in keys else []) if each.item.member != member.name]
            if found:
                members = Counter(each.item.member for each in found)
                counts["several" if max(members.values()) > 1 else "one"] += 1
                break
        else:
            counts["none"] += 1
    return dict(counts)


def about(said: Said) -> str:
    """What a line is about, for a person: its first key, or its id."""
    return said.keys[0].partition("=")[2] if said.keys else f"id {said.vendor_id}"


def take_in(path: Path, system: SystemName, collection: CollectionName, lines: Sequence[Line], now: Micros) -> None:
    """Takes every line in, in one transaction beside the daemon, and has the collection read completely."""
    if not path.exists():
        anyio.run(_make, path)

    def commit(tx: Connection) -> None:
        bridge.take(tx, system, [each.said for each in lines], None, now, 0)
        cursors.ask_complete(tx, (system, collection), now)

    leave(path, commit)


async def _make(path: Path) -> None:
    with owning(path):
        async with open_database(path):
            pass
