"""ActiveTrail: the contacts of an account, what they belong to, and its campaigns to be read.

`KIND` is what the registry knows of it.
The rule that keeps it true: every fact about the vendor's API in this folder is in its reference or its guides, or says where else it comes
from; what they leave open is in `unknowns`.
It must not know: any other connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncd.connectors.activetrail import campaigns
from syncd.connectors.activetrail.connector import CAMPAIGNS, CAPABILITIES, CONTACTS, READ_ONLY, ActiveTrail
from syncd.connectors.activetrail.fields import CUSTOM, STANDARD
from syncd.connectors.activetrail.operations import CATALOGUE
from syncd.connectors.activetrail.settings import (
    ActiveTrailSettings,
    NoOptions,
    collection_name,
    quota,
    quota_key,
    session,
)
from syncd.connectors.activetrail.survey import survey
from syncd.connectors.base import Capabilities, FieldSpec, Schema
from syncd.connectors.kind import Kind, matching_path


def _resolve(schema: Schema, path: str) -> str | None:
    """A slot may be named by itself or by the label the account gave it."""
    return matching_path(schema, path, prefix=CUSTOM)


def _unable(settings: ActiveTrailSettings, _collection: str, deed: str) -> str | None:
    return None if deed not in ("delete", "erase") or settings.allow_delete else "a deletion is for ever there, and `allow_delete` is not set"


def _capabilities(collection: str) -> Capabilities:
    return READ_ONLY if collection == CAMPAIGNS else CAPABILITIES


def _fields(collection: str) -> Mapping[str, FieldSpec]:
    return campaigns.FIELDS if collection == CAMPAIGNS else STANDARD


KIND: Final = Kind(
    name="activetrail",
    about="ActiveTrail: the contacts of an account",
    settings=ActiveTrailSettings,
    secret_fields=frozenset({"token", "webhook_secret", "webhook_secret_previous"}),
    member=NoOptions,
    collections=(CONTACTS, CAMPAIGNS),
    collection_name=collection_name,
    capabilities=_capabilities,
    fields=_fields,
    open_prefixes=(CUSTOM,),
    resolve=_resolve,
    operations=CATALOGUE,
    quota_key=quota_key,
    identity=lambda _settings: "",
    quota=quota,
    session=session,
    connect=ActiveTrail,
    survey=survey,
    unable=_unable,
)
