"""`syncd backup` and `syncd restore`: the database in one file, and back.

The rule that keeps it true: a backup is made while the daemon runs, and put back only while none does.
It must not know: how a backup is written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import asking, screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted
from syncd.config.secrets import SecretError, Secrets
from syncd.core.errors import UserError
from syncd.flow.home import database_path
from syncd.store import backup as backups
from syncd.store.database import owning

app = typer.Typer()

PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Encrypt with what this file (0600) says.", show_default=False)
]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", metavar="FILE", help="The key it was sealed with, where that is another one now.", show_default=False)
]


@app.command(epilog="Example: syncd backup /var/backups/syncd --keep 7 --passphrase-file /etc/syncd/credentials/backup")
def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; in a directory it is named by the moment.")],
    passphrase_file: PassphraseOption = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, metavar="N", help="In a directory: remove all but the newest N.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a backup of all that syncd knows, while it runs.

    It is sealed as the database is, and does not hold the key: keep that apart. With a passphrase it holds the key too.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("there is nothing to back up: there is no database", hint="`syncd run` makes one")
    if keep is not None and not target.is_dir():
        raise UserError("--keep is for a directory of backups", hint="name a directory that is there")
    file = backups.name_of(target, datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")) if target.is_dir() else target
    backups.back_up(path, file, _read_secret(passphrase_file))
    gone = backups.prune(target, keep) if keep is not None else []
    if as_json:
        screen.show_json({"file": str(file), "bytes": file.stat().st_size, "removed": [str(each) for each in gone]})
    else:
        screen.say(f"wrote {file} ({file.stat().st_size:,} bytes)" + (f"; removed {counted(len(gone), 'older backup')}" if gone else ""))


@app.command(epilog="Example: syncd restore /var/backups/syncd/syncd-20260301T040000.000000Z.backup --replace")
def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `syncd backup` wrote.")],
    passphrase_file: PassphraseOption = None,
    key_file: KeyFileOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the database that is there.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup back. The daemon then reads everything anew before it writes anything."""
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    with owning(path):
        if path.exists() and not replace:
            raise UserError(f"there is a database {path}", hint="back it up if it is worth it, then say --replace")
        passphrase, key = _read_secret(passphrase_file), _read_secret(key_file)
        found = backups.restore(source, path, passphrase, None if key is None else key.decode())
    asking.note(settings, "restore", {})
    if as_json:
        screen.show_json({"database": str(path), "links": found.links, "records": found.records})
    else:
        screen.say(f"put back {counted(found.links, 'link')} and {counted(found.records, 'record')}; `syncd run` reads everything anew first")


def _read_secret(file: Path | None) -> bytes | None:
    """A secret from a file that only its owner may read."""
    if file is None:
        return None
    try:
        return Secrets(directory=Path.cwd(), environ={}).read({"file": str(file)}).encode()
    except SecretError as error:
        raise UserError(error.what, hint=error.mend) from None
