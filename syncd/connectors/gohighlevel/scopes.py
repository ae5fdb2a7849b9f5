"""Which of GoHighLevel's scopes a collection needs.

`scopes` says it of reading and of writing; both come from the operations that do it.
The rule that keeps it true: a scope is named only where the catalogue names it for an operation.
It must not know: tokens, or which scopes one has.
"""

from __future__ import annotations

from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.operations import CATALOGUE

_ALWAYS = ("find-location-by-id", "list-custom-fields")
_OF_CONTACTS = (
    *("search-contacts", "get-duplicate-contact", "get-contact", "create-contact", "update-contact", "delete-contact"),
    *("add-tags-to-contact", "remove-tags-from-contact"),
)


def scopes(collection: str) -> tuple[frozenset[str], frozenset[str]]:
    """The scopes for reading a collection, and those for writing it besides."""
    rows = [CATALOGUE[name] for name in (*_ALWAYS, *_operations(collection)) if name]
    read = frozenset(scope for row in rows if not row.operation.writes for scope in row.scopes)
    return read, frozenset(scope for row in rows if row.operation.writes for scope in row.scopes) - read


def _operations(collection: str) -> tuple[str, ...]:
    if collection not in COLLECTIONS:
        return _OF_CONTACTS
    row = COLLECTIONS[collection]
    return (row.list, row.get, row.create, row.update, row.delete)
