"""The master key of a database: where it is, how it is made, and what it locks.

It is a credential or a file that the configuration names, else the file beside the database with the ending `.key`. It seals nothing but the
keys of the vault, so that another one can take its place in one step.
The rule that keeps it true: a key's text is read where it is kept and otherwise goes nowhere; a file that is there is never written over;
a file that somebody else may read is refused.
It must not know: the vault's keys, or what they seal.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from syncd.config.secrets import SecretError, Secrets
from syncd.core.errors import UserError

_KEY_BYTES, _NONCE_BYTES = 32, 12


class MasterKey:
    """Locks other keys up. `id` tells keys apart and tells nothing else of them."""

    __slots__ = ("_box", "id")

    def __init__(self, text: str) -> None:
        """Reads the key as `make_text` writes it. Raises UserError, without quoting it."""
        try:
            raw = b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise UserError("the key of the database is no key: it must be 32 bytes in base64", hint="`head -c 32 /dev/urandom | base64` makes one")
        self.id = _derived(raw, b"id")[:4].hex()
        self._box = AESGCM(_derived(raw, b"lock"))

    def lock(self, key: bytes, bound: bytes, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """The key, to be had with this master key and under this name only."""
        nonce = random(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, key, bound)

    def unlock(self, locked: bytes, bound: bytes) -> bytes:
        """What was locked up. Raises UserError where it does not fit."""
        try:
            return self._box.decrypt(locked[:_NONCE_BYTES], locked[_NONCE_BYTES:], bound)
        except InvalidTag:
            raise UserError("the keys in the database are damaged", hint="put a backup back: `syncd restore`") from None

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key is not pickled")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the master key of one database is had. `read` is what the configuration names; None for the file beside the database."""

    path: Path
    read: Callable[[], str] | None = None

    @property
    def file(self) -> Path:
        """The key file where the configuration names nothing."""
        return self.path.with_suffix(".key")

    def get(self) -> MasterKey:
        """The key. Raises UserError where it cannot be had."""
        return MasterKey(self.text())

    def text(self) -> str:
        """The key as it is kept. Raises UserError where it cannot be had."""
        return _secret(self.file) if self.read is None else self.read()

    def get_or_make(self) -> MasterKey:
        """The key; a file beside a database that has no key yet is made."""
        if self.read is None and not self.file.exists():
            write_key(self.file, make_text())
        return self.get()


_SOURCES: dict[Path, Source] = {}


def hand_over(path: Path, read: Callable[[], str] | None) -> None:
    """Says where the key of a database is had, once the configuration is known; None: from the file beside it."""
    _SOURCES[path.absolute()] = Source(path, read)


def source_of(path: Path) -> Source:
    """Where the key of a database is had."""
    return _SOURCES.get(path.absolute(), Source(path))


def lend(path: Path, copy: Path) -> None:
    """A copy is opened with the key of what it is a copy of."""
    source = source_of(path)
    hand_over(copy, source.read if source.read is not None else lambda: _secret(source.file))


def make_text() -> str:
    """A new key, as text for a file."""
    return b64encode(os.urandom(_KEY_BYTES)).decode()


def write_key(file: Path, text: str) -> None:
    """Writes a key file, for its owner only, and for good before anything is sealed with it. Raises UserError where one is there."""
    made = file.with_name(f"{file.name}.new-{os.getpid()}")
    try:
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(text + "\n")
            opened.flush()
            os.fsync(handle)
        os.link(made, file)
    except OSError as error:
        raise UserError(f"key file {file} cannot be made: {error.strerror}", hint="look at the permissions of its directory") from error
    finally:
        made.unlink(missing_ok=True)
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Has the names in a directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _secret(file: Path) -> str:
    try:
        return Secrets(directory=file.parent, environ={}).read({"file": str(file.absolute())})
    except SecretError as error:
        raise UserError(f"the key of the database cannot be had: {error.what}", hint=f"without it nothing in the database can be read; {error.mend}") from None


def _derived(raw: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"syncd master key: " + purpose).derive(raw)

