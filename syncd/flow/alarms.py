"""Alerting: notices what needs a person, has every channel told of it, and of its end.

The rule that keeps it true: a notice is kept before it is told, and kept as told only after that, so each is told at least once; while
nothing can be committed they are kept in mind, so that this very thing is told too.
It must not know: what the conditions are, or how a channel tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import anyio

from syncd.config import AlertSettings
from syncd.connectors.quota import Quota
from syncd.core.alert import About, Condition, Notice, due_at, is_forgotten, meet, told
from syncd.core.errors import StoreError
from syncd.core.record import SystemName
from syncd.core.retry import delay
from syncd.flow.channels import NotTold, channels_of, message_of, tell
from syncd.flow.conditions import conditions
from syncd.flow.engine import Engine
from syncd.store import alerts as notices

LOOK_S = 2.0
"""How often it is looked whether there is anything to tell."""


async def alert_forever(engine: Engine, quotas: Mapping[SystemName, Quota], settings: AlertSettings) -> None:
    """Tells what there is to tell, until cancelled."""
    teller = Teller(engine, settings)
    await teller.remember()
    while True:
        await teller.turn(await engine.database.read(lambda tx: conditions(engine, tx, quotas, settings.drift_after)))
        await anyio.sleep(LOOK_S)


class Teller:
    """What the channels know, and have yet to be told."""

    def __init__(self, engine: Engine, settings: AlertSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._known: dict[About, Notice] = {}
        self._unkept: set[About] = set()

    async def remember(self) -> None:
        """Takes up what is kept. Of a channel that is not configured any more nothing is left to tell."""
        kept = await self._engine.database.read(notices.load)
        self._known = {about: each for about, each in kept.items() if about.channel in channels_of(self._settings)}
        if lost := kept.keys() - self._known.keys():
            await self._engine.database.write(lambda tx: notices.forget(tx, lost))

    async def turn(self, now_so: Iterable[Condition]) -> None:
        """Notes what is so now, and tells what is due."""
        now = self._engine.clock.now()
        await self._keep(meet(self._known, channels_of(self._settings), now_so, now, self._settings.every).values())
        for notice in list(self._known.values()):
            due = due_at(notice, self._settings.every)
            if due is not None and due <= now:
                await self._tell(notice)
            elif due is None and is_forgotten(notice, now):
                await self._forget(notice.about)

    async def _tell(self, notice: Notice) -> None:
        now = self._engine.clock.now()
        try:
            await tell(notice.about.channel, message_of(notice), self._settings, self._engine.log, now)
        except NotTold as error:
            attempts = notice.attempts + 1
            self._engine.log.warning("alert.not_told", channel=notice.about.channel, kind=notice.about.kind, reason=str(error), attempt=attempts)
            retry_at = now + delay(attempts, spread=self._engine.random.random())
            await self._keep([replace(notice, attempts=attempts, retry_at=retry_at)])
        else:
            await self._keep([told(notice, now)])

    async def _keep(self, changed: Iterable[Notice]) -> None:
        """Keeps notices; while that is not possible they are kept in mind, and kept once it is."""
        fresh = {each.about: each for each in changed}
        self._known |= fresh
        self._unkept |= fresh.keys()
        if not self._unkept or self._engine.database.trouble is not None:
            # The database itself tries whether it can be written again.
            return
        owed = [self._known[about] for about in self._unkept]
        try:
            await self._engine.database.write(lambda tx: notices.save(tx, owed))
        except StoreError:
            return
        self._unkept.clear()

    async def _forget(self, about: About) -> None:
        del self._known[about]
        self._unkept.discard(about)
        await self._engine.database.write(lambda tx: notices.forget(tx, [about]))
