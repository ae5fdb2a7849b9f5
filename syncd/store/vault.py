"""The vault: the keys that seal what is stored, kept in the database itself, locked up with its master key.

A data key seals values (AES-256-GCM, a fresh nonce each, the number of the key before it); the blinding key turns what is looked up, but
would name a person, into a keyed hash. Data keys are replaced in a rotation; the blinding key never is, since what it hid is not known any more.
The rule that keeps it true: a database that has keys is never given others in their place: with a wrong master key nothing is read or
written; a nonce is drawn anew for every value.
It must not know: which tables there are, or what the values mean.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncd.core.errors import StoreError, UserError
from syncd.store.master import MasterKey, Source

_BLINDING: Final = 0
_NUMBER_BYTES, _NONCE_BYTES, _KEY_BYTES = 2, 12, 32
_HEAD = _NUMBER_BYTES + _NONCE_BYTES
_TABLE = (
    "CREATE TABLE IF NOT EXISTS vault_keys (number INTEGER NOT NULL, master TEXT NOT NULL, locked BLOB NOT NULL,"
    " PRIMARY KEY (number, master)) STRICT, WITHOUT ROWID"
)


class Vault:
    """The keys of one database, as one connection uses them. `random` is where nonces and keys come from."""

    def __init__(self, source: Source, random: Callable[[int], bytes] = os.urandom) -> None:
        self.source = source
        self.random = random
        self.sealed = 0
        """How many values were sealed so far."""
        self._boxes: dict[int, AESGCM] = {}
        self._newest = 0
        self._head = b""
        self._blinding = b""

    def make(self, tx: sqlite3.Connection) -> None:
        """Makes the keys of a database that has none, and opens those of one that has. Raises UserError where that cannot be."""
        tx.execute(_TABLE)
        if not _has_keys(tx):
            master = self.source.get_or_make()
            tx.execute("BEGIN IMMEDIATE")
            for number in (_BLINDING, _BLINDING + 1):
                self._add(tx, master, number, self.random(_KEY_BYTES))
            tx.execute("COMMIT")
        self.open(tx)

    def open(self, tx: sqlite3.Connection) -> None:
        """Opens the keys. Raises UserError where there are none, or none for this master key."""
        master = self.source.get()
        kept = {number: master.unlock(locked, _name(number, master)) for number, locked in _locked(tx, master.id)}
        if _BLINDING not in kept or len(kept) < 2:
            raise _wrong_key(tx, master)
        self._blinding = kept.pop(_BLINDING)
        self._boxes = {number: AESGCM(key) for number, key in kept.items()}
        self._turn_to(max(kept))

    def renew(self, tx: sqlite3.Connection) -> None:
        """Takes a newer data key into use that somebody else has added; at the beginning of whatever writes."""
        (newest,) = tx.execute("SELECT max(number) FROM vault_keys").fetchone()
        if newest is not None and newest != self._newest:
            self.open(tx)

    def seal(self, tx: sqlite3.Connection, data: bytes, bound: bytes) -> bytes:
        """The data, sealed with the newest key, to be opened with the same `bound` only."""
        if not self._newest:
            self.open(tx)
        nonce = self.random(_NONCE_BYTES)
        self.sealed += 1
        return self._head + nonce + self._boxes[self._newest].encrypt(nonce, data, bound)

    def unseal(self, tx: sqlite3.Connection, sealed: bytes, bound: bytes) -> bytes | None:
        """What was sealed; None where the bytes, or what they are bound to, are not those."""
        number = self._newest if self._head and sealed.startswith(self._head) else number_of(sealed)
        if number not in self._boxes and (not self._newest or number in (each for (each,) in tx.execute("SELECT number FROM vault_keys"))):
            self.open(tx)
        box = self._boxes.get(number)
        if box is None or len(sealed) < _HEAD:
            return None
        try:
            return box.decrypt(sealed[_NUMBER_BYTES:_HEAD], sealed[_HEAD:], bound)
        except InvalidTag:
            return None

    def blind(self, tx: sqlite3.Connection, data: bytes) -> bytes:
        """Sixteen bytes that are the same for the same data, and tell nothing of it without the key."""
        if not self._blinding:
            self.open(tx)
        return hashlib.blake2b(data, digest_size=16, key=self._blinding).digest()

    @property
    def newest(self) -> int:
        """The number of the key that seals."""
        return self._newest

    def add_key(self, tx: sqlite3.Connection) -> int:
        """Adds a data key, which seals from now on; its number."""
        self.open(tx)
        number = self._newest + 1
        if number >= 1 << 8 * _NUMBER_BYTES:
            raise StoreError("the vault has had all the keys it can number", hint="this is a fault in syncd")
        self._add(tx, self.source.get(), number, self.random(_KEY_BYTES))
        self.open(tx)
        return number

    def lock_with(self, tx: sqlite3.Connection, master: MasterKey) -> None:
        """Locks every key up with another master key too."""
        present = self.source.get()
        for number, locked in _locked(tx, present.id):
            self._add(tx, master, number, present.unlock(locked, _name(number, present)))

    def _add(self, tx: sqlite3.Connection, master: MasterKey, number: int, key: bytes) -> None:
        locked = master.lock(key, _name(number, master), self.random)
        tx.execute("INSERT OR REPLACE INTO vault_keys (number, master, locked) VALUES (?, ?, ?)", (number, master.id, locked))

    def _turn_to(self, number: int) -> None:
        self._newest, self._head = number, number.to_bytes(_NUMBER_BYTES)


def number_of(sealed: bytes) -> int:
    """The number of the key that a value was sealed with."""
    return int.from_bytes(sealed[:_NUMBER_BYTES])


def retire(tx: sqlite3.Connection, before: int) -> int:
    """Drops data keys older than a number, of which nothing is sealed any more; how many."""
    return tx.execute("DELETE FROM vault_keys WHERE number > ? AND number < ?", (_BLINDING, before)).rowcount


def forget_masters(tx: sqlite3.Connection, keep: str) -> list[str]:
    """Drops what was locked up with other master keys than the one with this id; their ids."""
    others = [name for (name,) in tx.execute("SELECT DISTINCT master FROM vault_keys WHERE master <> ? ORDER BY 1", (keep,))]
    tx.execute("DELETE FROM vault_keys WHERE master <> ?", (keep,))
    return others


def _has_keys(tx: sqlite3.Connection) -> bool:
    return tx.execute("SELECT 1 FROM vault_keys LIMIT 1").fetchone() is not None


def _locked(tx: sqlite3.Connection, master: str) -> list[tuple[int, bytes]]:
    if tx.execute("SELECT 1 FROM sqlite_master WHERE name = 'vault_keys'").fetchone() is None:
        return []
    return tx.execute("SELECT number, locked FROM vault_keys WHERE master = ? ORDER BY number", (master,)).fetchall()


def _wrong_key(tx: sqlite3.Connection, master: MasterKey) -> UserError:
    known = [] if not _locked_any(tx) else [name for (name,) in tx.execute("SELECT DISTINCT master FROM vault_keys ORDER BY 1")]
    if not known:
        return UserError("the database has no keys yet", hint="the daemon makes them when it starts: `syncd run`")
    return UserError(
        f"the database is sealed with key {' or '.join(known)}, and the configured one is {master.id}",
        hint="put the right key back (`[daemon] key`, or the file beside the database); nothing was read or written",
    )


def _locked_any(tx: sqlite3.Connection) -> bool:
    return tx.execute("SELECT 1 FROM sqlite_master WHERE name = 'vault_keys'").fetchone() is not None


def _name(number: int, master: MasterKey) -> bytes:
    return b"vault_keys %d %s" % (number, master.id.encode())
