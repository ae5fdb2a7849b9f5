"""Which events a change of a record fires, and what each shows.

The contacts' own events are the location's; these are of everything else that has any, also of what no operation here makes: apps, orders,
prices, products, records of objects and the objects themselves are kept as any record is, and a person changes them.
Rule: an event is fired only where the vendor documents one: businesses, calendars, blocked slots and tags have none, nor has an edit of a
task or of a user, nor the end of an order, an object or a location.

It must not know envelopes, signatures or who made the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from syncd.sandbox.moments import epoch_from_iso
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
_APP = ("appId", "companyId", "userId", "planId", "trial", "isWhitelabelCompany", "whitelabelDetails", "companyName")
_LOCATION = ("id", "name", "email", "stripeProductId", "companyId")
_ENROLMENT = ("contactId", "status", "templateId", "replied", "dateAdded")
_PRICE = (
    *("_id", "membershipOffers", "variantOptionIds", "locationId", "product", "userId", "name", "priceType", "currency", "amount", "recurring"),
    *("createdAt", "updatedAt", "compareAtPrice", "trackInventory", "availableQuantity", "allowOutOfStockPurchases"),
)
_PRODUCT = (
    *("_id", "description", "variants", "medias", "locationId", "name", "productType", "availableInStore", "userId", "createdAt", "updatedAt"),
    *("statementDescriptor", "image"),
)
_ORDER = (
    *("altId", "altType", "_id", "contactId", "contactSnapshot", "status", "fulfillmentStatus", "currency", "amount", "liveMode", "items"),
    *("amountSummary", "taxSummary", "source", "createdAt", "updatedAt"),
)
_RECORD = ("id", "owners", "followers", "properties")
_OBJECT = (
    *("id", "labels", "description", "searchableProperties", "primaryDisplayProperty", "key", "createdBy", "updatedBy", "objectType"),
    *("createdAt", "updatedAt"),
)
_TO_DELIVER = ("contactId", "messageId", "attachments", "userId")
UNLOCATED = frozenset({"invoices", "locations"})
"""The collections whose events do not say `locationId`: an invoice says `altId`, a location is one."""


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
    """New ones only; the examples of texts and e-mails lack the message's id, so those of texts do here.

    One that a provider of the location's own is to deliver is handed to it, too. The vendor sends that to the provider's address; here it is the same.
    """
    if before is None and after is not None:
        shown = _shown(after, _MESSAGE)
        if after.get("messageType") != "TYPE_SMS":
            shown["messageId"] = after["id"]
        yield ("InboundMessage" if after.get("direction") == "inbound" else "OutboundMessage"), shown
        if after.get("conversationProviderId") and after.get("direction") == "outbound" and after.get("messageType") == "TYPE_SMS":
            told = {"message": after.get("body", ""), "phone": after.get("toNumber", "")}
            yield "SMS", {**_shown({**after, "messageId": after["id"]}, _TO_DELIVER), **told}


def _emails(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """One that goes out is handed to the location's own provider, or goes by the vendor's mail service, which says how that went."""
    if before is not None or after is None or after.get("direction") != "outbound":
        return
    to = next(iter(after.get("to") or ()), "")
    if after.get("conversationProviderId"):
        told = {"emailMessageId": after["id"], "emailTo": to, "emailFrom": after.get("from", ""), "html": after.get("body", "")}
        yield "Email", {**_shown(after, (*_TO_DELIVER, "subject")), **told}
    else:
        yield "LCEmailStats", {"webhookPayload": _delivered(after, to)}


def _delivered(email: Json, to: str) -> Json:
    """The statistics of one e-mail that arrived at the first attempt."""
    headers = {"message-id": email["id"], "from": email.get("from", ""), "to": to}
    return {
        "event": "delivered",
        "id": email["id"],
        "timestamp": int(epoch_from_iso(email["dateAdded"])),
        "flags": {"is-authenticated": True, "is-routed": False, "is-big": False, "is-system-test": False, "is-test-mode": False},
        "message": {"attachments": [], "headers": headers, "size": len(email.get("body", ""))},
        "log-level": "info",
        "recipient": to,
        "recipient-domain": to.partition("@")[2],
        "tags": [],
        "campaigns": [],
        "delivery-status": {"attempt-no": 1, "code": 250, "message": "OK", "description": "", "utf8": True},
        "envelope": {"sender": email.get("from", ""), "targets": to, "transport": "smtp"},
    }


def _conversations(before: Json | None, after: Json | None) -> Iterator[Fired]:
    if before is not None and after is not None and before.get("unreadCount") != after.get("unreadCount"):
        yield "ConversationUnreadUpdate", _shown(after, _CONVERSATION)


def _users(before: Json | None, after: Json | None) -> Iterator[Fired]:
    if before is None:
        yield "UserCreate", _shown(after, _USER)


def _apps(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """Installed, gone, or paid for by another plan; nothing else of it is told."""
    if before is None:
        yield "INSTALL", _shown(after, _APP)
    elif after is None:
        yield "UNINSTALL", _shown(before, ("appId", "companyId"))
    elif before.get("planId") != after.get("planId"):
        plans = {"currentPlanId": before.get("planId", ""), "newPlanId": after.get("planId", "")}
        yield "PLAN_CHANGE", {**_shown(after, ("appId", "companyId", "userId")), **plans}


def _enrolments(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """What a campaign has come to with a contact."""
    if before is not None and after is not None and before.get("status") != after.get("status"):
        yield "CampaignStatusUpdate", {"id": after["campaignId"], **_shown(after, _ENROLMENT)}


def _prices(before: Json | None, after: Json | None) -> Iterator[Fired]:
    """What kind of price it is, is told of a new one alone."""
    names = _PRICE if before is None else tuple(name for name in _PRICE if name != "priceType")
    yield _named("Price", before, after), _shown(after or before, names)


def _orders(before: Json | None, after: Json | None) -> Iterator[Fired]:
    if before is None:
        yield "OrderCreate", _shown(after, _ORDER)
    elif after is not None and before.get("status") != after.get("status"):
        yield "OrderStatusUpdate", _shown(after, _ORDER)


def _lasting(stem: str, names: tuple[str, ...]) -> Callable[[Json | None, Json | None], Iterator[Fired]]:
    """Of what has no event when it ends."""

    def announce(before: Json | None, after: Json | None) -> Iterator[Fired]:
        if after is not None:
            yield _named(stem, before, after), _shown(after, names)

    return announce


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
    "emails": _emails,
    "apps": _apps,
    "campaigns_contacts": _enrolments,
    "locations": _lasting("Location", _LOCATION),
    "object_schemas": _lasting("ObjectSchema", _OBJECT),
    "records": _plain("Record", _RECORD),
    "products": _plain("Product", _PRODUCT),
    "prices": _prices,
    "orders": _orders,
}
