"""Which automations a simulated world has: drawn by seed, or written down.

`automated` puts one or two into a drawn script, by a draw of its own, so that the script of a seed is as it is without.
The rule that keeps it true: the same seed draws the same automations, edits and faults.
It must not know: how a world carries them out, or what must come of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from syncd.core.record import SECOND
from tests.sim import ways
from tests.sim.automating import DISHONEST, PATH, PING, PONG
from tests.sim.rules import CARRIED
from tests.sim.script import SYSTEMS, Act, Script, Strike

USUAL = ("person", "sync")
TELL = {"id": "{event.id}", "key": "{event.key}", "after": "is {event.after}", "origin": "{event.origin}"}
TELL_HUB = TELL | {"id": "L{event.link}"}
STRIKES = ("timeout_before", "timeout_after", "reset_after", "e500_after", "e422_after", "rate", "rejected", "slow", "refused", "stale409", "crash", "crash")
WHERE = ("before_commit", "after_commit", "before_call", "in_call", "after_call")


def told(name: str, on: str, steps: Sequence[Mapping[str, Any]], origins: Sequence[str] = USUAL, **other: Any) -> dict[str, Any]:
    """One automation as a script holds it. `on`: a system's number (a record of it), or ``hub``."""
    return {"name": name, "on": on, "what": "updated", "field": PATH, "to": None, "origins": list(origins), "steps": list(steps), **other}


def call(system: int, operation: str, by: str, step: str = "one", *, hub: bool = False, **more: Any) -> dict[str, Any]:
    """A step that calls a vendor, and tells it of what it is done."""
    return {"call": f"{SYSTEMS[system]}.{operation}", "with": {**(TELL_HUB if hub else TELL), "by": by, "step": step, **more}}


def automated(script: Script) -> Script:
    """The script with automations, some edits that set them off, and some faults at their calls."""
    rng = Random(script.seed * 104_729 + 5)
    systems = script.options["systems"]
    fields = [each for each in script.options["fields"] if each not in (*CARRIED, PATH)]
    hooked = [number for number, habits in enumerate(script.habits) if habits["webhooks"] != "none"]
    automations = [*_drawn(rng, systems), *ways.more(Random(script.seed * 104_729 + 6), systems, hooked)]
    options = {**script.options, "fields": (PATH, *fields), "carried": CARRIED, "automations": automations}
    span = script.minutes * 60
    acts = [replace(each, path=PATH) if each.path in CARRIED else each for each in script.acts]
    hot = rng.uniform(100, span)
    for _ in range(rng.randint(2, 6)):
        at = min(span, rng.choice((hot + rng.random() * rng.choice((1, 10, 60)), rng.uniform(60, span))))
        kind = rng.choice(("edit", "edit", "edit", "create"))
        acts.append(
            Act(kind=kind, at=round(at, 3), person=rng.randrange(options["people"]), system=rng.randrange(systems), path=PATH, salt=rng.randrange(1 << 30))
        )
    # In most worlds the daemon is told the truth: only there it is known what it must have done.
    honest = rng.random() < 0.7
    strikes = [*(each for each in script.strikes if not honest or each.kind not in DISHONEST), *_struck(rng, acts, span)]
    return replace(
        script, options=options, acts=tuple(sorted(acts, key=lambda each: each.at)), strikes=tuple(sorted(strikes, key=lambda each: each.at))
    )


def loop() -> list[dict[str, Any]]:
    """Two automations that set each other off, and one that sets off the first. Each turn is told to a vendor."""
    turns = ((PING, PONG), (PONG, PING))
    return [
        told("start", "hub", [{"set": {CARRIED[0]: PING}}]),
        *(
            told(now, "hub", [call(0, "put-note", now, hub=True), {"set": {CARRIED[0]: then}}], (*USUAL, "automation"), field=CARRIED[0], to=now)
            for now, then in turns
        ),
    ]


def _drawn(rng: Random, systems: int) -> list[dict[str, Any]]:
    on, at = rng.randrange(systems), rng.randrange(systems)
    operation, origins = rng.choice(("send", "send", "put-note")), rng.choice((("person",), USUAL))
    later = [{"wait": rng.choice((5, 60)) * SECOND}, call(at, operation, "first", "two")] if rng.random() < 0.3 else []
    found: list[dict[str, Any]]
    match rng.choice(("tell", "tell", "tell", "created", "hub", "mark", "mark by call", "loop")):
        case "tell":
            found = [told("first", str(on), [call(at, operation, "first"), *later], origins)]
        case "created":
            found = [told("first", str(on), [call(at, operation, "first"), *later], origins, what="created")]
        case "hub":
            found = [told("first", "hub", [call(at, operation, "first", hub=True)])]
        case "mark":
            found = [told("mark", "hub", [{"set": {CARRIED[0]: f"{{event.after.{PATH}}}"}}]), *watchers(systems)]
        case "mark by call":
            mark = call(on, "put-field", "mark", **{CARRIED[0]: f"{{event.after.{PATH}}}"})
            found = [told("mark", str(on), [mark], origins), *watchers(systems)]
        case _:
            return loop()
    if rng.random() < 0.3:
        on, at = rng.randrange(systems), rng.randrange(systems)
        found.append(told("second", str(on), [call(at, rng.choice(("send", "put-note")), "second")], rng.choice((("person",), USUAL))))
    return found


def watchers(systems: int) -> Iterator[dict[str, Any]]:
    """Whoever changes the field that only automations write is seen, if it is taken for anybody else."""
    for number in range(systems):
        name = f"watch {number}"
        yield told(name, str(number), [call(number, "put-note", name)], field=CARRIED[0])
    yield told("watch hub", "hub", [call(0, "put-note", "watch hub", hub=True)], field=CARRIED[0])


def _struck(rng: Random, acts: Sequence[Act], span: float) -> Iterator[Strike]:
    for _ in range(rng.choice((0, 1, 2, 4))):
        kind = rng.choice(STRIKES)
        at = rng.choice([each.at for each in acts if each.path == PATH] or [0.0]) + rng.random() * 5
        yield Strike(
            kind=kind, at=round(at, 3), until=round(min(span, at + rng.choice((5, 60, 120))), 3), rate=rng.choice((0.5, 1.0)),
            most=1 if kind == "crash" else rng.choice((1, 2, 5)), operation=rng.choice(WHERE if kind == "crash" else ("send", "put-note", "put-field")),
            amount=float(rng.randrange(8)) if kind == "crash" else rng.choice((0, 10, 40)), salt=rng.randrange(1 << 30),
        )  # fmt: skip
