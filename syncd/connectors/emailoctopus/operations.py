"""The EmailOctopus operations this connector uses, one row each.

Method, path, and whether a lost answer leaves a doubt.
The rule that keeps it true: every row is an operation of the vendor's specification (v2); nothing else in this folder holds a path.
It must not know: what the calls carry, or what is done with the answers.
"""

from __future__ import annotations

from syncd.connectors.http import Operation

_CONTACTS = "/lists/{list_id}/contacts"
_CONTACT = "/lists/{list_id}/contacts/{contact_id}"

LISTS = Operation(name="list-lists", method="GET", path="/lists")
TAGS = Operation(name="list-tags", method="GET", path="/lists/{list_id}/tags")
GET_LIST = Operation(name="get-list", method="GET", path="/lists/{list_id}")
LIST = Operation(name="list-contacts", method="GET", path=_CONTACTS)
GET = Operation(name="get-contact", method="GET", path=_CONTACT)
CREATE = Operation(name="create-contact", method="POST", path=_CONTACTS, writes=True)
UPDATE = Operation(name="update-contact", method="PUT", path=_CONTACT, writes=True)
UPDATE_BATCH = Operation(name="update-contacts-batch", method="PUT", path=_CONTACTS + "/batch", writes=True)
DELETE = Operation(name="delete-contact", method="DELETE", path=_CONTACT, writes=True)
# A tag made twice is one tag, and a tag nobody bears is nothing: no doubt is left by a lost answer.
CREATE_TAG = Operation(name="create-tag", method="POST", path="/lists/{list_id}/tags")
