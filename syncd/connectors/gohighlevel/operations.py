"""The GoHighLevel operations this connector uses, one row each.

Method, path, version header, and whether a lost answer leaves a doubt.
The rule that keeps it true: every row is an operation of the vendor's specification; nothing else in this folder holds a path.
It must not know: what the calls carry, or what is done with the answers.
"""

from __future__ import annotations

from syncd.connectors.http import Operation

# GHL: specification, contacts and locations. The header is required; without it the vendor answers 401.
_VERSION = {"Version": "2021-07-28"}


def _row(name: str, method: str, path: str, *, writes: bool = False) -> Operation:
    return Operation(name=name, method=method, path=path, writes=writes, headers=_VERSION)


SEARCH = _row("search-contacts", "POST", "/contacts/search")
DUPLICATE = _row("get-duplicate-contact", "GET", "/contacts/search/duplicate")
GET = _row("get-contact", "GET", "/contacts/{contact_id}")
CREATE = _row("create-contact", "POST", "/contacts/", writes=True)
UPDATE = _row("update-contact", "PUT", "/contacts/{contact_id}", writes=True)
DELETE = _row("delete-contact", "DELETE", "/contacts/{contact_id}", writes=True)
ADD_TAGS = _row("add-tags", "POST", "/contacts/{contact_id}/tags", writes=True)
REMOVE_TAGS = _row("remove-tags", "DELETE", "/contacts/{contact_id}/tags", writes=True)
CUSTOM_FIELDS = _row("get-custom-fields", "GET", "/locations/{location_id}/customFields")
LOCATION = _row("get-location", "GET", "/locations/{location_id}")
