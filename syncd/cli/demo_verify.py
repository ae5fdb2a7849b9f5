"""The demo's referee: says record by record whether both sides agree, and names every difference.

It reads the emulators alone: the rows as they truly are, and the log of every write that was really applied.
The rule that keeps it true: nothing of what syncd believes comes in, neither its tables nor its own notion of equal values, so that it
cannot agree with syncd by sharing a mistake.
It must not know: how the daemon works, or what is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import phonenumbers

from syncd.sandbox import Actor, Applied, Operation, Sandbox
from syncd.sandbox.people import Part, Population

GHL, OCTOPUS = "GoHighLevel", "EmailOctopus"
FIELDS = ("first name", "last name", "phone", "tags", "plan", "source")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contact: what it says in normal form, however it is written, and whether it is subscribed."""

    id: str
    email: str
    values: Mapping[str, object]
    subscribed: bool = True

    @property
    def name(self) -> str:
        """What to call this person."""
        return " ".join(str(self.values[part]) for part in FIELDS[:2] if self.values[part]) or self.email


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """After the edits, this person (the id in either system) must show this value on both sides."""

    id: str
    field: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Since these places in the two logs, nobody but a person may have written to these records."""

    name: str
    ids: frozenset[str]
    ghl_seq: int
    octopus_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is judged: the rows, the logs, who was put there to show what, and what the edits must lead to."""

    ghl: Sequence[Row]
    octopus: Sequence[Row]
    ghl_log: Sequence[Applied]
    octopus_log: Sequence[Applied]
    people: Population
    expected: Sequence[Expected] = ()
    quiet: Sequence[Quiet] = ()


@dataclass(slots=True)
class Report:
    """What was found: the differences in words, empty when all is well, and how much was looked at."""

    differences: list[str] = field(default_factory=list)
    people_on_both: int = 0
    values_compared: int = 0
    left_alone: int = 0


def gather(sandbox: Sandbox, people: Population, expected: Sequence[Expected] = (), quiet: Sequence[Quiet] = ()) -> Evidence:
    """The emulators as they are at this moment."""
    return Evidence(
        ghl=[ghl_row(each) for each in sandbox.ghl.contacts()],
        octopus=[octopus_row(each) for each in sandbox.octopus.contacts()],
        ghl_log=sandbox.ghl.truth.since(),
        octopus_log=sandbox.octopus.truth.since(),
        people=people,
        expected=expected,
        quiet=quiet,
    )


def verify(evidence: Evidence) -> Report:
    """Judges everything."""
    report = Report()
    report.differences += _doubled_creates(evidence)
    report.differences += _deletes(evidence)
    report.differences += _touched_duplicates(evidence)
    report.differences += _wrong_way(evidence)
    report.differences += _unwanted_writes(evidence)
    report.differences += _unlike(evidence, report)
    report.differences += _unexpected(evidence)
    return report


def ghl_row(contact: Json) -> Row:
    """A GoHighLevel contact in normal form."""
    values = {
        "first name": _text(contact.get("firstName")),
        "last name": _text(contact.get("lastName")),
        "phone": _phone(contact.get("phone")),
        "tags": _tags(contact.get("tags")),
        "plan": _text(contact.get("custom", {}).get("plan")).lower(),
        "source": _text(contact.get("source")),
    }
    return Row(id=contact["id"], email=_text(contact.get("email")).lower(), values=values)


def octopus_row(contact: Json) -> Row:
    """An EmailOctopus contact in normal form."""
    fields = contact["fields"]
    values = {
        "first name": _text(fields.get("FirstName")),
        "last name": _text(fields.get("LastName")),
        "phone": _phone(fields.get("Phone")),
        "tags": _tags(contact.get("tags")),
        "plan": _text(fields.get("Plan")).lower(),
        "source": _text(fields.get("Source")),
    }
    subscribed = contact["status"] == "subscribed"
    return Row(id=contact["id"], email=_text(contact["email_address"]).lower(), values=values, subscribed=subscribed)


def writes_by_api(log: Sequence[Applied]) -> list[Applied]:
    """The writes to contacts that no person made."""
    return [entry for entry in log if entry.actor is Actor.API and entry.collection == "contacts"]


