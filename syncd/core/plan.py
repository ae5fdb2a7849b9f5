"""The decision for one link: what its hub becomes, which writes are owed, what waits for a person.

The table, case by case (field by field in `decide`):

| what the members show                              | decision                                                              |
|----------------------------------------------------|-----------------------------------------------------------------------|
| a record where it was expected                     | each field decided; members that are behind are owed an update        |
| a record that never showed a field it is to take   | nothing in that field, until the record was read by itself            |
| no record yet at a member whose `when` admits it   | a create, with every field that member may receive                    |
| no record yet at a member that makes none          | nothing: the link waits until somebody makes one there                |
| deleted here, untouched everywhere else            | the delete rule: archive, propagate, unlink, or review                |
| deleted here, edited elsewhere                     | the edit wins: the record is made again here                          |
| deleted here, its keys live on in another record   | a merge: held, with the relink proposed                               |
| a member with a write in doubt                     | it is not heard and owed nothing until that is known; the others are  |
| deleted here, another member not seen or in doubt  | nothing, until it was seen                                            |
| deleted here, not readable any more elsewhere      | nothing, until it can be read                                         |
| deleted here, never compared with the others       | unlinked: nothing is deleted or archived                              |
| deleted here, an edit from elsewhere was not kept  | unlinked: nothing is deleted or archived                              |
| deleted everywhere                                 | the link ends                                                         |

Pure: rules, link, what was seen and a person's picks come in; a `Plan` comes out. The same input gives the same plan in any order of
members; planning again what a plan left behind gives no further decision, only the same owed writes.
It must not know: how writes are carried out, what is already queued, the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.decide import FieldPicks, Stand, Voice, decide, may_speak
from syncd.core.deletion import decide_deletion
from syncd.core.deliver import goes_unseen, receives, undeliverable, waits
from syncd.core.draft import Draft, Fields
from syncd.core.fields import FieldType, Unreadable, equal, is_blank
from syncd.core.link import Gone, HubField, Link, LinkState, Seen
from syncd.core.outcome import Decision, Hold, HoldKind, Operation, Plan, Write
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import DeleteRule, FieldRule, MemberRule, SyncRules
from syncd.core.translate import to_hub

_NOTHING = object()

def plan(
    rules: SyncRules,
    link: Link,
    seen: Mapping[MemberName, Seen | Gone],
    picks: FieldPicks | None = None,
    deletion: DeleteRule | None = None,
    in_doubt: frozenset[MemberName] = frozenset(),
) -> Plan:
    """Decides one link. `seen` holds what each member last showed; a member without an entry has shown nothing yet.

    `picks` are a person's choices for single fields; `deletion` is a person's answer to a held deletion, instead of the rule. Of a member
    `in_doubt` nobody knows yet what became of the last write: what it shows may be our own words.
    """
    link = _revived(link, seen)
    if link.state is not LinkState.LIVE:
        return Plan(link=link, notes=(f"the link is {link.state.value}",))
    drafts = {name: Draft.of(name, link, None if name in in_doubt else seen.get(name)) for name in sorted(rules.members)}
    fields = _decide_fields(rules, link, drafts, picks or {})
    gone = [draft for draft in drafts.values() if draft.gone is not None]
    if gone:
        ended = decide_deletion(rules, link, drafts, fields, deletion, in_doubt)
        if ended is not None:
            return ended
    for name, draft in drafts.items():
        member = rules.members[name]
        if draft.live:
            _owe_update(rules, member, draft, fields)
        elif draft.ref_missing and draft.gone is None and name not in in_doubt:
            _owe_create(rules, member, drafts, fields)
    return _finish(link, drafts, fields)


def _revived(link: Link, seen: Mapping[MemberName, Seen | Gone]) -> Link:
    """A record that was gone and is shown again brings its link back, and says what it says against what it showed before it was gone.

    Members that are still gone have no record any more: it is made again. Their deletion was decided once and is not news.
    """
    back = [
        name for name, member in link.members.items() if member.gone and member.ref and isinstance(seen.get(name), Seen)
    ]
    if not back:
        return link
    members = {
        name: replace(member, gone=False) if name in back else member
        for name, member in link.members.items()
        if name in back or not (member.gone or isinstance(seen.get(name), Gone))
    }
    return replace(link, state=LinkState.LIVE, members=members)


def _decide_fields(
    rules: SyncRules, link: Link, drafts: Mapping[MemberName, Draft], picks: FieldPicks
) -> Fields:
    fields = Fields(hub=dict(link.hub))
    for rule in rules.fields.values():
        if rule.name not in picks and _is_at_rest(rule, link, drafts):
            continue
        voices = [voice for draft in drafts.values() if (voice := draft.voice(rule, link.hub)) is not None]
        fields.holds.extend(_unreadable(rule, drafts))
        if not voices:
            continue
        verdict = decide(rules, rule, link.hub.get(rule.name), voices, picks.get(rule.name))
        if verdict.conflict:
            fields.held.add(rule.name)
            _mark_edited(rule, link, drafts, voices)
            sides: dict[str, Json] = {voice.member: voice.value for voice in voices}
            fields.holds.append(
                Hold(kind=HoldKind.CONFLICT, field=rule.name, reason=verdict.conflict, sides=sides)
            )
            continue
        hub = verdict.hub
        if hub is None:
            continue
        fields.hub[rule.name] = hub
        _mark_edited(rule, link, drafts, voices)
        _settle_voices(rule, link, drafts, voices, hub, fields)
        before = link.hub[rule.name].value if rule.name in link.hub else None
        if verdict.losers or not equal(rule.type, before, hub.value):
            fields.decisions.append(
                Decision(
                    field=rule.name,
                    value=hub.value,
                    before=before,
                    winner=hub.winner,
                    rule=verdict.why or hub.rule,
                    losers=dict(sorted(verdict.losers.items())),
                )
            )
    return fields


def _is_at_rest(rule: FieldRule, link: Link, drafts: Mapping[MemberName, Draft]) -> bool:
    """Whether everybody who shows a field shows exactly what it did, and has what was agreed: most fields of most links are so."""
    hub, name = link.hub.get(rule.name), rule.name
    if hub is None or rule.derived is not None:
        return False
    for draft in drafts.values():
        if draft.seen is None or name not in draft.seen.fields or draft.name not in rule.members:
            continue
        value = draft.seen.fields[name]
        if isinstance(value, Unreadable) or draft.was.agreed.get(name, _NOTHING) != hub.value or draft.was.base.get(name, _NOTHING) != value:
            return False
    return True


def _unreadable(rule: FieldRule, drafts: Mapping[MemberName, Draft]) -> list[Hold]:
    holds = []
    for draft in drafts.values():
        shown = draft.seen.fields.get(rule.name) if draft.seen is not None else None
        if isinstance(shown, Unreadable) and not shown.waits:
            draft.unclear = draft.unclear or (rule.name in draft.was.base and may_speak(rule, draft.name) and rule.derived is None)
            holds.append(
                Hold(
                    kind=HoldKind.UNREADABLE,
                    member=draft.name,
                    field=rule.name,
                    reason=shown.reason,
                    sides={draft.name: shown.raw},
                )
            )
    return holds


def _mark_edited(
    rule: FieldRule, link: Link, drafts: Mapping[MemberName, Draft], voices: list[Voice]
) -> None:
    """Notes whose edits a deletion elsewhere must not undo, held ones too.

    To have come to the hub's value is no edit: it may be our own write. Nor is what other records come to an edit of this one.
    """
    if rule.derived is not None:
        return
    known = link.hub.get(rule.name)
    for voice in voices:
        arrived = known is not None and equal(rule.type, voice.value, known.value)
        if voice.stand is Stand.CHANGED and may_speak(rule, voice.member) and not arrived:
            drafts[voice.member].edited = True


def _settle_voices(
    rule: FieldRule,
    link: Link,
    drafts: Mapping[MemberName, Draft],
    voices: list[Voice],
    hub: HubField,
    fields: Fields,
) -> None:
    """Takes what was shown as the new base, and says who is now behind the hub."""
    same_hub = rule.name in link.hub and equal(rule.type, link.hub[rule.name].value, hub.value)
    for voice in voices:
        draft = drafts[voice.member]
        draft.base[rule.name] = voice.value
        owed = rule.name in draft.was.agreed and voice.behind
        if equal(rule.type, voice.value, hub.value):
            draft.agreed[rule.name] = hub.value
        elif voice.stand is Stand.SAME:
            # Differs from the hub in form only, as long as the hub is what it agreed to.
            if same_hub and not voice.behind:
                draft.agreed[rule.name] = hub.value
            elif not same_hub and rule.name in link.hub:
                # Still owed an older value, and now a newer edit: as below.
                draft.agreed.setdefault(rule.name, voice.value)
        elif owed or (rule.name in link.hub and not same_hub):
            # It lost, or was merged, against an edit it has not received: what it agrees to is what it says itself.
            draft.agreed[rule.name] = voice.value
        elif voice.stand is Stand.CHANGED and rule.owner is None and not may_speak(rule, voice.member) and not voice.behind:
            fields.notes.append(f"{rule.name}: an edit by {voice.member} was noted, not taken over (direction)")
        else:
            draft.agreed.pop(rule.name, None)


def _owe_update(rules: SyncRules, member: MemberRule, draft: Draft, fields: Fields) -> None:
    values: dict[FieldName, Json] = {}
    shown = draft.seen.fields if draft.seen is not None else {}
    for rule in rules.fields.values():
        if rule.name in fields.held or not receives(rule, member.name) or not draft.behind(rule.name, fields.hub):
            continue
        if rule.name not in shown and not goes_unseen(rule, member, fields.hub[rule.name].value):
            if rule.members[member.name].readable and not is_blank(fields.hub[rule.name].value) and member.name not in fields.unseen:
                fields.unseen.append(member.name)
            continue
        if isinstance(shown.get(rule.name), Unreadable):
            continue
        if waits(rule, member, fields.hub[rule.name].value):
            fields.notes.append(f"{rule.name}: {member.name} waits until what it refers to is there")
            continue
        hold = undeliverable(rule, member, fields.hub[rule.name].value)
        if hold is not None:
            fields.holds.append(hold)
        else:
            values[rule.name] = fields.hub[rule.name].value
    if values:
        # Of what was never shown nothing is expected: nobody knows what stands there.
        expected = {name: draft.base.get(name) for name in values if name in shown}
        fields.writes.append(Write(member=member.name, operation=Operation.UPDATE, values=values, expected=expected))


def _owe_create(
    rules: SyncRules, member: MemberRule, drafts: Mapping[MemberName, Draft], fields: Fields
) -> None:
    if not member.creates:
        fields.notes.append(f"no record is made in {member.name}: its `create` is false")
        return
    hub = {name: each.value for name, each in fields.hub.items() if name not in fields.held}
    if not any(_admitted(rules, each) for each in drafts.values()):
        fields.notes.append(f"no record is made in {member.name}: outside the `when` of the member that has it")
        return
    if not member.when.admits(_as_made(rules, member, hub)):
        fields.notes.append(f"no record is made in {member.name}: its `when` does not admit this ({member.when.text})")
        return
    orphaned = sorted(rule.name for rule in rules.fields.values() if _orphaned(rule, member, hub.get(rule.name), drafts))
    if orphaned:
        fields.notes.append(f"no record is made in {member.name} yet: it waits for {', '.join(orphaned)}")
        return
    values: dict[FieldName, Json] = {}
    for rule in rules.fields.values():
        value = hub.get(rule.name)
        if is_blank(value) or not receives(rule, member.name, creating=True):
            continue
        hold = undeliverable(rule, member, value)
        if hold is not None:
            fields.holds.append(hold)
        else:
            values[rule.name] = value
    missing = sorted(name for name in member.required if name not in values)
    if missing:
        fields.notes.append(f"no record is made in {member.name}: it needs {', '.join(missing)}")
    elif values:
        fields.writes.append(Write(member=member.name, operation=Operation.CREATE, values=values, expected={}))


def _as_made(rules: SyncRules, member: MemberRule, hub: Mapping[FieldName, Json]) -> dict[FieldName, Json]:
    """What a new record would show: the hub's values, and where there is none the constants it is made with."""
    constants = {name: value for name, value in to_hub(rules, member, member.create).items() if not isinstance(value, Unreadable)}
    return {**constants, **{name: value for name, value in hub.items() if not is_blank(value)}}


