"""EmailOctopus's webhooks: arrays of up to 1,000 buffered events, signed with HMAC-SHA256.

Rule: the signature covers the very bytes that are sent, with no timestamp in it; anything but a 2xx is retried at
growing intervals.

It must not know when events are sent; the sender keeps the timetable.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from random import Random
from uuid import UUID

import orjson

from syncd.sandbox.emailoctopus.contact import Contact
from syncd.sandbox.moments import Clock, iso_from_seconds
from syncd.sandbox.options import EmailOctopusOptions
from syncd.sandbox.truth import Json
from syncd.sandbox.webhooks import DeliveryRules

SIGNATURE = "EmailOctopus-Signature"
EVENTS_MAX = 1000
_WITH_CONTACT = frozenset({"contact.created", "contact.updated", "contact.deleted"})


class Envelopes:
    """Makes and signs the events of one account."""

    def __init__(self, options: EmailOctopusOptions, clock: Clock, random: Random) -> None:
        self._options, self._clock, self._random = options, clock, random

    def event(self, list_id: str, name: str, contact: Contact) -> Json:
        """One event; the contact's values come only with created, updated and deleted."""
        body: Json = {
            "id": str(UUID(int=self._random.getrandbits(128), version=4)),
            "type": name,
            "list_id": list_id,
            "contact_id": contact.id,
            "contact_email_address": contact.email,
            "occurred_at": iso_from_seconds(int(self._clock())),
        }
        if name in _WITH_CONTACT:
            body["contact_fields"] = dict(contact.fields)
            body["contact_tags"] = list(contact.tags)
            body["contact_status"] = contact.status.upper()
        return body

    def sign(self, body: bytes) -> Mapping[str, str]:
        """The signature header of a body."""
        digest = hmac.digest(self._options.webhook_secret.encode(), body, "sha256").hex()
        return {SIGNATURE: f"sha256={digest}"}

    def rules(self) -> DeliveryRules:
        """How the sender must deliver."""
        return DeliveryRules(
            encode=orjson.dumps,
            sign=self.sign,
            batch_max=EVENTS_MAX,
            buffer_s=self._options.buffer_s,
            retries_max=self._options.webhook_retries,
            retry_s=self._options.webhook_retry_s,
            retry_growth=2.0,
            is_retried=lambda _status: True,
        )
