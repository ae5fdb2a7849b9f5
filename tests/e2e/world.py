"""A world: both vendors in this process, the daemon in its own, and eyes on the vendors.

`World.open` gives one; `daemon` starts the daemon in it; `converge` waits until the vendors agree and nothing more is written.
The rule that keeps it true: waiting is for something to become so, with a deadline, and never for a time to pass; what a test
asserts is read from the vendors. Only holds and failures, which are for persons to read, come from the daemon's store.
It must not know: any single test.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from time import monotonic, time_ns
from typing import Any

from syncd.core.outcome import HoldKind
from syncd.sandbox import Applied, EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.names import Person, invent
from syncd.sandbox.people import ghl_fields, octopus_fields
from syncd.store import control, holds, journal, outbox, visiting, writes
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState
from syncd.store.journal import Entry
from tests.e2e.configuration import BOUNDLESS, Configuration
from tests.e2e.daemon import Daemon
from tests.e2e.oracle import by_api, disagreements

DEADLINE_S = 40.0
QUIET_CYCLES = 3
GHL = GoHighLevelOptions(index_lag_s=0.2)
OCTOPUS = EmailOctopusOptions(buffer_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment in both truth logs."""

    ghl: int
    octopus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Someone:
    """A person and their ids; one is empty where they are on one side only."""

    person: Person
    ghl: str = ""
    octopus: str = ""

    @property
    def email(self) -> str:
        """Their address when the world began."""
        return self.person.email


