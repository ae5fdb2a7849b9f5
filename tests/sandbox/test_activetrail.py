"""ActiveTrail: token, bodies, contacts by id and address, groups, mailing lists, import and merge queue, marks, webhooks, quota.

Rule: every promise is asked for over HTTP, in the vendor's shapes; every answer to what its documentation leaves open is chosen once.

It must not know how the emulator keeps contacts.
"""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox import ActiveTrail
from tests.sandbox.conftest import Client


async def made(call: Client, **body: Any) -> dict[str, Any]:
    reply = await call("POST", "/contacts", body)
    assert reply.status == 201, reply
    return reply.body


def group(vendor: ActiveTrail, name: str) -> int:
    return next(number for number, each in vendor.account.groups.items() if each == name)


async def test_the_token_stands_alone(trailed):
    """Without a word before it; every refusal has a message under one name."""
    vendor, call = await trailed()
    bearer = await call("GET", "/account/balance", headers={"Authorization": f"Bearer {vendor.token}"})
    bare = await call("GET", "/account/balance")

    assert (401, {"Message": "Authorization has been denied."}) == (bearer.status, bearer.body)
    assert 200 == bare.status


async def test_a_contact_answers_to_id_and_address(trailed):
    """In small letters; every field is shown, dates as midnights, what is not set as null."""
    _, call = await trailed()
    contact = await made(call, email="Ada@Example.com", first_name=" Ada ", date1="2025-03-04", num1=2, ext1="Gold", nonsense=1)
    by_id = await call("GET", f"/contacts/{contact['id']}")
    by_email = await call("GET", "/contacts/ada@example.com")

    assert by_id.body == by_email.body == contact
    assert ("ada@example.com", "Ada", "2025-03-04T00:00:00", 2, "Gold", None) == tuple(
        contact[name] for name in ("email", "first_name", "date1", "num1", "ext1", "ext2")
    )
    assert ("Subscribed", False, False) == tuple(contact[name] for name in ("state", "is_deleted", "is_do_not_mail"))
    assert "nonsense" not in contact
    assert 404 == (await call("GET", "/contacts/nobody@example.com")).status


async def test_a_path_takes_no_character_that_a_web_server_refuses(trailed):
    """Such an address is there all the same, and is found by a search."""
    _, call = await trailed()
    await made(call, email="a+b@b.co")
    found = await call("GET", "/contacts", params={"CustomerStates": "ALL", "Page": "1", "SearchTerm": "a+b@b.co"})

    assert 404 == (await call("GET", "/contacts/a%2Bb@b.co")).status
    assert ["a+b@b.co"] == [row["email"] for row in found.body]


@pytest.mark.parametrize("body", [{}, {"first_name": "A"}, {"email": "nobody"}, {"email": "a@b.co", "date1": "soon"}, {"email": "a@b.co", "num1": "3"}, [], None])
async def test_a_body_that_is_refused_changes_nothing(trailed, body):
    """Neither address nor number, or a value in a wrong form."""
    vendor, call = await trailed()
    reply = await call("POST", "/contacts", body)

    assert 400 == reply.status
    assert [] == vendor.contacts()


@pytest.mark.parametrize("updates", [True, False])
async def test_a_known_address_gives_whom_it_belongs_to(trailed, updates):
    """With or without a change, never a second contact."""
    vendor, call = await trailed(post_updates_existing=updates)
    contact = await made(call, email="a@b.co", first_name="A")
    again = await call("POST", "/contacts", {"email": "A@b.co", "first_name": "B"})

    assert (200, contact["id"]) == (again.status, again.body["id"])
    assert ["B" if updates else "A"] == [row["first_name"] for row in vendor.contacts()]


@pytest.mark.parametrize(("reply", "shows"), [("empty", False), ("contact", True)])
async def test_an_update_is_partial(trailed, reply, shows):
    """What is not named stays, a null text too; an empty text and a null date unset; the answer may be empty."""
    vendor, call = await trailed(put_reply=reply)
    contact = await made(call, email="a@b.co", first_name="A", last_name="B", ext1="Gold", date1="2025-01-02")
    answer = await call("PUT", f"/contacts/{contact['id']}", {"first_name": None, "ext1": "", "date1": None, "city": "Haifa"})
    (row,) = vendor.contacts()

    assert (200, shows) == (answer.status, bool(answer.raw))
    assert ("A", "B", None, None, "Haifa") == tuple(row.get(name) for name in ("first_name", "last_name", "ext1", "date1", "city"))


async def test_a_hard_deletion_leaves_nothing(trailed):
    """The address is free again, for another contact."""
    vendor, call = await trailed(deletes="hard")
    contact = await made(call, email="a@b.co")
    statuses = [(await call("DELETE", f"/contacts/{contact['id']}")).status for _ in range(2)]
    again = await made(call, email="a@b.co")

    assert [200, 404] == statuses
    assert contact["id"] != again["id"]
    assert [str(again["id"])] == [row["id"] for row in vendor.contacts()]


