"""Packing: a file, encrypted with a passphrase, in pieces that are each bound to their place.

The key is made of the passphrase with scrypt (N 2^16, r 8, p 1: 64 MiB and some 0.2 s); each piece of 1 MiB is AES-256-GCM with its number as
nonce, and the last one says that it is the last.
The rule that keeps it true: a piece that was changed, moved, left out or added is noticed before the file it came from is used.
It must not know: what is packed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from syncd.core.errors import UserError

MAGIC = b"syncd packed 1\n"
_SALT_BYTES, _PIECE_BYTES, _TAG_BYTES = 16, 1 << 20, 16


def is_packed(source: BinaryIO) -> bool:
    """Whether a file begins as `pack` begins it; it is then read from behind that."""
    if source.read(len(MAGIC)) == MAGIC:
        return True
    source.seek(0)
    return False


def pack(source: BinaryIO, target: BinaryIO, passphrase: bytes) -> None:
    """Writes what is left of `source`, packed."""
    salt = os.urandom(_SALT_BYTES)
    box = _box(passphrase, salt)
    target.write(MAGIC + salt)
    target.writelines(box.encrypt(number.to_bytes(12), piece, _place(is_last=is_last)) for number, piece, is_last in _pieces(source, _PIECE_BYTES))


def unpack(source: BinaryIO, target: BinaryIO, passphrase: bytes) -> None:
    """Writes what was packed; `source` stands behind the beginning. Raises UserError where the passphrase or the bytes are not those."""
    box = _box(passphrase, source.read(_SALT_BYTES))
    try:
        target.writelines(box.decrypt(number.to_bytes(12), piece, _place(is_last=is_last)) for number, piece, is_last in _pieces(source, _PIECE_BYTES + _TAG_BYTES))
    except InvalidTag:
        raise UserError("this is not the passphrase of the backup, or the file is damaged", hint="nothing was put back") from None


def _box(passphrase: bytes, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << 16, r=8, p=1).derive(passphrase))


def _pieces(source: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Pieces with their numbers, and whether each is the last; an empty file has one that is empty."""
    number, piece = 0, source.read(size)
    while True:
        following = source.read(size)
        yield number, piece, not following
        if not following:
            return
        number, piece = number + 1, following


def _place(*, is_last: bool) -> bytes:
    return MAGIC + (b"last" if is_last else b"more")
