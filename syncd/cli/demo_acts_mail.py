"""What people do in the demo's scenes with a mailing program: EmailOctopus, and ActiveTrail.

The rule that keeps it true: each step says before syncd sees it what must come of it, by the recipe's own words.
It must not know: how anything is run, waited for or judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from syncd.cli.demo_expected import Step, deleted, edited, made
from syncd.cli.demo_people import ADA, BEN, CLEO, DAN, EVE, add_ada, add_logins, delete_ada_and_eve, rename_eve
from syncd.cli.demo_places import EO, EO_CONTACTS, GHL, GHL_CONTACTS, GHL_USERS, TRAIL, TRAIL_CONTACTS
from syncd.sandbox import Sandbox

_DAYS_AHEAD = 3


def _appointment(days: int) -> tuple[str, str]:
    """A moment so many days ahead as a calendar writes it, and its day there."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    return at.isoformat(), at.date().isoformat()


def _task(sandbox: Sandbox, contact: str, title: str) -> str:
    fields = {"title": title, "dueDate": _appointment(_DAYS_AHEAD)[0], "completed": False, "contactId": contact}
    return str(sandbox.ghl.create_record_as_user("tasks", fields)["id"])


def _busy_ada(sandbox: Sandbox) -> str:
    """A contact with two tasks, a note and an appointment; the day of that."""
    ada = add_ada(sandbox)
    for title in ("Call", "Write"):
        _task(sandbox, ada, title)
    sandbox.ghl.create_record_as_user("notes", {"body": "Met at the fair", "contactId": ada})
    calendar = sandbox.ghl.create_record_as_user("calendars", {"name": "Front"})["id"]
    at, day = _appointment(_DAYS_AHEAD)
    fields = {"title": "Talk", "calendarId": calendar, "contactId": ada, "startTime": at, "appointmentStatus": "confirmed"}
    sandbox.ghl.create_record_as_user("appointments", fields)
    return day


# ---- EmailOctopus


def octopus_first(sandbox: Sandbox) -> Sequence[Step]:
    """One person on each side, and one on both."""
    day = _busy_ada(sandbox)
    sandbox.octopus.seed({"email_address": BEN, "fields": {"FirstName": "Ben", "LastName": "Holm"}, "tags": ["newsletter"]})
    sandbox.ghl.seed({"email": CLEO, "firstName": "Cleo"})
    sandbox.octopus.seed({"email_address": CLEO, "fields": {"FirstName": "Cleo"}})
    derived = {"fields.OpenTasks": 2, "fields.LastNote": "Met at the fair", "fields.NextAppointment": day}
    return [
        made(
            GHL, f"Ada is a contact in {GHL}, with two tasks, a note and an appointment. {EO} gets her, and what these come to.",
            EO_CONTACTS.shows(sandbox, ADA, {"fields.FirstName": "Ada", "tags": ["vip"], **derived}),
        ),
        made(
            EO, f"Ben is on the list in {EO}. {GHL} gets him.",
            GHL_CONTACTS.shows(sandbox, BEN, {"firstName": "Ben", "lastName": "Holm", "tags": ["newsletter"]}),
        ),
        made(
            GHL, "Cleo is in both. She is linked, and made nowhere.",
            GHL_CONTACTS.shows(sandbox, CLEO),
            EO_CONTACTS.shows(sandbox, CLEO, {"fields.OpenTasks": 0}),
        ),
    ]


def octopus_edits(sandbox: Sandbox) -> Sequence[Step]:
    """Edits both ways, and edits of what belongs to a contact."""
    ada, cleo = GHL_CONTACTS.id_of(sandbox, ADA), GHL_CONTACTS.id_of(sandbox, CLEO)
    sandbox.ghl.edit_as_user(ada, {"firstName": "Adah", "custom": {"plan": "gold"}})
    sandbox.octopus.edit_as_user(EO_CONTACTS.id_of(sandbox, BEN), {"fields": {"LastName": "Holmes"}, "tags": {"customer": True}})
    task = next(row["id"] for row in sandbox.ghl.records.rows("tasks") if row["title"] == "Call")
    sandbox.ghl.edit_record_as_user("tasks", task, {"completed": True})
    sandbox.ghl.create_record_as_user("notes", {"body": "Likes tea", "contactId": cleo})
    sandbox.octopus.edit_as_user(EO_CONTACTS.id_of(sandbox, CLEO), {"fields": {"OpenTasks": 9}})
    sandbox.octopus.create_as_user({"email_address": DAN, "fields": {"FirstName": "Dan"}})
    return [
        edited(
            GHL, "Ada's first name and plan are changed.",
            EO_CONTACTS.shows(sandbox, ADA, {"fields.FirstName": "Adah", "fields.Plan": "Gold"}),
        ),
        edited(
            EO, "Ben's last name is changed, and he gets a tag.",
            GHL_CONTACTS.shows(sandbox, BEN, {"lastName": "Holmes", "tags": ["customer", "newsletter"]}),
        ),
        edited(GHL, "One of Ada's tasks is done.", EO_CONTACTS.shows(sandbox, ADA, {"fields.OpenTasks": 1})),
        edited(
            GHL, f"Cleo gets a note, and somebody in {EO} writes 9 where her tasks are counted: that is put back.",
            EO_CONTACTS.shows(sandbox, CLEO, {"fields.LastNote": "Likes tea", "fields.OpenTasks": 0}),
        ),
        made(EO, "Dan joins the list.", GHL_CONTACTS.shows(sandbox, DAN, {"firstName": "Dan"})),
    ]


