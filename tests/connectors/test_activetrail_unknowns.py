"""ActiveTrail under both answers to each of the four questions that its documentation leaves open: the same end, and the answers found."""

from __future__ import annotations

from itertools import product

import pytest
from aiohttp import ClientSession

from syncd.connectors.activetrail.unknowns import FromDate, judge_first_page, judge_from_date
from syncd.connectors.base import Created, Exists, Update
from syncd.core.record import DAY, CollectionName
from syncd.sandbox import Actor

CONTACTS = CollectionName("contacts")
WORLDS = list(product((0, 1), ("changed", "registered"), ("contact_change", "by_hand"), ("hard", "soft")))


def ago(bench, days) -> float:
    return bench.vendor.account.clock() - days * 86_400


def answers(bench) -> dict[str, object]:
    return {each.setting: each.answer for each in bench.connector.findings()}


def populate(bench, count=230) -> list[str]:
    """So many contacts of long standing, in more than a page of a group."""
    return [
        bench.vendor.seed({"email": f"p{number}@b.co", "first_name": "old", "groups": ["customer"] if number % 2 else []}, at=ago(bench, 400))["id"]
        for number in range(count)
    ]


async def live(bench) -> None:
    """A stretch of life: everything that people and the connector do to contacts, and what each of them sees of the other."""
    ids, page_of = populate(bench), bench.connector
    bench.vendor.delete_as_user(ids[0])
    await page_of.discover(CONTACTS)
    assert bench.truth() == await bench.listed()

    started = int(bench.vendor.account.clock() * 1_000_000)
    made = await bench.connector.create(CONTACTS, bench.fields(email="new@b.co", name="New", tags=["vip"]))
    back = await bench.connector.create(CONTACTS, bench.fields(email="p0@b.co", name="Back"))
    assert [Created, Created if bench.vendor.options.deletes == "hard" else Exists] == [type(made), type(back)]
    changes = [
        Update(ref=bench.ref(ids[1]), changes=bench.fields(name="Ours", tags=["vip"]), before=bench.fields(tags=["customer"])),
        Update(ref=bench.ref(ids[2]), changes=bench.fields(name=None)),
        Update(ref=bench.ref(ids[3]), changes=bench.fields(email="moved@b.co")),
    ]
    assert [each.ref for each in changes] == [each.ref for each in await bench.connector.update(changes)]
    bench.edit_as_user(ids[4], name="Theirs", tags=["newsletter"])
    bench.create_as_user(email="theirs@b.co")

    came_back = back.record.ref.id if isinstance(back, Created) else back.id
    changed = {made.record.ref.id, came_back, *ids[1:5], bench.vendor.contacts()[-1]["id"]}
    lately = await bench.listed(since=started)
    for record_id in changed:
        assert {**bench.truth()[record_id], **lately[record_id]} | {"tags": None} == bench.truth()[record_id] | {"tags": None}

    hinted = {event.ref.id for headers, body in await bench.deliveries() for event in bench.connector.receive(headers, body, 1)}
    assert changed <= hinted
    for record_id in hinted:
        record = await bench.connector.get(bench.ref(record_id))
        assert bench.truth()[record_id] == bench.neutral(record.fields)

    await bench.connector.delete(bench.ref(ids[5]))
    bench.delete_as_user(ids[6])
    assert [None, None] == [await bench.connector.get(bench.ref(each)) for each in ids[5:7]]
    assert bench.truth() == await bench.listed()


def expected() -> dict[str, tuple]:
    """What must be there in the end, by address: name and groups."""
    end = {f"p{number}@b.co": ("old", ["customer"] if number % 2 else None) for number in range(7, 230)}
    return end | {
        "p0@b.co": ("Back", None),
        "p1@b.co": ("Ours", ["vip"]),
        "p2@b.co": (None, None),
        "moved@b.co": ("old", ["customer"]),
        "p4@b.co": ("Theirs", ["newsletter"]),
        "new@b.co": ("New", ["vip"]),
        "theirs@b.co": (None, None),
    }


