"""GoHighLevel: token, bodies, normalisation, duplicates, tags, location.

Rule: every promise is asked for over HTTP, in the vendor's shapes.

It must not know how the emulator keeps contacts.
"""

from __future__ import annotations

import pytest

PLAN = "plan"


async def test_token_then_version(world):
    """A bad token, a missing version and an unknown version are refused with the documented bodies."""
    path = f"/locations/{world.location}"
    bearer = {"Authorization": world.ghl.headers["Authorization"]}

    bad = await world.ghl("GET", path, headers={"Authorization": "Bearer no", "Version": "2021-07-28"})
    missing = await world.ghl("GET", path, headers=bearer)
    unknown = await world.ghl("GET", path, headers={**bearer, "Version": "1999-01-01"})

    assert bad.status == 401
    assert bad.body["message"] == "Invalid token: access token is invalid"
    assert bad.body["error"] == "Unauthorized"
    assert (missing.status, missing.body["message"]) == (401, "version header was not found.")
    assert unknown.status == 400
    assert unknown.body["message"].startswith("Invalid API version segment")
    assert bad.body["traceId"]


async def test_create_normalises(world):
    """E-mail, phone, names, tags and birth date come back in the vendor's canonical form; GET has a plain date."""
    made = await world.ghl_create(
        firstName=" Ada ",
        lastName="Vance",
        email=" ADA@Example.com ",
        phone="(415) 555-0101",
        tags=[" VIP ", "vip", "New"],
        dateOfBirth="12/31/1990",
        customFields=[{"key": "contact.plan", "field_value": "gold"}],
    )
    read = (await world.ghl("GET", f"/contacts/{made['id']}")).body["contact"]

    assert read["firstName"] == "Ada"
    assert read["name"] == "Ada Vance"
    assert read["fullNameLowerCase"] == "ada vance"
    assert (read["email"], read["emailLowerCase"]) == ("ada@example.com", "ada@example.com")
    assert read["phone"] == "+14155550101"
    assert read["tags"] == ["vip", "new"]
    assert (made["dateOfBirth"], read["dateOfBirth"]) == ("1990-12-31T00:00:00.000Z", "1990-12-31")
    assert read["dateUpdated"].endswith("Z")
    assert len(read["dateUpdated"]) == len("2021-07-02T05:18:26.704Z")
    field_id = world.sandbox.ghl.describe()["custom_fields"][PLAN]
    assert read["customFields"] == [{"id": field_id, "value": "gold"}]


async def test_bodies_are_checked(world):
    """Unknown properties, a wrong type, an unparsable phone and an unknown option are one 422 naming each."""
    reply = await world.ghl(
        "POST",
        "/contacts/",
        {
            "locationId": world.location,
            "nickname": "x",
            "firstName": 3,
            "phone": "not a number",
            "email": "nobody",
            "customFields": [{"key": "plan", "field_value": "bronze"}],
        },
    )

    assert reply.status == 422
    assert reply.body["error"] == "Unprocessable Entity"
    assert "property nickname should not exist" in reply.body["message"]
    assert len(reply.body["message"]) == 5
    assert world.sandbox.ghl.contacts() == []


async def test_put_changes_only_what_is_sent(world):
    """A PUT keeps unsent fields, clears null and blank ones, edits custom fields singly, and moves dateUpdated."""
    made = await world.ghl_create(firstName="Ada", lastName="Vance", phone="+14155550101", city="Oslo")
    path = f"/contacts/{made['id']}"

    reply = await world.ghl("PUT", path, {"phone": "", "city": None, "lastName": "Holm"})
    again = await world.ghl("PUT", path, {})

    contact = reply.body["contact"]
    assert reply.body["succeded"] is True
    assert (contact["firstName"], contact["lastName"]) == ("Ada", "Holm")
    assert "phone" not in contact
    assert "city" not in contact
    assert again.body["contact"]["dateUpdated"] >= contact["dateUpdated"]


@pytest.mark.parametrize("name", ["companyName", "gender", "locationId"])
async def test_put_lacks_fields_that_create_has(world, name):
    """companyName and gender can be created and not updated."""
    made = await world.ghl_create(firstName="Ada")

    reply = await world.ghl("PUT", f"/contacts/{made['id']}", {name: "x"})

    assert reply.status == 422
    assert reply.body["message"] == [f"property {name} should not exist"]


@pytest.mark.parametrize(("put_tags", "expected"), [("replace", ["b"]), ("merge", ["a", "b"])])
async def test_put_tags_follow_the_option(opened, put_tags, expected):
    """Whether PUT replaces tags or merges them is an option."""
    world = await opened(ghl={"put_tags": put_tags})
    made = await world.ghl_create(firstName="Ada", tags=["a"])

    reply = await world.ghl("PUT", f"/contacts/{made['id']}", {"tags": ["b"]})

    assert reply.body["contact"]["tags"] == expected


