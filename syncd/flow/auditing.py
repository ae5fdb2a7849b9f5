"""Auditing: compares hub, bases and what every member shows now, and names each difference that nothing explains.

What explains a difference: a write owed, given up or not wanted, a question to a person, something still to be planned, a rule (direction,
owner, a word the member has not), and the form a vendor gives a value.
The rule that keeps it true: it only reads, by the hundred, each hundred over one snapshot; the planner itself says what would be owed.
It must not know: who asked, or what is done about a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from syncd.core.decide import may_speak
from syncd.core.deliver import receives, undeliverable, waits
from syncd.core.fields import Unreadable, equal
from syncd.core.link import Gone, Link, LinkMember, Seen
from syncd.core.outcome import Operation
from syncd.core.plan import plan
from syncd.core.record import MINUTE, SECOND, FieldName, Json, LinkId, MemberName, Micros, Ref
from syncd.core.rules import FieldRule, SyncRules
from syncd.core.translate import from_hub, see, to_hub
from syncd.flow.binding import bind
from syncd.flow.engine import Engine
from syncd.flow.likeness import made_of
from syncd.store import drifts, holds, links, observations, planning, writes
from syncd.store.database import Connection
from syncd.store.drifts import Spot
from syncd.store.observations import Observation

BATCH = 200
AGAIN: Micros = 10 * MINUTE
"""While a difference is known it is looked at again this often, so that it is known when it is over."""
LOOK_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference that nothing explains. `field` is empty where a whole record is missing."""

    spot: Spot
    ref: Ref | None
    shown: Json
    hub: Json
    base: Json
    why: str


@dataclass(slots=True, kw_only=True)
class Audit:
    """What was compared: links, fields that are equal, differences by what explains them, and those that nothing does."""

    links: int = 0
    equal: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    drifts: list[Drift] = field(default_factory=list)


async def audit_forever(engine: Engine, every: Micros) -> None:
    """Audits what was last read, every so often; needs no call, for complete passes come by themselves."""
    while True:
        last, known = await engine.database.read(lambda tx: (drifts.audited_at(tx), bool(drifts.since(tx))))
        if last is None:
            await engine.database.write(lambda tx: drifts.keep(tx, [], engine.clock.now()))
        elif engine.clock.now() - last >= (min(every, AGAIN) if known else every):
            found = await audit(engine)
            if found.drifts:
                engine.log.warning("audit.drifted", count=len(found.drifts), links=sorted({each.spot.link for each in found.drifts})[:20])
        await anyio.sleep(min(LOOK_S, every / SECOND))


async def audit(engine: Engine) -> Audit:
    """Compares everything, keeps what was found, and answers it."""
    found = Audit()
    for name in engine.syncs:
        last: LinkId | None = LinkId(0)
        while last is not None:
            last = await engine.database.read(lambda tx: audit_some(tx, engine.syncs[name], last or LinkId(0), found))  # noqa: B023
    now = engine.clock.now()
    await engine.database.write(lambda tx: drifts.keep(tx, [(each.spot, each.why) for each in found.drifts], now))
    return found


def audit_some(tx: Connection, rules: SyncRules, after: LinkId, found: Audit) -> LinkId | None:
    """Compares the next links of a sync; the last of them, None at the end."""
    numbers = links.live_after(tx, rules.name, after, BATCH)
    whole = links.load(tx, numbers)
    seen = observations.load(tx, [m.ref for link in whole.values() for m in link.members.values() if m.ref is not None])
    shown = [
        (name, look.fields)
        for link in whole.values()
        for name, m in link.members.items()
        if m.ref is not None and (look := seen.get(m.ref)) is not None and look.fields is not None
    ]
    bound = bind(tx, rules, shown, [link.values() for link in whole.values()])
    owed, asked = writes.open_among(tx, numbers), holds.fields_asked(tx, numbers)
    for number in numbers:
        link = whole[number]
        found.links += 1
        if any(planning.is_waiting(tx, item.sync, item.member, item.record_id) for item in links.items_of(link)):
            found.explained["to be planned"] += 1
            continue
        _Compared(bound, link, seen, owed.get(number, {}), asked.get(number, {})).into(found)
    return numbers[-1] if numbers else None


