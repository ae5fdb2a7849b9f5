"""EmailOctopus: the contacts of an account's lists.

`KIND` is what the registry knows of it.
The rule that keeps it true: every fact about the vendor's API in this folder names where it comes from, or is in the specification (v2).
It must not know: any other connector.
"""

from __future__ import annotations

from typing import Final

from syncd.connectors.base import Schema
from syncd.connectors.emailoctopus.connector import CAPABILITIES, EmailOctopus
from syncd.connectors.emailoctopus.fields import FIELDS, STANDARD
from syncd.connectors.emailoctopus.operations import CATALOGUE
from syncd.connectors.emailoctopus.settings import (
    ContactsOptions,
    EmailOctopusSettings,
    collection_name,
    quota,
    quota_key,
    session,
)
from syncd.connectors.emailoctopus.survey import survey
from syncd.connectors.emailoctopus.webhooks import CHANGES
from syncd.connectors.kind import Kind, matching_path


def _resolve(schema: Schema, path: str) -> str | None:
    """A field of the list may be named by its tag or by its label."""
    return matching_path(schema, path, prefix=FIELDS)


KIND: Final = Kind(
    name="emailoctopus",
    about="EmailOctopus: the contacts of a list",
    settings=EmailOctopusSettings,
    secret_fields=frozenset({"api_key", "webhook_secret", "webhook_secret_previous"}),
    member=ContactsOptions,
    collections=("contacts",),
    collection_name=collection_name,
    capabilities=lambda _collection: CAPABILITIES,
    fields=lambda _collection: STANDARD,
    open_prefixes=(FIELDS,),
    resolve=_resolve,
    quota_key=quota_key,
    identity=lambda _settings: "",
    quota=quota,
    session=session,
    connect=EmailOctopus,
    survey=survey,
    operations=CATALOGUE,
    webhook_words=frozenset(CHANGES),
)
