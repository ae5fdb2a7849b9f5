"""Processes of their own: the end of a process never hangs, a limit on the disk loses nothing, a kill loses nothing that was told."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = """
import asyncio, resource, signal, sqlite3, sys
from pathlib import Path
import anyio
from syncd.core.errors import StoreError, UserError
from syncd.store.database import open_database, owning

PATH = Path(sys.argv[1])

def put(tx, key="k", size=0):
    tx.execute("INSERT INTO meta VALUES (?, ?)", (key, "x" * size))
"""


def run(path: Path, program: str, *, timeout_s: float = 5.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START + program, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )


ENDS = {
    "returns": ("async with open_database(PATH) as d: await d.write(put)", 0),
    "raises": ("async with open_database(PATH) as d: await d.write(put); raise UserError('no')", 1),
    "leaves a waiting job": ("async with open_database(PATH) as d: asyncio.ensure_future(d.write(put)); await asyncio.sleep(0)", 0),
    "is cancelled": ("""
    with anyio.move_on_after(0.1):
        async with open_database(PATH) as d:
            await d.write(put)
            await anyio.sleep_forever()""", 0),
    "fails to open": ("sqlite3.connect(PATH).execute('PRAGMA user_version=99')\n    async with open_database(PATH): pass", 1),
    "finds no database": ("PATH.write_bytes(b'not a database' * 1000)\n    async with open_database(PATH): pass", 1),
    "is refused the lock": ("with owning(PATH):\n        with owning(PATH): pass", 1),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_the_process_ends(tmp_path, how):
    """However the block ends, no thread keeps the process."""
    body, code = ENDS[how]
    ended = run(tmp_path / "x.db", f"async def main():\n    {body}\nasyncio.run(main())")

    assert code == ended.returncode, ended.stderr


def test_a_limited_disk_loses_nothing(tmp_path):
    """When the system refuses to let the file grow, the caller hears StoreError; what was told before is there, and it goes on later."""
    ended = run(
        tmp_path / "x.db",
        """
async def main():
    async with open_database(PATH) as d:
        await d.write(lambda tx: put(tx, "before"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (PATH.with_suffix(".db-wal").stat().st_size, resource.RLIM_INFINITY))
        for _ in range(3):
            try:
                await d.write(lambda tx: put(tx, "lost", 500_000))
                print("kept?")
            except StoreError as error:
                print("refused")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await d.write(lambda tx: put(tx, "after"))
asyncio.run(main())
""",
    )
    with closing(sqlite3.connect(tmp_path / "x.db")) as after:
        rows = [key for (key,) in after.execute("SELECT key FROM meta ORDER BY key")]
        state = after.execute("PRAGMA integrity_check").fetchone()

    assert ("refused\n" * 3, 0) == (ended.stdout, ended.returncode), ended.stderr
    assert (["after", "before"], ("ok",)) == (rows, state)


WRITER = START + """
async def main():
    async with open_database(PATH) as d:
        (start,) = await d.read(lambda tx: tx.execute("SELECT count(*) FROM meta").fetchone())
        async def writer(number):
            for n in range(100_000):
                key = f"{start}-{number}-{n}"
                await d.write(lambda tx: put(tx, key, 200))
                print(key, flush=True)
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(writer, number)
asyncio.run(main())
"""


def told_before_kill(path: Path, wait_s: float) -> set[str]:
    """Starts a writer, kills it at once when it has spoken for `wait_s`, and answers what it said was committed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        select.select([child.stdout], [], [], 10)
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        said = child.stdout.read().decode()
    return set(said[: said.rfind("\n") + 1].split())


def test_a_kill_loses_nothing_that_was_told(tmp_path):
    """Killed at random moments, again and again: every job whose caller went on is in the file, and the file is whole."""
    path, told = tmp_path / "x.db", set()
    moments = random.Random(int(os.environ.get("SEED", "1")))
    for _ in range(6):
        told |= told_before_kill(path, moments.uniform(0.0, 0.12))
    with closing(sqlite3.connect(path)) as after:
        kept = {key for (key,) in after.execute("SELECT key FROM meta")}
        state = after.execute("PRAGMA integrity_check").fetchone()

    assert len(told) > 50
    assert (set(), ("ok",)) == (told - kept, state)
