"""How far the journal's chain had come, kept in a file beside the database: rows cut off at its end, links and all, are told by it.

The first line is the newest link, overwritten in place after each commit; each further line is a cut that was found when syncd went on writing.
Every line is proved by the chain's key, so who edits the database alone can make no such line.
The rule that keeps it true: the line is written after the commit it tells of, so it is never ahead of the database; a cut is kept before its trace is
overwritten. A file that is missing begins anew: who can remove it can read the key beside it.
It must not know: what a row tells.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from syncd.store.master import sync_directory

SUFFIX = ".journal-head"
_WIDTH = 96
"""Bytes of the first line: a part of one sector, which is written whole or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Rows `first` to `last` had been there, and were not any more."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The newest link: its last row and its hash (None: the line is not what was written); and the cuts found so far."""

    last_id: int
    hash: bytes | None
    cuts: tuple[Cut, ...]


class HeadFile:
    """The file of one database."""

    def __init__(self, database: Path, key: bytes) -> None:
        self._path = database.with_suffix(SUFFIX)
        self._key = key
        self._handle: int | None = None

    def read(self) -> Mark | None:
        """What it tells; None where there is none."""
        try:
            first, *rest = self._path.read_text("ascii", "replace").splitlines() or [""]
        except OSError:
            return None
        told = self._proved(first, 2)
        cuts = [Cut(first=int(each[0]), last=int(each[1])) for line in rest if (each := self._proved(line, 2))]
        if told is None:
            return Mark(last_id=0, hash=None, cuts=tuple(cuts))
        return Mark(last_id=int(told[0]), hash=bytes.fromhex(told[1]), cuts=tuple(cuts))

    def write(self, last_id: int, link: bytes) -> None:
        """Notes the newest link. What cannot be written only tells less."""
        with suppress(OSError):
            os.pwrite(self._opened(), f"{self._line(last_id, link.hex() or '00'):<{_WIDTH - 1}}\n".encode(), 0)

    def note(self, cut: Cut) -> None:
        """Keeps a cut for good, once."""
        known = self.read()
        if known is not None and cut in known.cuts:
            return
        handle = self._opened()
        os.pwrite(handle, f"{self._line(cut.first, cut.last)}\n".encode(), os.fstat(handle).st_size)
        os.fsync(handle)

    def close(self) -> None:
        """Lets go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _opened(self) -> int:
        if self._handle is None:
            is_new = not self._path.exists()
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if is_new:
                sync_directory(self._path.parent)
        return self._handle

    def _line(self, *words: object) -> str:
        text = " ".join(map(str, words))
        return f"{text} {hashlib.blake2b(f'head|{text}'.encode(), key=self._key, digest_size=16).hexdigest()}"

    def _proved(self, line: str, count: int) -> Sequence[str] | None:
        *words, _ = line.split() or [""]
        return words if len(words) == count and hmac.compare_digest(line.strip().encode(), self._line(*words).encode()) else None


def forget(database: Path) -> None:
    """The database is about to be another one: where its chain ends is begun anew."""
    database.with_suffix(SUFFIX).unlink(missing_ok=True)
