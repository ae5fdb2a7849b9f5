"""The properties every world must keep, and the run of one world through the planner.

Each property is a function that raises `Broken` with its name; `run` takes a seed, so that a failure is replayed by its number.
The rule that keeps it true: a property is stated on what users did and what vendors hold, and decides the right winner by itself.
It must not know: how the planner comes to its decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import syncd.core.plan
from syncd.core.fields import FieldType, Unreadable, elements, key, read
from syncd.core.link import Gone, Interval, Link, LinkState, Seen
from syncd.core.outcome import Decision, HoldKind, Operation, Plan, Write
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import BlankRule, ConflictRule, DeleteRule, FieldRule, SyncRules
from tests.core.mirror import look_from_the_side
from tests.core.worlds import Edit, World, make, same, stored

HELD = object()
DELETING = (Operation.DELETE, Operation.ARCHIVE)
Shown = Mapping[MemberName, Seen | Gone]


class Broken(AssertionError):  # noqa: N818 (a property, not an error of ours)
    """A property does not hold in a world; the message says which, the seed, and how to see it again."""


@dataclass(slots=True)
class Run:
    """One world on its way, with everything the planner has said so far."""

    world: World
    decisions: list[Decision] = field(default_factory=list)
    held: set[FieldName] = field(default_factory=set)
    told: list[Mapping[str, Json]] = field(default_factory=list)
    shown_values: dict[FieldName, list[Json]] = field(default_factory=dict)
    made: set[MemberName] = field(default_factory=set)
    newly_known: set[FieldName] = field(default_factory=set)
    blind: set[int] = field(default_factory=set)
    """Edits of fields whose earlier value was not known to the link, by their position."""
    frozen: set[int] = field(default_factory=set)
    """Epochs in which the whole link waited for a person to decide a deletion."""
    taken_back: set[int] = field(default_factory=set)
    """Edits back to what the link had known before: no change to it."""

    written: list[Write] = field(default_factory=list)

    def replaced(self, edit: Edit) -> bool:
        """A write says that it expected to find this value, so it can be found again."""
        return any(
            write.member == edit.member and edit.field in write.expected and same(self.world.rules.fields[edit.field].type, write.expected[edit.field], edit.value)
            for write in self.written
        )

    def require(self, holds: bool, name: str, detail: object = "") -> None:
        if not holds:
            seed = self.world.seed
            raise Broken(f"{name}: seed {seed} ({self.world.start}): {detail}; replay with tests.core.judge.run({seed})")


def run(seed: int) -> World:
    """One world from its beginning to quiet, every property checked on the way."""
    this = Run(make(seed))
    world = this.world
    this.newly_known = {name for name in world.rules.fields if name not in world.link.hub}
    for value in world.link.hub.items():
        this.shown_values.setdefault(value[0], []).append(value[1].value)
    epochs = 1 + (world.random.random() < 0.5) + (world.random.random() < 0.1)
    for each in range(epochs):
        world.perturb()
        step(this, share=1.0 if each == epochs - 1 else 0.5)
        if world.link.state is not LinkState.LIVE:
            return world
    quiet(this)
    return world


def step(this: Run, share: float) -> Plan:
    """One plan, judged, and a share of its writes carried out."""
    world = this.world
    seen, before = world.seen(), world.link
    made = syncd.core.plan.plan(world.rules, before, seen)
    for position, edit in enumerate(world.edits):
        if edit.epoch == world.epoch:
            base = before.members[edit.member].base
            if edit.field not in base:
                this.blind.add(position)
            elif same(world.rules.fields[edit.field].type, base[edit.field], edit.value):
                this.taken_back.add(position)
    _note(this, made, seen)
    if world.seed % 2:
        planning_is_idempotent(this, made, seen)
    nothing_is_invented(this, made)
    nothing_unseen_is_written(this, made, seen)
    deletions_are_earned(this, before, made, seen)
    rewriting_writes_nothing(this, made)
    if world.epoch == 1:
        the_right_one_wins(this, before, made, seen)
        look_from_the_side(world.seed, this.require, world.rules, before, made, seen)
    world.link = made.link
    for write in made.writes:
        if share == 1.0 or world.random.random() < share:
            if write.operation is Operation.CREATE:
                this.made.add(write.member)
            world.deliver(write)
    return made


def quiet(this: Run) -> None:
    """After the last edit: at most one more round of writes, then nothing, and nobody's edit is missing."""
    world = this.world
    allowed = 1
    for spent in range(5):
        seen = world.seen()
        last = syncd.core.plan.plan(world.rules, world.link, seen)
        _note(this, last, seen)
        nothing_is_invented(this, last)
        world.link = last.link
        if not last.writes and not last.decisions:
            break
        # A record that could only be made now may take what cannot be set on creation in one round more.
        allowed += any(write.operation is Operation.CREATE for write in last.writes)
        this.require(spent < allowed, "ends in two rounds", (last.writes, last.decisions))
        for write in last.writes:
            this.made.add(write.member)
            world.deliver(write)
    if world.seed % 2:
        planning_is_idempotent(this, last, seen)
    if any(hold.kind is HoldKind.DELETE for hold in last.holds) or undecided(last):
        return
    held = {hold.field for hold in last.holds if hold.kind is HoldKind.CONFLICT}
    seen = world.seen()
    no_update_is_lost(this, held, seen)
    all_hold_the_hub(this, held, last, seen)


