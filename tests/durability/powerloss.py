"""Power loss: the states in which a disk may be left, from the record of what a process wrote and synced.

What was synced is there. What was not is there wholly, not at all, or in part: any of the writes, in any order, each torn at sectors.
Names of files are kept in order, up to a point between the last sync of the directory and now.
The rule that keeps it true: nothing is assumed of the disk that its sync did not promise; memory shared between processes is gone.
It must not know: what the files mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SECTOR = 512
_HEAD = struct.Struct("<iiqq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was done: kind (a letter of the shim's), file, offset or size, data."""

    kind: str
    name: str
    offset: int
    data: bytes


def read_trace(path: Path) -> list[Entry]:
    """What the shim recorded."""
    raw, at, entries = path.read_bytes(), 0, []
    while at < len(raw):
        kind, name_size, offset, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        name, at = raw[at : at + name_size].decode(), at + name_size
        has_data = chr(kind) in "war"
        data, at = (raw[at : at + size], at + size) if has_data else (b"", at)
        entries.append(Entry(kind=chr(kind), name=name, offset=offset, data=data))
    return entries


@dataclass(slots=True)
class _File:
    """What surely is on the disk, and what may be."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Entry] = field(default_factory=list)

    def sync(self) -> None:
        for entry in self.pending:
            _apply(self.synced, entry.kind, entry.offset, entry.data)
        self.pending.clear()


class Disk:
    """A directory whose power may fail after any entry."""

    def __init__(self) -> None:
        self._names: dict[str, _File] = {}
        self._renamed: list[tuple[str, _File | None]] = []

    def do(self, entry: Entry) -> None:
        """One more thing was done."""
        match entry.kind:
            case "o" if self._now().get(entry.name) is None:
                self._renamed.append((entry.name, _File()))
            case "u":
                self._renamed.append((entry.name, None))
            case "d":
                self._names = self._now()
                self._renamed.clear()
            case "w" | "t":
                self._file(entry.name).pending.append(entry)
            case "s":
                self._file(entry.name).sync()

    def states(self, random: Random) -> Iterator[dict[str, bytes]]:
        """What may be found: nothing but what was synced, all, and a part."""
        yield {name: bytes(file.synced) for name, file in self._names.items()}
        yield {name: _written(file, file.pending) for name, file in self._now().items()}
        names = dict(self._names)
        for name, file in self._renamed[: random.randint(0, len(self._renamed))]:
            _name(names, name, file)
        yield {name: _written(file, _some(file.pending, random)) for name, file in names.items()}

    def _now(self) -> dict[str, _File]:
        names = dict(self._names)
        for name, file in self._renamed:
            _name(names, name, file)
        return names

    def _file(self, name: str) -> _File:
        found = self._now().get(name)
        if found is None:
            # A file that was opened before anybody looked.
            found = self._names[name] = _File()
        return found


def _name(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def _written(file: _File, entries: list[Entry]) -> bytes:
    image = bytearray(file.synced)
    for entry in entries:
        _apply(image, entry.kind, entry.offset, entry.data)
    return bytes(image)


def _some(entries: list[Entry], random: Random) -> list[Entry]:
    """Any of them, in any order, each whole or torn."""
    kept = [entry for entry in entries if random.random() < 0.7]
    random.shuffle(kept)
    return [piece for entry in kept for piece in _torn(entry, random)]


def _torn(entry: Entry, random: Random) -> list[Entry]:
    if entry.kind != "w" or random.random() < 0.6:
        return [entry]
    starts = range(0, len(entry.data), SECTOR)
    return [
        Entry(kind="w", name=entry.name, offset=entry.offset + start, data=entry.data[start : start + SECTOR])
        for start in starts
        if random.random() < 0.5
    ]


def _apply(image: bytearray, kind: str, offset: int, data: bytes) -> None:
    if kind == "t":
        del image[offset:]
        image.extend(bytes(offset - len(image)))
        return
    image.extend(bytes(max(0, offset + len(data) - len(image))))
    image[offset : offset + len(data)] = data
