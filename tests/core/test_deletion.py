"""What follows when a record is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from syncd.core.fields import Unreadable
from syncd.core.link import Gone, HubField, Link, LinkMember, LinkState, Seen
from syncd.core.outcome import HoldKind, Operation, Plan
from syncd.core.plan import plan
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import BlankRule, ConflictRule, DeleteRule, SyncRules
from tests.core.build import GONE, TAGS, A, B, C, F, agreed, fresh, ref, row, seen, sync

ARCHIVES = {B: {"archive": {"status": "gone"}}}
DELETES = (Operation.DELETE, Operation.ARCHIVE)


def rules(delete: DeleteRule = DeleteRule.PROPAGATE, among: str = "ab", **other: Json) -> SyncRules:
    return sync(row(among=among), among=among, delete=delete, members=ARCHIVES, **other)


def owed(made: Plan) -> list[tuple[MemberName, Operation]]:
    return [(write.member, write.operation) for write in made.writes]


RULES = [
    (DeleteRule.PROPAGATE, LinkState.DELETED, [(B, Operation.DELETE)]),
    (DeleteRule.ARCHIVE, LinkState.ARCHIVED, [(B, Operation.ARCHIVE)]),
    (DeleteRule.UNLINK, LinkState.UNLINKED, []),
    (DeleteRule.REVIEW, LinkState.LIVE, []),
]


@pytest.mark.parametrize(("rule", "state", "writes"), RULES)
def test_untouched_elsewhere_the_rule_decides(rule: DeleteRule, state: LinkState, writes: list[Json]) -> None:
    """Deleted here, untouched there: archive, propagate, unlink or review, as the sync says."""
    made = plan(rules(rule), agreed({F: "x"}), seen(a=GONE, b="x"))

    assert (state, writes) == (made.link.state, owed(made))
    assert (rule is DeleteRule.REVIEW) == bool(made.holds)


def test_a_delete_expects_what_was_agreed() -> None:
    """A delete carries what the record must still hold, so that the writer can look again."""
    made = plan(rules(), agreed({F: "x"}), seen(a=GONE, b="x"))

    assert {F: "x"} == made.writes[0].expected
    assert made.link.members[A].gone


def test_a_person_may_decide_otherwise() -> None:
    """The answer to a held deletion replaces the rule."""
    made = plan(rules(DeleteRule.REVIEW), agreed({F: "x"}), seen(a=GONE, b="x"), deletion=DeleteRule.PROPAGATE)

    assert [(B, Operation.DELETE)] == owed(made)


def test_a_member_without_an_archive_is_left_alone() -> None:
    """Where there is nothing that stands for deleted, archiving writes nothing."""
    made = plan(replace(rules(DeleteRule.ARCHIVE)), agreed({F: "x"}), seen(a="x", b=GONE))

    assert (LinkState.ARCHIVED, []) == (made.link.state, owed(made))


def test_deleted_everywhere_ends_the_link() -> None:
    """Nobody has it any more: nothing to do, and nothing to ask."""
    made = plan(rules(DeleteRule.REVIEW), agreed({F: "x"}), seen(a=GONE, b=GONE))

    assert (LinkState.DELETED, (), ()) == (made.link.state, made.writes, made.holds)


def test_a_merge_is_held_with_its_survivor() -> None:
    """A vanished record whose keys live on in another is no deletion."""
    gone = Gone(evidence=("404",), survivor=ref("a", "2"))
    made = plan(rules(), agreed({F: "x"}), seen(a=gone, b="y"))

    assert ([HoldKind.MERGE], []) == ([hold.kind for hold in made.holds], owed(made))
    assert "a/contacts/2" == made.holds[0].sides["survivor"]


def behind(value: Json, hub: Json, winner: MemberName) -> Link:
    """b was given nothing yet of what a became."""
    link = agreed({F: value})
    return replace(link, hub={F: HubField(value=hub, winner=winner)}, members=link.members | {A: LinkMember(ref=ref("a"), base={F: hub}, agreed={F: hub})})


EDITED = [
    ("edited there", rules(), agreed({F: "x"}), seen(a=GONE, b="y"), "y"),
    ("cleared there", sync(row(), row(TAGS), delete=DeleteRule.PROPAGATE), agreed({F: "x", TAGS: ["t"]}), seen(a=GONE, b={F: None, TAGS: ["t"]}), None),
    ("the edit had not been delivered here", rules(), behind("x", "z", A), seen(a="z", b=GONE), "z"),
]


@pytest.mark.parametrize(("given", "link", "shown", "value"), [case[1:] for case in EDITED], ids=[case[0] for case in EDITED])
def test_an_edit_beats_a_delete(given: SyncRules, link: Link, shown: Mapping[MemberName, Seen | Gone], value: Json) -> None:
    """Deleted here, edited there: the record is made again here, with the edit."""
    made = plan(given, link, shown)
    gone = A if isinstance(shown[A], Gone) else B

    assert (LinkState.LIVE, [(gone, Operation.CREATE)], value) == (made.link.state, owed(made), made.link.hub[F].value)
    assert gone not in made.link.members


def test_while_an_edit_may_hide_in_what_cannot_be_read_nothing_is_decided() -> None:
    """Deleted here, unreadable there: neither is the other one deleted nor this one made again, and a person is told."""
    before = agreed({F: "x"})
    made = plan(rules(), before, {A: GONE, B: Seen(fields={F: Unreadable("?", "no text")})})

    assert (before, [], [HoldKind.UNREADABLE]) == (made.link, owed(made), [hold.kind for hold in made.holds])
    assert made.notes == ("deleted in a: undecided until b can be read",)


def test_an_edit_that_is_sure_beats_a_delete_beside_something_unreadable() -> None:
    """Deleted here, unreadable there, edited by a third: that one's edit leaves no doubt, and is not kept waiting."""
    before = agreed({F: "x", TAGS: ["t"]}, among="abc")
    made = plan(rules(among="abc"), before, seen(a=GONE, c="y") | {B: Seen(fields={F: Unreadable("?", "no text")})})

    assert (LinkState.LIVE, [(A, Operation.CREATE)], "y") == (made.link.state, [each for each in owed(made) if each[0] == A], made.link.hub[F].value)


