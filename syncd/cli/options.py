"""What most commands take, and the settings they lead to.

The rule that keeps it true: every command finds its configuration in the same way, and a bad one ends in the same code.
It must not know: any one command.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli.exits import ConfigInvalid
from syncd.config import Settings, find_config, load
from syncd.connectors.registry import KINDS
from syncd.core.errors import UserError

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        show_default=False,
        help="The configuration; else $SYNCD_CONFIG, /etc/syncd/syncd.toml, ~/.config/syncd/syncd.toml, ./syncd.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def config_path(config: Path | None) -> Path:
    """The configuration file. Raises ConfigInvalid where there is none."""
    try:
        return find_config(config, os.environ)
    except UserError as error:
        raise ConfigInvalid(error.message, problems=error.problems, hint=error.hint) from error


def read_settings(config: Path | None, *, secrets: bool) -> Settings:
    """The settings, with secrets where vendors are to be called. Raises ConfigInvalid with every problem."""
    path = config_path(config)
    try:
        return load(path, KINDS, environ=os.environ, resolve_secrets=secrets)
    except UserError as error:
        raise ConfigInvalid(error.message, problems=error.problems, hint=error.hint) from error


def not_before_command(context: typer.Context, *, config: Path | None, as_json: bool) -> None:
    """Options of a group that was given a command would be lost: they belong behind it."""
    if context.invoked_subcommand is not None and (config is not None or as_json):
        raise typer.BadParameter(f"write it behind the command: syncd {context.info_name} {context.invoked_subcommand} …")
