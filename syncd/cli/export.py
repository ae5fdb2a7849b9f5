"""`syncd export`: what is kept of one person; or what a system still lacks, as a file for its own importer.

The rule that keeps it true: only records that are owed to the system and not there yet, since an importer that does not merge would make the
others twice; nothing is changed by it.
It must not know: how a cell is written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import screen
from syncd.cli.bridge import bridged_collection
from syncd.cli.forget import person_of
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted, safe
from syncd.config import Settings
from syncd.connectors.bridge.sheets import written
from syncd.core.errors import UserError
from syncd.core.fields import Unreadable
from syncd.core.outcome import Operation
from syncd.core.record import CollectionName, Json, SystemName
from syncd.core.rules import SyncRules
from syncd.core.translate import from_hub
from syncd.flow.engine import routes_of
from syncd.flow.home import database_path
from syncd.flow.schemas import known_rules
from syncd.store import persons, writes
from syncd.store.database import Connection
from syncd.store.outbox import Owed, State
from syncd.store.visiting import reading

app = typer.Typer()

_OWED = (State.PENDING, State.PARKED, State.UNKNOWN, State.DEAD)


@app.command(epilog="Example: syncd export ada@example.com > ada.json   or   syncd export hats17 contacts --csv new.csv")
def export(
    system: Annotated[str, typer.Argument(metavar="REF|SYSTEM", help="A person, as `syncd explain` takes it; or a system behind a bridge.")],
    collection: Annotated[str | None, typer.Argument(metavar="[COLLECTION]", help="With a system: its collection.", show_default=False)] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Where to write it; standard output without.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all that is kept of one person as JSON; or the records that a system still lacks, for its own importer."""
    settings = read_settings(config, secrets=False)
    if collection is None:
        _show_person(settings, system)
        return
    name, place, shape = bridged_collection(settings, system, collection)
    path = database_path(settings)
    if not path.exists():
        raise UserError("nothing is owed to anybody yet: there is no database", hint="`syncd plan`, then `syncd run`")
    with reading(path) as read:
        rows = read(lambda tx: _owed(tx, settings, name, place))
    if as_json:
        screen.show_json(rows)
        return
    text, marked = written(rows, shape)
    if csv is None:
        # A pipe gets every character of it; a terminal none that it would obey.
        sys.stdout.write(text if not sys.stdout.isatty() else "".join(f"{safe(line)}\n" for line in text.split("\r\n") if line))
    else:
        # A byte order mark, for the spreadsheets that would misread it otherwise.
        csv.write_text(text, encoding="utf-8-sig", newline="")
    screen.say(f"{counted(len(rows), 'record')} that {system} has not")
    if marked:
        screen.say(f"note: {counted(marked, 'cell')} would be a formula to a spreadsheet, and begin with an apostrophe now", style="yellow")


def _show_person(settings: Settings, ref: str) -> None:
    path = database_path(settings)
    if not path.exists():
        raise UserError("nobody is known: there is no database", hint="`syncd run` makes one")
    with reading(path) as read:
        held = read(lambda tx: persons.kept_of(tx, person_of(tx, settings, ref), routes_of(settings.syncs)))
    screen.show_json(held)


def _owed(tx: Connection, settings: Settings, system: SystemName, collection: CollectionName) -> list[dict[str, Json]]:
    """The creates owed to a collection, in its own words."""
    rules = known_rules(tx, settings)
    return [
        _native(rules[owed.sync], owed)
        for owed in writes.select(tx, _OWED, limit=1_000_000)
        if (owed.ref.system, owed.ref.collection, owed.operation) == (system, collection, Operation.CREATE) and owed.sync in rules
    ]


def _native(rules: SyncRules, owed: Owed) -> dict[str, Json]:
    member = rules.members[owed.member]
    out: dict[str, Json] = dict(member.create)
    for field, value in owed.values.items():
        row = rules.fields.get(field)
        words = from_hub(row, member, value, {}) if row is not None and owed.member in row.members else {}
        if not isinstance(words, Unreadable):
            out.update({path: word for path, word in words.items() if word is not None})
    return out
