"""Observations: newer wins whatever the order, only news is news, suspects collect proof, a pass shows what it lacked."""

from __future__ import annotations

import pytest

from syncd.core.link import Interval
from syncd.store import inbox, observations, planning, suspects
from tests.store.build import PLACE_A, ROUTES, item, look, observe, planned, ref


def shown(tx, number="1"):
    found = observations.load(tx, [ref(number)]).get(ref(number))
    return None if found is None else found.fields


def doubted(tx, now=10**9):
    return [(each.ref.id, each.evidence, each.missing_at) for each in suspects.due(tx, ref().system, now, 10)]


def test_news_is_answered_and_put_on_the_list(tx):
    """What a record shows for the first time, or differently, is news for every sync that reads it; a repeat is not."""
    assert {ref()} == observe(tx, look(at=1))
    assert [item()] == planned(tx)
    planning.done(tx, planning.due(tx, "s", 10))

    assert set() == observe(tx, look(at=2))
    assert [] == planned(tx)
    assert {ref()} == observe(tx, look(at=3, fields={"name": "Ben"}))
    assert [item()] == planned(tx)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (look(at=5, fields={"name": "new"}), look(at=4, fields={"name": "old"}), "new"),
        (look(at=4, fields={"name": "old"}), look(at=5, fields={"name": "new"}), "new"),
        (look(at=4, modified=9, fields={"name": "new"}), look(at=5, modified=8, fields={"name": "lagging"}), "new"),
        (look(at=4, modified=9, fields={"name": "a"}), look(at=5, modified=9, fields={"name": "b"}), "b"),
        (look(at=4, modified=9, fields={"name": "a"}), look(at=5, fields={"name": "b"}), "b"),
    ],
    ids=["older look later", "in order", "later look at an older state", "same modified time", "no modified time"],
)
def test_the_newer_state_wins(tx, first, second, expected):
    """Two looks at one record leave the newer state, in whatever order they come in."""
    observe(tx, first)
    observe(tx, second)

    assert {"name": expected} == shown(tx)


def test_the_newer_of_two_looks_in_one_batch_wins(tx):
    """One listing may show a record twice."""
    observe(tx, look(at=1, modified=2, fields={"name": "new"}), look(at=1, modified=1, fields={"name": "old"}))

    assert {"name": "new"} == shown(tx)


def test_a_look_that_shows_nothing_new_still_proves_presence(tx):
    """The time and the pass move; a time that is not shown takes nothing away."""
    observe(tx, look(at=1, modified=5, pass_id=1))
    observe(tx, look(at=9, pass_id=2))

    assert (9, 5) == tuple(getattr(observations.load(tx, [ref()])[ref()], name) for name in ("seen_at", "modified_at"))
    assert ([], 1) == observations.missing(tx, PLACE_A, 2, 8)


def test_an_outdated_look_does_not_prove_an_older_state(tx):
    """A listing that lags behind a read neither takes its state nor says it was seen later with it."""
    observe(tx, look(at=5, modified=9, fields={"name": "new"}))
    observe(tx, look(at=7, modified=8, fields={"name": "old"}, pass_id=3))

    assert {"name": "new"} == shown(tx)
    assert 9 == observations.load(tx, [ref()])[ref()].modified_at


def hinted(tx):
    return [each.ref.id for each in inbox.due(tx, ref().system, 10**9, quiet=0, quiet_max=0, limit=10)]


