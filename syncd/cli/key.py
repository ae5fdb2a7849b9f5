"""`syncd key`: the key that seals the database.

The rule that keeps it true: a key's text is never shown; the present key goes only when the new one is in its place and opens everything.
It must not know: what is sealed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import asking, screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted
from syncd.config.secrets import SecretError, Secrets
from syncd.core.errors import UserError
from syncd.flow.home import database_path
from syncd.store import rotating
from syncd.store.master import MasterKey, Source, make_text, source_of, sync_directory, write_key
from syncd.store.visiting import leave

app = typer.Typer(help="The key that seals the database.", no_args_is_help=True)

ToOption = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Where the configuration names the key: the file with the next one, made if missing.", show_default=False),
]


YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command(epilog="Example: syncd key rotate --yes   or   syncd key rotate --to /etc/syncd/credentials/syncd-key-2")
def rotate(to: ToOption = None, yes: YesOption = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Put new keys in the place of the present ones, while the daemon runs.

    Killed at any point, everything can be read, and it can be run again. A key that the configuration names is replaced in two steps: with
    --to both open the database; once the configuration names the new one and the daemon has been started with it, run this again without.
    Backups made before need the key that they were made under: keep a copy of it for as long as you keep them.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("there is no database, and no key to rotate", hint="`syncd run` makes both")
    source = source_of(path)
    if to is None:
        _confirm(source, yes=yes, as_json=as_json)
    asking.note(settings, "key rotate", {})
    if to is not None:
        welcomed = leave(path, partial(rotating.welcome, text=_text_of(to)))
        said = f"key {welcomed} ({to}) opens the database too: name it under `[daemon] key`, restart, and run `syncd key rotate` again"
        screen.show_json({"keys": [source.get().id, welcomed]}) if as_json else screen.show(said)
        return
    parted = _replace_file(path, source) if source.read is None else leave(path, rotating.part_with_others)
    old = rotating.rotate(partial(leave, path))
    if as_json:
        screen.show_json({"key": source.get().id, "not_needed": parted, "data_keys_dropped": old})
        return
    screen.show(f"everything is sealed anew; the key is {source.get().id}")
    for name in parted:
        screen.show(f"key {name} is not needed any more, but for backups made before")
    screen.say(f"{counted(old, 'older data key')} dropped; what was sealed with them is overwritten at the next start")


@app.command(epilog="Example: syncd key show")
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tell which key seals the database and where it is, never what it says."""
    settings = read_settings(config, secrets=False)
    source = source_of(database_path(settings))
    place = "where the configuration says" if source.read is not None else str(source.file)
    screen.show_json({"key": source.get().id, "place": place}) if as_json else screen.show(f"key {source.get().id}, {place}")


def _confirm(source: Source, *, yes: bool, as_json: bool) -> None:
    """What is replaced opens nothing any more but backups: that wants a yes."""
    what = f"key {source.get().id} is replaced, and backups made before need it still"
    if yes:
        return
    if as_json or not screen.on_terminal():
        raise UserError(f"{what}: nothing was done", hint="keep a copy of it with them, then say --yes")
    screen.say(f"{what}: keep a copy of it with them")
    typer.confirm("Put new keys in the place of the present ones?", abort=True, err=True)


def _replace_file(path: Path, source: Source) -> list[str]:
    """Has another master key take the place of the file beside the database; the ids of those not needed any more."""
    following = source.file.with_suffix(".key-next")
    if not following.exists():
        write_key(following, make_text())
    leave(path, partial(rotating.welcome, text=_text_of(following)))
    following.replace(source.file)
    sync_directory(source.file.parent)
    return leave(path, rotating.part_with_others)


def _text_of(file: Path) -> str:
    """The key in a file, which is made where there is none."""
    if not file.exists():
        write_key(file, make_text())
    try:
        text = Secrets(directory=Path.cwd(), environ={}).read({"file": str(file)})
    except SecretError as error:
        raise UserError(error.what, hint=error.mend) from None
    MasterKey(text)
    return text
