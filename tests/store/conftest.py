"""What the store's tests share: a real database file at the newest schema.

The rule that keeps it true: every test has a file of its own, and every connection is closed.
It must not know: any table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syncd.store.database import Connection, prepare


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Connection]:
    """A connection to a new database; every statement commits by itself."""
    with closing(sqlite3.connect(tmp_path / "syncd.db", isolation_level=None)) as connection:
        prepare(connection)
        yield connection
