"""EmailOctopus's webhooks: proving who sent them, and reading what they announce.

A delivery is an array of up to a thousand events under one signature over the raw body. There is no moment in the signature, so
repeats are told by the events' ids.
The rule that keeps it true: nothing of a body is looked at before its signature holds, and an event counts as the whole record only
when it lists all that a read would, in a read's own words.
It must not know: which lists are synced, how a hint is followed up, or where ids already seen are kept.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence

from syncd.connectors import payload
from syncd.connectors.address import is_id
from syncd.connectors.base import Change, Event, Proven, WebhookRefused
from syncd.connectors.emailoctopus.contacts import fields_of
from syncd.connectors.emailoctopus.fields import STATUSES, ListFields
from syncd.connectors.emailoctopus.settings import EmailOctopusSettings
from syncd.connectors.keys import holding
from syncd.core.record import CollectionName, Json, RecordId, Ref, SystemName

SIGNATURE = "emailoctopus-signature"
_EVENTS_MAX = 1_000
_WORD_MAX = 64
# EmailOctopus: help, webhooks. Openings and clicks are no change of a contact.
CHANGES = {
    "contact.created": Change.CHANGED,
    "contact.updated": Change.CHANGED,
    "contact.deleted": Change.DELETED,
    "contact.unsubscribed": Change.CHANGED,
    "contact.bounced": Change.CHANGED,
    "contact.complained": Change.CHANGED,
}
UNPLACED = CollectionName("events")
"""Where an event is put that is of no known kind; its id is the event's word."""
_WHOLE = frozenset({"contact.created", "contact.updated"})


class Webhooks:
    """Receives the webhooks of one account. `known` gives a list's fields, or None while they are not discovered."""

    def __init__(
        self, system: SystemName, settings: EmailOctopusSettings, known: Callable[[CollectionName], ListFields | None]
    ) -> None:
        self._system = system
        self._keys = settings.webhook_keys()
        self._known = known

    def receive(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event] | WebhookRefused:
        """The events of a delivery that proves itself, of whatever lists."""
        key = self._proof(headers, body)
        if isinstance(key, WebhookRefused):
            return key
        rows = payload.read(body)
        if not isinstance(rows, list) or len(rows) > _EVENTS_MAX:
            return WebhookRefused.MALFORMED
        events = []
        for row in rows:
            if not isinstance(row, dict):
                continue
            change = CHANGES.get(str(row.get("type")))
            if change is None:
                events += self._unplaced(row)
                continue
            event = self._event(row, change)
            if event is None:
                return WebhookRefused.MALFORMED
            events.append(event)
        return Proven(events, key=key)

    def _event(self, row: Mapping[str, Json], change: Change) -> Event | None:
        names = [row.get("id"), row.get("list_id"), row.get("contact_id")]
        if not all(isinstance(name, str) and is_id(name) for name in names):
            return None
        event_id, list_id, contact_id = map(str, names)
        collection = CollectionName(f"{EmailOctopusSettings.PREFIX}{list_id}")
        fields, full = self._fields(row, collection)
        return Event(
            ref=Ref(self._system, collection, RecordId(contact_id)),
            change=change,
            dedupe_key=event_id,
            fields=fields,
            full=full and row.get("type") in _WHOLE,
            occurred_at=payload.moment(row.get("occurred_at")),
            word=str(row.get("type")),
            told=row,
        )

    def _unplaced(self, row: Mapping[str, Json]) -> list[Event]:
        """An event of a kind that is not known is passed on as it was seen, as long as it can be told from others."""
        event_id, word = row.get("id"), row.get("type")
        if not isinstance(event_id, str) or not is_id(event_id) or not isinstance(word, str) or not 0 < len(word) <= _WORD_MAX:
            return []
        ref = Ref(self._system, UNPLACED, RecordId(word))
        return [Event(ref=ref, change=Change.CHANGED, dedupe_key=event_id, word=word, told=row)]

    def _fields(self, row: Mapping[str, Json], collection: CollectionName) -> tuple[dict[str, Json] | None, bool]:
        """The values an event carries, and whether they are the whole record.

        Bounced and complained are words that no read uses, so such a contact must be read to learn its status.
        """
        known, status = self._known(collection), str(row.get("contact_status", "")).lower()
        email, tags, values = (row.get(name) for name in ("contact_email_address", "contact_tags", "contact_fields"))
        complete = isinstance(email, str) and isinstance(tags, list) and isinstance(values, (dict, list))
        if not complete or status not in STATUSES:
            return ({"email_address": email} if isinstance(email, str) else None), False
        whole = fields_of(email=email, status=status, tags=tags, values=values, known=known or ListFields())
        return whole, known is not None

    def _proof(self, headers: Mapping[str, str], body: bytes) -> str | WebhookRefused:
        """The name of the key it was signed with."""
        header = headers.get(SIGNATURE)
        if not header or not self._keys:
            return WebhookRefused.UNSIGNED
        key = holding(self._keys, [header], lambda secret: b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode())
        return WebhookRefused.FORGED if key is None else key
