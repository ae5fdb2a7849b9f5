"""`syncd audit`."""

from __future__ import annotations

from tests.cli.world import World


def test_nothing_is_unexplained(world: World) -> None:
    """After a sync, alone and through the daemon; and nothing is written by asking."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    marks = world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))
    alone = world.syncd("audit", "--json")
    with world.daemon():
        through = world.syncd("audit")

    assert (0, []) == (alone.code, alone.json["drifts"])
    assert 0 < alone.json["equal"]
    assert 0 == through.code, through.out
    assert "nothing is unexplained" in through.err
    assert marks == world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))
