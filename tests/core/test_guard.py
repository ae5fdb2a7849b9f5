"""Guards: which stream a write belongs to, when a stream stops, which listing is not believed."""

from __future__ import annotations

import pytest

from syncd.core.guard import Direction, Turn, believe_listing, direction, fights, trip
from syncd.core.outcome import Operation, Write
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import Cap, Guards

F = FieldName("f")
X, Y = MemberName("x"), MemberName("y")

STREAMS = [
    (Operation.DELETE, {}, {}, Direction.DELETES),
    (Operation.ARCHIVE, {}, {}, Direction.DELETES),
    (Operation.CREATE, {F: "x"}, {}, Direction.CREATES),
    (Operation.UPDATE, {F: "x"}, {F: "y"}, Direction.UPDATES),
    (Operation.UPDATE, {F: None}, {F: "y"}, Direction.BLANKS),
    (Operation.UPDATE, {F: None}, {F: None}, Direction.UPDATES),
    (Operation.UPDATE, {F: None}, {}, Direction.UPDATES),
]

LISTINGS = [
    (100, 0, None, 100, True),
    (0, 0, None, 0, True),
    (0, 0, 0, 0, True),
    (100, 30, None, 70, True),
    (100, 31, None, 69, False),
    (100, 100, None, 0, False),
    (1, 1, None, 5, True),
    (1, 1, None, 0, False),
    (100, 1, 100, 99, False),
    (100, 1, 99, 99, True),
]


@pytest.mark.parametrize(("operation", "values", "expected_before", "expected"), STREAMS)
def test_a_write_is_counted_as_the_gravest_thing_it_does(
    operation: Operation, values: dict[FieldName, Json], expected_before: dict[FieldName, Json], expected: Direction
) -> None:
    """Deleting and archiving are one stream; an update that clears a field that held something is a blanking."""
    write = Write(member=MemberName("a"), operation=operation, values=values, expected=expected_before)

    assert expected == direction(write)


@pytest.mark.parametrize(
    ("owed", "links", "stops"), [(10, 0, False), (11, 0, True), (11, 500, True), (20, 1000, False), (21, 1000, True)]
)
def test_a_stream_stops_past_the_larger_limit(owed: int, links: int, stops: bool) -> None:
    """Ten deletions or two per cent, whichever is more; the reason names the stream and the limit."""
    why = trip(Guards(), Direction.DELETES, owed=owed, links=links)

    assert stops == (why is not None)
    assert why is None or "deletes" in why


def test_every_stream_has_a_cap() -> None:
    """No direction goes uncounted."""
    guards = Guards(**{each.value: Cap(number=0, share=0) for each in Direction})

    assert all(trip(guards, each, owed=1, links=10) for each in Direction)


@pytest.mark.parametrize(("known", "missing", "total", "listed", "believed"), LISTINGS)
def test_a_listing_that_lacks_too_much_is_not_believed(known: int, missing: int, total: int | None, listed: int, believed: bool) -> None:
    """Nothing listed, too many missing, or fewer rows than the vendor counts: no absence is concluded."""
    assert believed == (believe_listing(Guards(), known=known, missing=missing, total=total, listed=listed) is None)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([], False),
        ([("a", "b", X), ("b", "a", Y)], False),
        ([("a", "b", X), ("b", "a", Y), ("a", "b", X)], False),
        ([("a", "b", X), ("b", "a", Y), ("a", "b", X), ("b", "a", Y)], True),
        ([("a", "b", X), ("b", "a", X), ("a", "b", X), ("b", "a", X)], False),
        ([("a", "b", X), ("b", "a", X), ("a", "b", Y), ("b", "a", X)], False),
        ([("a", "b", X), ("b", "c", Y), ("c", "b", X), ("b", "a", Y)], False),
        ([("c", "a", X), ("a", "b", X), ("b", "a", Y), ("a", "b", X), ("b", "a", Y)], True),
        ([("a", "b", X), ("b", "a", Y), ("a", "b", X), ("b", "a", Y), ("a", "c", X)], False),
    ],
    ids=["nothing", "set back", "twice", "a third time", "one alone", "one twice running", "other values", "after something else", "over"],
)
def test_fights(turns, expected):
    """Set back more than twice between the same two values, each time by the other side, and still going on."""
    assert expected is fights([Turn(*each) for each in turns])
