"""ActiveTrail's import: many contacts in one call, each answered; and the queue where pairs that belong to two contacts wait."""

from __future__ import annotations

import pytest

from syncd.connectors.base import Created, Exists
from syncd.core.errors import Effect, Rejected, Unavailable
from syncd.core.record import CollectionName

CONTACTS = CollectionName("contacts")


async def opened(open_bench, *, show_mailing_lists=False, **options):
    """A bench whose connector imports into a group of its own."""
    first = await open_bench("activetrail", **options)
    group = next(number for number, name in first.vendor.account.groups.items() if name == "newsletter")
    settings = {"import_group": group, "show_mailing_lists": show_mailing_lists}
    return await open_bench("activetrail", settings=settings, **options)


def item(bench, number, **more):
    return {**bench.fields(email=f"p{number}@b.co", name=f"N{number}", plan="Gold"), **more}


@pytest.mark.parametrize("first_page", [0, 1])
async def test_a_thousand_are_made_in_one_call(open_bench, first_page):
    """And read back from the group, a hundred at a time; in the order given."""
    bench = await opened(open_bench, first_page=first_page)
    await bench.connector.discover(CONTACTS)
    bench.create_as_user(email="before@b.co", tags=["newsletter"])
    bench.vendor.stats.reset()
    answers = await bench.connector.create_many(CONTACTS, [item(bench, number) for number in range(1_000)])

    assert {Created} == {type(answer) for answer in answers}
    assert [f"p{number}@b.co" for number in range(1_000)] == [answer.record.fields["email"] for answer in answers]
    assert bench.truth()[answers[7].record.ref.id]["plan"] == answers[7].record.fields["custom.ext1"] == "Gold"
    assert 1_001 == len(bench.truth())
    assert 1 == bench.vendor.stats.requests["import-contacts"]
    assert bench.vendor.stats.requests.total() <= 14


async def test_each_is_answered_by_itself(open_bench):
    """What is made, what has to be made by itself, what cannot be sent, and what is not taken."""
    bench = await opened(open_bench)
    items = [item(bench, 0), {"sms": "0501234567"}, item(bench, 0), item(bench, 2, **{"custom.nothing": 1}), {"email": "nobody"}]
    answers = await bench.connector.create_many(CONTACTS, items)

    assert [Created, Unavailable, Unavailable, Rejected, Rejected] == [type(answer) for answer in answers]
    assert "not a valid e-mail address" in answers[4].message
    assert {Effect.NONE} == {answer.effect for answer in answers[1:]}
    assert ["p0@b.co"] == [row["email"] for row in bench.truth().values()]


async def test_they_join_what_they_belong_to(open_bench):
    """A call more for each group and list, not for each contact; a group that is missing is made, and the one for imports is not shown."""
    bench = await opened(open_bench, show_mailing_lists=True)
    await bench.connector.discover(CONTACTS)
    items = [item(bench, number, groups=["vip", "fresh"] if number % 2 else ["vip"], mailing_lists=["Weekly"]) for number in range(40)]
    before = bench.calls()
    answers = await bench.connector.create_many(CONTACTS, items)
    read = await bench.connector.get(answers[1].record.ref)

    assert {Created} == {type(answer) for answer in answers}
    assert ["fresh", "vip"] == sorted(answers[1].record.fields["groups"]) == sorted(read.fields["groups"])
    assert ["Weekly"] == answers[0].record.fields["mailing_lists"] == read.fields["mailing_lists"]
    assert 4 == bench.vendor.stats.requests["import-contacts"]
    assert bench.calls() - before < 40


async def test_a_mark_is_left_on_each(open_bench):
    """By which a contact can be told to be ours."""
    bench = await opened(open_bench)
    answers = await bench.connector.create_many(CONTACTS, [item(bench, number, external_id=f"m{number}") for number in range(3)])

    assert ["m0", "m1", "m2"] == [answer.record.fields["external_id"] for answer in answers]
    assert {f"m{n}": int(answers[n].record.ref.id) for n in range(3)} == {name: who for (_, name), who in bench.vendor.account.marks.items()}


