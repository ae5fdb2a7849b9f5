"""`syncd events`: the journal as a stream.

The rule that keeps it true: rows come in their order, each once, with the number to go on from.
It must not know: what makes rows.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.redacting import RedactOption
from syncd.cli.tell import entry_as_json, line
from syncd.flow.home import database_path
from syncd.store import journal
from syncd.store.visiting import is_made, reading

app = typer.Typer()

_FOLLOW_S = 0.5
_PAGE = 500

FollowOption = Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens from now on.")]
SinceOption = Annotated[int | None, typer.Option("--since", metavar="NUMBER", min=0, help="Begin after this number.")]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many at most; the newest, without --since.")]


@app.command(epilog="Example: syncd events --follow")
def events(
    follow: FollowOption = False,
    since: SinceOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _redact: RedactOption = False,
) -> None:
    """Show what was decided and written, oldest first; with --json one object a line."""
    path = database_path(read_settings(config, secrets=False))
    if not path.exists() and not follow:
        screen.say(f"nothing has happened yet: there is no database {path}")
        return
    while follow and not is_made(path):
        time.sleep(_FOLLOW_S)
    with reading(path) as read:
        newest = read(journal.last_number)
    # Whoever goes on from a number wants everything since; only a look back is cut short.
    last = _show_after(path, max(0, newest - limit) if since is None else since, None if follow else limit, as_json=as_json)
    while follow:
        time.sleep(_FOLLOW_S)
        last = _show_after(path, last, None, as_json=as_json)


def _show_after(path: Path, last: int, limit: int | None, *, as_json: bool) -> int:
    """Shows rows after a number, at most so many; the last number shown."""
    left = limit
    with reading(path) as read:
        while left is None or left > 0:
            number, wanted = last, _PAGE if left is None else min(_PAGE, left)
            entries = read(lambda tx: journal.after(tx, number, wanted))  # noqa: B023 (read at once)
            for entry in entries:
                screen.show_json(entry_as_json(entry), lines=True) if as_json else screen.show(line(entry))
                last = entry.id
            left = None if left is None else left - len(entries)
            if len(entries) < wanted:
                return last
    return last
