"""GoHighLevel's webhook events: a row each, for all that the vendor documents.

`EVENTS` says, by the word an event goes by, whose record it is about, where its id and its location are, and what happened to it.
The rule that keeps it true: an event is here because the vendor's documents have it, under the word they give it; that several have no
word of their own there, and go by their document's name, is marked.
It must not know: signatures, or what an event leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from syncd.connectors.base import Change
from syncd.core.record import CollectionName

UNPLACED: Final = CollectionName("events")
"""Where an event is put that is of no known kind, or that does not say which record it is about; its id is the event's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event. Places are dotted; `inside` is where the record's fields are ("": beside the envelope's).

    `collection` need not be one that syncs: such an event is somebody else's to use. `parent` is the place of the id that a record of
    this collection is addressed below. `also` are other records that have changed with it. `assumed` says that no document shows the word.
    """

    document: str
    word: str
    collection: CollectionName
    change: Change
    id: str = "id"
    location: str = "locationId"
    inside: str = ""
    parent: str = ""
    also: Mapping[CollectionName, str]
    assumed: bool = False


def _kind(
    document: str, collection: str, *, word: str = "", also: Mapping[str, str] | None = None, assumed: bool = False, **places: str
) -> Kind:
    change = Change.DELETED if document.endswith("Delete") else Change.CHANGED
    others = {CollectionName(name): place for name, place in (also or {}).items()}
    return Kind(
        document=document,
        word=word or document,
        collection=CollectionName(collection),
        change=change,
        also=others,
        assumed=assumed,
        **places,
    )


def _all() -> Iterator[Kind]:
    for name in ("Create", "Update", "DndUpdate", "TagUpdate", "Delete"):
        yield _kind(f"Contact{name}", "contacts")
    for name in ("Create", "Update", "AssignedToUpdate", "MonetaryValueUpdate", "StageUpdate", "StatusUpdate", "Delete"):
        yield _kind(f"Opportunity{name}", "opportunities")
    for name in ("Create", "Complete", "Delete"):
        yield _kind(f"Task{name}", "tasks", parent="contactId")
    for name in ("Create", "Update", "Delete"):
        yield _kind(f"Note{name}", "notes", parent="contactId")
        yield _kind(f"Appointment{name}", "appointments", id="appointment.id", inside="appointment")
    for name in ("Create", "Update", "Sent", "Paid", "PartiallyPaid", "Void", "Delete"):
        yield _kind(f"Invoice{name}", "invoices", id="_id", location="altId", assumed=True)
    # A message moves its conversation: unread, last message.
    for name in ("InboundMessage", "OutboundMessage"):
        yield _kind(name, "messages", id="messageId", also={"conversations": "conversationId"})
    yield _kind("ConversationUnreadWebhook", "conversations", word="ConversationUnreadUpdate")
    yield _kind("UserCreate", "users")
    for name in ("Create", "Update"):
        # The location itself; what stands under companyId is its agency.
        yield _kind(f"Location{name}", "locations", location="id")
    yield from _others()


def _others() -> Iterator[Kind]:
    """Events of what does not sync."""
    yield _kind("AppInstall", "apps", word="INSTALL", id="appId")
    yield _kind("AppUninstall", "apps", word="UNINSTALL", id="appId")
    yield _kind("PlanChange", "apps", word="PLAN_CHANGE", id="appId")
    yield _kind("CampaignStatusUpdate", "campaigns")
    yield _kind("LCEmailStats", "email_stats", id="webhookPayload.id")
    for name in ("OrderCreate", "OrderStatusUpdate"):
        yield _kind(name, "orders", id="_id")
    for name in ("Create", "Update", "Delete"):
        yield _kind(f"Price{name}", "prices", id="_id", assumed=True)
        yield _kind(f"Product{name}", "products", id="_id", assumed=True)
        yield _kind(f"Record{name}", "records", assumed=True)
        yield _kind(f"Association{name}", "associations", assumed=True)
    for name in ("Create", "Delete"):
        yield _kind(f"Relation{name}", "relations", assumed=True)
    for name in ("Create", "Update"):
        yield _kind(f"ObjectSchema{name}", "object_schemas", assumed=True)
    # A command to deliver a message, sent to a provider's own address; its word is the channel.
    for channel in ("SMS", "Email"):
        yield _kind("ProviderOutboundMessage", "provider_messages", word=channel, id="messageId")


EVENTS: Final[Mapping[str, Kind]] = MappingProxyType({each.word: each for each in _all()})