@pytest.mark.parametrize("status", [400, 404])
async def test_missing_contact(opened, status):
    """A missing contact is a 400 by default and a 404 by choice, for reads, edits and deletes."""
    world = await opened(ghl={"missing_status": status})

    for method, body in (("GET", None), ("PUT", {"firstName": "x"}), ("DELETE", None)):
        reply = await world.ghl(method, "/contacts/nobody", body)

        assert reply.status == status
        assert reply.body["message"] == "Contact with id nobody not found"


async def test_duplicates_forbidden(opened):
    """A location that forbids duplicates answers 400 and points at the contact in the way."""
    world = await opened(ghl={"allow_duplicates": False})
    made = await world.ghl_create(firstName="Ada", lastName="Vance", email="ada@example.com", phone="+14155550101")

    same = {"locationId": world.location, "phone": "415-555-0101"}
    reply = await world.ghl("POST", "/contacts/", same)

    assert reply.status == 400
    assert reply.body["message"] == "This location does not allow duplicated contacts."
    assert reply.body["meta"] == {"contactId": made["id"], "contactName": "Ada Vance", "matchingField": "phone"}


async def test_duplicates_allowed_and_found(world):
    """With duplicates allowed a second contact is made; the lookup finds the older one, or nobody."""
    first = await world.ghl_create(email="ada@example.com", phone="+14155550101")
    await world.ghl_create(email="ada@example.com")

    async def look(**query):
        params = {"locationId": world.location, **query}
        return (await world.ghl("GET", "/contacts/search/duplicate", params=params)).body["contact"]

    assert (await look(email="ADA@example.com"))["id"] == first["id"]
    assert (await look(number="(415) 555-0101"))["id"] == first["id"]
    assert await look(email="nobody@example.com") is None


async def test_upsert_matches_email_then_phone(world):
    """An upsert updates whom it finds, e-mail first, and creates otherwise or when told to."""
    made = await world.ghl_create(email="ada@example.com", phone="+14155550101")
    body = {"locationId": world.location, "email": "ada@example.com", "firstName": "Ada"}

    found = await world.ghl("POST", "/contacts/upsert", body)
    forced = await world.ghl("POST", "/contacts/upsert", {**body, "createNewIfDuplicateAllowed": True})
    new = await world.ghl("POST", "/contacts/upsert", {"locationId": world.location, "email": "b@example.com"})

    assert (found.body["new"], found.body["contact"]["id"]) == (False, made["id"])
    assert (forced.body["new"], new.body["new"]) == (True, True)
    assert len(world.sandbox.ghl.contacts()) == 3


async def test_upsert_split_match_ignores_the_second_field(opened):
    """Where e-mail and phone match two contacts, the first match wins and the other field is dropped in silence."""
    world = await opened(ghl={"allow_duplicates": False})
    one = await world.ghl_create(email="one@example.com")
    await world.ghl_create(phone="+14155550102")

    both = {"locationId": world.location, "email": "one@example.com", "phone": "+14155550102"}
    reply = await world.ghl("POST", "/contacts/upsert", both)

    assert reply.status == 200
    assert reply.body["contact"]["id"] == one["id"]
    assert "phone" not in reply.body["contact"]


async def test_tags_are_added_and_removed(world):
    """Tags come and go one by one, with a body even on DELETE."""
    made = await world.ghl_create(firstName="Ada", tags=["a"])
    path = f"/contacts/{made['id']}/tags"

    added = await world.ghl("POST", path, {"tags": ["B", "a"]})
    removed = await world.ghl("DELETE", path, {"tags": ["a"]})
    wrong = await world.ghl("POST", path, {"tags": "a"})

    assert (added.status, added.body["tags"]) == (201, ["a", "b"])
    assert (removed.status, removed.body["tags"]) == (200, ["b"])
    assert wrong.status == 422


async def test_delete_is_final(world):
    """A deleted contact is gone for reads, and the truth log says who did it under which trace."""
    made = await world.ghl_create(firstName="Ada")

    reply = await world.ghl("DELETE", f"/contacts/{made['id']}")

    entry = world.sandbox.ghl.truth.since(0)[-1]
    assert reply.body["succeded"] is True
    assert (entry.operation, entry.actor, entry.request_id) == ("delete", "api", reply.body["traceId"])


async def test_location_describes_itself(world):
    """Settings, custom fields and tags of the location are readable; another location is forbidden."""
    await world.ghl_create(firstName="Ada", tags=["vip"])
    root = f"/locations/{world.location}"

    location = (await world.ghl("GET", root)).body["location"]
    fields = (await world.ghl("GET", f"{root}/customFields?model=contact")).body["customFields"]
    tags = (await world.ghl("GET", f"{root}/tags")).body["tags"]
    other = await world.ghl("GET", "/locations/elsewhere")

    assert location["settings"]["allowDuplicateContact"] is True
    assert (location["country"], location["timezone"]) == ("US", "America/Chicago")
    assert fields[0]["fieldKey"] == "contact.plan"
    assert fields[0]["picklistOptions"] == ["gold", "silver", "free", "platinum"]
    assert [tag["name"] for tag in tags] == ["vip"]
    assert other.status == 403
