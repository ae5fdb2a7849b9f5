"""The database that every simulated run has: a plain connection in memory, which tells its world what becomes of its rows.

The rule that keeps it true: it is prepared by the product's own `prepare`, once; a run gets it emptied, or a copy.
It must not know: the process that serves it, or what the run is to prove.
"""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from syncd.store.database import STATEMENTS, Connection, prepare
from syncd.store.master import Source
from syncd.store.vault import Vault

if TYPE_CHECKING:
    from tests.sim.world import World

KEY = Source(Path(":memory:"), lambda: b64encode(bytes(32)).decode())
"""The key that every simulated database is sealed with; its nonces are drawn anew, and alike, in every run."""


class FullDisk:
    """A connection to a database that cannot be written just now."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Mark:
    """How far the database had come, kept outside it: no restore takes it along."""

    def __init__(self) -> None:
        self._count = 0

    def read(self) -> int:
        return self._count

    def write(self, count: int) -> None:
        self._count = count


class Watched(Connection):
    """A connection that tells the world whose run it serves what becomes of its rows."""

    world: World | None = None


TRIGGERS = (
    # Every step a write takes from one state to another, and every record that leaves its link.
    "CREATE TEMP TRIGGER made AFTER INSERT ON outbox BEGIN SELECT edge('new>' || new.state); END;"
    "CREATE TEMP TRIGGER moved AFTER UPDATE OF state ON outbox WHEN old.state <> new.state"
    " BEGIN SELECT edge(old.state || '>' || new.state); END;"
    "CREATE TEMP TRIGGER loosed AFTER DELETE ON link_members BEGIN SELECT loosed(old.system, old.record_id); END;"
    # What came of everything: which records showed something new and are not on the list, and how many left it.
    "CREATE TEMP TABLE shown (record_id TEXT PRIMARY KEY); CREATE TEMP TABLE taken (number INTEGER);"
    "INSERT INTO taken SELECT coalesce(sum(count), 0) FROM outcomes WHERE outcome <> 'failed';"
    "CREATE TEMP TRIGGER first AFTER INSERT ON observations BEGIN INSERT INTO shown SELECT new.record_id WHERE new.record_id NOT IN (SELECT record_id FROM shown); END;"
    "CREATE TEMP TRIGGER next AFTER UPDATE OF fingerprint ON observations WHEN old.fingerprint <> new.fingerprint"
    " BEGIN INSERT INTO shown SELECT new.record_id WHERE new.record_id NOT IN (SELECT record_id FROM shown); END;"
    "CREATE TEMP TRIGGER left AFTER DELETE ON to_plan BEGIN UPDATE taken SET number = number + 1;"
    " DELETE FROM shown WHERE record_id = old.record_id; END;"
)


@cache
def template() -> Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=Connection)
    connection.vault = Vault(KEY, Random(0).randbytes)
    prepare(connection)
    return connection


def copy(source: Connection) -> Watched:
    made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=STATEMENTS, factory=Watched)
    source.backup(made)
    made.vault = Vault(KEY, source.vault.random)
    made.execute("PRAGMA foreign_keys=ON")
    return made


def watch(connection: Watched, world: World | None = None) -> Watched:
    """Has a fresh connection tell this world."""
    connection.world = world
    connection.create_function("edge", 1, lambda step: connection.world and connection.world.edges.update([step]))
    connection.create_function("loosed", 2, lambda *ref: connection.world and connection.world.monitors.unlinked(*ref))
    connection.executescript(TRIGGERS)
    return connection


@cache
def _reused() -> tuple[Watched, list[str]]:
    """The database that every run begins with, emptied each time: its statements are prepared once. And its tables, children first."""
    connection = watch(copy(template()))
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rootpage DESC")]
    return connection, ["shown", *(name for name in tables if name != "vault_keys")]


def emptied(world: World) -> Watched:
    """A new database, for this world."""
    connection, tables = _reused()
    for table in tables:
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE taken SET number = 0")
    connection.world = world
    connection.vault.random = Random(0).randbytes
    return connection


def let_go(connection: Watched) -> None:
    """Ends what a connection holds of its world: the garbage collector does not see into it."""
    connection.world = None
    if connection is not _reused()[0]:
        connection.close()
