"""Notices that the database is an older copy, or a new one in the place of one that is gone, and has everything read anew.

Nothing is planned then until every collection has been listed completely in this life: what the systems show now is the truth, and what the
database remembers is only what was once agreed. Equal values are agreed again, different ones are decided by the rules, nothing is deleted.
The rule that keeps it true: the mark outside the database is written after the commit it tells of, whole or not at all.
It must not know: how records are read, or what is planned.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

import anyio

from syncd.flow.answering import plan_everything
from syncd.flow.engine import Engine
from syncd.store import continuity, cursors, outbox
from syncd.store.continuity import Standing
from syncd.store.database import Connection

EVERY_S = 1.0
_EVENTS = {Standing.RESTORED: "database.restored", Standing.LOST: "database.lost"}


class Mark(Protocol):
    """Where it is kept how far the database had come; outside it, so that a copy that is put back does not take it along."""

    def read(self) -> int: ...

    def write(self, count: int) -> None: ...


class FileMark:
    """A small file beside the database. One that is missing or cannot be written only tells less."""

    def __init__(self, database: Path | None) -> None:
        self._path = None if database is None else database.with_suffix(".mark")

    def read(self) -> int:
        """The count kept; 0 where there is none."""
        with contextlib.suppress(OSError, ValueError):
            return 0 if self._path is None else int(self._path.read_text())
        return 0

    def write(self, count: int) -> None:
        """Keeps a count."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".mark-new")
        with contextlib.suppress(OSError):
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(f"{count}\n")
            fresh.replace(self._path)


async def notice(engine: Engine, mark: Mark) -> None:
    """At the start of a life: compares the database with the mark outside it, and counts this life."""
    marked = mark.read()

    def commit(tx: Connection) -> tuple[Standing, Standing | None, int]:
        found = continuity.standing(tx, marked)
        if found is not Standing.SAME:
            continuity.begin_rebasing(tx, found)
            # What an old copy still owes may have been done since: it is planned anew once everything has been listed.
            outbox.cancel_unsent(tx, engine.clock.now())
            for rules in engine.syncs.values():
                plan_everything(engine, tx, rules)
        rebasing = continuity.rebasing(tx)
        if rebasing is not None:
            cursors.forget_all(tx)
        return found, rebasing, continuity.advance(tx, marked)

    found, rebasing, count = await engine.database.write(commit)
    if rebasing is not None:
        # A listing that runs behind would not show what was made shortly before by a life that is forgotten.
        lags = [engine.connectors[system].capabilities(collection).index_lag for system, collection in engine.places]
        engine.listings_from = engine.clock.now() + max(lags, default=0)
    if found is not Standing.SAME:
        engine.log.warning(_EVENTS[found], said="re-basing: everything is read completely before anything is written")
    mark.write(count)


async def mark_forever(engine: Engine, mark: Mark) -> None:
    """Marks every second how far the database has come, where it has changed, until cancelled."""
    marked = -1
    while True:
        await anyio.sleep(EVERY_S)
        if engine.database.changes == marked:
            continue
        mark.write(await engine.database.write(continuity.advance))
        marked = engine.database.changes