def test_a_held_edit_beats_a_delete_too() -> None:
    """An edit that waits for a person is an edit: the deletion of a third must not take it away."""
    given = rules(among="abc", conflict=ConflictRule.REVIEW)
    made = plan(given, agreed({F: "x"}, among="abc"), seen(a=GONE, b="y", c="z"))

    assert (LinkState.LIVE, [HoldKind.CONFLICT]) == (made.link.state, [hold.kind for hold in made.holds])
    assert not {write.operation for write in made.writes} & set(DELETES)


def test_an_edit_that_lost_against_one_it_never_saw_does_not_delete_it() -> None:
    """Both edited, the other won, and then this one was deleted before it received that edit."""
    first = plan(rules(), agreed({F: "x"}), seen(a="y", b="z"))
    made = plan(rules(), first.link, seen(a="y", b=GONE))

    assert ("y", [(B, Operation.CREATE)]) == (first.link.hub[F].value, owed(made))


def test_set_edits_of_several_are_edits() -> None:
    """What several added together has no single winner, and is an edit all the same."""
    given = sync(row(TAGS), delete=DeleteRule.PROPAGATE)
    first = plan(given, agreed({TAGS: ["t"]}), seen(a={TAGS: ["t", "x"]}, b={TAGS: ["t", "y"]}))
    made = plan(given, first.link, seen(a={TAGS: ["t", "x"]}, b=GONE))

    assert [(A, Operation.UPDATE), (B, Operation.CREATE)] == owed(made)


def test_an_edit_made_while_a_put_back_is_owed_is_an_edit() -> None:
    """The one that is to be put back has not seen what another typed since; its deletion does not take that away."""
    given = sync(row(among="abc", blank=BlankRule.IGNORE), among="abc", delete=DeleteRule.PROPAGATE)
    first = plan(given, agreed({F: "x"}, among="abc"), seen(a="x", b=None, c="x"))
    second = plan(given, first.link, seen(a="y", b=None, c="x"))
    made = plan(given, second.link, seen(a="y", b=GONE, c="x"))

    assert [(B, Operation.CREATE), (C, Operation.UPDATE)] == owed(made)


def test_our_own_write_is_no_edit() -> None:
    """A record that shows what we wrote there ourselves was not edited: the delete stands."""
    made = plan(rules(), behind("x", "z", A), seen(a=GONE, b="z"))

    assert [(B, Operation.DELETE)] == owed(made)


def test_what_was_put_back_does_not_bring_a_record_back() -> None:
    """An edit against the owner, not yet put back, and then a delete: nobody else edited anything."""
    given = sync(row(owner=A), delete=DeleteRule.PROPAGATE)
    first = plan(given, agreed({F: "x"}), seen(a="x", b="y"))
    made = plan(given, first.link, seen(a="x", b=GONE))

    assert [(A, Operation.DELETE)] == owed(made)


NOT_KNOWN = [
    ("linked just now", fresh(), seen(a=GONE, b="x")),
    ("one joined just now", replace(agreed({F: "x"}), members=agreed({F: "x"}).members | {B: LinkMember(ref=ref("b"))}), seen(a=GONE, b="x")),
]


@pytest.mark.parametrize("rule", [DeleteRule.PROPAGATE, DeleteRule.ARCHIVE])
@pytest.mark.parametrize(("link", "shown"), [case[1:] for case in NOT_KNOWN], ids=[case[0] for case in NOT_KNOWN])
def test_without_a_base_nothing_is_ever_deleted(rule: DeleteRule, link: Link, shown: Mapping[MemberName, Seen | Gone]) -> None:
    """Records that were never compared are let go of, not deleted or archived."""
    made = plan(rules(rule), link, shown)

    assert (LinkState.UNLINKED, []) == (made.link.state, owed(made))


