"""Correlated worlds for the planner: one agreed record, members that drift from it, and an executor that pretends to be the vendors.

A world is made from its seed alone. All members start from one record (equal, freshly linked, or joining), then each is perturbed
by itself. Every value a user types is unique, so that a value tells who wrote it.
The rule that keeps it true: the world knows the truth by itself; what the planner remembers is never asked whether the planner is right.
It must not know: what is a right decision (see `judge`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from syncd.core.conditions import compile_condition
from syncd.core.fields import FieldType, Unreadable, elements
from syncd.core.link import Gone, HubField, Interval, Link, LinkMember, Seen
from syncd.core.outcome import Operation, Write
from syncd.core.record import CollectionName, FieldName, Json, LinkId, MemberName, RecordId, Ref, SyncName, SystemName
from syncd.core.rules import BlankRule, ConflictRule, DeleteRule, FieldRule, MemberField, MemberRule, SyncRules
from syncd.core.translate import from_hub, to_hub

NAMES = ("delta", "alpha", "charlie", "bravo")
KINDS = (FieldType.TEXT,) * 5 + (FieldType.SET,) * 2 + (FieldType.EMAIL, FieldType.CHOICE, FieldType.NUMBER)
CHOICES = ("bronze", "copper", "gold", "silver", "tin")
GARBAGE: dict[FieldType, Json] = {
    FieldType.TEXT: {"no": 1}, FieldType.SET: 5, FieldType.EMAIL: "nobody", FieldType.CHOICE: "wood", FieldType.NUMBER: "many",
}  # fmt: skip
ACCENTS = str.maketrans("éÉ", "eE")
EXISTS = compile_condition({"field": "f0", "op": "exists"})


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing a user did to one field: typed a value, cleared it (None), or added and removed elements."""

    epoch: int
    member: MemberName
    field: FieldName
    value: Json
    before: Json
    interval: Interval | None


