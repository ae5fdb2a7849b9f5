"""ASK: the command line, one file a command.

Each command's file holds a small typer app; they are assembled here. Beside them: `options` (what most commands take), `asking` (having
the daemon do something), `screen` and `text` (showing), `exits` (exit codes), `logs`.
The rule that keeps it true: a command asks and shows, and leaves deciding and doing to the rooms below; data goes to standard output,
messages to standard error, and nobody is asked anything off a terminal.
It must not know: SQL, HTTP, or any vendor.
"""

from __future__ import annotations

from typing import Annotated

import typer

import syncd
from syncd.cli import (
    alerts,
    apply,
    audit,
    auth,
    automations,
    backup,
    bridge,
    call,
    check,
    demo,
    discover,
    doctor,
    events,
    explain,
    export,
    failures,
    forget,
    holds,
    import_,
    init,
    key,
    plan,
    reconcile,
    redacting,
    resume,
    run,
    runs,
    sandbox,
    screen,
    status,
    undo,
)
from syncd.cli.options import ANSWER, SET_UP, WATCH

__all__ = ["app"]

app = typer.Typer(
    name="syncd",
    help="Keep contacts equal across systems, both ways, without losing data.",
    epilog="Start with `syncd init`, then `syncd check --online`, `syncd plan` and `syncd run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The order is the order of `syncd --help`.
for command in (init, check, auth, doctor, discover, plan, apply, run, reconcile, call, import_, export, backup, status, explain, events, runs, undo):
    app.add_typer(command.app)
app.add_typer(holds.app, name="holds", rich_help_panel=ANSWER)
app.add_typer(failures.app, name="failures", rich_help_panel=ANSWER)
app.add_typer(automations.app, name="automations", rich_help_panel=WATCH)
app.add_typer(alerts.app, name="alerts", rich_help_panel=WATCH)
app.add_typer(audit.app, name="audit", rich_help_panel=WATCH)
app.add_typer(bridge.app, name="bridge", rich_help_panel=SET_UP)
app.add_typer(key.app, name="key", rich_help_panel=SET_UP)
for command in (resume, forget, demo, sandbox):
    app.add_typer(command.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        screen.show(f"syncd {syncd.__version__}")
        raise typer.Exit


@app.callback()
def start(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Keep contacts equal across systems, both ways, without losing data."""
    redacting.begin()