@pytest.mark.parametrize("second", [(15, 25), (5, 25), (12, 18), (5, 15)], ids=["later", "around", "within", "earlier"])
@pytest.mark.parametrize(("settles", "expected"), [(False, "a"), (True, "b")], ids=["reading", "answer to our write"])
def test_readings_that_overlap_and_differ_are_read_again(tx, second, settles, expected):
    """Which of the two is the later state only another reading tells; meanwhile what a write is settled upon stands."""
    observe(tx, look(at=10, read_at=20, fields={"name": "a"}))
    observe(tx, look(at=second[0], read_at=second[1], fields={"name": "b"}, settles=settles))

    assert {"name": expected} == shown(tx)
    assert ["1"] == hinted(tx)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (look(at=20, read_at=30, fields={"name": "b"}), "b"),
        (look(at=5, read_at=10, fields={"name": "b"}), "a"),
        (look(at=15, read_at=25, fields={"name": "a"}), "a"),
        (look(at=15, read_at=25, fields={"name": "a", "city": "x"}), "a"),
        (look(at=15, read_at=25, modified=2, fields={"name": "b"}), "b"),
        (look(at=15, read_at=25, modified=0, fields={"name": "b"}), "a"),
    ],
    ids=["after", "before", "alike", "alike and more", "newer by the vendor's clock", "older by the vendor's clock"],
)
def test_readings_whose_order_is_known(tx, second, expected):
    """One that began after the other's answer, shows the same, or has another modified time, needs no further look."""
    observe(tx, look(at=10, read_at=20, modified=1 if second.record.modified_at is not None else None, fields={"name": "a"}))
    observe(tx, second)

    assert expected == shown(tx)["name"]
    assert [] == hinted(tx)


def test_a_vendors_time_that_went_back_is_believed_in_the_end(tx):
    """An older modified time is a stale read at first; a quarter of an hour later it is what the vendor holds."""
    observe(tx, look(at=0, modified=9, fields={"name": "a"}))
    observe(tx, look(at=observations.STALE_MAX - 1, modified=8, fields={"name": "b"}))
    before = shown(tx)
    observe(tx, look(at=observations.STALE_MAX, modified=8, fields={"name": "b"}))

    assert ({"name": "a"}, {"name": "b"}) == (before, shown(tx))


def test_an_events_time_is_not_the_records(tx):
    """An edit that does not move the record's modified time is seen also after an event that claims a later one."""
    observe(tx, look(at=1, modified=5, fields={"name": "a"}))
    observe(tx, look(at=2, happened_at=7, fields={"name": "b"}))
    observe(tx, look(at=3, modified=5, fields={"name": "c"}))

    assert {"name": "c"} == shown(tx)


def test_a_path_that_was_not_shown_is_kept(tx):
    """Not shown is not blank; shown as None is."""
    observe(tx, look(at=1, fields={"name": "Ada", "phone": "1", "city": "X"}))

    assert set() == observe(tx, look(at=2, fields={"name": "Ada"}))
    assert {ref()} == observe(tx, look(at=3, fields={"city": None}))
    assert {"name": "Ada", "phone": "1", "city": None} == shown(tx)


def test_change_intervals_lie_between_two_looks(tx):
    """A path that changed did so after the last look without it and not after the first with it; the others keep their own."""
    observe(tx, look(at=10, fields={"name": "a", "city": "x"}))
    observe(tx, look(at=20, fields={"name": "a", "city": "x"}))
    observe(tx, look(at=30, fields={"name": "b", "city": "x"}))

    assert {"name": Interval(20, 30), "city": Interval(None, 10)} == observations.load(tx, [ref()])[ref()].changed


def test_change_intervals_are_cut_by_the_vendors_time(tx):
    """The vendor's time, moved to our clock and give or take its error, narrows the interval; a listing without it does so too."""
    observe(tx, look(at=1_000, fields={"name": "a"}))
    observe(tx, look(at=9_000, modified=5_500, skew=500, error=100, fields={"name": "b"}))
    cut = observations.load(tx, [ref()])[ref()].changed["name"]
    observe(tx, look(at=20_000, unchanged_at=15_000, fields={"name": "c"}))

    assert Interval(4_899, 5_100) == cut
    assert Interval(15_000, 20_000) == observations.load(tx, [ref()])[ref()].changed["name"]


