"""Where a configuration's state lives.

The rule that keeps it true: whoever opens the database was told here where it is, so its key is known to whoever opens it.
It must not know: what is in the database, or who asks.
"""

from __future__ import annotations

from pathlib import Path

from syncd.config import Settings
from syncd.store.master import hand_over


def database_path(settings: Settings) -> Path:
    """Where the state of this configuration is kept; its key is known from here on."""
    path = settings.daemon.state / "syncd.db"
    hand_over(path, settings.daemon.key)
    return path
