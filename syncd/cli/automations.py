"""`syncd automations`: what is automated, what came of it, and answering runs that stopped.

The rule that keeps it true: every automation is shown with what set it off and what did not, and why; every step of a run with what was sent
and what was answered.
It must not know: how runs are carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen, timeline, trying
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, not_before_command, read_settings
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, iso, masked, moment, value
from syncd.config import Settings
from syncd.config.findings import suggest
from syncd.core.automation import Automation, AutomationName, HubTrigger, PollTrigger, RecordTrigger, WebhookTrigger
from syncd.core.errors import UserError
from syncd.core.record import Json
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
from syncd.flow.running import GIVE_UP, PAUSE, RESUME, RETRY, SKIP, answer_run, answer_timer
from syncd.store import automations, runs, timers
from syncd.store.database import Connection
from syncd.store.runs import Run, RunState, StepRow
from syncd.store.timers import Timer
from syncd.store.visiting import look

app = typer.Typer(invoke_without_command=True)

_SHOWN_MAX = 200
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The automation as the configuration names it.")]
RunArgument = Annotated[int, typer.Argument(metavar="RUN", help="The number of a run.")]


@app.callback(epilog="Example: syncd automations runs onboard")
def start(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what is automated and what came of it, look at runs, or answer them (pause, resume, retry, skip, give-up)."""
    if context.invoked_subcommand is None:
        list_automations(config=config, as_json=as_json)
    not_before_command(context, config=config, as_json=as_json)


