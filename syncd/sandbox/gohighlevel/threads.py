"""Conversations and their messages.

Rule: a contact has one conversation, and every message moves it.

It must not know requests or shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

from syncd.sandbox.gohighlevel.deeds import BEYOND, DONE, Deed, Scene, deleting
from syncd.sandbox.gohighlevel.errors import refuse, unprocessable
from syncd.sandbox.gohighlevel.shapes import shaped
from syncd.sandbox.moments import epoch_from_iso, iso_from_milliseconds
from syncd.sandbox.truth import Json

_PAGE = 20
_EXPORT_PAGE = 100
# A conversation's kinds, and a message's.
_PHONE, _EMAIL = 1, 2
_TEXT, _MAIL = 2, 3
_SEARCH_TYPES = {1: "TYPE_PHONE", 2: "TYPE_EMAIL"}
_CHANNELS = {"Email": "TYPE_EMAIL", "WhatsApp": "TYPE_WHATSAPP", "IG": "TYPE_INSTAGRAM", "FB": "TYPE_FACEBOOK", "Live_Chat": "TYPE_LIVE_CHAT", "Call": "TYPE_CALL"}
_EXPORTED = {"Call": "TYPE_CALL", "SMS": "TYPE_SMS", "Email": "TYPE_EMAIL", "WhatsApp": "TYPE_WHATSAPP", "Instagram": "TYPE_INSTAGRAM", "Facebook": "TYPE_FACEBOOK"}


def _conversation(scene: Scene, contact_id: str) -> Json:
    """A new conversation with a contact."""
    fields = {"contactId": contact_id, "locationId": scene.options.location_id, "deleted": False, "inbox": True, "type": _PHONE, "unreadCount": 0}
    return scene.records.create("conversations", {**fields, "starred": False, "lastMessageAt": scene.records.now_ms()}, scene.author)


def _open(scene: Scene) -> Json:
    if scene.records.rows("conversations", {"contactId": scene.body["contactId"]}):
        raise refuse(400, "Conversation already exists")
    made = _conversation(scene, scene.body["contactId"])
    return {"conversation": {**made, "lastMessageDate": made["dateAdded"]}, **DONE}


def _change(scene: Scene) -> Json:
    changes = {name: value for name, value in scene.body.items() if name != "locationId"}
    return {"conversation": _told(scene, scene.records.update("conversations", scene.last_id, changes, scene.author)), **DONE}


def _get(scene: Scene) -> Json:
    return scene.records.get("conversations", scene.last_id)


def _told(scene: Scene, conversation: Json) -> Json:
    """A conversation as a search shows it: with its contact and its last message."""
    contact = scene.location.get(conversation["contactId"])
    messages = scene.records.rows("messages", {"conversationId": conversation["id"]})
    last = messages[-1] if messages else {}
    return {
        **conversation,
        "type": _SEARCH_TYPES[conversation["type"]],
        "fullName": contact.full_name,
        "contactName": contact.full_name,
        "email": contact.values.get("email", ""),
        "phone": contact.values.get("phone", ""),
        "lastMessageBody": last.get("body", ""),
        "lastMessageType": last.get("messageType", ""),
        "lastMessageDate": iso_from_milliseconds(conversation["lastMessageAt"]),
    }


def _search(scene: Scene) -> Json:
    """Newest first, unless asked for otherwise; each shows its sort value, which the vendor's schema forgot."""
    wanted = {name: scene.query[name] for name in ("contactId", "assignedTo", "id") if name in scene.query}
    ascending = scene.query.get("sort") == "asc"
    found = [row for row in scene.records.indexed("conversations", wanted) if _is_sought(scene, row)]
    rows = sorted(found, key=lambda row: row["lastMessageAt"], reverse=not ascending)
    total, after = len(rows), scene.number("startAfterDate", 0)
    if after:
        rows = [row for row in rows if (row["lastMessageAt"] > after if ascending else row["lastMessageAt"] < after)]
    page = scene.cut(rows, default=_PAGE)
    told = shaped(scene.entry.answer["conversations!"], [_told(scene, row) for row in page])
    sorts = [{"lastMessageDate": row["lastMessageAt"], "sort": [row["lastMessageAt"]]} for row in page]
    return {"total": total, BEYOND: {"conversations": [{**shown, **sort} for shown, sort in zip(told, sorts, strict=True)]}}


