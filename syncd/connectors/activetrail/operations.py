"""ActiveTrail's operations: those that are called by name, in `operations.json`, and those this connector uses besides.

The rule that keeps it true: every row is an operation of the vendor's reference or of its guides; nothing else in this folder holds a
path. What only other people's code tells of is marked.
It must not know: what the calls carry, or what is done with the answers.
"""

from __future__ import annotations

from importlib import resources
from typing import Final
from urllib.parse import quote

from syncd.connectors.catalogue import Catalogue
from syncd.connectors.http import Operation

CATALOGUE: Final = Catalogue(resources.files(__package__).joinpath("operations.json").read_bytes(), lambda _version: {})

_CONTACT = "/contacts/{contact_id}"
_GROUP_MEMBERS = "/groups/{belonging_id}/members"
_LIST_MEMBERS = "/mailinglist/{belonging_id}/members"

CONTACT_FIELDS = Operation(name="contact-fields", method="GET", path="/account/contactFields")
LIST = CATALOGUE["list-contacts"].operation
GET = CATALOGUE["get-contact"].operation
CREATE = CATALOGUE["create-contact"].operation
# ActiveTrail: used by three public programs and in no stored page of the reference; its answer may be empty.
UPDATE = CATALOGUE["update-contact"].operation
DELETE = CATALOGUE["delete-contact"].operation
IMPORT = Operation(name="import-contacts", method="POST", path="/contacts/Import", writes=True)
LIST_MERGES = Operation(name="list-merges", method="GET", path="/contacts/merges")

LIST_GROUPS = CATALOGUE["list-groups"].operation
# A group made twice is found twice when groups are read again, and is then refused by name; no contact is in doubt.
CREATE_GROUP = Operation(name="create-group", method="POST", path="/groups")
GROUP_MEMBERS = Operation(name="list-group-members", method="GET", path=_GROUP_MEMBERS)
GROUPS_OF = CATALOGUE["contact-groups"].operation
JOIN_GROUP = Operation(name="add-group-member", method="POST", path=_GROUP_MEMBERS, writes=True, may_say_nothing=True)
LEAVE_GROUP = Operation(
    name="remove-group-member", method="DELETE", path=_GROUP_MEMBERS + "/{contact_id}", writes=True, may_say_nothing=True
)

MAILING_LISTS = CATALOGUE["list-mailing-lists"].operation
LIST_MEMBERS = Operation(name="list-mailing-list-members", method="GET", path=_LIST_MEMBERS)
LISTS_OF = Operation(name="contact-mailing-lists", method="GET", path=_CONTACT + "/mailinglists")
JOIN_LIST = Operation(name="add-mailing-list-member", method="POST", path=_LIST_MEMBERS, writes=True, may_say_nothing=True)
LEAVE_LIST = Operation(
    name="remove-mailing-list-member", method="DELETE", path=_LIST_MEMBERS + "/{contact_id}", writes=True, may_say_nothing=True
)

MAP = Operation(name="external-map", method="POST", path="/external/mapping", writes=True, may_say_nothing=True)
CAMPAIGNS = CATALOGUE["list-campaigns"].operation
WEBHOOKS = Operation(name="list-webhooks", method="GET", path="/webhooks")


def get_by_email(email: str) -> Operation:
    """ActiveTrail: guides: a contact answers to its lower-cased address as it does to its id."""
    return Operation(name="get-contact", method="GET", path="/contacts/" + quote(email, safe=""))
