"""Text from strangers, values, times."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.cli.text import ago, as_json, counted, duration, iso, moment, safe, value

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Ada", "Ada"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07paste", "]52;c;cm0gLXJmIH4=paste"),
        ("\x9b31mC1", "31mC1"),
        ("admin\u202egpj.exe", "admingpj.exe"),
        ("a\u2066b\u2069", "ab"),
        ("line\r\nbreak\ttab", "line  break tab"),
        ("a\u2028b", "a b"),
        ("nul\x00bell\x07del\x7f", "nulbelldel"),
        ("tag\U000e0041ged", "tagged"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\ud800lone", "lone"),
    ],
)
def test_what_a_record_says_cannot_drive_the_terminal(written: str, shown: str) -> None:
    """Escape sequences, clipboard writes, reversed text and line breaks lose their power; letters and emoji stay."""
    assert shown == safe(written)


@given(st.text())
def test_safe_text_is_one_plain_line(text: str) -> None:
    """Whatever comes in, no control or invisible character comes out, and doing it again changes nothing."""
    shown = safe(text)

    assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in shown)
    assert shown == safe(shown)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])), st.lists, max_leaves=5))
def test_json_is_whole_and_harmless(held: object) -> None:
    """JSON gives back exactly what went in, and holds no character that a terminal obeys."""
    written = as_json(held)

    assert held == json.loads(written)
    assert not any(each != "\n" and (each == "\x7f" or unicodedata.category(each) in ("Cc", "Zl", "Zp")) for each in written)


def test_bidirectional_marks_are_escaped_in_json() -> None:
    """A mark that turns the text round is written as its number, beyond the basic plane as a pair."""
    assert '"a\\u202eb\\udb40\\udc41"' == as_json("a\u202eb\U000e0041")


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        (None, "(blank)"),
        ("Ada", '"Ada"'),
        (["vip", "new"], "vip, new"),
        ([], "(blank)"),
        (3, "3"),
        (True, "true"),
        ({"a": "\x1b"}, '{"a":"\\u001b"}'),
        ("x" * 300, '"' + "x" * 199 + '…"'),
    ],
)
def test_values_in_words(held: object, shown: str) -> None:
    """A person sees what is blank, what is text and what is a list."""
    assert shown == value(held)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "60 s"), (60, "1 min"), (90, "1 min 30 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    """Two units at most."""
    assert words == duration(seconds)


def test_instants() -> None:
    """One form for people, one for programs, and `never` for none."""
    at = 1_700_000_000 * SECOND

    assert ("2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20.000Z") == (moment(at), iso(at))
    assert ("never", None, "never") == (moment(None), iso(None), ago(None, at))
    assert ("just now", "2 min ago") == (ago(at, at), ago(at - 120 * SECOND, at))
    assert ("1 write", "2,000 writes") == (counted(1, "write"), counted(2000, "write"))
