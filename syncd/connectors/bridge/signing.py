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
from syncd.connectors.keys import Key, holding
from syncd.core.record import SECOND, Micros

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SECRET = "x-syncd-secret"  # noqa: S105 - the name of a header
_PREFIX = b"whsec_"
_ID_CHARACTERS_MAX = 128
_SIGNATURES_MAX = 8


def signed(key: Key, *, message_id: str, at: Micros, body: bytes) -> dict[str, str]:
    """The three headers of a post."""
    stamp = str(at // SECOND)
    return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: _sign(key.secret, message_id, stamp, body).decode()}


def verify(
    headers: Mapping[str, str], body: bytes, keys: Sequence[Key], *, now: Micros, window: Micros
) -> tuple[str, Micros] | WebhookRefused:
    """With which key a post was signed and when, on the signer's clock; or why it is refused. `headers` has lower-case names."""
    message_id, stamp, given = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not message_id or not stamp or not given or not keys:
        return WebhookRefused.UNSIGNED
    key = holding(keys, given.split(" ")[:_SIGNATURES_MAX], lambda secret: _sign(secret, message_id, stamp, body))
    if key is None:
        return WebhookRefused.FORGED
    if len(message_id) > _ID_CHARACTERS_MAX or not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return WebhookRefused.MALFORMED
    at = int(stamp) * SECOND
    return (key, at) if abs(now - at) <= window else WebhookRefused.EXPIRED


def carries(headers: Mapping[str, str], keys: Sequence[Key]) -> str | WebhookRefused:
    """Which of the secrets a post that is not signed carries as it is; or why it is refused."""
    header = headers.get(SECRET)
    if not header or not keys:
        return WebhookRefused.UNSIGNED
    key = holding(keys, [header], lambda secret: secret)
    return WebhookRefused.FORGED if key is None else key


def _sign(secret: bytes, message_id: str, stamp: str, body: bytes) -> bytes:
    content = b"%b.%b.%b" % (message_id.encode("utf-8", "surrogateescape"), stamp.encode("utf-8", "surrogateescape"), body)
    return b"v1," + base64.b64encode(hmac.digest(_key(secret), content, "sha256"))


def _key(secret: bytes) -> bytes:
    """The bytes of a secret: ``whsec_`` stands before base64, any other text is itself."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            return secret
    return secret
