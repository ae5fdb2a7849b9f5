"""The ActiveTrail emulator.

`server` holds the account, `endpoints` answer, `account` keeps contacts and what they belong to, `listing` pages them, `events`
announces them.

Rule: imports go from `server` down to `contact` and `reading`, never up. What the vendor's documentation leaves open is an option, and
every answer to it can be chosen.

It must not know the other vendors.
"""

from syncd.sandbox.activetrail.server import ActiveTrail

__all__ = ["ActiveTrail"]
