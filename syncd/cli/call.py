"""`syncd call`: one operation of a vendor, by its name, with one flat object of values.

The rule that keeps it true: nothing is sent before every value has its place, nothing that writes is sent before somebody has agreed to it,
and standard output holds the vendor's own answer and nothing else.
It must not know: any vendor, or what an operation is for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import anyio
import orjson
import typer

from syncd.cli import asking, call_reference, redacting, screen
from syncd.cli.exits import Code
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.quotas import quota_of
from syncd.cli.redacting import RedactOption
from syncd.cli.text import as_json as text_of
from syncd.cli.text import masked
from syncd.config import Settings
from syncd.connectors.calling import call as call_once
from syncd.connectors.calling import pages
from syncd.connectors.catalogue import Catalogue, Prepared, Row, prepare
from syncd.connectors.clock import SystemClock
from syncd.connectors.quota import Quota
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.errors import Unauthorized, UserError
from syncd.core.record import Json, SystemName
from syncd.flow.assemble import keeper_of
from syncd.flow.home import database_path
from syncd.store.visiting import reading

app = typer.Typer()


@app.command(
    add_help_option=False,
    epilog='Example: syncd call ghl create-contact-note --data \'{"contactId": "…", "body": "called back"}\'',
)
def call(
    context: typer.Context,
    system: Annotated[
        str | None, typer.Argument(metavar="SYSTEM", help="The system, as the configuration names it.", show_default=False)
    ] = None,
    operation: Annotated[
        str | None, typer.Argument(metavar="[OPERATION]", help="What to call; with --list, a word to look for.", show_default=False)
    ] = None,
    data: Annotated[
        str, typer.Option("--data", metavar="JSON|@FILE", help="The values, one flat object; @- reads them from standard input.")
    ] = "{}",
    list_wanted: Annotated[bool, typer.Option("--list", help="List the operations there are.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    all_pages: Annotated[bool, typer.Option("--all-pages", help="Print every page of a listing, a line of JSON each.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a write.")] = False,
    help_wanted: Annotated[
        bool, typer.Option("-h", "--help", help="Show this, or with OPERATION what it takes and answers.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _redact: RedactOption = False,
) -> None:
    """Call any operation of a vendor by its name."""
    if help_wanted and (system is None or operation is None):
        screen.show_text(context.get_help() + "\n")
        return
    if system is None:
        raise typer.BadParameter("name the system: syncd call SYSTEM OPERATION, or syncd call SYSTEM --list")
    try:
        settings = read_settings(config, secrets=not (help_wanted or list_wanted or dry_run))
        catalogue, known = _catalogue(settings, system)
        if list_wanted:
            _list(catalogue, operation or "", as_json=as_json)
            return
        row = _named(catalogue, operation, system)
        if help_wanted:
            _document(row, system, known, as_json=as_json)
            return
        values = _read_data(data)
        prepared = _prepared(catalogue, row, values, known, system)
    except _Misused as error:
        screen.show_error(error)
        raise typer.Exit(Code.PENDING) from error
    if all_pages and prepared.row.paging is None:
        raise typer.BadParameter(f"{prepared.row.name} has no pages that --all-pages could go through")
    for remark in prepared.remarks:
        screen.say(f"note: {remark}")
    if dry_run:
        screen.show_json(_as_data(prepared))
        return
    if prepared.operation.writes and not yes:
        _ask(prepared, system)
    if prepared.operation.writes and database_path(settings).exists():
        asking.note(settings, "call", {"system": system, "operation": prepared.row.name})
    anyio.run(_run, settings, SystemName(system), prepared, (catalogue, row, values, known) if all_pages else None)


class _Misused(UserError):  # noqa: N818 (named for what it says)
    """The command line cannot be carried out as it stands; wrong usage, as far as exit codes go."""


def _catalogue(settings: Settings, system: str) -> tuple[Catalogue, Mapping[str, Json]]:
    if system not in settings.systems:
        raise UserError(f"no system is called {system!r}", hint=f"configured: {', '.join(sorted(settings.systems))}")
    configured = settings.systems[SystemName(system)]
    kind = KINDS[configured.kind]
    if kind.operations is None:
        offering = ", ".join(sorted(each.name for each in KINDS.values() if each.operations is not None))
        raise UserError(f"{kind.name} has no operations to call by name", hint=f"these kinds have: {offering}")
    return kind.operations, kind.known_values(configured.options)


def _named(catalogue: Catalogue, operation: str | None, system: str) -> Row:
    if operation is None:
        raise _Misused("name an operation", hint=f"syncd call {system} --list shows all")
    try:
        return catalogue.named(operation)
    except UserError as error:
        raise _Misused(error.message, hint=error.hint) from error


def _list(catalogue: Catalogue, word: str, *, as_json: bool) -> None:
    rows = catalogue.matching(word)
    if as_json:
        screen.show_json([call_reference.as_data(row) for row in rows])
    else:
        call_reference.show_list(rows)


def _document(row: Row, system: str, known: Mapping[str, Json], *, as_json: bool) -> None:
    if as_json:
        screen.show_json(call_reference.as_data(row))
    else:
        call_reference.show_row(row, system, known)


def _read_data(written: str) -> dict[str, Json]:
    """The object that was given, here or in a file."""
    try:
        if written == "@-":
            text: str | bytes = sys.stdin.buffer.read()
        else:
            text = Path(written[1:]).read_bytes() if written.startswith("@") else written
        values = orjson.loads(text)
    except OSError as error:
        raise _Misused(f"--data: {written[1:]} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise _Misused(f"--data is no JSON: {error}", hint="give one object, --data '{\"name\": \"value\"}'") from error
    if not isinstance(values, dict):
        raise _Misused("--data must be one object", hint="--data '{\"name\": \"value\"}'; the operation knows where each value goes")
    return values


def _prepared(
    catalogue: Catalogue, row: Row, values: Mapping[str, Json], known: Mapping[str, Json], system: str
) -> Prepared:
    try:
        return prepare(catalogue, row, values, known)
    except UserError as error:
        hint = f"syncd call {system} {row.name} --help tells what it takes"
        raise _Misused(error.message, problems=error.problems, hint=hint) from error


def _as_data(prepared: Prepared) -> dict[str, Json]:
    """What will be sent, but for the credential."""
    return {
        "operation": prepared.row.name,
        "writes": prepared.operation.writes,
        "method": prepared.operation.method,
        "path": prepared.operation.path,
        "headers": dict(prepared.operation.headers),
        "query": dict(prepared.query),
        "body": masked(prepared.body),
        "filled": dict(prepared.filled),
    }


def _ask(prepared: Prepared, system: str) -> None:
    """Shows a write and has it agreed to."""
    if not screen.on_terminal():
        screen.show_error(
            UserError(f"{prepared.row.name} writes, and there is nobody to ask", hint="add --yes; --dry-run shows what would be sent")
        )
        raise typer.Exit(Code.PENDING)
    screen.say(f"{system}: {prepared.operation.method} {prepared.operation.path}", style="bold")
    for name, value in prepared.query.items():
        screen.say(f"  {name} = {value}")
    for line in text_of(masked(prepared.body)).splitlines() if prepared.body is not None else ():
        screen.say(line)
    if not typer.confirm("Send this?", err=True):
        screen.say("nothing was sent")
        raise typer.Exit(Code.STOPPED)


_Listing = tuple[Catalogue, Row, Mapping[str, Json], Mapping[str, Json]]


async def _run(settings: Settings, system: SystemName, prepared: Prepared, listing: _Listing | None) -> None:
    configured = settings.systems[system]
    kind = KINDS[configured.kind]
    clock = SystemClock()
    keeper = keeper_of(settings, system, clock)
    opening = open_connector(kind, system, configured.options, clock=clock, quota=_kept_quota(settings, system), keeper=keeper)  # type: ignore[arg-type]
    async with opening as opened:
        try:
            if listing is None:
                _show((await call_once(opened.session, prepared)).body)
                return
            async with aclosing(pages(opened.session, *listing)) as answers:
                async for answer in answers:
                    screen.show_json(redacting.value(answer.body), lines=True)
        except Unauthorized as error:
            error.hint = f"{error.hint}; {prepared.row.name} needs {call_reference.admission(prepared.row)}"
            raise


def _kept_quota(settings: Settings, system: SystemName) -> Quota | None:
    """What a daemon left of the quota; None where none ever ran."""
    path = database_path(settings)
    if not path.exists():
        return None
    with reading(path) as read:
        return read(lambda tx: quota_of(tx, settings, system))


def _show(body: Json) -> None:
    if body is None:
        screen.say("done; the vendor answered with nothing")
    elif not isinstance(body, bytes):
        screen.show_json(redacting.value(body))
    elif sys.stdout.isatty():
        raise UserError(f"the answer is a file of {len(body):,} bytes", hint="send it to one: syncd call … > FILE")
    else:
        sys.stdout.buffer.write(body)
