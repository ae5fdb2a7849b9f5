"""`syncd run`: the daemon in the foreground, as a supervisor wants it.

The rule that keeps it true: standard output stays empty; everything there is to say is a log line.
It must not know: what the daemon does.
"""

from __future__ import annotations

import gc
import resource
import sqlite3
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import anyio
import typer

from syncd.cli.exits import Code, ConfigInvalid
from syncd.cli.logs import LogFormat, is_plain, set_up_logs
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.seal import seal_process
from syncd.config import LogLevel, Settings
from syncd.connectors.clock import SystemClock
from syncd.flow import daemon
from syncd.flow.examine import Grade, sqlite_signs

app = typer.Typer()

LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="How log lines look; else console on a terminal and JSON elsewhere.", show_default=False),
]


@app.command(epilog="Example: syncd run -c /etc/syncd/syncd.toml")
def run(config: ConfigOption = None, log_format: LogFormatOption = None, as_json: JsonOption = False) -> None:
    """Keep everything equal until stopped.

    Takes webhooks, polls, plans and writes. SIGTERM stops it within five seconds, SIGHUP reads the configuration again.
    Log lines go to standard error.
    """
    sealed = seal_process()
    form = LogFormat.JSON if as_json else log_format
    settings = _first_settings(config, form)
    log = set_up_logs(settings.daemon.log_level, form)
    if not sealed:
        log.warning("process.open", hint="this system lets others of the same user look into the process")
    for sign in sqlite_signs(sqlite3.sqlite_version_info):
        (log.warning if sign.grade is Grade.WARNING else log.info)("sqlite.version", version=sqlite3.sqlite_version, what=sign.what, hint=sign.mend)
    # All that has been loaded stays for good: collecting garbage need not walk through it again and again.
    gc.freeze()
    # What is in memory is open: no core of it is left on a disk, whoever starts us.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    anyio.run(
        partial(
            daemon.run,
            settings,
            lambda: read_settings(config, secrets=True),
            clock=SystemClock(),
            random=SystemRandom(),
            log=log,
        )
    )


def _first_settings(config: Path | None, form: LogFormat | None) -> Settings:
    """The configuration; where the log is for machines, what is wrong with it is a log line too."""
    try:
        return read_settings(config, secrets=True)
    except ConfigInvalid as error:
        if is_plain(form):
            raise
        set_up_logs(LogLevel.INFO, form).critical(
            "config.invalid", error=error.message, problems=list(error.problems), hint=error.hint
        )
        raise typer.Exit(Code.CONFIG) from error
