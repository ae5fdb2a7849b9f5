"""`syncd failures`: writes that were given up, and giving them another try.

The rule that keeps it true: the list says what was to be written, and what the vendor said.
It must not know: why a write fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, not_before_command, read_settings
from syncd.cli.owed import label_of
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, iso, moment, value
from syncd.config import Settings
from syncd.core.errors import UserError
from syncd.core.record import Json
from syncd.flow.answering import answer_failures
from syncd.flow.home import database_path
from syncd.store import links, runs, writes
from syncd.store.database import Connection
from syncd.store.outbox import State
from syncd.store.runs import Run, RunState
from syncd.store.visiting import look

app = typer.Typer(invoke_without_command=True)

_SHOWN_MAX = 200

NumbersArgument = Annotated[
    list[int] | None, typer.Argument(metavar="NUMBER", help="Without numbers: all of them.", show_default=False)
]


@app.callback(epilog="Example: syncd failures retry")
def start(
    context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False
) -> None:
    """List the writes that failed for good, or answer them (retry, skip)."""
    if context.invoked_subcommand is None:
        list_failures(config=config, as_json=as_json)
    not_before_command(context, config=config, as_json=as_json)


@app.command("list", epilog="Example: syncd failures list --json")
def list_failures(config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False) -> None:
    """List the writes that failed for good."""
    settings = read_settings(config, secrets=False)
    found: list[dict[str, Json]] = look(database_path(settings), lambda tx: _gathered(tx, settings), [])
    if as_json:
        screen.show_json(found)
        return
    for each in found[:_SHOWN_MAX]:
        if "run" in each:
            screen.show(f"run {each['run']}  {each['automation']}  {each['about']}", style="bold")
            screen.show(str(each["error"]), indent=4, style="red")
            screen.show(f"→ syncd automations retry {each['run']}   or   syncd automations skip {each['run']}", indent=4, style="green")
            continue
        screen.show(f"{each['number']}  {each['operation']} in {each['system']}  {each['sync']} · {each['about']}", style="bold")
        screen.show(str(each["error"]), indent=4, style="red")
        screen.show(f"{counted(each['attempts'], 'attempt')}, owed since {moment(each['owed_at'])}", indent=4)
        for name, held in each["values"].items():
            screen.show(f"{name}: {value(held)}", indent=4)
    writes = [each for each in found if "run" not in each]
    if len(found) > len(writes):
        screen.say(f"{counted(len(found) - len(writes), 'run')} of automations failed")
    screen.say(
        f"{counted(len(writes), 'write')} failed; `syncd failures retry` or `syncd failures skip`, with numbers or for all"
        if writes
        else "no write has failed"
    )


@app.command(epilog="Example: syncd failures retry 12 13")
def retry(numbers: NumbersArgument = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Try failed writes again, once what was wrong has been mended."""
    _answer(read_settings(config, secrets=False), numbers or [], "retry", as_json=as_json)


@app.command(epilog="Example: syncd failures skip 12")
def skip(numbers: NumbersArgument = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Give failed writes up: the same is not written again until the record changes."""
    _answer(read_settings(config, secrets=False), numbers or [], "skip", as_json=as_json)


def _answer(settings: Settings, numbers: Sequence[int], choice: str, *, as_json: bool) -> None:
    if not database_path(settings).exists():
        raise UserError("no write has failed: there is no database yet", hint="`syncd run` or `syncd reconcile` makes it")
    ids = list(numbers)
    said = anyio.run(
        partial(
            asking.answer,
            settings,
            "failures",
            {"ids": ids, "choice": choice},
            partial(answer_failures, ids=ids, choice=choice),
            log=quiet_log(settings),
        )
    )
    screen.show_json({"said": said}) if as_json else screen.show(said)
    if not asking.daemon_runs(settings):
        screen.say("it takes effect with the next `syncd run` or `syncd reconcile`")


def _gathered(tx: Connection, settings: Settings) -> list[dict[str, Json]]:
    dead = writes.select(tx, [State.DEAD], limit=1_000_000)
    whole = links.load(tx, [each.link for each in dead])
    return [
        {
            "number": each.id,
            "system": each.ref.system,
            "sync": each.sync,
            "member": each.member,
            "operation": each.operation.value,
            "ref": str(each.ref) if each.ref.id else None,
            "link": each.link,
            "about": label_of(settings.syncs.get(each.sync), {**whole[each.link].values(), **each.values}),
            "values": dict(each.values),
            "error": each.error,
            "attempts": each.attempts,
            "owed_at": each.created_at,
            "owed_since": iso(each.created_at),
        }
        for each in dead
    ] + [_run(each) for each in runs.select(tx, [RunState.FAILED], limit=1_000_000)]


def _run(run: Run) -> dict[str, Json]:
    """A run of an automation that was given up."""
    return {
        "number": None,
        "run": run.id,
        "automation": run.automation,
        "about": run.subject,
        "error": run.error,
        "owed_at": run.created_at,
        "owed_since": iso(run.created_at),
    }