def email_of(entry: Applied) -> str:
    """The address an applied create gave a contact, or an applied delete took with it."""
    moved = entry.fields.get("email") or entry.fields.get("email_address") or {}
    return _text(moved.get("after") or moved.get("before")).lower()


def _text(value: object) -> str:
    return " ".join(str(value).split()) if value is not None else ""


def _tags(value: Sequence[str] | None) -> frozenset[str]:
    return frozenset(tag.strip().lower() for tag in value or ())


def _phone(value: object) -> str:
    text = _text(value)
    try:
        return phonenumbers.format_number(phonenumbers.parse(text, "US"), phonenumbers.PhoneNumberFormat.E164) if text else ""
    except phonenumbers.NumberParseException:
        return text


def _doubled_creates(evidence: Evidence) -> Iterator[str]:
    """Nobody may be made twice, nor be made where they were already."""
    for system, log in ((GHL, evidence.ghl_log), (OCTOPUS, evidence.octopus_log)):
        there: Counter[str] = Counter()
        address: dict[str, str] = {}
        for entry in log:
            if entry.collection != "contacts":
                continue
            if entry.operation is Operation.CREATE:
                if entry.actor is Actor.API and there[email_of(entry)]:
                    yield f"{email_of(entry)} was made once more in {system}, where there was one already"
                address[entry.id] = email_of(entry)
                there[address[entry.id]] += 1
            else:
                there[address[entry.id]] -= 1
                if entry.operation is Operation.UPDATE:
                    moved = entry.fields.get("email") or entry.fields.get("email_address")
                    address[entry.id] = _text(moved["after"]).lower() if moved else address[entry.id]
                    there[address[entry.id]] += 1


def _deletes(evidence: Evidence) -> Iterator[str]:
    """The rule is `archive`: syncd deletes nobody, and unsubscribes only those whom a person deleted in GoHighLevel."""
    for system, log in ((GHL, evidence.ghl_log), (OCTOPUS, evidence.octopus_log)):
        for entry in writes_by_api(log):
            if entry.operation is Operation.DELETE:
                yield f"{email_of(entry)} was deleted in {system} by syncd"
    deleted = _deleted(evidence)
    for row in evidence.octopus:
        if row.email in deleted and row.subscribed:
            yield f"{row.name} was deleted in {GHL} and is still subscribed in {OCTOPUS}"
        if row.email not in deleted and not row.subscribed:
            yield f"{row.name} was unsubscribed in {OCTOPUS}, and nobody asked for it"


def _deleted(evidence: Evidence) -> frozenset[str]:
    """The addresses that people deleted in GoHighLevel and did not add again."""
    there = {row.email for row in evidence.ghl}
    gone = (entry for entry in evidence.ghl_log if entry.operation is Operation.DELETE and entry.actor is Actor.USER)
    return frozenset(email for entry in gone if (email := email_of(entry)) not in there)


def _touched_duplicates(evidence: Evidence) -> Iterator[str]:
    """Two records that cannot be told apart are nobody's to change: not they, and not their like on the other side."""
    for someone in evidence.people.of(Part.DUPLICATED):
        ids = {*someone.ghl_ids, *someone.octopus_ids}
        for system, log in ((GHL, evidence.ghl_log), (OCTOPUS, evidence.octopus_log)):
            for entry in writes_by_api(log):
                if entry.id in ids or (entry.operation is Operation.CREATE and email_of(entry) == someone.email):
                    yield f"{someone.name}, who is there twice, was touched in {system} ({entry.operation.value})"


def _wrong_way(evidence: Evidence) -> Iterator[str]:
    """The source goes from GoHighLevel to EmailOctopus and never back."""
    for entry in writes_by_api(evidence.ghl_log):
        if "source" in entry.fields:
            yield f"the source of {entry.id} was written in {GHL}, which only says it and is never told"


def _unwanted_writes(evidence: Evidence) -> Iterator[str]:
    """Retyping the same value is no change."""
    for quiet in evidence.quiet:
        entries = writes_by_api([*evidence.ghl_log[quiet.ghl_seq :], *evidence.octopus_log[quiet.octopus_seq :]])
        for entry in entries:
            if entry.id in quiet.ids:
                yield f"{quiet.name} was only typed in another way, and yet written ({', '.join(entry.fields)})"


