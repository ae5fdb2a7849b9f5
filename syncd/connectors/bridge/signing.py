"""Signatures as Standard Webhooks has them: HMAC-SHA256 over the id, the time and the bytes, under any of several secrets.

The rule that keeps it true: nothing of a body is looked at before its signature holds, every comparison takes the same time, and a moment is
judged only after it was proved.
It must not know: what is signed, or who sends it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

from syncd.connectors.base import WebhookRefused
from syncd.core.record import SECOND, Micros

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET = "x-syncd-secret"  # noqa: S105 - the name of a header
_PREFIX = "whsec_"
_ID_CHARACTERS_MAX = 128
_SIGNATURES_MAX = 8


def signed(secret: str, *, message_id: str, at: Micros, body: bytes) -> dict[str, str]:
    """The three headers of a post."""
    stamp = str(at // SECOND)
    return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: "v1," + _sign(secret, message_id, stamp, body)}


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: Micros, window: Micros) -> Micros | WebhookRefused:
    """When a post was signed, on the signer's clock; or why it is refused. `headers` has lower-case names."""
    message_id, stamp, given = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not message_id or not stamp or not given or not secrets:
        return WebhookRefused.UNSIGNED
    # Compared as bytes: a header may hold any character, and only bytes of any kind can be compared in constant time.
    offered = [each.encode("utf-8", "surrogateescape") for each in given.split(" ")[:_SIGNATURES_MAX]]
    wanted = [b"v1," + _sign(secret, message_id, stamp, body).encode() for secret in secrets]
    holds = [hmac.compare_digest(one, other) for one in offered for other in wanted]
    if not any(holds):
        return WebhookRefused.FORGED
    if len(message_id) > _ID_CHARACTERS_MAX or not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return WebhookRefused.MALFORMED
    at = int(stamp) * SECOND
    return at if abs(now - at) <= window else WebhookRefused.EXPIRED


def carries(headers: Mapping[str, str], secrets: Sequence[str]) -> WebhookRefused | None:
    """Why a post that is not signed is refused; None where it carries one of the secrets as it is."""
    header = headers.get(SECRET)
    if not header or not secrets:
        return WebhookRefused.UNSIGNED
    given = header.encode("utf-8", "surrogateescape")
    holds = [hmac.compare_digest(given, secret.encode()) for secret in secrets]
    return None if any(holds) else WebhookRefused.FORGED


def _sign(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    content = b"%b.%b.%b" % (message_id.encode("utf-8", "surrogateescape"), stamp.encode("utf-8", "surrogateescape"), body)
    return base64.b64encode(hmac.digest(_key(secret), content, "sha256")).decode()


def _key(secret: str) -> bytes:
    """The bytes of a secret: ``whsec_`` stands before base64, any other text is itself."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()
