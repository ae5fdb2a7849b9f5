"""Which record is meant: from what a person writes to links and records.

A record is written ``system/collection/id``; the collection may be shortened or left out, and an id, an e-mail address or another match
key will do by itself, as will ``link/NUMBER``.
The rule that keeps it true: everything that could be meant is answered, and where nothing is, what comes nearest.
It must not know: what is told about a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.config.findings import suggest
from syncd.core.errors import UserError
from syncd.core.fields import Unreadable, read
from syncd.core.record import LinkId, MemberName, Ref, SyncName
from syncd.core.rules import MemberRule, SyncRules
from syncd.store import links, overview
from syncd.store.database import Connection
from syncd.store.planning import PlanItem

_LINK = "link"


@dataclass(frozen=True, slots=True)
class Meant:
    """One sync's view of what is meant: a link, or a record that belongs to none."""

    sync: SyncName
    link: LinkId | None
    member: MemberName | None = None
    ref: Ref | None = None


def who_is(tx: Connection, rules: Mapping[SyncName, SyncRules], written: str) -> list[Meant]:
    """Everything that could be meant. Raises UserError with a suggestion where nothing is known."""
    parts = written.strip("/").split("/")
    if parts[0] == _LINK and len(parts) == 2 and parts[1].isdigit():
        found = [Meant(link.sync, number) for number, link in links.load(tx, [LinkId(int(parts[1]))]).items()]
    elif len(parts) > 1:
        found = _by_ref(tx, rules, parts)
    else:
        found = _by_key(tx, rules, written) or _by_id(tx, rules, written)
    if not found:
        raise _unknown(tx, rules, written, parts)
    return list(dict.fromkeys(found))


def _by_ref(tx: Connection, rules: Mapping[SyncName, SyncRules], parts: list[str]) -> list[Meant]:
    collection = "/".join(parts[1:-1])
    refs = [
        ref
        for ref in overview.refs_with_id(tx, parts[-1])
        if ref.system == parts[0] and ref.collection.startswith(collection)
    ]
    return [meant for ref in refs for meant in _of_ref(tx, rules, ref)]


def _by_id(tx: Connection, rules: Mapping[SyncName, SyncRules], written: str) -> list[Meant]:
    return [meant for ref in overview.refs_with_id(tx, written) for meant in _of_ref(tx, rules, ref)]


def _of_ref(tx: Connection, rules: Mapping[SyncName, SyncRules], ref: Ref) -> list[Meant]:
    """The record in every sync that reads it."""
    members = [(sync, member) for sync in rules.values() for member in sync.members.values() if _reads(member, ref)]
    items = {PlanItem(sync.name, member.name, ref.id): member for sync, member in members}
    linked = links.links_of(tx, items)
    return [
        Meant(item.sync, linked[item]) if item in linked else Meant(item.sync, None, item.member, ref) for item in items
    ]


def _reads(member: MemberRule, ref: Ref) -> bool:
    return (member.system, member.collection) == (ref.system, ref.collection)


def _by_key(tx: Connection, rules: Mapping[SyncName, SyncRules], written: str) -> list[Meant]:
    found = []
    for sync in rules.values():
        for name in sync.match:
            normal = {
                str(value)
                for member in sync.members.values()
                if not isinstance(value := read(sync.fields[name].type, written, member.region), Unreadable)
            }
            items = [item for each in sorted(normal) for item in overview.items_with_key(tx, sync.name, name, each)]
            found += [meant for item in items for meant in _of_ref(tx, {sync.name: sync}, _ref(sync, item))]
    return found


def _ref(sync: SyncRules, item: PlanItem) -> Ref:
    member = sync.members[item.member]
    return Ref(member.system, member.collection, item.record_id)


def _unknown(tx: Connection, rules: Mapping[SyncName, SyncRules], written: str, parts: list[str]) -> UserError:
    systems = sorted({member.system for sync in rules.values() for member in sync.members.values()})
    if len(parts) > 1 and parts[0] not in systems and parts[0] != _LINK:
        meant = suggest(parts[0], systems)
        return UserError(f"no system is called `{parts[0]}`", hint=f"did you mean `{meant}`?" if meant else f"there are: {', '.join(systems)}")
    near = suggest(parts[-1], overview.ids_like(tx, parts[0])) if len(parts) > 1 else ""
    hint = f"did you mean {parts[0]}/{near}? " if near else ""
    return UserError(
        f"no record {written} was ever seen",
        hint=hint + "write SYSTEM/ID, an e-mail address or another match key; a new record shows after the next poll",
    )
