"""Who is in the demo's scenes, and what several scenes do with them: a contact, and logins of GoHighLevel that another system has as staff.

The rule that keeps it true: each step says before syncd sees it what must come of it.
It must not know: any recipe, or what else happens to anybody.
"""

from __future__ import annotations

from syncd.cli.demo_expected import Step, edited, made
from syncd.cli.demo_places import GHL, GHL_CONTACTS, GHL_USERS, Place
from syncd.sandbox import Sandbox

ADA, BEN, CLEO, DAN, EVE, FAY, GIL = (f"{name}@example.com" for name in ("ada", "ben", "cleo", "dan", "eve", "fay", "gil"))


def add_ada(sandbox: Sandbox) -> str:
    """A customer of GoHighLevel as if she had long been there; her id."""
    return str(sandbox.ghl.seed({"email": ADA, "firstName": "Ada", "lastName": "Vance", "phone": "+12025550101", "tags": ["vip"]})["id"])


def add_logins(sandbox: Sandbox, system: str, staff: Place, role: str, **more: object) -> Step:
    """Eve and Gil get logins by hand; the other system gets them as staff, with what they may do in the field `role`."""
    roles = {"type": "account", "role": "admin", "locationIds": [sandbox.options.ghl.location_id]}
    for email, name in ((EVE, "Eve"), (GIL, "Gil")):
        sandbox.ghl.create_record_as_user("users", {"email": email, "firstName": name, "lastName": "Lund", "roles": roles, **roles})
    return made(
        GHL, f"Eve and Gil have logins in {GHL}. {system} gets them as staff; they do not become customers.",
        staff.shows(sandbox, EVE, {"last_name": "Lund", role: "admin", **more}),
        GHL_CONTACTS.shows(sandbox, EVE, count=0),
    )


def rename_eve(sandbox: Sandbox, system: str, staff: Place) -> Step:
    """Her last name at her login, and what must come of it and of her first name, which was just changed in the other system."""
    sandbox.ghl.edit_record_as_user("users", GHL_USERS.id_of(sandbox, EVE), {"lastName": "Lundgren"})
    return edited(
        GHL, f"Eve's last name is changed at her login, her first name in {system}.",
        staff.shows(sandbox, EVE, {"first_name": "Evelyn", "last_name": "Lundgren"}),
        GHL_USERS.shows(sandbox, EVE, {"firstName": "Evelyn", "lastName": "Lundgren"}),
    )


def delete_ada_and_eve(sandbox: Sandbox) -> None:
    """The contact, and the login."""
    sandbox.ghl.delete_as_user(GHL_CONTACTS.id_of(sandbox, ADA))
    sandbox.ghl.delete_record_as_user("users", GHL_USERS.id_of(sandbox, EVE))