_STATUSES: Mapping[str, Callable[[Json], bool]] = {
    "read": lambda row: not row["unreadCount"],
    "unread": lambda row: row["unreadCount"] > 0,
    "starred": lambda row: bool(row["starred"]),
}


def _is_sought(scene: Scene, conversation: Json) -> bool:
    """By its status, by who wrote last, and by when it was begun, in milliseconds."""
    if (fits := _STATUSES.get(scene.query.get("status", "all"))) is not None and not fits(conversation):
        return False
    if direction := scene.query.get("lastMessageDirection"):
        messages = scene.records.rows("messages", {"conversationId": conversation["id"]})
        if not messages or messages[-1]["direction"] != direction:
            return False
    begun = epoch_from_iso(conversation["dateAdded"]) * 1000
    return scene.number("startDate", 0) <= begun <= (scene.number("endDate", 0) if "endDate" in scene.query else inf)


def _deliver(scene: Scene, *, direction: str) -> Json:
    """Puts a message into its contact's conversation."""
    body, at = scene.body, scene.records.now_ms()
    found = scene.records.find("conversations", body.get("conversationId", "")) or next(
        iter(scene.records.rows("conversations", {"contactId": body.get("contactId", "")})), None
    )
    conversation = found or _conversation(scene, body["contactId"])
    contact = scene.location.get(conversation["contactId"])
    kind = body["type"]
    is_email = kind == "Email"
    status = "scheduled" if body.get("scheduledTimestamp") else ("delivered" if direction == "inbound" else "sent")
    message = scene.records.create(
        "messages",
        {
            "conversationId": conversation["id"],
            "contactId": conversation["contactId"],
            "locationId": scene.options.location_id,
            "type": _MAIL if is_email else _TEXT,
            "messageType": _CHANNELS.get(kind, "TYPE_SMS"),
            "body": body.get("html") or body.get("message", ""),
            "direction": direction,
            "status": status,
            "contentType": "text/html" if is_email else "text/plain",
            "attachments": body.get("attachments", []),
            "source": "api",
            "subject": body.get("subject"),
            "provider": "Leadconnector",
            "conversationProviderId": body.get("conversationProviderId"),
            "toNumber": body.get("toNumber") or contact.values.get("phone"),
        },
        scene.author,
    )
    if is_email:
        mail = {"threadId": body.get("threadId") or message["id"], "from": body.get("emailFrom", ""), "to": [body.get("emailTo") or contact.values.get("email", "")]}
        scene.records.create("emails", {**message, "id": None, "messageId": message["id"], **mail}, scene.author)
    moved = {"lastMessageAt": at, "type": _EMAIL if is_email else conversation["type"]}
    if direction == "inbound":
        moved["unreadCount"] = conversation["unreadCount"] + 1
    scene.records.update("conversations", conversation["id"], moved, scene.author)
    return message


def _email_of(scene: Scene, message: Json) -> str | None:
    return next((row["id"] for row in scene.records.rows("emails", {"messageId": message["id"]})), None)


def _send(scene: Scene) -> Json:
    message = _deliver(scene, direction="outbound")
    return {**message, "messageId": message["id"], "emailMessageId": _email_of(scene, message), "msg": "Message queued successfully.", **DONE}


def _take_in(scene: Scene) -> Json:
    message = _deliver(scene, direction="inbound")
    return {**message, "messageId": message["id"], "message": message["body"], "emailMessageId": _email_of(scene, message), **DONE}