@pytest.mark.parametrize(("first_page", "from_date", "manual_event", "deletes"), WORLDS)
async def test_the_end_is_the_same_whatever_the_answers(open_bench, first_page, from_date, manual_event, deletes):
    """And by then every answer is known, and right."""
    options = {"first_page": first_page, "from_date": from_date, "manual_event": manual_event, "deletes": deletes}
    bench = await open_bench("activetrail", **options)
    await live(bench)

    assert expected() == {row["email"]: (row["name"], row["tags"]) for row in bench.truth().values()}
    assert {
        "first_page": first_page,
        "from_date": from_date,
        "webhook_events": sorted({"contact_change", manual_event}),
        "deletion": deletes,
    } == answers(bench)
    assert (from_date == "changed") is bench.connector.capabilities(CONTACTS).incremental


@pytest.mark.parametrize("zero", ["refused", "first", "empty"])
@pytest.mark.parametrize("deletes", ["hidden", "soft"])
async def test_the_end_is_the_same_on_the_stranger_readings_too(open_bench, zero, deletes):
    """Page 0 may be many things where pages begin at 1, and what is hidden makes pages short."""
    bench = await open_bench("activetrail", first_page=1, page_zero=zero, deletes=deletes, members_as_array=True, put_reply="contact")
    await live(bench)

    assert expected() == {row["email"]: (row["name"], row["tags"]) for row in bench.truth().values()}
    assert 1 == answers(bench)["first_page"]


@pytest.mark.parametrize("world", WORLDS)
async def test_asking_writes_nothing(open_bench, world):
    """What reading can tell is known after discovery, in a handful of calls; the rest stays open until a write that must be made."""
    bench = await open_bench("activetrail", first_page=world[0], from_date=world[1], manual_event=world[2], deletes=world[3])
    populate(bench, 3)
    log = len(bench.vendor.truth)
    await bench.connector.discover(CONTACTS)

    assert {"first_page": world[0], "from_date": None, "webhook_events": sorted({"contact_change", world[2]}), "deletion": None} == answers(bench)
    assert log == len(bench.vendor.truth)
    assert not bench.connector.capabilities(CONTACTS).incremental
    assert 4 == bench.calls()


async def test_what_is_set_is_not_asked(open_bench):
    """The operator's word stands."""
    told = {"first_page": 1, "from_date": "changed", "webhook_events": ["contact_change"], "deletion": "soft"}
    bench = await open_bench("activetrail", settings=told)
    populate(bench, 3)
    await bench.connector.discover(CONTACTS)

    assert told == answers(bench)
    assert bench.connector.capabilities(CONTACTS).incremental
    assert 1 == bench.calls()


async def test_an_empty_account_tells_nothing_and_is_listed_all_the_same(open_bench):
    """Until somebody is there."""
    for first_page in (0, 1):
        bench = await open_bench("activetrail", first_page=first_page, page_zero="empty")
        await bench.connector.discover(CONTACTS)
        nobody = (answers(bench)["first_page"], await bench.listed())
        bench.create_as_user(email="a@b.co")

        assert (None, {}) == nobody
        assert bench.truth() == await bench.listed()


async def test_a_page_that_is_empty_by_mistake_misleads_nobody(open_bench):
    """Page 0 is asked again before its emptiness is believed; one that stays empty loses a call, never a contact."""
    bench = await open_bench("activetrail", first_page=0)
    populate(bench)
    bench.vendor.faults.add("list-contacts", "empty_listing")
    await bench.connector.discover(CONTACTS)

    assert 0 == answers(bench)["first_page"]
    assert bench.truth() == await bench.listed()


async def test_webhooks_that_may_not_be_seen_are_no_obstacle(open_bench):
    """A token without that permission; the question stays open and everything else is found out."""
    bench = await open_bench("activetrail")
    populate(bench, 3)
    bench.vendor.faults.add("list-webhooks", "error_before", status=403)
    schema = await bench.connector.discover(CONTACTS)

    assert "custom.ext1" in schema.fields
    assert (1, None) == (answers(bench)["first_page"], answers(bench)["webhook_events"])


async def test_a_webhook_that_rests_announces_nothing(open_bench):
    """Only active ones count."""
    bench = await open_bench("activetrail", webhook_events=("contact_change",))
    async with ClientSession(headers={"Authorization": bench.vendor.token}) as client:
        body = {"name": "resting", "event_type": bench.vendor.options.manual_event, "is_active": False}
        async with client.post(bench.vendor.base_url + "/webhooks", json=body) as response:
            assert 201 == response.status
    (events,) = [each for each in await bench.connector.probe() if each.setting == "webhook_events"]

    assert ["contact_change"] == events.answer
    assert "by hand" in events.consequence


