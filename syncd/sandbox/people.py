"""Who lives in the sandbox: about fifty invented people, a crowd on request, and their restlessness.

`populate` makes a small world with every difficulty a demo should show, `populate_many` a large plain one, and
`trickle` yields edits a person might make, each with a sentence that says so.

Rule: the same seed makes the same people; filling is done as if they had long been there, with no webhook and no lag.

It must not know what an engine will make of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any

from syncd.sandbox.names import Person, fresh_phones, invent, written_email, written_phone
from syncd.sandbox.truth import Json
from syncd.sandbox.world import Sandbox

DAY_S = 86_400
_PLANS = {"gold": "Gold", "silver": "Silver", "free": "Free"}


class Part(StrEnum):
    """What somebody is there to show."""

    BOTH = "both"
    GHL_ONLY = "ghl_only"
    OCTOPUS_ONLY = "octopus_only"
    DUPLICATED = "duplicated"
    CONFLICT = "conflict"
    UNMAPPABLE = "unmappable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """One person, their part, and their ids in each vendor."""

    name: str
    email: str
    part: Part
    ghl_ids: tuple[str, ...] = ()
    octopus_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Who is who."""

    residents: tuple[Resident, ...]

    def of(self, part: Part) -> tuple[Resident, ...]:
        """Everybody who plays this part."""
        return tuple(resident for resident in self.residents if resident.part is part)

    def as_json(self) -> dict[str, Any]:
        """The description as JSON-able values."""
        return {"residents": [asdict(resident) for resident in self.residents]}


