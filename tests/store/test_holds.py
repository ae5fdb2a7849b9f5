"""Holds: the same question is the same hold; an answer lasts as long as its question."""

from __future__ import annotations

from syncd.core.outcome import HoldKind
from syncd.core.record import LinkId, RecordId
from syncd.store import holds
from syncd.store.holds import HoldState
from tests.store.build import EMAIL, NAME, OTHER, A, S, question

ALL = tuple(HoldState)


def kept(tx):
    return [(each.kind, each.state, each.choice) for each in holds.select(tx, ALL)]


def only(tx):
    (held,) = holds.select(tx, ALL)
    return held


def answer(tx, state, choice=None):
    holds.answer(tx, only(tx).id, state, choice, 2)


def test_the_same_question_is_the_same_hold(tx):
    """Asked again with another wording or other sides it is one hold, as last worded."""
    holds.ask(tx, [question(), question()], 1)
    holds.ask(tx, [question(sides={"a": 1, "b": 3}, reason="because")], 5)

    assert ({"a": 1, "b": 3}, "because", 1, 5) == (only(tx).sides, only(tx).reason, only(tx).created_at, only(tx).updated_at)


def test_different_questions_are_different_holds():
    """Sync, kind, link, member, record, field and scope are what a question is about."""
    asked = [
        question(), question(sync=OTHER), question(HoldKind.UNREADABLE), question(link=2), question(member=A),
        question(record_id=RecordId("1")), question(field=EMAIL), question(scope="x"),
    ]  # fmt: skip

    assert len(asked) == len({each.key for each in asked})


def test_an_ignored_hold_rests_until_its_sides_change(tx):
    """Not the wording but what each member says brings it back."""
    holds.ask(tx, [question()], 1)
    answer(tx, HoldState.IGNORED, "ignore")
    holds.ask(tx, [question(reason="in other words")], 3)
    assert HoldState.IGNORED is only(tx).state
    holds.ask(tx, [question(sides={"a": 1, "b": 3})], 4)

    assert (HoldState.OPEN, None) == (only(tx).state, only(tx).choice)


def test_an_answer_is_kept_while_the_question_stands(tx):
    """Asked again before it was carried out, an answered hold is still answered."""
    holds.ask(tx, [question()], 1)
    answer(tx, HoldState.ANSWERED, "a")
    holds.ask(tx, [question(sides={"a": 1, "b": 3})], 3)

    assert [(HoldKind.CONFLICT, HoldState.ANSWERED, "a")] == kept(tx)


def test_a_closed_hold_opens_again_without_its_old_answer(tx):
    """The same question later is a new decision."""
    holds.ask(tx, [question()], 1)
    answer(tx, HoldState.CLOSED, "a")
    holds.ask(tx, [question()], 3)

    assert [(HoldKind.CONFLICT, HoldState.OPEN, None)] == kept(tx)


def test_a_hold_closes_when_its_question_is_gone(tx):
    """What is no longer asked about a link that was planned closes itself; other links and what is still asked stay."""
    still, gone, elsewhere = question(), question(field=EMAIL), question(link=2)
    holds.ask(tx, [still, gone, elsewhere], 1)
    holds.close_others(tx, {LinkId(1): [still]}, 2)

    assert [HoldState.OPEN, HoldState.CLOSED, HoldState.OPEN] == [holds.find(tx, each.key).state for each in (still, gone, elsewhere)]


def test_what_planning_cannot_know_is_not_closed_by_it(tx):
    """A doubtful create and a value that was not kept wait for a person however often the link is planned; an ignored hold rests."""
    asked = [question(HoldKind.UNKNOWN_CREATE), question(HoldKind.NOT_STORED), question()]
    holds.ask(tx, asked, 1)
    holds.answer(tx, holds.find(tx, asked[2].key).id, HoldState.IGNORED, "ignore", 2)
    holds.close_others(tx, {LinkId(1): []}, 3)

    assert [HoldState.OPEN, HoldState.OPEN, HoldState.IGNORED] == [state for _, state, _ in kept(tx)]


def test_answers_are_found_by_link_and_by_record(tx):
    """Only what was answered, each where it is looked for."""
    about_link, open_one = question(), question(link=2)
    about_record = question(HoldKind.AMBIGUOUS, link=None, field=None, member=A, record_id=RecordId("7"))
    holds.ask(tx, [about_link, open_one, about_record], 1)
    for each, choice in ((about_link, "a"), (about_record, "new")):
        holds.answer(tx, holds.find(tx, each.key).id, HoldState.ANSWERED, choice, 2)

    assert [(1, "a")] == [(each.link, each.choice) for each in holds.answers(tx, [LinkId(1), LinkId(2)])]
    assert {(A, "7"): "new"} == {about: each.choice for about, each in holds.answers_about(tx, S).items()}
    assert {} == holds.answers_about(tx, OTHER)


def test_a_linked_record_is_asked_about_no_more(tx):
    """Once a record has its link, what was asked about it alone closes, ignored or not being another matter."""
    asked = question(HoldKind.AMBIGUOUS, link=None, field=None, member=A, record_id=RecordId("7"))
    holds.ask(tx, [asked], 1)
    holds.close_record(tx, S, A, RecordId("7"), 2)

    assert HoldState.CLOSED is only(tx).state
    assert {} == holds.counts(tx)


def test_open_holds_are_counted_by_kind(tx):
    """Only those that wait for a person."""
    holds.ask(tx, [question(), question(link=2), question(HoldKind.DELETE)], 1)
    holds.answer(tx, holds.find(tx, question().key).id, HoldState.ANSWERED, "a", 2)

    assert {"conflict": 1, "delete": 1} == holds.counts(tx)
    assert (NAME, "why") == (holds.get(tx, 1).field, holds.get(tx, 1).reason)
    assert None is holds.get(tx, 99)
