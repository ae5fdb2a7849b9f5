"""The decision for one link: its hub, the writes owed, the holds, and what is noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from syncd.core.conditions import compile_condition
from syncd.core.fields import FieldType, Unreadable
from syncd.core.link import HubField, Interval, Link, LinkMember, Seen
from syncd.core.outcome import HoldKind, Operation, Plan, Write
from syncd.core.plan import plan
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import BlankRule, ConflictRule, FieldRule, MemberField, SyncRules
from tests.core.build import GONE, TAGS, A, B, C, F, G, agreed, fresh, ref, row, seen, sync

ONE_WAY = row(sources=frozenset({A}), targets=frozenset({B}))
SOURCE_A = {"sources": frozenset({A}), "targets": frozenset({B, C})}


def updates(made: Plan) -> dict[MemberName, dict[FieldName, Json]]:
    return {write.member: dict(write.values) for write in made.writes if write.operation is Operation.UPDATE}


def settled(link: Link, write: Write, shows: Json | None = None) -> Link:
    """The link after the write was carried out; `shows` is what the vendor made of every value, if not the value itself."""
    was = link.members.get(write.member, LinkMember())
    back = {name: shows if shows is not None else value for name, value in write.values.items()}
    now = replace(was, ref=was.ref or ref(write.member, "new"), base={**was.base, **back}, agreed={**was.agreed, **write.values})
    return replace(link, members={**link.members, write.member: now})


def test_an_edit_goes_to_all_others() -> None:
    """One member changed it: that value, written to everyone who does not hold it, and expected to find the old one."""
    made = plan(sync(among="abc"), agreed({F: "x"}, among="abc"), seen(a="x", b="y", c="x"))

    assert ("y", {A: {F: "y"}, C: {F: "y"}}) == (made.link.hub[F].value, updates(made))
    assert [{F: "x"}, {F: "x"}] == [write.expected for write in made.writes]
    assert (1, ("x", "y", B)) == (made.link.revision, (made.decisions[0].before, made.decisions[0].value, made.decisions[0].winner))


@pytest.mark.parametrize("shown", [seen(a="x", b="x"), seen(a="x"), {}, seen(a={}, b={})])
def test_nothing_new_changes_nothing(shown: Mapping[MemberName, Seen]) -> None:
    """Nothing shown, nothing different, nothing done; not even the revision moves."""
    link = agreed({F: "x"})

    assert Plan(link=link) == plan(sync(), link, shown)


def test_who_never_showed_a_field_is_looked_at_before_it_is_written() -> None:
    """Not shown is not blank: nothing is written there unseen, and it is said who is to be read; once blank was shown it is written."""
    rules = sync(row(F), row(G))
    was = agreed({F: "x"})
    made = plan(rules, was, seen(a={F: "x", G: "new"}, b={F: "x"}))
    looked = plan(rules, made.link, seen(a={F: "x", G: "new"}, b={F: "x", G: None}))

    assert ((), (B,)) == (made.writes, made.unseen)
    assert ({B: {G: "new"}}, ()) == (updates(looked), looked.unseen)


@pytest.mark.parametrize(
    ("told_only", "sources", "value", "before", "written"),
    [
        (True, {A}, "new", {}, {B: {G: "new"}}),
        (True, {A}, None, {}, {}),
        (True, {A, B}, "new", {}, {}),
        (False, {A}, "new", {}, {}),
        (True, {A}, "newer", {G: "new"}, {B: {G: "newer"}}),
    ],
)
def test_what_no_reading_shows_is_sent_unseen_where_nothing_there_counts(told_only, sources, value, before, written) -> None:
    """One way, to a member that is only told of: not where its own edits count, not where it can be read, and never a blank. Until it is sent
    nobody is asked to read it."""
    rules = sync(row(F), row(G, sources=frozenset(sources)), members={B: {"told_only": told_only}})
    link = agreed({F: "x"} | before)
    made = plan(rules, link, seen(a={F: "x", G: value}, b={F: "x"}))
    again = plan(rules, settled(made.link, made.writes[0]), seen(a={F: "x", G: value}, b={F: "x", G: value})) if made.writes else made

    assert written == updates(made)
    assert not written or (made.unseen, again.writes, dict(made.writes[0].expected)) == ((), (), {})


def test_a_set_is_not_sent_unseen() -> None:
    """It would take away what nobody has seen."""
    rules = sync(row(F), row(TAGS, sources=frozenset({A})), members={B: {"told_only": True}})
    made = plan(rules, agreed({F: "x"}), seen(a={F: "x", TAGS: ["vip"]}, b={F: "x"}))

    assert ((), (B,)) == (made.writes, made.unseen)


def test_whoever_is_in_doubt_is_left_out_and_the_others_go_on() -> None:
    """What it shows may be our own words: it is not heard and owed nothing; an edit elsewhere goes to the others all the same."""
    rules, doubt = sync(among="abc"), frozenset({C})
    made = plan(rules, agreed({F: "x"}, among="abc"), seen(a="x", b="y", c="half"), in_doubt=doubt)
    after = plan(rules, settled(made.link, made.writes[0]), seen(a="y", b="y", c="x"))

    assert ("y", {A: {F: "y"}}) == (made.link.hub[F].value, updates(made))
    assert {C: {F: "y"}} == updates(after)


def test_a_record_whose_making_is_in_doubt_is_not_made_again() -> None:
    """Nor does the link end while it is: what was made would be left behind."""
    rules, doubt = sync(among="abc"), frozenset({C})
    link = agreed({F: "x"}, among="ab")
    edited = plan(rules, link, seen(a="y", b="x"), in_doubt=doubt)
    deleted = plan(rules, link, seen(a=GONE, b="x"), in_doubt=doubt)

    assert [(B, Operation.UPDATE)] == [(write.member, write.operation) for write in edited.writes]
    assert (link, (), ()) == (deleted.link, deleted.writes, deleted.holds)


@pytest.mark.parametrize("held", [MemberField(paths=("g",), readable=False), MemberField(paths=("g",), writable=False)])
def test_what_cannot_be_read_or_written_is_not_looked_for(held: MemberField) -> None:
    """A look would show nothing, or be of no use."""
    rules = sync(row(F), row(G, members={A: MemberField(paths=("g",)), B: held}))

    assert () == plan(rules, agreed({F: "x"}), seen(a={F: "x", G: "new"}, b={F: "x"})).unseen


def test_a_form_of_the_same_value_is_no_edit() -> None:
    """A member that holds the hub's value in its own form owes nothing, now or later."""
    first = plan(sync(), agreed({F: "x"}), seen(a="Éy", b="x"))
    link = settled(first.link, first.writes[0], shows="ey")
    made = plan(sync(), link, seen(a="Éy", b="ey"))

    assert Plan(link=link) == made


