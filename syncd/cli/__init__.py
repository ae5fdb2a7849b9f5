"""ASK: the command line, one file a command.

Each command's file holds a small typer app; `commands` names them, and loads the one that is asked for. Beside them: `options` (what most
commands take), `asking` (having the daemon do something), `screen` and `text` (showing), `exits` (exit codes), `logs`.
The rule that keeps it true: a command asks and shows, and leaves deciding and doing to the rooms below; data goes to standard output,
messages to standard error, and nobody is asked anything off a terminal.
It must not know: SQL, HTTP, or any vendor.
"""

from __future__ import annotations

from typing import Annotated

import typer

import syncd
from syncd.cli import redacting, screen
from syncd.cli.commands import Commands

__all__ = ["app"]

app = typer.Typer(
    name="syncd",
    cls=Commands,
    help="Keep contacts equal across systems, both ways, without losing data.",
    epilog="Start with `syncd init`, then `syncd check --online`, `syncd plan` and `syncd run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
