"""The demo's words: who is there, what the first sync did, what waits for a person, how it ended.

The rule that keeps it true: every sentence is counted from the emulators or read from the list of what waits; none is a promise.
It must not know: how anything is run or judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from syncd.cli import screen
from syncd.cli.demo_verify import GHL, OCTOPUS, Evidence, Report, writes_by_api
from syncd.cli.demo_world import World
from syncd.cli.text import counted
from syncd.core.outcome import HoldKind
from syncd.core.record import Json
from syncd.sandbox import Applied, Operation
from syncd.sandbox.people import Part, Resident
from syncd.store import holds, writes
from syncd.store.holds import Held, HoldState
from syncd.store.outbox import State
from syncd.store.visiting import reading


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the story on standard output; on standard error where that belongs to a program."""

    as_json: bool

    def tell(self, text: str = "", *, style: str = "", indent: int = 0) -> None:
        """One line."""
        if self.as_json:
            screen.say(" " * indent + text, style=style)
        else:
            screen.show(text, style=style, indent=indent)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the demo counted, for the table and for programs."""

    seed: int
    chaos: bool
    linked: int = 0
    created: dict[str, int] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)
    people_on_both: int = 0
    values_compared: int = 0
    left_alone: int = 0
    held: int = 0
    edits: int = 0
    arrived: int = 0
    slowest_s: float = 0.0
    faults: int = 0
    writes_at_rest: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def count(self, evidence: Evidence, report: Report) -> None:
        """Takes over what was found."""
        for name, log in (("ghl", evidence.ghl_log), ("octopus", evidence.octopus_log)):
            made = [entry for entry in writes_by_api(log) if entry.operation is Operation.CREATE]
            self.created[name], self.updated[name] = len(made), len(writes_by_api(log)) - len(made)
        self.people_on_both, self.values_compared = report.people_on_both, report.values_compared
        self.left_alone = report.left_alone
        self.differences += report.differences

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        return {"ok": not self.differences, **{name: getattr(self, name) for name in self.__slots__}}


def introduce(teller: Teller, world: World, evidence: Evidence) -> None:
    """Who is there at the start."""
    people = world.people
    teller.tell(f"{GHL} and {OCTOPUS} are emulated on this machine. Everybody in them is invented.")
    teller.tell(f"{GHL} has {len(evidence.ghl)} contacts, {OCTOPUS} has {len(evidence.octopus)}.", indent=2)
    only = f"{len(people.of(Part.GHL_ONLY))} only in {GHL}, {len(people.of(Part.OCTOPUS_ONLY))} only in {OCTOPUS}"
    teller.tell(f"{len(_on_both(world))} people are in both, {only}.", indent=2)
    teller.tell("Some of them are difficult on purpose:", indent=2)
    for sentence in _difficulties(world, evidence):
        teller.tell(f"- {sentence}", indent=4)


def _difficulties(world: World, evidence: Evidence) -> Iterator[str]:
    ghl, octopus = {row.id: row for row in evidence.ghl}, {row.id: row for row in evidence.octopus}
    for someone in world.people.of(Part.DUPLICATED):
        yield f"{someone.name} is in {GHL} twice, with one e-mail address."
    for someone in world.people.of(Part.CONFLICT):
        left, right = ghl[someone.ghl_ids[0]], octopus[someone.octopus_ids[0]]
        yield f"{left.name} is called {right.values['first name']} in {OCTOPUS}."
    for someone in world.people.of(Part.UNMAPPABLE):
        yield f"{someone.name} is on the plan platinum in {GHL}. {OCTOPUS} has no such plan."
    yield "Many phone numbers and e-mail addresses are typed in different ways on the two sides."


def _on_both(world: World) -> list[Resident]:
    """Those who are once on each side."""
    return [each for each in world.people.residents if len(each.ghl_ids) == len(each.octopus_ids) == 1]


def tell_first_sync(teller: Teller, world: World, evidence: Evidence, tally: Tally, seconds: float) -> None:
    """What the first sync did."""
    tally.linked = len(_on_both(world))
    changed = {entry.id for log in (evidence.ghl_log, evidence.octopus_log) for entry in _updates(log)}
    teller.tell(f"First sync, done after {seconds:.1f} s:", style="bold")
    alike = sum(1 for each in _on_both(world) if not changed & {*each.ghl_ids, *each.octopus_ids})
    teller.tell(f"{tally.linked} people were found on both sides and linked.", indent=2)
    teller.tell(f"{alike} of them said the same on both sides, however it was typed. Nothing was written.", indent=2)
    for name, system in (("octopus", OCTOPUS), ("ghl", GHL)):
        teller.tell(f"{counted(tally.created[name], 'contact')} made in {system}.", indent=2)
    for sentence in _corrections(world, evidence, changed):
        teller.tell(sentence, indent=2)


def _updates(log: Sequence[Applied]) -> list[Applied]:
    return [entry for entry in writes_by_api(log) if entry.operation is Operation.UPDATE]


def _corrections(world: World, evidence: Evidence, changed: set[str]) -> Iterator[str]:
    names = {row.id: row for row in [*evidence.ghl, *evidence.octopus]}
    for someone in _on_both(world):
        for system, ids in ((GHL, someone.ghl_ids), (OCTOPUS, someone.octopus_ids)):
            if changed & {*ids}:
                why = " Nobody can know which name is newer, so the configured source of truth won."
                row = names[ids[0]]
                yield f"{row.name}'s contact in {system} was corrected.{why if someone.part is Part.CONFLICT else ''}"


def open_holds(world: World) -> list[Held]:
    """What syncd itself says is waiting for a person."""
    with reading(world.database) as read:
        return read(lambda tx: holds.select(tx, [HoldState.OPEN]))


def any_owed(world: World) -> bool:
    """Whether syncd has still to write something, or to find out what became of a write."""
    with reading(world.database) as read:
        owed = read(writes.counts)
    return any(owed.get(state.value) for state in (State.PENDING, State.SENT, State.UNKNOWN))


def tell_holds(teller: Teller, world: World, held: Sequence[Held]) -> None:
    """What waits for a person, and why."""
    if not held:
        return
    teller.tell("Left for a person to decide. Until then, nothing is guessed and nothing is touched:", style="bold")
    for someone in world.people.of(Part.DUPLICATED):
        about = [each for each in held if each.record_id in {*someone.ghl_ids, *someone.octopus_ids}]
        if about:
            twins = f"{len(someone.ghl_ids)} contacts in {GHL} have the address {someone.email}"
            teller.tell(f"{someone.name}: {twins}. Which one is meant?", indent=2)
    for each in held:
        if each.kind is not HoldKind.AMBIGUOUS:
            who = next((someone.name for someone in world.people.of(Part.UNMAPPABLE)), "") if each.field == "plan" else ""
            teller.tell(f"{who or each.sync}: {each.reason}.", indent=2)


def missing_holds(world: World, held: Sequence[Held]) -> Iterator[str]:
    """The difficulties that a person is not told of."""
    asked = {each.record_id for each in held if each.kind is HoldKind.AMBIGUOUS}
    for someone in world.people.of(Part.DUPLICATED):
        if not asked & {*someone.ghl_ids}:
            yield f"{someone.name} is there twice, and nobody is asked about it"
    plans = [each for each in held if each.field == "plan" and each.kind in (HoldKind.UNREADABLE, HoldKind.UNMAPPABLE)]
    if len(plans) < len(world.people.of(Part.UNMAPPABLE)):
        yield "the plan that has no counterpart is left alone, and nobody is told of it"
    known = {HoldKind.AMBIGUOUS, HoldKind.UNREADABLE, HoldKind.UNMAPPABLE}
    for each in held:
        if each.kind not in known:
            yield f"syncd waits for a person where none is needed: {each.kind.value}, {each.reason}"


def tell_verdict(teller: Teller, tally: Tally) -> None:
    """The table at the end, and what differs."""
    rows = [
        ["people on both sides, each once", str(tally.people_on_both)],
        ["values compared, all equal" if not tally.differences else "values compared", str(tally.values_compared)],
        ["contacts made in GoHighLevel, in EmailOctopus", f"{tally.created['ghl']}, {tally.created['octopus']}"],
        ["updates in GoHighLevel, in EmailOctopus", f"{tally.updated['ghl']}, {tally.updated['octopus']}"],
        ["questions left for a person", str(tally.held)],
        ["writes while nothing happened", str(tally.writes_at_rest)],
    ]
    if tally.chaos:
        rows.append(["faults met (and one kill -9)", str(tally.faults)])
    width = max(len(row[0]) for row in rows)
    for name, number in rows:
        teller.tell(f"{name:<{width}}  {number}", indent=2)
    for difference in tally.differences:
        teller.tell(f"DIFFERS: {difference}", style="bold red", indent=2)
    if tally.differences:
        teller.tell(f"Not equal: {counted(len(tally.differences), 'difference')} (seed {tally.seed}).", style="bold red")
    else:
        teller.tell(f"Everything is as the rules say. {tally.seconds:.1f} s.", style="bold green")
