"""Orders to the shim that stands between a daemon and its disk and network, and the daemon that lives behind it.

`build` compiles `shim.c`; `Orders` is the page of numbers it obeys, to be read and written while the daemon lives; `Watched` is a daemon
started behind it.
The rule that keeps it true: the product has no hook for any of this; what is seen and done happens at the system's own calls.
It must not know: what a test wants to see.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from time import monotonic

from tests.e2e.daemon import ROOT, Daemon
from tests.e2e.world import World

NUMBERS = (
    "commits", "sends", "changes", "signal", "before_commit", "after_commit", "before_send", "after_send", "before_change",
    "write_error", "sync_error", "fail_after_send", "fail_before_change", "error", "refused",
)  # fmt: skip


def build(directory: Path) -> Path | None:
    """The shim, compiled; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = directory / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


class Orders:
    """The page of numbers in a file: what is counted, and what shall happen when."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def __getitem__(self, name: str) -> int:
        return int(struct.unpack_from("q", self._page, 8 * NUMBERS.index(name))[0])

    def __setitem__(self, name: str, number: int) -> None:
        struct.pack_into("q", self._page, 8 * NUMBERS.index(name), number)

    def end_at(self, moment: str, count: int, number: signal.Signals = signal.SIGKILL) -> None:
        """From here on counted anew: the daemon sends itself a signal at the so-manyth of a moment."""
        self.forget()
        self["signal"] = number
        self[moment] = count

    def forget(self) -> None:
        """No orders, nothing counted."""
        for name in NUMBERS:
            self[name] = 0

    def fail(self, *, writes: int = 0, syncs: int = 0) -> None:
        """From here on every change, or every sync, of the state directory ends in this errno."""
        self.forget()
        self["write_error"], self["sync_error"] = writes, syncs

    def fail_at(self, moment: str, count: int, error: int) -> None:
        """From here on counted anew: at the so-manyth of a moment every change of the state directory begins to end in this errno."""
        self.forget()
        self["error"] = error
        self[moment] = count


class Watched(Daemon):
    """A daemon behind the shim. `program` are Python's arguments before the daemon's own."""

    def __init__(
        self,
        world: World,
        library: Path,
        orders: Orders,
        *,
        log: Path | None = None,
        trace: Path | None = None,
        program: tuple[str, ...] = ("-m", "syncd"),
    ) -> None:
        chosen = world.configuration
        super().__init__(chosen.path, chosen.port, log or chosen.directory / "daemon.log")
        self._command = [sys.executable, *program, "run", "-c", str(chosen.path)]
        self._environ = {
            "LD_PRELOAD": str(library),
            "SHIM_DIRECTORY": str(chosen.state),
            "SHIM_ORDERS": str(orders.path),
            **({} if trace is None else {"SHIM_TRACE": str(trace)}),
        }

    async def start(self, *, wait: bool = True) -> None:
        """Starts the process and, unless told otherwise, waits until it says it is ready."""
        started = monotonic()
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **self._environ}
        with self._log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=file, stderr=file, stdin=asyncio.subprocess.DEVNULL, env=environ
            )
        if wait:
            await self.wait_ready()
            self.ready_after_s = monotonic() - started
