"""GoHighLevel's webhooks: proving who sent them, and reading what they announce.

The signature covers the raw body; the moment and the event's id are inside it.
The rule that keeps it true: nothing of a body is looked at before its signature holds, and a contact event is only ever a hint, because
its payload has no modified time and lacks fields that a read shows.
It must not know: how a hint is followed up, or where ids already seen are kept.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from syncd.connectors import payload
from syncd.connectors.address import is_id
from syncd.connectors.base import Change, Event, WebhookRefused
from syncd.connectors.gohighlevel.contacts import fields_of
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.core.record import SECOND, CollectionName, Json, Micros, RecordId, Ref, SystemName

SIGNATURE = "x-ghl-signature"
LEGACY_SIGNATURE = "x-wh-signature"
# GHL: docs, webhook events.
_CHANGES = {
    "ContactCreate": Change.CHANGED,
    "ContactUpdate": Change.CHANGED,
    "ContactDndUpdate": Change.CHANGED,
    "ContactTagUpdate": Change.CHANGED,
    "ContactDelete": Change.DELETED,
}

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
        self._checks: list[Callable[[bytes, bytes], None]] = [key.verify for key in keys]
        self._legacy_checks = [_rsa_check(key) for key in legacy]

    def receive(
        self, headers: Mapping[str, str], body: bytes, now: Micros, custom: CustomFields
    ) -> Sequence[Event] | WebhookRefused:
        """The events of a delivery that proves itself; empty for what is none of ours."""
        refused = self._refusal(headers, body)
        if refused is not None:
            return refused
        event = payload.read(body)
        if not isinstance(event, dict):
            return WebhookRefused.MALFORMED
        occurred_at = payload.moment(event.get("timestamp"))
        if occurred_at is not None and not now - self._age_max <= occurred_at <= now + self._ahead_max:
            return WebhookRefused.EXPIRED
        change = _CHANGES.get(str(event.get("type")))
        if change is None or event.get("locationId") != self._location_id:
            return ()
        contact_id = event.get("id")
        if not isinstance(contact_id, str) or not is_id(contact_id):
            return WebhookRefused.MALFORMED
        return [self._event(event, contact_id, change, body, occurred_at, custom)]

    def _event(
        self,
        event: Mapping[str, Json],
        contact_id: str,
        change: Change,
        body: bytes,
        occurred_at: Micros | None,
        custom: CustomFields,
    ) -> Event:
        webhook_id = event.get("webhookId")
        named = isinstance(webhook_id, str) and 0 < len(webhook_id) <= 128
        return Event(
            ref=Ref(self._system, CollectionName("contacts"), RecordId(contact_id)),
            change=change,
            dedupe_key=str(webhook_id) if named else hashlib.sha256(body).hexdigest(),
            # Here `type` is the event's, not the contact's.
            fields=fields_of({name: value for name, value in event.items() if name != "type"}, custom, blank=CARRIED),
            occurred_at=occurred_at,
        )

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> WebhookRefused | None:
        """A signature of the current kind is decisive: where it is there, the older kind is not looked at."""
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
        return None if any(_holds(check, raw, body) for check in checks) else WebhookRefused.FORGED


def _present(header: str | None) -> str | None:
    """The vendor writes "N/A" for a signature it does not send."""
    return None if header in (None, "", "N/A") else header


def _rsa_check(key: RSAPublicKey) -> Callable[[bytes, bytes], None]:
    return lambda signature, body: key.verify(signature, body, PKCS1v15(), SHA256())


def _holds(check: Callable[[bytes, bytes], None], signature: bytes, body: bytes) -> bool:
    try:
        check(signature, body)
    except InvalidSignature:
        return False
    return True
