"""GoHighLevel's webhooks: one flat event per request, signed with Ed25519.

The key pair is made from the seed, so a receiver can be told the public key beforehand.

Rule: the signature covers the very bytes that are sent, and only a 429 is retried; every other failure loses the
event, as the vendor documents.

It must not know when events are sent; the sender keeps the timetable.
"""

from __future__ import annotations

from base64 import b64encode
from random import Random
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from syncd.sandbox.gohighlevel.contact import Contact, webhook_shown
from syncd.sandbox.moments import Clock, iso_from_milliseconds
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Json
from syncd.sandbox.webhooks import DeliveryRules

SIGNATURE = "X-GHL-Signature"


class Envelopes:
    """Makes and signs the events of one location."""

    def __init__(self, options: GoHighLevelOptions, clock: Clock, random: Random) -> None:
        self._options, self._clock, self._random = options, clock, random
        self._key = Ed25519PrivateKey.from_private_bytes(random.randbytes(32))

    @property
    def public_key_pem(self) -> str:
        """The key receivers verify with."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def event(self, name: str, contact: Contact) -> Json:
        """One event in its envelope."""
        return self.sealed(webhook_shown(contact, self._options.location_id, name))

    def record_event(self, name: str, payload: Json, *, located: bool) -> Json:
        """One event of another record in its envelope; `located` says that it tells whose it is by `locationId`."""
        own = {"locationId": self._options.location_id} if located else {}
        return self.sealed({"type": name, **own, **payload})

    def sealed(self, payload: Json) -> Json:
        """A payload in its envelope."""
        return {
            **payload,
            "timestamp": iso_from_milliseconds(int(self._clock() * 1000)),
            "webhookId": str(UUID(int=self._random.getrandbits(128), version=4)),
        }

    def rules(self) -> DeliveryRules:
        """How the sender must deliver."""
        return DeliveryRules(
            encode=lambda events: orjson.dumps(events[0]),
            sign=lambda body: {SIGNATURE: b64encode(self._key.sign(body)).decode()},
            batch_max=1,
            buffer_s=0.0,
            retries_max=self._options.webhook_retries,
            retry_s=self._options.webhook_retry_s,
            retry_growth=1.0,
            is_retried=lambda status: status == 429,
        )
