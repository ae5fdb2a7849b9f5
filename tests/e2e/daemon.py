"""The daemon as a process: started, asked whether it is ready, told to stop, killed.

The rule that keeps it true: everything known of it comes from outside: its exit code, its log, its answers over HTTP.
It must not know: what it is given to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 20.0


class Daemon:
    """One life of the daemon. Its log is appended to a file that outlives it."""

    def __init__(self, config: Path, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._config, self._log = config, log
        self._log_from = log.stat().st_size if log.exists() else 0
        self._process: asyncio.subprocess.Process | None = None
        self.ready_after_s = 0.0

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> list[dict[str, Any]]:
        """What this life has logged, line by line; what is no JSON stands under ``text``."""
        with self._log.open("rb") as file:
            file.seek(self._log_from)
            return [_line(line) for line in file.read().decode(errors="replace").splitlines()]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in self.log if line.get("event") == event]

    async def start(self, *, wait: bool = True) -> None:
        """Starts the process and, unless told otherwise, waits until it says it is ready."""
        started = monotonic()
        command = [sys.executable, "-m", "syncd", "run", "-c", str(self._config)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        with self._log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=file, stderr=file, stdin=asyncio.subprocess.DEVNULL, env=environ
            )
        if wait:
            await self.wait_ready()
            self.ready_after_s = monotonic() - started

    async def wait_ready(self) -> None:
        """Returns when the daemon answers that it is ready; fails when it ends before."""
        async with ClientSession(timeout=ClientTimeout(total=2)) as session, asyncio.timeout(READY_S):
            while True:
                assert self.running, f"the daemon ended: {self.tail()}"
                try:
                    async with session.get(f"{self.url}/readyz") as response:
                        if response.status == 200:
                            return
                except (ClientError, OSError):
                    pass
                await asyncio.sleep(0.02)

    async def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        started = monotonic()
        code = await self._end(signal.SIGTERM)
        return code, monotonic() - started

    async def kill(self) -> None:
        """SIGKILL."""
        await self._end(signal.SIGKILL)

    def reload(self) -> None:
        """SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def tail(self, count: int = 15) -> str:
        """The last lines of the log, for the message of a failing test."""
        return "\n".join(json.dumps(line) for line in self.log[-count:])

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self.running:
            self._process.send_signal(number)
        async with asyncio.timeout(20):
            return await self._process.wait()


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {"text": text}
    return line if isinstance(line, dict) else {"text": text}
