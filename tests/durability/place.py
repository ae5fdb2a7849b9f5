"""A world whose daemon listens on a port that no outgoing connection can take meanwhile.

The rule that keeps it true: ports come from below the range from which the kernel gives them to connections, and none comes twice.
It must not know: what happens in the world.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.world import World

_FIRST, _BEYOND = 20_000, 32_000
_turns = count(os.getpid())


@asynccontextmanager
async def opened(directory: Path, **choices: Any) -> AsyncIterator[World]:
    """A world as `World.open` gives it."""
    async with World.open(directory, **choices) as world:
        world.configuration.port = _port()
        world.configuration.write(world.sandbox)
        world.announce_to_daemon(on=world.webhooks)
        yield world


def _port() -> int:
    while True:
        port = _FIRST + next(_turns) % (_BEYOND - _FIRST)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
