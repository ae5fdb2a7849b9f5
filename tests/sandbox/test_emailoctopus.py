"""EmailOctopus: key, bodies, upsert, batch, tags, fields, and the two names of a contact.

Rule: every promise is asked for over HTTP, in the vendor's shapes.

It must not know how the emulator keeps contacts.
"""

from __future__ import annotations

from hashlib import md5

import pytest

TYPES = "https://emailoctopus.com/api-documentation/v2#"


async def test_key_and_content_type(world):
    """A bad key is a 401, a body that is not called JSON a 415, torn JSON a 400; all are RFC 7807 under plain JSON."""
    key = world.octopus.headers
    bad = await world.octopus("GET", "/lists", headers={"Authorization": "Bearer no"})
    wrong = await world.octopus("POST", world.contacts, {}, headers={**key, "Content-Type": "text/plain"})
    torn = await world.octopus("POST", world.contacts, data=b"{", headers={**key, "Content-Type": "application/json"})

    assert [reply.status for reply in (bad, wrong, torn)] == [401, 415, 400]
    assert bad.body == {"title": "An error occurred.", "detail": "Invalid key.", "status": 401, "type": TYPES + "unauthorized"}
    assert wrong.headers["Content-Type"].startswith("application/json")


async def test_create_once(world):
    """POST answers 201 with a lower-cased e-mail and whole seconds, and 409 the second time."""
    made = await world.octopus_create("Ada@Example.com", fields={"FirstName": "Ada", "Plan": "Gold"}, tags=["vip"])
    again = await world.octopus("POST", world.contacts, {"email_address": "ada@example.com"})

    assert made["email_address"] == "ada@example.com"
    assert made["fields"] == {"FirstName": "Ada", "Plan": "Gold"}
    assert (made["tags"], made["status"]) == (["vip"], "subscribed")
    assert made["created_at"].endswith("+00:00")
    assert "." not in made["created_at"]
    assert (again.status, again.body["type"]) == (409, TYPES + "conflict")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/email_address"),
        ({"email_address": "nobody"}, "/email_address"),
        ({"email_address": "a@example.com", "name": "x"}, "/name"),
        ({"email_address": "a@example.com", "fields": []}, "/fields"),
        ({"email_address": "a@example.com", "fields": "{}"}, "/fields"),
        ({"email_address": "a@example.com", "fields": {"Shoe": "x"}}, "/fields/Shoe"),
        ({"email_address": "a@example.com", "fields": {"FirstName": 3}}, "/fields/FirstName"),
        ({"email_address": "a@example.com", "fields": {"Plan": "platinum"}}, "/fields/Plan"),
        ({"email_address": "a@example.com", "tags": {"vip": True}}, "/tags"),
        ({"email_address": "a@example.com", "tags": ["unheard"]}, "/tags/unheard"),
        ({"email_address": "a@example.com", "status": "SUBSCRIBED"}, "/status"),
    ],
)
async def test_bodies_are_checked(world, body, pointer):
    """Every mistake is a 422 that points at the value, and nothing is stored."""
    reply = await world.octopus("POST", world.contacts, body)

    assert reply.status == 422
    assert [error["pointer"] for error in reply.body["errors"]] == [pointer]
    assert world.sandbox.octopus.contacts() == []


@pytest.mark.parametrize(
    ("kind", "choices", "good", "bad"),
    [
        ("number", [], 3, "3"),
        ("date", [], "2020-02-29", "2021-02-29"),
        ("choice_multiple", ["a", "b"], ["a", "b"], ["a", "c"]),
    ],
)
async def test_typed_fields(world, kind, choices, good, bad):
    """Numbers, dates and multiple choices hold what they should and nothing else."""
    body = {"label": "X", "tag": "X", "type": kind, **({"choices": choices} if choices else {})}
    created = await world.octopus("POST", f"/lists/{world.sandbox.octopus.list_id}/fields", body)

    fine = await world.octopus("PUT", world.contacts, {"email_address": "a@example.com", "fields": {"X": good}})
    wrong = await world.octopus("PUT", world.contacts, {"email_address": "a@example.com", "fields": {"X": bad}})

    assert created.status == 201
    assert (fine.status, fine.body["fields"]) == (200, {"X": good})
    assert wrong.status == 422


