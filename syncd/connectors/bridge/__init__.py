"""Bridges: systems that have no API for us, reached through the operator's own flows in Zapier, Make or n8n.

`BRIDGE` is a system of which everything is declared; `HATS17` is 17hats, whose contacts are built in.
The rule that keeps it true: nothing is claimed of such a system but what its flows told; what no flow was built for is refused in words.
It must not know: any other connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from syncd.connectors.base import Capabilities, FieldSpec, Schema
from syncd.connectors.bridge import hats17
from syncd.connectors.bridge.connector import CALENDAR_FACTS, Bridge, capabilities_of
from syncd.connectors.bridge.events import EVENTS
from syncd.connectors.bridge.settings import BridgeSettings, Deed, NamedRecords, NoOptions, quota, quota_key, session
from syncd.connectors.bridge.shapes import OPEN, Shape, word
from syncd.connectors.kind import Kind, matching_path
from syncd.core.errors import UserError
from syncd.core.record import CollectionName

__all__ = ["BRIDGE", "HATS17", "Bridge", "BridgeSettings", "Deed", "Shape", "hats17", "word"]

RECORDS: Final = "records"


def _resolve(schema: Schema, path: str) -> str | None:
    """A declared field may be named by itself or by what it is called."""
    return matching_path(schema, path, prefix=OPEN)


def _declared(_collection: str) -> Capabilities:
    return capabilities_of(Shape(fields={}))


def _of_17hats(collection: str) -> Capabilities:
    if collection == EVENTS:
        return CALENDAR_FACTS
    return capabilities_of(hats17.SHAPES.get(collection, Shape(fields={})))


def _fields_of_17hats(collection: str) -> Mapping[str, FieldSpec]:
    shape = hats17.SHAPES.get(collection)
    return {} if shape is None else shape.fields


def _own_name(collection: str, _options: NoOptions) -> CollectionName:
    return CollectionName(collection)


def _given_name(_collection: str, options: NamedRecords) -> CollectionName:
    return CollectionName(options.name)


def _unable(settings: BridgeSettings, collection: str, deed: str) -> str | None:
    """Which hook is missing; nothing is known where the hooks were not looked at, or are not understood."""
    if collection == EVENTS:
        return "it has no calendar: write calendar_url = { file = … } into its section" if deed == "read" and settings.calendar_url is None else None
    try:
        known = settings.hook_addresses()
    except UserError:
        return None
    if deed == "read":
        return None
    wanted = {"delete": (Deed.DELETE, Deed.ARCHIVE), "erase": (Deed.DELETE,)}.get(deed, (Deed.UPDATE,))
    if any((CollectionName(collection), each) in known for each in wanted):
        return None
    lines = " or ".join(f"`{collection}.{each.value} ADDRESS`" for each in wanted)
    return f"its hooks have no line {lines}, and without one nothing is ever handed off for it"


def _connect(built_in: Mapping[str, Shape]) -> Any:
    return lambda system, settings, opened: Bridge(system, settings, opened, built_in)


BRIDGE: Final = Kind(
    name="bridge",
    about="a system behind flows in Zapier, Make or n8n: the records you declare",
    settings=BridgeSettings,
    secret_fields=frozenset({"hooks", "secret", "secret_previous", "header_secret", "header_secret_previous", "calendar_url"}),
    member=NamedRecords,
    collections=(RECORDS,),
    collection_name=_given_name,
    capabilities=_declared,
    fields=lambda _collection: {},
    open_prefixes=(OPEN,),
    resolve=_resolve,
    quota_key=quota_key,
    identity=lambda _settings: "",
    quota=quota,
    session=session,
    connect=_connect({}),
    unable=_unable,
)
HATS17: Final = replace(
    BRIDGE,
    name="17hats",
    about="17hats, which has no public API, through flows: contacts, and what you declare",
    member=NoOptions,
    collections=(hats17.CONTACTS, EVENTS, *hats17.DECLARED),
    collection_name=_own_name,
    capabilities=_of_17hats,
    fields=_fields_of_17hats,
    connect=_connect(hats17.SHAPES),
)
