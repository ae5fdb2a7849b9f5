"""Which events a change of a record fires, and what each shows.

The contacts' own events are the location's; these are of everything else that has any.
Rule: an event is fired only where the vendor documents one: businesses, calendars, blocked slots and tags have none, nor has an edit of a
task or of a user.

It must not know envelopes, signatures or who made the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from syncd.sandbox.truth import Json

Fired = tuple[str, Json]
_OPPORTUNITY = ("id", "assignedTo", "contactId", "monetaryValue", "name", "pipelineId", "pipelineStageId", "source", "status", "dateAdded")
_OPPORTUNITY_EVENTS = {
    "assignedTo": "OpportunityAssignedToUpdate",
    "monetaryValue": "OpportunityMonetaryValueUpdate",
    "pipelineStageId": "OpportunityStageUpdate",
    "status": "OpportunityStatusUpdate",
}
_TASK = ("id", "assignedTo", "body", "contactId", "title", "dateAdded", "dueDate")
_NOTE = ("id", "body", "contactId", "dateAdded")
_APPOINTMENT = (
    *("id", "address", "title", "calendarId", "contactId", "groupId", "appointmentStatus", "assignedUserId", "users", "notes", "source"),
    *("startTime", "endTime", "dateAdded", "dateUpdated"),
)
_INVOICE = (
    *("_id", "status", "liveMode", "amountPaid", "altId", "altType", "name", "businessDetails", "invoiceNumber", "currency"),
    *("contactDetails", "issueDate", "dueDate", "discount", "invoiceItems", "total", "title", "amountDue", "createdAt", "updatedAt"),
)
_INVOICE_EVENTS = {"sent": "InvoiceSent", "paid": "InvoicePaid", "partially_paid": "InvoicePartiallyPaid", "void": "InvoiceVoid"}
_MESSAGE = ("attachments", "body", "contactId", "contentType", "conversationId", "dateAdded", "direction", "messageType", "status", "userId")
_CONVERSATION = ("id", "contactId", "unreadCount", "inbox", "starred", "deleted")
_USER = ("id", "companyId", "firstName", "lastName", "email", "phone", "extension", "role", "permissions")
_ASSOCIATION = ("id", "associationType", "firstObjectKey", "firstObjectLabel", "secondObjectKey", "secondObjectLabel", "key")
_RELATION = ("id", "firstObjectKey", "firstRecordId", "secondObjectKey", "secondRecordId", "associationId")


def fired(collection: str, before: Json | None, after: Json | None) -> Iterator[Fired]:
    """The events of one change, in the order they are sent; each with its payload, still without envelope and location."""
    announce = _ANNOUNCED.get(collection)
    return iter(()) if announce is None else announce(before, after)


def _opportunities(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """One change fires several: a create or a deletion is an update, too, and so is every change that has an event of its own."""
    shown = _shown(after or before, _OPPORTUNITY)
    if before is None or after is None:
        yield ("OpportunityCreate" if before is None else "OpportunityDelete"), shown
    else:
        yield from ((name, shown) for field, name in _OPPORTUNITY_EVENTS.items() if before.get(field) != after.get(field))
    yield "OpportunityUpdate", shown


def _tasks(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """Users report that a new task's event lacks its contact and its body; an edit has no event."""
    if before is None:
        yield "TaskCreate", {name: value for name, value in _shown(after, _TASK).items() if name not in ("contactId", "body")}
    elif after is None:
        yield "TaskDelete", _shown(before, _TASK)
    elif after.get("completed") and not before.get("completed"):
        yield "TaskComplete", _shown(after, _TASK)


def _appointments(before: Json | None, after: Json | None) -> Iterator[Fired]:
    yield _named("Appointment", before, after), {"appointment": _shown(after or before, _APPOINTMENT)}


def _invoices(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """A change of status that has an event of its own fires that one."""
    shown = _shown(after or before, _INVOICE)
    status = after["status"] if before and after and before.get("status") != after.get("status") else None
    yield _INVOICE_EVENTS.get(str(status)) or _named("Invoice", before, after), shown


def _messages(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """New ones only; the examples of texts and e-mails lack the message's id, so those of texts do here."""
    if before is None and after is not None:
        shown = _shown(after, _MESSAGE)
        if after.get("messageType") != "TYPE_SMS":
            shown["messageId"] = after["id"]
        yield ("InboundMessage" if after.get("direction") == "inbound" else "OutboundMessage"), shown


def _conversations(before: Json | None, after: Json | None) -> Iterator[Fired]:
    if before is not None and after is not None and before.get("unreadCount") != after.get("unreadCount"):
        yield "ConversationUnreadUpdate", _shown(after, _CONVERSATION)


def _users(before: Json | None, after: Json | None) -> Iterator[Fired]:
    if before is None:
        yield "UserCreate", _shown(after, _USER)


def _plain(stem: str, names: tuple[str, ...]) -> Callable[[Json | None, Json | None], Iterator[Fired]]:
    def announce(before: Json | None, after: Json | None) -> Iterator[Fired]:
        yield _named(stem, before, after), _shown(after or before, names)

    return announce


def _named(stem: str, before: Json | None, after: Json | None) -> str:
    return f"{stem}{'Create' if before is None else 'Delete' if after is None else 'Update'}"


def _shown(record: Json | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names if record is not None and record.get(name) is not None}


_ANNOUNCED: Mapping[str, Callable[[Json | None, Json | None], Iterator[Fired]]] = {
    "opportunities": _opportunities,
    "tasks": _tasks,
    "notes": _plain("Note", _NOTE),
    "appointments": _appointments,
    "invoices": _invoices,
    "messages": _messages,
    "conversations": _conversations,
    "users": _users,
    "associations": _plain("Association", _ASSOCIATION),
    "relations": _plain("Relation", _RELATION),
}
