"""The store as it was before there was a vault, to be measured against.

The rule that keeps it true: everything else is the product's own.
It must not know: what is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from syncd.store.vault import Vault

SUM_BYTES = 8
"""What then stands before a stored value."""


@contextmanager
def checksum_only() -> Iterator[None]:
    """Values stand behind a checksum over them and their row, and nothing is blinded with a key: what there was before there was a vault."""

    def seal(_vault: Vault, _tx: Any, data: bytes, bound: bytes) -> bytes:
        return hashlib.blake2b(bound + data, digest_size=SUM_BYTES).digest() + data

    def unseal(_vault: Vault, _tx: Any, sealed: bytes, bound: bytes) -> bytes | None:
        data = sealed[SUM_BYTES:]
        return data if sealed[:SUM_BYTES] == hashlib.blake2b(bound + data, digest_size=SUM_BYTES).digest() else None

    def blind(_vault: Vault, _tx: Any, data: bytes) -> bytes:
        return data

    with pytest.MonkeyPatch.context() as patch:
        for function in (seal, unseal, blind):
            patch.setattr(Vault, function.__name__, function)
        yield
