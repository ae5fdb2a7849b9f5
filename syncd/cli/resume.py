"""`syncd resume`: uses a system again whose credential had to be mended.

The rule that keeps it true: a paused system goes on only on a person's word, or when the daemon starts anew.
It must not know: why it was paused.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.config.findings import suggest
from syncd.core.errors import UserError
from syncd.core.record import SystemName
from syncd.flow.engine import Engine
from syncd.flow.home import database_path
from syncd.store import control
from syncd.store.database import Connection

app = typer.Typer()


@app.command(epilog="Example: syncd resume ghl")
def resume(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="The system as the configuration names it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Use a paused system again.

    A new credential is read when the daemon starts or is told to read its configuration again (SIGHUP); do that first.
    """
    settings = read_settings(config, secrets=False)
    if system not in settings.systems:
        meant = suggest(system, settings.systems)
        raise UserError(
            f"no system is called {system!r}",
            hint=f"did you mean `{meant}`?" if meant else f"configured: {', '.join(settings.systems)}",
        )
    if not database_path(settings).exists():
        raise UserError("nothing is paused: there is no database yet", hint="`syncd run` or `syncd reconcile` makes it")
    offline = partial(_resume, system=SystemName(system))
    said = anyio.run(partial(asking.answer, settings, "resume", {"system": system}, offline, log=quiet_log(settings)))
    screen.show_json({"said": said}) if as_json else screen.show(said)


def _resume(engine: Engine, tx: Connection, *, system: SystemName) -> str:
    control.pause(tx, system, None, engine.clock.now())
    return f"{system} is used again"
