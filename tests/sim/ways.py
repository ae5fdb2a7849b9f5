"""More ways of automations in a simulated world: conditions, choices, loops, calls in bulk; webhooks, polls and schedules that set them off.

`more` draws up to two for a script, by a draw of its own; `check_way` says at rest whether just what had to come of one has.
The rule that keeps it true: what had to happen is known from the vendors' records, from the deliveries that were answered, and from the calendar.
It must not know: how the daemon tells what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from syncd.core.automation import PollTrigger, ScheduleTrigger, Trigger, WebhookTrigger
from syncd.core.conditions import compile_condition
from syncd.core.record import MINUTE, SECOND, Json, SystemName
from syncd.core.schedule import Rhythm, Schedule
from syncd.store import timers
from tests.sim.operations import Arrived
from tests.sim.vendor import LONG_AGO, Rec, tag_of

if TYPE_CHECKING:
    from tests.sim.automating import Automated

PATH = "name"
ITEMS = ("one", "two", "three")
EVERY = 5 * MINUTE
KINDS = ("condition", "condition", "choice", "choice", "loop", "loop", "bulk", "webhook", "poll", "poll", "schedule", "schedule")
TELL = {"id": "{event.id}", "key": "{event.key}", "after": "is {event.after}", "origin": "{event.origin}"}
TELL_MOMENT = {**TELL, "id": "moment"}
MANY = 10


# ---- what is drawn


def more(rng: Random, systems: int, hooked: Sequence[int]) -> list[dict[str, Any]]:
    """Up to two automations of these ways. `hooked`: the systems that have webhooks."""
    kinds = rng.sample(KINDS, rng.choice((0, 1, 1, 2)))
    found = []
    for kind in dict.fromkeys(kinds):
        on, at, operation = rng.randrange(systems), rng.randrange(systems), rng.choice(("send", "put-note"))
        if kind == "webhook":
            found += [way(kind, hooked[on % len(hooked)], at, operation, rng)] if hooked else []
        else:
            found.append(way(kind, on, at, operation, rng))
    return found


def way(kind: str, on: int, at: int, operation: str, rng: Random) -> dict[str, Any]:
    """One automation of a kind, as a script holds it: set off in system `on`, calling system `at`."""
    tell = {**(TELL_MOMENT if kind == "schedule" else TELL), "by": kind, "step": "one"}
    called = f"{('alpha', 'beta', 'gamma')[at]}.{operation}"
    spec: dict[str, Any] = {"name": kind, "on": str(on), "what": "updated", "field": PATH, "to": None, "origins": ["person", "sync"]}
    met = {"field": PATH, "op": "contains", "value": f"{rng.randrange(1, 4)}"}
    match kind:
        case "condition":
            return {**spec, "when": rng.choice((met, {"not": met})), "steps": [{"call": called, "with": tell}]}
        case "choice":
            ways = {word: [{"call": called, "with": {**tell, "way": word}}] for word in ("then", "else")}
            return {**spec, "met": met, "steps": [{"if": met, **ways}]}
        case "loop":
            items = ITEMS[: rng.randint(1, 3)]
            over = {"for_each": list(items), "max": len(items), "do": [{"call": called, "with": {**tell, "step": "{item}"}}]}
            return {**spec, "items": list(items), "steps": [over]}
        case "bulk":
            tag = {"call": f"{called.partition('.')[0]}.tag-one", "with": {"id": "{event.id}", "by": kind}}
            return {**spec, "steps": [{"call": called, "with": tell}, {"wait": 5 * SECOND}, tag]}
        case _:
            return {**spec, "trigger": kind, "origins": ["person", "sync", "backfill", "automation"], "steps": [{"call": called, "with": tell}]}


def trigger_of(spec: Mapping[str, Any]) -> Trigger | None:
    """What sets it off, where that is no change of a record or a hub."""
    system = SystemName(("alpha", "beta", "gamma")[int(spec["on"])]) if spec["on"] != "hub" else SystemName("")
    match spec.get("trigger"):
        case "webhook":
            return WebhookTrigger(system=system, word="contact.changed")
        case "poll":
            return PollTrigger(system=system, operation="list-contacts", values={}, every=MINUTE)
        case "schedule":
            return ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.EVERY, every=EVERY))
    return None


def may_come(spec: Mapping[str, Any], shown: Mapping[str, Json]) -> bool:
    """Whether its condition lets an automation be set off by this."""
    return spec.get("when") is None or compile_condition(spec["when"]).admits(shown)


# ---- what is looked at as it arrives


def misled(spec: Mapping[str, Any], call: Arrived) -> str:
    """What is wrong with a call in the light of the record it tells of; empty where nothing is."""
    if not may_come(spec, call.after):
        return f"{call} though its condition is not met"
    if "met" in spec and call.way != ("then" if compile_condition(spec["met"]).admits(call.after) else "else"):
        return f"{call} went the wrong way"
    if "items" in spec and call.step not in spec["items"]:
        return f"{call} is about no item"
    return ""


# ---- at rest


def unrest(each: Automated) -> Iterator[str]:
    """Polls that have not asked since a record last changed where they ask."""
    world = each.world
    assert world.process.engine is not None
    known = timers.load(world.process.connection)
    for name, spec in each.specs.items():
        if spec.get("trigger") != "poll" or name not in known:
            continue
        vendor = world.vendors[("alpha", "beta", "gamma")[int(spec["on"])]]
        if vendor.name in world._down:
            continue
        last = max((rec.now.at for rec in vendor.records.values()), default=0)
        ago = world.true_time() - last
        if known[name].since < world.process.engine.clock.now() - ago or not known[name].polled:  # type: ignore[index]
            yield f"{name} has not asked since"


def check_way(each: Automated, spec: Mapping[str, Any]) -> None:
    """All that must hold of one of these automations, in a world where nobody told lies."""
    calls = [call for call in each.log if call.by == spec["name"]]
    match spec["name"]:
        case "loop":
            _check_loop(each, spec, calls)
        case "bulk":
            _check_bulk(each, spec, calls)
        case "webhook":
            _check_webhooks(each, spec, calls)
        case "poll":
            _check_poll(each, spec, calls)
        case "schedule":
            _check_schedule(each, spec, calls)


def _check_loop(each: Automated, spec: Mapping[str, Any], calls: Sequence[Arrived]) -> None:
    """A11: once begun, a loop goes through all of its items, in their order."""
    turns: dict[str, list[Arrived]] = {}
    for call in calls:
        seen = turns.setdefault(call.key, [])
        if call.step not in [one.step for one in seen]:
            seen.append(call)
    for key, seen in turns.items():
        steps = [one.step for one in seen]
        left = iter(spec["items"])
        ordered = all(step in left for step in steps)
        whole = steps == spec["items"] or each.world._down or each.stopped(spec, f"/{seen[0].subject}", tag_of(seen[0].after.get(PATH)))
        if not ordered or not whole:
            each.world.fail("A11", f"the loop upon {key} went through {steps} of {spec['items']}")
    each.world.facts["loops"] += len(turns)


def _check_bulk(each: Automated, spec: Mapping[str, Any], calls: Sequence[Arrived]) -> None:
    """A12: of those whose first step was done, each is tagged; nobody else is."""
    begun = {call.subject: call for call in calls}
    each.world.facts["tagged in bulk"] += len(each.tagged)
    # A person may have said of a first step that may have been done that it need not be, and had the run go on.
    if stray := {subject for subject in set(each.tagged) - set(begun) if not each.was_skipped(spec, subject)}:
        each.world.fail("A12", f"{stray} were tagged, and no run was about them")
    for subject, call in begun.items():
        if subject not in each.tagged and not each.world._down and not each.stopped(spec, f"/{subject}", tag_of(call.after.get(PATH))):
            each.world.fail("A12", f"{subject} was not tagged")


def _check_webhooks(each: Automated, spec: Mapping[str, Any], calls: Sequence[Arrived]) -> None:
    """A13: each delivery that was answered with 2xx is one event, however often it came; nothing else is."""
    world, system = each.world, ("alpha", "beta", "gamma")[int(spec["on"])]
    sent = world.webhooks.told_of(system, "changed")
    heard = {f"webhook {system} {key}" for name, key, _ in world.webhooks.acknowledged if name == system and key in sent}
    told = {call.key for call in calls}
    world.facts["webhooks heard"] += len(heard)
    if stray := told - {f"webhook {system} {key}" for key in sent}:
        world.fail("A13", f"nobody sent {stray}")
    if world._down or world.logged["automation.looping"]:
        return
    for key in sorted(heard - told):
        # One that waits for a person keeps the later ones about its record waiting.
        waits = each.stopped(spec, f"/{sent[key.removeprefix(f'webhook {system} ')]}", "")
        if not waits and not each.is_stopped_about(spec, key):
            world.fail("A13", f"nothing came of {key}")


def _check_poll(each: Automated, spec: Mapping[str, Any], calls: Sequence[Arrived]) -> None:
    """A14: each item once for each time that it came to something else, in their order; the last of it in any case."""
    world = each.world
    vendor = world.vendors[("alpha", "beta", "gamma")[int(spec["on"])]]
    for rec in vendor.records.values():
        told: dict[str, Arrived] = {}
        for call in calls:
            if call.subject == rec.id:
                told.setdefault(call.key, call)
        left = iter(_came_to(rec))
        for call in told.values():
            if not any(call.after.get(PATH) == value for value, _ in left):
                world.fail("A14", f"{rec.id} was told as {[one.after.get(PATH) for one in told.values()]} of {[value for value, _ in _came_to(rec)]}")
                return
        asked = each.first_answered.get(vendor.name)
        if world._down or asked is None or not rec.alive or any(version.fields is None for version in rec.versions):
            continue
        values = _came_to(rec)
        known = [call.after.get(PATH) for call in told.values()] or [value for value, at in values if (at - LONG_AGO - each.shift) / SECOND <= asked + 1]
        value = values[-1][0]
        world.facts["polled items due"] += known[-1:] != [value] or bool(told)
        if known[-1:] != [value] and not each.stopped(spec, f"/{rec.id}", tag_of(value)):
            world.fail("A14", f"{rec.id} came to {value!r}, and was not told")


def _came_to(rec: Rec) -> list[tuple[Json, int]]:
    """Every value of a record, with when it came to it."""
    found: list[tuple[Json, int]] = []
    before: Json = object()
    for version in rec.versions:
        value = version.fields.get(PATH) if version.fields is not None else object()
        if version.fields is not None and value != before:
            found.append((value, version.at))
        before = value
    return found


def _check_schedule(each: Automated, spec: Mapping[str, Any], calls: Sequence[Arrived]) -> None:
    """A15: each moment once; those that passed while nobody ran are one, the last."""
    world = each.world
    told = list(dict.fromkeys(int(call.key.rpartition(" ")[2]) for call in calls))
    now = LONG_AGO + each.shift + int(world.loop.vt * SECOND)
    if any(moment % EVERY or moment > now for moment in told):
        world.fail("A15", f"{told} are not moments of the schedule")
    began, gone = LONG_AGO + each.shift + 120 * SECOND, [*((broke, broke) for broke in world.breaks), *world.frozen]
    world.facts["moments told"] += len(told)
    if world._down or world.script.has("stall"):
        return
    for moment in range((began // EVERY + 1) * EVERY, now - 3 * MINUTE, EVERY):
        at = (moment - LONG_AGO - each.shift) / SECOND
        missed = any(since <= at + EVERY / SECOND and until >= at - 60 for since, until in gone)
        if moment not in told and not missed and not each.is_stopped_about(spec, f"schedule {moment}"):
            world.fail("A15", f"the moment {moment} ({at:.0f} s) passed, and nothing came of it: {told}")