async def test_upsert_keeps_what_is_not_named(world):
    """PUT by e-mail creates or updates; unnamed fields and tags stay, null unsets, false removes."""
    made = await world.octopus_create("ada@example.com", fields={"FirstName": "Ada", "Phone": "1"}, tags=["vip"])

    body = {"email_address": "ADA@example.com", "fields": {"Phone": None, "LastName": "V"}, "tags": {"customer": True}}
    reply = await world.octopus("PUT", world.contacts, body)
    untagged = await world.octopus("PUT", world.contacts, {"email_address": "ada@example.com", "tags": {"vip": False}})

    assert reply.status == 200
    assert reply.body["id"] == made["id"]
    assert reply.body["fields"] == {"FirstName": "Ada", "LastName": "V"}
    assert untagged.body["tags"] == ["customer"]


async def test_two_names_and_a_moved_email(world):
    """A contact answers to uuid and MD5; a new e-mail keeps the uuid, changes the MD5, and must be free."""
    made = await world.octopus_create("ada@example.com")
    await world.octopus_create("bo@example.com")

    def digest(email):
        return f"{world.contacts}/{md5(email.encode()).hexdigest()}"

    by_digest = await world.octopus("GET", digest("ada@example.com"))
    taken = await world.octopus("PUT", f"{world.contacts}/{made['id']}", {"email_address": "BO@example.com"})
    moved = await world.octopus("PUT", f"{world.contacts}/{made['id']}", {"email_address": "new@example.com"})

    assert by_digest.body["id"] == made["id"]
    assert taken.status == 409
    assert (moved.body["id"], moved.body["email_address"]) == (made["id"], "new@example.com")
    assert (await world.octopus("GET", digest("ada@example.com"))).status == 404
    assert (await world.octopus("GET", digest("new@example.com"))).status == 200


async def test_batch_is_update_only_and_fails_in_part(world):
    """A batch answers 200 with each item's fate; it needs ids, takes no stranger's, and at most 100."""
    made = await world.octopus_create("ada@example.com")
    await world.octopus_create("bo@example.com")
    path = f"{world.contacts}/batch"
    items = [
        {"id": made["id"], "fields": {"FirstName": "Ada"}},
        {"id": "00000000-0000-0000-0000-000000000000"},
        {"id": made["id"], "email_address": "bo@example.com"},
        {"id": md5(b"ada@example.com").hexdigest()},
    ]

    reply = await world.octopus("PUT", path, {"contacts": items})
    without = await world.octopus("PUT", path, {"contacts": [{"email_address": "x@example.com"}]})
    large = await world.octopus("PUT", path, {"contacts": [items[0]] * 101})

    assert reply.status == 200
    assert [entry["data"]["fields"] for entry in reply.body["success"]] == [{"FirstName": "Ada"}]
    assert [entry["status"] for entry in reply.body["errors"]] == [404, 409, 404]
    assert all(entry["success"] is False for entry in reply.body["errors"])
    assert (without.status, without.body["errors"][0]["pointer"]) == (422, "/contacts/0/id")
    assert large.status == 422


async def test_delete_is_repeatable_only_once(world):
    """DELETE answers 204, then 404; the row is gone from listings."""
    made = await world.octopus_create("ada@example.com")
    path = f"{world.contacts}/{made['id']}"

    first, second = await world.octopus("DELETE", path), await world.octopus("DELETE", path)

    assert (first.status, first.raw, second.status) == (204, b"", 404)
    assert (await world.octopus("GET", world.contacts)).body["data"] == []


