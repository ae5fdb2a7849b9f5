"""`syncd import`: takes in what a system that cannot be asked exported by hand.

The rule that keeps it true: it shows first what a file would do, line by line where a line is wrong, and takes nothing in before somebody agreed.
It must not know: how a line is understood, or what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import asking, screen
from syncd.cli.bridge import bridged_collection
from syncd.cli.exits import Code
from syncd.cli.importing import Foreseen, foresee, take_in
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted
from syncd.connectors.bridge.sheets import Sheet, read_sheet
from syncd.connectors.clock import SystemClock
from syncd.core.errors import UserError
from syncd.core.record import SECOND, Json
from syncd.flow.home import database_path

app = typer.Typer()

_SHOWN_MAX = 20

SystemArgument = Annotated[str, typer.Argument(metavar="SYSTEM", help="The system, as the configuration names it.")]
CollectionArgument = Annotated[str, typer.Argument(metavar="COLLECTION", help="The collection: contacts.")]


@app.command("import", epilog="Example: syncd import hats17 contacts contacts.csv")
def import_(
    system: SystemArgument,
    collection: CollectionArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="What the system exported.")],
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="HEADING=FIELD", help="What a heading means; `id` for the system's own id.")
    ] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", metavar="NAME", help="How the file is written, if it is misread.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take it in without asking.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a file that a system without an API exported: it seeds, and it proves what is still so.

    Shows first what it would do. A record that is not in the file is never taken for deleted.
    """
    settings = read_settings(config, secrets=False)
    name, place, shape = bridged_collection(settings, system, collection)
    try:
        data, said_at = file.read_bytes(), int(file.stat().st_mtime * SECOND)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}", hint="name the exported file") from error
    region = settings.systems[name].region
    sheet = read_sheet(data, place, shape, said_at=said_at, region=region, encoding=encoding, columns=_columns(column or ()))
    found = foresee(settings, database_path(settings), name, place, sheet)
    if not as_json:
        _show(sheet, found)
    taken = yes or (screen.on_terminal() and typer.confirm("Take this in?", err=True))
    if taken:
        asking.note(settings, "import", {"system": name, "collection": collection})
        take_in(database_path(settings), name, place, sheet.lines, SystemClock().now())
    if as_json:
        screen.show_json({"taken_in": taken, **_as_json(sheet), **found.as_json()})
    else:
        screen.say(f"taken in: {counted(len(sheet.lines), 'line')}" if taken else "nothing was taken in; --yes does it")
    if not taken:
        raise typer.Exit(Code.STOPPED)
    if sheet.bad:
        raise typer.Exit(Code.FAILURES)


def _columns(written: Sequence[str]) -> dict[str, str]:
    pairs = [each.rpartition("=") for each in written]
    if any(not heading or not field for heading, _, field in pairs):
        raise typer.BadParameter('write --column "HEADING=FIELD"')
    return {heading: field for heading, _, field in pairs}


def _as_json(sheet: Sheet) -> dict[str, Json]:
    return {
        "encoding": sheet.encoding,
        "columns": dict(sheet.columns),
        "lines": sheet.total,
        "bad": [{"line": number, "reason": reason} for number, reason in sheet.bad],
        "repeated": [{"line": number, "repeats": first} for number, first in sheet.repeated],
        "unread": [{"line": each.number, "fields": list(each.unread)} for each in sheet.lines if each.unread],
    }


def _show(sheet: Sheet, found: Foreseen) -> None:
    screen.show(f"{counted(sheet.total, 'line')}, read as {sheet.encoding}")
    screen.show_rows([[heading, field or "not taken"] for heading, field in sheet.columns.items()], head=["heading", "field"])
    screen.show_heading("what it would do")
    for name, counts in found.matches.items():
        screen.show(f"{name}: {counts['one']:,} have a counterpart, {counts['none']:,} have none, {counts['several']:,} have several", indent=2)
    screen.show_rows([
        ["new", f"{len(found.new):,}"],
        ["changed", f"{len(found.changed):,}"],
        ["as known", f"{found.same:,}"],
        ["repeated lines", f"{len(sheet.repeated):,}"],
        ["bad lines", f"{len(sheet.bad):,}"],
        ["known, and not in the file", f"{len(found.absent):,}"],
    ])
    _show_some("changed", [f"line {each.line}: {each.about}: {', '.join(each.changed)}" for each in found.changed])
    unread = [f"line {each.number}: {', '.join(each.unread)} cannot be read and is taken as it is" for each in sheet.lines if each.unread]
    _show_some("hard to read", unread)
    _show_all("bad lines, not taken in", dict(sheet.bad))


def _show_some(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    screen.show_heading(title)
    for line in lines[:_SHOWN_MAX]:
        screen.show(line, indent=2)
    if len(lines) > _SHOWN_MAX:
        screen.show(f"… and {len(lines) - _SHOWN_MAX:,} more: --json shows all", indent=2)


def _show_all(title: str, lines: Mapping[int, str]) -> None:
    if not lines:
        return
    screen.show_heading(title)
    for number, reason in lines.items():
        screen.show(f"line {number}: {reason}", indent=2, style="yellow")
