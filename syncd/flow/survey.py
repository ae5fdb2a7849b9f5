"""Surveying: what a system has today: every collection with its fields, and what else a configuration may name.

The rule that keeps it true: it only reads; what one collection's refusal hides is said of that collection, and hides no other.
It must not know: any vendor, or how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from syncd.config import Settings
from syncd.connectors.base import Capabilities, Schema
from syncd.connectors.clock import Clock
from syncd.connectors.kind import Kind, Surveyed, open_connector
from syncd.connectors.registry import KINDS
from syncd.core.errors import ConnectorError
from syncd.core.record import CollectionName, SyncName, SystemName
from syncd.flow.assemble import keeper_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One collection: its fields or why they cannot be read, what can be done with it, and which syncs use it."""

    schema: Schema | ConnectorError
    capabilities: Capabilities
    syncs: tuple[SyncName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a system has. `unnamed` are the collections of which there may be several, that only a sync's member can name in full."""

    collections: Mapping[CollectionName, Collected]
    unnamed: tuple[str, ...]
    around: Surveyed = field(default_factory=dict)


async def survey(settings: Settings, system: SystemName, clock: Clock, only: str | None = None) -> Survey:
    """Asks the vendor; `only` one collection where it is given. Raises ConnectorError where the vendor cannot be asked at all."""
    configured = settings.systems[system]
    kind = KINDS[configured.kind]
    users = _users(settings, system)
    names, unnamed = _names(kind, users)
    wanted = [name for name in names if only in (None, name, name.partition("@")[0])]
    found: dict[CollectionName, Collected] = {}
    opening = open_connector(kind, system, configured.options, clock=clock, keeper=keeper_of(settings, system, clock))  # type: ignore[arg-type]
    async with opening as opened:
        for name in wanted:
            schema: Schema | ConnectorError
            try:
                schema = await opened.connector.discover(name)
            except ConnectorError as error:
                schema = error
            found[name] = Collected(schema=schema, capabilities=opened.connector.capabilities(name), syncs=users.get(name, ()))
        around = await kind.survey(configured.options, opened.session) if kind.survey is not None and only is None else {}
    return Survey(collections=found, unnamed=unnamed, around=around)


def collection_names(settings: Settings, system: SystemName) -> list[str]:
    """The collections that can be named, used or not."""
    return list(_names(KINDS[settings.systems[system].kind], _users(settings, system))[0])


def _users(settings: Settings, system: SystemName) -> dict[CollectionName, tuple[SyncName, ...]]:
    users: dict[CollectionName, tuple[SyncName, ...]] = {}
    for sync in settings.syncs.values():
        for member in sync.members.values():
            if member.system == system and sync.name not in users.get(member.collection, ()):
                users[member.collection] = (*users.get(member.collection, ()), sync.name)
    return users


def _names(kind: Kind, users: Mapping[CollectionName, tuple[SyncName, ...]]) -> tuple[list[CollectionName], tuple[str, ...]]:
    """Those that syncs use, and all others whose name is known without a member's own options; and those whose is not."""
    names, unnamed = list(users), []
    for collection in kind.collections:
        try:
            name = kind.collection_name(collection, kind.member())
        except ValidationError:
            unnamed += [collection] if not any(each.partition("@")[0] == collection for each in users) else []
        else:
            names += [name] if name not in users else []
    return names, tuple(unnamed)