def octopus_ends(sandbox: Sandbox) -> Sequence[Step]:
    """Deletions, and what stands in for them."""
    sandbox.ghl.delete_as_user(GHL_CONTACTS.id_of(sandbox, ADA))
    sandbox.octopus.delete_as_user(EO_CONTACTS.id_of(sandbox, DAN))
    note = next(row["id"] for row in sandbox.ghl.records.rows("notes") if row["body"] == "Likes tea")
    sandbox.ghl.delete_record_as_user("notes", note)
    return [
        deleted(
            GHL, f"Ada is deleted. In {EO} she is unsubscribed, not deleted.",
            EO_CONTACTS.shows(sandbox, ADA, {"status": "unsubscribed"}),
            GHL_CONTACTS.shows(sandbox, ADA, count=0),
        ),
        deleted(
            EO, f"Dan is deleted. In {GHL} he stays, and is no longer in the sync.",
            GHL_CONTACTS.shows(sandbox, DAN),
            EO_CONTACTS.shows(sandbox, DAN, count=0),
        ),
        deleted(
            GHL, "Cleo's only note is deleted: there is none to tell of.",
            EO_CONTACTS.shows(sandbox, CLEO, {"fields.LastNote": None}),
        ),
    ]


# ---- ActiveTrail


def trail_first(sandbox: Sandbox) -> Sequence[Step]:
    """One person on each side, and somebody with a login."""
    day = _busy_ada(sandbox)
    names = {"first_name": "Ben", "last_name": "Holm"}
    sandbox.trail.seed({"email": BEN, **names, "groups": ["newsletter"], "mailing_lists": ["Weekly"]})
    return [
        made(
            GHL,
            f"Ada is a contact in {GHL}, with two tasks, a note and an appointment. {TRAIL} gets her, and what these come to.",
            TRAIL_CONTACTS.shows(sandbox, ADA, {"first_name": "Ada", "groups": ["vip"], "num1": 2, "ext3": "Met at the fair", "date1": f"{day}T00:00:00"}),
        ),
        made(
            TRAIL,
            f"Ben is in a group and on a list in {TRAIL}. {GHL} gets him, with his groups as tags, his lists and his status.",
            GHL_CONTACTS.shows(
                sandbox,
                BEN,
                {"firstName": "Ben", "tags": ["newsletter"], "custom.email_status": "subscribed", "custom.mailing_lists": ["Weekly"]},
            ),
        ),
        add_logins(sandbox, TRAIL, TRAIL_CONTACTS, "ext4"),
    ]


def trail_edits(sandbox: Sandbox) -> Sequence[Step]:
    """Edits both ways, of contacts, logins and what belongs to a contact."""
    ada, ben = GHL_CONTACTS.id_of(sandbox, ADA), TRAIL_CONTACTS.id_of(sandbox, BEN)
    sandbox.ghl.edit_as_user(ada, {"firstName": "Adah", "tags": ["vip", "customer"]})
    _task(sandbox, ada, "Visit")
    sandbox.trail.edit_as_user(ben, {"last_name": "Holmes"})
    sandbox.trail.leave_as_user(ben)
    sandbox.trail.edit_as_user(TRAIL_CONTACTS.id_of(sandbox, EVE), {"first_name": "Evelyn"})
    sandbox.trail.create_as_user({"email": DAN, "first_name": "Dan"})
    return [
        edited(
            GHL, "Ada's first name is changed; she gets a tag and one more task.",
            TRAIL_CONTACTS.shows(sandbox, ADA, {"first_name": "Adah", "groups": ["customer", "vip"], "num1": 3}),
        ),
        edited(
            TRAIL, "Ben's last name is changed, and he unsubscribes by his own hand.",
            GHL_CONTACTS.shows(sandbox, BEN, {"lastName": "Holmes", "custom.email_status": "unsubscribed"}),
        ),
        rename_eve(sandbox, TRAIL, TRAIL_CONTACTS),
        made(TRAIL, "Dan signs up.", GHL_CONTACTS.shows(sandbox, DAN, {"firstName": "Dan"})),
    ]


def trail_ends(sandbox: Sandbox) -> Sequence[Step]:
    """Deletions, and what stands in for them."""
    delete_ada_and_eve(sandbox)
    sandbox.trail.delete_as_user(TRAIL_CONTACTS.id_of(sandbox, DAN))
    return [
        deleted(
            GHL, f"Ada is deleted, and Eve's login. In {TRAIL} both get no more mail, and are not deleted.",
            *(TRAIL_CONTACTS.shows(sandbox, each, {"is_do_not_mail": True}) for each in (ADA, EVE)),
            GHL_CONTACTS.shows(sandbox, ADA, count=0),
            GHL_USERS.shows(sandbox, EVE, count=0),
        ),
        deleted(
            TRAIL, f"Dan is deleted. In {GHL} he stays, and is no longer in the sync.",
            GHL_CONTACTS.shows(sandbox, DAN),
            TRAIL_CONTACTS.shows(sandbox, DAN, count=0),
        ),
    ]
