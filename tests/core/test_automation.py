"""What an automation makes of what happened, as a table."""

from __future__ import annotations

import pytest

from syncd.core.automation import (
    Automation,
    Facts,
    HubTrigger,
    PollTrigger,
    RecordTrigger,
    ScheduleTrigger,
    Verdict,
    WebhookTrigger,
    event_of,
    judge,
)
from syncd.core.fields import FieldType
from syncd.core.happening import BACKFILL, PERSON, Cause, Happening, Origin, What
from syncd.core.schedule import Rhythm, Schedule
from syncd.core.steps import compile_rules

SYNCED, BY_ONE, BY_FOUR = Cause(Origin.SYNC), Cause(Origin.AUTOMATION, 1, "other"), Cause(Origin.AUTOMATION, 4, "other")
ON = RecordTrigger(system="crm", collection="contacts", what=What.UPDATED, fields={"name": FieldType.TEXT, "tags": FieldType.SET})
ANY = RecordTrigger(system="crm", collection="contacts", what=What.UPDATED)
NEW = RecordTrigger(system="crm", collection="contacts", what=What.CREATED)
HUB = HubTrigger(sync="people", what=What.UPDATED, field="plan", type=FieldType.CHOICE)
GOLD = HubTrigger(sync="people", what=What.UPDATED, field="plan", type=FieldType.CHOICE, to="gold")


def automation(trigger, when=None, late=False, **other):
    written = {"when": when, "late": late, "steps": []}
    return Automation(name="greet", trigger=trigger, rules=compile_rules(written), written=written, edition="1", **other)


def record(what=What.UPDATED, cause=PERSON, changed=("name",), before=None, after=None, **other):
    given = {"system": "crm", "collection": "contacts", "record_id": "1", **other}
    before = {"name": "Ada", "phone": "1", "tags": ["a", "b"]} if before is None else before
    after = {"name": "Bob", "phone": "2", "tags": ["b", "A"]} if after is None else after
    return Happening(key="k", what=what, cause=cause, at=7, changed=frozenset(changed), before=before, after=after, **given)


def hub(before, after, changed=("plan",)):
    return Happening(
        key="k", what=What.UPDATED, cause=PERSON, at=7, sync="people", link=3, changed=frozenset(changed), before={"plan": before}, after={"plan": after}
    )


def webhook(word):
    return Happening(key="k", what=What.WEBHOOK, cause=PERSON, at=7, system="crm", word=word, after={})


CASES = [
    ("the watched field", ON, record(), Verdict.FIRES),
    ("another field", ON, record(changed=("phone",)), Verdict.ELSEWHERE),
    ("a set in another order", ON, record(changed=("tags",)), Verdict.ELSEWHERE),
    ("a set with another element", ON, record(changed=("tags",), after={"tags": ["a"]}), Verdict.FIRES),
    ("any field", ANY, record(changed=("phone",)), Verdict.FIRES),
    ("another system", ON, record(system="mail"), Verdict.ELSEWHERE),
    ("another collection", ON, record(collection="tasks"), Verdict.ELSEWHERE),
    ("something else that happened", ON, record(What.CREATED), Verdict.ELSEWHERE),
    ("a creation", NEW, record(What.CREATED), Verdict.FIRES),
    ("a sync", ON, record(cause=SYNCED), Verdict.FIRES),
    ("the backlog", ON, record(cause=BACKFILL), Verdict.ORIGIN),
    ("an automation", ON, record(cause=BY_ONE), Verdict.ORIGIN),
    ("the hub's field", HUB, hub("free", "gold"), Verdict.FIRES),
    ("the hub's field to the value", GOLD, hub("free", "gold"), Verdict.FIRES),
    ("the hub's field to another value", GOLD, hub("gold", "free"), Verdict.ELSEWHERE),
    ("another field of the hub", HUB, hub("gold", "gold", changed=("name",)), Verdict.ELSEWHERE),
    ("a record where a hub is meant", HUB, record(), Verdict.ELSEWHERE),
    ("a hub where a record is meant", ON, hub("free", "gold"), Verdict.ELSEWHERE),
    ("the webhook", WebhookTrigger(system="crm", word="Tagged"), webhook("Tagged"), Verdict.FIRES),
    ("another webhook", WebhookTrigger(system="crm", word="Tagged"), webhook("Called"), Verdict.ELSEWHERE),
]


@pytest.mark.parametrize(("trigger", "happening", "verdict"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_what_it_makes_of_it(trigger, happening, verdict):
    """With the usual origins: persons and live syncs."""
    assert verdict is judge(automation(trigger), happening)


@pytest.mark.parametrize(("cause", "verdict"), [(BY_ONE, Verdict.FIRES), (BY_FOUR, Verdict.DEPTH), (PERSON, Verdict.ORIGIN)])
def test_origins_are_named(cause, verdict):
    """Who asks for automations is set off by them, down to a depth; and by nobody else."""
    assert verdict is judge(automation(ON, origins=frozenset({Origin.AUTOMATION})), record(cause=cause))


def test_clocks_are_their_automations_own():
    """A poll's item and a schedule's moment are told to one automation, whatever its origins."""
    schedule = ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.DAILY))
    poll = PollTrigger(system="crm", operation="list", values={})
    for trigger in (schedule, poll):
        for name, verdict in (("greet", Verdict.FIRES), ("other", Verdict.ELSEWHERE)):
            happening = Happening(key="k", what=What.DUE, cause=PERSON, at=7, automation=name, after={"moment": "2027-01-01"})
            assert verdict is judge(automation(trigger), happening)


@pytest.mark.parametrize(
    ("field", "wanted", "verdict"),
    [
        ("name", "Bob", Verdict.FIRES),
        ("event.name", "Bob", Verdict.FIRES),
        ("event.before.name", "Ada", Verdict.FIRES),
        ("event.before.name", "Bob", Verdict.CONDITION),
        ("event.origin", "person", Verdict.FIRES),
        ("nothing", "Bob", Verdict.CONDITION),
    ],
)
def test_a_condition_reads_the_event(field, wanted, verdict):
    """What the record shows now, by its own names; what it showed before; and who caused it."""
    when = {"field": field, "op": "eq", "value": wanted}

    assert verdict is judge(automation(ON, when), record())
    assert Verdict.FIRES is judge(automation(ON, when, late=True), record())


def test_facts_of_an_event_are_not_hidden_by_fields():
    """A record may have a field of the same name; both can be reached."""
    event = event_of(record(after={"id": "own", "origin": "web", "custom.plan": "gold"}))

    assert ("1", "person") == (event["id"], event["origin"])
    assert ("own", "gold") == (event["after"]["id"], Facts({"event": event})["custom.plan"])


def test_what_is_not_there_is_blank():
    """To a condition, an absent field is a blank one."""
    facts = Facts({"event": event_of(record()), "hub": {"plan": "gold"}})

    assert ("gold", "gold", None) == (facts.get("plan"), facts.get("hub.plan"), facts.get("hub.nothing"))
    assert sorted(facts) == ["event", "hub"]
    assert len(facts) == 2


def test_subjects_tell_apart():
    """What must keep its order has one subject, and nothing else has it."""
    said = {record().subject, hub(1, 2).subject, webhook("x").subject, record(record_id="2").subject, record(system="mail").subject}
    unplaced = Happening(key="once", what=What.WEBHOOK, cause=PERSON, at=7, system="crm", collection="events", record_id="Called", word="Called")

    assert len(said) == 5
    assert "once" == unplaced.subject
