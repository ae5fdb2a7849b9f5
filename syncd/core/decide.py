"""Who wins one field: the decision table.

| who changed it                          | decision                                                                          |
|-----------------------------------------|-----------------------------------------------------------------------------------|
| nobody                                  | the hub stays, even where members differ from it in form                          |
| one, or several to the same value       | that value                                                                        |
| several, to different values            | the owner; else as the conflict rule says; else the source of truth; else a hold, |
|                                         | but for texts alike but for capitals and spaces, of which no person need be asked |
| a set                                   | element by element: every addition and every removal survives                     |
| a member not allowed to                 | not heard, and a loser; `plan` puts it back (owner) or notes it (direction)       |
| a derived field                         | what the derivation says; any other value is put back                             |
| no base yet                             | equal: agreed; blank loses to non-blank, and a member not allowed to change it to |
|                                         | those that are; else as several changed it; sets: union                           |

The rule that keeps it true: each member is compared with its own base only, and the answer does not depend on the order of members.
It must not know: records as wholes, deletions, writes, the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from syncd.core.derive import Derivation
from syncd.core.fields import FieldType, alike, as_set, elements, equal, is_blank, key
from syncd.core.link import HubField, Interval
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import BlankRule, ConflictRule, FieldRule, SyncRules


class Stand(Enum):
    """How a member stands to one field: it shows what we knew, something new, or we never knew it before."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What one member says about one field. `behind` says it has not yet taken over the hub's value."""

    member: MemberName
    stand: Stand
    value: Json
    base: Json = None
    behind: bool = False
    interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The field's next hub value, or a conflict nobody may decide but a person (`hub` is then the old one, or None)."""

    hub: HubField | None
    losers: Mapping[MemberName, Json]
    conflict: str = ""
    why: str = ""
    """The rule by which the losers lost, where it is not the one by which the hub got its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """One value that stands to be the hub's, and all who hold it."""

    value: Json
    members: tuple[MemberName, ...]
    interval: Interval | None


def may_speak(rule: FieldRule, member: MemberName) -> bool:
    """Whether this member's edits of the field count."""
    return member in rule.sources and rule.owner in (None, member)


def decide(
    rules: SyncRules, rule: FieldRule, hub: HubField | None, voices: Sequence[Voice], pick: MemberName | None
) -> Verdict:
    """The verdict on one field. `voices` are the members that show it readably; `pick` is a person's choice, if one was made."""
    if rule.derived is not None:
        verdict = _follow(rule, rule.derived, hub, voices)
    elif rule.type is FieldType.SET:
        verdict = _merge_sets(rule, hub, voices)
    else:
        verdict = _weigh(rules, rule, hub, voices, pick)
    return verdict if verdict.conflict else _with_unheard(rule, hub, voices, verdict)


def _follow(rule: FieldRule, derived: Derivation, hub: HubField | None, voices: Sequence[Voice]) -> Verdict:
    """Blank too: what the children come to is all there is to know of it. Where they are not known yet, nobody speaks for them."""
    said = next((voice for voice in voices if voice.member == derived.member), None)
    if said is None or (hub is not None and equal(rule.type, hub.value, said.value)):
        return Verdict(hub=hub, losers={})
    return Verdict(hub=HubField(value=said.value, winner=said.member, rule=derived.text, interval=said.interval), losers={})


def _weigh(
    rules: SyncRules, rule: FieldRule, hub: HubField | None, voices: Sequence[Voice], pick: MemberName | None
) -> Verdict:
    claims = _claims(rule, hub, voices)
    if not claims:
        # Nobody changed it: the hub stays. Where there was none, all are blank, and blank is agreed.
        return Verdict(hub=hub or HubField(value=None, rule="blank everywhere"), losers={})
    if len(claims) == 1:
        return _won(claims[0], "only change" if hub is not None else "only value", claims, rules)
    winner, why = _resolve(rules, rule, claims, pick)
    if winner is None:
        return Verdict(hub=hub, losers={}, conflict=why)
    return _won(winner, why, claims, rules)


