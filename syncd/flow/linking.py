"""Linking: finds or makes the link of a record that has none.

The rule that keeps it true: what is ambiguous is held with all candidates shown, and is asked again whenever a key changes; a link is
never moved by a key; a record that we may have made ourselves belongs to the link it was made for. It must not know: which writes follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncd.core.fields import FieldType, Unreadable
from syncd.core.link import LinkMember, LinkState
from syncd.core.match import Ambiguous, Candidate, Fresh, Join, Match, NoKey, Pair, key_of, match, parts_of
from syncd.core.outcome import HoldKind
from syncd.core.parents import named_parents
from syncd.core.record import FieldName, Json, LinkId, MemberName, Micros, Ref
from syncd.core.rules import MemberRule, SyncRules
from syncd.core.translate import to_hub
from syncd.flow.binding import bind
from syncd.flow.engine import Engine
from syncd.store import holds, journal, links, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.journal import Entry
from syncd.store.observations import Observation
from syncd.store.outbox import Owed
from syncd.store.planning import DuePlan, Kin, PlanItem

MAKE_NEW = "new"


def keys_of(rules: SyncRules, member: MemberRule, fields: Mapping[str, Json] | None) -> dict[FieldName, str]:
    """The match keys a record shows, those it shows readably."""
    if fields is None:
        return {}
    shown = {name: value for name, value in to_hub(rules, member, fields).items() if not isinstance(value, Unreadable)}
    return {name: value for name in rules.match if (value := key_of(name, shown)) is not None}


def index_of(rules: SyncRules, member: MemberRule, fields: Mapping[str, Json] | None) -> dict[FieldName, str]:
    """What a record is found by: its match keys, and the parents that it names."""
    if fields is None:
        return {}
    named = named_parents(rules, member.name, fields)
    return {**keys_of(rules, member, fields), **{planning.child_key(name): planning.parent_value(*each) for name, each in named.items()}}


def ref_of(rules: SyncRules, item: PlanItem) -> Ref:
    """The record an item stands for."""
    member = rules.members[item.member]
    return Ref(member.system, member.collection, item.record_id)


def link_records(
    engine: Engine,
    tx: Connection,
    rules: SyncRules,
    items: list[DuePlan],
    seen: Mapping[Ref, Observation],
) -> tuple[dict[PlanItem, LinkId], dict[PlanItem, tuple[str, str]]]:
    """Links unlinked records where that can be decided: the links by item, and the outcome of those that stay alone."""
    rules = bind(tx, rules, [(each.item.member, look.fields) for each in items if (look := seen.get(ref_of(rules, each.item))) and look.fields])
    found: dict[PlanItem, LinkId] = {}
    outcomes: dict[PlanItem, tuple[str, str]] = {}
    answers = holds.answers_about(tx, rules.name)
    doubtful = {name: outbox.doubtful_creates(tx, rules.name, name) for name in {due.item.member for due in items}}
    for due in items:
        item = due.item
        now_linked = links.links_of(tx, [item])
        if now_linked:
            # A record earlier in this batch took this one along.
            found[item] = now_linked[item]
            continue
        ref = ref_of(rules, item)
        observation = seen.get(ref)
        if observation is None or observation.fields is None:
            outcomes[item] = ("skipped", "gone before it was linked")
            holds.close_record(tx, rules.name, item.member, item.record_id, engine.clock.now())
            continue
        member = rules.members[item.member]
        shown = {
            name: None if isinstance(value, Unreadable) else value
            for name, value in to_hub(rules, member, observation.fields).items()
        }
        if not member.when.admits(shown):
            outcomes[item] = ("skipped", "outside the member's `when`")
            continue
        keys = planning.blinded(tx, keys_of(rules, member, observation.fields))
        candidates, damaged = _candidates(tx, rules, item, keys)
        if damaged:
            # Whoever shares a key by mistake is somebody else: both are looked at again once their keys are made good.
            outcomes[item] = ("skipped", "a damaged match key is made good")
            planning.enqueue(tx, [item, *damaged], engine.clock.now(), "damaged row")
            for each in damaged:
                engine.log.error("row.damaged", table="match_keys", row=[each.sync, each.member, each.record_id], done="its keys are read anew")
            continue
        answer = answers.get((item.member, item.record_id))
        verdict = match(rules.match, item.member, keys, candidates)
        if isinstance(verdict, Fresh):
            verdict = match(rules.match, item.member, keys, _may_have_made(tx, rules, keys, doubtful[item.member]))
        if answer is not None:
            verdict = _answered(answer.choice or "", verdict, [each for each in candidates if each.member != item.member])
        _carry_out(engine, tx, rules, item, verdict, found, outcomes)
    return found, outcomes


def _candidates(
    tx: Connection, rules: SyncRules, item: PlanItem, keys: Mapping[FieldName, str]
) -> tuple[list[Candidate], list[PlanItem]]:
    """Who shares a key with this record; and records of which the index says what they do not show."""
    others = [each for each in planning.kin(tx, rules.name, keys.items()) if each.item != item]
    damaged = _damaged(tx, rules, others)
    if damaged:
        return [], damaged
    linked = links.links_of(tx, [each.item for each in others])
    whole = links.load(tx, linked.values())
    return [
        Candidate(
            member=each.item.member,
            ref=ref_of(rules, each.item),
            keys=each.keys,
            link=linked.get(each.item),
            linked_members=frozenset(whole[linked[each.item]].members) if each.item in linked else frozenset(),
        )
        for each in others
    ], []


def _damaged(tx: Connection, rules: SyncRules, found: Sequence[Kin]) -> list[PlanItem]:
    """Those of these records whose keys in the index are not what they last showed."""
    shown = observations.load(tx, [ref_of(rules, each.item) for each in found])
    # What a reference stands for depends on the records at hand.
    told = [name for name in rules.match if not any(rules.fields[part].type is FieldType.REF for part in parts_of(name))]
    parts = {part for name in told for part in parts_of(name)}
    narrow = replace(rules, match=tuple(told), fields={name: rule for name, rule in rules.fields.items() if name in parts})
    damaged = []
    for each in found:
        last = shown.get(ref_of(rules, each.item))
        keys = planning.blinded(tx, keys_of(narrow, rules.members[each.item.member], last.fields if last is not None else None))
        if any(each.keys.get(name) != keys.get(name) for name in told):
            damaged.append(each.item)
    return damaged


def _may_have_made(tx: Connection, rules: SyncRules, keys: Mapping[FieldName, str], doubtful: list[Owed]) -> list[Candidate]:
    """The links for which a record with these keys may have been made, by the keys that were sent: the link may have others since."""
    sent = {
        each.link: planning.blinded(tx, {name: key for name in rules.match if (key := key_of(name, each.values)) is not None})
        for each in doubtful
    }
    alike = [link for link, each in sent.items() if each.items() & keys.items()]
    return [
        Candidate(member=name, ref=holder.ref, keys=sent[link.id], link=link.id, linked_members=frozenset(link.members))
        for link in links.load(tx, alike).values()
        if link.state is LinkState.LIVE
        for name, holder in sorted(link.members.items())[:1]
        if holder.ref is not None
    ]


def _answered(choice: str, verdict: Match, candidates: list[Candidate]) -> Match:
    """A person said which record it is, or that it is a new one."""
    if choice == MAKE_NEW:
        return Fresh()
    for each in candidates:
        if str(each.ref) == choice or each.ref.id == choice:
            return Join(link=each.link, by=FieldName("a person's choice")) if each.link else Pair(
                candidates=(each,), by=FieldName("a person's choice")
            )
    return verdict


def _carry_out(
    engine: Engine,
    tx: Connection,
    rules: SyncRules,
    item: PlanItem,
    verdict: Match,
    found: dict[PlanItem, LinkId],
    outcomes: dict[PlanItem, tuple[str, str]],
) -> None:
    now = engine.clock.now()
    match verdict:
        case NoKey():
            outcomes[item] = ("skipped", "shows none of the match keys")
            return
        case Ambiguous(reason=reason, candidates=candidates):
            outcomes[item] = ("held", "ambiguous match")
            holds.ask(tx, [_question(rules, item, reason, candidates)], now)
            return
        case Join(link=link_id, by=by):
            link = links.load(tx, [link_id])[link_id]
            links.save(tx, [link.with_member(item.member, LinkMember(ref=ref_of(rules, item)))], now)
            refs = {item.member: ref_of(rules, item)}
            if holds.close_doubtful(tx, link_id, item.member, now):
                outbox.doubt(tx, link_id, item.member, now)
            outbox.hurry(tx, link_id, item.member, now)
        case Pair(candidates=pair, by=by):
            refs = {item.member: ref_of(rules, item)} | {each.member: each.ref for each in pair}
            link_id = links.create(tx, rules.name, refs, now).id
            found.update({PlanItem(rules.name, each.member, each.ref.id): link_id for each in pair})
        case Fresh():
            refs, by = {item.member: ref_of(rules, item)}, FieldName("")
            link_id = links.create(tx, rules.name, refs, now).id
    found[item] = link_id
    for name, ref in refs.items():
        holds.close_record(tx, rules.name, name, ref.id, now)
    _note(engine, tx, rules, link_id, refs, by, now)


def _question(rules: SyncRules, item: PlanItem, reason: str, candidates: tuple[Candidate, ...]) -> Question:
    return Question(
        sync=rules.name,
        kind=HoldKind.AMBIGUOUS,
        member=item.member,
        record_id=item.record_id,
        reason=reason,
        sides={"candidates": [str(each.ref) for each in candidates]},
    )


def _note(
    engine: Engine,
    tx: Connection,
    rules: SyncRules,
    link: LinkId,
    refs: Mapping[MemberName, Ref],
    by: FieldName,
    now: Micros,
) -> None:
    detail: dict[str, Json] = {"refs": {name: str(ref) for name, ref in refs.items()}}
    if by:
        detail["by"] = by
    kind = "link.joined" if by else "link.created"
    journal.append(tx, [Entry(at=now, run_id=engine.run_id, sync=rules.name, link=link, kind=kind, detail=detail)])

