"""`syncd audit`: whether what is there is what should be, and whether the journal is what was written.

The rule that keeps it true: it changes nothing at any vendor; a difference is named with its record, its field and all three values.
It must not know: what explains a difference.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from random import SystemRandom

import anyio
import typer
from structlog.typing import FilteringBoundLogger

from syncd.cli import asking, screen
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.online import Progress, progress
from syncd.cli.options import ConfigOption, JsonOption, not_before_command, read_settings
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, moment, value
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.errors import UserError
from syncd.core.record import Json
from syncd.flow.assemble import assemble
from syncd.flow.auditing import as_json as found_as_json
from syncd.flow.auditing import audit as compare
from syncd.flow.home import database_path
from syncd.flow.rehearse import rehearse
from syncd.store import chain, drifts
from syncd.store.chain_head import HeadFile
from syncd.store.control import Request
from syncd.store.database import open_database, owning
from syncd.store.visiting import reading

app = typer.Typer(invoke_without_command=True)

_SHOWN_MAX = 200


@app.callback(epilog="Example: syncd audit --json | jq .drifts")
def start(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False) -> None:
    """Compare everything with everything now, and name each difference that nothing explains (or verify the journal).

    Lists every record (within the quota, behind other work) through the running daemon or here; nothing is written. Ends with 6 where
    there is a difference. The daemon compares what it has read by itself every `audit_every` (a day).
    """
    if context.invoked_subcommand is None:
        _audit(read_settings(config, secrets=False), as_json=as_json)
    not_before_command(context, config=config, as_json=as_json)


@app.command("verify", epilog="Example: syncd audit verify")
def verify_journal(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Verify the journal: name every row that was changed, removed or put in by anybody else than syncd. Ends with 6 where there is one.

    Rows cut off at the very end are missed by the file beside the database, as long as that is not exchanged too.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("there is no journal yet", hint="`syncd run` or `syncd reconcile` makes it")
    key = chain.key_beside(path)
    # Read before the snapshot: a commit in between is no row that is missing.
    mark = HeadFile(path, key).read()
    with reading(path) as read:
        found = read(lambda tx: chain.verify(tx, key, mark))
    if as_json:
        screen.show_json(asdict(found))
    else:
        for each in found.faults[:_SHOWN_MAX]:
            screen.show(f"#{each.row}: {each.what}", style="red")
        told = f"{counted(found.rows, 'row')} from #{found.from_row} on fit"
        told += f"; {counted(found.amended, 'row')} changed by syncd itself, because a person was to be forgotten" if found.amended else ""
        told += f"; {counted(found.open, 'row')} not chained yet" if found.open else ""
        screen.show(told)
        screen.say(counted(len(found.faults), "fault") if found.faults else "the journal is what was written")
    raise typer.Exit(Code.FAILURES if found.faults else Code.OK)


def _audit(settings: Settings, *, as_json: bool) -> None:
    with progress(shown=screen.on_terminal()) as report:
        if asking.daemon_runs(settings):

            def follow(_request: Request) -> None:
                report("listing and comparing")

            found = anyio.run(partial(asking.ask_daemon, settings, "audit", {}, timeout_s=None, follow=follow))
        else:
            found = anyio.run(partial(_alone, read_settings(settings.path, secrets=True), report, quiet_log(settings)))
    screen.show_json(found) if as_json else _show(found)
    raise typer.Exit(Code.FAILURES if found["drifts"] else Code.OK)


async def _alone(settings: Settings, report: Progress, log: FilteringBoundLogger) -> dict[str, Json]:
    path = database_path(settings)
    with owning(path):
        async with (
            open_database(path) as database,
            assemble(settings, database, clock=SystemClock(), random=SystemRandom(), log=log, reason="audit") as assembled,
        ):
            # Everything but the writing.
            await rehearse(assembled.engine, report)
            found = await compare(assembled.engine)
            return found_as_json(found, await database.read(drifts.since))
    raise AssertionError("either it was compared or it raised")


def _show(found: dict[str, Json]) -> None:
    rows = [["links", f"{found['links']:,}"], ["equal fields", f"{found['equal']:,}"]]
    rows += [["explained", f"{count:,} {why}"] for why, count in found["explained"].items()]
    screen.show_rows(rows, indent=0)
    for each in found["drifts"][:_SHOWN_MAX]:
        where = each["ref"] or f"{each['member']} (no record)"
        screen.show(f"{each['sync']} link {each['link']}  {where}  {each['field'] or ''}".rstrip(), style="bold")
        screen.show(f"{each['why']}; known since {moment(each['since'])}", indent=4, style="red")
        if each["field"]:
            screen.show(f"shows {value(each['shown'])}, the hub has {value(each['hub'])}, its base is {value(each['base'])}", indent=4)
    if len(found["drifts"]) > _SHOWN_MAX:
        screen.say(f"… and {len(found['drifts']) - _SHOWN_MAX:,} more (--json shows all)")
    screen.say(f"{counted(len(found['drifts']), 'difference')} that nothing explains" if found["drifts"] else "nothing is unexplained")
