"""`syncd reconcile`, alone and with a daemon."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.world import World, wait_for


def rows(world: World) -> tuple[int, int]:
    return world.do(lambda sandbox: (len(sandbox.ghl.contacts()), len(sandbox.octopus.contacts())))


def test_a_first_run_stops_for_approval(world: World) -> None:
    """Everything is linked and planned, nothing written; the tally in words, the way on, code 7."""
    before = rows(world)
    result = world.syncd("reconcile")

    assert 7 == result.code
    assert "writes owed" in result.out
    assert "wait for your approval: `syncd plan`, then `syncd holds`" in result.err
    assert before == rows(world)


@pytest.mark.parametrize("running", [False, True], ids=["alone", "with a daemon"])
def test_approved_it_makes_everything_equal(running: bool, world: World) -> None:
    """Whoever does the work: everybody who can be is on both sides, code 0, and doing it again changes nothing."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    if running:
        with world.daemon():
            first, second = world.syncd("reconcile"), world.syncd("reconcile", "contacts", "--json")
    else:
        first, second = world.syncd("reconcile"), world.syncd("reconcile", "contacts", "--json")

    assert (0, 0) == (first.code, second.code)
    # One is there twice in GoHighLevel, and nobody guesses which.
    assert rows(world)[0] - 1 == rows(world)[1]
    assert {"outcomes", "failures", "parked", "held", "paused", "run"} <= second.json.keys()
    assert not any(each["outcome"] == "applied" for each in second.json["outcomes"])


def test_failed_writes_are_code_6(world: World) -> None:
    """What the vendor refuses for good is told, and everything else is done."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.do(lambda sandbox: [sandbox.octopus.faults.add(each, "error_before", status=422, message="no such plan", count=1_000)
                              for each in ("update-contact", "update-contacts") if each in sandbox.octopus.faults.operations])
    result = world.syncd("reconcile")

    assert 6 == result.code
    assert "`syncd failures` shows them" in result.err


def test_a_listing_that_is_not_believed_is_code_7(world: World) -> None:
    """A side that suddenly lists nobody is a question, not a reason to delete."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    before = rows(world)
    world.do(lambda sandbox: sandbox.octopus.faults.add("list-contacts", "empty_listing", count=50))
    result = world.syncd("reconcile", "--json")

    assert (7, 1) == (result.code, result.json["held"]["listing"])
    assert before == rows(world)


def test_an_unknown_sync(world: World) -> None:
    """A typo is said with what there is, alone and by the daemon."""
    alone = world.syncd("reconcile", "contact")
    with world.daemon():
        asked = world.syncd("reconcile", "contact")

    assert (1, 1) == (alone.code, asked.code)
    assert "configured: contacts" in alone.err
    assert "configured: contacts" in asked.err


def test_a_refused_credential_is_code_5(world: World) -> None:
    """A system that is not used is named, with why; nothing waits for ever."""
    (world.folder / "ghl-token").write_text("pit-wrong-0000\n")
    result = world.syncd("reconcile")

    assert 5 == result.code
    assert "ghl is not used" in result.err
    assert "Traceback" not in result.err
    assert "pit-wrong" not in result.err


def test_a_time_out_is_code_5(world: World) -> None:
    """A vendor that hangs does not hold the command; what was asked does not start again by itself."""
    world.do(lambda sandbox: sandbox.octopus.faults.add("list-contacts", "hang_before", seconds=60, count=50))
    result = world.syncd("reconcile", "--timeout", "2", timeout_s=30)

    assert 5 == result.code
    assert "not done after 2 s" in result.err
    assert [] == world.here("status", "--json").json["requests"]


def test_a_signal_ends_it_in_order(world: World) -> None:
    """SIGTERM in the middle: an error in words, the lock free again, no request left behind."""
    world.do(lambda sandbox: sandbox.octopus.faults.add("list-contacts", "hang_before", seconds=60, count=50))
    with subprocess.Popen([sys.executable, "-m", "syncd", "reconcile"], cwd=world.folder, env=world.environ(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: world.database.exists() and world.here("status", "--json").json.get("requests"))
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()

    assert 130 == process.returncode
    assert b"Traceback" not in err
    assert ("not running", []) == (world.here("status", "--json").json["daemon"], world.here("status", "--json").json["requests"])


def test_with_a_daemon_no_secret_is_needed(world: World) -> None:
    """The daemon does the work, so whoever asks need not be able to read its secrets."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    with world.daemon():
        (world.folder / "ghl-token").unlink()
        result = world.syncd("reconcile")

    assert 0 == result.code