def test_an_echo_before_it_is_settled_is_no_edit() -> None:
    """Our own write, seen before its read-back is recorded, is taken as delivered."""
    first = plan(sync(), agreed({F: "x"}), seen(a="y", b="x"))
    made = plan(sync(), first.link, seen(a="y", b="y"))

    assert ((), (), "y") == (made.writes, made.decisions, made.link.members[B].agreed[F])


def test_an_edit_meets_a_pending_write() -> None:
    """A user edits what was about to be written: a conflict by the rule, and the loser is kept."""
    first = plan(sync(), agreed({F: "x"}), seen(a="y", b="x"))
    made = plan(sync(), first.link, seen(a="y", b="z"))

    assert ({B: {F: "y"}}, {B: "z"}, {F: "z"}) == (updates(made), made.decisions[0].losers, made.writes[0].expected)


def test_a_pending_write_is_owed_until_it_is_settled() -> None:
    """The same write again and again, never another decision."""
    first = plan(sync(), agreed({F: "x"}), seen(a="y", b="x"))
    again = plan(sync(), first.link, seen(a="y", b="x"))

    assert (first.writes, first.link, ()) == (again.writes, again.link, again.decisions)


def test_a_change_that_is_taken_back_owes_nothing() -> None:
    """Changed and changed back before anything was delivered: the others already agree."""
    first = plan(sync(), agreed({F: "x"}), seen(a="y", b="x"))

    assert () == plan(sync(), first.link, seen(a="x", b="x")).writes


