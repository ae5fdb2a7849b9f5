"""A connection to the database, with the vault that opens what is sealed in it.

The rule that keeps it true: a connection without its vault reads and writes nothing that is sealed.
It must not know: what is stored.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from syncd.store.vault import Vault


class Connection(sqlite3.Connection):
    """What every function of the store runs over. `vault`, and `path` where it is to a file, are set by whoever opens it."""

    vault: Vault
    path: Path | None = None
