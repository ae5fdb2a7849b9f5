"""Notices that the database is an older copy, or a new one in the place of one that is gone, and has everything read anew.

Nothing is planned then until every collection has been listed completely in this life: what the systems show now is the truth, and what the
database remembers is only what was once agreed. Equal values are agreed again, different ones are decided by the rules, nothing is deleted.
The rule that keeps it true: the mark beside the database is written after the commit it tells of, whole or not at all.
It must not know: how records are read, or what is planned.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from syncd.flow.engine import Engine
from syncd.store import continuity, cursors
from syncd.store.continuity import Standing
from syncd.store.database import Connection

_EVENTS = {Standing.RESTORED: "database.restored", Standing.LOST: "database.lost"}


async def notice(engine: Engine) -> None:
    """At the start of a life: compares the database with the mark beside it, and counts this life."""
    path = _mark_of(engine)
    marked = 0 if path is None else _read(path)

    def commit(tx: Connection) -> tuple[Standing, int]:
        found = continuity.standing(tx, marked)
        if found is not Standing.SAME:
            continuity.begin_rebasing(tx, found)
            cursors.forget_all(tx)
        return found, continuity.advance(tx, marked)

    found, count = await engine.database.write(commit)
    if found is not Standing.SAME:
        engine.log.warning(_EVENTS[found], mark=str(path), said="re-basing: everything is read completely before anything is written")
    _write(path, count)


async def mark(engine: Engine) -> None:
    """Now and then: an older copy that is put back later can be told from what there was by then."""
    _write(_mark_of(engine), await engine.database.write(continuity.advance))


def _mark_of(engine: Engine) -> Path | None:
    return None if engine.database.path is None else engine.database.path.with_suffix(".mark")


def _read(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def _write(path: Path | None, count: int) -> None:
    """A mark that cannot be written only tells less."""
    if path is None:
        return
    fresh = path.with_suffix(".mark-new")
    with contextlib.suppress(OSError):
        fresh.write_text(f"{count}\n")
        fresh.replace(path)