@dataclass(slots=True)
class World:
    """The truth: what each vendor holds (`stores`, by path), what it shows, what users did; and the link as syncd knows it."""

    seed: int
    rules: SyncRules
    link: Link
    start: str
    stores: dict[MemberName, dict[str, Json]]
    vendors: dict[MemberName, str]
    random: Random
    hidden: set[tuple[MemberName, FieldName]] = field(default_factory=set)
    spoiled: dict[tuple[MemberName, FieldName], Json] = field(default_factory=dict)
    gone: set[MemberName] = field(default_factory=set)
    changed: dict[MemberName, dict[FieldName, Interval]] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    epoch: int = 0
    serial: int = 0

    def seen(self) -> dict[MemberName, Seen | Gone]:
        """What every member shows now."""
        shown: dict[MemberName, Seen | Gone] = {name: Gone(evidence=("404",)) for name in self.gone}
        for name, store in self.stores.items():
            visible = {path: raw for path, raw in store.items() if (name, path) not in self.hidden} if self.hidden else store
            shown[name] = Seen(fields=to_hub(self.rules, self.rules.members[name], visible), changed=self.changed.get(name, {}))
        return shown

    def deliver(self, write: Write) -> None:
        """Carries one write out as the vendor and the writer would: stored the vendor's way, read back, settled."""
        name, rule = write.member, self.rules.members[write.member]
        if write.operation in (Operation.DELETE, Operation.ARCHIVE):
            store = self.stores.pop(name)
            if write.operation is Operation.ARCHIVE:
                self.stores[name] = store | dict(rule.archive or {})
            return
        creating = write.operation is Operation.CREATE
        store = {path: None for row in self.rules.fields.values() if name in row.members for path in row.members[name].paths}
        store |= {} if creating else self.stores[name]
        for each, value in write.values.items():
            row = self.rules.fields[each]
            raw = from_hub(row, rule, value, store)
            assert not isinstance(raw, Unreadable), f"a write of what {name} has no words for: {each} = {value!r}"
            assert not isinstance(to_hub(self.rules, rule, {**store, **raw}).get(each), Unreadable)
            store |= {path: stored(self.vendors[name], row.type, part) for path, part in raw.items()}
            self.changed.get(name, {}).pop(each, None)
        self.stores[name] = store
        self.gone.discard(name)
        back = to_hub(self.rules, rule, store)
        was = self.link.members.get(name, LinkMember())
        now = LinkMember(
            ref=ref(name, f"made{self.serial}") if creating else was.ref,
            base={**was.base, **{each: back[each] for each in write.values}},
            agreed={**was.agreed, **write.values},
        )
        self.serial += 1
        self.link = replace(self.link, members={**self.link.members, name: now})

    def perturb(self) -> None:
        """Each member drifts by itself; now and then two of them to the same value."""
        self.epoch += 1
        common = {name: self.fresh(row.type) for name, row in self.rules.fields.items()}
        for name in list(self.stores):
            if self.random.random() < 0.05 and len(self.stores) > 1:
                del self.stores[name]
                self.gone.add(name)
                continue
            for row in self.rules.fields.values():
                if name in row.members:
                    self._drift(name, row, common[row.name])

    def fresh(self, kind: FieldType) -> Json:
        """A value nobody has used before (choices have only a few)."""
        self.serial += 1
        match kind:
            case FieldType.SET:
                return [f"Tag{self.serial}"]
            case FieldType.EMAIL:
                return f"ada{self.serial}@example.com"
            case FieldType.CHOICE:
                return CHOICES[int(self.random.random() * 4)]
            case FieldType.NUMBER:
                return self.serial * 10
            case _:
                return f"Née {self.serial}"

    def _drift(self, name: MemberName, row: FieldRule, common: Json) -> None:
        dice, store, path = self.random.random(), self.stores[name], row.name
        if dice > 0.52:
            return
        if self.hidden and (name, path) in self.hidden:
            if dice < 0.3:
                self.hidden.discard((name, path))
            return
        before = to_hub(self.rules, self.rules.members[name], {path: store[path]})[row.name]
        if dice < 0.05:
            self.hidden.add((name, path))
        elif dice < 0.08:
            self.spoiled.setdefault((name, path), store[path])
            store[path] = GARBAGE[row.type]
        elif isinstance(before, Unreadable):
            store[path] = self.spoiled.pop((name, path), store[path])
        elif dice < 0.16:
            store[path] = rewritten(row.type, store[path])
        elif dice < 0.21:
            self._edit(name, row, before, None)
        else:
            self._edit(name, row, before, common if dice < 0.26 else self.fresh(row.type))

    def _edit(self, name: MemberName, row: FieldRule, before: Json, value: Json) -> None:
        store = self.stores[name]
        if row.type is FieldType.SET and value is not None:
            have = list(before or ())
            if have and self.random.random() < 0.4:
                have.pop(int(self.random.random() * len(have)))
            value = have + value if self.random.random() < 0.7 else have
        store[row.name] = self._typed(name, row, value)
        value = to_hub(self.rules, self.rules.members[name], {row.name: store[row.name]})[row.name]
        interval = None
        if self.random.random() < 0.7:
            since = self.epoch * 1000 + int(self.random.random() * 300)
            interval = Interval(since if since % 7 else None, since + 1 + int(self.random.random() * 200))
            self.changed.setdefault(name, {})[row.name] = interval
        else:
            self.changed.get(name, {}).pop(row.name, None)
        if not same(row.type, value, before):
            self.edits.append(Edit(self.epoch, name, row.name, value, before, interval))

    def _typed(self, name: MemberName, row: FieldRule, value: Json) -> Json:
        if value is None:
            return None
        held = row.members[name]
        words = held.values or {}
        raw = words.get(value, value) if row.type is FieldType.CHOICE else value
        return stored(self.vendors[name], row.type, raw)


def ref(name: MemberName, number: str) -> Ref:
    return Ref(SystemName(name), CollectionName("contacts"), RecordId(number))


def stored(vendor: str, kind: FieldType, raw: Json) -> Json:
    """What a vendor makes of a value it is given: lower case, trimmed, without accents, or as it is."""
    if raw is None or kind in (FieldType.CHOICE, FieldType.NUMBER):
        return raw
    if kind is FieldType.SET:
        return [each.lower() for each in reversed(raw)] if vendor == "lower" else raw
    if vendor == "lower":
        return raw.lower().strip()
    return raw.translate(ACCENTS) if vendor == "plain" else raw


def rewritten(kind: FieldType, raw: Json) -> Json:
    """The same value written another way."""
    if raw is None or isinstance(raw, dict):
        return raw
    if isinstance(raw, list):
        return [f" {each.upper()} " for each in reversed(raw)] or None
    if kind is FieldType.EMAIL or (kind is FieldType.CHOICE and isinstance(raw, str)):
        return f" {raw.upper()} "
    return f"{raw} " if isinstance(raw, str | int) else raw