def populate(sandbox: Sandbox, seed: int, count: int = 50) -> Population:
    """Fill both vendors: four in five on both sides, some on one, and one of each difficulty."""
    if count < 6:
        raise ValueError("a population needs at least 6 people, one for each part")
    random = Random(f"{seed}/people")  # noqa: S311 - repeatable on purpose
    special = [Part.DUPLICATED, Part.CONFLICT, Part.UNMAPPABLE]
    one_sided = max(2, round(count * 0.2))
    parts = special + [Part.GHL_ONLY, Part.OCTOPUS_ONLY] * (one_sided // 2)
    parts += [Part.BOTH] * (count - len(parts))
    return Population(
        residents=tuple(_settle(sandbox, random, invent(random, number), part) for number, part in enumerate(parts))
    )


def populate_many(sandbox: Sandbox, seed: int, count: int, overlap: float = 0.8) -> int:
    """Fill both vendors with plain contacts; `overlap` of them on both sides. Returns how many rows were made."""
    random = Random(f"{seed}/crowd")  # noqa: S311 - repeatable on purpose
    rows = 0
    start = sandbox.options.clock() - 30 * DAY_S
    for number in range(count):
        person = invent(random, 1_000 + number)
        both = random.random() < overlap
        at = start + number * 20 * DAY_S / count
        if both or number % 2:
            sandbox.ghl.seed(ghl_fields(person), at=at)
            rows += 1
        if both or not number % 2:
            sandbox.octopus.seed(octopus_fields(person), at=at)
            rows += 1
    return rows


def ghl_fields(person: Person) -> Json:
    """A person as somebody would type them into GoHighLevel."""
    body: Json = {
        "firstName": person.first_name,
        "lastName": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "source": person.source,
        "tags": list(person.tags),
    }
    return body if person.plan is None else {**body, "custom": {"plan": person.plan}}


def octopus_fields(person: Person) -> Json:
    """A person as somebody would type them into EmailOctopus; its plan choices know no platinum."""
    fields = {
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Phone": person.phone,
        "Source": person.source,
        "Plan": _PLANS.get(person.plan or ""),
    }
    return {"email_address": person.email, "fields": fields, "tags": list(person.tags)}


def _settle(sandbox: Sandbox, random: Random, person: Person, part: Part) -> Resident:
    """Put one person where their part wants them."""
    at = sandbox.options.clock() - random.uniform(1, 30) * DAY_S
    left = [replace(person, email=written_email(random, person.email), phone=written_phone(random, person.phone))]
    right = [replace(person, email=written_email(random, person.email), phone=written_phone(random, person.phone))]
    match part:
        case Part.GHL_ONLY:
            right = []
        case Part.OCTOPUS_ONLY:
            left = []
        case Part.DUPLICATED:
            left.append(replace(left[0], first_name=person.first_name[0], plan=None))
        case Part.CONFLICT:
            right = [replace(right[0], first_name=f"{person.first_name[:2]}ela")]
        case Part.UNMAPPABLE:
            left = [replace(left[0], plan="platinum")]
            right = [replace(right[0], plan=None)]
    return Resident(
        name=person.full_name,
        email=person.email,
        part=part,
        ghl_ids=tuple(sandbox.ghl.seed(ghl_fields(row), at=at)["id"] for row in left),
        octopus_ids=tuple(sandbox.octopus.seed(octopus_fields(row), at=at)["id"] for row in right),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Something a person is about to do in one vendor's screens, and the sentence that tells of it."""

    system: str
    operation: str
    contact_id: str | None
    changes: Json
    sentence: str

    def apply(self, sandbox: Sandbox) -> str:
        """Do it; returns the contact's id."""
        vendor = sandbox.ghl if self.system == sandbox.ghl.name else sandbox.octopus
        if self.operation == "create":
            return str(vendor.create_as_user(self.changes)["id"])
        assert self.contact_id is not None, "an edit of nobody"
        if self.operation == "delete":
            vendor.delete_as_user(self.contact_id)
        else:
            vendor.edit_as_user(self.contact_id, self.changes)
        return self.contact_id


def trickle(sandbox: Sandbox, random: Random, *, deletes: bool = False) -> Iterator[Edit]:
    """Endless edits, one at a time; each is about somebody who is there when it is asked for. Somebody's plan is decided on one side only: of three
    plans that both sides choose among, two soon go to and fro, which is held for a person to look at.
    """
    number = 20_000
    phones = fresh_phones(random)
    while True:
        number += 1
        kind = random.choices(("phone", "last name", "plan", "tag", "new", "delete"), (6, 4, 3, 3, 2, 1 if deletes else 0))[0]
        on_ghl = random.random() < 0.5
        rows = sandbox.ghl.contacts() if on_ghl else sandbox.octopus.contacts()
        if kind == "new" or not rows:
            yield _newcomer(sandbox, invent(random, number), on_ghl=on_ghl)
        else:
            row = random.choice(rows)
            if kind == "plan" and _decided_on_ghl(row) is not on_ghl:
                kind = "last name"
            phone = written_phone(random, next(phones)) if kind == "phone" else ""
            yield (_ghl_edit if on_ghl else _octopus_edit)(sandbox, random, row, kind, phone)


def _decided_on_ghl(row: Json) -> bool:
    """Which side decides on somebody's plan."""
    return len(str(row.get("email") or row.get("email_address"))) % 2 == 0


def _newcomer(sandbox: Sandbox, person: Person, *, on_ghl: bool) -> Edit:
    return Edit(
        system=sandbox.ghl.name if on_ghl else sandbox.octopus.name,
        operation="create",
        contact_id=None,
        changes=ghl_fields(person) if on_ghl else octopus_fields(person),
        sentence=f"{person.full_name} was added in {'GoHighLevel' if on_ghl else 'EmailOctopus'}",
    )


def _ghl_edit(sandbox: Sandbox, random: Random, row: Json, kind: str, phone: str) -> Edit:
    who = " ".join(str(row[part]) for part in ("firstName", "lastName") if part in row) or str(row.get("email"))
    changes: dict[str, Json] = {
        "phone": {"phone": phone},
        "last name": {"lastName": invent(random, 0).last_name},
        "plan": {"custom": {"plan": random.choice(tuple(_PLANS))}},
        "tag": {"tags": sorted({*row.get("tags", []), random.choice(("customer", "newsletter", "vip"))})},
    }
    return _edit(sandbox.ghl.name, "GoHighLevel", row, kind, changes, who)


def _octopus_edit(sandbox: Sandbox, random: Random, row: Json, kind: str, phone: str) -> Edit:
    fields = row["fields"]
    who = " ".join(fields[part] for part in ("FirstName", "LastName") if part in fields) or str(row["email_address"])
    changes: dict[str, Json] = {
        "phone": {"fields": {"Phone": phone}},
        "last name": {"fields": {"LastName": invent(random, 0).last_name}},
        "plan": {"fields": {"Plan": random.choice(tuple(_PLANS.values()))}},
        "tag": {"tags": {random.choice(("customer", "newsletter", "vip")): True}},
    }
    return _edit(sandbox.octopus.name, "EmailOctopus", row, kind, changes, who)


def _edit(system: str, title: str, row: Json, kind: str, changes: dict[str, Json], who: str) -> Edit:
    if kind == "delete":
        sentence = f"{who} was deleted in {title}"
        return Edit(system=system, operation="delete", contact_id=row["id"], changes={}, sentence=sentence)
    verb = "got a tag" if kind == "tag" else f"changed their {kind}"
    return Edit(
        system=system, operation="update", contact_id=row["id"], changes=changes[kind], sentence=f"{who} {verb} in {title}"
    )
