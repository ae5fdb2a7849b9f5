"""Trying an automation out on an event: what would be done, step by step, with nothing called and nothing written.

The answer of a call is not known before the call; whatever refers to it stands in the outcome as its own path in round brackets, and a choice that
depends on it is gone both ways.
The rule that keeps it true: conditions are asked and values filled in by the very code that carries runs out; what is missing is said, and the rest goes on.
It must not know: where the event came from, or how the outcome is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from syncd.connectors.catalogue import Prepared
from syncd.core.automation import Automation, Facts, Verdict, event_of, judge
from syncd.core.conditions import Part, parts
from syncd.core.errors import UserError
from syncd.core.happening import Happening
from syncd.core.record import SECOND, Json, Micros, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.core.steps import Alert, Call, Choose, ForEach, SetFields, Step, Stop, Wait
from syncd.core.templates import Missing, render, tokens
from syncd.core.trial import Reason, reasons
from syncd.flow.knowing import Knowing
from syncd.store.database import Connection
from syncd.store.runs import Run, RunState

ITEMS_SHOWN = 3
"""Of a loop so many rounds are gone through; the others are like them."""
Preparing = Callable[[SystemName, str, Mapping[str, Json]], Prepared]


@dataclass(slots=True, kw_only=True)
class Tried:
    """One step as it would be done. `would` is of the step's own kind; `templates` what each path in it stands for; `missing` what keeps
    it from being done, `later` those paths that only an answer will tell, with what stands for them here.
    """

    path: str
    name: str
    does: str
    would: dict[str, Json] = field(default_factory=dict)
    templates: dict[str, Json] = field(default_factory=dict)
    tests: list[Part] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    later: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What would come of one event. `unasked` says why the condition could not be asked, if it could not."""

    event: Mapping[str, Json]
    verdict: Verdict
    reasons: tuple[Reason, ...]
    condition: tuple[Part, ...]
    unasked: str | None
    steps: tuple[Tried, ...]

    @property
    def would_run(self) -> bool:
        """Whether the event would set the automation off, and its condition be met."""
        return self.verdict is Verdict.FIRES and self.unasked is None and all(part.met for part in self.condition[:1])