def test_a_loser_gets_the_value_even_when_it_is_the_old_one() -> None:
    """Both edited, then the winner went back to the old value: the loser still holds its own and is owed the old one."""
    first = plan(sync(), agreed({F: "x"}), seen(a="y", b="z"))
    made = plan(sync(), first.link, seen(a="x", b="z"))

    assert {B: {F: "x"}} == updates(made)


def test_the_owner_puts_back_each_time() -> None:
    """An edit elsewhere is put back as often as it is made, and every one is in the journal."""
    given, link = sync(row(owner=A)), agreed({F: "x"})
    for value in ("y", "z"):
        made = plan(given, link, seen(a="x", b=value))

        assert ({B: {F: "x"}}, {B: value}, "owner a: put back") == (updates(made), made.decisions[0].losers, made.decisions[0].rule)
        assert () == plan(given, made.link, seen(a="x", b=value)).decisions
        link = settled(made.link, made.writes[0])


def test_an_ignored_clearing_is_put_back_and_kept() -> None:
    """Where clearing does not travel, the value returns, and the journal says why."""
    made = plan(sync(row(blank=BlankRule.IGNORE)), agreed({F: "x"}), seen(a="x", b=None))

    assert ({B: {F: "x"}}, {B: None}, "clearing is ignored: put back") == (updates(made), made.decisions[0].losers, made.decisions[0].rule)


def test_direction_notes_what_it_does_not_take_over() -> None:
    """An edit against the direction stays where it is."""
    made = plan(sync(ONE_WAY), agreed({F: "x"}), seen(a="x", b="y"))

    assert ({}, "x", True) == (updates(made), made.link.hub[F].value, "noted" in made.notes[0])
    assert () == plan(sync(ONE_WAY), made.link, seen(a="x", b="y")).writes


@pytest.mark.parametrize("pending", [False, True], ids=["at once", "while it is owed"])
def test_an_edit_against_the_direction_does_not_swallow_the_one_along_it(pending: bool) -> None:
    """The source's edit arrives although the target was edited meanwhile, and the target's value is kept in the journal."""
    link = plan(sync(ONE_WAY), agreed({F: "x"}), seen(a="y", b="x")).link if pending else agreed({F: "x"})
    made = plan(sync(ONE_WAY), link, seen(a="y", b="z"))

    assert ({B: {F: "y"}}, {B: "z"}) == (updates(made), made.decisions[0].losers)


def test_direction_holds_at_the_first_link() -> None:
    """Two different values, nobody else to decide: the source's goes out, the target's is kept in the journal."""
    made = plan(sync(ONE_WAY, source_of_truth=B), fresh(), seen(a="x", b="y"))

    assert ({B: {F: "x"}}, {B: "y"}) == (updates(made), made.decisions[0].losers)


def test_a_field_that_is_new_in_the_table_links_for_the_first_time() -> None:
    """A field added to an existing link: blank loses, and the other fields are not touched."""
    given = sync(row(F), row(G))
    made = plan(given, agreed({F: "x"}), seen(a={F: "x", G: None}, b={F: "x", G: "g"}))

    assert {A: {G: "g"}} == updates(made)


def test_a_third_member_joins_by_the_word_of_the_source_of_truth() -> None:
    """The hub's value has another winner, but the source of truth agreed to it: no hold."""
    link = agreed({F: "x"}, among="ab", winner=B)
    link = replace(link, members=link.members | {C: LinkMember(ref=ref("c"))})
    made = plan(sync(among="abc"), link, seen(a="x", b="x", c="y"))

    assert ({C: {F: "x"}}, (), "y") == (updates(made), made.holds, made.decisions[0].losers[C])