def undecided(made: Plan) -> bool:
    """Whether a deletion waits, and the whole link with it, until what an edit may hide in can be read."""
    return any("undecided until" in note and "can be read" in note for note in made.notes)


def _note(this: Run, made: Plan, seen: Shown) -> None:
    this.decisions.extend(made.decisions)
    this.written.extend(made.writes)
    if any(hold.kind is HoldKind.DELETE for hold in made.holds) or undecided(made):
        this.frozen.add(this.world.epoch)
    this.told.extend(hold.sides for hold in made.holds)
    this.held |= {hold.field for hold in made.holds if hold.field is not None}
    for each in seen.values():
        if isinstance(each, Seen):
            for name, value in each.fields.items():
                this.shown_values.setdefault(name, []).append(value)


# ---- what every single plan must keep


def planning_is_idempotent(this: Run, made: Plan, seen: Shown) -> None:
    """Planning the result of a plan with the same observations decides nothing and owes the same."""
    again = syncd.core.plan.plan(this.world.rules, made.link, seen)
    ended = made.link.state is not LinkState.LIVE
    kept = again.link == made.link and not again.decisions and (again.writes == (() if ended else made.writes))
    this.require(kept and (ended or again.holds == made.holds), "planning is idempotent", (made, again))


def nothing_is_invented(this: Run, made: Plan) -> None:
    """Every hub value and every written value was shown by a member or was the hub's."""
    said = [(name, each.value) for name, each in made.link.hub.items()]
    for name, value in said + [pair for write in made.writes for pair in write.values.items()]:
        if value is None:
            continue
        known = this.shown_values.get(name, [])
        if this.world.rules.fields[name].type is FieldType.SET:
            all_known = {each for shown in known if isinstance(shown, list) for each in elements(shown)}
            this.require(elements(value).keys() <= all_known, "no invented value", (name, value))
        else:
            this.require(any(value == each for each in known), "no invented value", (name, value))


def nothing_unseen_is_written(this: Run, made: Plan, seen: Shown) -> None:
    """A field that is not shown or not readable is not written; a blank is only written where somebody cleared the field."""
    for write in made.writes:
        shown = seen.get(write.member)
        if write.operation is Operation.CREATE:
            this.require(None not in write.values.values(), "a create carries no blanks", write)
            continue
        for name, value in write.values.items():
            visible = isinstance(shown, Seen) and name in shown.fields and not isinstance(shown.fields[name], Unreadable)
            this.require(visible, "not shown or unreadable, not written", (write, name))
            put_back = not _speaks(this.world.rules.fields[name], write.member)
            this.require(value is not None or put_back or _cleared(this, name), "nothing is blanked that nobody cleared", (write, name))


