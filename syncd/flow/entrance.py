"""The entrance: where callers queue.

A `Queue` outlives the configurations; what it gives is what a server listens on.
The rule that keeps it true: as long as somebody will listen again, whoever calls waits and is not refused.
It must not know: what is asked or brought.
"""

from __future__ import annotations

import socket

AT_A_TURN, QUEUE = 128, 1_024
"""Let in at once: a fraction of all, so that who is let in is heard before others push him out; the system keeps the others waiting."""


class Queue:
    """Where callers queue, held open from one configuration to the next: nobody is refused in between."""

    def __init__(self) -> None:
        self._address: tuple[str, int] | None = None
        self._held: socket.socket | None = None

    def at(self, host: str, port: int) -> socket.socket:
        """The queue at an address; any other is given up."""
        if self._held is None or self._address != (host, port):
            self.close()
            self._held, self._address = _bound(host, port), (host, port)
        return self._held.dup()

    def close(self) -> None:
        """Nobody queues any more."""
        if self._held is not None:
            self._held.close()
        self._held = self._address = None


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
