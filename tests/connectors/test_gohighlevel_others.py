"""GoHighLevel's collections that are not like the others: contacts with tags and custom fields, conversations, messages, the location itself.

Each is kept equal with a system in memory as far as the vendor allows: what cannot be written is shown, what cannot be deleted stays.
"""

from __future__ import annotations

from dataclasses import replace

from syncd.connectors.gohighlevel import location
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, FieldName, MemberName
from syncd.core.rules import DeleteRule
from syncd.sandbox.truth import Actor, Author
from tests.connectors.story import GHL, PERSON, THINGS, TITLE, X, row, rules, told
from tests.flow.world import CONTACTS, CRM, EMAIL, S

NAME, TAGS, PLAN, STARRED, UNREAD = (FieldName(each) for each in ("name", "tags", "plan", "starred", "unread"))
PEOPLE = rules(S, (CONTACTS, CONTACTS), [row(EMAIL, "email", "email", FieldType.EMAIL)], (EMAIL,), {})


def of_person(collection, *rows, create=None, delete=DeleteRule.PROPAGATE):
    """Contacts, and a collection whose records each belong to one of them."""
    everything = [row(PERSON, "person", "contactId", FieldType.REF, parent=True), *rows]
    match = (FieldName("person+title"),) if TITLE in [each.name for each in rows] else (PERSON,)
    return PEOPLE, replace(rules(X, (THINGS, CollectionName(collection)), everything, match, create or {}), delete=delete)


def shown(values):
    """Contacts by their address, tags in one order."""
    return sorted((each["email"], each.get("name"), tuple(sorted(each.get("tags") or ())), each.get("plan")) for each in values)


async def test_contacts_with_their_tags_and_custom_fields(tmp_path, open_bench):
    """Made, edited and deleted on either side; a tag that is added here and one that is removed there both count; then nothing is written."""
    names = [row(NAME, "name", "firstName"), row(TAGS, "tags", "tags", FieldType.SET), row(PLAN, "custom.plan", "custom.plan", FieldType.CHOICE)]
    email = row(EMAIL, "email", "email", FieldType.EMAIL)
    people = rules(S, (CONTACTS, CONTACTS), [email, *names], (EMAIL,), {})
    async with told(tmp_path, open_bench, "notes", agreed=(people,)) as story:
        vendor, crm = story.bench.vendor, story.crm

        def there():
            rows = vendor.contacts()
            return shown([{**each, "name": each.get("firstName"), "plan": each["custom"].get("plan")} for each in rows if "parent" not in each["email"]])

        def here():
            rows = [each.fields for each in crm.listed(CONTACTS) if "parent" not in each.fields["email"]]
            return shown([{**each, "plan": each.get("custom.plan")} for each in rows])

        ada = vendor.create_as_user({"email": "ada@example.com", "firstName": "Ada", "tags": ["vip", "old"], "custom": {"plan": "gold"}})["id"]
        bo = crm.create_as_user({"email": "bo@example.com", "name": "Bo", "tags": ["new"], "custom.plan": "silver"})
        await story.sync()
        made = [("ada@example.com", "Ada", ("old", "vip"), "gold"), ("bo@example.com", "Bo", ("new",), "silver")]

        assert made == here() == there()

        vendor.edit_as_user(ada, {"tags": ["vip"], "custom": {"plan": "silver"}})
        (ada_here,) = [each.id for each in crm.listed(CONTACTS) if each.fields["email"] == "ada@example.com"]
        crm.edit_as_user(ada_here, {"name": "Adele", "tags": ["vip", "old", "added"]})
        crm.edit_as_user(bo, {"custom.plan": "gold"})
        await story.sync()
        edited = [("ada@example.com", "Adele", ("added", "vip"), "silver"), ("bo@example.com", "Bo", ("new",), "gold")]

        assert edited == there() == here()

        vendor.delete_as_user(ada)
        crm.delete_as_user(bo)
        await story.sync()

        assert [] == there() == here() == await story.world.asked()

        before = story.by_us()
        await story.sync()

        assert before == story.by_us()


async def test_a_custom_field_that_is_defined_while_the_daemon_runs(tmp_path, open_bench, monkeypatch):
    """The schema is read anew where a value of the new field is met: it is synced without a restart."""
    monkeypatch.setattr(location, "_REDISCOVERY_S", 0)
    people = rules(S, (CONTACTS, CONTACTS), [row(EMAIL, "email", "email", FieldType.EMAIL), row(NAME, "name", "custom.shoe_size")], (EMAIL,), {})
    async with told(tmp_path, open_bench, "notes", agreed=(people,)) as story:
        vendor, here = story.bench.vendor, story.bench.vendor.options.location_id
        await story.sync(1)
        body = {"name": "Shoe size", "dataType": "TEXT", "model": "contact"}
        session = story.bench.connector._session
        made = await session.call(CATALOGUE["create-custom-field"].operation, ids={"locationId": here}, body=body)
        size = [{"id": made.body["customField"]["id"], "field_value": "38"}]
        vendor.create_as_user({"email": "ada@example.com", "customFields": size})
        await story.sync()

        assert ["38"] == [each.fields.get("name") for each in story.crm.listed(CONTACTS) if each.fields["email"] == "ada@example.com"]


