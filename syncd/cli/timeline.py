"""One run of an automation as it went: what set it off, then each step with its time, what was sent, what was answered.

The rule that keeps it true: everything that was kept is shown in the order in which it happened; passwords and keys are not.
It must not know: how steps are carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from syncd.cli import screen
from syncd.cli.text import counted, duration, masked, moment, value
from syncd.core.record import SECOND, Json, Micros
from syncd.store.runs import Run, StepRow, StepState

_FIELDS_SHOWN = 12
_COLUMN = 10


def in_order(steps: Iterable[StepRow]) -> list[StepRow]:
    """The steps as they followed each other: by their places, the tenth behind the ninth."""
    return sorted(steps, key=lambda step: (step.created_at, [int(each) if each.isdigit() else -1 for each in re.split(r"\W", step.path)]))


def show(run: Run, steps: Iterable[StepRow]) -> None:
    """Shows it all."""
    length = f"  in {_length(run.done_at - run.created_at)}" if run.done_at is not None else ""
    screen.show(f"{run.id}  {run.automation}  {run.subject}  {run.state.value}{length}", style="bold")
    screen.show(f"{moment(run.created_at)}  {_cause(run)}", indent=4)
    for line in about_event(run.event):
        screen.show(line, indent=14)
    for step in in_order(steps):
        _show_step(run, step)
    if run.state.value == "running":
        waits = f"for its call to {run.lane}" if run.lane else f"until {moment(run.due_at)}"
        screen.show(f"{'now':<{_COLUMN}}it waits {waits}", indent=4)
    if run.error:
        screen.show(run.error, indent=4, style="red")
    if run.state.value in ("parked", "failed"):
        screen.show(f"syncd automations retry {run.id}, skip {run.id} or give-up {run.id}", indent=4, style="dim")


def _cause(run: Run) -> str:
    what = run.event.get("what", "set off")
    by = {"person": "a person", "sync": "a sync", "backfill": "a first listing", "automation": f"an automation, {run.cause.depth} deep"}
    return f"{what} by {by[run.cause.origin.value]}"


def about_event(event: Mapping[str, Json]) -> Iterator[str]:
    """The event in lines: what changed from what to what, or of something new the first of its values."""
    before, after = event.get("before") or {}, event.get("after") or {}
    changed = [name for name in event.get("changed") or () if name in after or name in before]
    if before and after and changed:
        for name in changed[:_FIELDS_SHOWN]:
            yield f"{name}: {value(masked({name: before.get(name)})[name])} → {value(masked({name: after.get(name)})[name])}"
        names = changed
    else:
        shown = {name: held for name, held in masked(after or before).items() if held not in (None, "", [], {})}
        for name, held in list(shown.items())[:_FIELDS_SHOWN]:
            yield f"{name}: {value(held)}"
        names = list(shown)
    if len(names) > _FIELDS_SHOWN:
        yield f"and {counted(len(names) - _FIELDS_SHOWN, 'more field')} (`--json` shows all)"


def _show_step(run: Run, step: StepRow) -> None:
    begun = f"+{_length(step.created_at - run.created_at)}"
    took = f", {_length(step.done_at - step.sent_at)}" if step.done_at is not None and step.sent_at is not None else ""
    tried = f", attempt {step.attempts}" if step.attempts > 1 else ""
    named = f" ({step.name})" if step.name else ""
    style = "red" if step.state in (StepState.DEAD, StepState.UNKNOWN, StepState.PARKED) else ""
    state = {StepState.DEAD: "failed", StepState.UNKNOWN: "outcome not known", StepState.PARKED: "waits for a person"}.get(step.state, step.state.value)
    screen.show(f"{begun:<{_COLUMN}}{step.path}  {step.kind}{named}  {_what_came(step) or state}{took}{tried}", indent=4, style=style)
    for word, held in (("sent", step.payload), ("set" if step.kind == "set" else "answered", step.result)):
        if held is not None and not _what_came(step):
            for line in _lines(word, masked(held)):
                screen.show(line, indent=14)
    if step.error is not None and step.error != run.error:
        screen.show(step.error, indent=14, style="red")


def _what_came(step: StepRow) -> str:
    """Of a step that is no call what came of it, in words."""
    if step.state is not StepState.DONE and step.kind != "wait":
        return ""
    match step.kind:
        case "if" | "when":
            return ("met" if step.result else "not met") + ("" if step.kind == "when" else f": {'then' if step.result else 'else'}")
        case "for_each":
            return counted(len(step.result or ()), "item")
        case "wait" if isinstance(step.payload, dict) and "until" in step.payload:
            return f"until {moment(step.payload['until'])}"
        case "stop":
            return "the run ends here"
    return ""


def _lines(word: str, held: Json) -> Iterator[str]:
    """An object a line for each of its values, anything else in one."""
    if not isinstance(held, dict) or not held:
        yield f"{word:<{_COLUMN}}{value(held) if held != {} else 'nothing'}"
        return
    for place, (name, each) in enumerate((name, each) for name, each in held.items() if each is not None):
        yield f"{word if not place else '':<{_COLUMN}}{name}: {value(each)}"


def _length(length: Micros) -> str:
    return f"{max(0, length) / SECOND:.1f} s" if length < 60 * SECOND else duration(length / SECOND)