class Later(dict[str, Json]):
    """An answer that is not there yet: whatever is asked of it is its own path in round brackets."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"({self._path}.{name})"


def try_out(
    automation: Automation, happening: Happening, syncs: Mapping[SyncName, SyncRules], prepare: Preparing, tx: Connection | None, now: Micros
) -> Trial:
    """What an automation would make of a happening at this moment; without a database nothing is known of links."""
    event = event_of(happening)
    sync, link = (happening.sync, happening.link) if happening.link is not None else (automation.sync, None)
    run = Run(
        id=0, automation=automation.name, event_key=happening.key, subject=happening.subject, edition=automation.edition, sync=sync, link=link,
        event=event, cause=happening.cause, state=RunState.RUNNING, lane=None, error=None, due_at=now, fence=0, created_at=now, done_at=None,
    )  # fmt: skip
    trying = _Trying(Knowing(syncs, tx, run, now), prepare)
    condition, unasked = trying.condition(automation, event)
    trying.through(automation.rules.steps, automation.written["steps"], "", {"steps": {}})
    return Trial(
        event=event,
        verdict=judge(automation, happening),
        reasons=tuple(reasons(automation, happening)),
        condition=condition,
        unasked=unasked,
        steps=tuple(trying.steps),
    )


def _exchanged(value: Json, words: Mapping[str, str]) -> Json:
    """A value with some words put in place of others, however deep."""
    if isinstance(value, Mapping):
        return {name: _exchanged(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [_exchanged(each, words) for each in value]
    for word, other in words.items() if isinstance(value, str) else ():
        value = value.replace(word, other)
    return value


class _Trying:
    """The way through the steps."""

    def __init__(self, knowing: Knowing, prepare: Preparing) -> None:
        self._knowing = knowing
        self._prepare = prepare
        self.steps: list[Tried] = []

    def condition(self, automation: Automation, event: Mapping[str, Json]) -> tuple[tuple[Part, ...], str | None]:
        """The parts of the condition, and why it could not be asked, if it could not."""
        written = automation.written.get("when")
        if written is None:
            return (), None
        try:
            facts = self._knowing.facts(automation.rules.when.fields, {}, patient=False) if automation.rules.late else Facts({"event": event})
        except Missing as error:
            return (), str(error)
        return tuple(parts(written, facts)), None

    def through(self, steps: Sequence[Step], written: Sequence[Json], before: str, known: Mapping[str, Json]) -> bool:
        """Goes through these steps; whether the run surely ends with them."""
        known = {**known, "steps": dict(known["steps"])}
        for place, (step, each) in enumerate(zip(steps, written, strict=True)):
            tried = Tried(path=f"{before}{place}", name=step.name, does="")
            self.steps.append(tried)
            if self._take(step, each, tried, known):
                return True
            if step.name and not isinstance(step, Choose | ForEach | Stop):
                known["steps"][step.name] = Later(f"steps.{step.name}") if isinstance(step, Call | Alert) else tried.would.get("set")
        return False

    def _take(self, step: Step, written: Json, tried: Tried, known: Mapping[str, Json]) -> bool:
        match step:
            case Call():
                self._call(step, tried, known)
            case SetFields(values=values):
                tried.does, tried.would = "set", {"set": self._filled({str(name): value for name, value in values.items()}, tried, known)}
            case Wait(duration=duration):
                tried.does, tried.would = "wait", {"wait_s": duration / SECOND}
            case Alert(text=text, webhook=webhook, command=command):
                words = self._filled({"text": text, "command": list(command)}, tried, known)
                tried.does, tried.would = "alert", {**words, "webhook": webhook if isinstance(webhook, str) or webhook is None else dict(webhook)}
            case Stop():
                tried.does = "stop"
                return True
            case Choose():
                return self._choose(step, written, tried, known)
            case ForEach():
                self._loop(step, written, tried, known)
        return False

    def _call(self, step: Call, tried: Tried, known: Mapping[str, Json]) -> None:
        tried.does = f"{step.system}.{step.operation}"
        values = self._filled(dict(step.values), tried, known)
        tried.would = {"values": values}
        if tried.missing:
            return
        # An answer that is not there yet is of no form; where an id belongs, something that could be one stands in for it.
        ids = {f"later-{number}": held for number, held in enumerate(tried.later.values())}
        try:
            prepared = self._prepare(step.system, step.operation, _exchanged(values, {held: word for word, held in ids.items()}))
        except UserError as error:
            tried.missing += [*(error.problems or [error.message])]
            return
        tried.would = {
            "operation": prepared.row.name,
            "writes": prepared.operation.writes,
            "repeatable": prepared.row.replay_safe or not prepared.operation.writes,
            "method": prepared.operation.method,
            "path": _exchanged(unquote(prepared.operation.path), ids),
            "query": _exchanged(dict(prepared.query), ids),
            "body": _exchanged(prepared.body, ids),
        }

    def _choose(self, step: Choose, written: Json, tried: Tried, known: Mapping[str, Json]) -> bool:
        """One way, or both where which one depends on an answer."""
        tried.does = "if"
        ways = {"then": (step.then, written.get("then", [])), "else": (step.otherwise, written.get("else", []))}
        try:
            facts = self._knowing.facts(step.when.fields, known, patient=False)
            tried.tests = list(parts(written["if"], facts))
        except Missing as error:
            tried.missing.append(str(error))
        unsure = sorted(name for name in step.when.fields if name.startswith("steps.") or (isinstance(known.get("item"), Later) and name.startswith("item")))
        if tried.missing or unsure:
            tried.tests = [] if unsure else tried.tests
            tried.would = {"takes": "either", "depends_on": unsure}
            ends = [self.through(*each, f"{tried.path}.{word}.", known) for word, each in ways.items()]
            return all(ends)
        word = "then" if tried.tests[0].met else "else"
        tried.would = {"takes": word}
        return self.through(*ways[word], f"{tried.path}.{word}.", known)

    def _loop(self, step: ForEach, written: Json, tried: Tried, known: Mapping[str, Json]) -> None:
        tried.does, tried.would = "for_each", {"max": step.most, "items": None}
        items = self._filled(step.over, tried, known)
        if tried.missing:
            return
        if not isinstance(items, list) and items is not None:
            if isinstance(items, Later) or (isinstance(items, str) and items == f"({str(step.over).strip('{}')})"):
                self.through(step.steps, written["do"], f"{tried.path}.0.", {**known, "item": Later("item")})
            else:
                tried.missing.append(f"{step.over} is no list")
            return
        items = items or []
        tried.would["items"] = len(items)
        if len(items) > step.most:
            tried.missing.append(f"{step.over} has {len(items)} items, and `max` is {step.most}")
            return
        for number, item in enumerate(items[:ITEMS_SHOWN]):
            self.through(step.steps, written["do"], f"{tried.path}.{number}.", {**known, "item": item})

    def _filled(self, written: Json, tried: Tried, known: Mapping[str, Json]) -> Json:
        """A value with everything filled in that is there; what is not stays as it is written, and is said."""
        if isinstance(written, Mapping):
            return {name: self._filled(each, tried, known) for name, each in written.items()}
        if isinstance(written, list):
            return [self._filled(each, tried, known) for each in written]
        for each in tokens(written):
            asked = f"{{{each.path}}}" if each.otherwise is None else f"{{{each.path}|{each.otherwise}}}"
            try:
                found = self._value(asked, known)
                if found == f"({each.path})":
                    tried.later[asked] = found
                else:
                    tried.templates[asked] = found
            except Missing as error:
                tried.missing.append(f"{asked}: {error}")
        try:
            return self._value(written, known)
        except Missing:
            return written

    def _value(self, written: Json, known: Mapping[str, Json]) -> Json:
        return render(written, self._knowing.for_template(written, known))
