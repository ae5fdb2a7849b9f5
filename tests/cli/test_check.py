"""`syncd check`, offline and online."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.cli.world import World


def test_a_right_configuration(world: World) -> None:
    """Nothing is called, and the way to ask the vendors is told."""
    result = world.here("check")

    assert 0 == result.code
    assert "is right" in result.err
    assert 0 == world.do(lambda sandbox: sandbox.ghl.stats.requests.total())


def test_what_listing_costs_and_cannot_show(world: World) -> None:
    """For each collection: how often all is listed, at what part of the day's calls, and what polls cannot see; for an example first, and
    from what was counted once there was a pass."""
    world.edit_config("[syncs.contacts.members]\nghl = { ", '[syncs.contacts.members]\nghl = { pass_every = "6h", ')
    said, told = world.here("check").out, world.here("check", "--json").json

    assert "ghl/contacts: all are listed every 6 h: about 20 calls for 10,000 records, say, 80 calls a day of 200,000 (0.0%)" in said
    assert "A deletion shows by its webhook, or by absence from a complete pass." in said
    assert ["A deletion shows by its webhook, or by absence from a complete pass."] == list(told["misses"].values())
    assert {"every_s": 21_600.0, "calls": 20, "counted": False, "calls_a_day": 80, "daily_limit": 200_000}.items() <= told["passes"]["ghl/contacts"].items()
    assert 7 == world.syncd("reconcile").code
    assert {"calls": 1, "counted": True, "calls_a_day": 4}.items() <= world.here("check", "--json").json["passes"]["ghl/contacts"].items()


def test_a_pass_is_reckoned_for_the_records_that_are_known(world: World) -> None:
    """Where no pass was counted: for as many as the vendor has just listed, else for as many as were last seen, and the sentence says which."""
    told = world.syncd("check", "--online").out

    assert "for 10,000 records" not in told
    assert "ghl/contacts: all are listed every 1 d: about 1 call for 12 records, as listed just now, 1 call a day of 200,000 (0.0%)" in told
    assert "about 1 call for 11 records, as listed just now, 1 call a day\n" in told
    assert 7 == world.syncd("reconcile").code
    with closing(sqlite3.connect(world.database)) as connection, connection:
        connection.execute("UPDATE cursors SET complete_calls = NULL")

    assert "about 1 call for 12 records, as last seen" in world.here("check").out


def test_every_mistake_with_line_and_mend(world: World) -> None:
    """All at once, each with file, line, what is wrong, a suggestion and how to mend it; code 3."""
    world.edit_config("conflict =", "conflct =")
    world.edit_config('kind = "emailoctopus"', 'kind = "emailoctopuss"')
    world.edit_config('owner = "ghl"', 'owner = "ghll"')
    result = world.here("check", "--json")
    problems = result.json["problems"]

    assert 3 == result.code
    assert {"file", "line", "where", "what", "suggestion", "mend"} == problems[0].keys()
    assert [("systems.octopus.kind", world.line("emailoctopuss"), "emailoctopus")] == [
        (each["where"], each["line"], each["suggestion"]) for each in problems if each["where"] == "systems.octopus.kind"
    ]
    assert {"conflict", "ghl"} <= {each["suggestion"] for each in problems}
    assert f"syncd.toml:{world.line('emailoctopuss')}: systems.octopus.kind" in world.here("check").out


def test_the_webhooks_to_register(world: World) -> None:
    """With a public address, each system's own webhook address is told."""
    world.edit_config("[daemon]", '[daemon]\npublic_url = "https://sync.example.com/"')

    assert "https://sync.example.com/hooks/ghl" in world.here("check").out
    assert {"octopus", "ghl"} == world.here("check", "--json").json["webhooks"].keys()


def test_online_finds_everything_in_order(looked: World) -> None:
    """The credentials open the door; records are counted, shared keys and unreadable values told, with 0."""
    result = looked.syncd("check", "--online")

    assert 0 == result.code
    assert "ghl: the credential opens contacts" in result.out
    assert "2 records share their email with another" in result.out
    assert "plan cannot be read in 1 record: 'platinum' is none of the values listed" in result.out
    assert "not come back" not in result.out


def test_online_writes_nothing(world: World) -> None:
    """It only reads: no vendor changes, and no database is made."""
    world.syncd("check", "--online")

    assert (0, 0) == world.do(lambda sandbox: (sandbox.ghl.stats.writes_by_api, sandbox.octopus.stats.writes_by_api))
    assert not world.database.exists()


def test_a_custom_field_that_is_not_there(world: World) -> None:
    """Only the account knows: a problem at its line, with the field that was meant; code 3."""
    world.edit_config("fields.FirstName", "fields.FistName")
    world.edit_config("custom.plan", "custom.pan")
    result = world.syncd("check", "--online", "--json")

    assert 3 == result.code
    assert [
        (world.line("FistName"), "syncs.contacts.fields.first_name.octopus", "fields.FirstName"),
        (world.line("custom.pan"), "syncs.contacts.fields.plan.ghl", "custom.plan"),
    ] == [(each["line"], each["where"], each["suggestion"]) for each in result.json["problems"]]


