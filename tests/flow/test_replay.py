"""A delivery from another time, through the listener: a late retry is taken, once; what is older than any retry, or from the future, is not."""

from __future__ import annotations

import time
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from syncd.connectors import payload
from syncd.connectors.base import WebhookRefused
from syncd.connectors.bridge import signing
from syncd.connectors.bridge.settings import BridgeSettings
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings
from syncd.connectors.keys import Key
from syncd.core.record import DAY, SECOND
from syncd.store.retention import Keep, prune_some
from tests.flow.doors import GHL, JSON, OCTOPUS, door, from_ghl, from_octopus

LAST_RETRY_S = sum((5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600))
"""Standard Webhooks 1.0.0, the schedule it recommends: 75 h 35 min after the first try."""
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NOW = 1_780_000_000 * SECOND
OFFSETS_S = {
    "now": 0, "299 s ago": -299, "301 s ago": -301, "3 d ago": -3 * 86_400, "last retry": -LAST_RETRY_S, "4 d ago": -4 * 86_400,
    "just beyond": -4 * 86_400 - 1, "in 299 s": 299, "in 301 s": 301,
}  # fmt: skip


class Stopped:
    """The clock on the wall stands; what is measured goes on."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def monotonic(self):
        return time.monotonic()


def of_now(at, number):
    return from_ghl(number, timestamp=payload.iso(at))


def of_old(at, number):
    """GoHighLevel's older signature."""
    _, body = of_now(at, number)
    return {**JSON, "X-WH-Signature": b64encode(RSA.sign(body, PKCS1v15(), SHA256())).decode()}, body


def of_octopus(at, number):
    """Its signature covers no moment: repeats are told by their ids alone."""
    return from_octopus(number, occurred_at=payload.iso(at))


@asynccontextmanager
async def standing(tmp_path, clock=None, **more):
    options = {GHL: {"legacy_signature": True, "legacy_webhook_keys": (RSA_PEM,), **more}}
    async with door(tmp_path, options, clock=clock or Stopped()) as made:
        yield made


@pytest.mark.parametrize(("sign", "system"), [(of_now, GHL), (of_old, GHL), (of_octopus, OCTOPUS)], ids=["ed25519", "rsa", "emailoctopus"])
async def test_a_late_retry_is_taken_and_a_replay_is_not(tmp_path, sign, system):
    """Each delivery comes twice: a genuine one is stored once and acknowledged both times; one from another time is refused both times."""
    path, answers, stored = f"/hooks/{system}", {}, {}
    async with standing(tmp_path) as it:
        for number, (name, offset_s) in enumerate(OFFSETS_S.items(), start=1):
            headers, body = sign(NOW + offset_s * SECOND, number)
            before = await it.stored()
            answers[name] = [await it.post(path, headers, body) for _ in range(2)]
            stored[name] = await it.stored() - before
    refused = set() if sign is of_octopus else {"just beyond", "in 301 s"}

    assert {name: [401, 401] if name in refused else [200, 200] for name in OFFSETS_S} == answers
    assert {name: int(name not in refused) for name in OFFSETS_S} == stored


@pytest.mark.parametrize(("name", "offset_s"), OFFSETS_S.items(), ids=OFFSETS_S)
def test_a_bridge_signs_every_try_anew(name, offset_s):
    """Standard Webhooks: the moment in the signature is the try's own, so five minutes are enough for retries too."""
    key, body = Key("secret", b"k" * 32), b"{}"
    window = int(BridgeSettings.model_fields["window_s"].default) * SECOND
    headers = signing.signed(key, message_id="m1", at=NOW + offset_s * SECOND, body=body)
    answer = signing.verify(headers, body, [key], now=NOW, window=window)

    assert (answer is WebhookRefused.EXPIRED) is (abs(offset_s) > 300)


async def test_a_repeat_is_known_for_as_long_as_it_is_believed(tmp_path):
    """What is over is let go after seven days at the soonest; by then the widest window there can be takes a repeat no more."""
    clock, widest = Stopped(), 6 * 86_400
    with pytest.raises(ValidationError):
        GoHighLevelSettings(location_id="L1", token="t", webhook_age_max_s=widest + 1)
    async with standing(tmp_path, clock, webhook_age_max_s=widest) as it:
        headers, body = of_now(NOW, 1)
        answers = [await it.post(f"/hooks/{GHL}", headers, body)]
        await it.world.engine.database.write(lambda tx: tx.execute("UPDATE events SET done_at = ?", (NOW,)))
        for days in (3, 6, 7, 8):
            clock.at = NOW + days * DAY
            await it.world.engine.database.write(lambda tx: prune_some(tx, Keep(events=7 * DAY), clock.now()))
            answers.append(await it.post(f"/hooks/{GHL}", headers, body))

        assert [200, 200, 200, 401, 401] == answers
        assert 0 == await it.stored()