def _orphaned(rule: FieldRule, member: MemberRule, value: Json, drafts: Mapping[MemberName, Draft]) -> bool:
    """Whether a new record would be made without the parent that it has elsewhere."""
    if rule.type is not FieldType.REF or not receives(rule, member.name, creating=True):
        return False
    shown = [draft.seen.fields.get(rule.name) for draft in drafts.values() if draft.seen is not None]
    return waits(rule, member, value) or (is_blank(value) and any(isinstance(each, Unreadable) and each.waits for each in shown))


def _admitted(rules: SyncRules, draft: Draft) -> bool:
    if draft.seen is None:
        return False
    shown = {name: None if isinstance(value, Unreadable) else value for name, value in draft.seen.fields.items()}
    return rules.members[draft.name].when.admits(shown)


def _finish(link: Link, drafts: Mapping[MemberName, Draft], fields: Fields) -> Plan:
    members = {
        name: replace(draft.was, base=draft.base, agreed=draft.agreed)
        for name, draft in drafts.items()
        if draft.was.ref is not None
    }
    members |= {name: member for name, member in link.members.items() if name not in drafts}
    after = replace(link, hub=fields.hub, members=members)
    if after != link:
        after = replace(after, revision=link.revision + 1)
    return Plan(
        link=after,
        writes=tuple(fields.writes),
        holds=tuple(fields.holds),
        decisions=tuple(fields.decisions),
        notes=tuple(fields.notes),
        unseen=tuple(fields.unseen),
    )
