"""The GoHighLevel connector: the collections of one location.

Hands each call to the keeper of its collection; webhooks are one for all.
The rule that keeps it true: what one collection can do is said by its own keeper, and nothing here knows one from another.
It must not know: syncs, hub fields, or what its records are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.connectors.base import Capabilities, Created, Event, Exists, Page, Schema, Skew, Update, WebhookRefused
from syncd.connectors.gohighlevel.contact_keeper import CONTACTS, ContactKeeper
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.keeper import Keeper
from syncd.connectors.gohighlevel.location import Location
from syncd.connectors.gohighlevel.search import Search
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings, known_values
from syncd.connectors.gohighlevel.webhooks import Webhooks
from syncd.connectors.http import Session
from syncd.core.errors import ConnectorError
from syncd.core.record import CollectionName, Json, Micros, Record, Ref, SystemName


class GoHighLevel:
    """One location."""

    def __init__(self, system: SystemName, settings: GoHighLevelSettings, session: Session) -> None:
        self.system = system
        self._session = session
        self._webhooks = Webhooks(system, settings)
        self._location = Location(settings.location_id, session)
        search, known = Search(settings.location_id, session), known_values(settings)
        self._keepers: Mapping[CollectionName, Keeper | ContactKeeper] = {
            CONTACTS: ContactKeeper(system, session, self._location, search),
            **{each.name: Keeper(each, system, session, self._location, search, known) for each in COLLECTIONS.values()},
        }

    def capabilities(self, collection: CollectionName) -> Capabilities:
        return self._of(collection).capabilities()

    async def discover(self, collection: CollectionName) -> Schema:
        return await self._of(collection).discover()

    async def page(self, collection: CollectionName, *, token: Json | None = None, since: Micros | None = None) -> Page:
        return await self._of(collection).page(token=token, since=since)

    async def get(self, ref: Ref) -> Record | None:
        return await self._of(ref.collection).get(ref)

    async def find(self, collection: CollectionName, path: str, value: Json) -> Sequence[Record]:
        return await self._of(collection).find(path, value)

    async def create(self, collection: CollectionName, fields: Mapping[str, Json]) -> Created | Exists:
        return await self._of(collection).create(fields)

    async def update(self, updates: Sequence[Update]) -> Sequence[Record | ConnectorError]:
        """One by one: an update is a call of its own here, and of some records more than one."""
        return [await self._of(update.ref.collection).update(update) for update in updates]

    async def delete(self, ref: Ref) -> None:
        await self._of(ref.collection).delete(ref)

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        return self._webhooks.receive(headers, body, now, self._location.known_custom())

    def skew(self) -> Skew:
        return self._session.skew()

    def _of(self, collection: CollectionName) -> Keeper | ContactKeeper:
        assert collection in self._keepers, f"there is no collection {collection}"
        return self._keepers[collection]