def _with_unheard(rule: FieldRule, hub: HubField | None, voices: Sequence[Voice], verdict: Verdict) -> Verdict:
    """Adds what was said but not heard, where it will be written over: it must be found again in the journal."""
    now = verdict.hub.value if verdict.hub is not None else None
    moved = hub is None or not equal(rule.type, hub.value, now)
    unheard: dict[MemberName, Json] = {}
    why = ""
    for voice in sorted(voices, key=lambda each: each.member):
        if voice.stand is Stand.SAME or equal(rule.type, voice.value, now):
            continue
        if may_speak(rule, voice.member):
            if voice.stand is Stand.CHANGED and _ignored_blank(rule, voice):
                unheard[voice.member], why = voice.value, why or "clearing is ignored: put back"
        elif voice.stand is Stand.NEW:
            if rule.type is not FieldType.SET and not is_blank(voice.value):
                unheard[voice.member], why = voice.value, why or f"{voice.member} may not change it"
        elif rule.owner is not None:
            unheard[voice.member], why = voice.value, why or f"{_keeper(rule)}: put back"
        elif moved or voice.behind:
            unheard[voice.member], why = voice.value, why or f"{voice.member} may not change it"
    if not unheard:
        return verdict
    same = not moved and not verdict.losers
    return replace(verdict, losers={**verdict.losers, **unheard}, why=why if same else "")


def _keeper(rule: FieldRule) -> str:
    return rule.derived.text if rule.derived is not None else f"owner {rule.owner}"


def _claims(rule: FieldRule, hub: HubField | None, voices: Sequence[Voice]) -> list[_Claim]:
    speakers = [
        voice
        for voice in voices
        if (voice.stand is Stand.CHANGED and may_speak(rule, voice.member) and not _ignored_blank(rule, voice))
        or (voice.stand is Stand.NEW and not is_blank(voice.value))
    ]
    if any(may_speak(rule, voice.member) for voice in speakers) or (hub is not None and not is_blank(hub.value)):
        speakers = [voice for voice in speakers if may_speak(rule, voice.member)]
    claims = [(voice.value, voice.member, voice.interval) for voice in speakers]
    if hub is not None and _hub_contends(hub, speakers):
        claims.extend((hub.value, member, hub.interval) for member in _hub_holders(hub, speakers, voices))
    grouped: dict[str, list[tuple[Json, MemberName, Interval | None]]] = {}
    for claim in claims:
        grouped.setdefault(key(rule.type, claim[0]), []).append(claim)
    return [
        _Claim(
            value=group[0][0],
            members=tuple(sorted({member for _, member, _ in group})),
            interval=_latest([interval for _, _, interval in group]),
        )
        for _, group in sorted(grouped.items())
    ]


def _ignored_blank(rule: FieldRule, voice: Voice) -> bool:
    return rule.blank is BlankRule.IGNORE and is_blank(voice.value)


def _hub_contends(hub: HubField, speakers: Sequence[Voice]) -> bool:
    """The hub's own value is one of the claims where a speaker never knew it: it was behind, or is new here.

    Not when one who had taken it over has since said something else: then it is superseded, not contested. And a blank hub gives
    way to a newcomer's value.
    """
    if any(voice.stand is Stand.CHANGED and not voice.behind for voice in speakers):
        return False
    if any(voice.stand is Stand.CHANGED for voice in speakers):
        return True
    return not is_blank(hub.value) and bool(speakers)


def _hub_holders(hub: HubField, speakers: Sequence[Voice], voices: Sequence[Voice]) -> list[MemberName]:
    """Who stands for the hub's value: whoever gave it, and, against newcomers, all who still agree to it as at a first link."""
    holders = {hub.winner or MemberName("")}
    if all(voice.stand is Stand.NEW for voice in speakers):
        holders |= {voice.member for voice in voices if voice.stand is Stand.SAME and not voice.behind}
    return sorted(holders - {voice.member for voice in speakers}) or [MemberName("")]


