"""What follows when a record is gone.

Edited elsewhere: the edit wins and the record is made again. Its keys live on in another record: a merge, held. Otherwise the delete
rule. The rule that keeps it true: a deletion is decided on collected evidence only, and never undoes an edit it did not know; while an
edit may hide in what cannot be read, nothing is decided.
It must not know: how absence was proved, or how many deletions are too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.deliver import receives, undeliverable
from syncd.core.draft import Draft, Fields
from syncd.core.fields import FieldType, Unreadable, equal, is_blank
from syncd.core.link import Link, LinkMember, LinkState
from syncd.core.outcome import Hold, HoldKind, Operation, Plan, Write
from syncd.core.record import Json, MemberName
from syncd.core.rules import DeleteRule, FieldRule, SyncRules


def deletion_rule(rules: SyncRules, drafts: Mapping[MemberName, Draft], fields: Fields) -> DeleteRule:
    """The rule of the sync, but nothing is deleted or archived where a member had never been compared with the others.

    Nor where a single field never was: because the question who is right about it is still open, or because what the others have of it
    never reached the one whose record is gone, or was not kept there.
    """
    unknown = any(
        draft.was.ref is not None and (not draft.was.base or _holds_undecided(rules, draft) or _never_received(rules, draft, fields) or _never_kept(rules, draft))
        for draft in drafts.values()
    )
    if unknown and rules.delete in (DeleteRule.PROPAGATE, DeleteRule.ARCHIVE):
        return DeleteRule.UNLINK
    return rules.delete


def _holds_undecided(rules: SyncRules, draft: Draft) -> bool:
    shown = draft.seen.fields if draft.seen is not None else {}
    return any(
        name in rules.fields and rules.fields[name].derived is None and name not in draft.was.base and not isinstance(value, Unreadable) and not is_blank(value)
        for name, value in shown.items()
    )


def _never_received(rules: SyncRules, draft: Draft, fields: Fields) -> bool:
    return draft.gone is not None and any(
        rule.owner is None
        and rule.name in fields.hub
        and not is_blank(fields.hub[rule.name].value)
        and rule.name not in draft.was.agreed
        and fields.hub[rule.name].winner != draft.name
        and receives(rule, draft.name)
        and undeliverable(rule, rules.members[draft.name], fields.hub[rule.name].value) is None
        for rule in rules.fields.values()
    )


def _never_kept(rules: SyncRules, draft: Draft) -> bool:
    """Whether the one whose record is gone still showed something else than what it was given: whoever deleted it had not seen that."""
    return draft.gone is not None and any(
        not equal(rules.fields[name].type, draft.was.base.get(name), draft.was.agreed.get(name))
        for name in draft.gone.lacking & rules.fields.keys()
    )


def decide_deletion(
    rules: SyncRules,
    link: Link,
    drafts: dict[MemberName, Draft],
    fields: Fields,
    answer: DeleteRule | None,
    in_doubt: frozenset[MemberName] = frozenset(),
) -> Plan | None:
    """What follows from a record that is gone; None when the link goes on, the drafts then saying how.

    `answer` is what a person said to do, whatever the rule and wherever its keys live on.
    """
    gone = [draft for draft in drafts.values() if draft.gone is not None]
    live = [draft for draft in drafts.values() if draft.live]
    for draft in gone:
        assert draft.gone is not None
        if draft.gone.survivor is not None and answer is None:
            return _hold_deletion(link, draft, HoldKind.MERGE, f"its keys live on in {draft.gone.survivor}")
    unseen = {name for name, draft in drafts.items() if draft.was.ref and not draft.live and draft.gone is None}
    waiting = sorted(unseen | in_doubt)
    if waiting:
        # The link stays as it was: what has not been seen may hold an edit.
        return Plan(link=link, notes=(f"deleted in {gone[0].name}: undecided until {', '.join(waiting)} was seen",))
    if not live:
        return _end(link, drafts, LinkState.DELETED, (), "deleted everywhere")
    if _edited_since(rules, gone, live, fields):
        for draft in gone:
            draft.was, draft.base, draft.agreed, draft.gone = LinkMember(), {}, {}, None
            fields.notes.append(f"deleted in {draft.name} but edited elsewhere: the edit wins, it is made again there")
        return None
    if unclear := sorted(draft.name for draft in live if draft.unclear):
        # An edit that cannot be read must not be lost, and a fault of the vendor's must not bring back what a person deleted.
        held = tuple(hold for hold in fields.holds if hold.kind is HoldKind.UNREADABLE)
        return Plan(link=link, holds=held, notes=(f"deleted in {gone[0].name}: undecided until {', '.join(unclear)} can be read",))
    policy = answer or deletion_rule(rules, drafts, fields)
    if policy is DeleteRule.REVIEW:
        return _hold_deletion(link, gone[0], HoldKind.DELETE, "the rule is review")
    if policy is DeleteRule.UNLINK:
        return _end(link, drafts, LinkState.UNLINKED, (), f"deleted in {gone[0].name}: unlinked")
    return _carry_deletion(rules, link, drafts, live, gone[0], policy)


def _edited_since(rules: SyncRules, gone: list[Draft], live: list[Draft], fields: Fields) -> bool:
    """Whether somebody edited the record and the member that lost it had not received that edit."""
    if any(draft.edited for draft in live):
        return True
    return any(
        draft.behind(rule.name, fields.hub)
        and _by_others(rule, draft, fields)
        and rule.name in draft.was.agreed
        and undeliverable(rule, rules.members[draft.name], fields.hub[rule.name].value) is None
        for draft in gone
        for rule in rules.fields.values()
        if rule.derived is None and receives(rule, draft.name)
    )


def _by_others(rule: FieldRule, draft: Draft, fields: Fields) -> bool:
    """Whether what the hub holds is not all this member's own doing: a set may have several authors, of whom it is the last.

    What an automation set is nobody's edit: it brings back nothing that a person deleted.
    """
    hub = fields.hub[rule.name]
    if rule.type is FieldType.SET:
        return not equal(rule.type, hub.value, draft.base.get(rule.name))
    return hub.winner != draft.name and not hub.is_automated


def _carry_deletion(
    rules: SyncRules, link: Link, drafts: Mapping[MemberName, Draft], live: list[Draft], gone: Draft, policy: DeleteRule
) -> Plan:
    writes: list[Write] = []
    assert gone.gone is not None
    evidence = (*gone.gone.evidence, f"its keys live on in no other record of {gone.name}")
    for draft in live:
        expected = {name: value for name, value in draft.base.items() if name in draft.was.base}
        if policy is DeleteRule.PROPAGATE:
            writes.append(Write(member=draft.name, operation=Operation.DELETE, values={}, expected=expected, evidence=evidence))
        elif rules.members[draft.name].archive is not None:
            writes.append(Write(member=draft.name, operation=Operation.ARCHIVE, values={}, expected=expected, evidence=evidence))
    state = LinkState.DELETED if policy is DeleteRule.PROPAGATE else LinkState.ARCHIVED
    return _end(link, drafts, state, tuple(writes), f"deleted in {gone.name}: {policy.value}")


def _hold_deletion(link: Link, draft: Draft, kind: HoldKind, reason: str) -> Plan:
    """Nothing is decided: the link stays as it was, so that the same question is asked again until it is answered."""
    assert draft.gone is not None
    sides: dict[str, Json] = {"evidence": list(draft.gone.evidence)}
    if draft.gone.survivor is not None:
        sides |= {"survivor": str(draft.gone.survivor), "linked": draft.gone.survivor_linked}
    return Plan(link=link, holds=(Hold(kind=kind, member=draft.name, reason=reason, sides=sides),))


def _end(
    link: Link, drafts: Mapping[MemberName, Draft], state: LinkState, writes: tuple[Write, ...], note: str
) -> Plan:
    members = {
        name: replace(draft.was, gone=draft.was.gone or draft.gone is not None)
        for name, draft in drafts.items()
        if draft.was.ref is not None
    }
    members |= {name: member for name, member in link.members.items() if name not in drafts}
    return Plan(
        link=replace(link, state=state, members=members, revision=link.revision + 1), writes=writes, notes=(note,)
    )
