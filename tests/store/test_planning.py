"""The list of links to plan, and the index of match keys."""

from __future__ import annotations

from syncd.core.outcome import Operation
from syncd.store import links, outbox, planning
from tests.store.build import EMAIL, NAME, OTHER, A, B, S, item, lease, linked, owe, planned, write


def test_an_item_is_on_the_list_once(tx):
    """Put on again it is one item, marked as changed since, with its last cause."""
    planning.enqueue(tx, [item()], 5, "first")
    planning.enqueue(tx, [item()], 5, "second")

    assert [(item(), 6, "second")] == [(each.item, each.since, each.cause) for each in planning.due(tx, S, 10)]
    assert 1 == planning.waiting(tx, S)


def test_an_item_put_on_again_meanwhile_stays(tx):
    """Only what was planned leaves the list; what happened since is planned again, even within the same microsecond."""
    planning.enqueue(tx, [item("1"), item("2")], 5, "test")
    taken = planning.due(tx, S, 10)
    planning.enqueue(tx, [item("1")], 5, "again")
    planning.done(tx, taken)

    assert [item("1")] == planned(tx)


def test_the_oldest_come_first(tx):
    """And every sync has its own list."""
    planning.enqueue(tx, [item("1")], 9, "test")
    planning.enqueue(tx, [item("2")], 5, "test")
    planning.enqueue(tx, [item("3", sync=OTHER)], 1, "test")

    assert [item("2"), item("1")] == planned(tx)
    assert [item("2")] == planned(tx, 1)


def test_an_item_waits_for_its_links_write(tx):
    """While a call to any member of its link is on its way an item is not due; of one in doubt only its own record's item waits. A write
    that is not sent yet holds nothing up."""
    link = linked(tx, "1")
    planning.enqueue(tx, [item("1"), item("1", B), item("2")], 5, "test")
    owe(tx, link)
    assert 3 == len(planned(tx))
    (owed,) = lease(tx, 0)
    outbox.mark_sent(tx, [owed], 1)

    assert [item("2")] == planned(tx)
    outbox.settle(tx, owed, outbox.State.UNKNOWN, 2, due_at=9)
    assert [item("1"), item("2")] == planned(tx)
    outbox.settle(tx, owed, outbox.State.DONE, 3)
    assert 3 == len(planned(tx))


def test_everybody_waits_for_an_end_that_is_in_doubt(tx):
    """Whether a record was deleted is the whole link's affair."""
    link = linked(tx, "1")
    planning.enqueue(tx, [item("1"), item("1", B)], 5, "test")
    owe(tx, link, what=write(operation=Operation.DELETE))
    (owed,) = lease(tx, 0)
    outbox.mark_sent(tx, [owed], 1)
    outbox.settle(tx, owed, outbox.State.UNKNOWN, 2, due_at=9)

    assert [] == planned(tx)


def index(tx, *items):
    """Indexes what is not yet; `items` gives keys by number."""
    keys = dict(items)
    return planning.index_keys(tx, [(each, keys.get(each.item, {})) for each in planning.unindexed(tx, S, 10)])


def test_records_that_share_a_key_are_kin(tx):
    """Kin are found by any of the keys, in their own sync, with all the keys they show."""
    planning.enqueue(tx, [item("1"), item("2"), item("3", B)], 5, "test")
    index(tx, (item("1"), {EMAIL: "x"}), (item("2"), {EMAIL: "y", NAME: "n"}), (item("3", B), {EMAIL: "x", NAME: "n"}))

    assert {item("1"): {EMAIL: "x"}, item("3", B): {EMAIL: "x", NAME: "n"}} == {each.item: each.keys for each in planning.kin(tx, S, [(EMAIL, "x")])}
    assert 3 == len(planning.kin(tx, S, [(EMAIL, "x"), (NAME, "n")]))
    assert [] == planning.kin(tx, OTHER, [(EMAIL, "x")])