def test_a_custom_field_of_an_automation_that_is_not_there(world: World) -> None:
    """Watched, read by a condition or by a step, of the event or of a member: each at its line; one that is there is none."""
    more = """[automations.gold]
on = "ghl/contacts updated"
fields = ["custom.plan", "custom.pln"]
when = { field = "custom.paln", op = "exists" }
do = [
  { if = { field = "event.custom.plann", op = "exists" }, then = [ { alert = { text = "{event.before.custom.plam|none} {event.custom.plan}" } } ] },
  { call = "ghl.create-contact-note", with = { contactId = "{event.id}", body = "{members.octopus.fields.FistName}" } },
]

[daemon]"""
    world.edit_config("[daemon]", more)
    assert 0 == world.syncd("check").code
    result = world.syncd("check", "--online", "--json")

    assert 3 == result.code
    assert {
        ("automations.gold.fields[1]", world.line("custom.pln"), "custom.plan"),
        ("automations.gold.when", world.line("custom.paln"), "custom.plan"),
        ("automations.gold.do[0].if", world.line("custom.plann"), "custom.plan"),
        ("automations.gold.do[0].then[0].alert.text", world.line("custom.plam"), "custom.plan"),
        ("automations.gold.do[1].with.body", world.line("FistName"), "fields.FirstName"),
    } == {(each["where"], each["line"], each["suggestion"]) for each in result.json["problems"]}


def test_a_custom_field_that_a_call_names_and_is_not_there(world: World) -> None:
    """The vendor would say yes and keep nothing: by key or id, however deep, also of a collection that nothing else names. Templates are not judged."""
    (known,) = world.do(lambda sandbox: sandbox.ghl.location.fields)
    more = f"""[automations.gold]
on = "syncs/contacts created"
do = [
  {{ call = "ghl.update-contact", with = {{ contactId = "{{link.ghl.id}}", customFields = [
    {{ key = "plan", field_value = "gold" }}, {{ key = "contact.plan", field_value = "gold" }}, {{ id = "{known}", field_value = "gold" }},
    {{ key = "{{hub.plan}}", field_value = "gold" }},
    {{ key = "paln", field_value = "gold" }},
    {{ id = "gone", field_value = "gold" }} ] }} }},
  {{ if = {{ field = "hub.plan", op = "exists" }}, then = [
    {{ call = "ghl.create-opportunity", with = {{ pipelineId = "1", name = "x", status = "open", contactId = "{{link.ghl.id}}", customFields = [
      {{ key = "stage", field_value = "x" }} ] }} }} ] }},
]

[daemon]"""
    world.edit_config("[daemon]", more)
    assert 0 == world.syncd("check").code
    result = world.syncd("check", "--online", "--json")

    assert 3 == result.code
    assert {
        ("automations.gold.do[0].with.customFields[4].key", world.line('"paln"'), "ghl has no field `custom.paln`, so nothing would be kept of it", "custom.plan"),
        ("automations.gold.do[0].with.customFields[5].id", world.line('"gone"'), "ghl has no field `gone`, so nothing would be kept of it", ""),
        ("automations.gold.do[1].then[0].with.customFields[0].key", world.line('"stage"'), "ghl has no field `custom.stage`, so nothing would be kept of it", ""),
    } == {(each["where"], each["line"], each["what"], each["suggestion"]) for each in result.json["problems"]}


def test_the_scopes_that_are_needed(world: World) -> None:
    """What the syncs need, and what each trigger and each step of the automations does, however deep; of a system that has scopes."""
    before = world.syncd("check", "--json").json["scopes"]
    more = """[automations.tagged]
poll = "ghl.list-location-tags"
do = [ { if = { field = "event.name", op = "exists" }, then = [ { call = "ghl.list-workflows" } ] } ]

[daemon]"""
    world.edit_config("[daemon]", more)
    after = world.syncd("check", "--json").json["scopes"]

    assert {"ghl"} == before.keys() == after.keys()
    assert {"locations/tags.readonly", "workflows.readonly"} == {*after["ghl"]} - {*before["ghl"]}
    assert f"ghl: its token must hold {', '.join(after['ghl'])}" in world.syncd("check").out


def test_a_word_the_vendor_does_not_take(world: World) -> None:
    """A choice's own word must be one of the vendor's options."""
    world.edit_config('octopus = "Gold"', 'octopus = "Golden"')
    result = world.syncd("check", "--online", "--json")

    assert 3 == result.code
    assert [("octopus takes no `Golden` for gold", "Gold")] == [(each["what"], each["suggestion"]) for each in result.json["problems"]]


def test_online_over_a_broken_configuration(world: World) -> None:
    """What cannot be read cannot be asked about, and that is said."""
    world.edit_config("conflict =", "conflct =")
    result = world.syncd("check", "--online")

    assert 3 == result.code
    assert "the vendors were not asked: mend these first" in result.err
    assert 0 == world.do(lambda sandbox: sandbox.ghl.stats.requests.total())


def test_a_credential_that_opens_nothing(world: World) -> None:
    """Code 4, with the system named; the other system is looked at all the same; the credential is not shown."""
    (world.folder / "ghl-token").write_text("pit-wrong-0000\n")
    result = world.syncd("check", "--online")

    assert 4 == result.code
    assert "problem: ghl:" in result.out
    assert "octopus: the credential opens" in result.out
    assert "pit-wrong" not in result.out + result.err


def test_a_vendor_that_does_not_answer(world: World) -> None:
    """Code 5: it may be different tomorrow."""
    told = world.do(lambda sandbox: sandbox.describe())
    world.edit_config(told["gohighlevel"]["base_url"], "http://127.0.0.1:9")
    result = world.syncd("check", "--online")

    assert 5 == result.code
    assert "problem: ghl:" in result.out