async def test_conversations_are_kept_equal_both_ways(tmp_path, open_bench):
    """One of each contact, made and deleted on either side; unread ones are told of by webhook, a star shows when one is read by itself."""
    rows = (row(STARRED, "starred", "starred", FieldType.BOOL), row(UNREAD, "unread", "unreadCount", FieldType.NUMBER))
    async with told(tmp_path, open_bench, "notes", agreed=of_person("conversations", *rows)) as story:
        vendor, crm = story.bench.vendor, story.crm
        told_of = {"locationId": vendor.options.location_id, "type": 1, "inbox": True, "deleted": False, "lastMessageAt": 1_700_000_000_000}
        opened = vendor.create_record_as_user(
            "conversations", {**told_of, "contactId": story.bench.contact_id, "starred": False, "unreadCount": 0}
        )["id"]
        other, third = (crm.create_as_user({"email": f"{name}@example.com"}) for name in ("other", "third"))
        for each in (other, third):
            crm.create_as_user({"person": each}, THINGS)
        await story.sync()
        theirs = {each["contactId"]: each for each in vendor.records.rows("conversations")}
        ours = {each.fields["person"]: each for each in crm.listed(THINGS)}

        assert [] == await story.world.asked()
        assert (3, {"crm-1", other, third}) == (len(theirs), set(ours))

        await story.bench.deliveries()
        vendor.edit_record_as_user("conversations", opened, {"unreadCount": 3})
        await story.hear()
        assert 3 == next(each.fields["unread"] for each in crm.listed(THINGS) if each.fields["person"] == "crm-1")

        crm.edit_as_user(ours["crm-1"].id, {"starred": True, "unread": 0}, THINGS)
        await story.sync()
        held = vendor.records.get("conversations", opened)
        assert (True, 0) == (held["starred"], held["unreadCount"])

        vendor.edit_record_as_user("conversations", opened, {"starred": False, "unreadCount": 1})
        await story.hear()
        assert [(False, 1)] == [(each.fields["starred"], each.fields["unread"]) for each in crm.listed(THINGS) if each.fields["person"] == "crm-1"]

        vendor.delete_record_as_user("conversations", opened)
        await story.sync()
        crm.delete_as_user(ours[other].id, THINGS)
        await story.sync()
        assert [third] == [each.fields["person"] for each in crm.listed(THINGS)]
        assert 1 == len(vendor.records.rows("conversations"))
        assert [] == await story.world.asked()


async def test_messages_travel_both_ways_and_stay(tmp_path, open_bench):
    """One that came in is shown, one that is written is sent once; no edit and no deletion is asked of the vendor, which has neither."""
    agreed = of_person("messages", row(TITLE, "title", "body"), create={"type": "SMS"}, delete=DeleteRule.UNLINK)
    async with told(tmp_path, open_bench, "notes", agreed=agreed) as story:
        vendor, crm = story.bench.vendor, story.crm
        contact = story.bench.contact_id
        said = {"contactId": contact, "conversationId": "v1", "messageType": "TYPE_SMS", "contentType": "text/plain", "type": 2}
        vendor.create_record_as_user("messages", {**said, "body": "Are you open?", "direction": "inbound", "status": "delivered"})
        crm.create_as_user({"title": "We are.", "person": "crm-1"}, THINGS)
        await story.sync()

        assert ["Are you open?", "We are."] == sorted(each.fields["title"] for each in crm.listed(THINGS))
        assert ["Are you open?", "We are."] == sorted(each["body"] for each in vendor.records.rows("messages"))
        assert [] == await story.world.asked()

        sent = vendor.stats.requests["send-message"]
        await story.hear()
        await story.sync()
        assert (1, 1) == (sent, vendor.stats.requests["send-message"])

        crm.delete_as_user(next(each.id for each in crm.listed(THINGS) if each.fields["title"] == "We are."), THINGS)
        await story.sync()
        assert 2 == len(vendor.records.rows("messages"))


async def test_the_location_is_shown_and_follows_its_own_changes(tmp_path, open_bench):
    """A new name arrives by its webhook and by polls alike; nothing is ever written there."""
    named = replace(row(TITLE, "title", "name"), sources=frozenset({MemberName(GHL)}), targets=frozenset({MemberName(CRM)}))
    agreed = rules(X, (THINGS, CollectionName("locations")), [named], (TITLE,), {})
    async with told(tmp_path, open_bench, "notes", agreed=(agreed,)) as story:
        vendor, crm = story.bench.vendor, story.crm
        here = vendor.options.location_id
        await story.sync()
        assert ["Sandbox location"] == [each.fields["title"] for each in crm.listed(THINGS)]

        await story.bench.deliveries()
        vendor.edit_record_as_user("locations", here, {"name": "Told of"})
        assert 1 == await story.hear()
        assert ["Told of"] == [each.fields["title"] for each in crm.listed(THINGS)]

        vendor.edit_record_as_user("locations", here, {"name": "Polled"})
        await story.bench.deliveries()
        await story.sync()
        assert ["Polled"] == [each.fields["title"] for each in crm.listed(THINGS)]
        assert 0 == vendor.stats.writes_by_api


async def test_one_change_that_fires_three_events_is_read_once(tmp_path, open_bench):
    """A contact whose name, tags and do-not-disturb change together: three deliveries, one look at the contact, one write."""
    people = rules(S, (CONTACTS, CONTACTS), [row(EMAIL, "email", "email", FieldType.EMAIL), row(NAME, "name", "firstName")], (EMAIL,), {})
    async with told(tmp_path, open_bench, "notes", agreed=(people,)) as story:
        vendor = story.bench.vendor
        await story.sync()
        await story.bench.deliveries()
        before, (_, written) = vendor.stats.requests.copy(), story.by_us()
        vendor.location.update(story.bench.contact_id, {"firstName": "Adele", "tags": ["vip"], "dnd": True}, Author(actor=Actor.USER))

        assert 3 == await story.hear()
        assert {"get-contact": 1} == dict(vendor.stats.requests - before)
        assert ["Adele"] == [each.fields["name"] for each in story.crm.listed(CONTACTS)]
        assert written + 1 == story.by_us()[1]
