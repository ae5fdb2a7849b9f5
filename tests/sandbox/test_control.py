"""The control path: the same hands over HTTP, and what they leave in the truth log.

Rule: no request here carries a token.

It must not know either vendor's API.
"""

from __future__ import annotations

import pytest

BARE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("vendor", "create", "edit"),
    [
        ("ghl", {"firstName": "Ada", "custom": {"plan": "gold"}}, {"custom": {"plan": "silver"}}),
        ("octopus", {"email_address": "Ada@example.com", "fields": {"Plan": "Gold"}}, {"fields": {"Plan": "Silver"}}),
    ],
)
async def test_a_user_s_hands(world, vendor, create, edit):
    """A contact is created, edited, listed and deleted as a user, and the log tells it in order."""
    client = getattr(world, vendor)
    made = await client("POST", "/_sandbox/contacts", create, headers=BARE)
    contact_id = made.body["id"]
    edited = await client("PATCH", f"/_sandbox/contacts/{contact_id}", edit, headers=BARE)
    listed = await client("GET", "/_sandbox/contacts", headers=BARE)
    deleted = await client("DELETE", f"/_sandbox/contacts/{contact_id}", headers=BARE)
    log = await client("GET", "/_sandbox/truth?since=1", headers=BARE)

    assert [reply.status for reply in (made, edited, listed, deleted)] == [201, 200, 200, 200]
    assert [row["id"] for row in listed.body["contacts"]] == [contact_id]
    assert [(entry["seq"], entry["operation"], entry["actor"]) for entry in log.body["entries"]] == [
        (2, "update", "user"),
        (3, "delete", "user"),
    ]
    assert len(log.body["entries"][0]["fields"]) == 1
    assert log.body["entries"][0]["request_id"] is None


async def test_user_edits_are_normalised(world):
    """A person's typing is normalised as the API's is."""
    made = await world.ghl("POST", "/_sandbox/contacts", {"phone": "415 555 0101", "tags": ["VIP"]}, headers=BARE)

    assert (made.body["phone"], made.body["tags"]) == ("+14155550101", ["vip"])


async def test_stats(world):
    """Requests, the API's writes and the busiest window are counted, the control path is not, and can be reset."""
    made = await world.ghl_create(firstName="Ada")
    await world.ghl("GET", f"/contacts/{made['id']}")
    world.sandbox.ghl.edit_as_user(made["id"], {"firstName": "Bo"})

    stats = (await world.ghl("GET", "/_sandbox/stats", headers=BARE)).body
    await world.ghl("POST", "/_sandbox/reset-stats", headers=BARE)
    cleared = (await world.ghl("GET", "/_sandbox/stats", headers=BARE)).body

    assert stats["requests"] == {"create-contact": 1, "get-contact": 1}
    assert (stats["writes_by_api"], stats["max_in_10_s"], stats["requests_total"]) == (1, 2, 2)
    assert (cleared["requests_total"], cleared["max_in_10_s"]) == (0, 0)


async def test_faults_and_webhooks(world, receiver):
    """Faults are ordered and cleared, webhooks aimed, doubled and flushed."""
    fault = {"operation": "get-contact", "kind": "error_before", "status": 503}
    added = await world.ghl("POST", "/_sandbox/faults", fault, headers=BARE)
    hit = await world.ghl("GET", "/contacts/x")
    await world.ghl("POST", "/_sandbox/faults", fault, headers=BARE)
    await world.ghl("DELETE", "/_sandbox/faults", headers=BARE)
    missed = await world.ghl("GET", "/contacts/x")
    aimed = await world.ghl("POST", "/_sandbox/webhooks", {"url": receiver.url, "mode": {"double": True}}, headers=BARE)
    await world.ghl("POST", "/_sandbox/contacts", {"firstName": "Ada"}, headers=BARE)
    await world.ghl("POST", "/_sandbox/webhooks/flush", headers=BARE)

    assert (added.status, hit.status, missed.status) == (201, 503, 400)
    assert aimed.body["mode"]["copies"] == 2
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_sandbox/faults", {"operation": "nothing", "kind": "slow"}, 400),
        ("POST", "/_sandbox/faults", {"kind": "slow"}, 400),
        ("POST", "/_sandbox/contacts", {"shoeSize": 3}, 422),
        ("POST", "/_sandbox/contacts", [], 400),
        ("GET", "/_sandbox/truth?since=soon", None, 400),
        ("POST", "/_sandbox/webhooks", {"mode": {"loud": True}}, 400),
    ],
)
async def test_mistakes_are_told(world, method, path, body, status):
    """A mistake in a control request says what was wrong."""
    reply = await world.ghl(method, path, body, headers=BARE)

    assert reply.status == status
    assert reply.body["error"]
