"""What every demo stands on: a directory for its files, and an end that comes when somebody wants it.

The rule that keeps it true: a directory that was not asked for is gone afterwards, and a signal ends what is shown, in order.
It must not know: what is shown.
"""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from syncd.core.errors import UserError
from syncd.sandbox.options import LOOPBACK

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stage_directory(keep: Path | None) -> Iterator[Path]:
    """Where the daemon's files lie: a place that goes away, or the one that was asked for."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="syncd-demo-") as name:
            yield Path(name)
        return
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise UserError(f"{keep} is not empty", hint="name a directory that is empty or does not exist yet")
    except OSError as error:
        raise UserError(f"{keep} cannot be used: {error.strerror}", hint="name a directory you may write to") from error
    yield keep.absolute()


async def until_stopped(act: Callable[[], Awaitable[None]]) -> bool:
    """Acts until it is over or a signal comes; whether it came to its end. A second signal changes nothing: stopping is under way."""
    async with anyio.create_task_group() as tasks:
        stage = anyio.CancelScope()

        async def watch() -> None:
            with anyio.open_signal_receiver(*_ENDING) as signals:
                async for _ in signals:
                    stage.cancel()

        tasks.start_soon(watch)
        with stage:
            await act()
        tasks.cancel_scope.cancel()
    if stage.cancelled_caught:
        # The process ends now, and takes a moment to: whoever signals again then would kill it.
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
    return not stage.cancelled_caught


def write_secret(path: Path, secret: str) -> None:
    """A file that only we may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(secret + "\n", encoding="utf-8")


def free_port() -> int:
    """A port nobody uses now. The daemon keeps it over a restart, so that the webhooks still find it."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])
