"""Tokens that vendors hand out and replace, sealed at rest.

A row a system: AES-256-GCM over the tokens, bound to the system, the row's version and the key, so that a row cannot stand in for another
or for a later one. Before a refresh token is spent, that is written down (`claim`), so that a crash between the vendor's answer and our
commit is known afterwards for what it was.
The rule that keeps it true: nothing of a token is readable without the key, which is never here; a version is written once, by whoever
replaces the one before.
It must not know: what the tokens open, or how they are had.
"""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncd.core.errors import UserError
from syncd.core.record import MINUTE, SECOND, Json, Micros, SystemName
from syncd.store.codec import pack
from syncd.store.database import Connection
from syncd.store.visiting import leave, reading

T = TypeVar("T")
_KEY_BYTES, _NONCE_BYTES = 32, 12
_CLAIM_MAX: Micros = 15 * MINUTE
"""A claim that runs longer than this was made under another wall clock, and binds nobody."""


class SealingKey:
    """The key that seals; `id` tells keys apart and tells nothing else of them."""

    __slots__ = ("_box", "id")

    def __init__(self, text: str) -> None:
        """Reads the key as `make_key` writes it. Raises UserError, without quoting it."""
        try:
            raw = b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise UserError(
                "the key that seals tokens is no key: it must be 32 bytes in base64", hint="remove it, and `syncd auth` makes one"
            )
        self.id = hashlib.blake2b(raw, digest_size=4, person=b"syncd token key").hexdigest()
        self._box = AESGCM(raw)

    def seal(self, value: Json, *row: Json) -> bytes:
        """The value, readable with this key and for this row only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, pack(value), _bound(row))

    def unseal(self, sealed: bytes, *row: Json) -> Json:
        """What was sealed. Raises InvalidTag where the bytes, the row or the key are not those."""
        return orjson.loads(self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(row)))


def make_key() -> str:
    """A new key, as text for a file."""
    return b64encode(os.urandom(_KEY_BYTES)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept for a system. `tokens` is None where it cannot be read, and `trouble` then says why."""

    version: int
    tries: int
    tokens: Json
    trouble: str = ""


def load(tx: Connection, key: SealingKey, system: SystemName) -> Kept | None:
    """What is kept for a system; None where nothing is."""
    row = tx.execute("SELECT version, key_id, sealed, tries FROM tokens WHERE system = ?", (system,)).fetchone()
    if row is None:
        return None
    version, key_id, sealed, tries = row
    if key_id != key.id:
        trouble = f"the tokens were sealed with key {key_id}, and the configuration names key {key.id}"
        return Kept(version=version, tries=tries, tokens=None, trouble=trouble)
    try:
        return Kept(version=version, tries=tries, tokens=key.unseal(sealed, "tokens", system, version, key_id))
    except InvalidTag:
        return Kept(version=version, tries=tries, tokens=None, trouble="the kept tokens are damaged")


def save(tx: Connection, key: SealingKey, system: SystemName, tokens: Json, at: Micros, *, replaces: int | None = None) -> bool:
    """Keeps tokens as the next version, and forgets every claim on the one before.

    With `replaces`, only where that is still the present version; whether they were kept.
    """
    row = tx.execute("SELECT version FROM tokens WHERE system = ?", (system,)).fetchone()
    present = row[0] if row is not None else 0
    if replaces is not None and replaces != present:
        return False
    version = present + 1
    tx.execute(
        "INSERT INTO tokens (system, version, key_id, sealed, updated_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (system) DO UPDATE SET"
        " version = excluded.version, key_id = excluded.key_id, sealed = excluded.sealed, tries = 0, claimed_until = NULL,"
        " updated_at = excluded.updated_at",
        (system, version, key.id, key.seal(tokens, "tokens", system, version, key.id), at),
    )
    return True


def claim(tx: Connection, system: SystemName, version: int, *, now: Micros, until: Micros) -> bool:
    """Notes that this version is about to be spent; False where somebody else is at it, or has been."""
    done = tx.execute(
        "UPDATE tokens SET tries = tries + 1, claimed_until = ? WHERE system = ? AND version = ?"
        " AND (claimed_until IS NULL OR claimed_until <= ? OR claimed_until > ?)",
        (until, system, version, now, now + _CLAIM_MAX),
    )
    return done.rowcount == 1


def let_go(tx: Connection, system: SystemName, version: int, *, undone: bool) -> None:
    """Ends a claim that brought nothing; `undone` where it certainly spent nothing either."""
    tx.execute(
        "UPDATE tokens SET tries = tries - ?, claimed_until = NULL WHERE system = ? AND version = ?", (int(undone), system, version)
    )


class Door(Protocol):
    """A way to the database: the daemon's own, or `Beside`."""

    async def read(self, job: Callable[[Connection], T]) -> T: ...

    async def write(self, job: Callable[[Connection], T]) -> T: ...


class Beside:
    """The way to a database for a command, while its daemon runs or does not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, job: Callable[[Connection], T]) -> T:
        """Runs `job` over one snapshot. Raises UserError where there is no database yet."""
        return await anyio.to_thread.run_sync(self._read, job)

    async def write(self, job: Callable[[Connection], T]) -> T:
        """Runs `job` in one short transaction."""
        return await anyio.to_thread.run_sync(leave, self._path, job)

    def _read(self, job: Callable[[Connection], T]) -> T:
        if not self._path.exists():
            raise UserError(f"no tokens are kept: there is no database {self._path}", hint="`syncd auth` makes one")
        with reading(self._path) as read:
            return read(job)


class Keeping:
    """One system's tokens behind one door: what a connector needs to keep what it is handed."""

    def __init__(self, door: Door, key: SealingKey, system: SystemName, now: Callable[[], Micros]) -> None:
        self._door = door
        self._key = key
        self._system = system
        self._now = now

    async def load(self) -> Kept | None:
        """What is kept."""
        return await self._door.read(lambda tx: load(tx, self._key, self._system))

    async def keep(self, tokens: Json, *, replaces: int) -> bool:
        """Keeps what replaces a version; returns once that is committed, False where somebody was faster."""
        return await self._door.write(lambda tx: save(tx, self._key, self._system, tokens, self._now(), replaces=replaces))

    async def claim(self, version: int, *, for_s: float) -> bool:
        """Notes that a version is about to be spent."""
        now = self._now()
        return await self._door.write(lambda tx: claim(tx, self._system, version, now=now, until=now + int(for_s * SECOND)))

    async def let_go(self, version: int, *, undone: bool) -> None:
        """Ends a claim that brought nothing."""
        await self._door.write(lambda tx: let_go(tx, self._system, version, undone=undone))


def _bound(row: tuple[Json, ...]) -> bytes:
    return orjson.dumps(row)
