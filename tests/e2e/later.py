"""The command line, under the machine's clock moved on by as many seconds as a file says: ``python -m tests.e2e.later ARGUMENTS``.

The rule that keeps it true: only what the standard library says of the time of day is moved; the product, its limits and its sleeps are as they
are, so a day passes as it does where a machine was asleep: at once, and for everything alike.
It must not know: what is run, or how far a test moves on.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

FILE = "LATER_FILE"


def later_s(file: Path) -> int:
    """How far the clock was moved on."""
    return int(file.read_text())


if __name__ == "__main__":
    moved, real_ns = Path(os.environ[FILE]), time.time_ns
    time.time_ns = lambda: real_ns() + later_s(moved) * 1_000_000_000
    time.time = lambda: time.time_ns() / 1_000_000_000

    from syncd.__main__ import main

    sys.exit(main())