def _unlike(evidence: Evidence, report: Report) -> Iterator[str]:
    """Everybody is on both sides, once, with the same values."""
    deleted = _deleted(evidence)
    aside = deleted | {someone.email for someone in evidence.people.of(Part.DUPLICATED)}
    report.left_alone = len(evidence.people.of(Part.DUPLICATED))
    sides = {GHL: _by_email(evidence.ghl), OCTOPUS: _by_email(evidence.octopus)}
    for email in sorted({*sides[GHL], *sides[OCTOPUS]} - aside):
        found = {system: rows.get(email, []) for system, rows in sides.items()}
        name = next(rows[0].name for rows in found.values() if rows)
        wrong = [f"{name} ({email}) is {_times(len(rows))} in {system}" for system, rows in found.items() if len(rows) != 1]
        if wrong:
            yield from wrong
            continue
        report.people_on_both += 1
        yield from _unlike_values(evidence, found[GHL][0], found[OCTOPUS][0], report)
    yield from _lost(evidence)


def _unlike_values(evidence: Evidence, left: Row, right: Row, report: Report) -> Iterator[str]:
    for name in FIELDS:
        if name == "plan" and _is_unmappable(evidence, left):
            report.left_alone += 1
            if right.values[name]:
                yield f"{left.name}: {GHL}'s plan has no counterpart, and yet {OCTOPUS} was given {right.values[name]!r}"
        elif name == "source" and (not left.values[name] or _said_by_octopus(evidence, right.id)):
            # One way: what EmailOctopus says by itself is its own affair.
            continue
        else:
            report.values_compared += 1
            if left.values[name] != right.values[name]:
                yield f"{left.name}: {name} is {_said(left.values[name])} in {GHL} and {_said(right.values[name])} in {OCTOPUS}"


def _lost(evidence: Evidence) -> Iterator[str]:
    """Whoever was there at the start is there still, unless a person deleted them."""
    deleted = {
        entry.id
        for log in (evidence.ghl_log, evidence.octopus_log)
        for entry in log
        if entry.operation is Operation.DELETE and entry.actor is Actor.USER
    }
    there = {row.id for row in [*evidence.ghl, *evidence.octopus]}
    for someone in evidence.people.residents:
        lost = {*someone.ghl_ids, *someone.octopus_ids} - there - deleted
        if lost:
            yield f"{someone.name} was there at the start and is gone"


def _is_unmappable(evidence: Evidence, left: Row) -> bool:
    ids = {number for someone in evidence.people.of(Part.UNMAPPABLE) for number in someone.ghl_ids}
    return left.id in ids and left.values["plan"] == "platinum"


def _said_by_octopus(evidence: Evidence, record_id: str) -> bool:
    """Whether a person changed the source in EmailOctopus."""
    edits = (entry for entry in evidence.octopus_log if entry.id == record_id and entry.actor is Actor.USER)
    moved = (entry.fields["fields"] for entry in edits if entry.operation is Operation.UPDATE and "fields" in entry.fields)
    return any(each["before"].get("Source") != each["after"].get("Source") for each in moved)


def _unexpected(evidence: Evidence) -> Iterator[str]:
    """The edits led to what the rules say."""
    rows = {row.id: (system, row) for system, rows in ((GHL, evidence.ghl), (OCTOPUS, evidence.octopus)) for row in rows}
    for each in evidence.expected:
        if each.id not in rows:
            yield f"{each.id} was edited and is not there any more"
            continue
        system, row = rows[each.id]
        shown = row.email if each.field == "e-mail" else row.values[each.field]
        if shown != each.value:
            yield f"{row.name}: {each.field} should have become {_said(each.value)} and is {_said(shown)} in {system}"


def _by_email(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.email, []).append(row)
    return found


def _said(value: object) -> str:
    if isinstance(value, frozenset):
        return " + ".join(sorted(value)) or "empty"
    return repr(value) if value else "empty"


def _times(count: int) -> str:
    return {0: "missing", 2: "twice"}.get(count, f"{count} times")
