"""Derived fields: what children come to, and that nobody else decides it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.conditions import compile_condition
from syncd.core.derive import Derivation, Take, derive, derived_path
from syncd.core.fields import FieldType
from syncd.core.link import Gone, Seen
from syncd.core.outcome import Operation
from syncd.core.plan import plan
from syncd.core.record import CollectionName, SystemName
from syncd.core.rules import DeleteRule, MemberField
from tests.core.build import A, B, F, G, agreed, fresh, ref, row, sync

NOON = 1_758_801_600_000_000
"""2025-09-25T12:00:00Z."""
HOUR = 3_600_000_000
TASKS = {
    "1": {"completed": False, "title": "call"},
    "2": {"completed": True, "title": "write"},
    "3": {"title": "ask"},
}
MEETINGS = {
    "1": {"startTime": "2025-09-25T11:00:00+00:00"},
    "2": {"startTime": "2025-09-26T01:30:00+05:30"},
    "3": {"startTime": "2025-09-25T20:30:00Z"},
    "4": {"startTime": None},
    "5": {"startTime": "tomorrow"},
}
OPEN = compile_condition({"field": "completed", "op": "ne", "value": True})


def derivation(take=Take.COUNT, **other):
    return Derivation(member=A, system=SystemName("a"), collection=CollectionName("tasks"), by="contactId", take=take, **other)


def derived(**other):
    """A sync of a field that only b holds, and that comes from what belongs to a's records; beside it an ordinary one."""
    members = {A: MemberField(paths=(derived_path(G),), writable=False, creatable=False), B: MemberField(paths=(G,))}
    given = {"members": members, "owner": A, "sources": frozenset({A}), "targets": frozenset({B}), "derived": derivation()}
    return sync(row(F), row(G, type=FieldType.NUMBER, **given), **other)


def test_a_count():
    """As many as there are, of those that `where` admits; none is 0 and not blank; time changes nothing."""
    assert (3, None) == derive(derivation(), FieldType.NUMBER, TASKS, NOON)
    assert (2, None) == derive(derivation(where=OPEN), FieldType.NUMBER, TASKS, NOON)
    assert (0, None) == derive(derivation(), FieldType.NUMBER, {}, NOON)


def test_the_last():
    """That with the latest moment, whatever the order they came in; of two at the same moment always the same one; without any: blank."""
    notes = {
        "1": {"body": "first", "dateAdded": "2025-01-01T00:00:00Z"},
        "2": {"body": "last", "dateAdded": "2025-01-03T00:00:00+02:00"},
        "3": {"body": "between", "dateAdded": "2025-01-02T12:00:00Z"},
        "4": {"body": "never"},
    }
    last = derivation(Take.LAST, path="body", order="dateAdded")
    twins = {number: {"body": number, "dateAdded": "2025-01-01T00:00:00Z"} for number in ("1", "2")}

    assert ("last", None) == derive(last, FieldType.TEXT, notes, NOON)
    assert ("last", None) == derive(last, FieldType.TEXT, dict(reversed(notes.items())), NOON)
    assert ("2", None) == derive(last, FieldType.TEXT, twins, NOON)
    assert (None, None) == derive(last, FieldType.TEXT, {}, NOON)


def test_the_next():
    """The first to come, and the moment from which it is another; what has passed, or cannot be read, is none."""
    coming = derivation(Take.NEXT, path="startTime")
    value, until = derive(coming, FieldType.INSTANT, MEETINGS, NOON)

    assert ("2025-09-26T01:30:00+05:30", NOON + 8 * HOUR) == (value, until)
    assert ("2025-09-25T20:30:00Z", NOON + 8 * HOUR + HOUR // 2) == derive(coming, FieldType.INSTANT, MEETINGS, until)
    assert (None, None) == derive(coming, FieldType.INSTANT, MEETINGS, NOON + 9 * HOUR)


def test_an_appointment_as_a_date_is_the_day_it_was_written_with():
    """25 September in London is 26 September in Delhi, where the appointment is."""
    value, _until = derive(derivation(Take.NEXT, path="startTime"), FieldType.DATE, MEETINGS, NOON)

    assert "2025-09-26" == value


def test_the_derivation_is_the_winner():
    """Its member's value goes to the others and is explained by the derivation; a value that was there before is put aside, and told."""
    looks = {A: Seen(fields={F: "x", G: 2}), B: Seen(fields={F: "x", G: 7})}
    decided = plan(derived(), fresh(), looks)

    assert {G: 2} == decided.writes[0].values
    assert (A, "derived: count a/tasks") == (decided.link.hub[G].winner, decided.link.hub[G].rule)
    assert {B: 7} == decided.decisions[-1].losers


@pytest.mark.parametrize("said", [7, None])
def test_an_edit_of_it_is_put_back(said):
    """Whoever edits it elsewhere, to whatever, it is written again; their value stands in the journal."""
    decided = plan(derived(), agreed({F: "x", G: 2}), {A: Seen(fields={F: "x", G: 2}), B: Seen(fields={F: "x", G: said})})

    assert [(B, {G: 2})] == [(each.member, each.values) for each in decided.writes]
    assert ("derived: count a/tasks: put back", {B: said}) == (decided.decisions[0].rule, decided.decisions[0].losers)


def test_blank_is_a_value():
    """Without children there is nothing to say, and what was said before is cleared, even where it was there first."""
    looks = {A: Seen(fields={F: "x", G: None}), B: Seen(fields={F: "x", G: 7})}

    assert {G: None} == plan(derived(), fresh(), looks).writes[0].values
    assert {G: None} == plan(derived(), agreed({F: "x", G: 7}), looks).writes[0].values


def test_as_long_as_it_is_not_known_nothing_is_said():
    """Neither is it written, nor taken from anybody else."""
    looks = {A: Seen(fields={F: "x"}), B: Seen(fields={F: "x", G: 7})}
    decided = plan(derived(), fresh(), looks)

    assert () == decided.writes
    assert G not in decided.link.hub


def test_it_brings_nothing_back():
    """What was deleted elsewhere stays deleted, also when a child changed meanwhile or its value was still owed."""
    changed = {A: Seen(fields={F: "x", G: 3}), B: Gone(evidence=("404",))}
    was = agreed({F: "x", G: 2})
    owed = replace(was, hub={**was.hub, G: replace(was.hub[G], value=3)}, members={**was.members, A: replace(was.members[A], base={F: "x", G: 3}, agreed={F: "x", G: 3})})
    rules = derived(delete=DeleteRule.PROPAGATE)

    assert [(A, Operation.DELETE)] == [(each.member, each.operation) for each in plan(rules, was, changed).writes]
    assert [(A, Operation.DELETE)] == [(each.member, each.operation) for each in plan(rules, owed, changed).writes]


def test_a_new_record_is_made_with_it():
    """It comes with the record, so that it is not written a second time."""
    link = replace(fresh(), members={A: replace(fresh().members[A], ref=ref("a"))})
    decided = plan(derived(), link, {A: Seen(fields={F: "x", G: 2})})

    assert [{F: "x", G: 2}] == [each.values for each in decided.writes]
