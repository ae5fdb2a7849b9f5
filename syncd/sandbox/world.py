"""The sandbox itself: both vendors, started and stopped together.

`async with Sandbox(options) as sandbox:` gives two running vendors on the loopback address.

Rule: everything random comes from the one seed, and leaving the block leaves no task and no socket behind.

It must not know what anybody does with the vendors.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Any, Self

from syncd.sandbox.emailoctopus import EmailOctopus
from syncd.sandbox.gohighlevel import GoHighLevel
from syncd.sandbox.options import SandboxOptions


class Sandbox:
    """Two emulated vendors."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        seed, clock, quotas = self.options.seed, self.options.clock, self.options.quotas
        left, right = Random(f"{seed}/gohighlevel"), Random(f"{seed}/emailoctopus")  # noqa: S311 - repeatable on purpose
        self.ghl = GoHighLevel(self.options.ghl, clock=clock, quotas=quotas, random=left)
        self.octopus = EmailOctopus(self.options.octopus, clock=clock, quotas=quotas, random=right)
        self._started = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for vendor in (self.ghl, self.octopus):
            self._started.push_async_callback(vendor.stop)
            await vendor.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._started.aclose()

    def describe(self) -> dict[str, Any]:
        """What callers need to connect to both, as JSON-able values."""
        return {self.ghl.name: self.ghl.describe(), self.octopus.name: self.octopus.describe()}
