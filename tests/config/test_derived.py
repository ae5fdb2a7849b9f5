"""Rows that are derived from other records: what they mean, and every mistake in them."""

from __future__ import annotations

import pytest

from syncd.config.digest import digest
from syncd.core.derive import Take
from syncd.core.record import FieldName, MemberName, SyncName

JOBS = 'jobs = { type = "number", derive = { from = "crm/jobs", by = "contactId", take = "count" }, mail = "fields.Jobs" }\n'
TITLE = 'jobs = { derive = { from = "crm/jobs", by = "contactId", take = "last", field = "title", order = "due" }, mail = "fields.Job" }\n'
DUE = 'jobs = { type = "date", derive = { from = "crm/jobs", by = "contactId", take = "next", field = "due" }, mail = "fields.Due" }\n'


def test_a_derived_row(checking, good):
    """It is its member's alone to say, and everybody else's to be told."""
    where = ', where = { field = "done", op = "ne", value = true } }, mail'
    report = checking(good + TITLE.replace(" }, mail", where))

    assert () == report.problems
    assert report.settings is not None
    rules = report.settings.syncs[SyncName("people")]
    rule = rules.fields[FieldName("jobs")]
    assert rule.derived is not None
    assert (Take.LAST, "title", "due", "done ne True") == (rule.derived.take, rule.derived.path, rule.derived.order, rule.derived.where.text)
    assert ({"crm"}, {"mail"}, "crm") == (set(rule.sources), set(rule.targets), rule.owner)
    assert not rule.members[MemberName("crm")].writable
    assert {("crm", "contacts"), ("crm", "jobs"), ("mail", "contacts@L1")} == rules.places


@pytest.mark.parametrize("row", [JOBS, DUE])
def test_the_other_kinds(checking, good, row):
    """A count is a number, the next is a date or an instant."""
    assert () == checking(good + row).problems


def test_the_digest_knows_it(checking, good):
    """Deriving it in another way is another meaning."""
    rules = [checking(good + row).settings.syncs[SyncName("people")] for row in (TITLE, TITLE.replace("last", "next").replace(', order = "due"', "").replace('"title"', '"due"').replace("{ derive", '{ type = "date", derive'), TITLE)]
    one, other, again = map(digest, rules)

    assert one != other
    assert one == again


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (JOBS.replace("crm/jobs", "crm/jobz"), 'crm has no collection "jobz"'),
        (JOBS.replace("crm/jobs", "crn/jobs"), "no member is named `crn`"),
        (JOBS.replace("crm/jobs", "crm/whispers"), "cannot be listed"),
        (JOBS.replace("crm/jobs", "mail/contacts").replace("mail =", "crm =").replace("fields.Jobs", "custom.jobs"), "told apart by `list`"),
        (JOBS.replace("contactId", "contactID"), 'jobs show no field "contactID"'),
        (JOBS.replace(', by = "contactId"', ""), "says no `by`"),
        (JOBS.replace('from = "crm/jobs", ', ""), "says no `from`"),
        (JOBS.replace(', take = "count"', ""), "says no `take`"),
        (JOBS.replace('"count"', '"sum"'), '"sum" is none of its words'),
        (JOBS.replace('"number"', '"text"'), "counts, and this row's type is text"),
        (JOBS.replace('"count"', '"count", order = "due"'), "does nothing beside a count"),
        (TITLE.replace(', field = "title"', ""), "says no `field`"),
        (TITLE.replace(', order = "due"', ""), "says no `order`"),
        (TITLE.replace('"due"', '"done"'), "is no moment but a bool"),
        (TITLE.replace('"title"', '"labels"'), "holds several values"),
        (DUE.replace('"due"', '"title"'), "is no moment but a text"),
        (DUE.replace('type = "date", ', ""), "takes a moment"),
        (DUE.replace('field = "due"', 'field = "due", order = "due"'), "does nothing beside `next`"),
        (JOBS.replace('"count"', '"count", where = { field = "finished", op = "exists" }'), 'jobs have no field "finished"'),
        (JOBS.replace('"count"', '"count", where = { op = "exists" }'), "needs `field`"),
        (JOBS.replace("mail =", 'owner = "mail", mail ='), "does nothing beside `derive`"),
        (JOBS.replace("mail =", 'direction = "mail -> crm", mail ='), "does nothing beside `derive`"),
        (JOBS.replace("mail =", 'crm = "custom.jobs", mail ='), "holds no such field itself"),
        (JOBS.replace(', mail = "fields.Jobs"', ""), "no member takes it"),
        (JOBS.replace('mail = "fields.Jobs"', 'mail = "id"'), "is read-only, and this row would write it"),
    ],
)  # fmt: skip
def test_every_mistake(checking, good, row, said):
    """Each is one problem, in the row, in words."""
    report = checking(good + row)

    assert [said] == [said for each in report.problems if said in str(each)], [str(each) for each in report.problems]
    assert 1 == len(report.problems), [str(each) for each in report.problems]


def test_nobody_is_told_apart_by_it(checking, good):
    """Neither as a match key nor as a condition: it makes no record."""
    report = checking(good.replace('match = ["email", "phone"]', 'match = ["email", "jobs"]') + JOBS)
    asked = checking(good.replace('field = "email", op = "exists"', 'field = "jobs", op = "exists"') + JOBS)

    assert ["derived" in str(each) for each in report.problems] == [True]
    assert ["nobody takes part" in str(each) for each in asked.problems] == [True]
