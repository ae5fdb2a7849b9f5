"""All that is known of one link or one unlinked record, gathered from the store.

The rule that keeps it true: what is told is what was recorded when it happened; only the reason why a record is not linked is worked
out anew, by the same code that decides it.
It must not know: how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.cli.owed import label_of
from syncd.cli.tell import between, entry_as_json
from syncd.cli.text import iso
from syncd.cli.whois import Meant
from syncd.connectors.clock import SystemClock
from syncd.core.fields import Unreadable
from syncd.core.link import HubField, Link, LinkMember
from syncd.core.record import FieldName, Json, MemberName, Ref
from syncd.core.rules import SyncRules
from syncd.core.translate import to_hub
from syncd.flow.binding import bind
from syncd.flow.folding import Folded, fold
from syncd.flow.linking import keys_of
from syncd.flow.work import is_ready
from syncd.store import holds, journal, links, observations, overview, writes
from syncd.store.database import Connection
from syncd.store.journal import Entry
from syncd.store.observations import Observation
from syncd.store.outbox import Owed
from syncd.store.planning import PlanItem

Shown = Mapping[FieldName, Json | Unreadable]


def explain_meant(tx: Connection, rules: SyncRules, meant: Meant) -> dict[str, Json]:
    """Everything about it, as JSON-able values."""
    if meant.link is not None:
        return _link(tx, rules, links.load(tx, [meant.link])[meant.link])
    assert meant.member is not None
    assert meant.ref is not None
    return _alone(tx, rules, meant.member, meant.ref)


def _link(tx: Connection, rules: SyncRules, link: Link) -> dict[str, Json]:
    refs = [member.ref for member in link.members.values() if member.ref is not None]
    seen = observations.load(tx, refs)
    looks = [
        (name, look.fields)
        for name, member in link.members.items()
        if member.ref is not None and (look := seen.get(member.ref)) is not None and look.fields is not None
    ]
    folded, _later = fold(tx, rules, [(name, each.ref) for name, each in link.members.items() if each.ref], SystemClock().now())
    rules = bind(tx, rules, looks, [link.values()])
    shown = {name: _shown(rules, name, member, seen, folded) for name, member in link.members.items()}
    entries = journal.of_link(tx, link.id)
    runs = overview.runs(tx, sorted({each.run_id for each in entries if each.run_id is not None}))
    return {
        "sync": link.sync,
        "link": link.id,
        "about": label_of(rules, link.values()),
        "state": link.state.value,
        "revision": link.revision,
        "why_not_linked": None,
        "members": {name: _member(rules, name, link.members.get(name), seen) for name in rules.members},
        "fields": {name: _field(rules, link, name, shown, entries) for name in rules.fields},
        "holds": _holds(tx, overview.holds_about(tx, link.id, None)),
        "writes": [_write(each) for each in writes.load(tx, overview.writes_of_link(tx, link.id))],
        "story": [{**entry_as_json(each), "run_kind": runs.get(each.run_id or 0, "")} for each in entries],
    }


def _shown(rules: SyncRules, name: MemberName, member: LinkMember, seen: Mapping[Ref, Observation], folded: Folded) -> Shown:
    observation = seen.get(member.ref) if member.ref is not None else None
    if member.ref is None or observation is None or observation.fields is None or name not in rules.members:
        return {}
    return to_hub(rules, rules.members[name], {**observation.fields, **folded.get(member.ref, {})})


def _member(
    rules: SyncRules, name: MemberName, member: LinkMember | None, seen: Mapping[Ref, Observation]
) -> dict[str, Json]:
    ref = member.ref if member is not None else None
    observation = seen.get(ref) if ref is not None else None
    return {
        "system": rules.members[name].system,
        "ref": str(ref) if ref is not None else None,
        "gone": bool(member is not None and member.gone) or (observation is not None and observation.fields is None),
        "evidence": list(observation.evidence) if observation is not None else [],
        "seen_at": iso(observation.seen_at) if observation is not None else None,
        "modified_at": iso(observation.modified_at) if observation is not None else None,
    }


def _field(
    rules: SyncRules, link: Link, name: FieldName, shown: Mapping[MemberName, Shown], entries: Sequence[Entry]
) -> dict[str, Json]:
    hub = link.hub.get(name)
    last = next((each for each in reversed(entries) if each.kind == "field.decided" and each.detail.get("field") == name), None)
    return {
        "value": hub.value if hub is not None else None,
        "known": hub is not None,
        "winner": hub.winner if hub is not None else None,
        "rule": hub.rule if hub is not None else "",
        "when": _between(hub),
        "decided_at": iso(last.at) if last is not None else None,
        "cause": last.detail.get("cause") if last is not None else None,
        "decided_by": last.detail.get("rule") if last is not None else None,
        "before": last.detail.get("before") if last is not None else None,
        "losers": dict(last.detail.get("losers") or {}) if last is not None else {},
        "members": {
            member: _side(link.members[member], shown[member], name)
            for member in rules.fields[name].members
            if member in link.members
        },
    }


def _between(hub: HubField | None) -> str:
    return between([hub.interval.since, hub.interval.until]) if hub is not None and hub.interval is not None else ""


def _side(member: LinkMember, shown: Shown, name: FieldName) -> dict[str, Json]:
    """What one member shows now, its base, and the hub value that the base stands for."""
    now = shown.get(name)
    return {
        "shows": now.raw if isinstance(now, Unreadable) else now,
        "shown": name in shown,
        "unreadable": now.reason if isinstance(now, Unreadable) else None,
        "base": member.base.get(name),
        "has_base": name in member.base,
        "agreed": member.agreed.get(name),
        "has_agreed": name in member.agreed,
    }


def _holds(tx: Connection, numbers: Sequence[int]) -> list[dict[str, Json]]:
    found = [held for number in numbers if (held := holds.get(tx, number)) is not None]
    return [
        {
            "number": each.id,
            "kind": each.kind.value,
            "member": each.member,
            "field": each.field,
            "reason": each.reason,
            "sides": dict(each.sides),
            "state": each.state.value,
            "choice": each.choice,
            "since": iso(each.created_at),
        }
        for each in found
    ]


def _write(owed: Owed) -> dict[str, Json]:
    return {
        "number": owed.id,
        "key": owed.key,
        "member": owed.member,
        "operation": owed.operation.value,
        "state": owed.state.value,
        "values": dict(owed.values),
        "expected": dict(owed.expected),
        "attempts": owed.attempts,
        "error": owed.error,
        "run": owed.run_id,
        "owed_at": iso(owed.created_at),
        "due_at": iso(owed.due_at),
    }


def _alone(tx: Connection, rules: SyncRules, member: MemberName, ref: Ref) -> dict[str, Json]:
    """A record that belongs to no link: what it shows, and why it is alone."""
    observation = observations.load(tx, [ref]).get(ref)
    item = PlanItem(rules.name, member, ref.id)
    held = _holds(tx, overview.holds_about(tx, None, item))
    fields = observation.fields if observation is not None and observation.fields is not None else {}
    rules = bind(tx, rules, [(member, fields)])
    shown = to_hub(rules, rules.members[member], fields)
    readable = {name: None if isinstance(each, Unreadable) else each for name, each in shown.items()}
    return {
        "sync": rules.name,
        "link": None,
        "about": label_of(rules, readable),
        "state": "not linked",
        "revision": None,
        "why_not_linked": _why_alone(tx, rules, item, observation, readable, [each["reason"] for each in held]),
        "members": {member: _member(rules, member, LinkMember(ref=ref), {ref: observation} if observation else {})},
        "fields": {name: {"shows": each.raw if isinstance(each, Unreadable) else each} for name, each in shown.items()},
        "holds": held,
        "writes": [],
        "story": [],
    }


def _why_alone(
    tx: Connection,
    rules: SyncRules,
    item: PlanItem,
    observation: Observation | None,
    shown: Mapping[FieldName, Json],
    asked: Sequence[str],
) -> str:
    member = rules.members[item.member]
    if observation is None:
        return "it was never seen"
    if observation.fields is None:
        return f"it was gone before it was linked: {'; '.join(observation.evidence)}"
    if not member.when.admits(shown):
        return f"it is outside the `when` of {item.member}: {member.when.text}"
    for name, each in to_hub(rules, member, observation.fields).items():
        if isinstance(each, Unreadable) and each.waits:
            return f"its {name} {each.reason}"
    if not keys_of(rules, member, observation.fields):
        return f"it shows none of the match keys ({', '.join(rules.match)}), so it could never be told apart"
    if asked:
        return f"it waits for you: {asked[0]}"
    if not is_ready(tx, rules):
        return "not every member has been listed completely yet, so nobody can know who else has it"
    if overview.is_waiting(tx, item):
        return "it is on the list to be linked next"
    return "it is linked when it changes, or with the next `syncd reconcile`"