def test_a_vendors_time_that_stands_still_tells_nothing(tx):
    """A change that left the record's modified time where it was is not as old as that time, but as young as the last look without it."""
    observe(tx, look(at=9_000, modified=8_500, error=100, fields={"name": "a"}))
    observe(tx, look(at=20_000, modified=8_500, error=500, fields={"name": "b"}))

    assert Interval(9_000, 20_000) == observations.load(tx, [ref()])[ref()].changed["name"]


def test_a_tombstone_has_its_evidence(tx):
    """A deletion is stored with its proof, is news, and is forgotten when the record is seen again."""
    observe(tx, look(at=1))
    observations.bury(tx, ref(), ["not listed", "404"], seen_at=5, read_at=5, routes=ROUTES)
    gone = observations.load(tx, [ref()])[ref()]

    assert (None, ("not listed", "404"), {}) == (gone.fields, gone.evidence, gone.changed)
    assert 0 == observations.count_alive(tx, PLACE_A)
    assert set() == observe(tx, look(at=4))
    assert {ref()} == observe(tx, look(at=6))
    back = observations.load(tx, [ref()])[ref()]
    assert ({"name": "Ada"}, ()) == (back.fields, back.evidence)


def test_a_tombstone_is_put_on_the_list(tx):
    """Whoever reads the collection plans the deletion."""
    observations.bury(tx, ref(), ["404"], seen_at=5, read_at=5, routes=ROUTES)

    assert [item()] == planned(tx)


def test_a_suspect_collects_evidence(tx):
    """Every further doubt adds to the proof; the first denial by id is remembered."""
    observe(tx, look(at=1))
    observations.suspect(tx, [ref()], "not listed", 5)
    observations.suspect(tx, [ref()], "announced", 6)
    (first,) = suspects.due(tx, ref().system, 5, 10)
    suspects.keep(tx, first, "404", missing_at=7, due_at=20)

    assert [] == doubted(tx, 19)
    assert [("1", ("not listed", "announced", "404"), 7)] == doubted(tx, 20)
    assert 20 == suspects.next_due(tx, ref().system)


def test_a_suspect_that_is_seen_is_cleared(tx):
    """A record that shows itself, even unchanged, is under no suspicion."""
    observe(tx, look(at=1))
    observations.suspect(tx, [ref()], "not listed", 5)
    observe(tx, look(at=6))

    assert [] == doubted(tx)


def test_an_older_look_clears_no_suspect(tx):
    """A reading that began before the record was missed proves nothing about afterwards."""
    observe(tx, look(at=10))
    observations.suspect(tx, [ref()], "announced as deleted", 11)
    observe(tx, look(at=3))

    assert ["1"] == [name for name, _, _ in doubted(tx)]


def test_what_is_known_to_be_gone_is_no_suspect(tx):
    """A tombstone needs no further proof."""
    observations.bury(tx, ref(), ["404"], seen_at=5, read_at=5, routes=ROUTES)
    observations.suspect(tx, [ref()], "not listed", 6)

    assert [] == doubted(tx)


def test_suspects_can_wait(tx):
    """A suspect that could not be looked at is looked at later."""
    observe(tx, look(at=1))
    observations.suspect(tx, [ref()], "not listed", 5)
    suspects.postpone(tx, [ref()], 30)

    assert ([], ["1"]) == (doubted(tx, 29), [name for name, _, _ in doubted(tx, 30)])


def test_a_complete_pass_tells_what_it_lacked(tx):
    """Missing is what was known before the pass and was not listed in it: not what was read since, nor what is gone, nor what is elsewhere."""
    observe(tx, *(look(n, at=1, pass_id=1) for n in "12345"), look("9", at=1, system="b"))
    observations.bury(tx, ref("5"), ["404"], seen_at=2, read_at=2, routes=ROUTES)
    observe(tx, look("1", at=11, pass_id=2), look("4", at=12))

    assert ([ref("2"), ref("3")], 4) == observations.missing(tx, PLACE_A, 2, 10)
