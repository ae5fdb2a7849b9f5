"""Automations in a simulated world: what they are made of, and what must have come of them.

`Automated` is what a world keeps of them. A field that no person writes (`CARRIED`) shows what automations do to records.
The rule that keeps it true: what was done is read off the vendors' logs, and what should have been off the vendors' records and the persons'
writes; runs and holds are asked only whether what is missing is shown to somebody.
It must not know: how the daemon tells who did what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncd.config.automations import edition_of
from syncd.core.automation import Automation, AutomationName, HubTrigger, RecordTrigger, Trigger
from syncd.core.happening import Origin, What
from syncd.core.record import SECOND, CollectionName, FieldName, Json, SystemName
from syncd.core.steps import compile_rules
from syncd.store import runs
from syncd.store.runs import Run, RunState, StepState
from tests.sim import ways
from tests.sim.operations import REPLAYED, Arrived
from tests.sim.rules import CARRIED, SYNC
from tests.sim.script import SYSTEMS
from tests.sim.vendor import FIELDS, LONG_AGO, Rec, Version, tag_of

if TYPE_CHECKING:
    from tests.sim.world import World

PATH = "name"
DEPTH = 3
PING, PONG = "ping", "pong"
DISHONEST = (
    "lag_more", "empty", "short", "total_lies", "skipped_page", "masked", "garbled", "hidden", "denied", "stale_get", "jump", "stamps", "vendor_jump",
    "restore", "lost", "flip", "swapped", "hook_lies",
)  # fmt: skip
"""Faults under which the daemon was told something else than was true, or has forgotten what it was told."""


def built(spec: Mapping[str, Any]) -> Automation:
    """The automation, as the configuration would make it."""
    written = {"when": spec.get("when"), "late": False, "steps": spec["steps"]}
    what, field = What(spec["what"]), spec["field"]
    trigger: Trigger
    if (other := ways.trigger_of(spec)) is not None:
        trigger = other
    elif spec["on"] == "hub":
        trigger = HubTrigger(sync=SYNC, what=what, field=FieldName(field), to=spec["to"])
    else:
        system = SystemName(SYSTEMS[int(spec["on"])])
        trigger = RecordTrigger(system=system, collection=CollectionName("contacts"), what=what, fields={field: FIELDS[field]})
    return Automation(
        name=AutomationName(spec["name"]), trigger=trigger, rules=compile_rules(written), written=written, edition=edition_of(written), sync=SYNC,
        origins=frozenset(Origin(each) for each in spec["origins"]), depth_max=DEPTH,
    )  # fmt: skip


class Automated:
    """The automations of one world, and every call that reached a vendor for them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.specs: dict[str, Mapping[str, Any]] = {each["name"]: each for each in world.options.get("automations", ())}
        self.automations = {AutomationName(name): built(each) for name, each in self.specs.items()}
        self.log: list[Arrived] = []
        self.approved: Counter[str] = Counter()
        """How often a person had a step done again, by automation."""
        self.listed_at: dict[str, float] = {}
        """When a complete listing of a system's records first ended."""
        self.first_answered: dict[str, float] = {}
        """When the first answer to a poll of an automation was surely kept, by system."""
        self.tagged: list[str] = []
        """Who was tagged, alone or with others."""

    def __bool__(self) -> bool:
        return bool(self.specs)

    def arrived(self, call: Arrived) -> None:
        """A request took effect."""
        self.world.trace(f"{call}")
        self.log.append(call)
        spec = self.specs[call.by]
        self.world.facts[f"call for {spec.get('trigger') or spec['what']} {spec['on'].strip('0123')}"] += 1
        self._look_for_loop(call)
        if spec["on"] == "hub" and not self._was_written(call):
            self.world.fail("A2", f"{call} tells of a value that nobody wrote")
        if wrong := ways.misled(spec, call):
            self.world.fail("A10", wrong)
        # Every webhook is sent again then, as another one, and the calendar goes on.
        if self.world.quiet_since is not None and spec.get("trigger") not in ("webhook", "schedule"):
            self.world.fail("A6", f"{call} after everything was at rest")
        if call.by.startswith("watch") and self._is_honest and not self._was_entered_anew(call):
            self.world.fail("A7", f"{call.by} was set off by {call.subject} ({call.key}), which only automations wrote")

    def _was_entered_anew(self, call: Arrived) -> bool:
        """Whether a person made the record, or another of the same, when the daemon was there: that brings what automations noted of him before into
        another link, or into a new record, by a person's word."""
        known = call.subject.removeprefix("L")
        column = "record_id" if known == call.subject else "CAST(link_id AS TEXT)"
        rows = self.world.process.connection.execute(f"SELECT system, record_id FROM link_members WHERE {column} = ?", (known,)).fetchall()
        about = {rec.person for vendor in self.world.vendors.values() for rec in vendor.records.values() if (vendor.name, rec.id) in rows or rec.id == known}
        return any(rec.born_by == "user" and rec.versions[0].at >= LONG_AGO + self.shift for person in about for rec in self._all_of(person))

    def _was_written(self, call: Arrived) -> bool:
        tag = tag_of(call.after.get(PATH))
        return not tag or (tag in self.world.users.by_tag and self.world.users.by_tag[tag].path == PATH)

    def is_listed(self, system: str) -> None:
        """A complete listing has ended."""
        self.listed_at.setdefault(system, self.world.loop.vt)

    def answered(self, system: str) -> None:
        """A poll of an automation has its answer, which is kept if nothing ends just then."""
        at = self.world.loop.vt

        def look() -> None:
            if not any(at - 0.001 <= broke <= at + 10.0 for broke in self.world.breaks):
                self.first_answered.setdefault(system, at)

        self.world.later(10.0, look)

    def may_carry(self, person: int, value: Json) -> bool:
        """Whether an automation may have given a carried field of this person such a value."""
        if self.world.script.has("garbled"):
            # Then a name was shown that is none, and is passed on as it was.
            return True
        wrote = self.world.users.by_tag.get(tag_of(value))
        return value in (None, "") or tag_of(value) in (PING, PONG) or (wrote is not None and wrote.path == PATH and wrote.person == person)

    def _look_for_loop(self, call: Arrived) -> None:
        """A8: what sets itself off is cut."""
        if call.by not in (PING, PONG):
            return
        turns = len({each.key for each in self.log if each.by in (PING, PONG) and each.subject == call.subject})
        edits = sum(each.path == PATH for each in self.world.users.wrote)
        self.world.facts["turns of a loop"] += 1
        if turns > (DEPTH + 1) * (edits + 1) and self._is_honest:
            self.world.fail("A8", f"{turns} turns of a loop about {call.subject} upon {edits} edits")

    @property
    def _is_honest(self) -> bool:
        return not self.world.script.has(*DISHONEST)

    # ---- at rest

    def unrest(self) -> list[str]:
        """What is still to be done."""
        tx, world = self.world.process.connection, self.world
        if not self:
            return []
        unasked = [*self._unread(tx), *ways.unrest(self)]
        if world._down:
            return unasked
        (waiting,) = tx.execute("SELECT count(*) FROM to_notice").fetchone()
        doable = runs.count_doable(tx, 1 << 62)
        return [*[f"{waiting} notices"] * bool(waiting), *[f"{doable} runs"] * bool(doable), *unasked]

    def _unread(self, tx: Any) -> Iterator[str]:
        """Systems that were not listed since an automation changed a record there, and its listing showed it."""
        world = self.world
        assert world.process.engine is not None
        now = world.process.engine.clock.now()
        for name, vendor in world.vendors.items():
            if name in world._down:
                continue
            last = max((each.at for each in self.log if each.operation == "put-field" and each.system == name), default=None)
            (listed,) = tx.execute("SELECT max(polled_at) FROM cursors WHERE system = ?", (name,)).fetchone()
            if last is not None and (listed or 0) < now - int((world.loop.vt - last) * SECOND) + vendor.habits.lag:
                yield f"{name} not listed since an automation wrote there"

    def check(self, held: Container[int]) -> None:
        """All that must hold at rest. `held`: the people about whom somebody is asked, or told what could not be written."""
        if not self or self.world.restored_at:
            # Whoever forgot what was done may do it again: told in the documents.
            return
        self._check_once()
        if not self.world.script.strikes and (failed := runs.select(self.world.process.connection, (RunState.FAILED,))):
            self.world.fail("A16", f"{failed[0]} was given up, and nothing went wrong")
        self._check_steps()
        for spec in self.specs.values():
            if self._is_honest:
                ways.check_way(self, spec)
            if spec["on"] != "hub" and "trigger" not in spec:
                self._check_of_records(spec)
        if self._is_honest and not self.world._down:
            self._check_all_done(held)

    def _check_once(self) -> None:
        """A1: what must not be made twice was made once at most; whatever was made again was the same."""
        made: dict[tuple[str, str, str], list[Arrived]] = {}
        for each in self.log:
            made.setdefault(each.call, []).append(each)
        doubled = Counter(call[0] for call, each in made.items() if each[0].operation not in REPLAYED for _ in each[1:])
        for name, count in doubled.items():
            if count > self.approved[name]:
                self.world.fail("A1", f"{name} sent {count} messages again, and {self.approved[name]} on a person's word")
        for each in made.values():
            self.world.facts["calls repeated"] += len(each) - 1
            if any((one.subject, one.after) != (each[0].subject, each[0].after) for one in each):
                self.world.fail("A1", f"one event, several contents: {each}")

    def _check_steps(self) -> None:
        """A9: a later step comes after an earlier one of its run."""
        first: dict[tuple[str, str], float] = {}
        for each in self.log:
            if each.step == "one":
                first.setdefault((each.by, each.key), each.at)
            elif (each.by, each.key) not in first and not self.stopped(self.specs[each.by], each.subject, tag_of(each.after.get(PATH))):
                self.world.fail("A9", f"{each} without the step before it")

    def _check_of_records(self, spec: Mapping[str, Any]) -> None:
        """A2, A4, A5: about each record, once for each time that it came to a value, in their order; nothing of its own doing, nothing that was there."""
        vendor = self.world.vendors[SYSTEMS[int(spec["on"])]]
        for rec in vendor.records.values():
            calls = self._firsts(spec["name"], rec.id)
            if not calls or not self._is_honest:
                continue
            if spec["what"] == "created":
                self._check_made(spec, rec, calls)
                continue
            moves = moves_of(rec, spec["field"])
            left = iter(moves)
            for each in calls:
                value = each.after.get(spec["field"])
                tag = tag_of(value)
                if not any(value == moved for moved, _ in left):
                    shown = [one.after.get(spec["field"]) for one in calls]
                    self.world.fail("A2", f"{spec['name']} of {rec.id} was told {shown} of {[moved for moved, _ in moves]}")
                    return
                writers = {version.actor for moved, version in moves if moved == value}
                if "person" in spec["origins"] and "sync" not in spec["origins"] and "user" not in writers:
                    self.world.fail("A4", f"{spec['name']}: {rec.id}.{spec['field']} = {tag} was written there by {writers}, and by no person")
                if "user" not in writers and self._is_old(rec.person, tag):
                    self.world.fail("A5", f"{spec['name']}: {rec.id}.{spec['field']} = {tag} was there before, and is only brought over")

    def _check_made(self, spec: Mapping[str, Any], rec: Rec, calls: Sequence[Arrived]) -> None:
        lives = 1 + sum(before.fields is None for before in rec.versions[:-1])
        if len(calls) > lives:
            self.world.fail("A2", f"{spec['name']}: {rec.id} came to be {lives} times, and was told of {len(calls)} times")
        # A listing that goes by numbers passes over somebody while others are edited, and finds them the next time.
        by_number = self.world.vendors[SYSTEMS[int(spec["on"])]].habits.paging == "offset"
        # Nor is one there for the first listing that is gone by then, and that a late webhook tells of.
        listed_at = self.listed_at.get(SYSTEMS[int(spec["on"])], 0.0)
        was_gone = any(version.fields is None and self._vt(version) < listed_at for version in rec.versions)
        if lives == 1 and not by_number and not was_gone and rec.versions[0].at < LONG_AGO - SECOND + self.shift:
            self.world.fail("A5", f"{spec['name']}: {rec.id} was there before")
        if "sync" not in spec["origins"] and rec.born_by == "syncd" and lives == 1:
            self.world.fail("A4", f"{spec['name']}: {rec.id} was made by the sync")

    @property
    def shift(self) -> int:
        return int(self.world.options.get("shift", 0) * SECOND)

    def _is_old(self, person: int, tag: str) -> bool:
        """Whether a value was there before the daemon was, and nobody has had any word about this person since: what is still to be brought over
        travels with what is written for somebody's sake."""
        wrote = [each for each in self.world.users.wrote if each.person == person and each.at > 0]
        return not wrote and tag in self.world.users.by_tag and not self.world.hits["answer conflict"]

    def _check_all_done(self, held: Container[int]) -> None:
        """A3: what a person wrote where an automation watches has come out, unless somebody is told why not."""
        for spec in self.specs.values():
            if spec["name"].startswith("watch") or spec["to"] is not None or "trigger" in spec:
                continue
            if spec["on"] == "hub":
                self._check_hubs(spec, held)
                continue
            vendor = self.world.vendors[SYSTEMS[int(spec["on"])]]
            for rec in vendor.live():
                made = spec["what"] == "created"
                is_due = self._was_made_in_sight(rec, vendor.name) if made else self._was_moved_in_sight(rec, vendor.name, spec["field"])
                tag = tag_of((rec.now.fields or {}).get(spec["field"]))
                if not is_due or not ways.may_come(spec, rec.now.fields or {}) or self.stopped(spec, f"/{rec.id}", tag):
                    continue
                self.world.facts["automations due"] += 1
                if not any(made or tag_of(each.after.get(spec["field"])) == tag for each in self._firsts(spec["name"], rec.id)):
                    self.world.fail("A3", f"{spec['name']} was not carried out for {rec.id}: {rec.now.fields}")

    def _check_hubs(self, spec: Mapping[str, Any], held: Container[int]) -> None:
        world, tx = self.world, self.world.process.connection
        settled = tx.execute("SELECT settled_at FROM syncs").fetchone()
        if world.is_reconfigured or world.somebody_owned or not settled or settled[0] is None:
            return
        for link, system, record_id in tx.execute("SELECT min(link_id), system, record_id FROM link_members GROUP BY link_id").fetchall():
            rec = world.vendors[system].records.get(record_id)
            tag = tag_of((rec.now.fields or {}).get(spec["field"])) if rec is not None else ""
            wrote = world.users.by_tag.get(tag)
            if rec is None or wrote is None or not self._is_agreed(rec.person, spec["field"], tag):
                continue
            known = [each for each in wrote.rec.versions if each.seq < wrote.version.seq and self._was_kept(each, PATH)]
            if not known or self._vt(wrote.version) < (settled[0] - LONG_AGO - self.shift) / SECOND + 30 or self.stopped(spec, f"#{link}", tag):
                continue
            world.facts["automations due"] += 1
            sets = any("set" in step for step in spec["steps"])
            if sets and rec.person in held:
                continue
            if sets and spec["name"] == "mark" and any(tag_of((one.now.fields or {}).get(CARRIED[0])) != tag for one in self._all_of(rec.person)):
                world.fail("A3", f"{spec['name']} was not carried out for person {rec.person}: {[one.now.fields for one in self._all_of(rec.person)]}")
            if not sets and not any(tag_of(each.after.get(spec["field"])) == tag for each in self._firsts(spec["name"], f"L{link}")):
                world.fail("A3", f"{spec['name']} was not carried out for link {link}: {rec.now.fields}")

    def _all_of(self, person: int) -> list[Rec]:
        return [rec for vendor in self.world.vendors.values() for rec in vendor.records.values() if rec.person == person]

    def _is_agreed(self, person: int, path: str, tag: str) -> bool:
        """Whether everybody shows this value of a person that has one record everywhere, and had from the start; one person gave it, once."""
        records = self._all_of(person)
        ever = [each for rec in records for each in moves_of(rec, path) if tag_of(each[0]) == tag]
        return (
            len(records) == len(self.world.vendors)
            and all(rec.alive and rec.versions[0].at < LONG_AGO - SECOND + self.shift and tag_of((rec.now.fields or {}).get(path)) == tag for rec in records)
            and len(ever) == len(records)
            and len(self.world.users.origins.get(tag, ())) == 1
        )

    def _was_made_in_sight(self, rec: Rec, system: str) -> bool:
        since = self.listed_at.get(system, 1e9) + 5
        return rec.born_by == "user" and len(rec.versions) == 1 and self._vt(rec.versions[0]) > since and bool(rec.now.reads)

    def _was_moved_in_sight(self, rec: Rec, system: str, path: str) -> bool:
        """Whether the present value was given by a person, to a record that showed another one when it was read before."""
        moves = moves_of(rec, path)
        if not moves or any(each.fields is None for each in rec.versions):
            return False
        value, version = moves[-1]
        tag = tag_of(value)
        since = self.listed_at.get(system, 1e9) + 5
        alone = [each for each in moves if tag_of(each[0]) == tag] == moves[-1:] and self.world.users.origins.get(tag, {system}) == {system}
        before = [each for each in rec.versions if each.seq < version.seq and self._was_kept(each, path)]
        known = bool(before) and tag_of((before[-1].fields or {}).get(path)) != tag
        stood = [each for each in rec.versions if each.seq >= version.seq and any(path in paths for _, paths in each.reads)]
        return version.actor == "user" and bool(tag) and alone and known and bool(stood) and self._vt(version) > since

    def _was_kept(self, version: Version, path: str) -> bool:
        """Whether a reading showed this path, and nothing ended just then that would have kept what it showed."""
        return any(path in paths and not any(at - 0.001 <= broke <= at + 10.0 for broke in self.world.breaks) for at, paths in version.reads)

    def _vt(self, version: Version) -> float:
        return (version.at - LONG_AGO - self.shift) / SECOND

    # ---- what was done, and what is shown to somebody

    def _firsts(self, name: str, record_id: str) -> list[Arrived]:
        """The first calls of an automation's runs about a record, each once, as they arrived."""
        found: dict[str, Arrived] = {}
        for each in self.log:
            if (each.by, each.subject, each.step) == (name, record_id, "one"):
                found.setdefault(each.key, each)
        return list(found.values())

    def stopped(self, spec: Mapping[str, Any], subject: str, tag: str) -> bool:
        """Whether a run about a subject waits for a person, or the one upon this value was given up, and shows it."""
        tx = self.world.process.connection
        known: list[Run] = [run for run in runs.select(tx, RunState, automation=spec["name"], limit=100_000) if run.subject.endswith(subject)]
        steps = runs.steps_of(tx, [run.id for run in known])
        for run in known:
            shown = tag_of((run.event.get("after") or {}).get(spec["field"])) == tag or spec["what"] == "created"
            ended = run.state in (RunState.FAILED, RunState.SKIPPED) or any(row.state is StepState.SKIPPED for row in steps.get(run.id, ()))
            if run.state is RunState.PARKED or (shown and ended):
                self.world.facts["automations stopped"] += 1
                return True
        return False

    def was_skipped(self, spec: Mapping[str, Any], record_id: str) -> bool:
        """Whether a person had a step of a run about this record left out."""
        tx = self.world.process.connection
        known = [run.id for run in runs.select(tx, RunState, automation=spec["name"], limit=100_000) if run.subject.endswith(f"/{record_id}")]
        return any(row.state is StepState.SKIPPED for rows in runs.steps_of(tx, known).values() for row in rows)

    def is_stopped_about(self, spec: Mapping[str, Any], key: str) -> bool:
        """Whether the run upon this event waits for a person, or it or a step of it was given up, and shows it."""
        tx = self.world.process.connection
        known = [run for run in runs.select(tx, RunState, automation=spec["name"], limit=100_000) if run.event.get("key") == key]
        skipped = {row.run for rows in runs.steps_of(tx, [run.id for run in known]).values() for row in rows if row.state is StepState.SKIPPED}
        return any(run.state in (RunState.PARKED, RunState.FAILED, RunState.SKIPPED) or run.id in skipped for run in known)


def moves_of(rec: Rec, path: str) -> list[tuple[Json, Version]]:
    """Every value that a record came to under a path after it was made, with the version that shows it first."""
    found: list[tuple[Json, Version]] = []
    last = (rec.versions[0].fields or {}).get(path)
    for version in rec.versions[1:]:
        if version.fields is None:
            continue
        if version.fields.get(path) != last:
            found.append((version.fields.get(path), version))
        last = version.fields.get(path)
    return found
