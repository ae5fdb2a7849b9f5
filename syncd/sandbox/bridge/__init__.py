"""A pretend 17hats behind a pretend Zapier: records that no API shows, flows that find and write, posts that tell of it.

Rule: what is reachable from outside is hooks and posts alone; every flow finds before it writes.

It must not know who hands anything off.
"""

from syncd.sandbox.bridge.server import Bridge, Mood

__all__ = ["Bridge", "Mood"]
