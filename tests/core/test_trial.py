"""Trying an automation out: an event made again, and the reasons beside the verdict."""

from __future__ import annotations

import pytest

from syncd.core.automation import (
    Automation,
    AutomationName,
    HubTrigger,
    PollTrigger,
    RecordTrigger,
    ScheduleTrigger,
    Trigger,
    Verdict,
    WebhookTrigger,
    concerns,
    event_of,
    judge,
    meant,
)
from syncd.core.fields import FieldType
from syncd.core.happening import Cause, Happening, Origin, What
from syncd.core.record import LinkId
from syncd.core.schedule import Rhythm, Schedule
from syncd.core.steps import compile_rules
from syncd.core.trial import happening_from, happening_of, reasons

TRIGGERS: list[Trigger] = [
    RecordTrigger(system="crm", collection="contacts", what=What.CREATED),
    RecordTrigger(system="crm", collection="contacts", what=What.UPDATED, fields={"name": FieldType.TEXT, "age": None}),
    RecordTrigger(system="crm", collection="contacts", what=What.DELETED),
    HubTrigger(sync="people", what=What.CREATED),
    HubTrigger(sync="people", what=What.UPDATED, field="name", to="Ann"),
    WebhookTrigger(system="crm", word="NoteCreate"),
    PollTrigger(system="crm", operation="list-things", values={}),
    ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.DAILY)),
]


def automation(trigger: Trigger) -> Automation:
    written = {"steps": []}
    return Automation(name=AutomationName("a"), trigger=trigger, rules=compile_rules(written), written=written, edition="1")


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_a_plain_record_is_what_the_trigger_waits_for(trigger: Trigger) -> None:
    """It fires, for every reason; written down and made again it is judged the same."""
    rules = automation(trigger)
    found = happening_from({"id": "1", "name": "Ann"}, rules, 5)
    again = happening_of(event_of(found), rules)

    assert Verdict.FIRES is judge(rules, found) is judge(rules, again)
    assert all(each.met for each in reasons(rules, again))
    assert event_of(found) == event_of(again)


OTHERS = [
    (TRIGGERS[0], {"collection": "tasks"}, "crm/contacts"),
    (TRIGGERS[0], {"what": What.DELETED}, "created"),
    (TRIGGERS[1], {"changed": frozenset({"phone"})}, "one of name, age changed"),
    (TRIGGERS[4], {"after": {"name": "Bob"}}, "name is Ann"),
    (TRIGGERS[4], {"changed": frozenset({"age"})}, "name changed"),
    (TRIGGERS[3], {"sync": "others"}, "syncs/people"),
    (TRIGGERS[5], {"word": "NoteDelete"}, "NoteCreate"),
    (TRIGGERS[0], {"cause": Cause(Origin.BACKFILL)}, "caused by person or sync"),
]


@pytest.mark.parametrize(("trigger", "other", "asks"), OTHERS, ids=str)
def test_the_reason_is_named(trigger: Trigger, other: dict[str, object], asks: str) -> None:
    """Where it does not fire, exactly what is in the way is said to be so first."""
    rules = automation(trigger)
    whole = happening_from({"id": "1", "name": "Ann"}, rules, 5)
    found = Happening(**{name: getattr(whole, name) for name in Happening.__slots__} | other)

    assert judge(rules, found) is not Verdict.FIRES
    assert asks == next(each.asks for each in reasons(rules, found) if not each.met)


def test_what_only_lacks_a_field_is_of_concern() -> None:
    """It is kept as an event to try out; what is about something else is not."""
    rules = automation(TRIGGERS[4])
    near = Happening(key="1", what=What.UPDATED, cause=Cause(Origin.PERSON), at=1, sync="people", link=LinkId(1), changed=frozenset({"age"}), after={"age": 1})
    far = Happening(key="1", what=What.DELETED, cause=Cause(Origin.PERSON), at=1, sync="people", link=LinkId(1))

    assert (False, True, False) == (meant(rules, near), concerns(rules, near), concerns(rules, far))