def _cleared(this: Run, name: FieldName) -> bool:
    """A user cleared it, or a set lost its elements to several."""
    kind = this.world.rules.fields[name].type
    began_blank = any(value is None for value in this.shown_values.get(name, [])[:1])
    return began_blank or any(
        edit.field == name and (edit.value is None or (kind is FieldType.SET and _lost(edit))) for edit in this.world.edits
    )


def deletions_are_earned(this: Run, before: Link, made: Plan, seen: Shown) -> None:
    """A link ends only after a deletion that was seen, of a record once agreed, and with no edit elsewhere unheard of there."""
    world = this.world
    ends = made.link.state is not before.state
    deletes = [write for write in made.writes if write.operation in DELETING]
    if not ends and not deletes:
        return
    gone = [name for name, shown in seen.items() if isinstance(shown, Gone) and name in before.members]
    this.require(bool(gone), "deletion never follows without Gone", made)
    live = [name for name, member in before.members.items() if isinstance(seen.get(name), Seen)]
    if not live:
        return
    this.require(world.rules.delete is not DeleteRule.REVIEW, "review decides no deletion", made)
    if deletes:
        this.require(
            all(before.members[name].base for name in (*gone, *live)) and before.hub != {}, "no base never deletes", made
        )
    for edit in world.edits:
        row = world.rules.fields[edit.field]
        if edit.epoch == world.epoch and edit.member in live and _speaks(row, edit.member):
            known = edit.field in before.members[edit.member].base
            news = edit.field in before.hub and not same(row.type, edit.value, before.hub[edit.field].value)
            this.require(not (known and news), "edit beats delete", edit)
    for name in gone:
        for each in _unheard(this, before, name):
            this.require(False, "edit beats delete, also one that was still owed", (name, each))


def _unheard(this: Run, before: Link, gone: MemberName) -> Iterator[Edit]:
    """Edits of others that are the hub's value and had not been delivered to the member when it was deleted."""
    world, was = this.world, before.members[gone]
    for edit in world.edits:
        row = world.rules.fields[edit.field]
        if any(later.member == gone and later.field == edit.field and later.epoch >= edit.epoch for later in world.edits):
            continue
        if edit.epoch == world.epoch or edit.member == gone or not _receives(row, gone) or edit.field not in was.base:
            continue
        if edit.field in this.newly_known or not _speaks(row, edit.member) or _ignored(row, edit):
            continue
        if _required(world.rules, gone, edit.field) and before.hub[edit.field].value is None:
            continue
        hub, base = before.hub[edit.field].value, was.base[edit.field]
        if row.type is FieldType.SET:
            if (elements(edit.value).keys() - elements(edit.before).keys()) & elements(hub).keys() - elements(base).keys():
                yield edit
        elif edit.value == hub and not _alike(world, row, gone, hub, base):
            yield edit


def rewriting_writes_nothing(this: Run, made: Plan) -> None:
    """Where the world began in agreement, only fields that somebody edited are ever updated."""
    if this.world.start != "agreed":
        return
    edited = {edit.field for edit in this.world.edits} | this.newly_known
    for write in made.writes:
        if write.operation is Operation.UPDATE and write.member not in this.made:
            this.require(write.values.keys() <= edited, "canonical-equal rewrites write nothing", write)


# ---- who wins, decided a second time


def the_right_one_wins(this: Run, before: Link, made: Plan, seen: Shown) -> None:
    """From a clean start, every single field goes to whom the rules say, or is held by itself."""
    if made.link.state is not LinkState.LIVE or this.world.start == "joining":
        return
    if any(hold.kind in (HoldKind.DELETE, HoldKind.MERGE) for hold in made.holds) or undecided(made):
        return
    conflicts = {hold.field for hold in made.holds if hold.kind is HoldKind.CONFLICT}
    for row in this.world.rules.fields.values():
        if row.type is FieldType.SET:
            continue
        expected = _winner(this.world.rules, row, before, seen)
        actual = HELD if row.name in conflicts else made.link.hub[row.name].value if row.name in made.link.hub else None
        this.require(expected is actual or expected == actual, "the rules decide who wins", (row, expected, actual, seen))


