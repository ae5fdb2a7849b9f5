"""What is ActiveTrail's own in reading: numbered pages, groups beside contacts, passes that are resumed, and how fast it may be asked."""

from __future__ import annotations

import anyio
import pytest

from syncd.connectors.activetrail.pace import AdaptiveBudget
from syncd.connectors.base import Update
from syncd.connectors.budgets import Limits
from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.errors import Unavailable
from syncd.core.record import CollectionName, SystemName
from tests.connectors.conftest import account

CONTACTS = CollectionName("contacts")
DAY_S = 86_400


def seed(bench, count, *, groups=("customer",)) -> list[str]:
    at = bench.vendor.account.clock() - 1_000 * DAY_S
    return [bench.vendor.seed({"email": f"p{number}@b.co", "groups": list(groups)}, at=at)["id"] for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("first_page", [0, 1])
@pytest.mark.parametrize("known", [True, False])
async def test_a_pass_shows_everybody_once(open_bench, count, first_page, known):
    """Whatever number pages begin at, whether that is known or not, and however long ago people came."""
    settings = {"first_page": first_page} if known else {}
    bench = await open_bench("activetrail", first_page=first_page, page_zero="first", settings=settings)
    ids = seed(bench, count)
    shown = [record.ref.id for page in await bench.pages() for record in page.records]

    assert ids == sorted(shown)
    assert bench.truth() == await bench.listed()


async def test_a_pass_costs_its_pages_and_those_of_the_groups(open_bench):
    """And one empty page a listing, which alone is its end."""
    bench = await open_bench("activetrail", settings={"first_page": 1})
    seed(bench, 250)
    await bench.connector.discover(CONTACTS)
    bench.vendor.stats.reset()
    await bench.pages()

    # 250 contacts in one of three groups: three pages and an empty one, and for each empty group one.
    assert {"list-contacts": 4, "list-groups": 2, "list-group-members": 4 + 2} == dict(bench.vendor.stats.requests)


async def test_members_beyond_a_short_page_are_members(open_bench):
    """What is hidden makes a page short; those after it have not left the group."""
    bench = await open_bench("activetrail", deletes="hidden")
    ids = seed(bench, 250)
    bench.delete_as_user(ids[3])
    listed = await bench.listed()

    assert 249 == len(listed)
    assert {("customer",)} == {tuple(row["tags"]) for row in listed.values()}


async def test_what_was_read_since_the_pass_began_is_shown(open_bench):
    """Groups are gone through at the start of a pass; a contact that we changed or read since is shown as it was read."""
    bench = await open_bench("activetrail", settings={"first_page": 1})
    ids = seed(bench, 250)
    page = await bench.connector.page(CONTACTS)
    await bench.connector.update([Update(ref=bench.ref(ids[200]), changes={"groups": ["vip"]}, before={"groups": ["customer"]})])
    bench.edit_as_user(ids[201], tags=["newsletter"])
    await bench.connector.get(bench.ref(ids[201]))
    rows = {}
    while page.next is not None:
        page = await bench.connector.page(CONTACTS, token=page.next)
        rows |= {record.ref.id: record.fields["groups"] for record in page.records}

    assert (["vip"], ["newsletter"], ["customer"]) == (rows[ids[200]], rows[ids[201]], rows[ids[202]])


async def test_what_is_read_while_the_groups_are_gone_through_counts(open_bench):
    """A contact that left a group after that group was gone through is shown as it was read."""
    bench = await open_bench("activetrail", settings={"first_page": 1})
    ids = seed(bench, 3)
    # The first group takes a page and an empty one; the second group keeps us waiting.
    bench.vendor.faults.add("list-group-members", "slow", seconds=0.2, skip=2)
    pages = []

    async def read() -> None:
        pages.append(await bench.connector.page(CONTACTS))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        while bench.vendor.stats.requests["list-group-members"] < 3:
            await anyio.sleep(0)
        bench.edit_as_user(ids[1], tags=[])
        await bench.connector.get(bench.ref(ids[1]))

    assert [["customer"], None, ["customer"]] == [record.fields["groups"] for record in pages[0].records]


async def test_every_pass_goes_through_the_groups_anew(open_bench):
    """Nobody told of what people did to them since the last one."""
    bench = await open_bench("activetrail")
    ids = seed(bench, 3)
    await bench.listed()
    bench.edit_as_user(ids[1], tags=["vip"])

    assert bench.truth() == await bench.listed()


async def test_a_pass_is_resumed_by_a_successor(open_bench):
    """Its token is all that is handed over; groups are gone through again."""
    bench = await open_bench("activetrail")
    ids = seed(bench, 250)
    page = await bench.connector.page(CONTACTS)
    page = await bench.connector.page(CONTACTS, token=page.next)
    kind = KINDS["activetrail"]
    settings = kind.settings(**account(bench.vendor))
    rows = {}
    async with open_connector(kind, SystemName("bench"), settings, clock=SystemClock()) as opened:
        while page.next is not None:
            page = await opened.connector.page(CONTACTS, token=page.next)
            rows |= {record.ref.id: record.fields["groups"] for record in page.records}

    assert set(ids[100:]) == set(rows)
    assert {("customer",)} == {tuple(groups) for groups in rows.values()}


async def test_a_listing_that_does_not_get_on_is_an_error(open_bench):
    """A vendor that shows the same page for ever would never let a pass end."""
    bench = await open_bench("activetrail", settings={"first_page": 1})
    seed(bench, 250)
    page = await bench.connector.page(CONTACTS)
    token = {**page.next, "page": 1}
    assert [] == list((await bench.connector.page(CONTACTS, token=token)).records)
    page = await bench.connector.page(CONTACTS, token=page.next)
    with pytest.raises(Unavailable):
        await bench.connector.page(CONTACTS, token={**page.next, "page": 2})


@pytest.mark.parametrize(("wish", "paused"), [(7, 7.0), (None, 0.0002)])
async def test_a_refusal_is_waited_out_by_everybody(open_bench, wish, paused):
    """As long as the vendor says, or, where it does not, as long as the pace (here 10,000 a second, now half) takes to forgive."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email="a@b.co")
    bench.vendor.faults.add("get-contact", "rate_limited", **({} if wish is None else {"retry_after_s": wish}))
    with pytest.raises(Unavailable) as caught:
        await bench.connector.get(bench.ref(record_id))
    left = bench.quota.snapshot().paused_s

    assert wish == caught.value.retry_after_s
    assert 0 <= left <= paused * 2
    assert wish is None or left > wish / 2


async def test_a_vendor_that_is_overloaded_slows_us_down(open_bench):
    """A 503 says the same as a 429; any other 5xx does not."""
    bench = await open_bench("activetrail")
    record_id = bench.create_as_user(email="a@b.co")
    paces = []
    for status in (500, 503):
        bench.vendor.faults.add("get-contact", "error_before", status=status)
        with pytest.raises(Unavailable):
            await bench.connector.get(bench.ref(record_id))
        paces.append(bench.quota._budget.per_s)

    assert [10_000, 5_000] == paces


class Refuser:
    """A vendor that bears `per_s` calls a second and says nothing of it; time moves by what the budget makes us wait."""

    def __init__(self, budget: AdaptiveBudget, per_s: float) -> None:
        self.budget, self.per_s = budget, per_s
        self.now, self.level, self.served, self.refused = 0.0, 2.0, 0, 0

    def call(self) -> None:
        wait_s = self.budget.wait_s(self.now)
        self._pass(wait_s)
        self.budget.take(self.now)
        sent_at = self.now
        self._pass(0.05)
        allowed = self.level >= 1
        self.level -= allowed
        self.served += allowed
        self.refused += not allowed
        self.budget.learn(Limits(refused=not allowed), sent_at=sent_at, now=self.now)
        self.budget.give_back(self.now)
        if not allowed:
            self._pass(self.budget.interval_s)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.level = min(2.0, self.level + seconds * self.per_s)


@pytest.mark.parametrize("bears", [0.3, 1.0, 2.0, 3.0, 20.0])
def test_the_pace_finds_what_the_vendor_bears(bears):
    """Within an hour hardly a call is refused, and most of what is borne, or allowed, is used."""
    vendor = Refuser(AdaptiveBudget(per_s=2.0, most_per_s=5.0), bears)
    while vendor.now < 3_600:
        vendor.call()

    assert vendor.refused <= 0.02 * vendor.served + 5
    assert vendor.served >= 0.7 * min(bears, 5.0) * 3_600


def test_the_pace_begins_as_agreed_and_never_exceeds_the_most():
    """Two calls at once after a rest, then one every half second."""
    budget = AdaptiveBudget(per_s=2.0, most_per_s=2.0)
    waits = []
    for _ in range(4):
        waits.append(budget.wait_s(0.0))
        budget.take(0.0)
    for at in range(0, 10_000, 20):
        budget.learn(Limits(), sent_at=at, now=at)

    assert [0.0, 0.0, 0.5, 1.0] == waits
    assert 2.0 == budget.per_s


def test_refusals_of_one_burst_count_once():
    """Calls that were out when the first was refused speak of the old pace."""
    budget = AdaptiveBudget(per_s=4.0, most_per_s=8.0)
    budget.learn(Limits(), sent_at=0.0, now=0.1)
    for now in (1.0, 1.1, 1.2):
        budget.learn(Limits(refused=True), sent_at=0.9, now=now)
    once = budget.per_s
    budget.learn(Limits(refused=True), sent_at=5.0, now=5.1)

    assert (2.0, 1.0) == (once, budget.per_s)
    assert 2.0 == budget.interval_s


def test_a_refusal_is_forgotten_in_time():
    """The pace grows back to just below where it was refused, and after an hour beyond."""
    budget = AdaptiveBudget(per_s=2.0, most_per_s=5.0)
    budget.learn(Limits(), sent_at=0, now=0)
    budget.learn(Limits(refused=True), sent_at=1, now=1)
    paces = {}
    for at in range(2, 5_000):
        budget.learn(Limits(), sent_at=at, now=at)
        paces[at] = budget.per_s

    assert (1.8, 1.8) == (pytest.approx(paces[200]), pytest.approx(paces[3_590]))
    assert 5.0 == paces[4_999]


def test_a_successor_goes_on_at_the_pace_that_was_learnt():
    """And within what is allowed now; no burst is gained by a restart."""
    before = AdaptiveBudget(per_s=2.0, most_per_s=5.0)
    before.learn(Limits(), sent_at=0, now=0)
    before.learn(Limits(refused=True), sent_at=1, now=1)
    after, lower = AdaptiveBudget(per_s=2.0, most_per_s=5.0), AdaptiveBudget(per_s=0.5, most_per_s=0.5)
    for each in (after, lower):
        each.restore(before.save(1), elapsed_s=0.0, now=100)

    assert (1.0, 0.5) == (after.per_s, lower.per_s)
    assert 1.0 == after.wait_s(100)
    assert 3.0 == after.eta_s(3, 100)


@pytest.mark.parametrize("first_page", [0, 1])
async def test_every_group_and_mailing_list_is_told_of(open_bench, first_page):
    """Whatever the contacts show of them, by name and number, and whichever number the first page has."""
    groups = tuple(f"group {number:03}" for number in range(130))
    bench = await open_bench("activetrail", first_page=first_page, groups=groups, mailing_lists=("Weekly", "Monthly"))
    imports = next(number for number, name in bench.vendor.account.groups.items() if name == "group 002")
    kind, clock = KINDS["activetrail"], SystemClock()
    options = kind.settings(**account(bench.vendor), show_groups=False, import_group=imports)
    async with open_connector(kind, SystemName("trail"), options, clock=clock) as opened:
        found = await kind.survey(options, opened.session)

    assert list(groups) == sorted(each.name for each in found["groups"])
    assert ["Monthly", "Weekly"] == sorted(each.name for each in found["mailing lists"])
    assert [("group 002", str(imports))] == [(each.name, each.id) for each in found["groups"] if each.about == "for imports"]
    assert 130 == len({each.id for each in found["groups"]})
