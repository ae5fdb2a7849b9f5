"""`--redact`: what is shown names nobody, and keeps its structure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from syncd.sandbox.people import Part
from tests.cli.test_backup import texts_of
from tests.cli.world import World, make_world


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


AUTOMATION = """
[automations.greet]
on = "ghl/contacts updated"
do = [{ alert = { text = "{event.id}: {event.after.email} is {event.after.firstName}" } }, { stop = true }]
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which somebody was edited, and an automation ran for it."""
    with ExitStack() as stack:
        world = make_world(tmp_path_factory.mktemp("told"), stack, 12)
        world.edit_config('first_run = "review"', 'first_run = "auto"')
        world.config.write_text(world.config.read_text() + AUTOMATION)
        assert 0 == world.syncd("reconcile").code
        assert world.people is not None
        one = world.people.of(Part.BOTH)[0]
        world.do(lambda sandbox: sandbox.ghl.edit_as_user(one.ghl_ids[0], {"firstName": "Zenobia", "lastName": "Quill"}))
        assert 0 == world.syncd("reconcile").code
        yield world


@pytest.mark.parametrize(
    "asked",
    [
        ("plan", "--offline"), ("events", "--limit", "500"), ("events", "--limit", "500", "--json"), ("runs", "RUN"), ("runs", "RUN", "--json"), ("undo", "RUN"),
        ("undo", "RUN", "--json"), ("holds",), ("failures",), ("automations", "runs", "greet"), ("automations", "runs", "greet", "--json"),
        ("automations", "show", "1"), ("automations", "show", "1", "--json"), ("automations", "test", "greet", "--last"),
        ("automations", "test", "greet", "--last", "--json"), ("explain", "PERSON"), ("call", "ghl", "get-contact", "--data", "CONTACT"),
        ("call", "ghl", "search-contacts", "--all-pages"),
    ],
)  # fmt: skip
def test_no_command_that_shows_records_names_anybody(told: World, asked: tuple[str, ...]) -> None:
    """The same command without it shows as many lines; with it, no name, address or number of anybody is in them."""
    assert told.people is not None
    one = told.people.of(Part.BOTH)[0]
    run = str(max(each["run"] for each in told.here("runs", "--json").json if each["undoable"]))
    meant = {"PERSON": one.email, "RUN": run, "CONTACT": f'{{"contactId": "{one.ghl_ids[0]}"}}'}
    words = [meant.get(each, each) for each in asked]
    open_, shut = told.here(*words), told.here(*words, "--redact")
    private = [text for text in texts_of(told) if any(each in text for each in "@+")]

    assert open_.code == shut.code, shut.err
    assert len(open_.out.splitlines()) == len(shut.out.splitlines())
    assert [] == [text for text in [*private, "Zenobia", "Quill"] if text.lower() in (shut.out + shut.err).lower()]


def test_the_next_command_shows_everything_again(synced: World) -> None:
    """It holds for one command."""
    assert synced.people is not None
    person = synced.people.of(Part.CONFLICT)[0].email
    synced.here("explain", person, "--redact")

    assert "Sven" in synced.here("explain", person).out
