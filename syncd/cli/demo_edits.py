"""The demo's fixed edits: what people do on both sides, and what the rules make of it.

The rule that keeps it true: the outcome is written down before the daemon sees the edit, from the rules in the configuration alone.
It must not know: how the daemon decides, or how the outcome is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from syncd.cli.demo_verify import GHL, OCTOPUS, Expected, Json, Quiet
from syncd.cli.demo_world import World
from syncd.sandbox.names import invent, written_phone
from syncd.sandbox.people import Part, Resident, ghl_fields, octopus_fields


@dataclass(slots=True)
class Edits:
    """What was done, one sentence each, and what must come of it."""

    sentences: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)

    def both(self, who: Resident, name: str, value: object) -> None:
        """Both records of this person must come to show this."""
        self.expected += [Expected(id=number, field=name, value=value) for number in (*who.ghl_ids, *who.octopus_ids)]


def make_edits(world: World) -> Edits:
    """Makes all of them, at once, as people would who do not know of each other."""
    edits = Edits()
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    tagged, removed, added = _someone_tagged(world)
    ada, bram, cleo, dario, edda, finn, greta = [each for each in world.people.of(Part.BOTH) if each is not tagged][:7]

    ghl.edit_as_user(ada.ghl_ids[0], {"firstName": "Mirelle"})
    octopus.edit_as_user(ada.octopus_ids[0], {"fields": {"LastName": "Quarrington"}})
    edits.sentences.append(
        f"{ada.name}: first name changed in {GHL}, last name in {OCTOPUS}. Both edits are kept: Mirelle Quarrington."
    )
    edits.both(ada, "first name", "Mirelle")
    edits.both(ada, "last name", "Quarrington")

    octopus.edit_as_user(bram.octopus_ids[0], {"fields": {"LastName": "Eastwood"}})
    ghl.edit_as_user(bram.ghl_ids[0], {"lastName": "Westwood"})
    edits.sentences.append(
        f"{bram.name}: last name changed on both sides, to Eastwood in {OCTOPUS} and then to Westwood in {GHL}. "
        "The rule decides: Westwood."
    )
    edits.both(bram, "last name", "Westwood")

    _edit_tags(world, edits, tagged, removed, added)
    _retype(world, edits, cleo)

    ghl.edit_as_user(dario.ghl_ids[0], {"source": "trade fair"})
    octopus.edit_as_user(edda.octopus_ids[0], {"fields": {"Source": "newsletter"}})
    edits.sentences.append(
        f"{dario.name}: source changed in {GHL}. It arrives in {OCTOPUS}. {edda.name}: source changed in {OCTOPUS}. "
        "It stays there, for this field goes one way."
    )
    edits.both(dario, "source", "trade fair")

    address = "new." + finn.email
    ghl.edit_as_user(finn.ghl_ids[0], {"email": address})
    edits.sentences.append(f"{finn.name}: e-mail address changed in {GHL}. {OCTOPUS} gets the new address, not a second contact.")
    edits.both(finn, "e-mail", address)

    ghl.delete_as_user(greta.ghl_ids[0])
    edits.sentences.append(f"{greta.name}: deleted in {GHL}. In {OCTOPUS} the contact is unsubscribed, not deleted.")

    _add_people(world, edits)
    return edits


def _edit_tags(world: World, edits: Edits, who: Resident, removed: str | None, added: str) -> None:
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    before = _row(ghl.contacts(), who.ghl_ids[0]).get("tags", [])
    ghl.edit_as_user(who.ghl_ids[0], {"tags": sorted({*before, added})})
    after = {*before, added} - {removed}
    if removed is not None:
        octopus.edit_as_user(who.octopus_ids[0], {"tags": {removed: False}})
    told = f" and tag {removed} removed in {OCTOPUS}. Both happen on both sides." if removed else f". It arrives in {OCTOPUS}."
    edits.sentences.append(f"{who.name}: tag {added} added in {GHL}{told}")
    edits.both(who, "tags", frozenset(after))


def _retype(world: World, edits: Edits, who: Resident) -> None:
    """The same number and address, written in another way: nothing has changed, so nothing may be written."""
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    quiet = Quiet(
        name=who.name,
        ids=frozenset({*who.ghl_ids, *who.octopus_ids}),
        ghl_seq=len(ghl.truth),
        octopus_seq=len(octopus.truth),
    )
    number = str(_row(ghl.contacts(), who.ghl_ids[0])["phone"])
    typed = str(_row(octopus.contacts(), who.octopus_ids[0])["fields"]["Phone"])
    other = next(each for seed in range(99) if (each := written_phone(Random(seed), number)) != typed)  # noqa: S311
    octopus.edit_as_user(who.octopus_ids[0], {"fields": {"Phone": other}})
    ghl.edit_as_user(who.ghl_ids[0], {"email": who.email.upper()})
    edits.sentences.append(
        f"{who.name}: phone typed again in {OCTOPUS} as {other}, e-mail address in {GHL} in capitals. "
        "They are the same, so nothing is written."
    )
    edits.quiet.append(quiet)


def _add_people(world: World, edits: Edits) -> None:
    for number, (system, vendor, fields) in enumerate(
        ((GHL, world.sandbox.ghl, ghl_fields), (OCTOPUS, world.sandbox.octopus, octopus_fields))
    ):
        someone = invent(world.random, 30_000 + number)
        made = vendor.create_as_user(fields(someone))
        other = OCTOPUS if system is GHL else GHL
        edits.sentences.append(f"{someone.full_name}: added in {system}. A contact is made in {other}, once.")
        edits.expected.append(Expected(id=made["id"], field="e-mail", value=someone.email))


def _someone_tagged(world: World) -> tuple[Resident, str | None, str]:
    """Somebody with a tag to take away and a tag to give; where nobody has one, only the giving."""
    everybody = world.people.of(Part.BOTH)
    known = world.sandbox.octopus.options.tags
    for someone in everybody:
        held = _row(world.sandbox.octopus.contacts(), someone.octopus_ids[0])["tags"]
        lacking = [tag for tag in known if tag not in held]
        if held and lacking:
            return someone, held[0], lacking[0]
    return everybody[0], None, known[0]


def _row(rows: Iterable[Json], number: str) -> Json:
    return next(row for row in rows if row["id"] == number)


def told(sentences: Sequence[str]) -> list[str]:
    """The sentences, numbered."""
    return [f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1)]
