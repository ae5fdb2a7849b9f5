"""The operator: approves what waits at a gate, and, in half of the worlds, answers every question and retries every failure.

Answers go the way of a command: a row in the store that the daemon finds and answers.
The rule that keeps it true: he knows what a person would see, the open holds and the failures, and nothing of the truth.
It must not know: which answer would be right.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from syncd.core.outcome import HoldKind
from syncd.store import holds, writes
from syncd.store.holds import Held, HoldState
from syncd.store.outbox import State

if TYPE_CHECKING:
    from tests.sim.world import World

GATES = (HoldKind.FIRST_RUN, HoldKind.GUARD, HoldKind.LISTING)


class Operator:
    """One person at the command line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._rng = Random(world.script.seed + 5)
        self._answered: dict[tuple[int, str], int] = {}
        self._retried: dict[int, int] = {}

    def let_through(self) -> None:
        """Approves what waits at a gate."""
        if self.world.process.engine is None:
            return
        for held in holds.select(self.world.process.connection, [HoldState.OPEN]):
            if held.kind in GATES:
                self._say(held, "approve")

    def look_round(self) -> None:
        """Once everything has healed: lets through, uses systems again, and answers what is asked where this world has an operator."""
        world = self.world
        if world.process.engine is None:
            return
        self.let_through()
        self.resume()
        if not world.options["operator"]:
            return
        connection = world.process.connection
        for held in holds.select(connection, [HoldState.OPEN]):
            if held.kind not in GATES and (choice := self._choice(held)) is not None:
                if held.kind is HoldKind.UNKNOWN_STEP:
                    world.automated.approved[str(held.sync).removeprefix("automation ")] += choice == "approve"
                world.operator_acted = True
                self._touch(held)
                self._say(held, choice)
        dead = [each for each in writes.select(connection, [State.DEAD]) if self._retried.get(each.id, 0) < 3]
        if dead:
            for each in dead:
                self._retried[each.id] = self._retried.get(each.id, 0) + 1
            world.ask("failures", {"ids": [each.id for each in dead], "choice": "retry"})

    def forget(self) -> None:
        """Another database: its questions are other ones, whatever their numbers."""
        self._answered.clear()
        self._retried.clear()

    def resume(self) -> None:
        """Uses every paused system again, but for one that is down for good."""
        engine = self.world.process.engine
        for system in sorted(engine.paused) if engine is not None else []:
            if not self.world.is_down(system):
                self.world.ask("resume", {"system": system})

    def _say(self, held: Held, choice: str) -> None:
        asked = (held.id, choice)
        self._answered[asked] = self._answered.get(asked, 0) + 1
        if self._answered[asked] > 6:
            return
        self.world.hits[f"answer {held.kind.value}"] += 1
        self.world.ask("hold", {"hold": held.id, "choice": choice})

    def _choice(self, held: Held) -> str | None:
        candidates = [str(each) for each in held.sides.get("candidates", [])]
        match held.kind:
            case HoldKind.CONFLICT:
                return self._rng.choice(sorted(held.sides))
            case HoldKind.AMBIGUOUS:
                return self._rng.choice([*sorted(candidates), "new"]) if held.link is None else None
            case HoldKind.DELETE:
                return self._rng.choice(("approve", "propagate", "unlink"))
            case HoldKind.MERGE:
                return "approve"
            case HoldKind.UNKNOWN_CREATE:
                return self._rng.choice(sorted(candidates)) if candidates else "approve"
            case HoldKind.UNKNOWN_STEP:
                return self._rng.choice(("approve", "ignore"))
            case _:
                return None

    def _touch(self, held: Held) -> None:
        """Whoever the answer is about may have two records by it, on a person's word."""
        self.world.touched_by_operator |= people_of(self.world, held)


def people_of(world: World, held: Any) -> set[int]:
    """Whom a hold (or a write) is about, by the records it names."""
    ids: set[str] = {held.record_id} if getattr(held, "record_id", None) else set()
    if held.link is not None:
        rows = world.process.connection.execute("SELECT record_id FROM link_members WHERE link_id = ?", (held.link,))
        ids |= {each for (each,) in rows}
    for each in getattr(held, "sides", {}).get("candidates", []) or []:
        ids.add(str(each).rsplit("/", 1)[-1])
    survivor = getattr(held, "sides", {}).get("survivor")
    if survivor:
        ids.add(str(survivor).rsplit("/", 1)[-1])
    return {rec.person for vendor in world.vendors.values() for rec in vendor.records.values() if rec.id in ids}
