"""The EmailOctopus emulator.

`server` holds the account, `endpoints` answer, `mailing_list` keeps contacts, `listing` pages them, `events` announces
them.

Rule: imports go from `server` down to `contact` and `problems`, never up.

It must not know the other vendor.
"""

from syncd.sandbox.emailoctopus.server import EmailOctopus

__all__ = ["EmailOctopus"]
