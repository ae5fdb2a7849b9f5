"""What an operator writes to automate something: what it becomes, and every mistake in it, said once with its line and its mend."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from syncd.core.automation import HubTrigger, PollTrigger, RecordTrigger, ScheduleTrigger, WebhookTrigger
from syncd.core.fields import FieldType
from syncd.core.happening import Origin, What
from syncd.core.record import HOUR, MINUTE
from syncd.core.schedule import Rhythm, Schedule
from syncd.core.steps import Alert, Call, Choose, ForEach, SetFields, Stop, Wait

NOTE = '{ call = "crm.create-note", with = { contactId = "{link.crm.id}", body = "hello" } }'
HEAD = "[automations.greet]"


def written(on: str = 'on = "crm/contacts created"', do: str = f"do = [ {NOTE} ]", *more: str) -> str:
    return "\n".join([HEAD, on, do, *more])


def read(checking, good, *parts):
    """The automation, which must be in order."""
    report = checking(good + written(*parts))
    assert report.settings is not None, report.problems
    return report.settings.automations["greet"]


SCHEDULES = [
    ("daily 07:00 Europe/London", Schedule(rhythm=Rhythm.DAILY, hour=7, zone=ZoneInfo("Europe/London"))),
    ("daily 23:59", Schedule(rhythm=Rhythm.DAILY, hour=23, minute=59, zone=UTC)),
    ("weekly friday 16:30 America/New_York", Schedule(rhythm=Rhythm.WEEKLY, weekday=4, hour=16, minute=30, zone=ZoneInfo("America/New_York"))),
    ("hourly :15", Schedule(rhythm=Rhythm.HOURLY, minute=15)),
    ("hourly", Schedule(rhythm=Rhythm.HOURLY)),
    ("every 10m", Schedule(rhythm=Rhythm.EVERY, every=10 * MINUTE)),
]
TRIGGERS = [
    ('on = "crm/contacts created"', RecordTrigger(system="crm", collection="contacts", what=What.CREATED)),
    ('on = "mail/contacts deleted"', RecordTrigger(system="mail", collection="contacts@L1", what=What.DELETED)),
    ('on = "mail/contacts deleted"\nin = { list = "L2" }', RecordTrigger(system="mail", collection="contacts@L2", what=What.DELETED)),
    (
        'on = "crm/contacts updated"\nfields = ["phone", "custom.plan"]',
        RecordTrigger(system="crm", collection="contacts", what=What.UPDATED, fields={"phone": FieldType.PHONE, "custom.plan": None}),
    ),
    ('on = "syncs/people created"', HubTrigger(sync="people", what=What.CREATED)),
    ('on = "syncs/people plan changed"', HubTrigger(sync="people", what=What.UPDATED, field="plan", type=FieldType.CHOICE)),
    ('on = "syncs/people plan changed to gold"', HubTrigger(sync="people", what=What.UPDATED, field="plan", type=FieldType.CHOICE, to="gold")),
]


@pytest.mark.parametrize(("on", "trigger"), TRIGGERS)
def test_triggers(checking, good, on, trigger):
    """Each form of `on`."""
    assert trigger == read(checking, good, on, 'do = [ { alert = { text = "{event.what}" } } ]').trigger


def test_a_webhook_is_waited_for_by_its_name(checking, good):
    """One that is not documented as well, with a note."""
    alert = 'do = [ { alert = { text = "{event.anything}" } } ]'
    assert WebhookTrigger(system="crm", word="ContactTagUpdate") == read(checking, good, 'on = "crm webhook ContactTagUpdate"', alert).trigger
    report = checking(good + written('on = "crm webhook Brand.New"', alert))

    assert ['crm does not document a webhook "Brand.New": it is waited for as it is written'] == [each.what for each in report.notes]
    assert report.problems == ()


@pytest.mark.parametrize(("text", "schedule"), SCHEDULES)
def test_schedules(checking, good, text, schedule):
    """Each form of `schedule`."""
    found = read(checking, good, f'schedule = "{text}"', 'do = [ { alert = { text = "{event.moment}" } } ]')

    assert ScheduleTrigger(schedule=schedule) == found.trigger


def test_a_poll(checking, good):
    """Of any operation that reads, with values that may speak of the moment."""
    on = 'poll = "crm.get-slots"\nevery = "30s"\nwith = { calendarId = "C1", from = "{now+7d.ms}" }'
    found = read(checking, good, on, 'do = [ { alert = { text = "{event.value}" } } ]')

    assert PollTrigger(system="crm", operation="get-slots", values={"calendarId": "C1", "from": "{now+7d.ms}"}, every=30_000_000) == found.trigger
    assert found.sync is None


def test_steps(checking, good):
    """Every kind of step, and what is taken for granted."""
    do = f"""do = [
  {{ name = "noted", {NOTE[2:]},
  {{ set = {{ plan = "gold" }} }},
  {{ wait = "2h" }},
  {{ if = {{ field = "hub.plan", op = "eq", value = "gold" }}, then = [ {NOTE} ], else = [ {{ stop = true }} ] }},
  {{ for_each = "{{event.tags}}", do = [ {{ alert = {{ text = "{{item}}", command = ["notify", "{{item}}"] }} }} ], max = 3 }},
  {{ stop = true }},
]
"""
    found = read(checking, good, 'on = "crm/contacts updated"\nfields = ["tags"]', do)
    call, put, wait, choice, loop, stop = found.rules.steps

    assert Call(name="noted", system="crm", operation="create-note", values={"contactId": "{link.crm.id}", "body": "hello"}) == call
    assert (SetFields(name="", values={"plan": "gold"}), Wait(name="", duration=2 * HOUR), Stop()) == (put, wait, stop)
    assert isinstance(choice, Choose)
    assert (1, (Stop(),)) == (len(choice.then), choice.otherwise)
    assert ForEach(name="", over="{event.tags}", steps=(Alert(name="", text="{item}", command=("notify", "{item}")),), most=3) == loop
    assert ("people", {Origin.PERSON, Origin.SYNC}, 3) == (found.sync, found.origins, found.depth_max)


@pytest.mark.parametrize(
    ("on", "field", "late"),
    [
        ("crm/contacts created", "firstName", False),
        ("crm/contacts created", "event.phone", False),
        ("crm/contacts created", "hub.plan", True),
        ("crm/contacts created", "plan", True),
        ("crm/contacts created", "members.mail.status", True),
        ("syncs/people created", "plan", False),
        ("syncs/people created", "hub.plan", False),
        ("syncs/people created", "link.mail.id", True),
    ],
)
def test_what_only_a_link_tells_is_asked_late(checking, good, on, field, late):
    """When the run begins, for a new record has no link yet; what the event itself tells is asked at once."""
    found = read(checking, good, f'on = "{on}"', f"do = [ {NOTE} ]", f'when = {{ field = "{field}", op = "exists" }}')

    assert late == found.rules.late


def test_an_edition_changes_with_what_runs_go_by(checking, good):
    """And with nothing else."""
    one = read(checking, good)
    other = read(checking, good, 'on = "crm/contacts deleted"', f"do = [ {NOTE} ]", 'origins = ["person"]')
    changed = read(checking, good, 'on = "crm/contacts created"', f"do = [ {NOTE}, {{ stop = true }} ]")

    assert one.edition == other.edition != changed.edition


# fmt: off
CREATED, DO = 'on = "crm/contacts created"', f"do = [ {NOTE} ]"
MISTAKES = [
    ("no_trigger", "", DO, "automations.greet: nothing sets it off; write one of `on`, `poll` and `schedule`"),
    ("two_triggers", CREATED + '\nschedule = "hourly"', DO, "automations.greet: is set off by on and schedule at once; write one of `on`, `poll` and `schedule`"),
    ("no_steps", CREATED, "", 'automations.greet: has no steps; write do = [ { call = "SYSTEM.OPERATION", with = { … } } ]'),
    ("on_form", 'on = "crm created"', DO, 'automations.greet.on: "crm created" is nothing that happens; write on = "SYSTEM/COLLECTION created"'),
    ("on_system", 'on = "cmr/contacts created"', DO, 'automations.greet.on: there is no system "cmr"; did you mean `crm`?'),
    ("on_collection", 'on = "crm/contact created"', DO, 'automations.greet.on: crm has no collection "contact"; did you mean `contacts`?'),
    ("on_sync", 'on = "syncs/poeple created"', DO, 'automations.greet.on: there is no sync "poeple"; did you mean `people`?'),
    ("on_field", 'on = "syncs/people paln changed"', DO, 'automations.greet.on: people has no field "paln"; did you mean `plan`?'),
    ("on_value", 'on = "syncs/people plan changed to glod"', DO, 'automations.greet.on: plan never is "glod"; did you mean `gold`?'),
    ("on_never_seen", 'on = "crm/companies deleted"', DO.replace("{link.crm.id}", "x"), "automations.greet.on: crm never shows that one of its companies was deleted"),
    ("on_never_listed", 'on = "crm/whispers created"', DO.replace("{link.crm.id}", "x"), "automations.greet.on: crm cannot list its whispers, so what is new or changed there cannot be seen"),
    ("on_webhook_of_none", 'on = "mail webhook opened"', DO.replace("{link.crm.id}", "x"), "automations.greet.on: mailer sends no webhooks of different kinds"),
    ("fields_misspelt", 'on = "crm/contacts updated"\nfields = ["phne"]', DO, 'automations.greet.fields[0]: contacts have no field "phne"; did you mean `phone`?'),
    ("fields_hidden", 'on = "crm/contacts updated"\nfields = ["pin"]', DO, 'automations.greet.fields[0]: "pin" is never shown, so nobody sees it change'),
    ("fields_of_created", CREATED + '\nfields = ["phone"]', DO, "automations.greet.fields: a record that is created is so as a whole"),
    ("key_misspelt", CREATED + '\norigns = ["person"]', DO, "automations.greet.origns: unknown key; did you mean `origins`?"),
    ("origin_misspelt", CREATED + '\norigins = ["persons"]', DO, 'automations.greet.origins[0]: "persons" is no origin; did you mean `person`?'),
    ("depth_range", CREATED + '\norigins = ["automation"]\ndepth = 99', DO, "automations.greet.depth: is between 1 and 20"),
    ("every_alone", CREATED + '\nevery = "5m"', DO, "automations.greet.every: belongs to `poll`; take it out"),
    ("poll_writes", 'poll = "crm.create-note"\nwith = { contactId = "1", body = "x" }', "do = [ { stop = true } ]", "automations.greet.poll: create-note changes something; only what reads can be polled"),
    ("poll_misspelt", 'poll = "crm.get-slot"\nwith = { calendarId = "1" }', "do = [ { stop = true } ]", 'automations.greet.poll: crm has no operation "get-slot"; did you mean `get-slots`?'),
    ("poll_missing", 'poll = "crm.get-slots"', "do = [ { stop = true } ]", "automations.greet.with: get-slots needs `calendarId`; write with = { calendarId = … }"),
    ("poll_too_often", 'poll = "crm.get-slots"\nevery = "1s"\nwith = { calendarId = "1" }', "do = [ { stop = true } ]", "automations.greet.every: is at least 10s"),
    ("poll_knows_nothing", 'poll = "crm.get-slots"\nwith = { calendarId = "{run.id}" }', "do = [ { stop = true } ]", "automations.greet.with.calendarId: `{run.id}`: a poll knows nothing but `{now}`"),
    ("schedule_form", 'schedule = "at seven"', "do = [ { stop = true } ]", 'automations.greet.schedule: "at seven" is no schedule; write "daily 07:00 Europe/London"'),
    ("schedule_day", 'schedule = "weekly mondy 07:00"', "do = [ { stop = true } ]", 'automations.greet.schedule: "weekly mondy 07:00" is no schedule; did you mean `monday`?'),
    ("schedule_zone", 'schedule = "daily 07:00 Europe/Lundon"', "do = [ { stop = true } ]", 'automations.greet.schedule: there is no time zone "Europe/Lundon" on this machine'),
    ("schedule_hub", 'schedule = "hourly"', 'do = [ { set = { plan = "gold" } } ]', "automations.greet.do[0].set: sets a hub's fields: what sets it off belongs to no link"),
    ("call_system", CREATED, 'do = [ { call = "cmr.create-note" } ]', 'automations.greet.do[0].call: there is no system "cmr"; did you mean `crm`?'),
    ("call_operation", CREATED, 'do = [ { call = "crm.create-not" } ]', 'automations.greet.do[0].call: crm has no operation "create-not"; did you mean `create-note`?'),
    ("call_none", CREATED, 'do = [ { call = "mail.send" } ]', "automations.greet.do[0].call: mailer has no operations that can be called by name"),
    ("call_unknown", CREATED, DO.replace("body", "bdy = 1, body"), 'automations.greet.do[0].with.bdy: create-note takes no "bdy"; did you mean `body`?'),
    ("call_missing", CREATED, 'do = [ { call = "crm.create-note", with = { contactId = "1" } } ]', "automations.greet.do[0].with: create-note needs `body`; write with = { body = … }"),
    ("step_nothing", CREATED, 'do = [ { name = "x" } ]', "automations.greet.do[0]: does nothing; a step has one of call, set, wait, if, for_each, stop, alert"),
    ("step_twice", CREATED, 'do = [ { stop = true, wait = "2h" } ]', "automations.greet.do[0]: does wait and stop at once; a step has one of"),
    ("step_key", CREATED, 'do = [ { wait = "2h", nme = "x" } ]', "automations.greet.do[0].nme: unknown key; did you mean `name`?"),
    ("step_name_twice", CREATED, f'do = [ {{ wait = "1s", name = "a" }}, {{ name = "a", {NOTE[2:]} ]', 'automations.greet.do[1].name: another step is named "a" already'),
    ("path_root", CREATED, DO.replace("hello", "{evnt.x}"), "automations.greet.do[0].with.body: `{evnt.x}` begins with nothing that is known here; did you mean `event`?"),
    ("path_event", CREATED, DO.replace("hello", "{event.fristName}"), 'automations.greet.do[0].with.body: `{event.fristName}`: the event has no "fristName"; did you mean `firstName`?'),
    ("path_hub", CREATED, DO.replace("hello", "{hub.nmae}"), 'automations.greet.do[0].with.body: `{hub.nmae}`: people has no field "nmae"; did you mean `name`?'),
    ("path_member", CREATED, DO.replace("hello", "{link.mal.id}"), 'automations.greet.do[0].with.body: `{link.mal.id}`: people has no member "mal"; did you mean `mail`?'),
    ("path_member_field", CREATED, DO.replace("hello", "{members.mail.statsu}"), 'automations.greet.do[0].with.body: `{members.mail.statsu}`: mail has no field "statsu"; did you mean `status`?'),
    ("path_step", CREATED, DO.replace("hello", "{steps.later.id}"), 'automations.greet.do[0].with.body: `{steps.later.id}`: no step before this one is named "later"'),
    ("path_item", CREATED, DO.replace("hello", "{item}"), "automations.greet.do[0].with.body: `{item}`: there is an item in `for_each` only"),
    ("path_form", CREATED, DO.replace("hello", "{ }"), "automations.greet.do[0].with.body: `{ }` is no path: write {event.email}, or `{{` for a brace"),
    ("path_brace", CREATED, DO.replace("hello", "a } b"), "automations.greet.do[0].with.body: a lone `}`: write `}}` for a brace"),
    ("path_in_a_list", CREATED, DO.replace('"hello"', '["a", { b = "{evnt.id}" }]'), "automations.greet.do[0].with.body[1].b: `{evnt.id}` begins with nothing that is known here; did you mean `event`?"),
    ("path_no_sync", 'on = "crm/companies created"', DO, 'automations.greet.do[0].with.contactId: `{link.crm.id}`: its records are in no sync; write sync = "NAME"'),
    ("when_field", CREATED + '\nwhen = { field = "fristName", op = "exists" }', DO, "automations.greet.when: reads `fristName`, which is no field here; did you mean `firstName`?"),
    ("path_member_id", CREATED, DO.replace("hello", "{members.crm.id}"), '`{members.crm.id}`: crm has no field "id"; the id of its record is `{link.crm.id}`'),
    ("when_path", CREATED + '\nwhen = { field = "hub.paln", op = "exists" }', DO, 'automations.greet.when: `{hub.paln}`: people has no field "paln"; did you mean `plan`?'),
    ("set_field", CREATED, 'do = [ { set = { paln = "gold" } } ]', "automations.greet.do[0].set.paln: people has no such field; did you mean `plan`?"),
    ("set_value", CREATED, 'do = [ { set = { plan = "glod" } } ]', 'automations.greet.do[0].set.plan: "glod" is none of its words; did you mean `gold`?'),
    ("set_owned", CREATED, 'do = [ { set = { phone = "+12125550123" } } ]', "automations.greet.do[0].set.phone: belongs to crm, so only its edits count; change it in crm, by a `call`"),
    ("unreachable", CREATED, f"do = [ {{ stop = true }}, {NOTE} ]", "automations.greet.do[1]: is never reached: what comes before it ends the run"),
    ("unreachable_both", CREATED, f'do = [ {{ if = {{ field = "phone", op = "exists" }}, then = [ {{ stop = true }} ], else = [ {{ stop = true }} ] }}, {NOTE} ]', "automations.greet.do[1]: is never reached: what comes before it ends the run"),
    ("loop_path", CREATED, 'do = [ { for_each = "tags", do = [ { stop = true } ] } ]', "automations.greet.do[0].for_each: is the path of a list; write for_each ="),
    ("loop_max", CREATED, 'do = [ { for_each = "{event.tags}", do = [ { stop = true } ], max = 0 } ]', "automations.greet.do[0].max: is between 1 and 10000"),
    ("alert_http", CREATED, 'do = [ { alert = { text = "x", webhook = "http://example.com/x" } } ]', "automations.greet.do[0].alert.webhook: is not https, and leads off this machine; write https://"),
    ("alert_form", CREATED, 'do = [ { alert = { text = "x", webhook = "example.com" } } ]', "automations.greet.do[0].alert.webhook: is no address on the web"),
    ("alert_program", CREATED, 'do = [ { alert = { text = "x", command = ["{event.firstName}"] } } ]', "automations.greet.do[0].alert.command[0]: names a program, which no event may choose"),
    ("alert_silent", CREATED, "do = [ { alert = { } } ]", 'automations.greet.do[0].alert: says nothing; write alert = { text = "…" }'),
    ("scope_unsaid", 'on = "mail/contacts created"\nin = { lst = "L" }', DO, "automations.greet.in.lst: unknown key; did you mean `list`?"),
]
# fmt: on


@pytest.mark.parametrize(("on", "do", "said"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_said_once(checking, good, on, do, said):
    """With its place, and how to mend it."""
    report = checking(good + written(on, do))

    assert 1 == len(report.problems), [str(each) for each in report.problems]
    assert said in str(report.problems[0])
    assert report.problems[0].line > good.count("\n")