def _winner(rules: SyncRules, row: FieldRule, before: Link, seen: Shown) -> object:
    hub = before.hub.get(row.name)
    spoken: dict[MemberName, tuple[Json, Interval | None]] = {}
    lesser: dict[MemberName, tuple[Json, Interval | None]] = {}
    for name, shown in seen.items():
        value = shown.fields.get(row.name, HELD) if isinstance(shown, Seen) else HELD
        if value is HELD or isinstance(value, Unreadable) or not isinstance(shown, Seen):
            continue
        claim = (value, shown.changed.get(row.name))
        if row.name not in before.members[name].base:
            if value is not None:
                (spoken if _speaks(row, name) else lesser)[name] = claim
        elif value != before.members[name].base[row.name] and _speaks(row, name) and (value is not None or row.blank is BlankRule.PROPAGATE):
            spoken[name] = claim
    assert hub is None or all(row.name in before.members[name].base for name in lesser | spoken), "not a clean start"
    spoken = spoken or lesser
    values = {value for value, _ in spoken.values()}
    if not values:
        return hub.value if hub is not None else None
    if len(values) == 1:
        return values.pop()
    return _contest(rules, row, spoken)


def _contest(rules: SyncRules, row: FieldRule, spoken: Mapping[MemberName, tuple[Json, Interval | None]]) -> object:
    if row.owner in spoken:
        return spoken[row.owner][0]
    texts = [value for value, _ in spoken.values() if isinstance(value, str)]
    tidy = len(texts) == len(spoken) and len({" ".join(each.casefold().split()) for each in texts}) == 1
    if rules.conflict is ConflictRule.REVIEW and not tidy:
        return HELD
    if rules.conflict is ConflictRule.LAST_MODIFIED:
        ends: dict[Json, list[Interval]] = {}
        for value, interval in spoken.values():
            ends.setdefault(value, []).extend([interval] if interval is not None else [])
        if all(ends.values()):
            newest = {value: max(intervals, key=lambda each: each.until) for value, intervals in ends.items()}
            for value, mine in newest.items():
                others = [each.until for other, each in newest.items() if other != value]
                if mine.since is not None and mine.since >= max(others):
                    return value
    if rules.source_of_truth in spoken:
        return spoken[rules.source_of_truth][0]
    return min(texts, key=lambda each: key(row.type, each)) if tidy else HELD


# ---- what must hold when all is quiet


def no_update_is_lost(this: Run, held: set[FieldName | None], seen: Shown) -> None:
    """Every edit ends in the hub, or was superseded, or is in the journal, or is held, or was noted by direction."""
    world = this.world
    for position, edit in enumerate(world.edits):
        row = world.rules.fields[edit.field]
        if edit.epoch in this.frozen and edit.member in world.gone | this.made:
            continue  # Deleted by its user before the link was decided at all.
        if position in this.taken_back or (edit.value is None and position in this.blind):
            continue
        if row.type is FieldType.SET and (position in this.blind or (_speaks(row, edit.member) and not _ignored(row, edit))):
            _set_edit_survives(this, edit)
        elif not (
            (edit.field in world.link.hub and same(row.type, edit.value, world.link.hub[edit.field].value))
            or any(_supersedes(world, row, later, edit) for later in world.edits)
            or any(
                each.field == edit.field and same(row.type, value, edit.value)
                # A newcomer's value beats a blank hub: the clearing is then what was before.
                for each in this.decisions for value in (*each.losers.values(), *([None] if each.before is None else []))
            )
            or (edit.field in held and _shows(seen, edit))
            or (edit.member in world.gone | this.made and any(edit.value == told.get(edit.member, HELD) for told in this.told))
            or (row.owner is None and not _speaks(row, edit.member) and _shows(seen, edit))
            or (row.owner is None and not _speaks(row, edit.member) and edit.member in world.gone | this.made)
            or (row.owner is None and not _speaks(row, edit.member) and this.replaced(edit))
            or _not_yet_heard(world, seen, edit)
        ):  # fmt: skip
            this.require(False, "no lost update", (edit, world.edits, this.decisions))


