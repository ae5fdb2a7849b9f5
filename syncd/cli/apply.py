"""`syncd apply`: carries out a plan that was kept, exactly, or says what has moved since.

The rule that keeps it true: the exit code says whether all of it was done, and nothing is done in part knowingly.
It must not know: how a plan is compared or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import anyio
import typer
from structlog.typing import FilteringBoundLogger

from syncd.cli import asking, screen, standing_in
from syncd.cli.exits import Code, Interrupted
from syncd.cli.logs import quiet_log
from syncd.cli.online import Progress, progress
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.record import Json
from syncd.flow.applying import apply_alone
from syncd.flow.asked import note_asked
from syncd.flow.assemble import assemble
from syncd.flow.daemon import STOP_GRACE_S
from syncd.flow.home import database_path
from syncd.flow.planfile import PlanFile, read_file
from syncd.flow.planfile import as_json as plan_as_json
from syncd.store.control import Request
from syncd.store.database import open_database, owning

app = typer.Typer()


@app.command(epilog="Example: syncd plan --out week.plan && syncd apply week.plan")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `syncd plan --out FILE` wrote.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write exactly what a kept plan says, or refuse and name everything that has moved since.

    A running daemon does it; without one it is done here. A guard or a first run that the plan showed as waiting is approved for these
    writes. Ends with 7 where the plan does not stand any more (nothing was written), 6 where a write failed.
    """
    plan = read_file(file)
    running = asking.daemon_runs(read_settings(config, secrets=False))
    settings = read_settings(config, secrets=not running)
    with progress(shown=screen.on_terminal()) as report:
        if running:
            arguments = {"plan": plan_as_json(plan)}
            result = anyio.run(partial(asking.ask_daemon, settings, "apply", arguments, timeout_s=None, follow=partial(_follow, report)))
        else:
            result = anyio.run(partial(_apply_here, settings, plan, report, quiet_log(settings)))
    screen.show_json(result) if as_json else _show(result)
    raise typer.Exit(_code(result))


def _follow(report: Progress, request: Request) -> None:
    left = (request.progress or {}).get("writes")
    report(f"{left:,} writes left" if left else "listing and comparing")


async def _apply_here(settings: Settings, plan: PlanFile, report: Progress, log: FilteringBoundLogger) -> dict[str, Json]:
    path = database_path(settings)
    with owning(path):
        async with (
            standing_in.told_to_stop() as told,
            open_database(path) as database,
            assemble(settings, database, clock=SystemClock(), random=SystemRandom(), log=log, reason="apply") as assembled,
        ):
            try:
                with told.scope():
                    await database.write(lambda tx: note_asked(assembled.engine, tx, asking.me(), "apply", {}))
                    return await apply_alone(assembled.engine, plan, report)
            finally:
                assembled.engine.stop_within(STOP_GRACE_S)
    raise Interrupted("stopped", hint="what was done is kept; `syncd plan` shows what is owed now")


def _show(result: Mapping[str, Json]) -> None:
    screen.show(f"{counted(result['done'], 'write')} done" if result["done"] else "nothing was written")
    if result["moved"]:
        screen.say(f"{counted(result['moved'], 'write')} not done: the target was edited in the last moment; `syncd plan` shows what is owed now", style="yellow")
    if result["failed"]:
        screen.say(f"{counted(result['failed'], 'write')} failed: `syncd failures`", style="red")
    for system in result["paused"]:
        screen.say(f"{system} is not used: its writes stay owed; mend its credential, then `syncd resume {system}`", style="red")


def _code(result: Mapping[str, Json]) -> Code:
    if result["paused"]:
        return Code.TEMPORARY
    if result["failed"]:
        return Code.FAILURES
    return Code.STOPPED if result["moved"] else Code.OK
