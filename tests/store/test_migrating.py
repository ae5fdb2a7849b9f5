"""An older database is sealed once: cut short at any moment, it is plain as it was or sealed as a whole, and ends with no plain page."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from syncd.store import journal, planning
from syncd.store.database import connect, migrations, must_shrink, prepare
from syncd.store.legacy import teach

ROWS = 3000
PREPARE = """
import sys
from contextlib import closing
from pathlib import Path
from syncd.store.database import connect, prepare
with closing(connect(Path(sys.argv[1]))) as tx:
    print("begun", flush=True)
    prepare(tx)
    print("done", flush=True)
"""


def older(path: Path) -> None:
    """A database from before there was a vault, with a story of many rows."""
    with closing(connect(path)) as tx:
        tx.execute("PRAGMA journal_mode=WAL")
        teach(tx)
        for number, script in enumerate(migrations()[:7], start=1):
            tx.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={number};\nCOMMIT;")
        tx.execute("BEGIN")
        tx.executemany(
            "INSERT INTO journal (at, sync, kind, detail) VALUES (?, 's', 'k', ?)", [(n, b'{"name":"canary %d"}' % n) for n in range(ROWS)]
        )
        tx.executemany("INSERT INTO match_keys VALUES ('s', 'a', ?, 'email', ?)", [(str(n), f"canary{n}@example.com") for n in range(ROWS)])
        tx.execute("COMMIT")


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_cut_short_at_any_moment(tmp_path, after_s):
    """Killed while it is sealed, or while the file is written anew: the next start ends it, and every row reads as before."""
    path = tmp_path / "old.db"
    older(path)
    process = subprocess.Popen([sys.executable, "-c", PREPARE, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    process.kill()
    process.communicate()
    with closing(connect(path)) as tx:
        prepare(tx)
        told = [each.detail["name"] for each in journal.after(tx, 0, limit=ROWS + 1)]
        keys = planning.blinded(tx, {"email": "canary7@example.com"})

        assert [f"canary {n}" for n in range(ROWS)] == told
        assert [("7",)] == tx.execute("SELECT record_id FROM match_keys WHERE value = ?", (keys["email"],)).fetchall()
        assert not must_shrink(tx)
    assert b"canary" not in b"".join(each.read_bytes() for each in tmp_path.glob("old.db*"))