def _not_yet_heard(world: World, seen: Shown, edit: Edit) -> bool:
    """It was held, and is not shown readably now: it will be heard when it is shown again."""
    shown = seen.get(edit.member)
    hidden = isinstance(shown, Seen) and isinstance(shown.fields.get(edit.field, Unreadable("", "")), Unreadable)
    known = world.link.members[edit.member].base if edit.member in world.link.members else {}
    return hidden and not (edit.field in known and same(world.rules.fields[edit.field].type, known[edit.field], edit.value))


def _set_edit_survives(this: Run, edit: Edit) -> None:
    world = this.world
    final = elements(world.link.hub[edit.field].value if edit.field in world.link.hub else None).keys()
    for element in elements(edit.value).keys() - elements(edit.before).keys() - final:
        taken = any(
            later.field == edit.field and element in elements(later.before).keys() - elements(later.value).keys()
            for later in world.edits
        )
        this.require(taken, "sets: every addition survives", (edit, element, world.edits))
    if world.start == "agreed" and edit.field not in this.newly_known:
        for element in (elements(edit.before).keys() - elements(edit.value).keys()) & final:
            again = any(
                other.field == edit.field and other.epoch >= edit.epoch and element in elements(other.value).keys() - elements(other.before).keys()
                for other in world.edits
            )
            this.require(again, "sets: every removal survives", (edit, element, world.edits))


def all_hold_the_hub(this: Run, held: set[FieldName | None], last: Plan, seen: Shown) -> None:
    """Whoever may be written the field and shows it readably holds the hub's value, in the member's own form."""
    world = this.world
    excused = {(hold.member, hold.field) for hold in last.holds}
    for row in world.rules.fields.values():
        if row.name in held or row.name not in world.link.hub:
            continue
        hub = world.link.hub[row.name].value
        for name, shown in seen.items():
            if not isinstance(shown, Seen) or row.name not in shown.fields or not _receives(row, name):
                continue
            value = shown.fields[row.name]
            if isinstance(value, Unreadable) or (name, row.name) in excused or _alike(world, row, name, hub, value):
                continue
            noted = row.owner is None and not _speaks(row, name)
            mine = [edit for edit in world.edits if edit.member == name and edit.field == row.name]
            fine = noted and mine and same(row.type, mine[-1].value, value)
            this.require(bool(fine), "all allowed members hold the hub", (name, row, hub, value, world.edits))


# ---- small questions about the rules, answered without the planner


def _speaks(row: FieldRule, name: MemberName) -> bool:
    return name in row.sources and (row.owner is None or row.owner == name)


def _receives(row: FieldRule, name: MemberName) -> bool:
    return name in row.members and name in row.targets and row.members[name].writable


def _required(rules: SyncRules, name: MemberName, field_name: FieldName) -> bool:
    return field_name in rules.members[name].required


def _ignored(row: FieldRule, edit: Edit) -> bool:
    return row.blank is BlankRule.IGNORE and edit.value is None


def _lost(edit: Edit) -> bool:
    return bool(elements(edit.before).keys() - elements(edit.value).keys())


def _shows(seen: Shown, edit: Edit) -> bool:
    shown = seen.get(edit.member)
    if not isinstance(shown, Seen):
        return False
    value = shown.fields.get(edit.field, edit.value)
    return isinstance(value, Unreadable) or value == edit.value or (isinstance(value, list) and same(FieldType.SET, value, edit.value))


def _alike(world: World, row: FieldRule, name: MemberName, hub: Json, shown: Json) -> bool:
    """Whether what a member shows is the hub's value in that member's own form."""
    return same(row.type, hub, shown) or same(row.type, read(row.type, stored(world.vendors[name], row.type, hub)), shown)


def _supersedes(world: World, row: FieldRule, later: Edit, edit: Edit) -> bool:
    """Whether the later edit was made by one who had the earlier value before their eyes."""
    if later.field != edit.field or later.epoch <= edit.epoch:
        return False
    return later.member == edit.member or (
        _speaks(row, later.member) and _alike(world, row, later.member, edit.value, later.before)
    )
