"""The daemon with more pragmas on its writing connection, for what has to be seen sooner, or go wrong.

`python pragmas.py PRAGMA… -- ARGUMENT…` runs `syncd ARGUMENT…`.
The rule that keeps it true: everything else is the product's own.
It must not know: why somebody wants that.
"""

from __future__ import annotations

import sys

from syncd.__main__ import main
from syncd.store import database
from syncd.store.database import Connection

usual = database.prepare
end = sys.argv.index("--")
pragmas, sys.argv[1:] = sys.argv[1:end], sys.argv[end + 1 :]


def prepare(connection: Connection) -> None:
    """The usual, and more."""
    usual(connection)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()


database.prepare = prepare
sys.exit(main())