@pytest.mark.parametrize("meaning", ["changed", "registered"])
async def test_a_young_contact_teaches_nothing_of_from_date(open_bench, meaning):
    """It is listed either way, so that looking before is enough; and after three such looks nobody looks any more."""
    bench = await open_bench("activetrail", from_date=meaning)
    record_id = bench.create_as_user(email="a@b.co")
    for number in range(5):
        await bench.connector.update([Update(ref=bench.ref(record_id), changes={"first_name": f"N{number}"})])
    looks = bench.vendor.stats.requests["list-contacts"]
    await bench.connector.update([Update(ref=bench.ref(record_id), changes={"first_name": "again"})])

    # A look is two pages while the first one's number is not known.
    assert None is answers(bench)["from_date"]
    assert 3 * 2 == looks == bench.vendor.stats.requests["list-contacts"]


async def test_a_lesson_that_fails_is_not_the_updates_failure(open_bench):
    """The update is done, and the question stays open."""
    bench = await open_bench("activetrail", first_page=0, from_date="changed")
    (record_id,) = populate(bench, 1)
    await bench.connector.discover(CONTACTS)
    for skip in (0, 1):
        bench.vendor.faults.add("list-contacts", "error_before", skip=skip)
        (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes={"first_name": f"N{skip}"})])
        assert f"N{skip}" == answer.fields["first_name"]

    assert None is answers(bench)["from_date"]


async def test_changes_alone_are_listed_once_that_can_be_trusted(open_bench):
    """With a day's overlap, in one call, by whomever they were made; and nothing is said of groups, which no such listing shows."""
    bench = await open_bench("activetrail", from_date="changed", settings={"from_date": "changed", "first_page": 1})
    ids = populate(bench)
    await bench.connector.discover(CONTACTS)
    bench.edit_as_user(ids[7], name="Theirs", tags=["vip"])
    before = bench.calls()
    (page,) = await bench.pages(since=bench.connector._session.clock.now())

    assert [(ids[7], "Theirs")] == [(record.ref.id, record.fields["first_name"]) for record in page.records]
    assert "groups" not in page.records[0].fields
    assert 1 == bench.calls() - before
    assert bench.truth() == await bench.listed()


async def test_the_overlap_covers_any_zone(open_bench):
    """Whatever zone FromDate is read in, nobody falls between two polls."""
    bench = await open_bench("activetrail", from_date="changed", settings={"from_date": "changed", "first_page": 1})
    record_id = bench.vendor.seed({"email": "a@b.co"}, at=ago(bench, 0.6))["id"]
    now = bench.connector._session.clock.now()

    assert {record_id} == set(await bench.listed(since=now))
    assert set() == set(await bench.listed(since=now + DAY))


@pytest.mark.parametrize(
    ("zero", "one", "expected"),
    [
        (None, [1], 1),
        (None, [], 1),
        ([], [1], 1),
        ([1, 2], [1, 2], 1),
        ([1, 2], [3], 0),
        ([1, 2], [], 0),
        ([], [], None),
    ],
)
def test_the_first_page_is_judged_by_what_the_first_two_show(zero, one, expected):
    """Refused, empty, the same, or another."""
    assert expected == judge_first_page(zero, one)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(set(), {1}, FromDate.CHANGED), ({2}, {2}, FromDate.REGISTERED), ({1}, {1}, None), ({1}, set(), None)],
)
def test_from_date_is_judged_by_whom_a_change_brings_in(before, after, expected):
    """Only of a contact that was not listed before."""
    assert expected is judge_from_date(1, before, after)


async def test_own_writes_are_the_only_ones_by_the_api(open_bench):
    """A life under the safe choices alone costs no write more than what was asked for."""
    bench = await open_bench("activetrail")
    await live(bench)
    by_api = [entry for entry in bench.vendor.truth.since() if entry.actor is Actor.API]

    # One contact is made, one that comes back is taken and revived (2), three are updated (3), two join (2), one leaves, one is deleted.
    assert {"create": 1, "update": 9, "delete": 0} == {
        kind: sum(entry.operation == kind for entry in by_api) for kind in ("create", "update", "delete")
    }