@app.command("list", epilog="Example: syncd automations list --json")
def list_automations(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what is automated, with how often it ran and why it did not."""
    settings = read_settings(config, secrets=False)
    found: list[dict[str, Json]] = look(database_path(settings), partial(_listed, settings), _unborn(settings))
    if as_json:
        screen.show_json(found)
        return
    for each in found:
        paused = f"  paused: {each['paused']}" if each["paused"] else "" if each["configured"] else "  no longer configured"
        screen.show(f"{each['name']}  {each['on']}{paused}", style="bold")
        screen.show(", ".join(f"{count} {state}" for state, count in each["runs"].items()) or "no runs yet", indent=4)
        for outcome, count in each["outcomes"].items():
            screen.show(f"{count} {outcome}", indent=4, style="dim")
    screen.say(counted(len(found), "automation") if found else "nothing is automated: write [automations.NAME]")


@app.command("runs", epilog="Example: syncd automations runs onboard")
def list_runs(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False) -> None:
    """List the runs of an automation, the newest first."""
    settings = read_settings(config, secrets=False)
    _check_name(settings, name)
    found: list[Run] = look(database_path(settings), lambda tx: runs.select(tx, RunState, automation=name, limit=_SHOWN_MAX), [])
    if as_json:
        screen.show_json([run_as_json(run) for run in found])
        return
    for run in found:
        _show_run(run)
    screen.say(counted(len(found), "run") if found else "it has not run yet")


@app.command(epilog="Example: syncd automations show 12")
def show(number: RunArgument, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False) -> None:
    """Show one run as it went: what set it off, and when each step did what, with what was sent and answered."""
    settings = read_settings(config, secrets=False)
    found: tuple[list[Run], list[StepRow]] = look(
        database_path(settings), lambda tx: (runs.load(tx, [number]), runs.steps_of(tx, [number]).get(number, [])), ([], [])
    )
    if not found[0]:
        raise UserError(f"there is no run {number}", hint="`syncd automations runs NAME` lists them")
    (run,), steps = found
    if as_json:
        screen.show_json({**run_as_json(run), "event": masked(run.event), "steps": [step_as_json(each) for each in timeline.in_order(steps)]})
        return
    timeline.show(run, steps)


@app.command("test", epilog="Example: syncd automations test onboard --last")
def try_out(
    name: NameArgument,
    event: Annotated[
        Path | None,
        typer.Option("--event", metavar="FILE", help="A record as JSON, or what `syncd automations show RUN --json` printed; - reads standard input."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest event that it was told of, whether it set it off or not.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _redact: RedactOption = False,
) -> None:
    """Show what an automation would do about an event, and why; nothing is called and nothing is written."""
    if (event is None) != last:
        raise typer.BadParameter("say which event: --event FILE, or --last")
    settings = read_settings(config, secrets=False)
    _check_name(settings, name)
    if name not in settings.automations:
        raise UserError(f"{name} is no longer configured", hint="only what is configured can be tried out")
    trying.show(settings, settings.automations[AutomationName(name)], event, as_json=as_json)


@app.command(epilog="Example: syncd automations pause onboard")
def pause(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Let no run of an automation go on; what sets it off meanwhile is kept and waits."""
    settings = read_settings(config, secrets=False)
    _check_name(settings, name)
    _ask(settings, {"automation": name, "choice": PAUSE}, partial(answer_timer, name=name, choice=PAUSE), as_json=as_json)


@app.command(epilog="Example: syncd automations resume onboard")
def resume(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Let the runs of a paused automation go on."""
    settings = read_settings(config, secrets=False)
    _check_name(settings, name)
    _ask(settings, {"automation": name, "choice": RESUME}, partial(answer_timer, name=name, choice=RESUME), as_json=as_json)


@app.command(epilog="Example: syncd automations retry 12")
def retry(number: RunArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have a run that stopped go on with the step it stopped at."""
    _answer(config, number, RETRY, as_json=as_json)


@app.command(epilog="Example: syncd automations skip 12")
def skip(number: RunArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have a run that stopped go on without the step it stopped at."""
    _answer(config, number, SKIP, as_json=as_json)


@app.command("give-up", epilog="Example: syncd automations give-up 12")
def give_up(number: RunArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Give a run up: none of its further steps is done."""
    _answer(config, number, GIVE_UP, as_json=as_json)


def _answer(config: ConfigOption, number: int, choice: str, *, as_json: bool) -> None:
    settings = read_settings(config, secrets=False)
    _ask(settings, {"run": number, "choice": choice}, partial(answer_run, number=number, choice=choice), as_json=as_json)


def _ask(settings: Settings, arguments: Mapping[str, Json], offline: Callable[[Engine, Connection], str], *, as_json: bool) -> None:
    if not database_path(settings).exists():
        raise UserError("nothing has run yet: there is no database", hint="`syncd run` makes it")
    said = anyio.run(partial(asking.answer, settings, "automation", arguments, offline, log=quiet_log(settings)))
    screen.show_json({"said": said}) if as_json else screen.show(said)
    if not asking.daemon_runs(settings):
        screen.say("it takes effect with the next `syncd run`")


def _check_name(settings: Settings, name: str) -> None:
    if name in settings.automations or look(database_path(settings), lambda tx: name in timers.load(tx), False):
        return
    meant = suggest(name, settings.automations)
    hint = f"did you mean `{meant}`?" if meant else f"configured: {', '.join(settings.automations) or 'none'}"
    raise UserError(f"no automation is called {name!r}", hint=hint)


def _unborn(settings: Settings) -> list[dict[str, Json]]:
    return [_as_json(name, automation, None, {}, {}) for name, automation in settings.automations.items()]


def _listed(settings: Settings, tx: Connection) -> list[dict[str, Json]]:
    known, counts, outcomes = timers.load(tx), runs.counts(tx), automations.outcomes(tx)
    gone = [name for name in known if name not in settings.automations and counts.get(name)]
    return [
        _as_json(name, settings.automations.get(name), known.get(name), counts.get(name, {}), outcomes.get(name, {}))
        for name in [*settings.automations, *gone]
    ]


def _as_json(
    name: str, automation: Automation | None, timer: Timer | None, counts: Mapping[str, int], outcomes: Mapping[str, int]
) -> dict[str, Json]:
    return {
        "name": name,
        "configured": automation is not None,
        "on": on_in_words(automation) if automation is not None else "",
        "paused": timer.paused if timer is not None else None,
        "due": iso(timer.due_at) if timer is not None and timer.due_at is not None else None,
        "runs": dict(counts),
        "outcomes": dict(outcomes),
    }


def on_in_words(automation: Automation) -> str:
    """What sets an automation off, in a few words."""
    match automation.trigger:
        case RecordTrigger(system=system, collection=collection, what=what, fields=fields):
            return f"{system}/{collection} {what.value}" + (f" ({', '.join(fields)})" if fields else "")
        case HubTrigger(sync=sync, what=what, field=field, to=to):
            return f"syncs/{sync} " + (what.value if field is None else f"{field} changed" + (f" to {value(to)}" if to is not None else ""))
        case WebhookTrigger(system=system, word=word):
            return f"{system} webhook {word}"
        case PollTrigger(system=system, operation=operation):
            return f"poll {system}.{operation}"
        case _:
            return f"schedule {automation.trigger.schedule.rhythm.value}"


def run_as_json(run: Run) -> dict[str, Json]:
    """A run as data."""
    return {
        "run": run.id,
        "automation": run.automation,
        "subject": run.subject,
        "sync": run.sync,
        "link": run.link,
        "state": run.state.value,
        "origin": run.cause.origin.value,
        "depth": run.cause.depth,
        "error": run.error,
        "waits_for": run.lane,
        "due": iso(run.due_at) if run.state is RunState.RUNNING else None,
        "begun": iso(run.created_at),
        "ended": iso(run.done_at) if run.done_at is not None else None,
    }


def step_as_json(step: StepRow) -> dict[str, Json]:
    """A step as data."""
    return {
        "path": step.path,
        "name": step.name,
        "does": step.kind,
        "state": step.state.value,
        "sent": masked(step.payload),
        "answered": masked(step.result),
        "attempts": step.attempts,
        "error": step.error,
        "begun": iso(step.created_at),
        "sent_at": iso(step.sent_at),
        "ended": iso(step.done_at),
    }


def _show_run(run: Run) -> None:
    screen.show(f"{run.id}  {run.automation}  {run.subject}  {run.state.value}", style="bold")
    screen.show(f"begun {moment(run.created_at)}, set off by a {run.cause.origin.value}", indent=4)
    if run.error:
        screen.show(run.error, indent=4, style="red")