def _latest(intervals: Sequence[Interval | None]) -> Interval | None:
    known = [interval for interval in intervals if interval is not None]
    return max(known, key=lambda each: (each.until, each.since or 0)) if known else None


def _resolve(
    rules: SyncRules, rule: FieldRule, claims: Sequence[_Claim], pick: MemberName | None
) -> tuple[_Claim | None, str]:
    """Several members, different values: the winner and the rule in words, or None and why nobody may decide."""
    holder = {member: claim for claim in claims for member in claim.members}
    truth = rules.source_of_truth
    if pick in holder:
        return holder[pick], "picked by a person"
    if rule.owner in holder:
        return holder[rule.owner], f"owner {rule.owner}"
    if rules.conflict is ConflictRule.REVIEW and not _are_alike(claims):
        return None, "the rule is review"
    if rules.conflict is ConflictRule.LAST_MODIFIED and (last := _surely_last(claims)) is not None:
        return last, "last modified"
    if truth in holder:
        tie = " (change times overlap)" if rules.conflict is ConflictRule.LAST_MODIFIED else ""
        return holder[truth], f"source of truth {truth}{tie}"
    if _are_alike(claims):
        # Vendors tidy up what several were given alike.
        return claims[0], "the same but for capitals and spaces"
    return None, "several changed it and the source of truth is not among them"


def _are_alike(claims: Sequence[_Claim]) -> bool:
    return all(alike(claim.value, claims[0].value) for claim in claims)


def _surely_last(claims: Sequence[_Claim]) -> _Claim | None:
    for claim in claims:
        others = [other for other in claims if other is not claim]
        if claim.interval is not None and all(
            other.interval is not None and claim.interval.surely_after(other.interval) for other in others
        ):
            return claim
    return None


def _won(winner: _Claim, why: str, claims: Sequence[_Claim], rules: SyncRules) -> Verdict:
    truth = rules.source_of_truth
    name = truth if truth in winner.members else winner.members[0]
    losers = {member: claim.value for claim in claims if claim is not winner for member in claim.members}
    return Verdict(
        hub=HubField(value=winner.value, winner=name or None, rule=why, interval=winner.interval), losers=losers
    )


def _merge_sets(rule: FieldRule, hub: HubField | None, voices: Sequence[Voice]) -> Verdict:
    """Additions and removals of every member on top of the hub; an element both added and removed stays."""
    before = elements(hub.value if hub is not None else None)
    added: dict[str, str] = {}
    removed: set[str] = set()
    movers: list[Voice] = []
    for voice in sorted(voices, key=lambda each: each.member):
        shown, base = elements(voice.value), elements(voice.base)
        if voice.stand is Stand.NEW:
            fresh, lost = shown, set[str]()
        elif voice.stand is Stand.CHANGED and may_speak(rule, voice.member) and not _ignored_blank(rule, voice):
            fresh, lost = {each: shown[each] for each in shown.keys() - base.keys()}, base.keys() - shown.keys()
        else:
            continue
        if fresh.keys() - before.keys() or lost & before.keys():
            movers.append(voice)
        for each, spelling in fresh.items():
            added[each] = min(spelling, added.get(each, spelling))
        removed |= lost
    kept = {each: spelling for each, spelling in before.items() if each not in removed or each in added}
    value = as_set((added | kept).values())
    if hub is not None and equal(FieldType.SET, value, hub.value):
        return Verdict(hub=hub, losers={})
    winner = movers[0].member if len(movers) == 1 else None
    return Verdict(
        hub=HubField(
            value=value,
            winner=winner,
            rule="additions and removals of every member",
            interval=_latest([voice.interval for voice in movers]),
        ),
        losers={},
    )


FieldPicks = Mapping[FieldName, MemberName]
"""A person's choices: field to the member whose value wins."""
