"""GoHighLevel (LeadConnector): the contacts of one location, and every operation of its API by name.

`KIND` is what the registry knows of it.
The rule that keeps it true: every fact about the vendor's API in this folder names where it comes from, or is in the specification.
It must not know: any other connector.
"""

from __future__ import annotations

from typing import Final

from syncd.connectors.base import Schema
from syncd.connectors.gohighlevel.connector import CAPABILITIES, CONTACTS, GoHighLevel
from syncd.connectors.gohighlevel.fields import CUSTOM, STANDARD
from syncd.connectors.gohighlevel.operations import CATALOGUE, known_values
from syncd.connectors.gohighlevel.settings import ContactsOptions, GoHighLevelSettings, quota, session
from syncd.connectors.kind import Kind, matching_path


def _resolve(schema: Schema, path: str) -> str | None:
    """A custom field may be named by its key or by its label."""
    return matching_path(schema, path, prefix=CUSTOM)


KIND: Final = Kind(
    name="gohighlevel",
    about="GoHighLevel (LeadConnector): the contacts of one location",
    settings=GoHighLevelSettings,
    secret_fields=frozenset({"token"}),
    member=ContactsOptions,
    collections=("contacts",),
    collection_name=lambda _collection, _options: CONTACTS,
    capabilities=lambda _collection: CAPABILITIES,
    fields=lambda _collection: STANDARD,
    open_prefixes=(CUSTOM,),
    resolve=_resolve,
    quota_key=lambda settings: f"gohighlevel:{settings.location_id}",
    identity=lambda settings: str(settings.location_id),
    quota=quota,
    session=session,
    connect=GoHighLevel,
    operations=CATALOGUE,
    known_values=known_values,
)
