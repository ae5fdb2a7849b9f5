"""17hats' flows are down for a day, and the real daemon lives through it with the limits it has: a day of its clock passes, four hours at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time

from tests.e2e.later import FILE, later_s
from tests.e2e.test_bridge import PATIENCE_S, World, opened

STEP_S, DAY_S = 4 * 3_600, 24 * 3_600
KNOWN = [f"h{number}" for number in range(4)]
END = {
    # Name and telephone. Of h2, edited on both sides, each side's edit; of h3, whose name both changed, the source of truth's.
    "h0": ("H0", ""), "h1": ("Ours", "3"), "h2": ("Ours last", "2"), "h3": ("Ours wins", ""),
    "new": ("New", "1"), "theirs": ("Theirs", ""), "unheard": ("Unheard", ""),
}  # fmt: skip
PHONE = "+1202555010"


class Day(World):
    """A world whose clock a test moves on, the daemon's with it."""

    program = "tests.e2e.later"

    def __init__(self, folder: Path, sandbox) -> None:
        super().__init__(folder, sandbox)
        self.environ = {FILE: str(folder / "later")}

    def add(self, name: str, **more: str) -> None:
        self.ghl.create_as_user({"email": f"{name}@b.co", "firstName": name.title(), **more})

    def edit_here(self, name: str, **changes: str) -> None:
        (row,) = [row for row in self.ghl.contacts() if row["email"] == f"{name}@b.co"]
        self.ghl.edit_as_user(row["id"], changes)

    def edit_there(self, name: str, **changes: str) -> dict:
        (row,) = [row for row in self.hats.contacts() if row["email"] == f"{name}@b.co"]
        return dict(self.hats.edit_as_user(row["id"], changes))

    def ends(self, name: str) -> tuple:
        """What both sides show of everybody, in one spelling."""
        key = {"ghl": "firstName", "hats": "first_name"}[name]
        rows = {"ghl": self.ghl, "hats": self.hats}[name].contacts()
        return sorted((row["email"].partition("@")[0], (row[key], (row.get("phone") or "").removeprefix(PHONE))) for row in rows)

    async def told(self) -> dict:
        """What `syncd status` says."""
        return json.loads((await self.syncd("status", "--json"))[1])

    def polls(self) -> int:
        """How often GoHighLevel was listed."""
        return int(self.ghl.stats.requests["search-contacts"])

    async def pass_by(self, seconds: int, seen: Callable[[], int] | None = None) -> None:
        """Time passes, for everybody alike, and what the daemon does about it is seen at each step: two polls, and one more of what else is counted."""
        for _ in range(seconds // STEP_S):
            polls, goal, fresh = self.polls() + 2, 0 if seen is None else seen() + 1, self.folder / "later.new"
            fresh.write_text(str(later_s(self.folder / "later") + STEP_S))
            fresh.replace(self.folder / "later")
            await self.until(lambda: self.polls() >= polls and (seen is None or seen() >= goal))  # noqa: B023 - awaited at once


@asynccontextmanager
async def day(folder: Path) -> AsyncIterator[Day]:
    (folder / "later").write_text("0")
    async with opened(folder, clock=lambda: time() + later_s(folder / "later"), world=Day) as world:
        yield world


async def test_down_for_a_day(tmp_path: Path) -> None:
    """First the hooks accept and nothing runs, then they refuse; both sides are edited all the while. It is told, each repetition has its own
    name, and when the flows are back both sides show the same, nobody twice; what no flow ever told of, the exported file brings."""
    async with day(tmp_path) as world, world.daemon():
        mood, sender = world.hats.mood, world.hats.webhooks
        for name in KNOWN:
            world.hats.create_as_user({"email": f"{name}@b.co", "first_name": name.title(), "type": "Client", "is_company": False})
        await world.until(lambda: world.agree() and len(world.hats.contacts()) == len(KNOWN))
        url, sender.url = sender.url, None

        mood.asleep = True
        world.add("new", phone=PHONE + "1")
        world.edit_here("h1", firstName="Ours")
        world.edit_here("h2", firstName="Ours first")
        await world.until(lambda: len(world.hats.handed_off) == 3)
        await world.pass_by(DAY_S // 2, world.hats.handed_off.total)
        asleep = dict(world.hats.handed_off)
        status = await world.told()

        mood.asleep, mood.off = False, True
        late = [
            world.edit_there("h2", phone=PHONE + "2"),
            world.edit_there("h3", first_name="Theirs loses"),
            world.hats.create_as_user({"email": "theirs@b.co", "first_name": "Theirs", "type": "Client", "is_company": False}),
        ]
        world.hats.create_as_user({"email": "unheard@b.co", "first_name": "Unheard", "type": "Client", "is_company": False})
        world.edit_here("h2", firstName="Ours last")
        world.edit_here("h3", firstName="Ours wins")
        await world.pass_by(DAY_S // 2, lambda: world.hats.stats.statuses[410])
        async with asyncio.timeout(PATIENCE_S):
            while not any(each["kind"] == "bridge" for each in json.loads((await world.syncd("alerts", "list", "--json"))[1])):
                await asyncio.sleep(0.3)
        status_off, refused = await world.told(), world.hats.stats.statuses[410]

        sender.url = url
        mood.off = False
        woken = world.hats.wake()
        for row in late:
            sender.enqueue(world.hats.word("updated", row))
        world.edit_there("h1", phone=PHONE + "3")
        await world.pass_by(STEP_S)
        (tmp_path / "contacts.csv").write_text(
            "Email,First Name,Phone,Type\n" + "".join(f"{r['email']},{r['first_name']},{r['phone'] or ''},Client\n" for r in world.hats.contacts())
        )
        assert (await world.syncd("import", "hats17", "contacts", "contacts.csv", "--yes"))[0] == 0
        await world.until(lambda: world.ends("ghl") == world.ends("hats") == sorted(END.items()))
        async with asyncio.timeout(PATIENCE_S):
            while (after := await world.told())["writes"].keys() - {"done", "cancelled"}:
                await asyncio.sleep(0.3)
        written = world.hats.stats.writes_by_api, world.ghl.stats.writes_by_api
        await world.pass_by(2 * STEP_S)

    created = [each for each in world.hats.truth.since() if (each.actor, each.operation) == ("api", "create")]
    # Each hand-off was repeated under its own name, ever more rarely. (A create is looked for twice before.)
    assert (len(asleep), set(asleep.values()) <= {2, 3, 4, 5}) == (3, True)
    assert woken == sum(asleep.values())
    standing = status["collections"]["hats17/contacts"]
    assert (standing["not_acknowledged"], standing["unverified_since"] is not None) == (3, True)
    # Of h2 the earlier hand-off was overtaken, and of h3 there never was one.
    standing = status_off["collections"]["hats17/contacts"]
    assert (standing["not_acknowledged"], standing["not_accepted"]) == (2, 2)
    assert refused > 3
    assert len(created) == 1
    assert len(world.hats.contacts()) == len(world.ghl.contacts()) == len(END)
    assert (after["collections"]["hats17/contacts"]["not_acknowledged"], after["failures"], after["holds"]) == (0, 0, {})
    assert written == (world.hats.stats.writes_by_api, world.ghl.stats.writes_by_api)
