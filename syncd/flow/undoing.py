"""What it would take to undo a stretch of the journal: field by field, record by record, and what cannot be undone, with the reason.

| in the stretch                                        | to undo it                                                          |
|-------------------------------------------------------|---------------------------------------------------------------------|
| a field was decided, and nobody touched it since      | the hub goes back to the value before; all who receive it are owed it |
| elements of a set were added or removed               | those are taken out or put back; what came since stays              |
| it was decided again since, or edited at a member     | left alone                                                          |
| it was agreed for the first time                      | cannot: there was no value that all had                             |
| a record was made by us, and nobody edited it         | the delete rule of its sync: deleted or archived; its link ends     |
| a record was deleted or archived                      | cannot: another one would have another id; nobody is subscribed again |
| an automation acted                                   | cannot: what was sent is sent                                       |

The rule that keeps it true: it only reads; what is proposed rests on the journal and on what every member shows now.
It must not know: how what it proposes is carried out or shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from syncd.core.fields import FieldType, Unreadable, as_set, elements, equal
from syncd.core.link import Link, LinkMember, LinkState
from syncd.core.outcome import Operation
from syncd.core.record import FieldName, Json, LinkId, MemberName, Ref, SyncName
from syncd.core.rules import DeleteRule, FieldRule, SyncRules
from syncd.core.translate import to_hub
from syncd.flow.binding import bind
from syncd.store import journal, links, observations, outbox
from syncd.store.database import Connection
from syncd.store.journal import Entry
from syncd.store.observations import Observation

AUTOMATED = ("automation.", "step.", "call.")
"""What journal rows of automations begin with."""
_OPERATIONS = {DeleteRule.PROPAGATE: Operation.DELETE, DeleteRule.ARCHIVE: Operation.ARCHIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """One field of one link that goes back to what it was."""

    sync: SyncName
    link: LinkId
    field: FieldName
    now: Json
    then: Json

    @property
    def name(self) -> str:
        return f"{self.link}/{self.field}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One record of our own making that goes again, by the delete rule."""

    sync: SyncName
    link: LinkId
    member: MemberName
    ref: Ref
    operation: Operation
    key: str

    @property
    def name(self) -> str:
        return f"{self.link}/{self.member}/{self.ref.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that stays as it is. `cannot`: it could not be undone by anybody; else it was touched since and is left alone."""

    link: LinkId | None
    about: str
    reason: str
    cannot: bool


@dataclass(slots=True, kw_only=True)
class Undoing:
    """All of it, in the order of the links."""

    first: int
    last: int
    fields: list[PutBack] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def steps(self) -> list[PutBack | Removal]:
        """What it would do."""
        return [*self.fields, *self.removals]

    @property
    def names(self) -> list[str]:
        """What it would do, each by a name that stays the same."""
        return [each.name for each in self.steps]

    def only(self, names: Iterable[str]) -> Undoing:
        """The same without what is not named: what nobody was shown is not done."""
        wanted = set(names)
        unseen = [each for each in self.steps if each.name not in wanted]
        more = [Kept(link=each.link, about=each.name, reason="it was not among what was shown", cannot=False) for each in unseen]
        return Undoing(
            first=self.first,
            last=self.last,
            fields=[each for each in self.fields if each.name in wanted],
            removals=[each for each in self.removals if each.name in wanted],
            kept=[*self.kept, *more],
        )


def draft(tx: Connection, syncs: Mapping[SyncName, SyncRules], first: int, last: int) -> Undoing:
    """What undoing the journal's rows from `first` to `last` (both included) comes to now."""
    found = Undoing(first=first, last=last)
    by_link: dict[LinkId, list[Entry]] = {}
    for entry in journal.between(tx, first, last):
        if entry.kind.startswith(AUTOMATED):
            told = Kept(link=entry.link, about=f"{entry.kind} (#{entry.id})", reason="what an automation did is done: a message cannot be unsent", cannot=True)
            found.kept.append(told)
        elif entry.link is not None:
            by_link.setdefault(entry.link, []).append(entry)
    whole = links.load(tx, by_link)
    later = journal.decided_after(tx, by_link, last)
    busy = outbox.in_flight(tx, by_link)
    for number, entries in sorted(by_link.items()):
        link = whole.get(number)
        rules = syncs.get(link.sync) if link is not None else None
        if link is None or rules is None:
            found.kept.append(Kept(link=number, about=f"link {number}", reason="its sync is not configured any more", cannot=True))
        else:
            _Linked(tx, rules, link, entries, later.get(number, []), is_busy=number in busy.busy or number in busy.doubtful).undo(found)
    return found


