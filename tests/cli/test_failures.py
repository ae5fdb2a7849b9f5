"""`syncd failures`."""

from __future__ import annotations

import pytest

from tests.cli.world import World


@pytest.fixture
def failed(world: World) -> World:
    """A world in which the vendor refused an update for good, and would now take it."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.do(lambda sandbox: [sandbox.octopus.faults.add(each, "error_before", status=422, message="not\x1b[2J today", count=1_000)
                              for each in ("update-contact", "update-contacts") if each in sandbox.octopus.faults.operations])
    assert 6 == world.syncd("reconcile").code
    world.do(lambda sandbox: sandbox.octopus.faults.clear())
    return world


def test_none(looked: World) -> None:
    """Nothing failed, nothing to say but that."""
    assert ("", "no write has failed\n") == (looked.here("failures").out, looked.here("failures").err)
    assert [] == looked.here("failures", "list", "--json").json


def test_the_list(failed: World) -> None:
    """What was to be written, where, what the vendor said, harmlessly, and how often it was tried."""
    out, told = failed.here("failures").out, failed.here("failures", "--json").json

    assert "update in octopus" in out
    assert "today" in out
    assert "\x1b" not in out
    assert {"number", "system", "operation", "values", "error", "attempts", "link", "about"} <= told[0].keys()


@pytest.mark.parametrize("running", [False, True], ids=["alone", "with a daemon"])
def test_trying_again(running: bool, failed: World) -> None:
    """Once what was wrong is mended, the writes are tried again and done."""
    if running:
        with failed.daemon():
            result = failed.syncd("failures", "retry")
            after = failed.syncd("reconcile")
    else:
        result = failed.syncd("failures", "retry")
        after = failed.syncd("reconcile")

    assert 0 == result.code
    assert "tried again" in result.out
    assert 0 == after.code
    assert [] == failed.here("failures", "--json").json


def test_giving_up(failed: World) -> None:
    """A skipped write is off the list and is not owed again."""
    numbers = [str(each["number"]) for each in failed.here("failures", "--json").json]
    result = failed.syncd("failures", "skip", *numbers, "--json")

    assert 0 == result.code
    assert "given up" in result.json["said"]
    assert [] == failed.here("failures", "--json").json
    assert 0 == failed.syncd("reconcile").code


def test_a_number_that_is_not_there(failed: World) -> None:
    """It is said, and nothing changes."""
    result = failed.syncd("failures", "retry", "9999")

    assert 1 == result.code
    assert "no failed write 9999" in result.err
