"""A world of three: GoHighLevel, EmailOctopus and ActiveTrail around the same people, and the daemon in a process of its own.

`Trio.open` gives one; `converge` waits until all three agree and nothing more is written.
The rule that keeps it true: waiting is for something to become so, with a deadline; what a test asserts is read from the vendors.
It must not know: any single test.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from syncd.sandbox import ActiveTrailOptions, Applied, EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from tests.e2e.configuration import BOUNDLESS, Configuration
from tests.e2e.daemon import Daemon
from tests.e2e.oracle import by_api
from tests.e2e.world import free_port

DEADLINE_S = 40.0
IMPORTS = "Imports"
"""The group that an account keeps for imports, which is no tag."""
SIDES = ("ghl", "octopus", "trail")
LISTING = {"ghl": "search-contacts", "octopus": "list-contacts", "trail": "list-contacts"}
USUAL = {"source_of_truth": '"ghl"', "conflict": '"last_modified"', "delete": '"propagate"', "first_run": '"auto"'}
CONFIGURATION = """{connected}
[systems.trail]
kind = "activetrail"
base_url = "{trail[base_url]}"
token = {{ file = "trail-token" }}
webhook_secret = {{ file = "trail-hooks" }}
timeout_s = 1.0
calls_per_s = 10000
calls_per_s_max = 10000
allow_delete = true
{settings}

[syncs.people]
match = ["email"]
guards = {{ delete_grace = "500ms", deletes = {{ number = 100 }} }}
{sync}

[syncs.people.members]
ghl = {{ collection = "contacts" }}
octopus = {{ collection = "contacts", list = "{octopus[list_id]}"{octopus_archive} }}
trail = {{ collection = "contacts"{trail_archive} }}

[syncs.people.fields]
email = {{ type = "email", ghl = "email", octopus = "email_address", trail = "email" }}
first_name = {{ ghl = "firstName", octopus = "fields.FirstName", trail = "first_name" }}
last_name = {{ ghl = "lastName", octopus = "fields.LastName", trail = "last_name" }}
plan = {{ type = "choice", ghl = "custom.plan", octopus = "fields.Plan", trail = "custom.Plan", values = {{ gold = {{ octopus = "Gold" }}, silver = {{ octopus = "Silver" }}, free = {{ octopus = "Free" }} }} }}
tags = {{ type = "set", ghl = "tags", octopus = "tags", trail = "groups" }}
"""

Row = tuple[str, str, str, frozenset[str]]
"""First name, last name, plan, tags."""


@dataclass(slots=True, kw_only=True)
class Trio:
    """The three vendors and, when started, the daemon between them."""

    sandbox: Sandbox
    folder: Path
    port: int

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        trail: ActiveTrailOptions | None = None,
        daemon: dict[str, str] | None = None,
        sync: dict[str, str] | None = None,
        settings: str = "",
        archive: bool = False,
    ) -> AsyncIterator[Trio]:
        """A world with nobody in it. `settings` are lines of ActiveTrail's section; with `archive` its members have one."""
        options = SandboxOptions(
            ghl=GoHighLevelOptions(index_lag_s=0.2),
            octopus=EmailOctopusOptions(buffer_s=0.1, require_existing_tags=False),
            trail=trail or ActiveTrailOptions(),
            quotas=False,
        )
        async with Sandbox(options) as sandbox:
            trio = cls(sandbox=sandbox, folder=folder, port=free_port())
            trio._configure({**USUAL, **(sync or {})}, daemon or {}, settings, archive=archive)
            trio.announce(on=True)
            yield trio

    def vendor(self, side: str) -> Any:
        """One of the three."""
        return {"ghl": self.sandbox.ghl, "octopus": self.sandbox.octopus, "trail": self.sandbox.trail}[side]

    def announce(self, *, on: bool) -> None:
        """Whether the vendors send their webhooks to the daemon, or nowhere."""
        for side in SIDES:
            self.vendor(side).webhooks.url = f"http://127.0.0.1:{self.port}/hooks/{side}" if on else None

    # What people do.

    def make(self, side: str, name: str, **fields: Any) -> str:
        """Somebody adds a contact on one side; its id there."""
        return str(self.vendor(side).create_as_user(_spelt(side, {"email": email_of(name), "first": name, **fields}))["id"])

    def settle(self, name: str, *sides: str, **fields: Any) -> None:
        """Somebody has long been on these sides; on all three where none is named."""
        for side in sides or SIDES:
            spelt = _spelt(side, {"email": email_of(name), "first": name, **fields})
            self.vendor(side).seed(spelt, at=self.sandbox.options.clock() - 200 * 86_400)

    def edit(self, side: str, name: str, **changes: Any) -> None:
        """Somebody edits a contact on one side."""
        self.vendor(side).edit_as_user(self.id_of(side, name), _spelt(side, changes))

    def delete(self, side: str, name: str) -> None:
        """Somebody deletes a contact on one side."""
        self.vendor(side).delete_as_user(self.id_of(side, name))

    def id_of(self, side: str, name: str) -> str:
        """The id that a contact has on one side."""
        [found] = [row["id"] for row in self.vendor(side).contacts() if _email(side, row) == email_of(name)]
        return str(found)

    # What is there.

    def rows(self, side: str) -> dict[str, Row]:
        """Everybody on one side, in one spelling."""
        return {_email(side, row).partition("@")[0]: _plain(side, row) for row in self.vendor(side).contacts()}

    def together(self) -> dict[str, Row]:
        """Everybody, where all three agree; empty where they do not."""
        first, *others = (self.rows(side) for side in SIDES)
        alike = all(first == other for other in others) and self.doubled() == []
        return first if alike else {}

    def doubled(self) -> list[str]:
        """Addresses that one side has twice."""
        return [
            f"{side}: {email}"
            for side in SIDES
            for email, count in Counter(_email(side, row) for row in self.vendor(side).contacts()).items()
            if count > 1
        ]

    def mark(self) -> dict[str, int]:
        """This moment in the truth logs."""
        return {side: len(self.vendor(side).truth) for side in SIDES}

    def writes(self, since: dict[str, int], *sides: str) -> list[Applied]:
        """What was written through the APIs since a moment."""
        return [entry for side in sides or SIDES for entry in by_api(self.vendor(side).truth.since(since[side]))]

    # The daemon.

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """The daemon, ready, for the length of the block; it must then end well when told to."""
        daemon = Daemon(self.folder / "syncd.toml", self.port, self.folder / "daemon.log")
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

    async def until(self, seen: Callable[[], Any], what: str) -> Any:
        """Waits until `seen` gives something true, and returns that."""
        deadline = monotonic() + DEADLINE_S
        while not (found := seen()):
            assert monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}; {[self.rows(side) for side in SIDES]}; twice: {self.doubled()}"
            await asyncio.sleep(0.03)
        return found

    async def cycles(self, count: int = 3, sides: Iterable[str] = SIDES) -> None:
        """Waits for so many poll cycles of each of these sides."""
        goal = {side: self._polls(side) + count for side in sides}
        await self.until(lambda: all(self._polls(side) >= goal[side] for side in goal), f"{count} poll cycles")

    async def converge(self) -> dict[str, Row]:
        """Waits until all three agree and nothing more is written, and are then still agreed; what they agree on."""
        await self.until(self.together, "all three agree")
        deadline, before = monotonic() + DEADLINE_S, None
        while before != (before := self.mark()):
            assert monotonic() < deadline, f"still writing: {self.writes(dict.fromkeys(SIDES, 0))[-10:]}"
            await self.cycles(4)
        agreed = self.together()
        assert agreed, [self.rows(side) for side in SIDES]
        return agreed

    def _polls(self, side: str) -> int:
        # A cycle of EmailOctopus has three listings, one a status.
        return int(self.vendor(side).stats.requests[LISTING[side]]) // (3 if side == "octopus" else 1)

    def _configure(self, sync: dict[str, str], daemon: dict[str, str], settings: str, *, archive: bool) -> None:
        ghl, octopus, trail = (self.vendor(side).describe() for side in SIDES)
        two = Configuration(directory=self.folder, port=self.port, daemon={"full_pass": '"300ms"', **daemon}, systems=BOUNDLESS)
        two.keep_secret("trail-token", trail["token"])
        two.keep_secret("trail-hooks", trail["webhook_secret"])
        two.path.write_text(
            CONFIGURATION.format(
                connected=two.connected(ghl, octopus),
                octopus=octopus,
                trail=trail,
                sync=_lines(sync),
                settings=settings,
                octopus_archive=', archive = { status = "unsubscribed" }' if archive else "",
                trail_archive=", archive = { is_do_not_mail = true }" if archive else "",
            )
        )


