"""`syncd alerts`."""

from __future__ import annotations

import json
import sys

from tests.cli.world import World, wait_for


def test_a_failing_credential_is_told_by_a_command(world: World) -> None:
    """The daemon runs the command, `alerts` lists it, and nothing is left once it is mended."""
    out = world.folder / "told"
    program = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())"
    world.edit_config("[daemon]", f"[alerts]\ncommand = {json.dumps([sys.executable, '-c', program])}\n\n[daemon]")
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    with world.daemon() as daemon:
        world.do(lambda sandbox: sandbox.ghl.faults.add("*", "unauthorized", count=1))
        wait_for(lambda: daemon.said("system.paused"))
        wait_for(lambda: out.exists() and "alert.raised" in out.read_text())
        wait_for(lambda: world.here("alerts", "list", "--json").json)
        listed = world.here("alerts").out
        assert 0 == world.syncd("resume", "ghl").code
        wait_for(lambda: "alert.resolved" in out.read_text())
        wait_for(lambda: world.here("alerts", "list", "--json").json == [])
    told = [json.loads(line) for line in out.read_text().splitlines()]

    assert "paused  ghl is not used" in listed
    assert "`syncd resume ghl`" in listed
    assert ["alert.raised", "alert.resolved"] == [each["type"] for each in told]


def test_a_test_says_how_it_went(world: World) -> None:
    """Each channel is named with what it said, and one that fails ends in 5."""
    world.edit_config("[daemon]", '[alerts]\ncommand = ["false"]\n\n[daemon]')
    failed = world.syncd("alerts", "test", "--json")
    world.edit_config('["false"]', '["true"]')
    went_well = world.syncd("alerts", "test")

    assert (5, {"log": "", "command": "the command ended with 1"}) == (failed.code, failed.json)
    assert (0, "log: told\ncommand: told\n") == (went_well.code, went_well.out)