def test_a_conflict_holds_one_field_alone() -> None:
    """The held field waits with all its sides shown; the other goes on."""
    given = sync(row(F), row(G), conflict=ConflictRule.REVIEW)
    made = plan(given, agreed({F: "x", G: "g"}), seen(a={F: "y", G: "g"}, b={F: "z", G: "h"}))

    assert ([(HoldKind.CONFLICT, F, {A: "y", B: "z"})], {A: {G: "h"}}) == ([(hold.kind, hold.field, hold.sides) for hold in made.holds], updates(made))
    assert {A: {F: "z", G: "h"}} == updates(plan(given, agreed({F: "x", G: "g"}), seen(a={F: "y", G: "g"}, b={F: "z", G: "h"}), picks={F: B}))


def test_what_is_not_readable_is_neither_heard_nor_written() -> None:
    """It is held with what it showed; the other members go on without it."""
    shown = seen(a="y", b="x", c="x") | {B: Seen(fields={F: Unreadable("?!", "no text")})}
    made = plan(sync(among="abc"), agreed({F: "x"}, among="abc"), shown)

    assert ({C: {F: "y"}}, [(HoldKind.UNREADABLE, B)]) == (updates(made), [(hold.kind, hold.member) for hold in made.holds])


def test_what_is_not_shown_is_neither_cleared_nor_written() -> None:
    """A field that a record does not show is left alone until it does."""
    made = plan(sync(), agreed({F: "x"}), {A: Seen(fields={F: "y"}), B: Seen(fields={})})

    assert () == made.writes
    assert {B: {F: "y"}} == updates(plan(sync(), made.link, seen(a="y", b="x")))


CHOICE = row(type=FieldType.CHOICE, choices=frozenset({"gold"}))
NO_DELIVERY = [
    (HoldKind.REQUIRED, sync(members={B: {"required": frozenset({F})}}), agreed({F: "x"}), seen(a=None, b="x")),
    (HoldKind.UNMAPPABLE, sync(CHOICE), replace(agreed({F: "gold"}), hub={F: HubField(value="tin", winner=A)}), seen(a="gold", b="gold")),
]


@pytest.mark.parametrize(("kind", "given", "link", "shown"), NO_DELIVERY)
def test_what_a_member_cannot_take_is_held(kind: HoldKind, given: SyncRules, link: Link, shown: Mapping[MemberName, Seen]) -> None:
    """A required field is not cleared, a value without a word is not written."""
    made = plan(given, link, shown)

    assert ({kind}, {}) == ({hold.kind for hold in made.holds}, updates(made))


EXISTS = {"when": compile_condition({"field": "f", "op": "exists"})}
CREATES = [
    ("everything that member may receive", sync(row(F), row(G)), {F: "x", G: "g"}, {F: "x", G: "g"}),
    ("blank fields are left out", sync(row(F), row(G)), {F: "x", G: None}, {F: "x"}),
    ("not creatable", sync(row(F), row(G, members={A: MemberField(paths=("g",)), B: MemberField(paths=("g",), creatable=False)})), {F: "x", G: "g"}, {F: "x"}),
    ("against the direction", sync(row(F), row(G, sources=frozenset({B}), targets=frozenset({A}))), {F: "x", G: "g"}, {F: "x"}),
    ("required is there", sync(members={B: {"required": frozenset({F})}}), {F: "x"}, {F: "x"}),
    ("required is not there", sync(row(F), row(G), members={B: {"required": frozenset({F})}}), {F: None, G: "g"}, None),
    ("its `when` admits it", sync(members={B: EXISTS}), {F: "x"}, {F: "x"}),
    ("its `when` does not", sync(row(F), row(G), members={B: EXISTS}), {F: None, G: "g"}, None),
    ("the `when` of the one that has it does not", sync(row(F), row(G), members={A: EXISTS}), {F: None, G: "g"}, None),
]


