"""The entrance: where callers queue, and who is turned away before anything is made of him.

A `Queue` outlives the configurations; the `Line` it gives is what a server listens on; a `Doorkeeper` says who may come in.
The rule that keeps it true: a peer comes in so often, and as often again as he brings something good; however many they are, those who once
did are not kept out by those who never did. Whoever is turned away is told to come again, and costs next to nothing, so that the queue does
not fill and those behind him are heard.
It must not know: what is asked or brought, or HTTP beyond that one answer.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from structlog.typing import FilteringBoundLogger

from syncd.flow.sources import Buckets, Networks, household_of, is_among

AT_A_TURN = 128
"""Let in or turned away at once: a fraction of all, so that who is let in is heard before others push him out; the system keeps the others waiting."""
QUEUE = 4_096
"""Who calls while it is full is not answered, and by the rules of TCP tries again after a whole second."""
TURNED_AWAY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_ASIDE_MAX, _ASIDE_S = 64, 1.0
_TELL_S = 10.0
_KNOWN_MAX = 4_096
_GLANCE_BYTES = 16_384


class Doorkeeper:
    """Counts how often each peer came and brought nothing good (`each`), and how often all did who never brought anything good (`unknown`).

    Peers in `spared` speak for many and do not count; whether whoever they speak for is heard, `shuts_out` says of the peer, the first that came,
    and whether it counts.
    """

    shuts_out: Callable[[str, bytes, bool], bool] | None = None

    def __init__(self, each: Buckets, unknown: Buckets, spared: Networks, clock: Callable[[], float], log: FilteringBoundLogger) -> None:
        self._each, self._unknown, self._spared, self._clock, self._log = each, unknown, spared, clock, log
        self._known: dict[str, None] = {}
        self._aside: deque[tuple[float, socket.socket]] = deque()
        self._turned_away, self._told_s = 0, -_TELL_S
        self._last = ""

    def lets_in(self, peer: str) -> bool:
        """Whether he may come in; unless he is spared it counts."""
        if is_among(peer, self._spared):
            return True
        household, now_s = household_of(peer), self._clock()
        if self._each.take(household, now_s) and (household in self._known or self._unknown.take(None, now_s)):
            return True
        self._turned_away, self._last = self._turned_away + 1, peer
        return False

    def hears(self, peer: str, said: bytes, *, counts: bool) -> bool:
        """Whether somebody who begins like this is heard. It `counts` but once for a call, and where it was seen before the call was taken."""
        return self.shuts_out is None or not is_among(peer, self._spared) or not self.shuts_out(peer, said, counts)

    def pardon(self, peer: str) -> None:
        """What he brought was good: that he came does not count, and he is known."""
        household, now_s = household_of(peer), self._clock()
        self._each.give_back(household, now_s)
        if household not in self._known:
            self._unknown.give_back(None, now_s)
            if len(self._known) >= _KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[household] = None

    def turn_away(self, connection: socket.socket) -> None:
        """Tells him to come again, without hearing him. He is left a moment to read it, unless there are too many: who ends a connection while the
        other still sends takes the answer back.
        """
        with suppress(OSError):
            connection.send(TURNED_AWAY, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            connection.recv(_GLANCE_BYTES, socket.MSG_DONTWAIT)
        self._aside.append((self._clock(), connection))
        self._dismiss(most=_ASIDE_MAX)

    def look(self) -> None:
        """To be called now and then: ends what was left open long enough, and tells the operator of those who did not come in."""
        now_s = self._clock()
        while self._aside and now_s - self._aside[0][0] > _ASIDE_S:
            self._dismiss(most=len(self._aside) - 1)
        if self._turned_away and now_s - self._told_s >= _TELL_S:
            hint = "if this is your proxy, name it in trusted_proxies"
            self._log.warning("http.turned_away", count=self._turned_away, source=self._last, hint=hint)
            self._turned_away, self._told_s = 0, now_s

    def close(self) -> None:
        """Ends whatever was left open."""
        self._dismiss(most=0)

    def _dismiss(self, *, most: int) -> None:
        while len(self._aside) > most:
            self._aside.popleft()[1].close()


class Line(socket.socket):
    """A listening socket at which a doorkeeper stands; who is turned away is never accepted."""

    doorkeeper: Doorkeeper | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """The next one who may come in. Raises BlockingIOError when there is none, or when others in the program should have their turn."""
        for _ in range(AT_A_TURN):
            connection, address = super().accept()
            keeper, peer = self.doorkeeper, str(address[0])
            if keeper is None or (keeper.lets_in(peer) and keeper.hears(peer, _glanced_at(connection), counts=True)):
                return connection, address
            keeper.turn_away(connection)
        raise BlockingIOError


def _glanced_at(connection: socket.socket) -> bytes:
    """What has come over it already; it stays there."""
    try:
        return connection.recv(_GLANCE_BYTES, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except OSError:
        return b""


class Queue:
    """Where callers queue, held open from one configuration to the next: nobody is refused in between."""

    def __init__(self) -> None:
        self._address: tuple[str, int] | None = None
        self._held: socket.socket | None = None

    def at(self, host: str, port: int) -> Line:
        """The queue at an address; any other is given up."""
        if self._held is None or self._address != (host, port):
            self.close()
            self._held, self._address = _bound(host, port), (host, port)
        held = self._held.dup()
        return Line(held.family, held.type, held.proto, held.detach())

    def close(self) -> None:
        """Nobody queues any more."""
        if self._held is not None:
            self._held.close()
        self._held = self._address = None


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
