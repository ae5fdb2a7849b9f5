"""What people do in the demo's scenes with 17hats: contacts and logins, conversations, and what a snapshot guide speaks of.

The rule that keeps it true: each step says before syncd sees it what must come of it, by the recipe's own words. What 17hats had before
syncd ran is not seen, for 17hats cannot be listed: everything there happens in front of its flows.
It must not know: how anything is run, waited for or judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.cli.demo_expected import Step, deleted, edited, made
from syncd.cli.demo_people import ADA, BEN, DAN, EVE, FAY, add_ada, add_logins, delete_ada_and_eve, rename_eve
from syncd.cli.demo_places import (
    GHL,
    GHL_CONTACTS,
    GHL_CONVERSATIONS,
    GHL_INVOICES,
    GHL_USERS,
    HATS,
    HATS_CONTACTS,
    HATS_INVOICES,
    HATS_LOCATIONS,
    HATS_TICKETS,
)
from syncd.sandbox import Sandbox

_LOCATION = "Sandbox location"


def _new_in_hats(sandbox: Sandbox, email: str, name: str, **more: Any) -> Step:
    sandbox.bridge.create_as_user({"email": email, "first_name": name, "type": "Cold Prospect", "is_company": False, **more})
    told = f"{name} is added. 17hats' trigger \"New Contact\" tells of it, and {GHL} gets the contact, once."
    return made(HATS, told, GHL_CONTACTS.shows(sandbox, email, {"firstName": name}))


# ---- contacts and logins


def users_first(sandbox: Sandbox) -> Sequence[Step]:
    """A customer with an opportunity, and somebody with a login."""
    ada = add_ada(sandbox)
    deal = {"name": "Wedding", "contactId": ada, "pipelineId": "SandboxPipeline00001", "status": "open", "pipelineStageId": "SandboxStage000000001"}
    sandbox.ghl.create_record_as_user("opportunities", deal)
    shown = {"first_name": "Ada", "type": "Hot Lead", "tags": ["vip"], "deal_status": "open", "pipeline_stage": "SandboxStage000000001"}
    return [
        made(
            GHL, f'Ada is a contact in {GHL}, with an opportunity. The flow "Create Contact" makes her in {HATS}, as a lead.',
            HATS_CONTACTS.shows(sandbox, ADA, shown),
        ),
        add_logins(sandbox, HATS, HATS_CONTACTS, "title", tags=["staff"]),
    ]


def users_arrivals(sandbox: Sandbox) -> Sequence[Step]:
    """A new contact on each side."""
    sandbox.ghl.create_as_user({"email": DAN, "firstName": "Dan", "custom": {"lead_status": "Other"}})
    return [
        _new_in_hats(sandbox, BEN, "Ben", tags="newsletter"),
        made(GHL, "Dan is added.", HATS_CONTACTS.shows(sandbox, DAN, {"first_name": "Dan", "type": "Other"})),
        made(
            HATS, "Ben's type of contact is his lead status.",
            GHL_CONTACTS.shows(sandbox, BEN, {"custom.lead_status": "Cold Prospect", "tags": ["newsletter"]}),
        ),
    ]


def users_edits(sandbox: Sandbox) -> Sequence[Step]:
    """Edits both ways, of contacts, of a login, and of an opportunity."""
    ghl, hats = sandbox.ghl, sandbox.bridge
    hats.edit_as_user(HATS_CONTACTS.id_of(sandbox, BEN), {"type": "Client", "last_name": "Holm"})
    ghl.edit_as_user(GHL_CONTACTS.id_of(sandbox, ADA), {"tags": ["vip", "customer"], "city": "Lisbon"})
    (deal,) = ghl.records.rows("opportunities")
    ghl.edit_record_as_user("opportunities", deal["id"], {"status": "won", "pipelineStageId": "SandboxStage000000003"})
    hats.edit_as_user(HATS_CONTACTS.id_of(sandbox, DAN), {"deal_status": "won"})
    hats.edit_as_user(HATS_CONTACTS.id_of(sandbox, EVE), {"first_name": "Evelyn"})
    return [
        edited(
            HATS, "Ben signs, and becomes a client.",
            GHL_CONTACTS.shows(sandbox, BEN, {"custom.lead_status": "Client", "lastName": "Holm"}),
        ),
        edited(
            GHL, "Ada gets a tag and a city, and her opportunity is won.",
            HATS_CONTACTS.shows(
                sandbox,
                ADA,
                {"tags": ["vip", "customer"], "city": "Lisbon", "deal_status": "won", "pipeline_stage": "SandboxStage000000003"},
            ),
        ),
        edited(
            HATS, "Somebody writes that Dan's deal is won. He has none: that is put back.",
            HATS_CONTACTS.shows(sandbox, DAN, {"deal_status": None}),
        ),
        rename_eve(sandbox, HATS, HATS_CONTACTS),
    ]


def users_ends(sandbox: Sandbox) -> Sequence[Step]:
    """Deletions, and what stands in for them."""
    delete_ada_and_eve(sandbox)
    return [
        deleted(
            GHL, f"Ada is deleted. {HATS} deletes nobody: her type becomes Other.",
            HATS_CONTACTS.shows(sandbox, ADA, {"type": "Other"}),
            GHL_CONTACTS.shows(sandbox, ADA, count=0),
        ),
        deleted(
            GHL, f"Eve's login is deleted. In {HATS} she is called so.",
            HATS_CONTACTS.shows(sandbox, EVE, {"title": "no longer a user"}),
            GHL_USERS.shows(sandbox, EVE, count=0),
        ),
        gone_in_hats(sandbox, DAN, "Dan"),
    ]


def gone_in_hats(sandbox: Sandbox, email: str, name: str) -> Step:
    """A contact is deleted where nobody tells of it."""
    sandbox.bridge.delete_as_user(HATS_CONTACTS.id_of(sandbox, email))
    told = f"{name} is deleted. {HATS} tells nobody, so {GHL} keeps the contact, and it is not made again."
    expected = [GHL_CONTACTS.shows(sandbox, email), HATS_CONTACTS.shows(sandbox, email, count=0)]
    return deleted(HATS, told, *expected)


# ---- conversations


def _conversation(sandbox: Sandbox, contact: str, *texts: str) -> str:
    now = sandbox.ghl.records.now_ms()
    fields = {"contactId": contact, "deleted": False, "inbox": True, "type": 1, "unreadCount": 0, "starred": False, "lastMessageAt": now}
    opened = str(sandbox.ghl.create_record_as_user("conversations", fields)["id"])
    for text in texts:
        _message(sandbox, opened, contact, text)
    return opened


def _message(sandbox: Sandbox, conversation: str, contact: str, text: str) -> None:
    """Somebody writes to us."""
    fields = {"conversationId": conversation, "contactId": contact, "type": 2, "messageType": "TYPE_SMS", "body": text}
    more = {"direction": "inbound", "status": "delivered", "contentType": "text/plain", "source": "app"}
    sandbox.ghl.create_record_as_user("messages", {**fields, **more})
    held = sandbox.ghl.records.get("conversations", conversation)
    changes = {"unreadCount": held["unreadCount"] + 1, "lastMessageAt": sandbox.ghl.records.now_ms()}
    sandbox.ghl.edit_record_as_user("conversations", conversation, changes)


def threads_first(sandbox: Sandbox) -> Sequence[Step]:
    """A conversation with one message."""
    _conversation(sandbox, add_ada(sandbox), "Are you free in May?")
    shown = {"channel": "TYPE_PHONE", "unread": 1, "last_message": "Are you free in May?", "last_direction": "inbound"}
    return [
        made(
            GHL, f"Ada has written. {HATS} gets a ticket that is hers, with her last message.",
            HATS_TICKETS.shows(sandbox, ADA, shown),
        )
    ]


def threads_arrivals(sandbox: Sandbox) -> Sequence[Step]:
    """New conversations on both sides."""
    dan = sandbox.ghl.create_as_user({"email": DAN, "firstName": "Dan"})["id"]
    _conversation(sandbox, dan, "Hello")
    added = _new_in_hats(sandbox, BEN, "Ben")
    ticket = {"contact": HATS_CONTACTS.id_of(sandbox, BEN), "channel": "TYPE_PHONE", "unread": 0, "starred": False}
    sandbox.bridge.create_as_user(ticket, "tickets")
    return [
        added,
        made(
            HATS, f"Ben gets a ticket. {GHL} opens a conversation with him, once he is a contact there.",
            GHL_CONVERSATIONS.shows(sandbox, BEN),
        ),
        made(GHL, "Dan writes.", HATS_TICKETS.shows(sandbox, DAN, {"last_message": "Hello", "unread": 1})),
    ]


def threads_edits(sandbox: Sandbox) -> Sequence[Step]:
    """A new message, and what is said of a ticket."""
    ada = GHL_CONTACTS.id_of(sandbox, ADA)
    _message(sandbox, GHL_CONVERSATIONS.id_of(sandbox, ADA), ada, "Or in June?")
    sandbox.bridge.edit_as_user(HATS_TICKETS.id_of(sandbox, DAN), {"starred": True, "unread": 0}, "tickets")
    return [
        edited(GHL, "Ada writes again.", HATS_TICKETS.shows(sandbox, ADA, {"last_message": "Or in June?", "unread": 2})),
        edited(
            HATS, "Dan's ticket is starred and read.",
            GHL_CONVERSATIONS.shows(sandbox, DAN, {"starred": True, "unreadCount": 0}),
            HATS_TICKETS.shows(sandbox, DAN, {"starred": True, "unread": 0}),
        ),
    ]


def threads_ends(sandbox: Sandbox) -> Sequence[Step]:
    """A deletion, and what stands in for it; no message was ever sent."""
    sandbox.ghl.delete_record_as_user("conversations", GHL_CONVERSATIONS.id_of(sandbox, ADA))
    return [
        deleted(
            GHL, f"The conversation with Ada is deleted. In {HATS} the ticket is closed.",
            HATS_TICKETS.shows(sandbox, ADA, {"status": "closed"}),
        ),
        gone_in_hats(sandbox, BEN, "Ben"),
    ]


# ---- locations, customers, invoices


def _invoice(sandbox: Sandbox, contact: str, number: int, name: str, total: int) -> None:
    details = {"id": contact, "name": "Somebody", "email": "", "phoneNo": ""}
    line = {"name": "Work", "currency": "USD", "amount": total, "qty": 1}
    here = {"altId": sandbox.options.ghl.location_id, "altType": "location", "liveMode": False, "businessDetails": {"name": "Us"}}
    dates = {"issueDate": "2026-01-15", "dueDate": "2026-03-01"}
    totals = {"total": total, "amountPaid": 0, "amountDue": total, "discount": {"type": "fixed", "value": 0}}
    fields = {"name": name, "title": "", "status": "draft", "invoiceNumber": number, "currency": "USD", "invoiceItems": [line]}
    sandbox.ghl.create_record_as_user("invoices", {**here, **dates, **totals, **fields, "contactDetails": details})


def snapshots_first(sandbox: Sandbox) -> Sequence[Step]:
    """The location, a customer, and an invoice."""
    _invoice(sandbox, add_ada(sandbox), 1, "Wedding", 900)
    shown = {"who": ADA, "number": 1, "status": "draft", "total": 900, "amount_due": 900, "currency": "USD", "due_date": "2026-03-01"}
    return [
        made(
            GHL, f"The location is told to {HATS}.",
            HATS_LOCATIONS.shows(sandbox, _LOCATION, {"country": "US", "timezone": "America/Chicago"}),
        ),
        made(
            GHL, f"Ada is a customer with an invoice. {HATS} gets both, the invoice as hers and with its totals.",
            HATS_CONTACTS.shows(sandbox, ADA, {"first_name": "Ada", "tags": ["vip"]}),
            HATS_INVOICES.shows(sandbox, "Wedding", shown),
        ),
    ]


def snapshots_edits(sandbox: Sandbox) -> Sequence[Step]:
    """A payment, an edit on the other side, and newcomers."""
    ghl = sandbox.ghl
    ghl.edit_record_as_user("invoices", GHL_INVOICES.id_of(sandbox, "Wedding"), {"status": "partially_paid", "amountPaid": 400, "amountDue": 500})
    sandbox.bridge.edit_as_user(HATS_INVOICES.id_of(sandbox, "Wedding"), {"due_date": "2026-04-01"}, "invoices")
    fay = ghl.create_as_user({"email": FAY, "firstName": "Fay"})["id"]
    _invoice(sandbox, fay, 2, "Portrait", 120)
    return [
        _new_in_hats(sandbox, BEN, "Ben"),
        edited(
            GHL, "Ada pays a part of her invoice.",
            HATS_INVOICES.shows(sandbox, "Wedding", {"status": "partially_paid", "amount_paid": 400, "amount_due": 500}),
        ),
        edited(
            HATS, "She is given more time.",
            GHL_INVOICES.shows(sandbox, "Wedding", {"dueDate": "2026-04-01", "amountPaid": 400, "total": 900}),
            HATS_INVOICES.shows(sandbox, "Wedding", {"due_date": "2026-04-01"}),
        ),
        made(
            GHL, "Fay is a new customer, with an invoice of her own: it waits until she is there.",
            HATS_CONTACTS.shows(sandbox, FAY),
            HATS_INVOICES.shows(sandbox, "Portrait", {"who": FAY, "total": 120}),
        ),
    ]


def snapshots_ends(sandbox: Sandbox) -> Sequence[Step]:
    """Deletions, and what stands in for them."""
    sandbox.ghl.delete_record_as_user("invoices", GHL_INVOICES.id_of(sandbox, "Portrait"))
    sandbox.ghl.delete_as_user(GHL_CONTACTS.id_of(sandbox, FAY))
    return [
        deleted(
            GHL, f"Fay and her invoice are deleted. In {HATS} the invoice is called so, and her type becomes Other.",
            HATS_INVOICES.shows(sandbox, "Portrait", {"status": "deleted"}),
            HATS_CONTACTS.shows(sandbox, FAY, {"type": "Other"}),
        ),
        gone_in_hats(sandbox, BEN, "Ben"),
    ]
