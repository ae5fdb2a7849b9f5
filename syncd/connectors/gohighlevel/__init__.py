"""GoHighLevel (LeadConnector): the collections of one location, and every operation of its API by name.

`KIND` is what the registry knows of it.
The rule that keeps it true: every fact about the vendor's API in this folder names where it comes from, or is in the specification.
It must not know: any other connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncd.connectors.base import Capabilities, FieldSpec, Schema
from syncd.connectors.gohighlevel.connector import GoHighLevel
from syncd.connectors.gohighlevel.consent import CONSENT, introduce
from syncd.connectors.gohighlevel.contact_keeper import CAPABILITIES, CONTACTS
from syncd.connectors.gohighlevel.events import EVENTS
from syncd.connectors.gohighlevel.fields import CUSTOM, STANDARD
from syncd.connectors.gohighlevel.identity import BETWEEN
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.naming import named_fields
from syncd.connectors.gohighlevel.oauth import renewing
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.gohighlevel.scopes import scopes
from syncd.connectors.gohighlevel.settings import ContactsOptions, GoHighLevelSettings, known_values, quota, session
from syncd.connectors.gohighlevel.survey import survey
from syncd.connectors.gohighlevel.table import capabilities_of
from syncd.connectors.kind import Kind, matching_path
from syncd.core.record import CollectionName


def _capabilities(collection: str) -> Capabilities:
    return CAPABILITIES if collection == CONTACTS else capabilities_of(COLLECTIONS[collection])


def _fields(collection: str) -> Mapping[str, FieldSpec]:
    return STANDARD if collection == CONTACTS else {path: each.spec for path, each in COLLECTIONS[collection].fields.items()}


def _resolve(schema: Schema, path: str) -> str | None:
    """A custom field may be named by its key or by its label."""
    return matching_path(schema, path, prefix=CUSTOM)


KIND: Final = Kind(
    name="gohighlevel",
    about="GoHighLevel (LeadConnector): the contacts of one location, and what belongs to them",
    settings=GoHighLevelSettings,
    secret_fields=frozenset({"token", "client_secret", "token_key"}),
    member=ContactsOptions,
    collections=(CONTACTS, *COLLECTIONS),
    collection_name=lambda collection, _options: CollectionName(collection),
    capabilities=_capabilities,
    fields=_fields,
    open_prefixes=(CUSTOM,),
    resolve=_resolve,
    quota_key=lambda settings: f"gohighlevel:{settings.location_id}",
    identity=lambda settings: str(settings.location_id),
    quota=quota,
    session=session,
    connect=GoHighLevel,
    operations=CATALOGUE,
    known_values=known_values,
    renews=lambda settings: settings.client_id is not None,
    token_key=lambda settings: settings.token_key,
    credential=renewing,
    scopes=scopes,
    consent=CONSENT,
    introduce=introduce,
    survey=survey,
    named_fields=named_fields,
    webhook_words=frozenset(EVENTS),
    between=BETWEEN,
)
