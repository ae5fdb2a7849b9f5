"""References in the hub's words."""

from __future__ import annotations

import pytest

from syncd.core.fields import FieldType, Unreadable
from syncd.core.link import Gone, Link, LinkMember, Seen
from syncd.core.match import key_of
from syncd.core.outcome import Operation
from syncd.core.parents import Parent, Parents, bound, named_parents
from syncd.core.plan import plan
from syncd.core.record import FieldName, LinkId, MemberName, RecordId, Ref, SyncName
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules
from syncd.core.translate import from_hub, to_hub

A, B = MemberName("a"), MemberName("b")
PEOPLE, OWNER, TEXT = SyncName("people"), FieldName("owner"), FieldName("text")
BOTH = frozenset({A, B})
REF = FieldRule(
    name=OWNER, type=FieldType.REF, to=PEOPLE, members={each: MemberField(paths=("owner",), parent=each) for each in BOTH}, sources=BOTH, targets=BOTH
)
SAYS = FieldRule(name=TEXT, type=FieldType.TEXT, members={each: MemberField(paths=("text",)) for each in BOTH}, sources=BOTH, targets=BOTH)
RULES = SyncRules(
    name=SyncName("notes"),
    members={each: MemberRule(name=each, system=each, collection="notes") for each in BOTH},
    fields={OWNER: REF, TEXT: SAYS},
    match=(FieldName("owner+text"),),
    source_of_truth=A,
)
ADA = LinkId(7)
KNOWN = Parents(
    links={Parent(PEOPLE, A, RecordId("a1")): ADA, Parent(PEOPLE, B, RecordId("b9")): ADA},
    records={(PEOPLE, A, ADA): RecordId("a1"), (PEOPLE, B, ADA): RecordId("b9")},
)
HALF = Parents(links={Parent(PEOPLE, A, RecordId("a1")): ADA}, records={(PEOPLE, A, ADA): RecordId("a1")})


def shown(rules, member, owner):
    return to_hub(rules, rules.members[member], {"owner": owner, "text": "Hi"})[OWNER]


def test_each_side_has_its_own_id():
    """One hub value, and each member's own words for it."""
    rules = bound(RULES, KNOWN)

    assert ["7", "7", None] == [shown(rules, A, "a1"), shown(rules, B, "b9"), shown(rules, A, "")]
    assert [{"owner": "a1"}, {"owner": "b9"}] == [from_hub(rules.fields[OWNER], rules.members[each], "7", {}) for each in (A, B)]


def test_what_is_not_linked_waits():
    """In neither direction is it guessed, or blank."""
    inward, outward = shown(bound(RULES, KNOWN), A, "a2"), from_hub(bound(RULES, HALF).fields[OWNER], RULES.members[B], "7", {})

    assert all(isinstance(each, Unreadable) and each.waits for each in (inward, outward, shown(RULES, A, "a1")))


def test_the_parents_a_record_names():
    """Blank names nobody."""
    assert {OWNER: Parent(PEOPLE, A, RecordId("a1"))} == named_parents(RULES, A, {"owner": "a1"})
    assert {} == named_parents(RULES, A, {"owner": None}) == named_parents(RULES, A, {})


def planned(known, **fields):
    rules = bound(RULES, known)
    link = Link(id=LinkId(1), sync=RULES.name, members={A: LinkMember(ref=Ref("a", "notes", RecordId("n1")))})
    return plan(rules, link, {A: Seen(fields=to_hub(rules, rules.members[A], {"owner": "a1", "text": "Hi", **fields}))})


@pytest.mark.parametrize(
    ("known", "writes", "note"),
    [
        (KNOWN, [(Operation.CREATE, {OWNER: "7", TEXT: "Hi"})], None),
        (HALF, [], "no record is made in b yet: it waits for owner"),
        (Parents(), [], "no record is made in b yet: it waits for owner"),
    ],
    ids=["both known", "not there yet", "not linked yet"],
)
def test_a_child_is_made_after_its_parent(known, writes, note):
    """Never without it; and nobody is asked, since time will tell."""
    made = planned(known)

    assert writes == [(each.operation, dict(each.values)) for each in made.writes]
    assert ([note] if note else [], ()) == (list(made.notes), made.holds)


def test_a_child_without_a_parent_is_made():
    """One that names nobody waits for nobody."""
    assert [{TEXT: "Hi"}] == [dict(each.values) for each in planned(Parents(), owner=None).writes]


def test_a_move_to_an_unlinked_parent_waits_and_the_rest_goes_on():
    """The other fields are kept equal meanwhile."""
    rules = bound(RULES, KNOWN)
    members = {each: LinkMember(ref=Ref(each, "notes", RecordId("n")), base={OWNER: "7", TEXT: "Hi"}, agreed={OWNER: "7", TEXT: "Hi"}) for each in BOTH}
    before = planned(KNOWN).link
    link = Link(id=LinkId(1), sync=RULES.name, hub=before.hub, members=members)
    seen = {name: to_hub(rules, rules.members[name], fields) for name, fields in ((A, {"owner": "a2", "text": "Ho"}), (B, {"owner": "b9", "text": "Hi"}))}
    made = plan(rules, link, {name: Seen(fields=fields) for name, fields in seen.items()})

    assert [(B, {TEXT: "Ho"})] == [(each.member, dict(each.values)) for each in made.writes]
    assert () == made.holds


def test_a_deleted_child_is_a_deletion_like_any_other():
    """Its reference is no reason to keep it."""
    rules = bound(RULES, KNOWN)
    members = {each: LinkMember(ref=Ref(each, "notes", RecordId("n")), base={OWNER: "7", TEXT: "Hi"}, agreed={OWNER: "7", TEXT: "Hi"}) for each in BOTH}
    link = Link(id=LinkId(1), sync=RULES.name, hub=planned(KNOWN).link.hub, members=members)
    made = plan(rules, link, {A: Gone(evidence=("gone",)), B: Seen(fields=to_hub(rules, rules.members[B], {"owner": "b9", "text": "Hi"}))})

    assert () == made.holds
    assert made.link.state.value != "live"


@pytest.mark.parametrize(
    ("values", "expected"), [({OWNER: "7", TEXT: "Hi"}, "7\x1fHi"), ({OWNER: None, TEXT: "Hi"}, None), ({TEXT: "Hi"}, None)]
)
def test_a_key_of_several_fields(values, expected):
    """It tells records apart only where all its fields say something."""
    assert expected == key_of(FieldName("owner+text"), values)
