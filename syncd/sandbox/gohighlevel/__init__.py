"""The GoHighLevel emulator.

`server` answers, `location` keeps contacts, `index` and `search` find them, `events` announces them.

Rule: imports go from `server` down to `contact` and `errors`, never up.

It must not know the other vendor.
"""

from syncd.sandbox.gohighlevel.server import GoHighLevel

__all__ = ["GoHighLevel"]