async def test_tags_of_a_list(world):
    """Tags are created once, renamed and removed with their contacts following."""
    path = f"/lists/{world.sandbox.octopus.list_id}/tags"
    made = await world.octopus("POST", path, {"tag": "gold"})
    again = await world.octopus("POST", path, {"tag": "gold"})
    contact = await world.octopus_create("ada@example.com", tags=["gold"])

    renamed = await world.octopus("PUT", f"{path}/gold", {"tag": "old gold"})
    after = await world.octopus("GET", f"{world.contacts}/{contact['id']}")
    removed = await world.octopus("DELETE", f"{path}/old gold")
    bare = await world.octopus("GET", f"{world.contacts}/{contact['id']}")

    assert (made.status, made.body, again.status) == (201, {"tag": "gold"}, 409)
    assert (renamed.body, after.body["tags"]) == ({"tag": "old gold"}, ["old gold"])
    assert (removed.status, bare.body["tags"]) == (204, [])


async def test_fields_of_a_list(world):
    """Fields are created once, choice fields with choices, renamed with their values, and removed."""
    path = f"/lists/{world.sandbox.octopus.list_id}/fields"
    contact = await world.octopus_create("ada@example.com", fields={"Source": "web"})

    empty = await world.octopus("POST", path, {"label": "P", "tag": "P", "type": "choice_single"})
    clash = await world.octopus("POST", path, {"label": "Plan", "tag": "Plan", "type": "text"})
    renamed = await world.octopus("PUT", f"{path}/Source", {"label": "Origin", "tag": "Origin", "type": "text"})
    after = await world.octopus("GET", f"{world.contacts}/{contact['id']}")
    removed = await world.octopus("DELETE", f"{path}/Origin")

    assert (empty.status, empty.body["errors"][0]["pointer"]) == (422, "/choices")
    assert clash.status == 409
    assert (renamed.status, after.body["fields"]) == (200, {"Origin": "web"})
    assert (removed.status, (await world.octopus("DELETE", f"{path}/Origin")).status) == (204, 404)


async def test_list_describes_itself(world):
    """A list shows its fields, tags and counts per status."""
    await world.octopus_create("ada@example.com", status="unsubscribed")
    found = (await world.octopus("GET", f"/lists/{world.sandbox.octopus.list_id}")).body

    assert [field["tag"] for field in found["fields"]] == ["FirstName", "LastName", "Phone", "Plan", "Source"]
    assert found["tags"] == ["customer", "newsletter", "vip"]
    assert found["counts"] == [{"pending": 0, "subscribed": 0, "unsubscribed": 1}]
    assert (await world.octopus("GET", "/lists")).body["data"][0]["id"] == found["id"]
    assert (await world.octopus("GET", "/lists/nothing")).status == 404


async def test_full_plan(opened):
    """Beyond the plan's cap a create is a 422 of its own type, and an update still works."""
    world = await opened(octopus={"subscriber_cap": 1})
    await world.octopus_create("ada@example.com")

    full = await world.octopus("PUT", world.contacts, {"email_address": "bo@example.com"})
    update = await world.octopus("PUT", world.contacts, {"email_address": "ada@example.com"})

    assert (full.status, full.body["type"]) == (422, TYPES + "out-of-limits")
    assert update.status == 200


async def test_tags_may_be_made_on_the_fly(opened):
    """Without the option, attaching an unheard-of tag creates it."""
    world = await opened(octopus={"require_existing_tags": False})

    made = await world.octopus_create("ada@example.com", tags=["unheard"])

    assert made["tags"] == ["unheard"]


async def test_contacts_are_per_list(world):
    """The same e-mail in two lists is two contacts."""
    other = world.sandbox.octopus.add_list("Second")
    first = await world.octopus_create("ada@example.com")

    second = await world.octopus("POST", f"/lists/{other}/contacts", {"email_address": "ada@example.com"})

    assert second.status == 201
    assert second.body["id"] != first["id"]
