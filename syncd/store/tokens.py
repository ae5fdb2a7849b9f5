"""Tokens that vendors hand out and replace, sealed at rest by the vault like everything else.

A row a system, sealed for that system and the row's version, so that a row cannot stand in for another or for a later one. Before a refresh
token is spent, that is written down (`claim`), so that a crash between the vendor's answer and our commit is known afterwards for what it was.
Tokens once had a key of their own (`token_key`); what is still sealed with it is taken over into the vault when it is first asked for.
The rule that keeps it true: nothing of a token is readable without a key, and at every moment with exactly one; a version is written once, by
whoever replaces the one before.
It must not know: what the tokens open, or how they are had.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncd.core.errors import UserError
from syncd.core.record import MINUTE, SECOND, Json, Micros, SystemName
from syncd.store.codec import DamagedError, seal, unseal
from syncd.store.database import Connection
from syncd.store.master import source_of
from syncd.store.visiting import leave, reading

T = TypeVar("T")
_KEY_BYTES, _NONCE_BYTES = 32, 12
_CLAIM_MAX: Micros = 15 * MINUTE
"""A claim that runs longer than this was made under another wall clock, and binds nobody."""


class FormerKey:
    """A key that tokens alone were once sealed with: it opens, and seals nothing any more. `id` tells keys apart and tells nothing else of them."""

    __slots__ = ("_box", "id")

    def __init__(self, text: str) -> None:
        """Reads the key as it stands in its file. Raises UserError, without quoting it."""
        try:
            raw = b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise UserError(
                "`token_key` is no key: it must be 32 bytes in base64",
                hint="put the right one back while tokens are sealed with it, else take the setting away (`syncd check` says which)",
            )
        self.id = hashlib.blake2b(raw, digest_size=4, person=b"syncd token key").hexdigest()
        self._box = AESGCM(raw)

    def unseal(self, sealed: bytes, *row: Json) -> Json:
        """What was sealed. Raises InvalidTag where the bytes, the row or the key are not those."""
        return orjson.loads(self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], orjson.dumps(row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept for a system. `tokens` is None where it cannot be read, and `trouble` then says why; `former` is the id of the key of their
    own that they are still sealed with, empty where the vault has them.
    """

    version: int
    tries: int
    tokens: Json
    trouble: str = ""
    former: str = ""


def load(tx: Connection, system: SystemName) -> Kept | None:
    """What is kept for a system; None where nothing is."""
    row = tx.execute("SELECT version, former_key, sealed, tries FROM tokens WHERE system = ?", (system,)).fetchone()
    if row is None:
        return None
    version, former, sealed, tries = row
    if former is not None:
        trouble = f"the tokens are sealed with a key of their own, {former}: name it as `token_key` once more, and they are taken over"
        return Kept(version=version, tries=tries, tokens=None, trouble=trouble, former=former)
    try:
        return Kept(version=version, tries=tries, tokens=unseal(tx, sealed, "tokens", system, version))
    except DamagedError:
        return Kept(version=version, tries=tries, tokens=None, trouble="the kept tokens are damaged")


def take_over(tx: Connection, key: FormerKey, system: SystemName) -> Kept | None:
    """As `load`, once what this key of its own sealed is sealed anew in the vault; version, tries and claim stay what they are."""
    kept = load(tx, system)
    if kept is None or not kept.former:
        return kept
    if kept.former != key.id:
        return replace(kept, trouble=f"the tokens are sealed with a key of their own, {kept.former}, and `token_key` is key {key.id}")
    (sealed,) = tx.execute("SELECT sealed FROM tokens WHERE system = ?", (system,)).fetchone()
    try:
        tokens = key.unseal(sealed, "tokens", system, kept.version, key.id)
    except InvalidTag:
        return replace(kept, trouble="the kept tokens are damaged")
    fresh = seal(tx, tokens, "tokens", system, kept.version)
    tx.execute("UPDATE tokens SET sealed = ?, former_key = NULL WHERE system = ?", (fresh, system))
    return load(tx, system)


def former_keys(tx: Connection) -> dict[SystemName, str]:
    """The systems whose tokens are still sealed with a key of their own, and the id of it."""
    return {SystemName(system): former for system, former in tx.execute("SELECT system, former_key FROM tokens WHERE former_key IS NOT NULL")}


def save(tx: Connection, system: SystemName, tokens: Json, at: Micros, *, replaces: int | None = None) -> bool:
    """Keeps tokens as the next version, and forgets every claim on the one before.

    With `replaces`, only where that is still the present version; whether they were kept.
    """
    row = tx.execute("SELECT version FROM tokens WHERE system = ?", (system,)).fetchone()
    present = row[0] if row is not None else 0
    if replaces is not None and replaces != present:
        return False
    version = present + 1
    tx.execute(
        "INSERT INTO tokens (system, version, sealed, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT (system) DO UPDATE SET"
        " version = excluded.version, former_key = NULL, sealed = excluded.sealed, tries = 0, claimed_until = NULL,"
        " updated_at = excluded.updated_at",
        (system, version, seal(tx, tokens, "tokens", system, version), at),
    )
    return True


def check_key(path: Path) -> bool:
    """Whether the database has a key already, which then opens it; else one is made with it. Raises UserError: tokens could not be kept."""
    if path.exists():
        with reading(path) as read:
            read(lambda tx: tx.vault.open(tx))
        return True
    source = source_of(path)
    is_there = source.read is not None or source.file.exists()
    if is_there:
        source.get()
    return is_there


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

    def __init__(self, door: Door, system: SystemName, now: Callable[[], Micros], former: FormerKey | None = None) -> None:
        """`former` is the key of their own that tokens of this system may still be sealed with."""
        self._door = door
        self._system = system
        self._now = now
        self._former = former

    async def load(self) -> Kept | None:
        """What is kept; in the vault from then on, wherever it was before."""
        kept, former = await self._door.read(lambda tx: load(tx, self._system)), self._former
        if kept is None or not kept.former or former is None:
            return kept
        return await self._door.write(lambda tx: take_over(tx, former, self._system))

    async def keep(self, tokens: Json, *, replaces: int) -> bool:
        """Keeps what replaces a version; returns once that is committed, False where somebody was faster."""
        return await self._door.write(lambda tx: save(tx, self._system, tokens, self._now(), replaces=replaces))

    async def claim(self, version: int, *, for_s: float) -> bool:
        """Notes that a version is about to be spent."""
        now = self._now()
        return await self._door.write(lambda tx: claim(tx, self._system, version, now=now, until=now + int(for_s * SECOND)))

    async def let_go(self, version: int, *, undone: bool) -> None:
        """Ends a claim that brought nothing."""
        await self._door.write(lambda tx: let_go(tx, self._system, version, undone=undone))
