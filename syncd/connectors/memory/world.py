"""A system that exists in memory only: its records, what people and programs did to them, and the news it owes.

`MemorySystem` is what a test holds in its hands: people's edits go in by the `*_as_user` methods, the truth is read from `records`
and `log`.
The rule that keeps it true: every change, whoever makes it, goes through `_apply`, so records, log, listings and news agree.
It must not know: connectors, or what a sync is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import count

from syncd.connectors.clock import Clock
from syncd.connectors.memory.faults import Faults
from syncd.core.record import CollectionName, Json, Micros, RecordId

CONTACTS = CollectionName("contacts")
Normalise = Callable[[str, Json], Json]


class Actor(Enum):
    """Who did something: a person, or a program through the connector."""

    USER = "user"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A record as it was from one moment on; `fields` is None once it was deleted."""

    id: RecordId
    fields: Mapping[str, Json] | None
    modified_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One change that was really made. `before` or `after` is None where there was, or is, no record."""

    seq: int
    at: Micros
    actor: Actor
    collection: CollectionName
    id: RecordId
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One event the system owes its listeners."""

    key: str
    collection: CollectionName
    version: Version


class MemorySystem:
    """The far side of a memory connector.

    `unique` are paths on which it refuses a program a second record; `index_lag` is how far its listings run behind; `normalise` is what it
    does to a value before keeping it. People may add a second record all the same.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        unique: frozenset[str] = frozenset(),
        index_lag: Micros = 0,
        normalise: Normalise = lambda _path, value: value,
        page_size: int = 50,
        id_prefix: str = "m",
    ) -> None:
        self.clock = clock
        self.unique = unique
        self.index_lag = index_lag
        self.page_size = page_size
        self.faults = Faults()
        self.log: list[Written] = []
        self.news: list[News] = []
        self.calls: list[str] = []
        self._normalise = normalise
        self._ids = (RecordId(f"{id_prefix}{number}") for number in count(1))
        self._versions: dict[CollectionName, dict[RecordId, list[Version]]] = {}

    def records(self, collection: CollectionName = CONTACTS) -> dict[RecordId, Mapping[str, Json]]:
        """The truth now, by id."""
        return {
            record_id: versions[-1].fields
            for record_id, versions in self._versions.get(collection, {}).items()
            if versions[-1].fields is not None
        }

    def create_as_user(self, fields: Mapping[str, Json], collection: CollectionName = CONTACTS) -> RecordId:
        """A person adds a record; nobody keeps a person from adding a second one."""
        return self.create(collection, fields, Actor.USER).id

    def edit_as_user(self, record_id: RecordId, changes: Mapping[str, Json], collection: CollectionName = CONTACTS) -> None:
        """A person changes a record."""
        self.update(collection, record_id, changes, Actor.USER)

    def delete_as_user(self, record_id: RecordId, collection: CollectionName = CONTACTS) -> None:
        """A person deletes a record."""
        self.delete(collection, record_id, Actor.USER)

    def current(self, collection: CollectionName, record_id: RecordId) -> Version | None:
        """The record's version now, None where there is no such record."""
        versions = self._versions.get(collection, {}).get(record_id)
        return versions[-1] if versions and versions[-1].fields is not None else None

    def listed(self, collection: CollectionName) -> list[Version]:
        """What a listing sees: the versions of a while ago, by modified time and id."""
        horizon = self.clock.now() - self.index_lag
        seen = []
        for versions in self._versions.get(collection, {}).values():
            visible = [version for version in versions if version.modified_at <= horizon]
            if visible and visible[-1].fields is not None:
                seen.append(visible[-1])
        return sorted(seen, key=lambda version: (version.modified_at, version.id))

    def find(self, collection: CollectionName, path: str, value: Json) -> list[Version]:
        """Every record that holds the value, from the store itself."""
        wanted = self._normalise(path, value)
        versions = [self.current(collection, each) for each in self._versions.get(collection, {})]
        return [version for version in versions if version and version.fields and version.fields.get(path) == wanted]

    def create(self, collection: CollectionName, fields: Mapping[str, Json], actor: Actor) -> Version:
        """Adds a record."""
        return self._apply(collection, next(self._ids), self._kept(fields), actor)

    def update(self, collection: CollectionName, record_id: RecordId, changes: Mapping[str, Json], actor: Actor) -> Version:
        """Changes a record that exists."""
        before = self.current(collection, record_id)
        assert before is not None, f"there is no {record_id}"
        return self._apply(collection, record_id, self._kept({**(before.fields or {}), **changes}), actor)

    def delete(self, collection: CollectionName, record_id: RecordId, actor: Actor) -> None:
        """Removes a record that exists."""
        self._apply(collection, record_id, None, actor)

    def _kept(self, fields: Mapping[str, Json]) -> dict[str, Json]:
        return {path: self._normalise(path, value) for path, value in fields.items() if value is not None}

    def _apply(self, collection: CollectionName, record_id: RecordId, fields: Mapping[str, Json] | None, actor: Actor) -> Version:
        versions = self._versions.setdefault(collection, {}).setdefault(record_id, [])
        at = max(self.clock.now(), versions[-1].modified_at if versions else 0)
        version = Version(id=record_id, fields=fields, modified_at=at)
        before = versions[-1].fields if versions else None
        self.log.append(
            Written(
                seq=len(self.log) + 1,
                at=at,
                actor=actor,
                collection=collection,
                id=record_id,
                before=before,
                after=fields,
            )
        )
        versions.append(version)
        # Listings look back by the lag and no further.
        while len(versions) > 1 and versions[1].modified_at <= self.clock.now() - self.index_lag:
            del versions[0]
        self.news.append(News(key=f"{record_id}-{len(self.log)}", collection=collection, version=version))
        return version
