"""What the store's tests share: a real database file at the newest schema.

The rule that keeps it true: every test has a file of its own, and every connection is closed.
It must not know: any table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syncd.store.database import Connection, connect, prepare


@pytest.fixture(scope="module")
def vault_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A connection to a database in which nothing is stored, for what needs its vault alone."""
    with closing(connect(tmp_path_factory.mktemp("vault") / "syncd.db")) as connection:
        prepare(connection)
        yield connection


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Connection]:
    """A connection to a new database; every statement commits by itself."""
    with closing(connect(tmp_path / "syncd.db")) as connection:
        prepare(connection)
        yield connection
