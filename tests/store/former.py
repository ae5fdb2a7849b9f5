"""Tokens as they were kept before the vault had them: sealed with a key of their own."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncd.store.codec import pack
from syncd.store.database import Connection
from syncd.store.tokens import FormerKey, load

KEY_TEXT = b64encode(bytes(range(32))).decode()


def sealed_before(tx: Connection, system: str, text: str = KEY_TEXT) -> None:
    """Puts the tokens of a system back under a key of their own, as an older syncd had left them."""
    kept = load(tx, system)
    name, nonce = FormerKey(text).id, os.urandom(12)
    bound = orjson.dumps(["tokens", system, kept.version, name])
    sealed = nonce + AESGCM(b64decode(text)).encrypt(nonce, pack(kept.tokens), bound)
    tx.execute("UPDATE tokens SET former_key = ?, sealed = ? WHERE system = ?", (name, sealed, system))
