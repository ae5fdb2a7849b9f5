"""The custom fields that the parameters of an operation name.

The vendor takes a call that names a custom field it does not have, and stores nothing under it.
The rule that keeps it true: only what stands there as it is meant is looked at; a template is not known before it is filled in.
It must not know: which custom fields an account has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from syncd.connectors.gohighlevel.fields import CUSTOM
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.kind import NamedField
from syncd.core.record import CollectionName, Json

PARAMETER: Final = "customFields"
_COLLECTIONS: Final = {"contact": CollectionName("contacts"), "opportunity": CollectionName("opportunities")}
"""Whose custom fields they are, by what the operation answers with."""


def named_fields(operation: str, given: Mapping[str, Json]) -> Iterator[NamedField]:
    """Every custom field that is named by its key (``plan``, ``contact.plan``) or its id."""
    model = CATALOGUE[operation].object if operation in CATALOGUE else ""
    listed = given.get(PARAMETER)
    if model not in _COLLECTIONS or not isinstance(listed, list):
        return
    for number, each in enumerate(listed):
        named = {name: each[name] for name in ("id", "key") if isinstance(each.get(name), str) and "{" not in each[name]} if isinstance(each, dict) else {}
        if "key" in named:
            path = CUSTOM + named["key"].removeprefix(f"{model}.")
            yield NamedField(collection=_COLLECTIONS[model], where=(PARAMETER, number, "key"), path=path)
        if "id" in named:
            yield NamedField(collection=_COLLECTIONS[model], where=(PARAMETER, number, "id"), id=named["id"])