async def test_who_came_meanwhile_is_not_written_over(open_bench):
    """An import changes whoever has the address or the number: whoever has is named instead, and is as before."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    young = bench.create_as_user(email="p0@b.co", name="Theirs")
    old = bench.vendor.seed({"email": "old@b.co", "sms": "0501111111"}, at=1_300_000_000.0)["id"]
    answers = await bench.connector.create_many(CONTACTS, [item(bench, 0), item(bench, 1, sms="0501111111"), item(bench, 2)])

    assert [Exists, Exists, Created] == [type(answer) for answer in answers]
    assert ([young, "email"], [old, "sms"]) == tuple([answer.id, answer.key] for answer in answers[:2])
    assert "Theirs" == bench.truth()[young]["name"]
    assert 3 == len(bench.truth())


async def test_nothing_to_send_is_no_call(open_bench):
    """Where every item is refused before."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    before = bench.calls()
    answers = await bench.connector.create_many(CONTACTS, [{"sms": "050"}])

    assert [Unavailable] == [type(answer) for answer in answers]
    assert before == bench.calls()


async def test_what_waits_to_be_merged_is_said_to(open_bench):
    """Until a person settles it, however late; then it is found as what it became."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    bench.vendor.seed({"email": "ada@b.co", "sms": "0501111111"}, at=1_300_000_000.0)
    bob = bench.vendor.seed({"email": "bob@b.co", "sms": "0502222222"}, at=1_300_000_000.0)["id"]
    # Looked for a moment too early.
    bench.vendor.faults.add("get-contact", "error_before", status=404)
    for _ in range(3):
        bench.vendor.faults.add("list-contacts", "empty_listing")
    items = [{"email": "ada@b.co", "sms": "0502222222"}, item(bench, 0)]
    answers = await bench.connector.create_many(CONTACTS, items)
    waiting = await bench.connector.find(CONTACTS, "email", "ada@b.co")
    bench.vendor.account.settle_merges()
    settled = await bench.connector.find(CONTACTS, "email", "ada@b.co")

    assert [Rejected, Created] == [type(answer) for answer in answers]
    assert "merge queue" in answers[0].message
    assert answers[0].hint
    assert (["0501111111"], ["0502222222"]) == tuple([record.fields["sms"] for record in each] for each in (waiting, settled))
    assert None is await bench.connector.get(bench.ref(bob))


@pytest.mark.parametrize("kind", ["error_after", "hang_after", "reset_after", "bad_json"])
async def test_a_lost_answer_leaves_every_create_in_doubt(open_bench, kind):
    """They are there, and each can be looked for."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    bench.vendor.faults.add("import-contacts", kind)
    with pytest.raises(Unavailable) as caught:
        await bench.connector.create_many(CONTACTS, [item(bench, number) for number in range(3)])

    assert Effect.MAYBE is caught.value.effect
    assert 3 == len(bench.truth())


@pytest.mark.parametrize(("operation", "kind"), [("list-group-members", "error_before"), ("list-group-members", "rate_limited")])
async def test_a_read_back_that_fails_leaves_a_doubt(open_bench, operation, kind):
    """The import was taken; what it made was not seen."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    bench.vendor.faults.add(operation, kind)
    with pytest.raises(Unavailable) as caught:
        await bench.connector.create_many(CONTACTS, [item(bench, 0)])

    assert Effect.MAYBE is caught.value.effect


async def test_what_the_group_does_not_show_is_in_doubt(open_bench):
    """An import that says yes and a group that is empty: nothing is concluded."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    for _ in range(3):
        bench.vendor.faults.add("list-group-members", "empty_listing")
    (answer,) = await bench.connector.create_many(CONTACTS, [item(bench, 0)])

    assert (Unavailable, Effect.MAYBE) == (type(answer), answer.effect)
    assert 1 == len(bench.truth())


async def test_a_refused_import_made_nobody(open_bench):
    """Too many calls: nothing was done, and that is said."""
    bench = await opened(open_bench)
    await bench.connector.discover(CONTACTS)
    bench.vendor.faults.add("import-contacts", "rate_limited", retry_after_s=0)
    with pytest.raises(Unavailable) as caught:
        await bench.connector.create_many(CONTACTS, [item(bench, 0)])

    assert Effect.NONE is caught.value.effect
    assert {} == bench.truth()