def email_of(name: str) -> str:
    """Everybody's address follows from their name."""
    return f"{name.lower()}@example.com"


def _lines(table: dict[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in table.items())


def _spelt(side: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The plain fields as somebody types them there."""
    plan = fields.get("plan")
    if side == "ghl":
        names = {"email": "email", "first": "firstName", "last": "lastName", "tags": "tags"}
        custom = {"custom": {"plan": plan}} if "plan" in fields else {}
        return {names[name]: value for name, value in fields.items() if name in names} | custom
    if side == "trail":
        names = {"email": "email", "first": "first_name", "last": "last_name", "plan": "ext1", "tags": "groups"}
        return {names[name]: value for name, value in fields.items()}
    own = {"first": "FirstName", "last": "LastName", "plan": "Plan"}
    inner = {own[name]: value.capitalize() if name == "plan" else value for name, value in fields.items() if name in own}
    outer = {{"email": "email_address", "tags": "tags"}[name]: value for name, value in fields.items() if name not in own}
    return {**outer, **({"fields": inner} if "email" in fields else inner)}


def _email(side: str, row: dict[str, Any]) -> str:
    return str(row["email_address" if side == "octopus" else "email"]).lower()


def _plain(side: str, row: dict[str, Any]) -> Row:
    if side == "ghl":
        first, last, plan, tags = row.get("firstName"), row.get("lastName"), row["custom"].get("plan"), row.get("tags", [])
    elif side == "octopus":
        first, last, plan, tags = *(row["fields"].get(name) for name in ("FirstName", "LastName", "Plan")), row["tags"]
    else:
        first, last, plan, tags = row.get("first_name"), row.get("last_name"), row.get("ext1"), [each for each in row["groups"] if each != IMPORTS]
    return first or "", last or "", (plan or "").lower(), frozenset(tag.lower() for tag in tags)
