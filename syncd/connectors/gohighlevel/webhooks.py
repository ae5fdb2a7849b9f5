"""GoHighLevel's webhooks: proving who sent them, and reading what they announce.

The signature covers the raw body; the moment and the event's id are inside it.
The rule that keeps it true: nothing of a body is looked at before its signature holds; an event is only ever a hint, because its payload
has no modified time and lacks fields that a read shows; and one that is of no known kind is passed on as it was seen, not refused.
It must not know: how a hint is followed up, or where ids already seen are kept.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from syncd.connectors import payload
from syncd.connectors.address import is_id
from syncd.connectors.base import Change, Event, Proven, Stray, WebhookRefused
from syncd.connectors.gohighlevel import rows
from syncd.connectors.gohighlevel.contact_keeper import CONTACTS
from syncd.connectors.gohighlevel.contacts import fields_of
from syncd.connectors.gohighlevel.events import EVENTS, UNPLACED, Kind
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.identity import address
from syncd.connectors.gohighlevel.inventory import COLLECTIONS
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.core.record import SECOND, CollectionName, Json, Micros, RecordId, Ref, SystemName

SIGNATURE = "x-ghl-signature"
LEGACY_SIGNATURE = "x-wh-signature"
_KEY_MAX = 128
# The text of an e-mail stands in the announcement of a message.
_STRING_MAX = 512 * 1024
Check = Callable[[bytes, bytes], None]
# Here `type` is the event's word, and no field of a record.
_ENVELOPE = frozenset({"type", "timestamp", "webhookId", "appId", "versionId"})

# GHL: webhook documents: what a contact's payload shows. What is missing of it is blank, or did not concern the event: in both
# cases it can only tell that the event brings no news, never what the contact holds.
CARRIED = frozenset({
    "address1", "assignedTo", "city", "companyName", "country", "customFields", "dateOfBirth", "dnd", "email", "firstName",
    "lastName", "name", "phone", "postalCode", "source", "state", "tags", "website",
})


class Webhooks:
    """Receives the webhooks of one location."""

    def __init__(self, system: SystemName, settings: GoHighLevelSettings) -> None:
        self._system = system
        self._location_id = settings.location_id
        self._age_max = settings.webhook_age_max_s * SECOND
        self._ahead_max = settings.webhook_ahead_max_s * SECOND
        self._legacy = settings.legacy_signature
        keys = [cast("Ed25519PublicKey", load_pem_public_key(key.encode())) for key in settings.webhook_keys]
        legacy = [cast("RSAPublicKey", load_pem_public_key(key.encode())) for key in settings.legacy_webhook_keys]
        self._checks: dict[str, Check] = {f"webhook_keys[{place}]": key.verify for place, key in enumerate(keys)}
        self._legacy_checks = {f"legacy_webhook_keys[{place}]": _rsa_check(key) for place, key in enumerate(legacy)}

    def receive(
        self, headers: Mapping[str, str], body: bytes, now: Micros, custom: CustomFields
    ) -> Sequence[Event] | WebhookRefused:
        """The events of a delivery that proves itself and is this location's."""
        key = self._proof(headers, body)
        if isinstance(key, WebhookRefused):
            return key
        event = payload.read(body, string_max=_STRING_MAX)
        if not isinstance(event, dict):
            return WebhookRefused.MALFORMED
        occurred_at = payload.moment(event.get("timestamp"))
        if occurred_at is not None and not now - self._age_max <= occurred_at <= now + self._ahead_max:
            return WebhookRefused.EXPIRED
        kind = EVENTS.get(str(event.get("type")))
        if not self._is_ours(event, kind):
            return WebhookRefused.ELSEWHERE
        events = self._events(event, kind, body, occurred_at, custom)
        return events if isinstance(events, WebhookRefused) else Proven(events, key=key)

    def _is_ours(self, event: Mapping[str, Json], kind: Kind | None) -> bool:
        """Whether the event is of this location. GHL: webhook documents: an agency's user has a list of them."""
        of = event.get("locationId", event.get("altId")) if kind is None else _at(event, kind.location)
        listed = event.get("locations") if kind is not None and kind.collection == "users" else None
        return of == self._location_id or (of is None and isinstance(listed, list) and self._location_id in listed)

    def _events(
        self, event: Mapping[str, Json], kind: Kind | None, body: bytes, occurred_at: Micros | None, custom: CustomFields
    ) -> Sequence[Event] | WebhookRefused:
        """One event, and one for each other record that has changed with it; what cannot be placed is passed on as it was seen."""
        webhook_id = event.get("webhookId")
        named = isinstance(webhook_id, str) and 0 < len(webhook_id) <= _KEY_MAX
        key = str(webhook_id) if named else hashlib.sha256(body).hexdigest()
        told = {name: value for name, value in event.items() if name not in _ENVELOPE}

        def about(collection: CollectionName, record_id: RecordId, change: Change, key: str, fields: Mapping[str, Json] | None) -> Event:
            ref = Ref(self._system, collection, record_id)
            return Event(ref=ref, change=change, dedupe_key=key, fields=fields, occurred_at=occurred_at)

        def itself(about: Event) -> Event:
            """The event that stands for the delivery, with all that it said; the others only follow from it."""
            return replace(about, word=_word(event), told=told)

        if kind is None:
            return [replace(itself(about(UNPLACED, _word(event), Change.CHANGED, key, told)), stray=Stray.UNKNOWN)]
        ids = [_at(event, place) for place in (kind.id, *kind.also.values(), kind.parent) if place]
        if any(each is not None and not (isinstance(each, str) and is_id(each)) for each in ids):
            return WebhookRefused.MALFORMED
        own, parent = _at(event, kind.id), _at(event, kind.parent) if kind.parent else None
        others = [
            about(collection, RecordId(str(_at(event, place))), Change.CHANGED, f"{key}:{collection}", None)
            for collection, place in kind.also.items()
            if _at(event, place) is not None
        ]
        if own is None and not kind.also:
            return WebhookRefused.MALFORMED
        if own is None or (kind.parent and parent is None):
            return [*others, replace(itself(about(UNPLACED, _word(event), kind.change, key, told)), stray=Stray.UNPLACED)]
        return [itself(about(kind.collection, address(own, parent), kind.change, key, _carried(kind, told, custom))), *others]

    def _proof(self, headers: Mapping[str, str], body: bytes) -> str | WebhookRefused:
        """The name of the key it was signed with. A signature of the current kind is decisive: where it is there, the older is not looked at."""
        signature = _present(headers.get(SIGNATURE))
        checks = self._checks
        if signature is None and self._legacy:
            signature, checks = _present(headers.get(LEGACY_SIGNATURE)), self._legacy_checks
        if signature is None:
            return WebhookRefused.UNSIGNED
        try:
            raw = b64decode(signature.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return WebhookRefused.FORGED
        if b64encode(raw).decode() != signature:
            # Spare bits of the last character decode to nothing; one signature has one spelling here.
            return WebhookRefused.FORGED
        return next((name for name, check in checks.items() if _holds(check, raw, body)), WebhookRefused.FORGED)


def _carried(kind: Kind, told: Mapping[str, Json], custom: CustomFields) -> Mapping[str, Json] | None:
    """What the event shows of its record. Beside contacts what is missing may be blank or left out, so it is not told."""
    if kind.collection == CONTACTS:
        return fields_of(told, custom, blank=CARRIED)
    row = _at(told, kind.inside) if kind.inside else told
    if kind.collection not in COLLECTIONS or not isinstance(row, dict):
        return None
    return rows.fields_of(COLLECTIONS[kind.collection], row, custom)


def _at(value: Json, place: str) -> Json:
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _word(event: Mapping[str, Json]) -> RecordId:
    """The event's word, as far as it can stand for a record's id."""
    word = event.get("type")
    return RecordId(word if isinstance(word, str) and is_id(word) else "unnamed")


def _present(header: str | None) -> str | None:
    """The vendor writes "N/A" for a signature it does not send."""
    return None if header in (None, "", "N/A") else header


def _rsa_check(key: RSAPublicKey) -> Check:
    return lambda signature, body: key.verify(signature, body, PKCS1v15(), SHA256())


def _holds(check: Check, signature: bytes, body: bytes) -> bool:
    try:
        check(signature, body)
    except InvalidSignature:
        return False
    return True
