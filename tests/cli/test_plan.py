"""`syncd plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syncd.sandbox.people import Part
from tests.cli.world import World, wait_for


def truth(world: World) -> tuple[list[Any], list[Any]]:
    return world.do(lambda sandbox: (sandbox.ghl.contacts(), sandbox.octopus.contacts()))


def polled(world: World) -> str:
    """When every collection had been polled."""
    told = world.here("status", "--json").json["collections"]
    return min(each["polled_at"] for each in told.values())


def test_it_writes_nothing_anywhere(world: World) -> None:
    """Neither vendor changes, no database is made, and the copy is gone afterwards."""
    before = truth(world)
    result = world.syncd("plan", TMPDIR=str(world.folder))

    assert 0 == result.code
    assert before == truth(world)
    assert not world.database.exists()
    assert [] == list(world.folder.glob("syncd-plan-*"))


def test_it_shows_what_would_be_done(world: World) -> None:
    """Creates and updates by target with old and new values, links, holds, and what waits for a person."""
    out = world.syncd("plan").out

    assert "records in octopus" in out or "record in octopus" in out
    assert '"Svela" → "Sven"' in out
    assert "the first writes of this sync wait for your approval" in out
    assert "hold: ambiguous" in out
    assert "calls to octopus" in out


def test_it_is_exact(world: World) -> None:
    """What it shows is what reconcile then writes, record by record and value by value."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    planned = world.syncd("plan", "--json").json["changes"]
    began = world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))
    assert 0 == world.syncd("reconcile").code
    written = world.do(lambda sandbox: (sandbox.ghl.truth.since(began[0]), sandbox.octopus.truth.since(began[1])))

    for system, applied in zip(("ghl", "octopus"), written, strict=True):
        wanted = [each for each in planned if each["system"] == system]
        assert sorted(each["operation"] for each in wanted) == sorted(str(each.operation) for each in applied)
        updated = {each["ref"].rsplit("/", 1)[-1] for each in wanted if each["ref"]}
        assert updated == {each.id for each in applied if str(each.operation) == "update"}
    assert not world.syncd("plan", "--json").json["pending"]


def test_the_detailed_exit_code(world: World) -> None:
    """2 while something would be written, 0 when nothing would."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')

    assert 2 == world.syncd("plan", "--detailed-exitcode").code
    assert 0 == world.syncd("reconcile").code
    after = world.syncd("plan", "--detailed-exitcode")
    assert (0, True) == (after.code, "nothing to write" in after.out)


def test_over_a_running_daemon(world: World) -> None:
    """The daemon's database is copied while it runs, and an edit nobody has seen yet is in the plan."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    world.edit_config('poll_min = "500ms"', 'poll_min = "1h"')
    world.edit_config('poll_max = "1s"', 'poll_max = "1h"')
    assert world.people is not None
    [somebody], before = world.people.of(Part.CONFLICT), polled(world)
    with world.daemon():
        wait_for(lambda: polled(world) > before)
        world.do(lambda sandbox: sandbox.ghl.edit_as_user(somebody.ghl_ids[0], {"lastName": "Lovelace\x1b]52;c;eA==\x07"}))
        result, told = world.syncd("plan"), world.syncd("plan", "--json").json

    assert 0 == result.code
    assert "\x1b" not in result.out
    assert ["last_name"] == [name for each in told["changes"] for name in each["fields"]]
    assert "Lovelace" in told["changes"][0]["fields"]["last_name"]["then"]


def test_one_sync_by_its_name(world: World) -> None:
    """A typo is an error with what there is."""
    result = world.syncd("plan", "contact")

    assert 1 == result.code
    assert "configured: contacts" in result.err


def test_a_refused_credential_is_code_4(world: World) -> None:
    """It cannot be exact without the vendor, so it ends, and says which."""
    (world.folder / "octopus-key").write_text("wrong-key\n")
    result = world.syncd("plan")

    assert (4, "") == (result.code, result.out)
    assert "octopus" in result.err
    assert "Traceback" not in result.err


def test_a_vendor_that_does_not_answer_is_code_5(world: World) -> None:
    """The same plan may be had later."""
    told = world.do(lambda sandbox: sandbox.describe())
    world.edit_config(told["emailoctopus"]["base_url"], "http://127.0.0.1:9")
    result = world.syncd("plan")

    assert (5, "") == (result.code, result.out)
    assert "Traceback" not in result.err


def test_the_copy_is_private(world: World, tmp_path: Path) -> None:
    """What is copied holds people's records: nobody else may look while it is there."""
    assert 0 == world.syncd("plan", TMPDIR=str(tmp_path)).code
    assert [] == [each for each in tmp_path.iterdir() if each.name.startswith("syncd-plan")]