class _Linked:
    """One link and what the stretch did to it."""

    def __init__(self, tx: Connection, rules: SyncRules, link: Link, entries: Sequence[Entry], later: Sequence[Entry], *, is_busy: bool) -> None:
        self.link = link
        self.entries = entries
        self.later = later
        self.is_busy = is_busy
        seen = observations.load(tx, [member.ref for member in link.members.values() if member.ref is not None])
        self.rules = bind(tx, rules, [(name, look.fields) for name, look in _looks(link, seen) if look.fields is not None], [link.values()])
        self.edits = {name: _edited(self.rules, name, link.members[name], look) for name, look in _looks(link, seen)}

    def undo(self, found: Undoing) -> None:
        """Adds what undoing this link comes to."""
        self._ended(found)
        if self.link.state is not LinkState.LIVE:
            return
        if self.is_busy:
            found.kept.append(self._kept("", "a write to it is in the air: try again in a moment"))
            return
        removals = [each for each in map(self._removal, self._made()) if each is not None]
        found.removals += [each for each in removals if isinstance(each, Removal)]
        found.kept += [each for each in removals if isinstance(each, Kept)]
        if any(isinstance(each, Removal) for each in removals):
            # The link ends with the record that was made; what the others have stays theirs.
            return
        for name in dict.fromkeys(FieldName(each.detail["field"]) for each in self.entries if each.kind == "field.decided"):
            outcome = self._field(name)
            if isinstance(outcome, PutBack):
                found.fields.append(outcome)
            elif outcome is not None:
                found.kept.append(outcome)

    def _ended(self, found: Undoing) -> None:
        for each in self.entries:
            operation = each.detail.get("operation") if each.kind == "write.done" else None
            if operation == Operation.DELETE.value:
                found.kept.append(self._kept("", f"it was deleted in {each.member}: a new record there would have another id", cannot=True))
            elif operation == Operation.ARCHIVE.value:
                found.kept.append(self._kept("", f"it was archived in {each.member}: nobody is subscribed again by syncd", cannot=True))
        if self.link.state is not LinkState.LIVE and any(each.kind == "field.decided" for each in self.entries):
            found.kept.append(self._kept("", f"its link is {self.link.state.value}: it is not kept equal any more", cannot=True))

    def _made(self) -> list[Entry]:
        return [each for each in self.entries if each.kind == "write.done" and each.detail.get("operation") == Operation.CREATE.value]

    def _removal(self, made: Entry) -> Removal | Kept | None:
        name = made.member or MemberName("")
        member = self.link.members.get(name)
        if member is None or member.ref is None or member.ref.id != made.record_id or member.gone or name not in self.rules.members:
            return self._kept(name, "it is not there any more as it was made")
        if self.edits.get(name) or self._won_since(name, made.id):
            return self._kept(name, f"the record made in {name} was edited since")
        operation = _OPERATIONS.get(self.rules.delete)
        if operation is Operation.ARCHIVE and self.rules.members[name].archive is None:
            operation = None
        if operation is None:
            return self._kept(name, f"the delete rule of {self.rules.name} is {self.rules.delete.value}: remove {member.ref} by hand", cannot=True)
        return Removal(sync=self.link.sync, link=self.link.id, member=name, ref=member.ref, operation=operation, key=str(made.detail.get("key")))

    def _won_since(self, name: MemberName, number: int) -> bool:
        """Whether an edit made at this member has won since."""
        return any(each.id > number and each.detail.get("winner") == name for each in (*self.entries, *self.later) if each.kind == "field.decided")

    def _field(self, name: FieldName) -> PutBack | Kept | None:
        decided = [each for each in self.entries if each.kind == "field.decided" and each.detail["field"] == name]
        then, now = decided[0].detail["before"], decided[-1].detail["value"]
        rule, hub = self.rules.fields.get(name), self.link.hub.get(name)
        if rule is None or hub is None:
            return self._kept(name, "it is not mapped any more", cannot=True)
        if self._is_first(decided[0]):
            lost = "; ".join(f"{member} had {value!r}" for member, value in (decided[0].detail.get("losers") or {}).items())
            return self._kept(name, "it was agreed for the first time: there was no value that all had" + (f" ({lost})" if lost else ""), cannot=True)
        edited = sorted(member for member, names in self.edits.items() if name in names)
        if edited:
            return self._kept(name, f"it was edited since in {', '.join(edited)}")
        if rule.type is FieldType.SET:
            back = _set_back(then, now, hub.value)
            return None if equal(rule.type, back, hub.value) else self._back(rule, hub.value, back)
        if equal(rule.type, then, now):
            return None
        if any(each.detail["field"] == name for each in self.later) or not equal(rule.type, hub.value, now):
            return self._kept(name, "it was decided again since")
        return self._back(rule, hub.value, then)

    def _is_first(self, decided: Entry) -> bool:
        if decided.detail.get("before") is not None:
            return False
        return decided.detail.get("rule") == "only value" or any(each.kind in ("link.created", "link.joined") and each.id < decided.id for each in self.entries)

    def _back(self, rule: FieldRule, now: Json, then: Json) -> PutBack:
        return PutBack(sync=self.link.sync, link=self.link.id, field=rule.name, now=now, then=then)

    def _kept(self, about: str, reason: str, *, cannot: bool = False) -> Kept:
        return Kept(link=self.link.id, about=about, reason=reason, cannot=cannot)


def _looks(link: Link, seen: Mapping[Ref, Observation]) -> list[tuple[MemberName, Observation]]:
    return [(name, seen[member.ref]) for name, member in link.members.items() if member.ref is not None and member.ref in seen]


def _edited(rules: SyncRules, name: MemberName, member: LinkMember, look: Observation) -> set[FieldName]:
    """The fields that a member shows otherwise than when they were last decided."""
    if look.fields is None or name not in rules.members:
        return set(member.base)
    shown = to_hub(rules, rules.members[name], look.fields)
    return {
        field
        for field, base in member.base.items()
        if field in shown and (isinstance(shown[field], Unreadable) or not equal(rules.fields[field].type, shown[field], base))
    }


def _set_back(then: Json, now: Json, current: Json) -> Json:
    """A set without what was added between two moments, with what was removed, and with whatever came since."""
    before, after, here = elements(then), elements(now), elements(current)
    stays = {key: each for key, each in here.items() if key in before or key not in after}
    back = {key: each for key, each in before.items() if key not in after}
    return as_set({**back, **stays}.values())