def test_an_item_is_indexed_once(tx):
    """Until it is put on the list again; an item put on meanwhile is not taken for indexed."""
    planning.enqueue(tx, [item("1")], 5, "test")
    taken = planning.unindexed(tx, S, 10)
    planning.enqueue(tx, [item("1")], 6, "again")
    planning.index_keys(tx, [(each, {EMAIL: "x"}) for each in taken])

    assert [item("1")] == [each.item for each in planning.unindexed(tx, S, 10)]
    index(tx, (item("1"), {EMAIL: "x"}))
    assert [] == planning.unindexed(tx, S, 10)


def test_a_changed_key_concerns_the_unlinked_who_share_it(tx):
    """Whoever shares the old or the new key and has no link is to be looked at again; the linked are not."""
    link = linked(tx, "5")
    assert link
    planning.enqueue(tx, [item("1"), item("2"), item("3", B), item("5")], 5, "test")
    index(tx, (item("1"), {EMAIL: "old"}), (item("2"), {EMAIL: "old"}), (item("3", B), {EMAIL: "new"}), (item("5"), {EMAIL: "new"}))
    planning.done(tx, planning.due(tx, S, 10))
    planning.enqueue(tx, [item("1")], 9, "edited")

    assert [item("2"), item("3", B)] == sorted(index(tx, (item("1"), {EMAIL: "new"})))
    planning.enqueue(tx, [item("1")], 10, "seen again")
    assert [] == index(tx, (item("1"), {EMAIL: "new"}))


def test_a_record_without_keys_leaves_the_index(tx):
    """Gone, or blank: nobody is kin to it any more."""
    planning.enqueue(tx, [item("1")], 5, "test")
    index(tx, (item("1"), {EMAIL: "x"}))
    planning.enqueue(tx, [item("1")], 6, "deletion")
    index(tx)

    assert [] == planning.kin(tx, S, [(EMAIL, "x")])


def test_members_do_not_mix(tx):
    """The same id in two members is two records."""
    planning.enqueue(tx, [item("1", A), item("1", B)], 5, "test")
    index(tx, (item("1", A), {EMAIL: "x"}), (item("1", B), {EMAIL: "y"}))

    assert [item("1", A)] == [each.item for each in planning.kin(tx, S, [(EMAIL, "x")])]


def test_children_are_woken_by_their_parent(tx):
    """Those that name one of these records are put on the list, whichever side they name it on; others are not."""
    named = {"1": ("contacts", A, "p1"), "2": ("contacts", B, "p9"), "3": ("contacts", A, "p2"), "4": ("other", A, "p1")}
    for number, parent in named.items():
        planning.enqueue(tx, [item(number)], 0, "test")
        (due,) = [each for each in planning.unindexed(tx, S, 9) if each.item == item(number)]
        planning.index_keys(tx, [(due, {planning.child_key("owner"): planning.parent_value(*parent)})])
        planning.done(tx, planning.due(tx, S, 9))
    parents = [planning.PlanItem("contacts", A, "p1"), planning.PlanItem("contacts", B, "p9")]
    assert planning.has_children(tx)
    planning.wake_children(tx, parents, 5)

    assert [item("1"), item("2")] == sorted(each.item for each in planning.due(tx, S, 9))


def test_linking_wakes_children_once(tx):
    """A parent's link wakes them when a record joins it, not whenever it is saved."""
    planning.enqueue(tx, [item("c")], 0, "test")
    planning.index_keys(tx, [(planning.unindexed(tx, S, 9)[0], {planning.child_key("owner"): planning.parent_value(OTHER, A, "1")})])
    planning.done(tx, planning.due(tx, S, 9))
    link = linked(tx, "1", sync=OTHER)
    first = [each.item for each in planning.due(tx, S, 9)]
    planning.done(tx, planning.due(tx, S, 9))
    links.save(tx, list(links.load(tx, [link]).values()), 7)

    assert ([item("c")], []) == (first, [each.item for each in planning.due(tx, S, 9)])
