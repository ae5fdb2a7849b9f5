"""The reconcile stage, from waiting events to a committed plan, against one aiosqlite loop that does the same a row at a time.

`pytest -m bench tests/bench/test_planning.py`, or `python -m tests.bench.test_planning`. Prints the ratio; never fails on time.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import aiosqlite
import orjson
import pytest

from syncd.flow.reread import reread_once
from syncd.store.outbox import State
from tests.bench.plain import SUM_BYTES, checksum_only
from tests.flow.world import CRM, S, World, opened

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE = int(os.environ.get("BENCH_SIZE", "2000"))


async def waiting(folder: Path, size: int) -> World:
    """Leaves a database in which so many linked people were edited in the crm, and the events wait."""
    async with opened(folder) as world:
        for n in range(size):
            person = {"email": f"p{n}@example.com", "name": f"P{n}", "phone": f"+1212555{n % 10_000:04}", "tags": ["one", "two"]}
            world.crm.create_as_user(person)
            world.mail.create_as_user(person)
        await world.sync()
        world.later(60)
        world.crm.news.clear()
        for n in range(size):
            world.crm.edit_as_user(f"crm-{n + 1}", {"name": f"Q{n}"})
        await world.hear(CRM)
        return world


async def ours(folder: Path, size: int) -> float:
    """Events read, links planned, writes owed, all committed: the product's own stages."""
    far = (await waiting(folder, size)).far
    async with opened(folder, far=far) as world:
        world.later(60)
        began = time.perf_counter()
        while await reread_once(world.engine, CRM):
            pass
        await world.plan()
        took = time.perf_counter() - began

        assert size == (await world.counts())[State.PENDING.value]
    return size / took


async def row_at_a_time(folder: Path, size: int) -> float:
    """The same tables, one event after the other, one statement after the other, one commit each."""
    with checksum_only():
        await waiting(folder, size)
    async with aiosqlite.connect(folder / "syncd.db", isolation_level=None) as db:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            await db.execute(f"PRAGMA {pragma}")
        events = list(await (await db.execute("SELECT id, record_id, payload, received_at FROM events WHERE done_at IS NULL ORDER BY id")).fetchall())
        began = time.perf_counter()
        for number, record_id, payload, at in events:
            await one_event(db, number, record_id, orjson.loads(payload[SUM_BYTES:]), at)
        took = time.perf_counter() - began
        ((owed,),) = await (await db.execute("SELECT count(*) FROM outbox")).fetchall()

        assert size == owed
    return size / took


async def fetch(db: aiosqlite.Connection, statement: str, values: tuple[Any, ...]) -> Any:
    async with db.execute(statement, values) as rows:
        return await rows.fetchone()


async def one_event(db: aiosqlite.Connection, number: int, record_id: str, shown: dict[str, Any], at: int) -> None:
    """Read, three-way comparison of dicts, and everything written that the engine writes."""
    await db.execute("BEGIN IMMEDIATE")
    (link,) = await fetch(db, "SELECT link_id FROM link_members WHERE sync = ? AND member = 'crm' AND record_id = ?", (S, record_id))
    revision, hub = await fetch(db, "SELECT revision, hub FROM links WHERE id = ?", (link,))
    (base,) = await fetch(db, "SELECT base FROM link_members WHERE link_id = ? AND member = 'crm'", (link,))
    other, other_base = await fetch(db, "SELECT record_id, base FROM link_members WHERE link_id = ? AND member = 'mail'", (link,))
    (seen,) = await fetch(db, "SELECT fields FROM observations WHERE system = 'mail' AND collection = 'contacts' AND record_id = ?", (other,))
    agreed, known, theirs = (orjson.loads(each[SUM_BYTES:]) for each in (hub, base, other_base))
    now_there = orjson.loads(seen[SUM_BYTES:])
    changed = {name: value for name, value in shown.items() if name in known and name != "tags" and value != known[name]}
    values = {name: value for name, value in changed.items() if now_there.get(name) == theirs.get(name)}
    for name, value in values.items():
        agreed[name] = [value, "crm", "only change", at, at]
    await db.execute(
        "UPDATE observations SET fields = ?, seen_at = ? WHERE system = 'crm' AND collection = 'contacts' AND record_id = ?", (orjson.dumps(shown), at, record_id)
    )
    await db.execute("UPDATE links SET revision = ?, hub = ?, updated_at = ? WHERE id = ?", (revision + 1, orjson.dumps(agreed), at, link))
    await db.execute("UPDATE link_members SET base = ?, agreed = ? WHERE link_id = ? AND member = 'crm'", (orjson.dumps({**known, **values}),) * 2 + (link,))
    await db.execute(
        "INSERT INTO outbox (key, sync, link_id, member, system, collection, record_id, operation, stream, payload, revision, priority, state, due_at, created_at)"
        " VALUES (?, ?, ?, 'mail', 'mail', 'contacts', ?, 'update', 'updates', ?, ?, 10, 'pending', ?, ?)",
        (f"{link}/{revision}", S, link, other, orjson.dumps([values, {}]), revision + 1, at, at),
    )
    await db.execute(
        "INSERT INTO journal (at, sync, link_id, kind, detail) VALUES (?, ?, ?, 'field.decided', ?)", (at, S, link, orjson.dumps(values))
    )
    await db.execute("UPDATE events SET done_at = ?, outcome = 'observed', payload = NULL WHERE id = ?", (at, number))
    await db.execute("COMMIT")


async def measure(size: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / each for each in ("ours", "rows")]
        for each in folders:
            each.mkdir()
        mine, rows = await ours(folders[0], size), await row_at_a_time(folders[1], size)
    return f"events to committed plan, {size} links: syncd {mine:.0f}/s, a row at a time {rows:.0f}/s, ratio {mine / rows:.1f}"


async def test_planning(capsys):
    """Every event becomes an owed write; the ratio is printed (target 5)."""
    said = await measure(SIZE)
    with capsys.disabled():
        print("", said, sep="\n")


if __name__ == "__main__":
    print(asyncio.run(measure(SIZE)))
