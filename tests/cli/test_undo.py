"""`syncd runs` and `syncd undo`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox.people import Part
from tests.cli.world import World, make_world, wait_for


@pytest.fixture
def quiet(tmp_path: Path) -> Any:
    """A world that was synced, with one person on both sides to edit."""
    with ExitStack() as stack:
        world = make_world(tmp_path, stack, 6)
        world.edit_config('first_run = "review"', 'first_run = "auto"')
        assert 0 == world.syncd("reconcile").code
        yield world


def both(world: World) -> tuple[str, str]:
    """The ids of somebody who is on both sides."""
    assert world.people is not None
    person = world.people.of(Part.BOTH)[0]
    return person.ghl_ids[0], person.octopus_ids[0]


def first_names(world: World, ghl: str, octopus: str) -> tuple[str, str]:
    def look(sandbox: Any) -> tuple[str, str]:
        one = next(each for each in sandbox.ghl.contacts() if each["id"] == ghl)
        other = next(each for each in sandbox.octopus.contacts() if each["id"] == octopus)
        return one["firstName"], other["fields"]["FirstName"]

    return world.do(look)


def test_what_was_done_this_afternoon(quiet: World) -> None:
    """A run is listed with what it wrote, shown before it is undone, undone on both sides, and undone again by the undo's own number."""
    ghl, octopus = both(quiet)
    before = first_names(quiet, ghl, octopus)
    quiet.do(lambda sandbox: sandbox.ghl.edit_as_user(ghl, {"firstName": "Wrong"}))
    assert 0 == quiet.syncd("reconcile").code
    newest = quiet.here("runs", "--json").json[0]
    told = quiet.here("runs", str(newest["run"])).out
    shown = quiet.syncd("undo", str(newest["run"]))
    untouched = first_names(quiet, ghl, octopus)
    done = quiet.syncd("undo", str(newest["run"]), "--yes", "--json")
    after = first_names(quiet, ghl, octopus)
    again = quiet.syncd("undo", str(done.json["done"]["run"]), "--yes")

    assert ("reconcile", {"octopus": {"update": 1}}, True) == (newest["kind"], newest["writes"], newest["undoable"])
    assert '"Wrong"' in told
    assert (0, ("Wrong", "Wrong")) == (shown.code, untouched)
    assert '"Wrong" → ' in shown.out
    assert "nothing was done; --yes does it" in shown.err
    assert (0, before) == (done.code, after)
    assert (0, ("Wrong", "Wrong")) == (again.code, first_names(quiet, ghl, octopus))


def test_a_stretch_of_a_daemons_life(quiet: World) -> None:
    """Since a moment, through the running daemon, whose run goes on."""
    ghl, octopus = both(quiet)
    before = first_names(quiet, ghl, octopus)
    newest = quiet.here("events", "--json", "--limit", "1").out
    number = int(newest.split('"number":')[1].split(",")[0])
    with quiet.daemon():
        quiet.do(lambda sandbox: sandbox.ghl.edit_as_user(ghl, {"firstName": "Wrong"}))
        wait_for(lambda: first_names(quiet, ghl, octopus) == ("Wrong", "Wrong"))
        wait_for(lambda: quiet.here("status", "--json").json["writes"].get("sent", 0) == 0)
        result = quiet.syncd("undo", "--from", str(number + 1), "--yes")
        kinds = [each["kind"] for each in quiet.here("runs", "--json").json[:2]]

    assert 0 == result.code, result.err
    assert before == first_names(quiet, ghl, octopus)
    assert ["live", "undo"] == kinds


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((), 2, "name a run, or say --since"),
        (("1", "--since", "2h"), 2, "name a run, or say --since"),
        (("--since", "yesterdayish"), 2, "is no time"),
        (("4711",), 1, "there is no run 4711"),
    ],
)
def test_what_is_no_stretch(synced: World, arguments: tuple[str, ...], code: int, why: str) -> None:
    """It is said what would be one."""
    result = synced.here("undo", *arguments)

    assert code == result.code
    assert why in result.err


def test_since_in_words(synced: World) -> None:
    """As a person says it, and as a program does."""
    for when in ("2 hours ago", "90m", "1 day ago", "2020-01-31T09:00Z", "2020-01-31"):
        assert 0 == synced.here("undo", "--since", when, "--json").code
    assert [] == synced.here("undo", "--since", "2020-01-31", "--until", "2020-02-01", "--json").json["fields"]