class _Compared:
    """One link, with everything that may explain a difference in it."""

    def __init__(
        self, rules: SyncRules, link: Link, seen: Mapping[Ref, Observation], owed: Mapping[MemberName, str], asked: Mapping[FieldName | None, str]
    ) -> None:
        self.rules = rules
        self.link = link
        self.seen = seen
        self.owed = owed
        self.asked = asked

    def into(self, found: Audit) -> None:
        """Counts every field of every member, and adds what nothing explains."""
        self._missing(found)
        for name, member in self.link.members.items():
            look = self.seen.get(member.ref) if member.ref is not None else None
            if name not in self.rules.members or member.gone:
                continue
            if look is None or look.fields is None:
                found.explained["not read yet" if look is None else "looks deleted"] += 1
                continue
            shown = to_hub(self.rules, self.rules.members[name], look.fields)
            for field_name, value in shown.items():
                self._field(found, name, member, look, self.rules.fields[field_name], value)

    def _field(self, found: Audit, name: MemberName, member: LinkMember, look: Observation, rule: FieldRule, value: Json | Unreadable) -> None:
        hub = self.link.hub.get(rule.name)
        agreed = None if hub is None else hub.value
        if not isinstance(value, Unreadable) and equal(rule.type, value, agreed):
            found.equal += 1
            return
        why = self._explained(name, member, look, rule, value)
        if why:
            found.explained[why] += 1
            return
        assert not isinstance(value, Unreadable)
        base = member.base.get(rule.name)
        reason = "edited, and not planned" if not equal(rule.type, value, base) else "not what was agreed" if self._arrived(member, rule) else "owed, and not in the outbox"
        spot = Spot(self.link.sync, self.link.id, name, rule.name)
        found.drifts.append(Drift(spot=spot, ref=member.ref, shown=value, hub=agreed, base=base, why=reason))

    def _explained(self, name: MemberName, member: LinkMember, look: Observation, rule: FieldRule, value: Json | Unreadable) -> str:
        """What explains that a member shows something else than the hub has; empty where nothing does."""
        if isinstance(value, Unreadable):
            return "waits for its parent" if value.waits else "cannot be read"
        if rule.name in self.asked or None in self.asked:
            return f"held: {self.asked.get(rule.name) or self.asked[None]}"
        if name in self.owed:
            return f"write {self.owed[name]}"
        if rule.name not in self.link.hub:
            return "never shown before" if rule.name not in member.base else ""
        hub = self.link.hub[rule.name].value
        side = self.rules.members[name]
        if not receives(rule, name) or waits(rule, side, hub) or undeliverable(rule, side, hub) is not None:
            return "the rules"
        if rule.owner is None and not may_speak(rule, name) and equal(rule.type, value, member.base.get(rule.name)):
            # It was edited where edits do not count, and noted.
            return "the rules"
        if not equal(rule.type, value, member.base.get(rule.name)) or not self._arrived(member, rule):
            return ""
        return "form" if made_of(rule.type, value, hub) or self._comes_back(name, look, rule, value, hub) else ""

    def _arrived(self, member: LinkMember, rule: FieldRule) -> bool:
        return rule.name in member.agreed and rule.name in self.link.hub and member.agreed[rule.name] == self.link.hub[rule.name].value

    def _comes_back(self, name: MemberName, look: Observation, rule: FieldRule, value: Json, hub: Json) -> bool:
        """Whether the hub's value, said in the member's words and read again, is what it shows: the mapping loses something."""
        side = self.rules.members[name]
        words = from_hub(rule, side, hub, look.fields or {})
        if isinstance(words, Unreadable):
            return True
        back = to_hub(self.rules, side, {**(look.fields or {}), **words}).get(rule.name)
        return isinstance(back, Unreadable) or equal(rule.type, back, value)

    def _missing(self, found: Audit) -> None:
        """Records that the planner would have made by now."""
        if not any(name not in self.link.members for name in self.rules.members):
            return
        seen: dict[MemberName, Seen | Gone] = {
            name: see(self.rules, self.rules.members[name], look.fields, look.changed)
            for name, m in self.link.members.items()
            if m.ref is not None and name in self.rules.members and (look := self.seen.get(m.ref)) is not None and look.fields is not None
        }
        for write in plan(self.rules, self.link, seen).writes:
            if write.operation is not Operation.CREATE:
                continue
            if write.member in self.owed or self.asked:
                found.explained["record owed"] += 1
                continue
            spot = Spot(self.link.sync, self.link.id, write.member, FieldName(""))
            found.drifts.append(Drift(spot=spot, ref=None, shown=None, hub=None, base=None, why="no record, and none owed"))


def as_json(found: Audit, since: Mapping[Spot, Micros]) -> dict[str, Json]:
    """All of it, as JSON-able values."""
    return {
        "links": found.links,
        "equal": found.equal,
        "explained": dict(sorted(found.explained.items())),
        "drifts": [
            {
                "sync": each.spot.sync,
                "link": each.spot.link,
                "member": each.spot.member,
                "ref": None if each.ref is None else str(each.ref),
                "field": each.spot.field or None,
                "shown": each.shown,
                "hub": each.hub,
                "base": each.base,
                "why": each.why,
                "since": since.get(each.spot),
            }
            for each in found.drifts
        ],
    }