@dataclass(slots=True, kw_only=True)
class World:
    """Both vendors and, when started, the daemon between them."""

    sandbox: Sandbox
    configuration: Configuration
    random: Random = field(default_factory=lambda: Random(7))
    webhooks: bool = True
    _numbers: int = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        directory: Path,
        *,
        daemon: dict[str, str] | None = None,
        sync: dict[str, str] | None = None,
        ghl: GoHighLevelOptions = GHL,
        octopus: EmailOctopusOptions = OCTOPUS,
        systems: dict[str, str] | None = None,
        webhooks: bool = True,
        timeout_s: float = 1.0,
        more: str = "",
    ) -> AsyncIterator[World]:
        """A world with nobody in it. `daemon`, `sync` and `systems` change settings, written as TOML; `more` is added to them.

        The vendors have no quotas, unless `systems` says what the daemon shall believe of them (an empty text: the usual).
        """
        async with Sandbox(SandboxOptions(ghl=ghl, octopus=octopus, quotas=systems is not None)) as sandbox:
            configuration = Configuration(
                directory=directory,
                port=free_port(),
                daemon=daemon or {},
                sync=sync or {},
                systems=systems or ({} if systems is not None else BOUNDLESS),
                timeout_s=timeout_s,
                more=more,
            )
            configuration.write(sandbox)
            world = cls(sandbox=sandbox, configuration=configuration, webhooks=webhooks)
            world.announce_to_daemon(on=webhooks)
            yield world

    def announce_to_daemon(self, *, on: bool) -> None:
        """Whether the vendors send their webhooks to the daemon, or nowhere."""
        base = f"http://127.0.0.1:{self.configuration.port}/hooks"
        self.sandbox.ghl.webhooks.url = f"{base}/ghl" if on else None
        self.sandbox.octopus.webhooks.url = f"{base}/octopus" if on else None

    # Who is there.

    def invent(self, **changes: Any) -> Person:
        """A new person, nowhere yet; with a plan and one tag unless told otherwise."""
        self._numbers += 1
        return replace(invent(self.random, 5_000 + self._numbers), **{"plan": "gold", "tags": ("customer",), **changes})

    def settle(self, *sides: str, **changes: Any) -> Someone:
        """A new person who has long been on these sides (both where none is named)."""
        person, sides = self.invent(**changes), sides or ("ghl", "octopus")
        long_ago = self.sandbox.options.clock() - 86_400
        return Someone(
            person=person,
            ghl=self.sandbox.ghl.seed(ghl_fields(person), at=long_ago)["id"] if "ghl" in sides else "",
            octopus=self.sandbox.octopus.seed(octopus_fields(person), at=long_ago)["id"] if "octopus" in sides else "",
        )

    def settle_many(self, count: int) -> list[Someone]:
        """So many people, alike on both sides."""
        return [self.settle() for _ in range(count)]

    def ghl(self, contact_id: str) -> dict[str, Any]:
        """A GoHighLevel contact as it truly is."""
        return next(row for row in self.sandbox.ghl.contacts() if row["id"] == contact_id)

    def octopus(self, contact_id: str) -> dict[str, Any]:
        """An EmailOctopus contact as it truly is."""
        return next(row for row in self.sandbox.octopus.contacts() if row["id"] == contact_id)

    def ghl_by_email(self, email: str) -> list[dict[str, Any]]:
        """All GoHighLevel contacts with this address."""
        return [row for row in self.sandbox.ghl.contacts() if row.get("email", "").lower() == email.lower()]

    def octopus_by_email(self, email: str) -> list[dict[str, Any]]:
        """All EmailOctopus contacts with this address."""
        return [row for row in self.sandbox.octopus.contacts() if row["email_address"].lower() == email.lower()]

    # The daemon.

    def new_daemon(self) -> Daemon:
        """A daemon that is not started yet."""
        return Daemon(self.configuration.path, self.configuration.port, self.configuration.directory / "daemon.log")

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """The daemon, ready, for the length of the block; it must then end well when told to."""
        daemon = self.new_daemon()
        try:
            await daemon.start()
            yield daemon
        except BaseException:
            if daemon.running:
                await daemon.kill()
            print(daemon.tail(60))
            raise
        code, _ = await daemon.stop()
        assert code == 0, daemon.tail()

    # Waiting and seeing.

    async def until(self, seen: Callable[[], Any], what: str, *, within_s: float = DEADLINE_S) -> Any:
        """Waits until `seen` gives something true, and returns that."""
        deadline = monotonic() + within_s
        while not (found := seen()):
            assert monotonic() < deadline, f"not within {within_s:g} s: {what}"
            await asyncio.sleep(0.03)
        return found

    def polls(self) -> int:
        """How many times both vendors have been polled, whichever was polled less."""
        return min(
            self.sandbox.ghl.stats.requests["search-contacts"], self.sandbox.octopus.stats.requests["list-contacts"] // 3
        )

    async def cycles(self, count: int = 3) -> None:
        """Waits for so many poll cycles."""
        goal = self.polls() + count
        await self.until(lambda: self.polls() >= goal, f"{count} poll cycles")

    async def seconds(self, count: float) -> None:
        """Lets time pass where time itself is what matters: vendors' clocks, rates. Never used to wait for something to be so."""
        await asyncio.sleep(count)

    async def rest(self, *, within_s: float = DEADLINE_S) -> None:
        """Waits until no vendor has been written to for some poll cycles."""
        deadline = monotonic() + within_s
        before = None
        while before != (before := self.mark()):
            assert monotonic() < deadline, f"still writing after {within_s:g} s: {self.writes(Mark(ghl=0, octopus=0))[-10:]}"
            await self.cycles(QUIET_CYCLES)

    async def quiet_for(self, seconds: float, *, within_s: float = DEADLINE_S) -> None:
        """Waits until no vendor has been written to for a while: for where there are no poll cycles to count."""
        deadline = monotonic() + within_s
        before = None
        while before != (before := self.mark()):
            assert monotonic() < deadline, f"still writing after {within_s:g} s"
            await asyncio.sleep(seconds)

    def webhooks_pending(self) -> int:
        """Webhooks that the vendors have not delivered yet."""
        return self.sandbox.ghl.webhooks.pending + self.sandbox.octopus.webhooks.pending

    async def agree(self, *, apart: Iterable[str] = (), within_s: float = DEADLINE_S) -> None:
        """Waits until the vendors agree on everybody but those `apart`."""
        apart = list(apart)
        deadline = monotonic() + within_s
        while found := disagreements(self.sandbox, apart):
            assert monotonic() < deadline, f"not agreed within {within_s:g} s: {found[:12]} ({len(found)} in all)"
            await asyncio.sleep(0.05)

    async def converge(self, *, apart: Iterable[str] = (), within_s: float = DEADLINE_S) -> None:
        """Waits until the vendors agree and nothing more is written, and makes sure that they then still agree."""
        apart = list(apart)
        await self.agree(apart=apart, within_s=within_s)
        await self.rest(within_s=within_s)
        self.assert_agree(apart)

    def assert_agree(self, apart: Iterable[str] = ()) -> None:
        """The vendors agree on everybody but those `apart`."""
        assert disagreements(self.sandbox, apart) == []

    def mark(self) -> Mark:
        """This moment in the truth logs."""
        return Mark(ghl=len(self.sandbox.ghl.truth), octopus=len(self.sandbox.octopus.truth))

    def writes(self, since: Mark, side: str = "both") -> list[Applied]:
        """What was written through the APIs since a moment."""
        found: list[Applied] = []
        if side in ("both", "ghl"):
            found += by_api(self.sandbox.ghl.truth.since(since.ghl))
        if side in ("both", "octopus"):
            found += by_api(self.sandbox.octopus.truth.since(since.octopus))
        return found

    # What waits for a person.

    def holds(self, *kinds: HoldKind) -> list[Held]:
        """The open holds, of these kinds where any is named."""
        found = self._look(lambda tx: holds.select(tx, [HoldState.OPEN], 10_000))
        return [held for held in found if not kinds or held.kind in kinds]

    async def held(self, *kinds: HoldKind, within_s: float = DEADLINE_S) -> list[Held]:
        """Waits for a hold of one of these kinds."""
        found: list[Held] = await self.until(lambda: self.holds(*kinds), f"a hold of {kinds}", within_s=within_s)
        return found

    def failures(self) -> list[outbox.Owed]:
        """The writes that were given up."""
        return self._look(lambda tx: writes.select(tx, [outbox.State.DEAD]))

    def journal(self) -> list[Entry]:
        """Everything that is told in the journal."""
        found: list[Entry] = self._look(lambda tx: journal.after(tx, 0, 100_000))
        return found

    async def answer(self, held: Held, choice: str) -> str:
        """Answers a hold as `syncd holds` does, and waits until the daemon has taken the answer."""
        return await self._ask("hold", {"hold": held.id, "choice": choice})

    async def retry_failures(self) -> str:
        """Asks for all failed writes to be tried again, as `syncd failures retry` does."""
        return await self._ask("failures", {"ids": [], "choice": "retry"})

    async def _ask(self, kind: str, arguments: dict[str, Any]) -> str:
        number = visiting.leave(self._store, lambda tx: control.ask(tx, kind, arguments, time_ns() // 1_000))
        request = await self.until(
            lambda: (found := self._look(lambda tx: control.get_request(tx, number)))
            and found.state in ("done", "failed")
            and found,
            f"an answer to {kind} {arguments}",
        )
        assert request.state == "done", request.result
        return str(request.result["said"])

    @property
    def _store(self) -> Path:
        return self.configuration.state / "syncd.db"

    def _look(self, job: Callable[[Connection], Any]) -> Any:
        with visiting.reading(self._store) as read:
            return read(job)


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(10_000 + 1_000 * _WORKER, 11_000 + 1_000 * _WORKER))


def free_port() -> int:
    """A port for a daemon: below those that the system hands out by itself, and apart from those of tests that run beside."""
    for port in _ports:
        with closing(socket.socket()) as taken, contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")