@pytest.mark.parametrize(("given", "values", "expected"), [case[1:] for case in CREATES], ids=[case[0] for case in CREATES])
def test_a_missing_record_is_made(given: SyncRules, values: dict[FieldName, Json], expected: dict[FieldName, Json] | None) -> None:
    """No record yet at a member that takes it: a create with what it may receive; otherwise a note why not."""
    made = plan(given, fresh("a"), {A: Seen(fields=values)})

    assert ([expected] if expected else []) == [write.values for write in made.writes if write.operation is Operation.CREATE]
    assert expected is not None or made.notes


def test_a_held_field_is_left_out_of_a_create() -> None:
    """What nobody has decided is not spread further."""
    given = sync(row(F, among="abc"), row(G, among="abc"), among="abc", conflict=ConflictRule.REVIEW)
    made = plan(given, fresh("ab"), seen(a={F: "x", G: "g"}, b={F: "y", G: "g"}))

    assert [(C, {G: "g"})] == [(write.member, write.values) for write in made.writes]


def test_last_modified_is_weighed_against_the_hubs_own_time() -> None:
    """A late edit by a member that was behind wins where it is surely later than the change it had not received."""
    given = sync(conflict=ConflictRule.LAST_MODIFIED)
    first = plan(given, agreed({F: "x"}), {A: Seen(fields={F: "y"}, changed={F: Interval(0, 10)}), B: Seen(fields={F: "x"})})
    made = plan(given, first.link, {A: Seen(fields={F: "y"}), B: Seen(fields={F: "z"}, changed={F: Interval(10, 20)})})

    assert ({A: {F: "z"}}, {A: "y"}) == (updates(made), made.decisions[0].losers)


@pytest.mark.parametrize("rule", [row(among="abc", **SOURCE_A), row(among="abc", owner=A)], ids=["direction", "owner"])
def test_a_joining_member_does_not_change_what_it_may_not(rule: FieldRule) -> None:
    """A newcomer's other value gives way to the one of those who may speak, even where the rule would prefer the newcomer."""
    link = agreed({F: "x"})
    link = replace(link, members=link.members | {C: LinkMember(ref=ref("c"))})
    made = plan(sync(rule, among="abc", source_of_truth=C), link, seen(a="x", b="x", c="y"))

    assert ({C: {F: "x"}}, {C: "y"}) == (updates(made), made.decisions[0].losers)


def test_sets_owe_their_whole_new_value() -> None:
    """Everybody who lacks an element is owed the set."""
    made = plan(sync(row(TAGS)), agreed({TAGS: ["t"]}), seen(a={TAGS: ["t", "x"]}, b={TAGS: ["T", "y"]}))

    assert {A: {TAGS: ["t", "x", "y"]}, B: {TAGS: ["t", "x", "y"]}} == updates(made)


def test_a_member_that_makes_none() -> None:
    """What is there is kept equal; nothing is made there, neither at first nor because an edit won over a deletion."""
    rules = sync(members={B: {"creates": False}})
    only_a = replace(fresh(), members={A: LinkMember(ref=ref("a"))})
    decided = plan(rules, only_a, {A: Seen(fields={F: "x"})})

    assert ((), ("no record is made in b: its `create` is false",)) == (decided.writes, decided.notes)
    assert [Operation.UPDATE] == [each.operation for each in plan(rules, agreed({F: "x"}), {A: Seen(fields={F: "y"}), B: Seen(fields={F: "x"})}).writes]


def test_a_new_record_is_judged_as_it_would_be_made() -> None:
    """The constants it is made with count for its `when`, where the hub has nothing to say; a hub value goes before them."""
    staff = compile_condition({"field": "g", "op": "eq", "value": "staff"})
    rules = sync(row(), row(G, among="b"), members={B: {"when": staff, "create": {"g": "staff"}}})
    only_a = replace(fresh(), members={A: LinkMember(ref=ref("a"))})

    assert [B] == [each.member for each in plan(rules, only_a, {A: Seen(fields={F: "x"})}).writes]
    other = replace(only_a, hub={G: HubField(value="guest")})
    assert () == plan(rules, other, {A: Seen(fields={F: "x"})}).writes
