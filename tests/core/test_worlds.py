"""Many small worlds, each from its seed: nothing is lost, invented, doubled or deleted by accident, and all comes to rest.

Volume comes from our own seeded loop, shrinking from Hypothesis. The properties themselves are shown to bite: each planted bug must be
caught within a bounded number of worlds. Replay one world with ``tests.core.judge.run(SEED)`` or ``pytest --worlds 1`` after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import syncd.core.decide as deciding
import syncd.core.deletion as deleting
import syncd.core.draft as drafting
import syncd.core.plan as planning
from syncd.core.fields import FieldType, as_set, elements, is_blank
from syncd.core.link import Gone, HubField, Interval, Link, LinkMember, Seen
from syncd.core.record import CollectionName, FieldName, LinkId, MemberName, SyncName, SystemName
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules
from tests.core.judge import run
from tests.core.worlds import ref

WORLDS = 100_000
CAUGHT_WITHIN = 4_000


def worlds_asked_for(request: pytest.FixtureRequest) -> int:
    """What was written on the command line; without it, the gate's own number (the option's default is for slower worlds)."""
    given_by_hand = any(str(each).startswith("--worlds") for each in request.config.invocation_params.args)
    asked = request.config.getoption("--worlds", default=None)
    return int(asked) if given_by_hand and asked is not None else WORLDS


def test_every_world_keeps_every_property(request: pytest.FixtureRequest) -> None:
    """In no world is an edit lost, a value invented, a record deleted unearned, or a write repeated after all is quiet."""
    for seed in range(worlds_asked_for(request)):
        run(seed)


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=2**32, max_value=2**48))
def test_far_away_worlds_are_no_different(seed: int) -> None:
    """The seeds of the gate are not special."""
    run(seed)


# ---- the properties bite


def _hub_instead_of_base(original: Callable) -> Callable:
    def voice(self: drafting.Draft, rule: FieldRule, hub: dict) -> deciding.Voice | None:
        said = original(self, rule, hub)
        if said is None or said.stand is deciding.Stand.NEW or rule.name not in hub:
            return said
        known = hub[rule.name].value
        stand = deciding.Stand.SAME if said.value == known else deciding.Stand.CHANGED
        return replace(said, stand=stand, base=known)

    return voice


def _base_not_updated(original: Callable) -> Callable:
    def settle(rule, link, drafts, voices, hub, fields) -> None:
        original(rule, link, drafts, voices, hub, fields)
        for voice in voices:
            drafts[voice.member].base[rule.name] = voice.base

    return settle


def _blank_wins_without_base(original: Callable) -> Callable:
    def claims(rule, hub, voices) -> list:
        if hub is None and any(is_blank(voice.value) for voice in voices):
            return []
        return original(rule, hub, voices)

    return claims


def _set_replaced(original: Callable) -> Callable:
    def merge(rule, hub, voices) -> deciding.Verdict:
        for voice in voices:
            if voice.stand is deciding.Stand.CHANGED and deciding.may_speak(rule, voice.member):
                return deciding.Verdict(hub=HubField(value=as_set(elements(voice.value).values()), winner=voice.member), losers={})
        return original(rule, hub, voices)

    return merge


def _deletion_ignores_edits(original: Callable) -> Callable:
    return lambda *_: False


def _deletion_ignores_owed_edits(original: Callable) -> Callable:
    return lambda rules, gone, live, fields: any(draft.edited for draft in live)


def _first_speaker_wins(original: Callable) -> Callable:
    def resolve(rules, rule, claims, pick) -> tuple:
        return claims[0], "the first"

    return resolve


def _loser_not_journalled(original: Callable) -> Callable:
    return lambda *arguments: replace(original(*arguments), losers={})


def _conflict_blanks(original: Callable) -> Callable:
    def weigh(*arguments) -> deciding.Verdict:
        verdict = original(*arguments)
        return replace(verdict, hub=HubField(value=None), conflict="") if verdict.conflict else verdict

    return weigh


def _behind_forgets(original: Callable) -> Callable:
    return lambda hub, speakers: False


def _anyone_may_speak(original: Callable) -> Callable:
    return lambda rule, member: True


def _deletes_without_base(original: Callable) -> Callable:
    return lambda rules, drafts, fields: rules.delete


def _edits_of_targets_drop_what_is_owed(original: Callable) -> Callable:
    def settle(rule, link, drafts, voices, hub, fields) -> None:
        original(rule, link, drafts, voices, hub, fields)
        for voice in voices:
            if voice.stand is deciding.Stand.CHANGED and not deciding.may_speak(rule, voice.member):
                drafts[voice.member].agreed[rule.name] = hub.value

    return settle


def _always_last_modified(original: Callable) -> Callable:
    def last(claims) -> object:
        dated = [claim for claim in claims if claim.interval is not None]
        return max(dated, key=lambda each: each.interval.until) if dated else None

    return last


PLANTED = [
    (drafting.Draft, "voice", _hub_instead_of_base),
    (planning, "_settle_voices", _base_not_updated),
    (deciding, "_claims", _blank_wins_without_base),
    (deciding, "_merge_sets", _set_replaced),
    (deleting, "_edited_since", _deletion_ignores_edits),
    (deleting, "_edited_since", _deletion_ignores_owed_edits),
    (deciding, "_resolve", _first_speaker_wins),
    (planning, "decide", _loser_not_journalled),
    (deciding, "_weigh", _conflict_blanks),
    (deciding, "_hub_contends", _behind_forgets),
    (deciding, "may_speak", _anyone_may_speak),
    (deleting, "deletion_rule", _deletes_without_base),
    (planning, "_settle_voices", _edits_of_targets_drop_what_is_owed),
    (deciding, "_surely_last", _always_last_modified),
]


@pytest.mark.parametrize(("place", "name", "plant"), PLANTED, ids=[plant.__name__.strip("_") for _, _, plant in PLANTED])
def test_a_planted_bug_is_caught(monkeypatch: pytest.MonkeyPatch, place: object, name: str, plant: Callable) -> None:
    """A property that cannot fail protects nothing."""
    monkeypatch.setattr(place, name, plant(getattr(place, name)))

    with pytest.raises(AssertionError):
        for seed in range(CAUGHT_WITHIN):
            run(seed)


# ---- found by shrinking

A, B, C = MemberName("a"), MemberName("b"), MemberName("c")
NAME, TAGS = FieldName("name"), FieldName("tags")
MEMBERS = frozenset({A, B, C})
VALUES = st.sampled_from([None, "x", "y", "z"])
SETS = st.lists(st.sampled_from(["x", "y", "z", "X"]), max_size=3).map(as_set)


def agreement() -> SyncRules:
    fields = {
        name: FieldRule(name=name, type=kind, sources=MEMBERS, targets=MEMBERS, members={each: MemberField(paths=(name,)) for each in MEMBERS})
        for name, kind in ((NAME, FieldType.TEXT), (TAGS, FieldType.SET))
    }
    members = {
        each: MemberRule(name=each, system=SystemName(each), collection=CollectionName("contacts")) for each in sorted(MEMBERS)
    }
    return SyncRules(name=SyncName("s"), members=members, fields=fields, match=(), source_of_truth=A)


def known(name: str | None, tags: list[str] | None) -> Link:
    values = {NAME: name, TAGS: tags}
    members = {each: LinkMember(ref=ref(each, "1"), base=values, agreed=values) for each in MEMBERS}
    return Link(id=LinkId(1), sync=SyncName("s"), members=members, hub={each: HubField(value=value) for each, value in values.items()})


@given(VALUES, SETS)
def test_equal_members_owe_nothing(name: str | None, tags: list[str] | None) -> None:
    """A plan is empty when nobody changed anything."""
    shown = {each: Seen(fields={NAME: name, TAGS: tags}) for each in MEMBERS}
    made = planning.plan(agreement(), known(name, tags), shown)

    assert (known(name, tags), (), ()) == (made.link, made.writes, made.decisions)


@given(SETS, SETS, SETS, SETS)
def test_sets_merge_element_by_element(base: list | None, a: list | None, b: list | None, c: list | None) -> None:
    """What anyone added is there, what anyone removed is not, unless another added it; in every order."""
    shown = {each: Seen(fields={NAME: None, TAGS: tags}) for each, tags in zip((A, B, C), (a, b, c), strict=True)}
    made = planning.plan(agreement(), known(None, base), shown)
    had = set(elements(base))
    now = [set(elements(each)) for each in (a, b, c)]

    assert {each for each in had if all(each in one for one in now)} | set().union(*(one - had for one in now)) == set(
        elements(made.link.hub[TAGS].value)
    )


@given(VALUES, VALUES, VALUES)
def test_a_first_link_loses_no_value(a: str | None, b: str | None, c: str | None) -> None:
    """With no base, every value shown is the hub's or in the journal, and no blank wins over a value."""
    shown = {each: Seen(fields={NAME: value, TAGS: None}) for each, value in zip((A, B, C), (a, b, c), strict=True)}
    link = replace(known(None, None), hub={}, members={each: LinkMember(ref=ref(each, "1")) for each in MEMBERS})
    made = planning.plan(agreement(), link, shown)
    kept = {value for each in made.decisions for value in (each.value, *each.losers.values())}
    held = {value for hold in made.holds for value in hold.sides.values()}

    assert {a, b, c} - {None} <= kept | held


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
def test_only_one_of_two_changes_is_surely_later(start: int, other: int, length: int, long: int) -> None:
    """Two changes are never each surely after the other."""
    left, right = Interval(start, start + length), Interval(other, other + long)

    assert not (left.surely_after(right) and right.surely_after(left))


@given(st.lists(st.sampled_from([A, B, C]), unique=True, min_size=1, max_size=2), VALUES)
def test_a_deletion_nobody_saw_is_no_deletion(unseen: list[MemberName], value: str | None) -> None:
    """As long as one member has not been seen, nothing follows from another one's deletion."""
    shown = {each: Gone(evidence=("404",)) for each in MEMBERS - set(unseen)}
    made = planning.plan(agreement(), known(value, None), shown)

    assert (known(value, None), ()) == (made.link, made.writes)