def make(seed: int) -> World:
    """The world of a seed, before anything has happened in it."""
    random = Random(seed)
    roll = random.random
    names = [MemberName(name) for name in NAMES[: 2 + (roll() < 0.4) + (roll() < 0.15)]]
    if roll() < 0.5:
        names.reverse()
    rules = _rules(random, names)
    link = Link(id=LinkId(1), sync=SyncName("contacts"))
    vendors = {name: ("as is", "as is", "lower", "plain")[int(roll() * 4)] for name in names}
    world = World(seed=seed, rules=rules, link=link, start="", stores={}, vendors=vendors, random=random)
    dice = roll()
    world.start = "agreed" if dice < 0.6 else "fresh" if dice < 0.85 else "joining"
    _settle(world, names)
    return world


def _rules(random: Random, names: list[MemberName]) -> SyncRules:
    roll = random.random

    def one(of: list[MemberName]) -> MemberName:
        return of[int(roll() * len(of))]

    rows = {}
    for number in range(1 + (roll() < 0.5) + (roll() < 0.2)):
        row = _row(random, FieldName(f"f{number}"), names, one)
        rows[row.name] = row
    members = {
        name: MemberRule(
            name=name, system=SystemName(name), collection=CollectionName("contacts"),
            archive={"status": "gone"} if roll() < 0.5 else None,
            required=frozenset({FieldName("f0")}) if roll() < 0.1 else frozenset(),
            **({"when": EXISTS} if roll() < 0.1 else {}),
        )
        for name in names
    }  # fmt: skip
    return SyncRules(
        name=SyncName("contacts"), members=members, fields=rows, match=(),
        source_of_truth=one(names) if roll() < 0.8 else None,
        conflict=(ConflictRule.SOURCE_OF_TRUTH, ConflictRule.LAST_MODIFIED, ConflictRule.REVIEW)[int(roll() * 2.4)],
        delete=(DeleteRule.ARCHIVE, DeleteRule.PROPAGATE, DeleteRule.PROPAGATE, DeleteRule.UNLINK, DeleteRule.REVIEW)[int(roll() * 5)],
    )  # fmt: skip


def _row(random: Random, name: FieldName, names: list[MemberName], one: object) -> FieldRule:
    roll = random.random
    kind = KINDS[int(roll() * len(KINDS))]
    holders = names if len(names) == 2 or roll() < 0.85 else names[1:]
    members = {
        member: MemberField(
            paths=(name,), writable=roll() > 0.03, creatable=roll() > 0.03,
            values={"gold": "Or", "tin": "Etain"} if kind is FieldType.CHOICE and roll() < 0.5 else None,
        )
        for member in holders
    }  # fmt: skip
    sources = targets = frozenset(holders)
    owner, dice = None, roll()
    if dice < 0.15:
        owner = holders[int(roll() * len(holders))]
    elif dice < 0.32:
        sources = frozenset({holders[int(roll() * len(holders))]})
        targets = targets - sources
    return FieldRule(
        name=name, type=kind, members=members, owner=owner, sources=sources, targets=targets,
        blank=BlankRule.IGNORE if roll() < 0.15 else BlankRule.PROPAGATE,
        choices=frozenset(CHOICES) if kind is FieldType.CHOICE else None,
    )  # fmt: skip


def _settle(world: World, names: list[MemberName]) -> None:
    """The consistent beginning: one record, held by (nearly) all, known or not yet known to the link."""
    roll, rows = world.random.random, world.rules.fields
    record = {name: None if roll() < 0.15 else world.fresh(row.type) for name, row in rows.items()}
    unlisted = {name for name, row in rows.items() if row.type is FieldType.CHOICE and roll() < 0.1}
    record |= dict.fromkeys(unlisted, "platinum")
    unmapped = {name for name in rows if roll() < 0.06}
    members: dict[MemberName, LinkMember] = {}
    for position, name in enumerate(names):
        if position and roll() < 0.12:
            continue
        rule = world.rules.members[name]
        store = {row.name: world._typed(name, row, record[row.name]) for row in rows.values() if name in row.members}
        world.stores[name] = store
        known = world.start == "agreed" or (world.start == "joining" and position < len(names) - 1)
        base = {
            each: value
            for each, value in to_hub(world.rules, rule, store).items()
            if known and each not in unmapped and not isinstance(value, Unreadable)
        }
        members[name] = LinkMember(ref=ref(name, "1"), base=base, agreed={each: record[each] for each in base})
    hub: Mapping[FieldName, HubField] = {}
    if world.start != "fresh":
        hub = {name: HubField(value=record[name], winner=names[0]) for name in rows if name not in unmapped}
    world.link = replace(world.link, hub=hub, members=members)


def same(kind: FieldType, left: Json, right: Json) -> bool:
    """The world's own idea of equal normal forms."""
    return elements(left).keys() == elements(right).keys() if kind is FieldType.SET else bool(left == right)
