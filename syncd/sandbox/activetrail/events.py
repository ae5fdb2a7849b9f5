"""ActiveTrail's webhooks on the wire: one post an event, unsigned, with what the account's owner put into them.

The owner of this account put in a secret of his own, as a header, and the contact's id.

Rule: nothing tells two posts about one contact apart, and nothing proves who sent them but the secret.

It must not know when events are sent; the sender keeps the timetable.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from syncd.sandbox.activetrail.contact import Contact
from syncd.sandbox.options import ActiveTrailOptions
from syncd.sandbox.truth import Json
from syncd.sandbox.webhooks import DeliveryRules

SECRET = "X-Syncd-Secret"  # noqa: S105 - the name of a header
CONTACT = "X-Syncd-Contact"


def event(contact: Contact) -> Json:
    """What is sent about a contact."""
    return {"contact_id": contact.id, "email": contact.values.get("email")}


def rules(options: ActiveTrailOptions) -> DeliveryRules:
    """How the sender must deliver; that anything is sent again is not documented."""

    def headers(body: bytes) -> Mapping[str, str]:
        return {SECRET: options.webhook_secret, CONTACT: str(orjson.loads(body)["contact_id"])}

    return DeliveryRules(
        encode=lambda events: orjson.dumps(events[0]),
        sign=headers,
        batch_max=1,
        buffer_s=0.0,
        retries_max=options.webhook_retries,
        retry_s=60.0,
        retry_growth=2.0,
        is_retried=lambda status: status is None or status >= 500,
    )