@pytest.mark.parametrize("shown", [{A: GONE}, seen(a=GONE, b="x"), seen(a=GONE, b=GONE)])
def test_who_was_not_seen_may_hold_an_edit(shown: Mapping[MemberName, Seen | Gone]) -> None:
    """As long as a member has not been seen, the link is neither ended nor changed."""
    link = agreed({F: "x"}, among="abc")
    made = plan(rules(among="abc"), link, shown)

    assert (link, [], True) == (made.link, owed(made), "undecided" in made.notes[0])


def ended(rule: DeleteRule) -> Link:
    return plan(rules(rule, among="abc"), agreed({F: "x"}, among="abc"), seen(a=GONE, b="x", c="x")).link


def test_an_ended_link_stays_ended() -> None:
    """What is shown of the others later changes nothing: nothing deleted is made again."""
    link = ended(DeleteRule.PROPAGATE)
    made = plan(rules(among="abc"), link, seen(a=GONE, b="y", c=GONE))

    assert (link, ()) == (made.link, made.writes)


@pytest.mark.parametrize("others", [("x", GONE), (GONE, "x")])
def test_a_record_that_comes_back_is_not_deleted_again(others: tuple[Json, Json]) -> None:
    """A user brought the record back: the old deletions of the others are no news, and it is made again there."""
    made = plan(rules(among="abc"), ended(DeleteRule.PROPAGATE), seen(a="x", b=others[0], c=others[1]))
    missing = B if others[0] is GONE else C

    assert (LinkState.LIVE, [(missing, Operation.CREATE)]) == (made.link.state, owed(made))
    assert not made.link.members[A].gone


@pytest.mark.parametrize("truth", [A, B])
def test_a_record_that_comes_back_different_was_edited(truth: MemberName) -> None:
    """What it says now counts, whoever is right where two differ: the others have said nothing since."""
    made = plan(replace(rules(DeleteRule.UNLINK, among="abc"), source_of_truth=truth), ended(DeleteRule.UNLINK), seen(a="new", b="x", c="x"))

    assert ("new", "x", {}) == (made.link.hub[F].value, made.decisions[0].before, made.decisions[0].losers)


@pytest.mark.parametrize("truth", [A, B])
def test_a_record_that_comes_back_as_it_was_undoes_nothing(truth: MemberName) -> None:
    """Edited elsewhere while it was in the bin: that edit wins, and is brought to it."""
    made = plan(replace(rules(DeleteRule.UNLINK, among="abc"), source_of_truth=truth), ended(DeleteRule.UNLINK), seen(a="x", b="y", c="x"))

    assert ("y", {A: Operation.UPDATE, C: Operation.UPDATE}) == (made.link.hub[F].value, dict(owed(made)))


def test_a_side_that_is_no_longer_configured_is_remembered() -> None:
    """A member taken out of the configuration keeps its record, so that it is not doubled when it is put back."""
    link = agreed({F: "x"}, among="abc")

    assert C in plan(rules(), link, seen(a="y", b="x")).link.members
    assert C in plan(rules(), link, seen(a=GONE, b="x")).link.members


def test_field_names_do_not_matter_to_a_deletion() -> None:
    """Every agreed field is expected of the record that is to be deleted."""
    values: dict[FieldName, Json] = {F: "x", TAGS: ["t"]}
    made = plan(sync(row(), row(TAGS), delete=DeleteRule.PROPAGATE), agreed(values), {A: GONE, B: Seen(fields=values)})

    assert values == made.writes[0].expected


@pytest.mark.parametrize("rule", [DeleteRule.PROPAGATE, DeleteRule.ARCHIVE])
@pytest.mark.parametrize(("shown", "state"), [("x", LinkState.UNLINKED), ("z", None)])
def test_where_an_edit_was_not_kept_nothing_is_deleted(rule: DeleteRule, shown: str, state: LinkState | None) -> None:
    """Who deleted it had never seen what it was given: the others keep theirs. Not so where it has come to that since."""
    link = agreed({F: "z"})
    link = replace(link, members=link.members | {A: LinkMember(ref=ref("a"), base={F: shown}, agreed={F: "z"})})
    made = plan(rules(rule), link, {**seen(b="z"), A: Gone(evidence=("404",), lacking=frozenset({F}))})
    expected = state or (LinkState.DELETED if rule is DeleteRule.PROPAGATE else LinkState.ARCHIVED)

    assert (expected, state is None) == (made.link.state, bool(owed(made)))


@pytest.mark.parametrize(("rule", "owes"), [("automation greet", [(A, Operation.DELETE)]), ("put back by a person", [(A, Operation.UPDATE), (B, Operation.CREATE)])])
def test_what_an_automation_set_is_nobodys_edit(rule: str, owes: list[Json]) -> None:
    """A value that an automation set, and that had not come there yet, brings no deleted record back; one that a person gave does."""
    link = agreed({F: "x"})
    link = replace(link, hub={F: HubField(value="z", rule=rule)})

    assert owes == owed(plan(rules(), link, seen(a="x", b=GONE)))
