"""The steps of an automation, and which one comes next.

A run is the list of its steps that are done, each by its path with its result. `reach` goes through the steps from the front and says
where the run has come to: a step to be carried out now, with what it may refer to; or the end.
The rule that keeps it true: whatever a choice or a loop depends on is itself a step with a result, so a run that is taken up again after a crash
takes the same way.
It must not know: how a step is carried out, or what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from syncd.core.conditions import ALWAYS, Condition, compile_condition
from syncd.core.record import FieldName, Json, Micros, SystemName

LOOP_MAX = 100
"""How many items a loop goes over where the operator does not say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation of a vendor's catalogue, with templated values."""

    name: str
    system: SystemName
    operation: str
    values: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFields:
    """Values for the hub, which the sync then carries to its members."""

    name: str
    values: Mapping[FieldName, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing, for a while."""

    name: str
    duration: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """One of two ways, by a condition."""

    name: str
    when: Condition
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach:
    """The same for each item of a list, at most `most` of them."""

    name: str
    over: Json
    steps: tuple[Step, ...]
    most: int = LOOP_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The end of the run."""

    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Word to a person: to an address on the web, to a command, and in any case to the journal. An address that is a secret is only named here."""

    name: str
    text: str
    webhook: str | Mapping[str, str] | None = None
    command: tuple[str, ...] = ()


Step: TypeAlias = Call | SetFields | Wait | Choose | ForEach | Stop | Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A step to be carried out now. `known` is what it may refer to beyond the event: the results of named steps, and the item of a loop."""

    path: str
    step: Step
    known: Mapping[str, Json]


class Ended:
    """There is nothing left to do."""


ENDED = Ended()


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the steps so far leave to those after them."""

    results: dict[str, Json] = field(default_factory=dict)
    items: tuple[Json, ...] = ()

    def known(self) -> dict[str, Json]:
        return {"steps": dict(self.results), **({"item": self.items[-1]} if self.items else {})}

    def inner(self, *items: Json) -> _Scope:
        return _Scope(dict(self.results), (*self.items, *items))


def reach(steps: Sequence[Step], done: Mapping[str, Json]) -> Reached | Ended:
    """Where a run has come to. `done` maps the paths of finished steps to their results.

    | the step              | done with           | then                                             |
    |-----------------------|---------------------|--------------------------------------------------|
    | any                   | nothing yet         | it is reached                                    |
    | a choice              | whether it was met  | through one of its ways, then on                 |
    | a loop                | its items           | through its steps for each of them, then on      |
    | a stop                | anything            | the end                                          |
    | any other             | its result          | the result is known by its name, and on          |
    """
    found = _through(steps, "", done, _Scope())
    return found if found is not None else ENDED


def _through(steps: Sequence[Step], before: str, done: Mapping[str, Json], scope: _Scope) -> Reached | Ended | None:
    """Where these steps lead; None where they are all done."""
    for place, step in enumerate(steps):
        path = f"{before}{place}"
        if path not in done:
            return Reached(path=path, step=step, known=scope.known())
        found: Reached | Ended | None = None
        match step:
            case Stop():
                return ENDED
            case Choose():
                way, word = (step.then, "then") if done[path] else (step.otherwise, "else")
                found = _through(way, f"{path}.{word}.", done, scope.inner())
            case ForEach():
                found = _over(step, path, done, scope)
            case _ if step.name:
                scope.results[step.name] = done[path]
        if found is not None:
            return found
    return None


def _over(step: ForEach, path: str, done: Mapping[str, Json], scope: _Scope) -> Reached | Ended | None:
    for number, item in enumerate(done[path] or ()):
        found = _through(step.steps, f"{path}.{number}.", done, scope.inner(item))
        if found is not None:
            return found
    return None


def calls_in(steps: Sequence[Step]) -> Iterator[Call]:
    """Every call among these steps, however deep."""
    for step in steps:
        match step:
            case Call():
                yield step
            case Choose():
                yield from calls_in((*step.then, *step.otherwise))
            case ForEach():
                yield from calls_in(step.steps)
            case _:
                pass


def cost_of(steps: Sequence[Step]) -> dict[SystemName, tuple[int, int]]:
    """How many calls of each system one run makes, each being made once: at least, and at most."""
    return {system: _cost(steps, system)[:2] for system in sorted({call.system for call in calls_in(steps)})}


def _cost(steps: Sequence[Step], system: SystemName) -> tuple[int, int, bool]:
    """The calls at least and at most, and whether the run may end among these steps."""
    least, most, may_end = 0, 0, False
    for step in steps:
        low, high, ends = 0, 0, False
        match step:
            case Call():
                low = high = int(step.system == system)
            case Choose(then=then, otherwise=otherwise):
                ways = [_cost(then, system), _cost(otherwise, system)]
                low, high, ends = min(way[0] for way in ways), max(way[1] for way in ways), any(way[2] for way in ways)
            case ForEach(steps=inner, most=times):
                _, each, ends = _cost(inner, system)
                high = each * times
            case Stop():
                ends = True
            case _:
                pass
        least, most, may_end = least + (0 if may_end else low), most + high, may_end or ends
    return least, most, may_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a run goes by: the condition that it asks first, where that could not be asked before, and its steps."""

    when: Condition
    late: bool
    steps: tuple[Step, ...]


def compile_rules(written: Json) -> Rules:
    """The rules made of plain JSON that `config` has found in order. Raises ValueError where it is of another version's making."""
    when = written.get("when")
    return Rules(
        when=ALWAYS if when is None else compile_condition(when), late=bool(written.get("late")), steps=compile_steps(written["steps"])
    )


def compile_steps(written: Json) -> tuple[Step, ...]:
    """The steps: durations in microseconds, every default filled in."""
    return tuple(_compiled(each) for each in written)


def _compiled(written: Mapping[str, Json]) -> Step:
    name = written.get("name", "")
    match written:
        case {"call": call}:
            system, _, operation = call.partition(".")
            return Call(name=name, system=SystemName(system), operation=operation, values=written.get("with", {}))
        case {"set": values}:
            return SetFields(name=name, values={FieldName(field): value for field, value in values.items()})
        case {"wait": duration}:
            return Wait(name=name, duration=duration)
        case {"if": condition}:
            return Choose(
                name=name,
                when=compile_condition(condition),
                then=compile_steps(written.get("then", [])),
                otherwise=compile_steps(written.get("else", [])),
            )
        case {"for_each": over}:
            return ForEach(name=name, over=over, steps=compile_steps(written["do"]), most=written.get("max", LOOP_MAX))
        case {"stop": _}:
            return Stop(name=name)
        case {"alert": alert}:
            return Alert(name=name, text=alert["text"], webhook=alert.get("webhook"), command=tuple(alert.get("command", ())))
    raise ValueError(f"no step: {sorted(written)}")
