"""The demo's daemon: the real one, as a process of its own.

The rule that keeps it true: however the block ends, no child is left behind.
It must not know: what the daemon is there for.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import ClientError, ClientSession, ClientTimeout
from anyio.abc import Process

from syncd.cli.text import safe
from syncd.core.errors import UserError

READY_S = 20.0
STOP_S = 8.0
_LAST_LINES = 5


class Daemon:
    """`syncd run` as a child. Made by `running`."""

    def __init__(self, config: Path, url: str, log: Path) -> None:
        self._command = [sys.executable, "-m", "syncd", "run", "-c", str(config), "--log-format", "json"]
        self._url = url
        self._log = log
        self._process: Process | None = None

    async def start(self) -> None:
        """Starts it and waits until it says that it is ready. Raises UserError where it does not."""
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for us, and we stop it in order.
            self._process = await anyio.open_process(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        with anyio.move_on_after(READY_S):
            async with ClientSession(timeout=ClientTimeout(total=2)) as client:
                while not await self._says_ready(client):
                    self.check()
                    await anyio.sleep(0.05)
            return
        raise UserError(f"syncd is not ready after {READY_S:.0f} s", hint="look at its last lines", problems=self._last_lines())

    def check(self) -> None:
        """Raises UserError when it has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            what = f"syncd ended by itself with code {self._process.returncode}"
            raise UserError(what, hint="these were its last lines", problems=self._last_lines())

    async def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Asks it to stop, and makes sure that it does."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(STOP_S):
            await process.wait()
        if process.returncode is None:
            await self.kill()

    async def _says_ready(self, client: ClientSession) -> bool:
        try:
            async with client.get(f"{self._url}/readyz") as answer:
                return answer.status == 200
        except (ClientError, TimeoutError, OSError):
            return False

    def _last_lines(self) -> list[str]:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [safe(line) for line in lines[-_LAST_LINES:]]


@asynccontextmanager
async def running(config: Path, url: str, log: Path) -> AsyncIterator[Daemon]:
    """The daemon, ready, for the length of the block."""
    daemon = Daemon(config, url, log)
    try:
        await daemon.start()
        yield daemon
    finally:
        with anyio.CancelScope(shield=True):
            await daemon.stop()