def _messages(scene: Scene) -> Json:
    """Newest first, from the last one shown on."""
    conversation = scene.records.get("conversations", scene.ids["conversationId"])
    rows = list(reversed(scene.records.rows("messages", {"conversationId": conversation["id"]})))
    if kind := scene.query.get("type"):
        rows = [row for row in rows if row["messageType"] in kind.split(",")]
    return _after(scene, rows, "lastMessageId", scene.number("limit", _PAGE))


def _after(scene: Scene, rows: list[Json], name: str, size: int) -> Json:
    places = {row["id"]: place for place, row in enumerate(rows)}
    start = places.get(scene.query.get(name, ""), -1) + 1
    page = scene.cut(rows[start:], default=size)[:size]
    more = bool(page) and page[-1] is not rows[-1]
    last = page[-1]["id"] if page else ""
    return {"messages": page, "lastMessageId": last, "nextPage": more, "nextCursor": last if more else None, "total": len(rows)}


def _export(scene: Scene) -> Json:
    """Of the whole location; e-mails only where they are asked for. The dates act on what it is sorted by: a choice, the vendor says nothing."""
    wanted = {name: scene.query[name] for name in ("conversationId", "contactId") if name in scene.query}
    rows = scene.records.rows("messages", wanted)
    channel = _EXPORTED.get(scene.query.get("channel", ""))
    rows = [row for row in rows if (row["messageType"] == channel if channel else row["messageType"] != "TYPE_EMAIL")]
    by = "dateUpdated" if scene.query.get("sortBy") == "updatedAt" else "dateAdded"
    first, last = _instant(scene, "startDate", 0.0), _instant(scene, "endDate", inf)
    rows = sorted((row for row in rows if first <= epoch_from_iso(row[by]) <= last), key=lambda row: row[by])
    if scene.query.get("sortOrder", "desc") == "desc":
        rows.reverse()
    return _after(scene, rows, "cursor", scene.number("limit", _EXPORT_PAGE))


def _instant(scene: Scene, name: str, other: float) -> float:
    """Of the query; what form it must have is not said, so any other than ISO 8601 is passed over."""
    try:
        return epoch_from_iso(scene.query[name]) if name in scene.query else other
    except ValueError:
        return other


def _get_message(scene: Scene) -> Json:
    return scene.records.get("messages", scene.last_id)


def _get_email(scene: Scene) -> Json:
    return scene.records.get("emails", scene.last_id)


def _report(scene: Scene) -> Json:
    message = scene.records.update("messages", scene.ids["messageId"], {"status": scene.body["status"]}, scene.author)
    return {**message, "messageId": message["id"], "msg": "Message status updated"}


def _cancel(scene: Scene) -> Json:
    message_id = scene.last_id
    if "emailMessageId" in scene.ids:
        message_id = scene.records.get("emails", scene.last_id)["messageId"]
    if scene.records.get("messages", message_id)["status"] != "scheduled":
        raise unprocessable(["The message is not scheduled"])
    scene.records.delete("messages", message_id, scene.author)
    return {"status": 200, "message": "The scheduled message was cancelled successfully"}


def _transcript(scene: Scene) -> Json:
    message = scene.records.get("messages", scene.ids["messageId"])
    return {"mediaChannel": 1, "sentenceIndex": 0, "startTime": 0, "endTime": 1000, "transcript": message["body"], "confidence": 0.9}


def _typing(scene: Scene) -> Json:
    scene.records.get("conversations", scene.body["conversationId"])
    return DONE


DEEDS: Mapping[str, Deed] = {
    "create-conversation": _open,
    "get-conversation": _get,
    "update-conversation": _change,
    "delete-conversation": deleting("conversations"),
    "search-conversations": _search,
    "send-message": _send,
    "add-inbound-message": _take_in,
    "get-message-by-id": _get_message,
    "get-email-by-id": _get_email,
    "get-messages-by-conversation": _messages,
    "export-messages": _export,
    "update-message-status": _report,
    "cancel-scheduled-message": _cancel,
    "cancel-scheduled-email": _cancel,
    "get-message-transcription": _transcript,
    "agent-typing-indicator": _typing,
}