@pytest.mark.parametrize(("deletes", "status"), [("soft", 200), ("hidden", 404)])
async def test_a_soft_deletion_keeps_the_contact(trailed, deletes, status):
    """Marked or hidden; its address leads back to it, and an update can bring it back, or change it without bringing it back."""
    vendor, call = await trailed(deletes=deletes)
    contact = await made(call, email="a@b.co")
    path = f"/contacts/{contact['id']}"
    await call("DELETE", path)
    gone, after = await call("GET", path), vendor.contacts()
    again = await call("POST", "/contacts", {"email": "a@b.co"})
    quiet = await call("PUT", path, {"first_name": "B"})
    still = vendor.contacts()
    await call("PUT", path, {"is_deleted": False})

    assert (status, []) == (gone.status, after)
    assert deletes == "hidden" or gone.body["is_deleted"]
    assert (contact["id"], True) == (again.body["id"], again.body["is_deleted"])
    assert (200, []) == (quiet.status, still)
    assert ["B"] == [row["first_name"] for row in vendor.contacts()]


async def test_groups_hold_members_once(trailed):
    """A member is made where there is none, added where there is, and stays where it is in already; leaving twice is a 404."""
    vendor, call = await trailed()
    number = group(vendor, "vip")
    first = await call("POST", f"/groups/{number}/members", {"email": "a@b.co", "first_name": "A"})
    again = await call("POST", f"/groups/{number}/members", {"email": "a@b.co"})
    members = await call("GET", f"/groups/{number}/members", params={"CustomerStates": "ALL"})
    groups = await call("GET", f"/contacts/{first.body['id']}/groups")
    left = [(await call("DELETE", f"/groups/{number}/members/{first.body['id']}")).status for _ in range(2)]

    assert first.body["id"] == again.body["id"]
    assert (1, ["a@b.co"]) == (members.body["count"], [row["email"] for row in members.body["contacts"]])
    assert [{"id": number, "name": "vip"}] == groups.body
    assert [204, 404] == left
    assert ["A"] == [row["first_name"] for row in vendor.contacts()]


async def test_members_may_come_as_an_array(trailed):
    """The other shape that others' programs read."""
    vendor, call = await trailed(members_as_array=True)
    vendor.create_as_user({"email": "a@b.co", "groups": ["vip"]})
    reply = await call("GET", f"/groups/{group(vendor, 'vip')}/members")

    assert ["a@b.co"] == [row["email"] for row in reply.body]


async def test_a_mailing_list_is_joined_through_a_group(trailed):
    """Without one it is refused."""
    vendor, call = await trailed()
    ((number, _),) = vendor.account.lists.items()
    refused = await call("POST", f"/mailinglist/{number}/members", {"email": "a@b.co"})
    joined = await call("POST", f"/mailinglist/{number}/members", {"email": "a@b.co", "group_ids": [group(vendor, "vip")]})

    assert (400, 200) == (refused.status, joined.status)
    assert [(["vip"], ["Weekly"])] == [(row["groups"], row["mailing_lists"]) for row in vendor.contacts()]


async def test_an_import_answers_for_each(trailed):
    """At most a thousand, into a group that must be there; what is wrong is told beside what was taken."""
    vendor, call = await trailed()
    number = group(vendor, "newsletter")
    rows = [{"email": f"p{each}@b.co"} for each in range(1_000)]
    whole = await call("POST", "/contacts/Import", {"group": number, "contacts": [*rows[:-1], {"email": "nobody"}]})
    large = await call("POST", "/contacts/Import", {"group": number, "contacts": [*rows, *rows]})
    nowhere = await call("POST", "/contacts/Import", {"group": 1, "contacts": rows[:1]})

    assert (999, ["nobody"]) == (whole.body["success"], [each["email"] for each in whole.body["errors"]])
    assert (400, 400) == (large.status, nowhere.status)
    assert (999, {"newsletter"}) == (len(vendor.contacts()), {name for row in vendor.contacts() for name in row["groups"]})


async def test_a_pair_that_belongs_to_two_waits_to_be_merged(trailed):
    """In an import as in an update: nothing of what identifies is changed until a person settles it; then one id is gone."""
    vendor, call = await trailed()
    ada, bob = await made(call, email="ada@b.co", sms="0501111111"), await made(call, email="bob@b.co", sms="0502222222")
    await call("POST", "/contacts/Import", {"group": group(vendor, "vip"), "contacts": [{"email": "ada@b.co", "sms": "0502222222"}]})
    waiting = (await call("GET", "/contacts/merges", params={"Page": "1"})).body
    before = [(row["sms"], row["groups"]) for row in vendor.contacts()]
    settled = vendor.account.settle_merges()

    assert [("0501111111", []), ("0502222222", [])] == before
    assert [{"email": "ada@b.co", "sms": "0502222222"}] == [row["new"] for row in waiting]
    assert 1 == settled
    assert 404 == (await call("GET", f"/contacts/{bob['id']}")).status
    assert [(str(ada["id"]), "0502222222")] == [(row["id"], row["sms"]) for row in vendor.contacts()]


