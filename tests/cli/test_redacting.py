"""`--redact`: what is shown names nobody, and keeps its structure."""

from __future__ import annotations

import pytest

from syncd.sandbox.people import Part
from tests.cli.test_backup import texts_of
from tests.cli.world import World


@pytest.mark.parametrize(
    "asked", [("explain", "PERSON"), ("explain", "PERSON", "--json"), ("holds",), ("holds", "list", "--json"), ("events", "--limit", "200"), ("failures",)]
)
def test_nobody_is_named(synced: World, asked: tuple[str, ...]) -> None:
    """No value of any record, no address and no number is in what is shown; the same command without it shows as much."""
    assert synced.people is not None
    person = synced.people.of(Part.CONFLICT)[0].email
    words = [person if each == "PERSON" else each for each in asked]
    open_, shut = synced.here(*words), synced.here(*words, "--redact")
    # Tags and plans are words that syncd uses too.
    told = [text for text in texts_of(synced) if any(each in text for each in "@+")]

    assert (open_.code, len(open_.out.splitlines())) == (shut.code, len(shut.out.splitlines()))
    assert [] == [text for text in told if text.lower() in shut.out.lower()]
    assert "Sven" not in shut.out


def test_the_next_command_shows_everything_again(synced: World) -> None:
    """It holds for one command."""
    assert synced.people is not None
    person = synced.people.of(Part.CONFLICT)[0].email
    synced.here("explain", person, "--redact")

    assert "Sven" in synced.here("explain", person).out
