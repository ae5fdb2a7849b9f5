"""Closing the process to others on the machine: nothing of it is written to a disk when it crashes, and nobody of its own user reads it.

The rule that keeps it true: what cannot be closed is no reason not to start; the service's unit closes the same from outside.
It must not know: what is worth hiding.
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def seal_process() -> bool:
    """No core dumps, no looking into /proc or attaching by the same user. Whether the system did both."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return False
    done: int = ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    return done == 0