async def test_an_update_takes_nobodys_address(trailed):
    """The answer is yes, the rest is changed, and the pair waits."""
    vendor, call = await trailed()
    await made(call, email="ada@b.co")
    bob = await made(call, email="bob@b.co", sms="050")
    reply = await call("PUT", f"/contacts/{bob['id']}", {"email": "ada@b.co", "city": "Haifa"})

    assert 200 == reply.status
    assert [("ada@b.co", None), ("bob@b.co", "Haifa")] == [(row["email"], row.get("city")) for row in vendor.contacts()]
    assert 1 == len(vendor.account.merges)


async def test_a_mark_is_left_and_counts_as_mapped(trailed):
    """On a contact that is there."""
    vendor, call = await trailed()
    contact, other = await made(call, email="a@b.co"), await made(call, email="b@b.co")
    mapped = await call("POST", "/external/mapping", {"customerId": contact["id"], "externalId": "x1", "externalName": "syncd"})
    nobody = await call("POST", "/external/mapping", {"customerId": 1, "externalId": "x1", "externalName": "syncd"})
    unmapped = await call("GET", "/external/unmapped", params={"CustomerStates": "ALL", "Page": "1"})

    assert (200, 404) == (mapped.status, nobody.status)
    assert {("syncd", "x1"): contact["id"]} == vendor.account.marks
    assert [other["id"]] == [row["id"] for row in unmapped.body]


async def test_fields_have_labels(trailed):
    """Slots among the standard ones, by column."""
    _, call = await trailed()
    rows = (await call("GET", "/account/contactFields")).body

    assert {"field_display_name": "Plan", "field_source_column": "ext1"} in rows
    assert "email" in {row["field_source_column"] for row in rows}


@pytest.mark.parametrize(
    ("manual", "registered", "expected"),
    [
        ("contact_change", None, ["api", "hand"]),
        ("by_hand", None, ["api", "hand"]),
        ("by_hand", ("contact_change",), ["api"]),
        ("by_hand", ("by_hand",), ["hand"]),
        ("by_hand", (), []),
    ],
)
async def test_changes_are_announced_by_their_kind(trailed, receiver, manual, registered, expected):
    """By the API, our own writes included, or by hand; a deletion is not announced at all; nothing is signed."""
    vendor, call = await trailed(manual_event=manual, webhook_events=registered)
    vendor.webhooks.url = receiver.url
    contact = await made(call, email="a@b.co")
    await vendor.webhooks.flush()
    vendor.edit_as_user(str(contact["id"]), {"first_name": "B"})
    vendor.delete_as_user(str(contact["id"]))
    await vendor.webhooks.flush()
    by_kind = {"api": contact["id"], "hand": contact["id"]}

    assert [by_kind[each] for each in expected] == [body["contact_id"] for body in receiver.bodies]
    assert all(vendor.options.webhook_secret == headers["X-Syncd-Secret"] for headers, _ in receiver.got)


async def test_webhooks_are_kept(trailed):
    """Made, shown and removed; a kind of event that there is not is refused."""
    _, call = await trailed(webhook_events=(), manual_event="by_hand")
    created = await call("POST", "/webhooks", {"name": "mine", "event_type": "by_hand", "url": "https://example.com"})
    wrong = await call("POST", "/webhooks", {"name": "mine", "event_type": "by_magic"})
    listed = (await call("GET", "/webhooks")).body
    removed = await call("DELETE", f"/webhooks/{created.body['id']}")

    assert (201, 400, 200) == (created.status, wrong.status, removed.status)
    assert [("mine", "by_hand", True)] == [(row["name"], row["event_type"], row["is_active"]) for row in listed]
    assert [] == (await call("GET", "/webhooks")).body


@pytest.mark.parametrize("header", [True, False])
async def test_too_many_calls_are_refused(trailed, header):
    """With or without a word of how long to wait; no answer tells what is left."""
    _, call = await trailed(quotas=True, burst=2, per_second=0.5, retry_after_header=header)
    replies = [await call("GET", "/account/balance") for _ in range(3)]

    assert [200, 200, 429] == [reply.status for reply in replies]
    assert ("2" if header else None) == replies[2].headers.get("Retry-After")
    assert not any("rate" in name.lower() for reply in replies for name in reply.headers)
