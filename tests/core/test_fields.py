"""Field types: normal form, equality, blankness."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.fields import FieldType, Unreadable, as_set, elements, equal, is_blank, key, read
from syncd.core.record import Json

ROOT = Path(__file__).resolve().parent.parent.parent

T = FieldType

READ = [
    (T.TEXT, "  Ada ", "Ada"),
    (T.TEXT, "a\r\nb\rc", "a\nb\nc"),
    (T.TEXT, "e\u0301", "\u00e9"),
    (T.TEXT, "e\x00\u0301", "\u00e9"),
    (T.TEXT, 12, "12"),
    (T.TEXT, "   ", None),
    (T.EMAIL, " Ada@Example.COM ", "ada@example.com"),
    (T.PHONE, "(888) 888-8888", "+18888888888"),
    (T.PHONE, "+1 888 888 8888", "+18888888888"),
    (T.PHONE, 8888888888, "+18888888888"),
    (T.NUMBER, "12.50", 12.5),
    (T.NUMBER, 12.0, 12),
    (T.NUMBER, " 12 ", 12),
    (T.NUMBER, "9007199254740993", 9007199254740993),
    (T.NUMBER, "1.00000000000000000001", 1),
    (T.NUMBER, "-0", 0),
    (T.NUMBER, " ", None),
    (T.BOOL, "Yes", True),
    (T.BOOL, 0, False),
    (T.BOOL, "\t", None),
    (T.DATE, "2024-2-9", "2024-02-09"),
    (T.DATE, "2024/02/09", "2024-02-09"),
    (T.DATE, "2024-02-09T00:00:00Z", "2024-02-09"),
    (T.DATE, " ", None),
    (T.INSTANT, "2024-02-09T01:00:00+01:00", "2024-02-09T00:00:00.000Z"),
    (T.INSTANT, 1707436800123, "2024-02-09T00:00:00.123Z"),
    (T.CHOICE, " Gold ", "Gold"),
    (T.SET, ["b", "a", "B"], ["a", "b"]),
    (T.SET, "b, a,", ["a", "b"]),
    (T.SET, [" "], None),
    (T.JSON, {"b": [1], "a": None}, {"a": None, "b": [1]}),
]

REFUSED = [
    (T.TEXT, {"a": 1}),
    (T.TEXT, True),
    (T.EMAIL, "nobody"),
    (T.EMAIL, "a@b@c"),
    (T.PHONE, "call me"),
    (T.PHONE, "555-1234"),
    (T.PHONE, "+1 888 888 8888 ext. 5"),
    (T.NUMBER, "1,000"),
    (T.NUMBER, "nan"),
    (T.NUMBER, "1e999"),
    (T.NUMBER, True),
    (T.BOOL, "perhaps"),
    (T.DATE, "2024-02-30"),
    (T.DATE, "9/2/2024"),
    (T.DATE, "2024-02-09T23:00:00-05:00"),
    (T.INSTANT, "2024-02-09T00:00:00"),
    (T.INSTANT, 10**30),
    (T.INSTANT, 1.5),
    (T.SET, [{"a": 1}]),
    (T.SET, 5),
    (T.JSON, float("nan")),
]

EQUAL = [
    (T.SET, ["VIP", "a"], ["a", "vip"], True),
    (T.SET, ["a"], ["a", "b"], False),
    (T.SET, None, None, True),
    (T.BOOL, True, True, True),
    (T.NUMBER, 1, True, False),
    (T.TEXT, "a", "A", False),
    (T.JSON, {"a": 1}, {"a": True}, False),
    (T.JSON, {"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
]


@pytest.mark.parametrize(("kind", "raw", "expected"), READ)
def test_what_is_shown_has_one_normal_form(kind: FieldType, raw: Json, expected: Json) -> None:
    """However a member writes it, a value reads as one normal form."""
    actual = read(kind, raw)

    assert (expected, type(expected)) == (actual, type(actual))


@pytest.mark.parametrize(("kind", "raw", "expected"), READ)
def test_reading_a_normal_form_changes_nothing(kind: FieldType, raw: Json, expected: Json) -> None:
    """`read` of its own result is that result."""
    assert expected == read(kind, read(kind, raw))


@pytest.mark.parametrize(("kind", "raw"), REFUSED)
def test_what_is_no_value_is_unreadable(kind: FieldType, raw: Json) -> None:
    """A value that is none of its type is never guessed and never blank; the reason is said."""
    shown = read(kind, raw)

    assert isinstance(shown, Unreadable)
    assert shown.reason


@pytest.mark.parametrize("kind", list(FieldType))
@pytest.mark.parametrize("raw", [None, "", [], " ", " \t\n"])
def test_every_emptiness_is_blank(kind: FieldType, raw: Json) -> None:
    """None, an empty text or list and mere spaces say nothing, whatever the type."""
    assert is_blank(read(kind, raw))


def test_a_region_completes_a_phone_number() -> None:
    """A number without a country code is read in the member's own region."""
    assert "+442079460018" == read(T.PHONE, "020 7946 0018", "GB")


@pytest.mark.parametrize(("kind", "left", "right", "expected"), EQUAL)
def test_equality_is_of_values_not_of_spellings(kind: FieldType, left: Json, right: Json, expected: bool) -> None:
    """Sets are equal by elements; true is not one; and equal values have equal keys."""
    assert expected == equal(kind, left, right) == equal(kind, right, left) == (key(kind, left) == key(kind, right))


def test_a_set_keeps_one_spelling_an_element() -> None:
    """The first spelling is kept, in the order of the elements."""
    assert ["a", "VIP"] == as_set(["VIP", "a", "vip"])
    assert {"vip": "VIP"} == elements(["VIP"])
    assert None is as_set([])


LINE = st.text(st.characters(exclude_characters="\r\n"), max_size=8)
RAW = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=12)
    | st.sampled_from(["a@B.c", "+1 888 888 8888", "2024-1-2", "2024-01-02T03:04:05+01:00", "1e3", "yes", "0.10"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(st.sampled_from(list(FieldType)), RAW)
def test_reading_twice_is_reading_once(kind: FieldType, raw: Json) -> None:
    """Whatever a vendor shows, reading raises nothing, gives JSON, and is idempotent to the key."""
    once = read(kind, raw)
    if isinstance(once, Unreadable):
        return
    json.dumps(once, allow_nan=False)
    twice = read(kind, once)

    assert not isinstance(twice, Unreadable)
    assert equal(kind, once, twice)
    assert key(kind, once) == key(kind, twice)


@given(LINE, LINE)
def test_text_reads_as_its_pieces_do(left: str, right: str) -> None:
    """Normal forms do not depend on how line ends and accents are encoded."""
    assert read(T.TEXT, f"{left}\r\n{right}") == read(T.TEXT, f"{left}\n{right}")


def test_nothing_is_loaded_later():
    """With everything loaded, telephone numbers of any region are read where no file can be opened any more; without, that goes wrong."""
    script = (
        "import os, resource, sys\n"
        "from syncd.core.fields import FieldType, load_everything, read\n"
        "if sys.argv[1] == 'all': load_everything()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) - 1,) * 2)\n"
        "print(*[read(FieldType.PHONE, each) for each in ('+442079460018', '+97235551234', '+4930901820', '(201) 555-0123')])\n"
    )
    done = [
        subprocess.run([sys.executable, "-c", script, how], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        for how in ("all", "later")
    ]

    assert (0, "+442079460018 +97235551234 +4930901820 +12015550123\n") == (done[0].returncode, done[0].stdout)
    assert "Too many open files" in done[1].stderr
