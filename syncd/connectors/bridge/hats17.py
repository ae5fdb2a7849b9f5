"""17hats, which has no public API: what its own Zapier app offers, and what an operator may declare beside it.

The rule that keeps it true: contacts have the fields of 17hats' own Zapier app, and nothing else is claimed of 17hats; every other collection
has what its operator says.
It must not know: how anything is handed off.
"""

from __future__ import annotations

from typing import Final

from syncd.connectors.base import FieldSpec
from syncd.connectors.bridge import events
from syncd.connectors.bridge.shapes import Shape
from syncd.core.fields import FieldType

CONTACTS: Final = "contacts"
DECLARED: Final = ("projects", "tickets", "invoices", "locations", "notes", "tasks", "appointments")

# zapier.com, 17hats: the fields of "Create Contact"; the first three are required there.
_FIELDS = (
    ("is_company", FieldType.BOOL, "Is Company?"),
    ("first_name", FieldType.TEXT, "First Name"),
    ("type", FieldType.CHOICE, "Type"),
    ("last_name", FieldType.TEXT, "Last Name"),
    ("title", FieldType.TEXT, "Title"),
    ("company_name", FieldType.TEXT, "Company Name"),
    ("email", FieldType.EMAIL, "Primary E-mail Address"),
    ("other_emails", FieldType.SET, "Other E-mail Addresses"),
    ("phone", FieldType.PHONE, "Primary Phone Number"),
    ("other_phones", FieldType.SET, "Other Phone Numbers"),
    ("address_1", FieldType.TEXT, "Address Line 1"),
    ("address_2", FieldType.TEXT, "Address Line 2"),
    ("city", FieldType.TEXT, "City"),
    ("state", FieldType.TEXT, "State"),
    ("zip", FieldType.TEXT, "ZIP Code"),
    ("country", FieldType.TEXT, "Country"),
    ("birthday", FieldType.DATE, "Birthday"),
    ("facebook_id", FieldType.TEXT, "Facebook Id"),
    ("instagram_id", FieldType.TEXT, "Instagram Id"),
    ("linkedin_id", FieldType.TEXT, "Linkedin Id"),
    ("referred_by", FieldType.TEXT, "Referred By"),
    ("twitter_id", FieldType.TEXT, "Twitter Id"),
    ("pinterest_id", FieldType.TEXT, "Pinterest Id"),
    ("website", FieldType.TEXT, "Website"),
    ("tags", FieldType.SET, "Tags"),
    ("notes", FieldType.TEXT, "Notes"),
)
SHAPES: Final = {
    CONTACTS: Shape(
        fields={path: FieldSpec(path=path, type=kind, label=label) for path, kind, label in _FIELDS},
        keys=("email", "phone"),
        required=frozenset({"is_company", "first_name", "type"}),
    ),
    events.EVENTS: events.SHAPE,
}
