"""References between syncs: rows of type ``ref`` and match keys of several fields."""

from __future__ import annotations

import pytest

from syncd.core.fields import FieldType

NOTES = """
[syncs.notes]
match = ["person+text"]
source_of_truth = "crm"

[syncs.notes.members]
crm = { collection = "contacts" }
mail = { collection = "contacts", list = "L2", create = { email_address = "notes@example.com" } }

[syncs.notes.fields]
person = { type = "ref", to = "people", crm = "firstName", mail = "fields.Person" }
text = { crm = "lastName", mail = "fields.Text" }
"""


def test_a_reference_finds_its_parents(good, checking):
    """Each member's parent is the member of the other sync in the same system."""
    rules = checking(good + NOTES).settings.syncs["notes"]
    row = rules.fields["person"]

    assert (FieldType.REF, "people", ("person+text",)) == (row.type, row.to, rules.match)
    assert {"crm": "crm", "mail": "mail"} == {name: held.parent for name, held in row.members.items()}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('to = "people", ', "", 'syncs.notes.fields.person.type: a reference says of which sync\'s records it is; write to = "contacts"'),
        ('to = "people"', 'to = "poeple"', "syncs.notes.fields.person.to: there is no other sync named `poeple`; did you mean `people`?"),
        ('to = "people"', 'to = "notes"', "syncs.notes.fields.person.to: there is no other sync named `notes`; known here: people"),
        ("text = { crm", 'text = { to = "people", crm', 'syncs.notes.fields.text.to: only a reference has `to`, and this row\'s type is text; write type = "ref"'),
        ('"person+text"', '"person+txt"', "syncs.notes.match[0]: `txt` is no field of this sync; did you mean `text`?"),
        ('"person+text"', '"person"', 'syncs.notes.match[0]: `person` is a ref, which tells nobody apart; match by it together with another field: "person+…"'),
    ],
    ids=["whose", "misspelt", "itself", "no reference", "no such part", "alone"],
)
def test_mistakes(good, checking, old, new, expected):
    """Each is said once, at its place, with its mend."""
    assert old in NOTES
    problems = checking(good + NOTES.replace(old, new)).problems

    assert [expected] == [str(each).split(": ", 1)[1] for each in problems]


def test_a_parent_without_that_system(good, checking):
    """Where a side's ids cannot be told, the reference is refused there."""
    alone = good.replace('mail = { collection = "contacts", list = "L1"', 'mail = { system = "crm", collection = "contacts"').replace(
        ', create = { status = "subscribed" }, archive = { status = "unsubscribed" }', ""
    )
    problems = [str(each) for each in checking(alone + NOTES).problems]

    assert any("`people` has no member in mail, so nobody can tell whose mail is" in each for each in problems)
    assert any("`people` has more than one member in crm" in each for each in problems)
