"""ActiveTrail's webhooks: unsigned posts whose contents the account's owner puts together, taken as hints and nothing more.

The owner puts a secret and the contact's id into them. The secret may come as a header, or as the last part of the address, which the
listener hands on under the same name.
The rule that keeps it true: a webhook without the secret causes nothing, and one with it causes a contact to be read; no value it
carries is ever believed.
It must not know: how a hint is followed up, or how often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from syncd.connectors import payload
from syncd.connectors.activetrail.settings import ActiveTrailSettings
from syncd.connectors.base import Change, Event, Proven, WebhookRefused
from syncd.connectors.keys import holding
from syncd.core.errors import UserError
from syncd.core.record import CollectionName, Json, Micros, RecordId, Ref, SystemName

SECRET = "x-syncd-secret"  # noqa: S105 - the name of a header
CONTACT = "x-syncd-contact"
_SECRET_CHARACTERS_MIN = 32
_ID_DIGITS_MAX = 18


class Webhooks:
    """Receives the webhooks of one account. Raises UserError where a secret is so short that it could be guessed."""

    def __init__(self, system: SystemName, settings: ActiveTrailSettings, contacts: CollectionName) -> None:
        self._system, self._contacts = system, contacts
        self._keys = settings.webhook_keys()
        if any(len(key.secret) < _SECRET_CHARACTERS_MIN for key in self._keys):
            raise UserError(
                f"the webhook secret of `{system}` is shorter than {_SECRET_CHARACTERS_MIN} characters",
                hint="it is all that tells ActiveTrail from a stranger; make one with `openssl rand -hex 32`",
            )

    def receive(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        """One hint. Nothing tells a repeat from fresh news about the same contact, so every delivery is news."""
        key = self._proof(headers)
        if isinstance(key, WebhookRefused):
            return key
        contact_id = self._contact_id(headers, body)
        if contact_id is None:
            return WebhookRefused.MALFORMED
        told = hashlib.sha256(body).hexdigest()[:16]
        ref = Ref(self._system, self._contacts, RecordId(contact_id))
        return Proven([Event(ref=ref, change=Change.CHANGED, dedupe_key=f"{contact_id}/{now}/{told}")], key=key)

    def _contact_id(self, headers: Mapping[str, str], body: bytes) -> str | None:
        named = headers.get(CONTACT) or _in_body(payload.read(body) if body else None)
        return named if named is not None and named.isascii() and named.isdecimal() and len(named) <= _ID_DIGITS_MAX else None

    def _proof(self, headers: Mapping[str, str]) -> str | WebhookRefused:
        """The name of the secret it carries."""
        header = headers.get(SECRET)
        if not header or not self._keys:
            return WebhookRefused.UNSIGNED
        key = holding(self._keys, [header], lambda secret: secret)
        return WebhookRefused.FORGED if key is None else key


def _in_body(body: Json) -> str | None:
    named = body.get("contact_id") if isinstance(body, dict) else None
    return str(named) if isinstance(named, (str, int)) and not isinstance(named, bool) else None
