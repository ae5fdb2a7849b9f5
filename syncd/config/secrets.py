"""Secrets: named in the configuration, kept elsewhere.

A secret is written ``{ credential = "name" }``, which systemd hands over, or ``{ file = "/path" }``, which only we may read.
The rule that keeps it true: a secret's text is returned and otherwise goes nowhere; no message, error or repr here holds it.
It must not know: what a secret opens.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd.config.findings import suggest
from syncd.config.places import in_home
from syncd.core.record import Json

UNREAD = "(this secret was not read)"
"""Stands for a secret where secrets are not looked at."""

_BYTES_MAX = 64 * 1024
_FORMS = ("credential", "file")
_CREDENTIAL = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,255}", re.ASCII)
_HOW = 'write { credential = "NAME" } or { file = "/path" }'


class SecretError(Exception):
    """A secret cannot be had. The message says why, `mend` what to do; neither holds the secret."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Reads the secrets of one configuration file, which lies in `directory`. `look` is False where only their form matters."""

    directory: Path
    environ: Mapping[str, str]
    look: bool = True

    def read(self, written: Json) -> str:
        """The secret's text, or `UNREAD`. Raises SecretError."""
        form, name = _form(written)
        if not self.look:
            return UNREAD
        return _tidy(self._credential(name) if form == "credential" else self._file(name), name)

    def _credential(self, name: str) -> bytes:
        unit = f"under systemd, put LoadCredential={name}:/etc/syncd/credentials/{name} into the unit"
        unit += ", or LoadCredentialEncrypted= with what `systemd-creds encrypt` made"
        by_hand = 'run by hand, set CREDENTIALS_DIRECTORY or write { file = "…" }'
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise SecretError(f"credential `{name}` is not there: CREDENTIALS_DIRECTORY is not set", f"{unit}; {by_hand}")
        try:
            # systemd guards this directory itself, partly by access lists that look like group permissions.
            return _read(Path(directory) / name, guarded=True)
        except FileNotFoundError:
            raise SecretError(f"credential `{name}` is not in {directory}", unit) from None
        except OSError as error:
            raise SecretError(f"credential `{name}` cannot be read: {error.strerror}", unit) from None

    def _file(self, name: str) -> bytes:
        path = self.directory / in_home(name, self.environ)
        try:
            return _read(path, guarded=False)
        except FileNotFoundError:
            mend = f"write the secret into it and make it yours alone: chmod 600 {path}"
            raise SecretError(f"there is no secret file {path}", mend) from None
        except OSError as error:
            raise SecretError(
                f"secret file {path} cannot be read: {error.strerror}", "give it to the user syncd runs as"
            ) from None


def _form(written: Json) -> tuple[str, str]:
    """How the secret is named: the form and the name. Never quotes what was written: it may be the secret."""
    if not isinstance(written, dict):
        raise SecretError("a secret is never written into the configuration, where backups and screens show it", _HOW)
    if len(written) != 1:
        raise SecretError("a secret is named in one way", _HOW)
    form, name = next(iter(written.items()))
    if form not in _FORMS:
        meant = suggest(form, _FORMS)
        raise SecretError(f"`{form}` is no way to name a secret" + (f"; did you mean `{meant}`?" if meant else ""), _HOW)
    if not isinstance(name, str) or not name.strip():
        raise SecretError(f"`{form}` is a text", _HOW)
    if form == "credential" and not _CREDENTIAL.fullmatch(name):
        raise SecretError(
            "a credential's name has letters, digits, `.`, `_` and `-` only", 'a path is written { file = "/path" }'
        )
    return form, name


def _read(path: Path, *, guarded: bool) -> bytes:
    """The file's bytes; who may read it is asked of the very file that is read. Raises OSError, SecretError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise SecretError(f"{path} is not a file", "name a file that holds the secret and nothing else")
        if not guarded and facts.st_uid not in (0, os.geteuid()):
            raise SecretError(
                f"secret file {path} belongs to someone else", f"chown it to the user syncd runs as, or to root: {path}"
            )
        if not guarded and facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretError(
                f"secret file {path} is open to others (mode {stat.S_IMODE(facts.st_mode):04o})", f"chmod 600 {path}"
            )
        content = file.read(_BYTES_MAX + 1)
    if len(content) > _BYTES_MAX:
        raise SecretError(f"{path} is too large for a secret", "name a file that holds the secret and nothing else")
    return content


def _tidy(content: bytes, name: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"secret `{name}` is not text", "write it as plain UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise SecretError(f"secret `{name}` is empty", "write the secret into it, in one line")
    return text
