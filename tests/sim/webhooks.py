"""The vendors' webhooks: what they announce, how often, how late, in what order, and how long they try.

A delivery is verified by the connector and stored by the listener's own function; what was not acknowledged is delivered again.
The rule that keeps it true: a delivery counts as acknowledged only when the listener answered 2xx.
It must not know: what an event leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from syncd.connectors.base import WebhookRefused
from syncd.flow.listen import _store
from tests.sim.connector import sign
from tests.sim.loop import in_life
from tests.sim.vendor import Rec, Vendor, Version

if TYPE_CHECKING:
    from tests.sim.world import World

TRIES = 12


class Webhooks:
    """All deliveries of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[tuple[str, bytes]] = []
        self.acknowledged: list[tuple[str, str, float]] = []
        self.waiting = 0
        self._strangers = 0
        for vendor in world.vendors.values():
            vendor.on_news = lambda rec, version, vendor=vendor: self._announce(vendor, rec, version)

    def told_of(self, system: str, change: str) -> dict[str, str]:
        """Whatever a system told of such a change: about which record, by the keys of the deliveries."""
        rows = [orjson.loads(body) for name, body in self.sent if name == system]
        return {row["key"]: row["id"] for row in rows if row["change"] == change}

    def again(self, copies: int = 1, *, new_keys: bool = False) -> None:
        """Everything that was ever sent is sent once more."""
        for number in range(copies):
            for index, (system, body) in enumerate(list(self.sent)):
                if new_keys:
                    row = orjson.loads(body)
                    row["key"] = f"{row['key']} again {number}"
                    body = orjson.dumps(row)  # noqa: PLW2901
                self._deliver(system, body, {"signature": sign(body)}, 0.01 * (index % 3 + 1))

    def _announce(self, vendor: Vendor, rec: Rec, version: Version) -> None:
        world, habits = self.world, vendor.habits
        if habits.webhooks == "none" or not world.started or world.options.get("no_hooks"):
            return
        roll = lambda kind: world.faults.roll(kind, vendor.name)  # noqa: E731
        full = habits.webhooks == "full"
        row: dict[str, Any] = {
            "key": f"{vendor.name} {version.seq}",
            "id": rec.id,
            "change": "deleted" if version.fields is None else "changed",
            "fields": vendor.fields_of(version) if version.fields is not None and (full or version.seq % 2) else None,
            "at": vendor.clock(version.at) if habits.modified_time or full else None,
        }
        if roll("hook_disabled"):
            vendor.hooks_off = True
        if vendor.hooks_off or roll("hook_lost"):
            return
        if row["fields"] is not None and not full and roll("hook_lies"):
            row["fields"] = {**row["fields"], "name": "v0 a lie", "tags": ["t0"]}
        delay = 0.05 + world.rng.random() * 0.5
        for kind in ("hook_late", "hook_order"):
            if (hit := roll(kind)) is not None:
                delay += hit.amount * world.rng.random()
        body = orjson.dumps(row)
        copies = world.options.get("copies", 1)
        for number in range(copies):
            self._send(vendor.name, body, delay + number * 0.3)
        if roll("hook_dup"):
            self._send(vendor.name, body, delay + world.rng.random() * 30)
        if roll("hook_dup_new"):
            self._send(vendor.name, orjson.dumps({**row, "key": f"{row['key']} twin"}), delay + world.rng.random() * 30)
        if roll("hook_burst"):
            for number in range(30):
                self._send(vendor.name, orjson.dumps({**row, "key": f"{row['key']} burst {number}"}), delay)
        if roll("hook_forged"):
            forged = orjson.dumps({**row, "key": f"{row['key']} forged", "fields": {"name": "v0 a forgery"}})
            self._deliver(vendor.name, forged, {"signature": "00"}, delay)
            self._deliver(vendor.name, forged, {}, delay)
        if not full and roll("hook_stranger"):
            self._strangers += 1
            self._send(vendor.name, orjson.dumps({**row, "key": f"stranger {self._strangers}", "id": f"x{self._strangers}"}), delay)

    def _send(self, system: str, body: bytes, delay: float) -> None:
        self.sent.append((system, body))
        self._deliver(system, body, {"signature": sign(body)}, delay)

    def _deliver(self, system: str, body: bytes, headers: Mapping[str, str], delay: float, tried: int = 0) -> None:
        self.waiting += 1
        self.world.later(delay, lambda: self._knock(system, body, headers, tried))

    def _knock(self, system: str, body: bytes, headers: Mapping[str, str], tried: int) -> None:
        process = self.world.process
        self.waiting -= 1
        if process.engine is None:
            self._retry(system, body, headers, tried)
            return
        answered: list[int] = []
        task = self.world.loop.create_task(self._receive(process.engine, system, body, headers, answered), context=in_life(process.life))
        self.world.keep(task)

        def look() -> None:
            if not answered or answered[0] >= 500:
                self._retry(system, body, headers, tried)

        self.world.later(20.0, look)

    def _retry(self, system: str, body: bytes, headers: Mapping[str, str], tried: int) -> None:
        if tried < TRIES:
            self._deliver(system, body, headers, 30.0 * (tried + 1), tried + 1)

    async def _receive(self, engine: Any, system: str, body: bytes, headers: Mapping[str, str], answered: list[int]) -> None:
        events = engine.connectors[system].receive(headers, body, engine.clock.now())
        if isinstance(events, WebhookRefused):
            self.world.hits["webhook refused"] += 1
            answered.append(401)
            return
        response = await _store(engine, system, events)
        answered.append(response.status)
        if response.status == 200:
            self.acknowledged.extend((system, event.dedupe_key, self.world.loop.vt) for event in events)
