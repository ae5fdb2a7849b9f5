"""`syncd plan`: what would be written, without writing anything anywhere.

The rule that keeps it true: the work is the daemon's own, over a copy of its database that is removed afterwards; vendors are only read.
It must not know: how anything is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import Annotated

import anyio
import typer
from structlog.typing import FilteringBoundLogger

from syncd.cli import redacting, screen
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.online import Progress, progress
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.owed import Change, Preview, preview
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, duration, iso, value
from syncd.config import Settings
from syncd.connectors.clock import SystemClock
from syncd.core.errors import UserError
from syncd.core.outcome import HoldKind, Operation
from syncd.core.promise import Promise
from syncd.core.record import SyncName
from syncd.flow.applying import promises_of
from syncd.flow.assemble import assemble
from syncd.flow.home import database_path
from syncd.flow.planfile import PlanFile, write_file
from syncd.flow.rehearse import rehearse
from syncd.store import links
from syncd.store.database import open_database
from syncd.store.visiting import copy

app = typer.Typer()

_SHOWN_MAX = 50
_VERBS = {
    Operation.CREATE: "create",
    Operation.UPDATE: "update",
    Operation.ARCHIVE: "archive",
    Operation.DELETE: "delete",
}

SyncArgument = Annotated[str | None, typer.Argument(metavar="SYNC", help="Show one sync; all of them without.", show_default=False)]
DetailedOption = Annotated[bool, typer.Option("--detailed-exitcode", help="End with 2 when something would be written.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Keep the plan for `syncd apply FILE`. It holds contents of records (mode 0600).", show_default=False),
]
AllOption = Annotated[bool, typer.Option("--all", help=f"Show every write, not the first {_SHOWN_MAX} of each kind.")]


@app.command(epilog="Example: syncd plan --json | jq '.changes[].fields'")
def plan(
    sync: SyncArgument = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    detailed: DetailedOption = False,
    everything: AllOption = False,
    _redact: RedactOption = False,
    out: OutOption = None,
) -> None:
    """Show exactly what would be written, without writing anything anywhere.

    Lists every record, links and decides as the daemon would, over a copy of its database. Costs the calls of one complete listing.
    """
    settings = read_settings(config, secrets=True)
    if sync is not None and sync not in settings.syncs:
        raise UserError(f"no sync is called {sync!r}", hint=f"configured: {', '.join(settings.syncs)}")
    log = quiet_log(settings)
    with TemporaryDirectory(prefix="syncd-plan-") as directory, progress(shown=screen.on_terminal()) as report:
        found, kept = anyio.run(partial(_rehearse, settings, Path(directory), report, log))
    found = found if sync is None else found.of(SyncName(sync))
    if out is not None:
        write_file(out, _plan_file(settings, kept, sync))
        screen.say(f"kept in {out}: it holds contents of records; `syncd apply {out}` does exactly this")
    screen.show_json(found.as_json()) if as_json else _show(found, _SHOWN_MAX if not everything else len(found.changes))
    raise typer.Exit(Code.PENDING if detailed and found.changes else Code.OK)


async def _rehearse(settings: Settings, directory: Path, report: Progress, log: FilteringBoundLogger) -> tuple[Preview, list[Promise]]:
    path, made = database_path(settings), directory / "syncd.db"
    if path.exists():
        copy(path, made)
    async with (
        open_database(made) as database,
        assemble(settings, database, clock=SystemClock(), random=SystemRandom(), log=log, reason="plan") as assembled,
    ):
        engine = assembled.engine
        before = await database.read(lambda tx: {name: links.count_live(tx, name) for name in engine.syncs})
        newest = await database.read(links.newest)
        await rehearse(engine, report)
        found = await database.read(lambda tx: preview(tx, engine, assembled.quotas, before))
        promised = await database.read(lambda tx: promises_of(tx, [each.owed for each in found.changes], newest))
        return found, [promise for promise, _ in promised.values()]


def _plan_file(settings: Settings, promises: Sequence[Promise], sync: str | None) -> PlanFile:
    mine = [each for each in promises if sync in (None, each.sync)]
    digests = {name: settings.digest[name] for name in sorted({each.sync for each in mine})}
    return PlanFile(made_at=iso(SystemClock().now()) or "", digests=digests, promises=mine)


def _show(found: Preview, most: int) -> None:
    for name, after in found.links_after.items():
        made = after - found.links_before.get(name, 0)
        screen.show(f"{name}: {counted(after, 'link')}" + (f", {made:,} of them new" if made > 0 else ""), style="bold")
    targets = sorted({(each.owed.sync, each.owed.member) for each in found.changes})
    for sync, member in targets:
        for operation, verb in _VERBS.items():
            group = [each for each in found.changes if (each.owed.sync, each.owed.member, each.owed.operation) == (sync, member, operation)]
            if group:
                _show_group(f"{sync}: {verb} {counted(len(group), 'record')} in {member}", group, most)
    if not found.changes:
        screen.show("nothing to write")
    _show_rest(found)


def _show_group(title: str, group: Sequence[Change], most: int) -> None:
    screen.show_heading(title)
    for each in group[:most]:
        screen.show(str(redacting.value(each.label)) if each.label else str(each.owed.ref), indent=2, style="cyan")
        for name, then in each.owed.values.items():
            before = value(each.owed.expected[name]) if name in each.owed.expected else "never shown"
            screen.show(f"{name}: {f'{before} → ' if each.owed.operation is not Operation.CREATE else ''}{value(then)}", indent=4)
    if len(group) > most:
        screen.show(f"… and {len(group) - most:,} more (--all)", indent=2)


def _show_rest(found: Preview) -> None:
    screen.show_heading("besides")
    gates = {each.gate for each in found.changes if each.gate}
    rows = [["waits for you", reason] for reason in sorted(gates)]
    kinds = sorted({each.kind.value for each in found.holds if each.kind not in (HoldKind.FIRST_RUN, HoldKind.GUARD)})
    for kind in kinds:
        alike = [each for each in found.holds if each.kind.value == kind]
        rows.append([f"hold: {kind}", f"{len(alike):,}, such as: {alike[0].reason}"])
    rows += [
        [each["outcome"], f"{each['count']:,} {each['reason']}".rstrip()]
        for each in found.outcomes
        if each["outcome"] in ("skipped", "no-op", "echo")
    ]
    if found.looking_deleted:
        rows.append(["look deleted", f"{found.looking_deleted:,}; it takes a grace period before that is believed"])
    if found.in_the_air:
        rows.append(["not planned", f"{found.in_the_air:,} have a write of unknown outcome, which is looked for first"])
    if found.failures:
        rows.append(["failed before", f"{counted(found.failures, 'write')}; not tried again by itself: `syncd failures`"])
    for system, calls in found.calls.items():
        rows.append([f"calls to {system}", f"{calls:,} at most, about {duration(found.eta_s[system])} by its quota"])
    screen.show_rows(rows or [["", "nothing"]])
