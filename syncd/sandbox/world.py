"""The sandbox itself: its vendors, started and stopped together.

`async with Sandbox(options) as sandbox:` gives the running vendors on the loopback address: two, and ActiveTrail and a system
behind flows where they were asked for.

Rule: everything random comes from the one seed, and leaving the block leaves no task and no socket behind.

It must not know what anybody does with the vendors.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Any, Self

from syncd.sandbox.activetrail import ActiveTrail
from syncd.sandbox.bridge import Bridge
from syncd.sandbox.emailoctopus import EmailOctopus
from syncd.sandbox.gohighlevel import GoHighLevel
from syncd.sandbox.options import SandboxOptions
from syncd.sandbox.vendor import Vendor


class Sandbox:
    """The emulated vendors."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        seed, clock, quotas = self.options.seed, self.options.clock, self.options.quotas
        left, right = Random(f"{seed}/gohighlevel"), Random(f"{seed}/emailoctopus")  # noqa: S311 - repeatable on purpose
        self.ghl = GoHighLevel(self.options.ghl, clock=clock, quotas=quotas, random=left)
        self.octopus = EmailOctopus(self.options.octopus, clock=clock, quotas=quotas, random=right)
        self._trail: ActiveTrail | None = None
        if self.options.trail is not None:
            third = Random(f"{seed}/activetrail")  # noqa: S311 - repeatable on purpose
            self._trail = ActiveTrail(self.options.trail, clock=clock, quotas=quotas, random=third)
        self._bridge: Bridge | None = None
        if self.options.bridge is not None:
            fourth = Random(f"{seed}/bridge")  # noqa: S311 - repeatable on purpose
            self._bridge = Bridge(self.options.bridge, clock=clock, random=fourth)
        self._started = AsyncExitStack()

    @property
    def trail(self) -> ActiveTrail:
        """ActiveTrail, which must have been asked for."""
        assert self._trail is not None, "the sandbox was opened without ActiveTrail"
        return self._trail

    @property
    def bridge(self) -> Bridge:
        """The system behind flows, which must have been asked for."""
        assert self._bridge is not None, "the sandbox was opened without a system behind flows"
        return self._bridge

    @property
    def vendors(self) -> list[Vendor]:
        """All that are there."""
        return [self.ghl, self.octopus, *(each for each in (self._trail, self._bridge) if each is not None)]

    async def __aenter__(self) -> Self:
        for vendor in self.vendors:
            self._started.push_async_callback(vendor.stop)
            await vendor.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._started.aclose()

    def describe(self) -> dict[str, Any]:
        """What callers need to connect to each, as JSON-able values."""
        return {vendor.name: vendor.describe() for vendor in self.vendors}
